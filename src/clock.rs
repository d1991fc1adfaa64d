//! The one place where time is read: monotonic [`Moment`]s for ages and deadlines, the wall clock for records.
//!
//! Knows nothing of what the time is used for. Everything that decides takes time as an argument instead.

mod watch;

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rtime_clock::adjtime::{Timex, adjtimex};

use crate::domain::{Moment, Stamp};

pub use watch::{Evidence, Reading, Sign, Watch};

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Monotonic; never goes back while the process lives.
    fn now(&self) -> Moment;
    /// The wall clock, which lies on boards without a battery and jumps when the network tells it the time.
    fn wall(&self) -> SystemTime;
    /// All that is known of the time, for what is written down.
    fn stamp(&self) -> Stamp;
}

/// The machine's own clocks.
pub struct SystemClock {
    epoch: Instant,
    boot: [u8; 16],
}

impl SystemClock {
    /// Its epoch is now.
    pub fn new() -> SystemClock {
        SystemClock { epoch: Instant::now(), boot: boot_id().unwrap_or_default() }
    }
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment(self.epoch.elapsed())
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn stamp(&self) -> Stamp {
        let at = self.wall();
        Stamp {
            at,
            offset_s: Timestamp::try_from(at).map_or(0, |at| TimeZone::system().to_offset(at).seconds()),
            since_boot: since_boot(),
            boot: self.boot,
            // After the wall clock was read, and each time: setting the clock takes the kernel's word back.
            synchronised: synchronised(),
        }
    }
}

/// What the kernel says: `adjtimex(2)` without `STA_UNSYNC`. `None` where it may not be asked.
fn synchronised() -> Option<bool> {
    let mut timex = Timex::new();
    adjtimex(&mut timex).ok()?;
    Some(timex.0.status & libc::STA_UNSYNC == 0)
}

/// `CLOCK_BOOTTIME`: since the machine started, with the time it slept.
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// `CLOCK_MONOTONIC`, by which the kernel dates what devices deliver. [`Clock::now`] counts in its steps, from another beginning.
pub fn monotonic() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The kernel's random name for this run of the machine.
fn boot_id() -> Option<[u8; 16]> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(*uuid::Uuid::parse_str(text.trim()).ok()?.as_bytes())
}

/// A clock that stands still until it is told to move: for tests.
pub struct SimulatedClock(Mutex<Simulated>);

#[derive(Clone, Copy)]
struct Simulated {
    now: Moment,
    wall: SystemTime,
    synchronised: Option<bool>,
    /// Counts the starts of the machine.
    boot: u8,
    booted: Moment,
}

impl SimulatedClock {
    /// Starts at moment zero and the given wall time, synchronised.
    pub fn new(wall: SystemTime) -> SimulatedClock {
        let now = Moment::default();
        SimulatedClock(Mutex::new(Simulated { now, wall, synchronised: Some(true), boot: 1, booted: now }))
    }

    /// Moves both clocks on.
    pub fn advance(&self, span: Duration) {
        let mut times = self.times();
        times.now = times.now + span;
        times.wall += span;
    }

    /// Sets the wall clock, as an operator or a time server would.
    pub fn set_wall(&self, wall: SystemTime) {
        self.times().wall = wall;
    }

    /// Whether the wall clock is kept in step from now on.
    pub fn set_synchronised(&self, synchronised: Option<bool>) {
        self.times().synchronised = synchronised;
    }

    /// The machine is started anew, with this wall time and not in step.
    pub fn reboot(&self, wall: SystemTime) {
        let mut times = self.times();
        times.boot = times.boot.wrapping_add(1).max(1);
        (times.booted, times.wall, times.synchronised) = (times.now, wall, Some(false));
    }

    fn times(&self) -> MutexGuard<'_, Simulated> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Moment {
        self.times().now
    }

    fn wall(&self) -> SystemTime {
        self.times().wall
    }

    /// In UTC.
    fn stamp(&self) -> Stamp {
        let Simulated { now, wall, synchronised, boot, booted } = *self.times();
        Stamp { since_boot: now.since(booted), boot: [boot; 16], synchronised, ..Stamp::at(wall) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_knows_the_machine() {
        let clock = SystemClock::new();
        let (first, second) = (clock.stamp(), clock.stamp());
        assert!(first.since_boot <= second.since_boot && first.since_boot > Duration::from_secs(1));
        assert_eq!(first.boot, second.boot);
        assert_ne!(first.boot, [0; 16]);
        // Longer than the process has run: it counts from the start of the machine.
        assert!(first.since_boot > clock.now().0);
    }
}

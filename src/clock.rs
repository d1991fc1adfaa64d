//! The only place that reads the time: monotonic [`Moment`]s for ages and deadlines, the wall clock for records. Rules take the time as an
//! argument instead.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod rate;
mod watch;

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rtime_clock::adjtime::{Timex, adjtimex};

use crate::domain::{Moment, Stamp};

pub use rate::{Pace, RateLimit};
pub use watch::{ClockReading, Evidence, Sign, Watch};

/// A source of time: the machine's clocks, or a simulation.
pub trait Clock: Send + Sync {
    /// Monotonic; never goes back while the process lives.
    fn now(&self) -> Moment;
    /// The wall clock. It is wrong on boards without a battery, and jumps when the network sets it.
    fn wall(&self) -> SystemTime;
    /// The time with everything that a record keeps about it.
    fn stamp(&self) -> Stamp;
}

/// The machine's own clocks.
pub struct SystemClock {
    epoch: Instant,
    boot: [u8; 16],
}

impl SystemClock {
    /// A clock whose epoch is now.
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
            // Read after the wall clock, and every time: setting the clock clears the kernel's flag.
            synchronised: synchronised(),
        }
    }
}

/// Whether the kernel counts the clock as synchronised: `adjtimex(2)` without `STA_UNSYNC`. `None` where the call is not permitted.
fn synchronised() -> Option<bool> {
    let mut timex = Timex::new();
    adjtimex(&mut timex).ok()?;
    Some(timex.0.status & libc::STA_UNSYNC == 0)
}

/// `CLOCK_BOOTTIME`: the time since the machine started, including suspension.
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// `CLOCK_MONOTONIC`, by which the kernel dates what devices deliver. [`Clock::now`] runs at the same rate from another epoch.
pub fn monotonic() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The kernel's random identifier of this boot.
fn boot_id() -> Option<[u8; 16]> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(*uuid::Uuid::parse_str(text.trim()).ok()?.as_bytes())
}

/// A clock that moves only when a test moves it.
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

    /// Advances both clocks.
    pub fn advance(&self, span: Duration) {
        let mut times = self.times();
        times.now = times.now.after(span);
        times.wall = times.wall.checked_add(span).unwrap_or(times.wall);
    }

    /// Sets the wall clock, as an operator or a time server would.
    pub fn set_wall(&self, wall: SystemTime) {
        self.times().wall = wall;
    }

    /// Sets whether the kernel counts the wall clock as synchronised.
    pub fn set_synchronised(&self, synchronised: Option<bool>) {
        self.times().synchronised = synchronised;
    }

    /// Restarts the machine, with this wall time and not synchronised.
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
    fn a_stamp_identifies_the_boot() {
        let clock = SystemClock::new();
        let (first, second) = (clock.stamp(), clock.stamp());
        assert!(first.since_boot <= second.since_boot && first.since_boot > Duration::from_secs(1));
        assert_eq!(first.boot, second.boot);
        assert_ne!(first.boot, [0; 16]);
        // Longer than the process has run, because it counts from the start of the machine.
        assert!(first.since_boot > clock.now().0);
    }
}

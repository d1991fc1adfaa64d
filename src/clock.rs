//! The one place where time is read: monotonic [`Moment`]s for ages and deadlines, the wall clock for records.
//!
//! Knows nothing of what the time is used for. Everything that decides takes time as an argument instead.

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rtime_clock::adjtime::{Timex, adjtimex};

use crate::domain::{Moment, Stamp};

/// Whether the clock is set is asked again after so long.
const SYNCHRONISED_FOR: Duration = Duration::from_secs(5);

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
    /// When it was last asked whether the wall clock is set, and the answer.
    synchronised: Mutex<Option<(Instant, Option<bool>)>>,
}

impl SystemClock {
    /// Its epoch is now.
    pub fn new() -> SystemClock {
        SystemClock { epoch: Instant::now(), boot: boot_id().unwrap_or_default(), synchronised: Mutex::default() }
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
            synchronised: self.synchronised(),
        }
    }
}

impl SystemClock {
    fn synchronised(&self) -> Option<bool> {
        let mut known = self.synchronised.lock().unwrap_or_else(PoisonError::into_inner);
        match *known {
            Some((asked, answer)) if asked.elapsed() < SYNCHRONISED_FOR => answer,
            _ => {
                let answer = synchronised();
                *known = Some((Instant::now(), answer));
                answer
            }
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
pub struct SimulatedClock(Mutex<(Moment, SystemTime)>);

impl SimulatedClock {
    /// Starts at moment zero and the given wall time.
    pub fn new(wall: SystemTime) -> SimulatedClock {
        SimulatedClock(Mutex::new((Moment::default(), wall)))
    }

    /// Moves both clocks on.
    pub fn advance(&self, span: Duration) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.0 = times.0 + span;
        times.1 += span;
    }

    /// Sets the wall clock, as an operator or a time server would.
    pub fn set_wall(&self, wall: SystemTime) {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).1 = wall;
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Moment {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn wall(&self) -> SystemTime {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// In UTC, synchronised, of a machine that started at moment zero.
    fn stamp(&self) -> Stamp {
        let (now, at) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Stamp { since_boot: now.0, ..Stamp::at(at) }
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

//! The one place where time is read: monotonic [`Moment`]s for ages and deadlines, the wall clock for records.
//!
//! Knows nothing of what the time is used for. Everything that decides takes time as an argument instead.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use crate::domain::Moment;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Monotonic; never goes back while the process lives.
    fn now(&self) -> Moment;
    /// The wall clock, which lies on boards without a battery and jumps when the network tells it the time.
    fn wall(&self) -> SystemTime;
}

/// The machine's own clocks.
pub struct SystemClock(Instant);

impl SystemClock {
    /// Its epoch is now.
    pub fn new() -> SystemClock {
        SystemClock(Instant::now())
    }
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment(self.0.elapsed())
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
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
        let mut times = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
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
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).0
    }

    fn wall(&self) -> SystemTime {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).1
    }
}

//! How each stage is: when it last beat, what it says of itself, what it has counted.
//!
//! Knows nothing of what the stages do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::domain::Moment;

/// One stage: a thread with a name.
pub struct Stage {
    pub name: String,
    /// The role it plays: `camera`, `vision`, `doors`.
    pub role: &'static str,
    beat_ms: AtomicU64,
    trouble: Mutex<Option<String>>,
    /// Pictures or messages that it has handled.
    pub handled: AtomicU64,
    /// Those that it, or the hand-over before it, had to drop.
    pub dropped: AtomicU64,
    /// Those that could not be used.
    pub bad: AtomicU64,
    /// Time spent on the last one, in microseconds.
    pub last_us: AtomicU64,
}

impl Stage {
    /// Not a beat yet: it counts from `now`.
    pub fn new(role: &'static str, name: &str, now: Moment) -> Arc<Stage> {
        Arc::new(Stage {
            name: name.to_owned(),
            role,
            beat_ms: AtomicU64::new(now.0.as_millis() as u64),
            trouble: Mutex::new(None),
            handled: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            bad: AtomicU64::new(0),
            last_us: AtomicU64::new(0),
        })
    }

    /// It lives.
    pub fn beat(&self, now: Moment) {
        self.beat_ms.store(now.0.as_millis() as u64, Ordering::Relaxed);
    }

    /// How long ago it last beat.
    pub fn silent_for(&self, now: Moment) -> Duration {
        now.since(Moment(Duration::from_millis(self.beat_ms.load(Ordering::Relaxed))))
    }

    /// What is wrong with it; `None` when nothing is.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Says what is wrong, or that nothing is.
    pub fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = trouble;
    }

    /// One more in `counter`.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

//! The word that ends the daemon's threads.
//!
//! Knows nothing of why it is said.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Held by whoever may end the threads; dropping it says the word.
pub struct StopToken(Stop);

/// Asked by the threads.
#[derive(Clone, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl StopToken {
    /// A token and what listens to it.
    pub fn new() -> (StopToken, Stop) {
        let stop = Stop::default();
        (StopToken(stop.clone()), stop)
    }
}

impl Drop for StopToken {
    fn drop(&mut self) {
        let (said, waiting) = &*self.0.0;
        *said.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = true;
        waiting.notify_all();
    }
}

impl Stop {
    /// Whether the word was said.
    pub fn said(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits for `span`, or until the word is said; `true` when it was.
    pub fn wait(&self, span: Duration) -> bool {
        let (said, waiting) = &*self.0;
        let guard = said.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (guard, _) =
            waiting.wait_timeout_while(guard, span, |said| !*said).unwrap_or_else(|poisoned| poisoned.into_inner());
        *guard
    }
}

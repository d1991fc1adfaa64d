//! How long to wait before the next attempt to connect.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Waits of 1 second to 1 minute that double with each attempt. Half of each is random, so that a hundred devices do not reconnect to a
/// restarted broker at the same instant: equal jitter (Brooker, "Exponential Backoff And Jitter", 2015).
#[derive(Debug, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The wait before the next attempt; each one is longer, up to a minute.
    pub fn next(&mut self) -> Duration {
        let wait = wait(self.attempts, chance());
        self.attempts = self.attempts.saturating_add(1);
        wait
    }

    /// The next wait is the shortest.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// A connection that lasted for `online` has ended. Waits start again only after one that lasted as long as the longest wait, so that a
    /// broker that accepts and hangs up is not flooded with attempts.
    pub fn ended_after(&mut self, online: Duration) {
        if online >= LONGEST {
            self.attempts = 0;
        }
    }
}

/// `chance` is in 0..1. Between half of `2^(attempts + 1)` seconds and all of it; never more than the longest.
fn wait(attempts: u32, chance: f64) -> Duration {
    let longest = SHORTEST.saturating_mul(2u32.saturating_pow(attempts.saturating_add(1))).min(LONGEST);
    longest.mul_f64(0.5 + 0.5 * chance)
}

/// A random number in 0..1. The standard library seeds each `RandomState` at random, which is good enough for jitter.
fn chance() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    (random >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_up_to_a_minute() {
        let shortest: Vec<f64> = (0..8).map(|attempts| wait(attempts, 0.0).as_secs_f64()).collect();
        assert_eq!(shortest, [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
        assert_eq!((wait(0, 1.0), wait(5, 1.0)), (Duration::from_secs(2), LONGEST));
    }

    #[test]
    fn only_a_lasting_connection_resets_the_wait() {
        let mut backoff = Backoff::default();
        for _ in 0..10 {
            backoff.next();
        }
        backoff.ended_after(Duration::from_secs(59));
        assert!(backoff.next() >= Duration::from_secs(30));
        backoff.ended_after(LONGEST);
        assert!(backoff.next() <= Duration::from_secs(2));
    }

    proptest! {
        #[test]
        fn every_wait_is_within_bounds(attempts: u32, chance in 0.0..1.0) {
            prop_assert!((SHORTEST..=LONGEST).contains(&wait(attempts, chance)));
        }
    }
}

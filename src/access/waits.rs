//! Failures in a row: after some of them a wait, each time twice as long.

use std::time::Duration;

use crate::domain::Moment;

/// When a wait begins, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// So many failures in a row begin a wait. Zero: there are no waits.
    pub after: u32,
    /// The first wait; each further one is twice as long.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

/// The failures of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failures {
    /// Since the last wait began.
    in_a_row: u32,
    /// The number of waits so far.
    waits: u32,
    last: Moment,
    until: Moment,
}

impl Failures {
    /// Nothing has failed yet.
    pub fn none(now: Moment) -> Failures {
        Failures { in_a_row: 0, waits: 0, last: now, until: now }
    }

    /// Counts a failure, which may begin a wait.
    pub fn add(&mut self, backoff: &Backoff, now: Moment) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.last = now;
        if backoff.after > 0 && self.in_a_row >= backoff.after {
            let wait = backoff.first.saturating_mul(1 << self.waits.min(16)).min(backoff.longest);
            *self = Failures { in_a_row: 0, waits: self.waits.saturating_add(1), last: now, until: now + wait };
        }
    }

    /// How many there were since the last wait began.
    pub fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// When the last one was.
    pub fn last(&self) -> Moment {
        self.last
    }

    /// When the wait ends, while there is one.
    pub fn until(&self, now: Moment) -> Option<Moment> {
        (self.until > now).then_some(self.until)
    }

    /// How long ago the last failure was, or the end of the wait that it began; zero during that.
    pub fn idle(&self, now: Moment) -> Duration {
        now.since(self.last.max(self.until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_never_overflows_and_no_wait_is_longer_than_the_longest() {
        let longest = Duration::from_secs(3600);
        for first in [Duration::ZERO, Duration::from_millis(1), Duration::MAX] {
            let backoff = Backoff { after: 1, first, longest };
            let (mut failures, mut now) = (Failures::none(Moment::default()), Moment::default());
            for _ in 0..100 {
                failures.add(&backoff, now);
                let until = failures.until(now).unwrap_or(now);
                assert!(until.since(now) <= longest && failures.idle(now) == Duration::ZERO);
                now = until;
            }
        }
    }
}

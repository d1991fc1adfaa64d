//! Limits how often something may happen, by a token bucket.

use crate::domain::Moment;

/// So many a minute, and as many at once.
#[derive(Clone, Debug)]
pub struct RateLimit {
    most: f64,
    tokens: f64,
    filled: Moment,
    exceeded: bool,
}

/// What a limit says of one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    WithinLimit,
    /// The first one beyond the limit since one was within it.
    FirstTooMany,
    /// Another one beyond the limit.
    TooMany,
}

impl RateLimit {
    /// Nothing has happened yet.
    pub fn per_minute(most: u32, now: Moment) -> RateLimit {
        RateLimit { most: most.into(), tokens: most.into(), filled: now, exceeded: false }
    }

    /// One more happens.
    pub fn take(&mut self, now: Moment) -> Pace {
        let since = now.since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + since * self.most / 60.0).min(self.most);
        self.filled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            self.exceeded = false;
            return Pace::WithinLimit;
        }
        if std::mem::replace(&mut self.exceeded, true) { Pace::TooMany } else { Pace::FirstTooMany }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn as_many_as_in_a_minute_may_come_at_once_and_the_first_beyond_is_told_apart() {
        let (mut limit, at) = (RateLimit::per_minute(60, Moment::default()), |ms| Moment(Duration::from_millis(ms)));
        let paces: Vec<Pace> = (0..1000).map(|ms| limit.take(at(ms))).collect();
        let within = |paces: &[Pace]| paces.iter().filter(|pace| **pace == Pace::WithinLimit).count();
        assert_eq!(within(&paces), 60, "at once");
        assert_eq!((paces[60], paces[61]), (Pace::FirstTooMany, Pace::TooMany));
        let paces: Vec<Pace> = (1000..61_000).map(|ms| limit.take(at(ms))).collect();
        assert_eq!(within(&paces), 60, "within a minute");
        assert_eq!(limit.take(at(100_000)), Pace::WithinLimit);
        assert!((0..60).map(|_| limit.take(at(100_000))).any(|pace| pace == Pace::FirstTooMany), "told again");
    }
}

//! The servers' clock, as a board can tell it: without its own wall clock, which may be wrong or be set at any time.

use std::time::Duration;

use crate::domain::Moment;

/// What the servers' clock showed at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerTime {
    /// The middle of the time between asking and the answer.
    at: Moment,
    ms: i64,
    /// It is wrong by no more than this, and by what the board's crystal has drifted since.
    pub doubt: Duration,
}

impl ServerTime {
    /// From a message that was sent at `sent`, stored by a server when its clock showed `stored_ms`, and acknowledged at `acknowledged`.
    pub fn measured(sent: Moment, acknowledged: Moment, stored_ms: i64) -> ServerTime {
        let doubt = acknowledged.since(sent).checked_div(2).unwrap_or_default();
        ServerTime { at: sent.after(doubt), ms: stored_ms, doubt }
    }

    /// The servers' time in milliseconds since 1970, `at_ms` milliseconds after the moment zero of this process, or before it.
    pub fn of(&self, at_ms: i64) -> i64 {
        at_ms.saturating_sub(millis(self.at)).saturating_add(self.ms)
    }

    /// The reverse of [`ServerTime::of`].
    pub fn back(&self, server_ms: i64) -> i64 {
        server_ms.saturating_sub(self.ms).saturating_add(millis(self.at))
    }
}

/// A moment in milliseconds.
pub fn millis(moment: Moment) -> i64 {
    i64::try_from(moment.0.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_time_is_told_to_half_the_way_there_and_back() {
        let at = |ms| Moment(Duration::from_millis(ms));
        let time = ServerTime::measured(at(1_000), at(1_040), 1_800_000_000_000);
        assert_eq!(time.doubt, Duration::from_millis(20));
        assert_eq!(time.of(1_020), 1_800_000_000_000);
        assert_eq!(time.of(-980), 1_799_999_998_000, "before this process");
        for ms in [-5_000, 0, 77_000] {
            assert_eq!(time.back(time.of(ms)), ms);
        }
        assert_eq!(time.of(i64::MIN), i64::MIN.saturating_sub(1_020).saturating_add(1_800_000_000_000));
    }
}

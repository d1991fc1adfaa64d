//! When a board reads everything again: it has read all that the servers have, and does not hold what the office says.
//!
//! A server may have withheld a record, or the board may have refused one that it would take now. Reading everything costs the servers something, so it is
//! done once, and then again after pauses that double.

use std::time::Duration;

use crate::domain::Moment;

/// Between two attempts, at first and at most. The first pause is longer than a record that was just published takes to come.
const FIRST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(6 * 3600);

/// Whether the board holds what the office says, over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Astray {
    /// Since when it does not, and how long after that it reads everything again.
    since: Option<(Moment, Duration)>,
}

impl Astray {
    /// Notes whether the board holds what the newest head says, once it has read all that there is. Returns whether to read everything again now.
    pub fn reads_anew(&mut self, is_whole: bool, now: Moment) -> bool {
        let (since, pause) = match self.since {
            _ if is_whole => {
                self.since = None;
                return false;
            }
            None => {
                self.since = Some((now, FIRST));
                return false;
            }
            Some(since) => since,
        };
        let is_due = now.since(since) >= pause;
        if is_due {
            self.since = Some((now, pause.saturating_mul(2).min(LONGEST)));
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::clock::{Clock, SimulatedClock};

    #[test]
    fn everything_is_read_again_after_pauses_that_double() {
        let clock = SimulatedClock::new(SystemTime::UNIX_EPOCH);
        let mut astray = Astray::default();
        let mut at = Vec::new();
        // A head each minute, for a day.
        for minute in 0..1440_u64 {
            if astray.reads_anew(false, clock.now()) {
                at.push(minute);
            }
            clock.advance(Duration::from_secs(60));
        }
        assert_eq!(at, [1, 3, 7, 15, 31, 63, 127, 255, 511, 871, 1231]);
        assert!(!astray.reads_anew(true, clock.now()));
        assert!(!astray.reads_anew(false, clock.now()), "it begins anew");
        clock.advance(FIRST);
        assert!(astray.reads_anew(false, clock.now()));
    }
}

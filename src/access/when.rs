//! Now, by every clock, and points in time that outlive a restart.
//!
//! Knows nothing of what happened then.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{Moment, TimeQuality};

/// A point that lies ahead by no more than this is now: the clock was put back a little.
const SLACK: Duration = Duration::from_secs(60);

/// Now: the clock that only counts up, for spans; the wall clock with its quality, for schedules; and the machine's own, for spans over a
/// restart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Now {
    pub moment: Moment,
    pub wall: Timestamp,
    pub quality: TimeQuality,
    /// It is at least so late, whatever the wall clock shows.
    pub at_least: Timestamp,
    /// The machine's name for this run; zeros when it is not known.
    pub boot: [u8; 16],
    /// Since the machine was started.
    pub since_boot: Duration,
}

impl Now {
    /// By a wall clock that nothing speaks against, of a machine whose runs have no name.
    pub fn by_the_wall(moment: Moment, wall: Timestamp) -> Now {
        let quality = TimeQuality::Plausible;
        Now { moment, wall, quality, at_least: wall, boot: [0; 16], since_boot: moment.0 }
    }

    /// Whether the day and the hour can be told.
    pub fn is_known(&self) -> bool {
        self.quality.is_known()
    }

    /// What is the matter with the wall clock, in words.
    pub(super) fn doubt(&self) -> &'static str {
        match self.quality {
            TimeQuality::Unset => "the clock is not set",
            TimeQuality::Wrong => "the clock is behind earlier records",
            TimeQuality::Plausible | TimeQuality::Synchronised => "the clock is right",
        }
    }
}

/// A point in time, by the wall clock and by the machine's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    pub wall: Timestamp,
    /// Whether the wall clock could be relied on then.
    pub known: bool,
    /// The machine's name for that run; zeros when it is not known.
    pub boot: [u8; 16],
    /// Since the machine was started.
    pub since_boot: Duration,
}

impl When {
    /// Now.
    pub fn of(now: &Now) -> When {
        When { wall: now.wall, known: now.is_known(), boot: now.boot, since_boot: now.since_boot }
    }

    /// By the wall clock alone, as older versions wrote it.
    pub fn by_the_wall(wall: Timestamp) -> When {
        When { wall, known: true, boot: [0; 16], since_boot: Duration::ZERO }
    }

    /// How long ago that was. Within one run of the machine that is certain, whatever was done to the wall clock; across runs both
    /// wall clocks must be known. `None` when it cannot be told.
    pub fn ago(&self, now: &Now) -> Option<Duration> {
        if self.boot == now.boot && self.boot != [0; 16] {
            return Some(now.since_boot.saturating_sub(self.since_boot));
        }
        let span = now.wall.duration_since(self.wall);
        let told = self.known && now.is_known();
        match span.is_negative() {
            false => told.then(|| span.unsigned_abs()),
            true => (told && span.unsigned_abs() <= SLACK).then_some(Duration::ZERO),
        }
    }

    /// What a right wall clock showed then; `None` when that cannot be told.
    pub fn wall_then(&self, now: &Now) -> Option<Timestamp> {
        let ago = self.ago(now).filter(|_| now.is_known())?;
        now.wall.checked_sub(jiff::SignedDuration::try_from(ago).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn now(wall: &str, quality: TimeQuality, boot: u8, hours: u32) -> Now {
        let wall = wall.parse().unwrap();
        Now { quality, boot: [boot; 16], since_boot: HOUR * hours, ..Now::by_the_wall(Moment::default(), wall) }
    }

    #[test]
    fn within_a_run_the_wall_clock_does_not_matter() {
        let then = When::of(&now("1970-01-01T00:00:00Z", TimeQuality::Unset, 1, 1));
        let later = now("2026-05-04T09:00:00Z", TimeQuality::Synchronised, 1, 4);
        assert_eq!(then.ago(&later), Some(3 * HOUR));
        assert_eq!(then.wall_then(&later), Some("2026-05-04T06:00:00Z".parse().unwrap()));
        let unset = now("1970-01-01T00:00:00Z", TimeQuality::Unset, 1, 4);
        assert_eq!((then.ago(&unset), then.wall_then(&unset)), (Some(3 * HOUR), None));
    }

    #[test]
    fn across_runs_both_clocks_must_be_known() {
        let then = When::of(&now("2026-05-04T09:00:00Z", TimeQuality::Plausible, 1, 1));
        let at = |wall: &str, quality| then.ago(&now(wall, quality, 2, 0));
        assert_eq!(at("2026-05-04T11:00:00Z", TimeQuality::Plausible), Some(2 * HOUR));
        assert_eq!(at("2026-05-04T11:00:00Z", TimeQuality::Wrong), None);
        assert_eq!(at("1970-01-01T00:00:00Z", TimeQuality::Unset), None);
        assert_eq!(at("2026-05-04T08:59:30Z", TimeQuality::Plausible), Some(Duration::ZERO));
        assert_eq!(
            at("2026-05-04T08:00:00Z", TimeQuality::Synchronised),
            None,
            "then lies ahead: that clock was wrong"
        );
        let unset = When::of(&now("1970-01-01T00:00:00Z", TimeQuality::Unset, 1, 1));
        assert_eq!(unset.ago(&now("2026-05-04T11:00:00Z", TimeQuality::Synchronised, 2, 0)), None);
        // Runs without a name are never the same.
        let nameless = When::by_the_wall("2026-05-04T09:00:00Z".parse().unwrap());
        assert_eq!(nameless.ago(&now("2026-05-04T10:00:00Z", TimeQuality::Plausible, 0, 9)), Some(HOUR));
    }
}

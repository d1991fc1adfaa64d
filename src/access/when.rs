//! The present by all clocks, and points in time that can be compared after a restart.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{Moment, TimeQuality};

/// A point this little in the future counts as now: the clock was set back slightly.
const SLACK: Duration = Duration::from_secs(60);

/// The present: the monotonic clock for time spans, the wall clock with its quality for schedules, and the machine's uptime for time spans
/// across restarts of this program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Now {
    pub moment: Moment,
    pub wall: Timestamp,
    pub quality: TimeQuality,
    /// The time is at least this, whatever the wall clock shows.
    pub at_least: Timestamp,
    /// The machine's boot id; zeros if it is not known.
    pub boot: [u8; 16],
    /// The time since the machine booted.
    pub since_boot: Duration,
}

impl Now {
    /// From a plausible wall clock, on a machine without a boot id.
    pub fn by_the_wall(moment: Moment, wall: Timestamp) -> Now {
        let quality = TimeQuality::Plausible;
        Now { moment, wall, quality, at_least: wall, boot: [0; 16], since_boot: moment.0 }
    }

    /// Whether the date and time are known.
    pub fn is_known(&self) -> bool {
        self.quality.is_known()
    }

    /// What is wrong with the wall clock, for people.
    pub(super) fn doubt(&self) -> &'static str {
        match self.quality {
            TimeQuality::Unset => "the clock is not set",
            TimeQuality::Wrong => "the clock is behind earlier records",
            TimeQuality::Plausible | TimeQuality::Synchronised => "the clock is right",
        }
    }
}

/// A point in time, by the wall clock and by the machine's uptime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    pub wall: Timestamp,
    /// Whether the wall clock was reliable then.
    pub known: bool,
    /// The machine's boot id then; zeros if it was not known.
    pub boot: [u8; 16],
    /// The time since the machine booted.
    pub since_boot: Duration,
}

impl When {
    /// The present as a point in time.
    pub fn of(now: &Now) -> When {
        When { wall: now.wall, known: now.is_known(), boot: now.boot, since_boot: now.since_boot }
    }

    /// By the wall clock only, as older versions wrote it.
    pub fn by_the_wall(wall: Timestamp) -> When {
        When { wall, known: true, boot: [0; 16], since_boot: Duration::ZERO }
    }

    /// How long ago it was. Within one boot that is exact, even if the wall clock was set; across boots the wall clock must be known at both
    /// times. `None` if it cannot be determined.
    pub fn ago(&self, now: &Now) -> Option<Duration> {
        if self.boot == now.boot && self.boot != [0; 16] {
            return Some(now.since_boot.saturating_sub(self.since_boot));
        }
        let span = now.wall.duration_since(self.wall);
        let both_known = self.known && now.is_known();
        match span.is_negative() {
            false => both_known.then(|| span.unsigned_abs()),
            true => (both_known && span.unsigned_abs() <= SLACK).then_some(Duration::ZERO),
        }
    }

    /// What a correct wall clock showed then; `None` if it cannot be determined.
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
    fn within_a_boot_the_wall_clock_does_not_matter() {
        let then = When::of(&now("1970-01-01T00:00:00Z", TimeQuality::Unset, 1, 1));
        let later = now("2026-05-04T09:00:00Z", TimeQuality::Synchronised, 1, 4);
        assert_eq!(then.ago(&later), Some(3 * HOUR));
        assert_eq!(then.wall_then(&later), Some("2026-05-04T06:00:00Z".parse().unwrap()));
        let unset = now("1970-01-01T00:00:00Z", TimeQuality::Unset, 1, 4);
        assert_eq!((then.ago(&unset), then.wall_then(&unset)), (Some(3 * HOUR), None));
    }

    #[test]
    fn across_boots_both_clocks_must_be_known() {
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
        // Boots without an id are never the same.
        let nameless = When::by_the_wall("2026-05-04T09:00:00Z".parse().unwrap());
        assert_eq!(nameless.ago(&now("2026-05-04T10:00:00Z", TimeQuality::Plausible, 0, 9)), Some(HOUR));
    }
}

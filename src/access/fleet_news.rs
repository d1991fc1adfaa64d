//! How long ago the fleet's office was heard, and whether doors open when that is too long ago; and the wait for its rules after a start.

use std::time::Duration;

use jiff::Timestamp;

use super::when::Now;
use crate::domain::{Gate, Moment, Reason};

/// After a start, doors wait so long for the fleet's newest rules: the site may have been locked down while the board was off. Where the servers answer, it
/// takes a tenth of a second; where they do not, the doors must open all the same.
pub const RULES_WITHIN: Duration = Duration::from_secs(3);

/// How far ahead of this clock a word may be signed that came before this start. Beyond it, one of both clocks is wrong, and nobody can tell how old it is.
const AHEAD: Duration = Duration::from_secs(300);

/// What is known of the fleet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FleetNews {
    /// The newest word of the office, if there ever was one.
    pub heard: Option<Heard>,
    /// Whether the newest rules were read since the start.
    pub rules_read: bool,
}

impl FleetNews {
    /// The gate `fleet` of a board that waits for the rules until `by`; `None` if it waits no longer.
    pub(super) fn awaited(&self, by: Moment, now: Moment) -> Option<(Gate, Option<Reason>)> {
        let waits = !self.rules_read && now < by;
        let limit = format!("read, or {} s after the start", RULES_WITHIN.as_secs());
        let gate = || Gate::new("fleet", "the fleet's newest rules are not read yet".to_owned(), limit, false);
        waits.then(|| (gate(), Some(Reason::FleetStale)))
    }
}

/// What `[fleet]` says of a board that hears nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FleetRule {
    /// The longest time since the newest word of the office.
    pub max_age: Duration,
    /// Whether nobody passes beyond that; otherwise the gate only says so.
    pub denies: bool,
}

/// The newest signed word of the office.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The time that the office signed, by its clock.
    pub signed_at: Timestamp,
    /// When it came; `None` where it came before this start.
    pub arrived: Option<Moment>,
}

impl Heard {
    /// How old it is: since it came or since it was signed, whichever is longer, so that neither a server that repeats nor one that delays makes it
    /// younger. `None` if it came before this start and the time is not known, or if it was signed in the future.
    pub fn age(&self, now: &Now) -> Option<Duration> {
        self.age_at(now.is_known().then_some(now.wall), now.moment)
    }

    /// As [`Heard::age`], at a moment that the wall clock calls `wall`; `None` if the time is not known.
    pub fn age_at(&self, wall: Option<Timestamp>, moment: Moment) -> Option<Duration> {
        let since_signed = wall.and_then(|wall| match Duration::try_from(wall.duration_since(self.signed_at)) {
            Ok(ago) => Some(ago),
            Err(_) => {
                (Duration::try_from(self.signed_at.duration_since(wall)).ok()? <= AHEAD).then_some(Duration::ZERO)
            }
        });
        since_signed.max(self.arrived.map(|arrived| moment.since(arrived)))
    }
}

impl FleetRule {
    /// The gate `fleet`.
    pub(super) fn gate(&self, heard: Option<&Heard>, now: &Now) -> (Gate, Option<Reason>) {
        let age = heard.and_then(|heard| heard.age(now));
        let fits = age.is_some_and(|age| age <= self.max_age);
        let mut input = match (heard, age) {
            (None, _) => "the office was never heard".to_owned(),
            (Some(_), None) if now.is_known() => {
                "the office's newest word is of the future, by this clock: nobody can tell when it was heard".to_owned()
            }
            (Some(_), None) => format!("{}: nobody can tell when the office was heard", now.doubt()),
            (Some(_), Some(age)) => format!("the office was heard {} s ago", age.as_secs()),
        };
        if !fits && !self.denies {
            input += ", let pass (when_stale)";
        }
        let limit = format!("within {} s", self.max_age.as_secs());
        let passed = fits || !self.denies;
        (Gate::new("fleet", input, limit, passed), (!passed).then_some(Reason::FleetStale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, moment: u64) -> Now {
        Now::by_the_wall(Moment(Duration::from_secs(moment)), text.parse().unwrap())
    }

    fn heard(signed: &str, arrived: Option<u64>) -> Heard {
        let arrived = arrived.map(|seconds| Moment(Duration::from_secs(seconds)));
        Heard { signed_at: signed.parse().unwrap(), arrived }
    }

    #[test]
    fn a_word_that_is_repeated_or_delayed_grows_no_younger() {
        let now = at("2026-01-02T10:00:00Z", 1000);
        let age = |heard: Heard| heard.age(&now).map(|age| age.as_secs());
        assert_eq!(age(heard("2026-01-02T09:59:30Z", Some(990))), Some(30), "signed earlier than it came");
        assert_eq!(age(heard("2026-01-02T09:59:59Z", Some(400))), Some(600), "it came long ago");
        assert_eq!(age(heard("2026-01-02T10:05:00Z", Some(990))), Some(10), "the office's clock is ahead");
        assert_eq!(age(heard("2026-01-02T09:00:00Z", None)), Some(3600), "it came before this start");
    }

    #[test]
    fn a_word_of_the_future_that_came_before_the_start_is_not_fresh() {
        let now = at("2026-01-02T10:00:00Z", 1000);
        let age = |heard: Heard| heard.age(&now).map(|age| age.as_secs());
        assert_eq!(age(heard("2026-01-02T10:05:00Z", None)), Some(0), "clocks differ a little");
        assert_eq!(age(heard("2026-01-02T10:05:01Z", None)), None);
        assert_eq!(age(heard("2026-01-03T10:00:00Z", None)), None, "the office's clock was ahead by a day");
        assert_eq!(age(heard("2026-01-03T10:00:00Z", Some(980))), Some(20), "it came since the start");
        let rule = FleetRule { max_age: Duration::from_secs(300), denies: true };
        let (gate, refused) = rule.gate(Some(&heard("2026-01-03T10:00:00Z", None)), &now);
        assert!(refused == Some(Reason::FleetStale) && gate.input.contains("of the future"), "{gate:?}");
        let late = at("2026-01-03T10:01:00Z", 90_000);
        assert_eq!(heard("2026-01-03T10:00:00Z", None).age(&late), Some(Duration::from_secs(60)));
    }

    #[test]
    fn after_a_start_the_rules_are_waited_for_and_not_for_long() {
        let (start, by) = (Moment(Duration::from_secs(100)), Moment(Duration::from_secs(100) + RULES_WITHIN));
        let unread = FleetNews::default();
        let (gate, refused) = unread.awaited(by, start).unwrap();
        assert!(!gate.passed && refused == Some(Reason::FleetStale), "{gate:?}");
        assert_eq!(unread.awaited(by, by), None, "the network may be down");
        assert_eq!(FleetNews { rules_read: true, ..unread }.awaited(by, start), None);
    }

    #[test]
    fn beyond_the_limit_the_rule_denies_or_only_says_so() {
        let now = at("2026-01-02T10:00:00Z", 1000);
        let rule = FleetRule { max_age: Duration::from_secs(300), denies: true };
        let (fresh, old) = (heard("2026-01-02T09:59:00Z", Some(940)), heard("2026-01-02T09:00:00Z", Some(100)));
        let (gate, refused) = rule.gate(Some(&fresh), &now);
        assert_eq!((gate.passed, refused, &*gate.input), (true, None, "the office was heard 60 s ago"));
        let (gate, refused) = rule.gate(Some(&old), &now);
        assert_eq!((gate.passed, refused, &*gate.limit), (false, Some(Reason::FleetStale), "within 300 s"));
        assert_eq!(rule.gate(None, &now).1, Some(Reason::FleetStale));
        let lenient = FleetRule { denies: false, ..rule };
        let (gate, refused) = lenient.gate(Some(&old), &now);
        assert!(gate.passed && refused.is_none() && gate.input.ends_with("let pass (when_stale)"), "{gate:?}");
    }
}

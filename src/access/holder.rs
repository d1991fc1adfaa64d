//! What the rules need to know of a person: groups, and whether and from when to when they may pass at all.
//!
//! Knows nothing of faces, and of where people are.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::{Gate, Moment, PersonId, Reason};

/// Now, by both clocks: the one that only counts up, for spans; and the wall clock, for schedules.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Now {
    pub moment: Moment,
    pub wall: Timestamp,
}

/// Somebody enrolled, as the rules see them.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    pub person: PersonId,
    pub groups: Vec<String>,
    pub enabled: bool,
    /// They may pass from this moment on.
    pub valid_from: Option<Timestamp>,
    /// They may pass before this moment.
    pub valid_until: Option<Timestamp>,
}

impl Holder {
    /// Whether they belong to `group`.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }

    /// The gate `person`: enabled, and within their days.
    pub(super) fn gate(&self, now: Now, zone: &TimeZone) -> (Gate, Option<Reason>) {
        let day = |at: Timestamp| at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
        let refused = if !self.enabled {
            Some(Reason::Disabled)
        } else if self.valid_from.is_some_and(|from| now.wall < from) {
            Some(Reason::NotYetValid)
        } else if self.valid_until.is_some_and(|until| now.wall >= until) {
            Some(Reason::Expired)
        } else {
            None
        };
        let state = if self.enabled { "enabled" } else { "disabled" };
        let limit = match (self.valid_from, self.valid_until) {
            (None, None) => "enabled".to_owned(),
            (Some(from), None) => format!("enabled, from {}", day(from)),
            (None, Some(until)) => format!("enabled, before {}", day(until)),
            (Some(from), Some(until)) => format!("enabled, from {} to before {}", day(from), day(until)),
        };
        let input = format!("person {}, {state}, {}", self.person, day(now.wall));
        (Gate { name: "person", input, limit, passed: refused.is_none() }, refused)
    }
}

//! What the rules need to know of a person: groups, and whether and from when to when they may pass at all.
//!
//! Knows nothing of faces, and of where people are.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::when::Now;
use crate::domain::{Gate, PersonId, Reason, WithoutSync};

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

    /// The gate `person`: enabled, and within their days. While the time is not known, a day that is surely over or surely has come
    /// still counts; whatever else their days say is for `without_sync` to decide.
    pub(super) fn gate(&self, now: Now, zone: &TimeZone, without_sync: WithoutSync) -> (Gate, Option<Reason>) {
        let day = |at: Timestamp| at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
        // While the time is not known it is at least so late, and nobody can tell how much later.
        let surely = if now.is_known() { now.wall } else { now.at_least };
        let begun = self.valid_from.is_none_or(|from| surely >= from);
        let over = self.valid_until.is_some_and(|until| surely >= until);
        let unsure = !now.is_known() && (!begun || self.valid_until.is_some());
        let refused = if !self.enabled {
            Some(Reason::Disabled)
        } else if over {
            Some(Reason::Expired)
        } else if unsure {
            (without_sync == WithoutSync::Deny).then_some(Reason::ClockUnknown)
        } else {
            (!begun).then_some(Reason::NotYetValid)
        };
        let state = if self.enabled { "enabled" } else { "disabled" };
        let limit = match (self.valid_from, self.valid_until) {
            (None, None) => "enabled".to_owned(),
            (Some(from), None) => format!("enabled, from {}", day(from)),
            (None, Some(until)) => format!("enabled, before {}", day(until)),
            (Some(from), Some(until)) => format!("enabled, from {} to before {}", day(from), day(until)),
        };
        let mut input = format!("person {}, {state}, {}", self.person, day(now.wall));
        if !now.is_known() {
            input += &format!("; {}, it is {} or later", now.doubt(), day(now.at_least));
            if unsure && refused.is_none() {
                input += ", let pass (without_sync)";
            }
        }
        (Gate { name: "person", input, limit, passed: refused.is_none() }, refused)
    }
}

//! What the rules know about a person: groups and validity ([`Holder`]), and the face that a track shows ([`Shown`]).

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::when::Now;
use crate::domain::{Distance, Gate, PersonId, Reason, TrackId, WithoutSync};

/// An enrolled person, as the rules see them.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    pub person: PersonId,
    pub groups: Vec<String>,
    pub enabled: bool,
    /// The person may pass from this moment on.
    pub valid_from: Option<Timestamp>,
    /// The person may pass before this moment.
    pub valid_until: Option<Timestamp>,
}

impl Holder {
    /// Whether the person belongs to `group`.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }

    /// The gate `person`: enabled, and within the validity. While the time is not known, a validity that has certainly ended or certainly begun
    /// still counts; `without_sync` decides otherwise.
    pub(super) fn gate(&self, now: Now, zone: &TimeZone, without_sync: WithoutSync) -> (Gate, Option<Reason>) {
        let day = |at: Timestamp| at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
        // While the time is not known, only a lower bound of it is.
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
        (Gate::new("person", input, limit, refused.is_none()), refused)
    }
}

/// A person as one track shows them.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub person: PersonId,
    pub camera: Arc<str>,
    pub track: TrackId,
    /// Other people who are near enough in a frame that shows this person; the face could be theirs too.
    pub resembles: Vec<PersonId>,
    /// `None` if the evidence suffices but is no stronger than that.
    pub clear: Option<Clear>,
    /// What the door asks beyond the face was shown.
    pub assured: bool,
}

/// Evidence beyond doubt: every usable frame of the track shows this person and nobody else, at no more than [`CLEARLY`] times the distance
/// limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clear {
    pub frames: u32,
    /// The largest distance among them.
    pub farthest: Distance,
}

/// A face is clearly a person's up to this share of the distance limit. With the shipped models, such a small distance is at least thirty
/// times rarer among strangers than one at the limit.
pub const CLEARLY: f32 = 0.85;

impl Shown {
    /// Whether the two are faces of two people: different tracks, and neither face could be the other person's.
    pub fn is_another_face_than(&self, other: &Shown) -> bool {
        (self.track != other.track || self.camera != other.camera)
            && self.person != other.person
            && !self.resembles.contains(&other.person)
            && !other.resembles.contains(&self.person)
    }
}

#[cfg(test)]
impl Shown {
    /// Person `person` on the track of the same number, without clear evidence.
    pub(crate) fn person(person: u32) -> Shown {
        let track = TrackId(person.into());
        Shown {
            person: PersonId(person),
            camera: "door".into(),
            track,
            resembles: Vec::new(),
            clear: None,
            assured: false,
        }
    }
}

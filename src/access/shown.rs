//! What the frames of one track show of a person whom they would let in: all that the rules about people want to know of a face.
//!
//! Knows nothing of how frames are weighed.

use std::sync::Arc;

use crate::domain::{Distance, PersonId, TrackId};

/// A person as one track shows them.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub person: PersonId,
    pub camera: Arc<str>,
    pub track: TrackId,
    /// Other people who are near enough in a frame that shows this one: the face could be theirs as well.
    pub resembles: Vec<PersonId>,
    /// `None` when the evidence is enough, but not more than that.
    pub clear: Option<Clear>,
}

/// Evidence beyond doubt: every frame of the track that was fit to judge shows this person and nobody else, and none of them farther away
/// than [`CLEARLY`] of the limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clear {
    pub frames: u32,
    /// The farthest of them.
    pub farthest: Distance,
}

/// A face is clearly a person's up to this share of the distance that is near enough. With the shipped models a distance so small is at
/// least thirty times rarer among strangers than one at the limit.
pub const CLEARLY: f32 = 0.85;

impl Shown {
    /// Whether the two are faces of two people: other tracks, and neither face could be that of the other's person.
    pub fn is_another_face_than(&self, other: &Shown) -> bool {
        (self.track != other.track || self.camera != other.camera)
            && self.person != other.person
            && !self.resembles.contains(&other.person)
            && !other.resembles.contains(&self.person)
    }
}

#[cfg(test)]
impl Shown {
    /// Person `person` on a track of that number, no more than surely.
    pub(crate) fn person(person: u32) -> Shown {
        let track = TrackId(person.into());
        Shown { person: PersonId(person), camera: "door".into(), track, resembles: Vec::new(), clear: None }
    }
}

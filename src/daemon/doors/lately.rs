//! What people who watch are told about faces and about who is inside: the rules' view of a face, what was decided about it lately, and where people
//! are. Nothing here decides.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Doors;
use crate::access::Insight;
use crate::domain::{DoorIndex, Moment, PersonId, Reason, Sighting, TrackId};

/// Decisions that are remembered, and for how long.
const MOST: usize = 64;
const FOR: Duration = Duration::from_secs(6);

/// What became of a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The door was unlocked.
    Unlocked,
    /// The person was let in, and the door stayed shut.
    Shut,
    Denied(Reason),
}

/// The newest decisions.
#[derive(Debug, Default)]
pub(super) struct Lately(VecDeque<(Arc<str>, TrackId, Told, Moment)>);

impl Lately {
    /// Remembers what was decided about a face.
    pub fn tell(&mut self, camera: Arc<str>, track: TrackId, told: Told, now: Moment) {
        self.0.truncate(MOST - 1);
        self.0.push_front((camera, track, told, now));
    }

    /// The newest decision about a face, and how long ago it was.
    fn about(&self, camera: &str, track: TrackId, now: Moment) -> Option<(Told, Duration)> {
        let newest = self.0.iter().find(|(of, id, ..)| **of == *camera && *id == track);
        newest.map(|(_, _, told, at)| (*told, now.since(*at))).filter(|(_, ago)| *ago <= FOR)
    }
}

/// What the rules say of a face, and what was decided about it, and how long ago.
#[derive(Clone, Debug, PartialEq)]
pub struct FaceInsight {
    pub insight: Insight,
    pub told: Option<(Told, Duration)>,
}

/// Somebody whose place is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Inside {
    pub person: PersonId,
    pub zone: String,
    /// `None` if it cannot be determined.
    pub since: Option<Timestamp>,
}

impl Doors {
    /// What the rules of `door` say of a face that [`Doors::seen`] has taken in.
    pub fn insight(&self, door: DoorIndex, sighting: &Sighting) -> Option<FaceInsight> {
        let now = self.clock.now();
        let insight = self.doors.get(door)?.referee.insight(sighting, now);
        Some(FaceInsight { insight, told: self.lately.about(&sighting.camera, sighting.track, now) })
    }

    /// A person's name; a number for one who is not enrolled.
    pub fn name(&self, person: PersonId) -> String {
        self.named(person).to_string()
    }

    /// Where people are, as far as doors have reported.
    pub fn inside(&mut self) -> Vec<Inside> {
        let now = self.now();
        let inside = self.authority.whereabouts().inside(&now).into_iter();
        inside.map(|(person, zone, since)| Inside { person, zone: zone.to_owned(), since }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    #[test]
    fn the_newest_decision_about_a_face_is_told_for_a_while() {
        let mut lately = Lately::default();
        lately.tell("porch".into(), TrackId(1), Told::Denied(Reason::Unknown), at(0));
        lately.tell("porch".into(), TrackId(1), Told::Unlocked, at(2));
        lately.tell("yard".into(), TrackId(2), Told::Shut, at(3));
        assert_eq!(lately.about("porch", TrackId(1), at(3)), Some((Told::Unlocked, Duration::from_secs(1))));
        assert_eq!(lately.about("yard", TrackId(1), at(3)), None);
        assert_eq!(lately.about("porch", TrackId(1), at(9)), None);
    }

    #[test]
    fn no_more_than_a_few_are_remembered() {
        let mut lately = Lately::default();
        for track in 0..1000 {
            lately.tell("porch".into(), TrackId(track), Told::Shut, at(0));
        }
        assert_eq!(lately.0.len(), MOST);
        assert!(lately.about("porch", TrackId(999), at(0)).is_some());
        assert!(lately.about("porch", TrackId(0), at(0)).is_none());
    }
}

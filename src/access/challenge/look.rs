//! What the challenge is shown: one frame of the track.

use crate::domain::{Moment, Point};

/// Whose face a frame shows, compared with the person who is challenged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The person: the distance is within that of the model's false match rate of 1 in 1000. Turned faces are farther from their templates than
    /// frontal ones.
    Same,
    /// Surely somebody else.
    Other,
    /// Neither; or the frame was not compared.
    Unknown,
}

/// A frame of the track, also one in which the view is poor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChallengeLook {
    /// The frame's number.
    pub frame: u64,
    pub captured_at: Moment,
    /// Left eye, right eye, nose, left and right corner of the mouth, in pixels, as [`crate::domain::Face`] has them.
    pub landmarks: [Point; 5],
    pub identity: Identity,
    /// Whether the frame is evidence for the person by the rules of recognition: a good view, near enough, nobody else nearly as near.
    pub sure: bool,
}

impl ChallengeLook {
    /// Whether it shows the person.
    pub(super) fn same(&self) -> bool {
        self.sure || self.identity == Identity::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sure_frame_shows_the_person_whatever_the_distance_at_that_rate_is() {
        let look = |identity, sure| ChallengeLook {
            frame: 1,
            captured_at: Moment::default(),
            landmarks: Default::default(),
            identity,
            sure,
        };
        assert!(look(Identity::Same, false).same() && look(Identity::Unknown, true).same());
        assert!(!look(Identity::Unknown, false).same() && !look(Identity::Other, false).same());
    }
}

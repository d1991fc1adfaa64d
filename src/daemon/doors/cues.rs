//! What the devices of a door say about a person, for its referee.

use crate::access::{CueReport, DoorCues, InfraredEyes, Shown, missing_device};
use crate::domain::{Cue, Moment, Sighting};

/// The devices of one door.
pub(super) struct Devices<'a> {
    pub second_eyes: &'a InfraredEyes,
}

impl DoorCues for Devices<'_> {
    fn report(&mut self, cue: Cue, _: &Shown, sighting: &Sighting, now: Moment) -> CueReport {
        match cue {
            Cue::Infrared => {
                let Sighting { camera, face, captured_at, .. } = sighting;
                self.second_eyes.report(camera, &face.bounds, *captured_at, now)
            }
            Cue::Passive | Cue::Challenge | Cue::Tag | Cue::Pin => {
                CueReport::cannot_judge(cue, missing_device(cue), "shown")
            }
        }
    }
}

//! What the devices of a door say about a person, for its referee.

use super::factors::Factors;
use crate::access::{CueReport, DoorCues, InfraredEyes, Shown, missing_device};
use crate::domain::{Cue, DoorIndex, Moment, Sighting};

/// The devices of one door.
pub(super) struct Devices<'a> {
    pub door: DoorIndex,
    pub factors: &'a mut Factors,
    pub second_eyes: &'a InfraredEyes,
}

impl DoorCues for Devices<'_> {
    fn report(&mut self, cue: Cue, shown: &Shown, sighting: &Sighting, now: Moment) -> CueReport {
        match cue {
            Cue::Pin | Cue::Tag => self.factors.report(self.door, cue, shown.person, now),
            Cue::Infrared => self.second_eyes.report(&sighting.camera, sighting.track, now),
            Cue::Passive | Cue::Challenge => CueReport::cannot_judge(cue, missing_device(cue), "shown"),
        }
    }
}

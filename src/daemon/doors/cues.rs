//! What the devices of a door say about a person, for its referee.

use crate::access::{CueReport, DoorCues, Shown, missing_device};
use crate::domain::{Cue, Moment, Sighting};

/// The devices of one door.
pub(super) struct Devices;

impl DoorCues for Devices {
    fn report(&mut self, cue: Cue, _: &Shown, _: &Sighting, _: Moment) -> CueReport {
        CueReport::cannot_judge(cue, missing_device(cue), "shown")
    }
}

//! Modes that are in force and whose record may not be on disk: they are recorded as soon as the journal can be written, so that a restart keeps them.

use std::time::Duration;

use super::Doors;
use crate::domain::{Actor, DoorEvent, DoorIndex, Event, Moment};

/// Between two attempts, while nothing else can be recorded either. Each attempt that fails counts as a lost event.
pub(super) const AGAIN: Duration = Duration::from_secs(60);

/// Who set the mode, and when it was last tried to record that.
pub struct UnrecordedMode {
    by: Actor,
    tried: Moment,
}

impl Doors {
    /// Notes that the door's mode is in force, and that its record may not be on disk.
    pub(super) fn mode_unrecorded(&mut self, door: DoorIndex, by: &Actor) {
        self.doors[door].unrecorded = Some(UnrecordedMode { by: by.clone(), tried: self.clock.now() });
    }

    /// Records the modes that are in force without a record. What waits for a stalled disk comes first: one of those may be the record, and then there are
    /// two of it.
    pub(super) fn record_modes(&mut self, now: Moment) {
        for door in self.doors.indices() {
            let this = &self.doors[door];
            let Some(unrecorded) = &this.unrecorded else { continue };
            let may_succeed = self.journal_trouble.is_none() || now.since(unrecorded.tried) >= AGAIN;
            if !may_succeed || self.writer.waiting() > 0 {
                continue;
            }
            let (mode, by) = (this.doorway.mode().clone(), unrecorded.by.clone());
            let event = Event::Door(DoorEvent::ModeSet { door: this.name.clone(), mode, by: by.clone() });
            match self.note_act(door, &event) {
                Ok(_) => self.doors[door].unrecorded = None,
                Err(_) => self.mode_unrecorded(door, &by),
            }
        }
    }
}

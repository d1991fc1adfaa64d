//! An operator lets somebody in whose face, PIN and liveness are not asked. The rules about the person and the door are.

use super::door::PassingPerson;
use super::moves::ActFailure;
use super::{Doors, RequestError};
use crate::access::{PassRequest, Passage};
use crate::api::Admission;
use crate::domain::{AccessEvent, Actor, DoorEvent, DoorIndex, Event, Gate, Moment};

impl Doors {
    /// Lets somebody in. Refused after `not_after`. After `Ok` the record is on disk, and the door is unlocked as after a grant.
    ///
    /// An admission makes nobody the first person of the day or one of two, and does not wait for a back-off, which is about faces.
    ///
    /// # Errors
    /// The person is not enrolled, a rule refuses, or the door was not unlocked.
    pub fn admit(
        &mut self,
        door: DoorIndex,
        admission: &Admission,
        by: &Actor,
        not_after: Moment,
    ) -> Result<(), RequestError> {
        let Admission { person, direction, reason } = admission;
        self.follow_places();
        let (now, other_open) = (self.now(), self.other_open(door));
        let Some(this) = self.doors.get(door) else { return Err(RequestError::NoSuchDoor) };
        let (name, mode, interlocked) = (this.name.clone(), this.doorway.mode().clone(), this.interlock.is_some());
        let refused = |reason: String| RequestError::Refused { door: name.clone(), reason };
        let late = now.moment.since(not_after);
        if !late.is_zero() {
            return Err(RequestError::Late { door: name, late });
        }
        let Some((holder, _)) = self.people.holder(*person) else {
            return Err(refused(format!("person {person} is not enrolled")));
        };
        let request = PassRequest {
            door,
            direction: *direction,
            holder: &holder,
            shown: None,
            first: None,
            mode: &mode,
            other_open: other_open.as_deref(),
            interlocked,
        };
        let mut gates = self.authority.judge(&request, now).gates;
        gates.retain(|gate| gate.name != "backoff");
        let failed: Vec<String> = gates.iter().filter(|gate| !gate.passed).map(in_words).collect();
        if gates.is_empty() || !failed.is_empty() {
            return Err(refused(failed.join("; ")));
        }
        let who = self.named(*person);
        let event = AccessEvent::Admitted {
            door: name.clone(),
            person: who.clone().into(),
            direction: *direction,
            reason: reason.clone().into(),
            by: by.clone(),
            gates,
        };
        let noted = self.note_act(door, &Event::Access(event));
        let record = noted.as_ref().ok().copied();
        let acts = self.doors[door].doorway.admit(not_after);
        let unlocked = match noted {
            Err(failure) if !self.open_unrecorded => Err(failure),
            _ => self.carry_out(door, acts, record),
        };
        match unlocked {
            Ok(()) => {}
            Err(ActFailure::Unwritten(unwritten)) => {
                if unwritten.pending {
                    // The record of the admission will be written once the disk answers; another one, which follows it, says what became of it.
                    let event = DoorEvent::UnlockRefused { door: name.clone(), reason: unwritten.reason.clone() };
                    self.note(&event.into(), &[]).ok();
                }
                return Err(RequestError::Unrecorded { door: name, state: "not done", reason: unwritten.reason });
            }
            Err(failure) => return Err(refused(failure.to_string())),
        }
        self.authority.admitted(*person);
        // Otherwise the face that stands there would be granted a second passage.
        self.doors[door].referee.start_cooldown(*person, now.moment);
        let passage =
            Passage { who: PassingPerson { person: who, direction: *direction }, record: record.unwrap_or_default() };
        if let Some(through) = self.doors[door].doorway.expect(passage) {
            self.passed(door, through);
        }
        Ok(())
    }
}

/// A gate that refuses: `permit: in staff (guards: always)`.
fn in_words(gate: &Gate) -> String {
    format!("{}: {} ({})", gate.name, gate.input, gate.limit)
}

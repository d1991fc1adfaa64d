//! Requests of operators: orders to doors, forgetting where people are, trusting the clock.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::Doors;
use super::moves::ActFailure;
use crate::access::HouseRules;
use crate::domain::{
    AccessEvent, Actor, DaemonEvent, DoorEvent, DoorIndex, Event, Mode, Moment, PersonId, SystemAct, earliest,
};
use crate::office::saved::SavedEntry;

/// An operator's order to a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorOrder {
    /// Unlock for a while; `None` for as long as a grant does.
    Unlock {
        duration: Option<Duration>,
    },
    Lock,
    Mode(Mode),
}

/// Why a request was not carried out, or that its record may not be on disk.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    #[error("there is no such door")]
    NoSuchDoor,
    #[error("{door}: the order came {} ms after its deadline and was not carried out", .late.as_millis())]
    Late { door: Arc<str>, late: Duration },
    /// The rules of the door or its relay refuse the order.
    #[error("{door}: {reason}")]
    Refused { door: Arc<str>, reason: String },
    /// The order is in force without a record, or was not carried out for lack of one.
    #[error("{door}: {state}: {reason}")]
    Unrecorded { door: Arc<str>, state: &'static str, reason: String },
    #[error("the clock is not set: set it first, for example with `timedatectl set-time`")]
    ClockUnset,
    /// Nothing was done, because the journal cannot be written.
    #[error("{0}")]
    JournalFailed(String),
    #[error("done, but not recorded yet: {0}")]
    RecordPending(String),
    /// An order to all doors failed at these.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Several(Vec<RequestError>),
}

impl Doors {
    /// Carries out an operator's order. An order that unlocks is refused after `not_after`; one that locks never is. After `Ok` the record is on
    /// disk.
    ///
    /// # Errors
    /// Why the order was not carried out; or that it is in force, but its record may not be on disk.
    pub fn order(
        &mut self,
        door: DoorIndex,
        order: OperatorOrder,
        by: &Actor,
        not_after: Moment,
    ) -> Result<(), RequestError> {
        let other_open = self.other_open(door);
        let Some(this) = self.doors.get_mut(door) else { return Err(RequestError::NoSuchDoor) };
        let name = this.name.clone();
        let mode_before = this.doorway.mode().clone();
        let late = self.clock.now().since(not_after);
        let acts = match order.clone() {
            OperatorOrder::Mode(Mode::Normal) if !late.is_zero() => {
                return Err(RequestError::Late { door: name, late });
            }
            OperatorOrder::Unlock { duration } => {
                let duration = duration.unwrap_or(this.doorway.settings().pulse);
                this.doorway
                    .operator_unlocks(duration, by, other_open.as_deref(), not_after)
                    .map_err(|refusal| refusal.to_string())
            }
            OperatorOrder::Lock => this.doorway.operator_locks(by).map_err(|refusal| refusal.to_string()),
            OperatorOrder::Mode(mode) => {
                self.authority.mode_set(door);
                Ok(this.doorway.set_mode(mode, by, not_after))
            }
        };
        let acts = acts.map_err(|why| RequestError::Refused { door: name.clone(), reason: why.to_string() })?;
        let is_mode = matches!(order, OperatorOrder::Mode(_));
        let done = self.carry_out(door, acts, None);
        if is_mode && !matches!(done, Err(ActFailure::Unwritten(_))) {
            self.doors[door].unrecorded = None;
        }
        let Err(failure) = done else { return Ok(()) };
        let ActFailure::Unwritten(unwritten) = &failure else {
            return Err(RequestError::Refused { door: name, reason: failure.to_string() });
        };
        let state = match order {
            OperatorOrder::Lock => "locked, but not recorded",
            // The safe side.
            OperatorOrder::Mode(Mode::Lockdown { .. }) => {
                self.mode_unrecorded(door, by);
                "locked down, but not recorded: a restart may end it"
            }
            OperatorOrder::Mode(Mode::Release) if self.doors[door].doorway.is_held() => {
                self.mode_unrecorded(door, by);
                "released, but not recorded: a restart may end it"
            }
            OperatorOrder::Mode(_) => {
                self.take_back_mode(door, mode_before, unwritten.pending);
                "not done"
            }
            OperatorOrder::Unlock { .. } => "not done",
        };
        Err(RequestError::Unrecorded { door: name, state, reason: unwritten.reason.clone() })
    }

    /// Reverts a mode whose record could not be written. If the record is still pending, another one follows it that restores the mode before.
    fn take_back_mode(&mut self, door: DoorIndex, before: Mode, pending: bool) {
        let this = &mut self.doors[door];
        this.doorway.revert_mode(before.clone());
        if pending {
            let entry = SavedEntry::mode(&this.name, &before);
            let by = Actor::System(SystemAct::UndoMode);
            let event = Event::Door(DoorEvent::ModeSet { door: this.name.clone(), mode: before, by: by.clone() });
            if self.note(&event, &[entry]).is_err() {
                self.mode_unrecorded(door, &by);
            }
        }
    }

    /// Forgets where a person is, or where everybody is (`None`); where places of the site count, at its other boards, too.
    ///
    /// # Errors
    /// The record is not on disk. If it is pending, the people are forgotten all the same.
    pub fn amnesty(&mut self, person: Option<PersonId>, by: &Actor) -> Result<(), RequestError> {
        let forgotten: Vec<PersonId> = match person {
            Some(person) => vec![person],
            None => self.authority.whereabouts().people(),
        };
        let now = self.now();
        let saved: Vec<SavedEntry> =
            forgotten.iter().flat_map(|person| self.saved_without_place(*person, &now)).collect();
        let event =
            Event::Access(AccessEvent::Amnesty { person: person.map(|id| self.named(id).into()), by: by.clone() });
        let unwritten = self.note(&event, &saved).err();
        if let Some(unwritten) = unwritten.as_ref().filter(|unwritten| !unwritten.pending) {
            return Err(RequestError::JournalFailed(unwritten.reason.clone()));
        }
        for person in forgotten {
            self.forget_place(person, &now);
        }
        unwritten.map_or(Ok(()), |unwritten| Err(RequestError::RecordPending(unwritten.reason)))
    }

    /// Goes by other rules for people from now on, or as before (`None`), with the record that says so. What is known of people stays: where they are, who
    /// came first, who waits for a second person.
    ///
    /// # Errors
    /// The rules are for other doors, or the record is not on disk and will not be: then the rules are as before.
    pub fn go_by(&mut self, rules: Option<HouseRules>, event: &Event) -> Result<(), RequestError> {
        if rules.as_ref().is_some_and(|rules| rules.doors.len() != self.doors.count()) {
            return Err(RequestError::NoSuchDoor);
        }
        match self.note(event, &[]) {
            Err(unwritten) if !unwritten.pending => return Err(RequestError::JournalFailed(unwritten.reason)),
            Err(_) | Ok(_) => {}
        }
        if let Some(rules) = rules {
            self.authority.go_by(rules);
        }
        Ok(())
    }

    /// Takes an operator's word that the wall clock is right, whatever earlier records show.
    ///
    /// # Errors
    /// The clock is not set, or the record is not on disk.
    pub fn trust_clock(&mut self, by: &Actor) -> Result<(), RequestError> {
        if self.clock.wall() < earliest() {
            return Err(RequestError::ClockUnset);
        }
        self.timekeeper.trust(&*self.clock);
        self.note(&Event::Daemon(DaemonEvent::ClockTrusted { by: by.clone() }), &[])
            .map_err(|unwritten| RequestError::JournalFailed(unwritten.reason))?;
        let now = self.now();
        self.look_at_clock(now);
        Ok(())
    }
}

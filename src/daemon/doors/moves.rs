//! Carries out the acts that follow from an event, in order: writes records, moves relays, and records what became of each move.

use std::time::Duration;

use thiserror::Error;

use super::Doors;
use super::log::log_event;
use super::writer::Unwritten;
use crate::access::Act;
use crate::domain::{Cause, DoorCommand, DoorEvent, DoorIndex, Event, Mode, Moment, PersonId};
use crate::door::{DoorError, RelayOutcome, RelayReport};
use crate::office::saved::SavedEntry;

/// Why an act was not carried out. Of several failures the first is reported.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum ActFailure {
    /// A record may not be on disk.
    #[error("{}", .0.reason)]
    Unwritten(Unwritten),
    /// The relay was not energised.
    #[error("{0}")]
    Refused(String),
    /// The wires failed, and the relay may still be energised.
    #[error("{0}")]
    Failed(String),
}

/// A relay was energised.
pub(super) struct Moved {
    /// For how long; `None` until another order.
    duration: Option<Duration>,
    /// The time from the frame's capture to the relay, for a grant.
    capture_to_door: Option<Duration>,
}

impl Doors {
    pub(super) fn carry_out(&mut self, door: DoorIndex, acts: Vec<Act>, record: Option<u64>) -> Result<(), ActFailure> {
        self.carry_out_for(door, acts, record, None)
    }

    /// Carries out `acts` in order. `record` is the record that allows them, if it is on disk; `evidence` is the capture time of the frame that
    /// it rests on.
    pub(super) fn carry_out_for(
        &mut self,
        door: DoorIndex,
        acts: Vec<Act>,
        mut record: Option<u64>,
        evidence: Option<Moment>,
    ) -> Result<(), ActFailure> {
        let mut done = Ok(());
        for act in acts {
            let result = match act {
                Act::Note(event) => {
                    let noted = self.note_act(door, &event);
                    record = noted.as_ref().ok().copied();
                    noted.map(drop)
                }
                Act::Unlock { .. } if record.is_none() && !self.open_unrecorded => {
                    self.doors[door].doorway.refused(self.clock.now());
                    Ok(())
                }
                Act::Unlock { cause, command } => {
                    let moved = self.energise(door, cause, command, evidence);
                    self.note_move(door, cause, record.unwrap_or_default(), moved)
                }
                Act::Egress { cause, command, note } => self.let_out(door, cause, command, &note),
                Act::Lock { needs_record: true, .. } if record.is_none() => Ok(()),
                Act::Lock { reason, .. } => self.lock(door, reason),
            };
            done = done.and(result);
        }
        done
    }

    /// Records an event at a door, with the entries of its saved state that change with it.
    pub(super) fn note_act(&mut self, door: DoorIndex, event: &Event) -> Result<u64, ActFailure> {
        log_event(event);
        let saved = match event {
            Event::Door(event) => self.saved_with(door, event),
            Event::Access(_) | Event::People(_) | Event::Store(_) | Event::Daemon(_) => Vec::new(),
        };
        self.note(event, &saved).map_err(ActFailure::Unwritten)
    }

    /// The entries of the door's saved state that change with an event.
    fn saved_with(&mut self, door: DoorIndex, event: &DoorEvent) -> Vec<SavedEntry> {
        let this = &mut self.doors[door];
        match event {
            DoorEvent::ModeSet { mode: Mode::Normal, .. } => {
                let ended = this.hours_ended.take().map(|_| SavedEntry::hours_ended(&this.name, None));
                std::iter::once(SavedEntry::mode(&this.name, &Mode::Normal)).chain(ended).collect()
            }
            DoorEvent::ModeSet { mode, .. } => vec![SavedEntry::mode(&this.name, mode)],
            DoorEvent::OperatorLocked { .. } => {
                this.hours_ended = this.ended_hours();
                let ended = this.hours_ended.as_ref();
                ended.map(|ended| SavedEntry::hours_ended(&this.name, Some(ended))).into_iter().collect()
            }
            DoorEvent::ExitRequested { .. }
            | DoorEvent::OperatorUnlocked { .. }
            | DoorEvent::CommandRefused { .. }
            | DoorEvent::ScheduleBegan { .. }
            | DoorEvent::ScheduleEnded { .. }
            | DoorEvent::Unlocked { .. }
            | DoorEvent::Locked { .. }
            | DoorEvent::UnlockRefused { .. }
            | DoorEvent::DoorFailed { .. }
            | DoorEvent::DoorOpened { .. }
            | DoorEvent::DoorClosed { .. }
            | DoorEvent::HeldOpenWarning { .. }
            | DoorEvent::AlarmRaised { .. }
            | DoorEvent::AlarmEnded { .. }
            | DoorEvent::ContactChattered { .. }
            | DoorEvent::ContactsLost { .. }
            | DoorEvent::ContactsBack { .. }
            | DoorEvent::ReaderLost { .. }
            | DoorEvent::ReaderBack { .. }
            | DoorEvent::LowAssurance { .. } => Vec::new(),
        }
    }

    /// Unlocks for people who leave. The relay does not wait for the record, unless that is configured.
    fn let_out(
        &mut self,
        door: DoorIndex,
        cause: Cause,
        command: DoorCommand,
        event: &Event,
    ) -> Result<(), ActFailure> {
        if !self.exit_unrecorded {
            let record = self.note_act(door, event)?;
            let moved = self.energise(door, cause, command, None);
            return self.note_move(door, cause, record, moved);
        }
        let moved = self.energise(door, cause, command, None);
        let noted = self.note_act(door, event);
        let moved = self.note_move(door, cause, noted.as_ref().copied().unwrap_or_default(), moved);
        noted.map(drop).and(moved)
    }

    /// Energises the relay. Records nothing.
    fn energise(
        &mut self,
        door: DoorIndex,
        cause: Cause,
        command: DoorCommand,
        evidence: Option<Moment>,
    ) -> Result<Moved, ActFailure> {
        self.release(door);
        let this = &mut self.doors[door];
        let now = self.clock.now();
        let held = matches!(command, DoorCommand::Hold { .. });
        match this.relay.command(command) {
            Ok(RelayOutcome::Opened { until } | RelayOutcome::Extended { until }) => {
                this.doorway.unlocked(until, held);
                (this.trouble, this.level_unknown) = (None, false);
                let capture_to_door = evidence.map(|captured_at| self.clock.now().since(captured_at));
                let capture_to_door_ms = capture_to_door.map(|span| span.as_millis() as u64);
                tracing::info!(door = %this.name, cause = cause.as_str(), capture_to_door_ms, "unlocked");
                Ok(Moved { duration: (!held).then(|| until.since(now)), capture_to_door })
            }
            Ok(RelayOutcome::Refused(refusal)) => {
                tracing::warn!(door = %this.name, reason = %refusal, "the door stays locked");
                Err(ActFailure::Refused(refusal.to_string()))
            }
            // Not an answer to an order that energises.
            Ok(RelayOutcome::Safe { .. }) => Err(ActFailure::Refused("the relay was put at its safe level".to_owned())),
            Err(error) => {
                let reason = error.to_string();
                tracing::error!(door = %this.name, %reason, "door failed");
                this.trouble = Some(reason.clone());
                this.doorway.locked(false, now);
                // After any other error the relay is at its safe level, or a report follows.
                this.level_unknown |= matches!(error, DoorError::NoAnswer { .. });
                Err(if this.level_unknown { ActFailure::Failed(reason) } else { ActFailure::Refused(reason) })
            }
        }
    }

    /// Records what became of an order that energises. `record` is the sequence number of the record that allowed it.
    fn note_move(
        &mut self,
        door: DoorIndex,
        cause: Cause,
        record: u64,
        moved: Result<Moved, ActFailure>,
    ) -> Result<(), ActFailure> {
        let name = self.doors[door].name.clone();
        let event = match &moved {
            Ok(Moved { duration, capture_to_door }) => Event::Door(DoorEvent::Unlocked {
                door: name,
                cause,
                record,
                duration: *duration,
                capture_to_door: *capture_to_door,
            }),
            Err(ActFailure::Failed(reason)) => {
                Event::Door(DoorEvent::DoorFailed { door: name, reason: reason.clone() })
            }
            Err(refused) => Event::Door(DoorEvent::UnlockRefused { door: name, reason: refused.to_string() }),
        };
        if moved.is_err() {
            self.doors[door].doorway.refused(self.clock.now());
        }
        self.note(&event, &[]).ok();
        moved.map(drop)
    }

    /// Whether a grant of this person still waits for a stalled disk. More frames of the same person would only add grants to the queue.
    pub(super) fn grant_waits_for(&mut self, door: DoorIndex, person: Option<PersonId>) -> bool {
        let nothing_waits = self.writer.waiting() == 0;
        let Some(this) = self.doors.get_mut(door) else { return false };
        if nothing_waits {
            this.unconfirmed.clear();
        }
        person.is_some_and(|person| this.unconfirmed.contains(&person))
    }

    /// The door stayed locked because the record of a grant is still pending. Another record, which follows it, says so.
    pub(super) fn explain_shut_door(
        &mut self,
        door: DoorIndex,
        person: PersonId,
        unwritten: Option<Unwritten>,
        opens_day: bool,
    ) {
        let Some(Unwritten { reason, .. }) = unwritten.filter(|unwritten| unwritten.pending && !self.open_unrecorded)
        else {
            return;
        };
        self.doors[door].unconfirmed.insert(person);
        let name = self.doors[door].name.clone();
        let before = self.authority.first_came(door);
        let saved: Vec<SavedEntry> =
            opens_day.then(|| SavedEntry::came_before(&name, before.as_ref())).into_iter().collect();
        self.note(&Event::Door(DoorEvent::UnlockRefused { door: name, reason }), &saved).ok();
    }

    pub(super) fn lock(&mut self, door: DoorIndex, reason: &str) -> Result<(), ActFailure> {
        self.release(door);
        let this = &mut self.doors[door];
        let (name, now) = (this.name.clone(), self.clock.now());
        match this.relay.command(DoorCommand::Safe) {
            Ok(RelayOutcome::Safe { on_for }) => {
                (this.trouble, this.level_unknown) = (None, false);
                if on_for.is_some() {
                    this.doorway.locked(false, now);
                    tracing::info!(door = %name, reason, "locked");
                    self.note(&Event::Door(DoorEvent::Locked { door: name, reason: reason.to_owned() }), &[]).ok();
                }
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => {
                self.failed(door, error.to_string());
                Err(ActFailure::Failed(error.to_string()))
            }
        }
    }

    /// Handles what the relay did by itself.
    pub(super) fn release(&mut self, door: DoorIndex) {
        for report in self.doors[door].relay.reports() {
            let this = &mut self.doors[door];
            match report {
                RelayReport::Released { stopping, .. } => {
                    let reason = match (stopping, this.doorway.is_held()) {
                        (true, _) => "the daemon stops",
                        (false, true) => "it may not be held open for longer",
                        (false, false) => "the pulse is over",
                    };
                    this.doorway.locked(!stopping, self.clock.now());
                    (this.trouble, this.level_unknown) = (None, false);
                    let event = Event::Door(DoorEvent::Locked { door: this.name.clone(), reason: reason.into() });
                    tracing::info!(door = %this.name, reason, "locked");
                    self.note(&event, &[]).ok();
                }
                RelayReport::Stuck { reason } => self.failed(door, reason),
            }
        }
    }

    /// The wires did not go to their safe level. They are retried ten times a second; the failure is recorded once.
    fn failed(&mut self, door: DoorIndex, reason: String) {
        let this = &mut self.doors[door];
        this.level_unknown = true;
        if this.trouble.as_ref() == Some(&reason) {
            return;
        }
        tracing::error!(door = %this.name, %reason, "door failed; the relay may still be energised");
        this.trouble = Some(reason.clone());
        let event = Event::Door(DoorEvent::DoorFailed { door: this.name.clone(), reason });
        self.note(&event, &[]).ok();
    }
}

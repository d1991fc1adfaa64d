//! What follows from an event, done in order: notes are written down, relays move, and what became of them is written down, too.
//!
//! Knows nothing of why.

use std::time::Duration;

use thiserror::Error;

use super::Doors;
use super::pen::Unwritten;
use super::standing::Entry;
use super::telling::tell_note;
use crate::access::Act;
use crate::domain::{Cause, DoorCommand, DoorIndex, Event, Mode, Moment, PersonId};
use crate::door::{DoorError, Outcome, Report};

/// Why what should follow did not. Of several failures in a row the first is given.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Failure {
    /// A record is not known to be on disk.
    #[error("{}", .0.reason)]
    Unwritten(Unwritten),
    /// The relay was not energised.
    #[error("{0}")]
    Refused(String),
    /// The wires failed, and the relay may be energised.
    #[error("{0}")]
    Failed(String),
}

/// A relay was energised.
pub(super) struct Moved {
    /// For how long; `None`: until told otherwise.
    duration: Option<Duration>,
    /// From the frame to the relay, for a grant.
    capture_to_door: Option<Duration>,
}

impl Doors {
    pub(super) fn carry_out(&mut self, door: DoorIndex, acts: Vec<Act>, record: Option<u64>) -> Result<(), Failure> {
        self.carry_out_for(door, acts, record, None)
    }

    /// Does what follows, in order. `record` is what was written down before, on the evidence of a frame captured at `evidence`.
    pub(super) fn carry_out_for(
        &mut self,
        door: DoorIndex,
        acts: Vec<Act>,
        mut record: Option<u64>,
        evidence: Option<Moment>,
    ) -> Result<(), Failure> {
        let mut done = Ok(());
        for act in acts {
            let this = match act {
                Act::Note(event) => {
                    let noted = self.note_act(door, &event);
                    record = noted.as_ref().ok().copied();
                    noted.map(drop)
                }
                Act::Unlock { .. } if record.is_none() && !self.open_unrecorded => {
                    self.posts[door.0].doorway.refused(self.clock.now());
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
            done = done.and(this);
        }
        done
    }

    /// Writes down what follows at a door, with what of its standing changes by it.
    fn note_act(&mut self, door: DoorIndex, event: &Event) -> Result<u64, Failure> {
        tell_note(event);
        let post = &mut self.posts[door.0];
        let standing = match event {
            Event::ModeSet { mode: Mode::Normal, .. } => {
                let ended = post.hours_ended.take().map(|_| Entry::hours_ended(&post.name, None));
                std::iter::once(Entry::mode(&post.name, &Mode::Normal)).chain(ended).collect()
            }
            Event::ModeSet { mode, .. } => vec![Entry::mode(&post.name, mode)],
            Event::OperatorLocked { .. } => {
                post.hours_ended = post.ended_hours();
                let ended = post.hours_ended.as_ref();
                ended.map(|ended| Entry::hours_ended(&post.name, Some(ended))).into_iter().collect()
            }
            _ => Vec::new(),
        };
        self.note(event, &standing).map_err(Failure::Unwritten)
    }

    /// Lets people out: the relay does not wait for the record, unless the operator has configured it so.
    fn let_out(&mut self, door: DoorIndex, cause: Cause, command: DoorCommand, event: &Event) -> Result<(), Failure> {
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

    /// Moves the relay, and writes nothing down.
    fn energise(
        &mut self,
        door: DoorIndex,
        cause: Cause,
        command: DoorCommand,
        evidence: Option<Moment>,
    ) -> Result<Moved, Failure> {
        self.release(door);
        let post = &mut self.posts[door.0];
        let now = self.clock.now();
        let held = matches!(command, DoorCommand::Hold { .. });
        match post.relay.command(command) {
            Ok(Outcome::Opened { until } | Outcome::Extended { until }) => {
                post.doorway.unlocked(until, held);
                (post.trouble, post.level_unknown) = (None, false);
                let capture_to_door = evidence.map(|captured_at| self.clock.now().since(captured_at));
                let capture_to_door_ms = capture_to_door.map(|span| span.as_millis() as u64);
                tracing::info!(door = %post.name, cause = cause.as_str(), capture_to_door_ms, "unlocked");
                Ok(Moved { duration: (!held).then(|| until.since(now)), capture_to_door })
            }
            Ok(Outcome::Refused(refusal)) => {
                tracing::warn!(door = %post.name, reason = %refusal, "door stays shut");
                Err(Failure::Refused(refusal.to_string()))
            }
            // No answer to an order that energises.
            Ok(Outcome::Safe { .. }) => Err(Failure::Refused("the relay was put at its safe level".to_owned())),
            Err(error) => {
                let reason = error.to_string();
                tracing::error!(door = %post.name, %reason, "door failed");
                post.trouble = Some(reason.clone());
                post.doorway.locked(false, now);
                // Any other error leaves the relay at its safe level, or is followed by a report.
                post.level_unknown |= matches!(error, DoorError::NoAnswer { .. });
                Err(if post.level_unknown { Failure::Failed(reason) } else { Failure::Refused(reason) })
            }
        }
    }

    /// Writes down what became of an order that energises. `record` is the sequence number of the record that allowed it.
    fn note_move(
        &mut self,
        door: DoorIndex,
        cause: Cause,
        record: u64,
        moved: Result<Moved, Failure>,
    ) -> Result<(), Failure> {
        let name = self.posts[door.0].name.clone();
        let event = match &moved {
            Ok(Moved { duration, capture_to_door }) => {
                Event::Unlocked { door: name, cause, record, duration: *duration, capture_to_door: *capture_to_door }
            }
            Err(Failure::Failed(reason)) => Event::DoorFailed { door: name, reason: reason.clone() },
            Err(refused) => Event::UnlockRefused { door: name, reason: refused.to_string() },
        };
        if moved.is_err() {
            self.posts[door.0].doorway.refused(self.clock.now());
        }
        self.note(&event, &[]).ok();
        moved.map(drop)
    }

    /// Whether a grant of this person still waits for a stalled disk: until it answers, more frames of them would only be more grants that wait.
    pub(super) fn grant_waits_for(&mut self, door: DoorIndex, person: Option<PersonId>) -> bool {
        let nothing_waits = self.pen.waiting() == 0;
        let Some(post) = self.posts.get_mut(door.0) else { return false };
        if nothing_waits {
            post.unconfirmed.clear();
        }
        person.is_some_and(|person| post.unconfirmed.contains(&person))
    }

    /// The record of a grant is still to come, and the door has stayed shut meanwhile: the record after it says so.
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
        self.posts[door.0].unconfirmed.insert(person);
        let name = self.posts[door.0].name.clone();
        let before = self.authority.first_came(door);
        let standing: Vec<Entry> = opens_day.then(|| Entry::came_before(&name, before.as_ref())).into_iter().collect();
        self.note(&Event::UnlockRefused { door: name, reason }, &standing).ok();
    }

    pub(super) fn lock(&mut self, door: DoorIndex, reason: &str) -> Result<(), Failure> {
        self.release(door);
        let post = &mut self.posts[door.0];
        let (name, now) = (post.name.clone(), self.clock.now());
        match post.relay.command(DoorCommand::Safe) {
            Ok(Outcome::Safe { on_for }) => {
                (post.trouble, post.level_unknown) = (None, false);
                if on_for.is_some() {
                    post.doorway.locked(false, now);
                    tracing::info!(door = %name, reason, "locked");
                    self.note(&Event::Locked { door: name, reason: reason.to_owned() }, &[]).ok();
                }
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => {
                self.failed(door, error.to_string());
                Err(Failure::Failed(error.to_string()))
            }
        }
    }

    /// Takes in what the relay did by itself.
    pub(super) fn release(&mut self, door: DoorIndex) {
        for report in self.posts[door.0].relay.reports() {
            let post = &mut self.posts[door.0];
            match report {
                Report::Released { stopping, .. } => {
                    let reason = match (stopping, post.doorway.is_held()) {
                        (true, _) => "the daemon stops",
                        (false, true) => "it may not be held open for longer",
                        (false, false) => "the pulse is over",
                    };
                    post.doorway.locked(!stopping, self.clock.now());
                    (post.trouble, post.level_unknown) = (None, false);
                    let event = Event::Locked { door: post.name.clone(), reason: reason.into() };
                    tracing::info!(door = %post.name, reason, "locked");
                    self.note(&event, &[]).ok();
                }
                Report::Stuck { reason } => self.failed(door, reason),
            }
        }
    }

    /// The wires would not go safe. They are tried again ten times a second: that is said once.
    fn failed(&mut self, door: DoorIndex, reason: String) {
        let post = &mut self.posts[door.0];
        post.level_unknown = true;
        if post.trouble.as_ref() == Some(&reason) {
            return;
        }
        tracing::error!(door = %post.name, %reason, "door failed; the relay may still be energised");
        post.trouble = Some(reason.clone());
        let event = Event::DoorFailed { door: post.name.clone(), reason };
        self.note(&event, &[]).ok();
    }
}

//! What follows from an event, done in order: notes are written down, relays move, and what became of them is told.
//!
//! Knows nothing of why.

use super::Doors;
use super::standing::Entry;
use super::telling::tell_note;
use crate::access::Act;
use crate::domain::{Cause, DoorCommand, Event, Moment};
use crate::door::Outcome;

impl Doors {
    pub(super) fn carry_out(&mut self, door: usize, acts: Vec<Act>, record: Option<u64>) -> Result<(), String> {
        self.carry_out_for(door, acts, record, None)
    }

    /// Does what follows, in order. `record` is what was written down before, on the evidence of a frame captured at `evidence`.
    pub(super) fn carry_out_for(
        &mut self,
        door: usize,
        acts: Vec<Act>,
        mut record: Option<u64>,
        evidence: Option<Moment>,
    ) -> Result<(), String> {
        let mut done = Ok(());
        for act in acts {
            match act {
                Act::Note(event) => {
                    let standing: Vec<Entry> = match &event {
                        Event::ModeSet { door, mode, .. } => vec![Entry::mode(door, mode)],
                        _ => Vec::new(),
                    };
                    tell_note(&event);
                    record = self.note(&event, &standing);
                    if record.is_none() {
                        done = Err("the journal cannot be written".to_owned());
                    }
                }
                Act::Unlock { cause, command } => {
                    if record.is_none() && !self.open_unrecorded {
                        self.posts[door].doorway.refused(self.clock.now());
                        continue;
                    }
                    done = self.unlock(door, cause, command, record.unwrap_or_default(), evidence);
                }
                Act::Lock { reason } => done = self.lock(door, reason),
            }
        }
        done
    }

    pub(super) fn unlock(
        &mut self,
        door: usize,
        cause: Cause,
        command: DoorCommand,
        record: u64,
        evidence: Option<Moment>,
    ) -> Result<(), String> {
        self.release(door);
        let post = &mut self.posts[door];
        let (name, now) = (post.name.clone(), self.clock.now());
        let held = command == DoorCommand::Hold;
        let failed = match post.relay.command(command, now) {
            Ok(Outcome::Opened { until } | Outcome::Extended { until }) => {
                post.doorway.unlocked(until, held);
                post.trouble = None;
                let capture_to_door = evidence.map(|captured_at| self.clock.now().since(captured_at));
                let capture_to_door_ms = capture_to_door.map(|span| span.as_millis() as u64);
                tracing::info!(door = %name, cause = cause.as_str(), capture_to_door_ms, "unlocked");
                let duration = (!held).then(|| until.since(now));
                self.note(&Event::Unlocked { door: name, cause, record, duration, capture_to_door }, &[]);
                return Ok(());
            }
            Ok(Outcome::Refused { age }) => {
                let reason = format!("the frame that spoke for opening was {} ms old by then", age.as_millis());
                tracing::warn!(door = %name, %reason, "door stays shut");
                reason
            }
            Ok(Outcome::Safe { .. }) => return Ok(()),
            Err(error) => {
                let reason = error.to_string();
                tracing::error!(door = %name, %reason, "door failed");
                post.trouble = Some(reason.clone());
                post.doorway.locked(false, now);
                reason
            }
        };
        self.posts[door].doorway.refused(now);
        self.note(&Event::DoorFailed { door: name, reason: failed.clone() }, &[]);
        Err(failed)
    }

    pub(super) fn lock(&mut self, door: usize, reason: &str) -> Result<(), String> {
        let post = &mut self.posts[door];
        let (name, now) = (post.name.clone(), self.clock.now());
        match post.relay.command(DoorCommand::Safe, now) {
            Ok(Outcome::Safe { on_for: Some(_) }) => {
                post.doorway.locked(false, now);
                tracing::info!(door = %name, reason, "locked");
                self.note(&Event::Locked { door: name, reason: reason.to_owned() }, &[]);
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => {
                self.failed(door, error.to_string());
                Err(error.to_string())
            }
        }
    }

    /// Lets a relay go whose time is over.
    pub(super) fn release(&mut self, door: usize) {
        let post = &mut self.posts[door];
        let now = self.clock.now();
        match post.relay.poll(now) {
            Ok(None) => {}
            Ok(Some(_)) => {
                let reason = match post.doorway.is_held() {
                    true => "it may not be held open for longer",
                    false => "the pulse is over",
                };
                post.doorway.locked(true, now);
                post.trouble = None;
                let event = Event::Locked { door: post.name.clone(), reason: reason.into() };
                self.note(&event, &[]);
            }
            Err(error) => self.failed(door, error.to_string()),
        }
    }

    /// The wires would not go safe. They are tried again ten times a second: that is said once.
    pub(super) fn failed(&mut self, door: usize, reason: String) {
        let post = &mut self.posts[door];
        if post.trouble.as_ref() == Some(&reason) {
            return;
        }
        tracing::error!(door = %post.name, %reason, "door failed; the relay may still be energised");
        post.trouble = Some(reason.clone());
        let event = Event::DoorFailed { door: post.name.clone(), reason };
        self.note(&event, &[]);
    }
}

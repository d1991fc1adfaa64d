//! The doors' thread: sightings go in, decisions are written down, relays move.
//!
//! Joins access, door and ledger. The order never changes: a decision is on disk before the relay moves.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::health::Stage;
use crate::access::Referee;
use crate::clock::Clock;
use crate::domain::{Cause, Decision, DoorCommand, Event, Named, PersonId, Sighting, Verdict};
use crate::door::{Outcome, Relay};
use crate::gallery::Gallery;
use crate::office::Recorder;

/// The thread beats at least this often.
const BEAT: Duration = Duration::from_millis(250);

/// What the doors' thread is told.
pub enum Tiding {
    /// The faces of one frame of the camera at this place of the list.
    Seen {
        camera: usize,
        sightings: Vec<Sighting>,
    },
    CameraLost {
        camera: Arc<str>,
        reason: String,
    },
    CameraBack {
        camera: Arc<str>,
        lost_for: Duration,
    },
    /// Doors safe, then end.
    Finish {
        reason: &'static str,
    },
}

/// One door: its rules, its relay.
pub struct Post {
    pub name: Arc<str>,
    pub referee: Referee,
    pub relay: Relay,
    pub pulse: Duration,
}

/// All doors of the daemon.
pub struct Warden {
    pub posts: Vec<Post>,
    /// For each camera the place of its door in `posts`.
    pub door_of_camera: Vec<usize>,
    pub gallery: Arc<Gallery>,
    pub recorder: Arc<Recorder>,
    pub clock: Arc<dyn Clock>,
    pub stage: Arc<Stage>,
    pub inbox: Receiver<Tiding>,
}

impl Warden {
    /// Runs until it is told to finish, or until everybody who could tell it something is gone. Dropping the relays puts them
    /// at their safe level whatever happens.
    pub fn run(mut self) {
        loop {
            let now = self.clock.now();
            self.stage.beat(now);
            let due = self.posts.iter().filter_map(|p| p.relay.next_deadline()).map(|at| at.since(now)).min();
            let reason = match self.inbox.recv_timeout(due.map_or(BEAT, |due| due.min(BEAT))) {
                Ok(Tiding::Finish { reason }) => Some(reason),
                Ok(tiding) => {
                    self.hear(tiding);
                    None
                }
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some("nobody is left to watch"),
            };
            self.release_due();
            if let Some(reason) = reason {
                self.make_safe(reason);
                return;
            }
        }
    }

    fn hear(&mut self, tiding: Tiding) {
        match tiding {
            Tiding::Seen { camera, sightings } => {
                let Some(&door) = self.door_of_camera.get(camera) else { return };
                for sighting in &sightings {
                    Stage::count(&self.stage.handled);
                    if let Some(decision) = self.posts[door].referee.consider(sighting, self.clock.now()) {
                        self.carry_out(door, decision);
                    }
                }
            }
            Tiding::CameraLost { camera, reason } => {
                self.note(&Event::CameraLost { camera, reason });
            }
            Tiding::CameraBack { camera, lost_for } => {
                self.note(&Event::CameraBack { camera, lost_for });
            }
            Tiding::Finish { .. } => {}
        }
    }

    /// Writes the decision down; a grant then moves the relay. What cannot be written down is not carried out.
    fn carry_out(&mut self, door: usize, decision: Decision) {
        let name = self.posts[door].name.clone();
        let (verdict, captured_at) = (decision.verdict, decision.captured_at);
        let person = decision.nearest.map(|m| self.named(m.person));
        let runner_up = decision.nearest.and_then(|m| m.runner_up).map(|(id, _)| self.named(id));
        tell(&name, &decision, person.as_ref());
        let Some(record) =
            self.note(&Event::Decided { door: name.clone(), direction: None, person, runner_up, decision })
        else {
            return;
        };
        let Verdict::Grant { person } = verdict else { return };
        let post = &mut self.posts[door];
        let (duration, now) = (post.pulse, self.clock.now());
        let event = match post.relay.command(DoorCommand::Pulse { evidence: Some(captured_at), duration }, now) {
            Ok(Outcome::Opened { until } | Outcome::Extended { until }) => {
                let capture_to_door = self.clock.now().since(captured_at);
                tracing::info!(door = %name, capture_to_door_ms = capture_to_door.as_millis() as u64, "door open");
                Event::Unlocked {
                    door: name,
                    cause: Cause::Grant,
                    record,
                    duration: Some(until.since(now)),
                    capture_to_door: Some(capture_to_door),
                }
            }
            Ok(Outcome::Refused { age }) => {
                let reason = format!("the frame that spoke for opening was {} ms old by then", age.as_millis());
                tracing::warn!(door = %name, %reason, "door stays shut");
                Event::DoorFailed { door: name, reason }
            }
            Ok(Outcome::Safe { .. }) => return,
            Err(error) => {
                tracing::error!(door = %name, %error, "door failed");
                self.stage.set_trouble(Some(error.to_string()));
                Event::DoorFailed { door: name, reason: error.to_string() }
            }
        };
        if matches!(event, Event::DoorFailed { .. }) {
            self.posts[door].referee.take_back(person);
        }
        self.note(&event);
    }

    fn release_due(&mut self) {
        let now = self.clock.now();
        for door in 0..self.posts.len() {
            let post = &mut self.posts[door];
            let event = match post.relay.poll(now) {
                Ok(None) => continue,
                Ok(Some(_)) => Event::Locked { door: post.name.clone(), reason: "the pulse is over".into() },
                Err(error) => {
                    tracing::error!(door = %post.name, %error, "door failed");
                    self.stage.set_trouble(Some(error.to_string()));
                    Event::DoorFailed { door: post.name.clone(), reason: error.to_string() }
                }
            };
            self.note(&event);
        }
    }

    fn make_safe(&mut self, reason: &str) {
        for door in 0..self.posts.len() {
            let post = &mut self.posts[door];
            let event = match post.relay.command(DoorCommand::Safe, self.clock.now()) {
                Ok(Outcome::Safe { on_for: Some(_) }) => {
                    Event::Locked { door: post.name.clone(), reason: reason.into() }
                }
                Ok(_) => continue,
                Err(error) => Event::DoorFailed { door: post.name.clone(), reason: error.to_string() },
            };
            self.note(&event);
        }
    }

    /// Writes an event down; its sequence number, or `None` when the journal failed.
    fn note(&self, event: &Event) -> Option<u64> {
        match self.recorder.record(event) {
            Ok(record) => Some(record.seq),
            Err(error) => {
                tracing::error!(%error, "the journal cannot be written; doors stay shut");
                self.stage.set_trouble(Some(error.to_string()));
                None
            }
        }
    }

    fn named(&self, id: PersonId) -> Named {
        Named { id, name: self.gallery.person(id).map_or_else(|_| format!("person {id}"), |person| person.name) }
    }
}

/// One line for the log: who, how near, how sure, how fast.
fn tell(door: &str, decision: &Decision, person: Option<&Named>) {
    let name = person.map_or("nobody", |p| p.name.as_str());
    let distance = decision.nearest.map_or_else(|| "-".to_owned(), |m| m.distance.to_string());
    let runner_up =
        decision.nearest.and_then(|m| m.runner_up).map_or_else(|| "-".to_owned(), |(_, distance)| distance.to_string());
    let frames = format!("{}/{}", decision.frames.0, decision.frames.1);
    let capture_to_verdict_ms = decision.decided_at.since(decision.captured_at).as_millis() as u64;
    match decision.verdict {
        Verdict::Grant { .. } => {
            tracing::info!(door, person = name, %distance, %runner_up, %frames, capture_to_verdict_ms, "granted");
        }
        Verdict::Deny { reason } => {
            let reason = reason.as_str();
            tracing::info!(door, reason, nearest = name, %distance, %runner_up, %frames, capture_to_verdict_ms, "denied");
        }
    }
}

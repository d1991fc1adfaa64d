//! The doors' thread: what the other threads tell goes in, one thing after the other.
//!
//! Owns the queue and the waiting; [`super::doors`] does the work.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::doors::post::DoorView;
use super::doors::{Doors, Order};
use super::health::Stage;
use crate::clock::Clock;
use crate::domain::{CameraIndex, Direction, DoorIndex, Event, Moment, PersonId, Sighting, TimeQuality};
use crate::door::{Change, DoorError};

/// The thread beats at least this often.
const BEAT: Duration = Duration::from_millis(250);

/// What the doors' thread is told. A camera or a door is told by its place in the configuration.
pub enum Tiding {
    /// The faces of one frame.
    Seen {
        camera: CameraIndex,
        sightings: Vec<Sighting>,
    },
    /// What a door's inputs are now, or why they cannot be read.
    Contacts {
        door: DoorIndex,
        /// When they were read.
        at: Moment,
        changes: Result<Vec<Change>, DoorError>,
    },
    /// An operator's order; the answer goes back when it is on disk and done.
    Ask {
        ask: Ask,
        by: String,
        /// It moves no relay after this.
        not_after: Moment,
        answer: SyncSender<Result<(), String>>,
    },
    CameraLost {
        camera: Arc<str>,
        reason: String,
    },
    CameraBack {
        camera: Arc<str>,
        lost_for: Duration,
    },
    /// Another device answers under the camera's name, each as [`crate::camera::Identity`] words it.
    CameraChanged {
        camera: Arc<str>,
        before: String,
        now: String,
    },
    /// A relay has something to report.
    Relay,
    /// Doors safe, then end.
    Finish {
        reason: &'static str,
    },
}

/// What an operator asks for.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Of one door, or of all.
    Order { door: Option<DoorIndex>, order: Order },
    /// Forget where a person is, or where everybody is.
    Amnesty { person: Option<PersonId> },
    /// The wall clock is right.
    TrustClock,
}

/// Takes all doors as they are.
pub type Show = Box<dyn FnMut(&[DoorView]) + Send>;

/// The doors as they were a moment ago, for whoever wants to show them.
#[derive(Clone, Default)]
pub struct Board(Arc<Mutex<Posted>>);

/// What hangs on the board.
#[derive(Clone, Default)]
pub struct Posted {
    pub doors: Vec<DoorView>,
    /// People in each zone that anybody is in.
    pub occupancy: Vec<(String, usize)>,
    /// How far the wall clock can be relied on; `None` before the first look.
    pub time: Option<TimeQuality>,
}

impl Board {
    /// What hangs there now.
    pub fn read(&self) -> Posted {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Posts `doors` as they are now; whether one of them has changed.
    pub(super) fn post(&self, doors: &Doors) -> bool {
        let posted = Posted { doors: doors.views(), occupancy: doors.occupancy(), time: doors.time() };
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = board.doors != posted.doors;
        *board = posted;
        changed
    }
}

/// See the file's head.
pub struct Warden {
    pub doors: Doors,
    /// For each camera the place of its door, and its side of it.
    pub cameras: Vec<(DoorIndex, Option<Direction>)>,
    pub clock: Arc<dyn Clock>,
    pub stage: Arc<Stage>,
    pub board: Board,
    /// Told of all doors whenever one of them has changed.
    pub show: Show,
    pub inbox: Receiver<Tiding>,
}

impl Warden {
    /// Runs until it is told to finish, or until everybody who could tell it something is gone. Dropping the relays puts them
    /// at their safe level whatever happens.
    pub fn run(mut self) {
        // They hang on the board already, and so are no change.
        (self.show)(&self.board.read().doors);
        loop {
            self.doors.tick();
            self.post();
            self.stage.set_trouble(self.doors.trouble());
            let now = self.clock.now();
            self.stage.beat(now);
            let due = self.doors.next_deadline().map_or(BEAT, |at| at.since(now).min(BEAT));
            let reason = match self.inbox.recv_timeout(due) {
                Ok(Tiding::Finish { reason }) => Some(reason),
                Ok(tiding) => {
                    self.hear(tiding);
                    None
                }
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some("nobody is left to watch"),
            };
            if let Some(reason) = reason {
                self.doors.make_safe(reason);
                self.post();
                return;
            }
        }
    }

    fn post(&mut self) {
        if self.board.post(&self.doors) {
            (self.show)(&self.board.read().doors);
        }
    }

    fn hear(&mut self, tiding: Tiding) {
        match tiding {
            Tiding::Seen { camera, sightings } => {
                let Some(&(door, direction)) = self.cameras.get(camera.0) else { return };
                for sighting in &sightings {
                    Stage::count(&self.stage.handled);
                    self.doors.seen(door, direction, sighting);
                }
            }
            Tiding::Contacts { door, at, changes: Ok(changes) } => {
                self.doors.contacts(door, None);
                for Change { input, active } in changes {
                    self.doors.contact(door, input, active, at);
                }
            }
            Tiding::Contacts { door, changes: Err(error), .. } => self.doors.contacts(door, Some(error.to_string())),
            Tiding::Ask { ask, by, not_after, answer } => {
                let done = self.follow(ask, &by, not_after);
                self.post();
                // The client may have gone.
                drop(answer.try_send(done));
            }
            Tiding::CameraLost { camera, reason } => {
                self.doors.note_event(&Event::CameraLost { camera, reason });
            }
            Tiding::CameraBack { camera, lost_for } => {
                self.doors.note_event(&Event::CameraBack { camera, lost_for });
            }
            Tiding::CameraChanged { camera, before, now } => {
                self.doors.note_event(&Event::CameraChanged { camera, before, now });
            }
            // What relays report is taken in at each tick.
            Tiding::Relay | Tiding::Finish { .. } => {}
        }
    }

    /// An order to all doors goes to each of them, whatever the others answer.
    fn follow(&mut self, ask: Ask, by: &str, not_after: Moment) -> Result<(), String> {
        match ask {
            Ask::Order { door: Some(door), order } => self.doors.order(door, order, by, not_after),
            Ask::Order { door: None, order } => {
                let failures: Vec<String> = DoorIndex::all(self.doors.count())
                    .filter_map(|door| self.doors.order(door, order.clone(), by, not_after).err())
                    .collect();
                if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
            }
            Ask::Amnesty { person } => self.doors.amnesty(person, by),
            Ask::TrustClock => self.doors.trust_clock(by),
        }
    }
}

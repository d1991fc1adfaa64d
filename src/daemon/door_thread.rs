//! The doors' thread: takes messages from the other threads, one after the other. Owns the queue and the waiting; [`super::doors`] does the
//! work.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use super::attention::SharedAttention;
use super::door_status::door_status;
use super::doors::door::DoorView;
use super::doors::lately::Inside;
use super::doors::{CheckedPin, Doors, OperatorOrder, RequestError};
use super::live::board::LiveBoard;
use super::live::view::live_view;
use super::published_doors::PublishedDoors;
use super::stage::Stage;
use crate::access::{HouseRules, InfraredLook};
use crate::api::Admission;
use crate::clock::Clock;
use crate::domain::{Actor, CameraIndex, DaemonEvent, Direction, DoorIndex, Entry, Event, Moment, PersonId, Sighting};
use crate::door::{DoorError, InputChange, ReaderKind};

/// The longest time between two heartbeats.
const BEAT: Duration = Duration::from_millis(250);

/// A message to the doors' thread. Cameras and doors are named by their index in the configuration.
pub enum DoorMessage {
    /// The faces of one frame.
    Seen {
        camera: CameraIndex,
        sightings: Vec<Sighting>,
    },
    /// What an infra-red camera saw in one lit frame.
    Infrared {
        camera: CameraIndex,
        look: InfraredLook,
    },
    /// The new levels of a door's inputs, or why they cannot be read.
    Contacts {
        door: DoorIndex,
        /// When they were read.
        at: Moment,
        changes: Result<Vec<InputChange>, DoorError>,
    },
    /// Somebody entered a PIN or presented a tag at a door.
    Entered {
        door: DoorIndex,
        entry: Entry,
    },
    /// A keypad or a reader of a door cannot be used (`trouble`), or can be used again (`None`).
    Reader {
        door: DoorIndex,
        kind: ReaderKind,
        trouble: Option<String>,
    },
    /// An operator's request. The answer is sent once the request is on disk and done.
    Request {
        request: OperatorRequest,
        by: Actor,
        /// It does not move a relay after this moment.
        not_after: Moment,
        answer: SyncSender<Result<(), RequestError>>,
    },
    /// Go by other rules for people from now on, or as before (`None`), and record why. The answer is sent once it is on disk and done.
    Rules {
        rules: Option<Box<HouseRules>>,
        event: Box<Event>,
        answer: SyncSender<Result<(), RequestError>>,
    },
    /// Somebody asks who is inside.
    WhoIsInside {
        answer: SyncSender<Vec<Inside>>,
    },
    CameraLost {
        camera: Arc<str>,
        reason: String,
    },
    CameraBack {
        camera: Arc<str>,
        lost_for: Duration,
    },
    /// Another device answers under the camera's name. Both are worded by [`crate::camera::Identity`].
    CameraChanged {
        camera: Arc<str>,
        before: String,
        now: String,
    },
    /// A PIN was checked.
    PinChecked(CheckedPin),
    /// A relay has something to report.
    Relay,
    /// Put all doors at their safe level and end.
    Finish {
        reason: &'static str,
    },
}

/// What an operator can request.
#[derive(Clone, Debug)]
pub enum OperatorRequest {
    /// An order to one door, or to all (`None`).
    Order { door: Option<DoorIndex>, order: OperatorOrder },
    /// Let somebody in without a face.
    Admit { door: DoorIndex, admission: Admission },
    /// Forget where a person is, or where everybody is (`None`).
    Amnesty { person: Option<PersonId> },
    /// Trust the wall clock.
    TrustClock,
}

/// Called with the state of all doors.
pub type Show = Box<dyn FnMut(&[DoorView]) + Send>;

/// The thread's body and everything that it owns.
pub struct DoorThread {
    pub doors: Doors,
    /// For each camera the index of its door, and the side of the door that it watches.
    pub cameras: Vec<(DoorIndex, Option<Direction>)>,
    /// For each camera the one whose second eye it is.
    pub eye_of: Vec<Option<Arc<str>>>,
    /// The attention of each camera.
    pub attention: Vec<SharedAttention>,
    pub clock: Arc<dyn Clock>,
    pub stage: Arc<Stage>,
    pub published: PublishedDoors,
    /// What people who watch see.
    pub live: LiveBoard,
    /// Called with all doors whenever one of them has changed.
    pub show: Show,
    pub inbox: Receiver<DoorMessage>,
}

impl DoorThread {
    /// Runs until [`DoorMessage::Finish`] or until all senders are dropped. Dropping the relays puts them at their safe level whatever happens.
    pub fn run(mut self) {
        // The first state is published already, and so is not a change.
        (self.show)(&self.published.read().doors);
        loop {
            self.doors.tick();
            self.publish();
            self.stage.set_trouble(self.doors.trouble());
            let now = self.clock.now();
            self.stage.beat(now);
            let due = self.doors.next_deadline().map_or(BEAT, |at| at.since(now).min(BEAT));
            let reason = match self.inbox.recv_timeout(due) {
                Ok(DoorMessage::Finish { reason }) => Some(reason),
                Ok(message) => {
                    self.handle(message);
                    self.ask_for_evidence();
                    None
                }
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some("all senders are gone"),
            };
            if let Some(reason) = reason {
                self.doors.make_safe(reason);
                self.publish();
                return;
            }
        }
    }

    /// Tells the cameras what the decisions of their doors need.
    fn ask_for_evidence(&self) {
        for (attention, (door, _)) in self.attention.iter().zip(&self.cameras) {
            attention.ask(&self.doors, *door);
        }
    }

    fn publish(&mut self) {
        if self.published.publish(&self.doors) {
            let views = self.published.read().doors;
            if self.live.is_watched() {
                self.live.doors_changed(views.iter().map(door_status).collect());
            }
            (self.show)(&views);
        }
    }

    /// Shows to people who watch what the rules say of faces that they have just taken in.
    fn show_faces(&self, door: DoorIndex, sightings: &[Sighting]) {
        let Some(first) = sightings.first().filter(|_| self.live.is_watched()) else { return };
        let view = |sighting: &Sighting| {
            let insight = self.doors.insight(door, sighting)?;
            Some((sighting.track, live_view(sighting, &insight, |person| self.doors.name(person))))
        };
        self.live.judged(&first.camera, sightings.iter().filter_map(view).collect());
    }

    fn handle(&mut self, message: DoorMessage) {
        match message {
            DoorMessage::Seen { camera, sightings } => {
                let Some(&(door, direction)) = self.cameras.get(camera.0) else { return };
                for sighting in &sightings {
                    Stage::count(&self.stage.handled);
                    self.doors.seen(door, direction, sighting);
                }
                self.show_faces(door, &sightings);
            }
            DoorMessage::Infrared { camera, look } => {
                if let Some(colour) = self.eye_of.get(camera.0).and_then(Option::as_ref) {
                    self.doors.second_eye(colour, look);
                }
            }
            DoorMessage::Contacts { door, at, changes: Ok(changes) } => {
                self.doors.contacts(door, None);
                for InputChange { input, active } in changes {
                    self.doors.contact(door, input, active, at);
                }
            }
            DoorMessage::Contacts { door, changes: Err(error), .. } => {
                self.doors.contacts(door, Some(error.to_string()))
            }
            DoorMessage::Entered { door, entry } => {
                Stage::count(&self.stage.handled);
                self.doors.entered(door, entry);
            }
            DoorMessage::Reader { door, kind, trouble } => self.doors.reader(door, kind, trouble),
            DoorMessage::Request { request, by, not_after, answer } => {
                let done = self.follow(request, &by, not_after);
                self.publish();
                // The client may have disconnected.
                drop(answer.try_send(done));
            }
            DoorMessage::Rules { rules, event, answer } => {
                let done = self.doors.go_by(rules.map(|rules| *rules), &event);
                self.publish();
                // The fleet's task may have ended.
                drop(answer.try_send(done));
            }
            DoorMessage::WhoIsInside { answer } => drop(answer.try_send(self.doors.inside())),
            DoorMessage::CameraLost { camera, reason } => {
                self.doors.note_event(&Event::Daemon(DaemonEvent::CameraLost { camera, reason }));
            }
            DoorMessage::CameraBack { camera, lost_for } => {
                self.doors.note_event(&Event::Daemon(DaemonEvent::CameraBack { camera, lost_for }));
            }
            DoorMessage::CameraChanged { camera, before, now } => {
                self.doors.note_event(&Event::Daemon(DaemonEvent::CameraChanged { camera, before, now }));
            }
            DoorMessage::PinChecked(checked) => self.doors.pin_checked(checked),
            // Each tick takes in what the relays report.
            DoorMessage::Relay | DoorMessage::Finish { .. } => {}
        }
    }

    /// Carries out a request. An order to all doors goes to each of them, whatever the others answer.
    fn follow(&mut self, request: OperatorRequest, by: &Actor, not_after: Moment) -> Result<(), RequestError> {
        match request {
            OperatorRequest::Order { door: Some(door), order } => self.doors.order(door, order, by, not_after),
            OperatorRequest::Order { door: None, order } => {
                let mut failures: Vec<RequestError> = DoorIndex::all(self.doors.count())
                    .filter_map(|door| self.doors.order(door, order.clone(), by, not_after).err())
                    .collect();
                match failures.pop() {
                    None => Ok(()),
                    Some(failure) if failures.is_empty() => Err(failure),
                    Some(failure) => Err(RequestError::Several(failures.into_iter().chain([failure]).collect())),
                }
            }
            OperatorRequest::Admit { door, mut admission } => {
                let sides = self.cameras.iter().any(|(of, side)| *of == door && side.is_some());
                admission.direction = admission.direction.or(sides.then_some(Direction::In));
                self.doors.admit(door, &admission, by, not_after)
            }
            OperatorRequest::Amnesty { person } => self.doors.amnesty(person, by),
            OperatorRequest::TrustClock => self.doors.trust_clock(by),
        }
    }
}

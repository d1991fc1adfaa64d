//! The state of one thread that does steady work: when it last reported that it is alive, what is wrong with it, what it has counted.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::Moment;

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads frames from one camera.
    Camera,
    /// Recognises faces in the frames of one camera.
    Vision,
    /// Looks for living faces in the frames of an infra-red camera, and recognises nobody.
    SecondEye,
    /// Owns the rules of all doors.
    Doors,
    /// Owns the wires of one relay.
    Relay,
    /// Reads the inputs of one door.
    Contacts,
    /// Reads one keypad or reader of a door.
    Reader,
    /// Writes records for the doors.
    Records,
    /// Marks outside the store what waits for a stalled disk.
    GapMarks,
    /// Checks PINs.
    Pins,
}

impl Role {
    /// The role in logs, in the control API and in labels of metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Camera => "camera",
            Role::Vision => "vision",
            Role::SecondEye => "second eye",
            Role::Doors => "doors",
            Role::Relay => "relay",
            Role::Contacts => "contacts",
            Role::Reader => "reader",
            Role::Records => "records",
            Role::GapMarks => "gap marks",
            Role::Pins => "pins",
        }
    }

    /// Whether it handles a camera's frames after they were read.
    pub fn looks_at_frames(self) -> bool {
        matches!(self, Role::Vision | Role::SecondEye)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state of one thread, shared between the thread and those that watch it.
pub struct Stage {
    pub role: Role,
    /// The camera or the door that the thread works for, for [`Role::Reader`] with the kind of the reader; for [`Role::Doors`] the role's own name.
    pub name: String,
    beat_ms: AtomicU64,
    trouble: Mutex<Option<String>>,
    /// Frames or messages handled.
    pub handled: AtomicU64,
    /// Frames or messages dropped, by this stage or on the way to it.
    pub dropped: AtomicU64,
    /// Frames that could not be used.
    pub bad: AtomicU64,
    /// Time spent on the last frame, in microseconds.
    pub last_us: AtomicU64,
}

impl Stage {
    /// A stage whose first heartbeat counts as given at `now`.
    pub fn new(role: Role, name: &str, now: Moment) -> Arc<Stage> {
        Arc::new(Stage {
            role,
            name: name.to_owned(),
            beat_ms: AtomicU64::new(now.0.as_millis() as u64),
            trouble: Mutex::new(None),
            handled: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            bad: AtomicU64::new(0),
            last_us: AtomicU64::new(0),
        })
    }

    /// Reports that the thread is alive.
    pub fn beat(&self, now: Moment) {
        self.beat_ms.store(now.0.as_millis() as u64, Ordering::Relaxed);
    }

    /// The time since the last heartbeat.
    pub fn silent_for(&self, now: Moment) -> Duration {
        now.since(Moment(Duration::from_millis(self.beat_ms.load(Ordering::Relaxed))))
    }

    /// What is wrong, in words; `None` if nothing is.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets or clears what is wrong.
    pub fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Adds one to `counter`.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

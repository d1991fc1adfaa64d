//! The [`Attention`] that a camera gets, shared by the threads that it joins: the camera's asks whether a frame is needed, vision's what to look
//! at, and the doors' says what their decisions need.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::doors::Doors;
use crate::domain::DoorIndex;
use crate::vision::attention::{Attention, AttentionSettings};

/// The attention of one camera. Held for microseconds only.
#[derive(Clone)]
pub struct SharedAttention {
    /// The camera's name.
    pub camera: Arc<str>,
    attention: Arc<Mutex<Attention>>,
}

impl SharedAttention {
    /// Nothing has been seen yet.
    pub fn new(camera: Arc<str>, settings: AttentionSettings) -> SharedAttention {
        SharedAttention { camera, attention: Arc::new(Mutex::new(Attention::new(settings))) }
    }

    /// Holds it. Every change is a single step, so the state is valid even if another thread panicked.
    pub fn hold(&self) -> MutexGuard<'_, Attention> {
        self.attention.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells it what the decisions at `door` need.
    pub fn ask(&self, doors: &Doors, door: DoorIndex) {
        self.hold().ask(|track| doors.wants(door, &self.camera, track));
    }
}

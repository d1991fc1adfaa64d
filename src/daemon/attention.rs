//! The [`Attention`] that a camera gets, shared by the threads that it joins: the camera's asks whether a frame is needed, vision's what to look
//! at, and the doors' says what their decisions need. A second eye asks whether somebody is seen, and in a picture of which size. How bright the
//! nearest face was goes back from vision to the camera.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::doors::Doors;
use crate::camera::FaceLight;
use crate::domain::DoorIndex;
use crate::vision::attention::{Attention, AttentionSettings};

/// The attention of one camera. Held for microseconds only.
#[derive(Clone)]
pub struct SharedAttention {
    /// The camera's name.
    pub camera: Arc<str>,
    attention: Arc<Mutex<Attention>>,
    /// The picture's width and height, 32 bits each; 0 before the first picture.
    picture: Arc<AtomicU64>,
    /// How the nearest face came out, until the camera's thread has taken it.
    light: Arc<Mutex<Option<FaceLight>>>,
}

impl SharedAttention {
    /// Nothing has been seen yet.
    pub fn new(camera: Arc<str>, settings: AttentionSettings) -> SharedAttention {
        let attention = Arc::new(Mutex::new(Attention::new(settings)));
        SharedAttention { camera, attention, picture: Arc::default(), light: Arc::default() }
    }

    /// Holds it. Every change is a single step, so the state is valid even if another thread panicked.
    pub fn hold(&self) -> MutexGuard<'_, Attention> {
        self.attention.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the size of the camera's pictures.
    pub fn show_picture(&self, width: u32, height: u32) {
        self.picture.store(u64::from(width) << 32 | u64::from(height), Ordering::Relaxed);
    }

    /// The width and height of the camera's last picture in pixels; `None` before the first.
    pub fn picture(&self) -> Option<(u32, u32)> {
        let both = self.picture.load(Ordering::Relaxed);
        (both != 0).then_some(((both >> 32) as u32, both as u32))
    }

    /// Notes how the nearest face came out.
    pub fn show_face(&self, light: FaceLight) {
        *self.light.lock().unwrap_or_else(PoisonError::into_inner) = Some(light);
    }

    /// How the nearest face came out, once.
    pub fn take_face(&self) -> Option<FaceLight> {
        self.light.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Tells it what the decisions at `door` need.
    pub fn ask(&self, doors: &Doors, door: DoorIndex) {
        self.hold().ask(|track| doors.wants(door, &self.camera, track));
    }
}

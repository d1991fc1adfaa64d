//! The thread that owns an open device: reads raw frames, stamps them, and leaves the newest in a slot.
//!
//! Knows nothing of pixels.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use nokhwa::Camera;

use super::negotiate::{self, Failure, guarded};
use super::{Mode, V4l2Settings};
use crate::camera::CameraError;
use crate::camera::slot::{SlotReceiver, SlotSender};
use crate::clock::Clock;
use crate::domain::Moment;

/// Frames thrown away after opening: a loopback's first one can be left over from an earlier stream.
const STALE_FRAMES: u32 = 1;

/// A frame as the camera gives it; bytes of the device's buffer beyond the frame may follow it.
pub(super) struct Raw {
    pub(super) seq: u64,
    pub(super) captured_at: Moment,
    pub(super) bytes: Vec<u8>,
}

/// What the thread leaves in the slot.
pub(super) enum Shot {
    Taken(Raw),
    /// The last thing it says.
    Failed(CameraError),
}

/// What the thread works with.
pub(super) struct Capture {
    pub(super) device: String,
    pub(super) shots: SlotSender<Shot>,
    /// Memory of frames that have been decoded.
    pub(super) spare: SlotReceiver<Vec<u8>>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Capture {
    /// Opens the device, says through `opened` how that went, and reads until nobody takes the frames any more or the
    /// camera fails.
    pub(super) fn run(self, index: u32, wanted: &V4l2Settings, opened: &Sender<Result<Mode, CameraError>>) {
        let (camera, mode) = match negotiate::open(&self.device, index, wanted) {
            Ok(open) => open,
            // Nobody listens any more when opening took too long.
            Err(error) => return drop(opened.send(Err(error))),
        };
        if opened.send(Ok(mode)).is_err() {
            return drop(catch_unwind(AssertUnwindSafe(|| drop(camera))));
        }
        // The camera is dropped inside: closing a device that is gone can panic too.
        let ended = catch_unwind(AssertUnwindSafe(|| self.read(camera)));
        let failure = match ended {
            Ok(None) => return,
            Ok(Some(error)) => error,
            Err(_) => thread_ended(self.device),
        };
        drop(self.shots.put(Shot::Failed(failure)));
    }

    /// `None` when nobody takes the frames any more.
    fn read(&self, mut camera: Camera) -> Option<CameraError> {
        for _ in 0..STALE_FRAMES {
            if let Err(error) = self.frame(&mut camera, |_| ()) {
                return Some(error);
            }
        }
        let mut memory = Vec::new();
        for seq in 0.. {
            let read = self.frame(&mut camera, |bytes| {
                let captured_at = self.clock.now();
                memory.clear();
                memory.extend_from_slice(bytes);
                captured_at
            });
            let captured_at = match read {
                Ok(captured_at) => captured_at,
                Err(error) => return Some(error),
            };
            let raw = Raw { seq, captured_at, bytes: std::mem::take(&mut memory) };
            memory = match self.shots.put(Shot::Taken(raw)) {
                Ok(Some(Shot::Taken(missed))) => missed.bytes,
                Ok(_) => self.spare.take(Duration::ZERO).unwrap_or_default(),
                Err(_) => return None,
            };
        }
        None
    }

    /// Waits for the next frame, without a limit, and shows it to `look`.
    fn frame<T>(&self, camera: &mut Camera, mut look: impl FnMut(&[u8]) -> T) -> Result<T, CameraError> {
        loop {
            let failure = match guarded(|| camera.frame_raw().map(|bytes| look(&bytes))) {
                Ok(seen) => return Ok(seen),
                Err(failure) => failure,
            };
            // A signal broke the wait. The stream must be set up anew: it does not know which of its buffers are still
            // queued.
            if failure.errno == Some(libc::EINTR)
                && guarded(|| camera.stop_stream().and_then(|()| camera.open_stream())).is_ok()
            {
                continue;
            }
            return Err(self.lost(failure));
        }
    }

    fn lost(&self, failure: Failure) -> CameraError {
        CameraError::Lost { device: self.device.clone(), reason: failure.reason }
    }
}

/// The thread is gone and left no word.
pub(super) fn thread_ended(device: String) -> CameraError {
    CameraError::Lost { device, reason: "reading it ended without a reason".into() }
}

//! The thread that owns an open device: reads buffers, rejects those without a current picture, dates the others, and puts the newest into a
//! slot.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::buffer::{Fault, Inspector};
use super::controls::Exposure;
use super::guard::Failure;
use super::negotiate;
use super::stream::Stream;
use super::{Identity, Mode, V4l2Settings};
use crate::camera::slot::{SlotReceiver, SlotSender};
use crate::camera::{CameraError, FaceLight};
use crate::clock::{self, Clock};
use crate::domain::Moment;

/// Frames discarded after opening: a loopback's first one can be left over from an earlier stream.
const STALE_FRAMES: u32 = 1;
/// How often in a row an interrupted wait is restarted.
const MOST_RESTARTS: u32 = 8;

/// A frame as delivered by the camera.
pub(super) struct Raw {
    pub(super) seq: u64,
    pub(super) captured_at: Moment,
    pub(super) bytes: Vec<u8>,
}

/// What the thread puts into the slot.
pub(super) enum Captured {
    Frame(Raw),
    /// A buffer without a picture.
    Bad(Fault),
    /// The error that ended the thread; always the last value.
    Failed(CameraError),
}

/// The state of the capture thread.
pub(super) struct Capture {
    pub(super) device: String,
    pub(super) frames: SlotSender<Captured>,
    /// Memory of decoded frames, for reuse.
    pub(super) spare: SlotReceiver<Vec<u8>>,
    /// How the nearest face came out.
    pub(super) lights: SlotReceiver<FaceLight>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Capture {
    /// Opens the device, sends the result through `opened`, and reads until the frames' receiver is dropped or the camera fails.
    pub(super) fn run(self, wanted: &V4l2Settings, opened: &Sender<Result<(Mode, Identity), CameraError>>) {
        let opening =
            catch_unwind(AssertUnwindSafe(|| negotiate::open(Path::new(&self.device), wanted, self.clock.clone())));
        let (stream, mode, identity) = match opening.unwrap_or_else(|_| Err(thread_ended(self.device.clone()))) {
            Ok(open) => open,
            // If opening took too long, the receiver is gone.
            Err(error) => return drop(opened.send(Err(error))),
        };
        if opened.send(Ok((mode, identity))).is_err() {
            return;
        }
        // The stream is dropped inside, because closing a lost device can panic too.
        let ended = catch_unwind(AssertUnwindSafe(|| self.expose_and_read(stream, mode, wanted.expose_for_faces)));
        let failure = match ended {
            Ok(None) => return,
            Ok(Some(error)) => error,
            Err(_) => thread_ended(self.device),
        };
        drop(self.frames.put(Captured::Failed(failure)));
    }

    /// Reads until an error, which is returned, or until the receiver is dropped. Then puts back the exposure.
    fn expose_and_read(&self, mut stream: Stream, mode: Mode, for_faces: bool) -> Option<CameraError> {
        let mut exposure = stream.device().filter(|_| for_faces).and_then(|device| Exposure::of(device, mode.interval));
        let ended = self.read(&mut stream, mode, &mut exposure);
        if let Some((exposure, device)) = exposure.as_mut().zip(stream.device()) {
            exposure.restore(device);
        }
        ended
    }

    fn read(&self, stream: &mut Stream, mode: Mode, exposure: &mut Option<Exposure>) -> Option<CameraError> {
        let mut inspector = Inspector::new(mode.requirement());
        let mut memory = Vec::new();
        for _ in 0..STALE_FRAMES {
            if let Err(failure) = self.read_buffer(stream, &mut inspector, &mut memory) {
                return Some(self.lost(failure));
            }
        }
        let mut seq = 0u64;
        loop {
            self.expose(stream, exposure);
            let captured = match self.read_buffer(stream, &mut inspector, &mut memory) {
                Ok(Ok(captured_at)) => {
                    let this = seq;
                    seq = seq.wrapping_add(1);
                    Captured::Frame(Raw { seq: this, captured_at, bytes: std::mem::take(&mut memory) })
                }
                Ok(Err(fault)) => Captured::Bad(fault),
                Err(failure) => return Some(self.lost(failure)),
            };
            match self.frames.put(captured) {
                Ok(Some(Captured::Frame(missed))) => memory = missed.bytes,
                Ok(_) if memory.capacity() == 0 => memory = self.spare.take(Duration::ZERO).unwrap_or_default(),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// Lets the newest face steer the exposure.
    fn expose(&self, stream: &Stream, exposure: &mut Option<Exposure>) {
        let Some((steered, device)) = exposure.as_mut().zip(stream.device()) else { return };
        if let Err(failure) = steered.follow(device, self.lights.take(Duration::ZERO), self.clock.now()) {
            tracing::warn!(device = self.device, reason = failure.reason, "the camera's exposure cannot be steered");
            steered.restore(device);
            *exposure = None;
        }
    }

    /// Waits for the next buffer without a time-out, copies its picture into `memory`, and returns its capture time.
    fn read_buffer(
        &self,
        stream: &mut Stream,
        inspector: &mut Inspector,
        memory: &mut Vec<u8>,
    ) -> Result<Result<Moment, Fault>, Failure> {
        let mut restarts = 0u32;
        loop {
            if stream.is_idle() {
                inspector.start(clock::monotonic());
            }
            let looked = stream.next(|buffer, times| {
                let picture = inspector.inspect(buffer, times)?;
                memory.clear();
                memory.extend_from_slice(picture.bytes);
                if picture.freezes {
                    tracing::warn!(
                        device = self.device,
                        "the camera's picture has not changed by a byte for a while; it now counts as old"
                    );
                }
                Ok(picture.captured_at)
            });
            let failure = match looked {
                Ok(looked) => return Ok(looked),
                Err(failure) => failure,
            };
            // A signal interrupted the wait, or there was no buffer after all. The stream must be restarted, because it does not know which
            // of its buffers are still queued.
            let interrupted = matches!(failure.errno, Some(libc::EINTR | libc::EAGAIN));
            restarts = restarts.saturating_add(1);
            if !interrupted || restarts > MOST_RESTARTS || stream.restart().is_err() {
                return Err(failure);
            }
        }
    }

    fn lost(&self, failure: Failure) -> CameraError {
        CameraError::Lost { device: self.device.clone(), reason: failure.reason }
    }
}

/// The error if the thread has ended without one.
pub(super) fn thread_ended(device: String) -> CameraError {
    CameraError::Lost { device, reason: "reading from it ended unexpectedly".into() }
}

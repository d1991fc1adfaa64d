//! The thread that owns an open device: reads buffers, refuses those that hold no picture of now, dates the others, and leaves the
//! newest in a slot.
//!
//! Knows nothing of pixels.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::buffer::{Fault, Inspector};
use super::negotiate::{self, Failure};
use super::stream::Stream;
use super::{Identity, Mode, V4l2Settings};
use crate::camera::CameraError;
use crate::camera::slot::{SlotReceiver, SlotSender};
use crate::clock::{self, Clock};
use crate::domain::Moment;

/// Frames thrown away after opening: a loopback's first one can be left over from an earlier stream.
const STALE_FRAMES: u32 = 1;
/// So often in a row a broken wait is begun again.
const MOST_RESTARTS: u32 = 8;

/// A frame as the camera gives it.
pub(super) struct Raw {
    pub(super) seq: u64,
    pub(super) captured_at: Moment,
    pub(super) bytes: Vec<u8>,
}

/// What the thread leaves in the slot.
pub(super) enum Shot {
    Taken(Raw),
    /// A buffer without a picture.
    Bad(Fault),
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
    pub(super) fn run(self, wanted: &V4l2Settings, opened: &Sender<Result<(Mode, Identity), CameraError>>) {
        let opening =
            catch_unwind(AssertUnwindSafe(|| negotiate::open(Path::new(&self.device), wanted, self.clock.clone())));
        let (stream, mode, identity) = match opening.unwrap_or_else(|_| Err(thread_ended(self.device.clone()))) {
            Ok(open) => open,
            // Nobody listens any more when opening took too long.
            Err(error) => return drop(opened.send(Err(error))),
        };
        if opened.send(Ok((mode, identity))).is_err() {
            return;
        }
        // The stream is dropped inside: closing a device that is gone can panic too.
        let ended = catch_unwind(AssertUnwindSafe(|| self.read(stream, mode)));
        let failure = match ended {
            Ok(None) => return,
            Ok(Some(error)) => error,
            Err(_) => thread_ended(self.device),
        };
        drop(self.shots.put(Shot::Failed(failure)));
    }

    /// `None` when nobody takes the frames any more.
    fn read(&self, mut stream: Stream, mode: Mode) -> Option<CameraError> {
        let mut inspector = Inspector::new(mode.demand());
        let mut memory = Vec::new();
        for _ in 0..STALE_FRAMES {
            if let Err(failure) = self.look(&mut stream, &mut inspector, &mut memory) {
                return Some(self.lost(failure));
            }
        }
        let mut seq = 0;
        loop {
            let shot = match self.look(&mut stream, &mut inspector, &mut memory) {
                Ok(Ok(captured_at)) => {
                    seq += 1;
                    Shot::Taken(Raw { seq: seq - 1, captured_at, bytes: std::mem::take(&mut memory) })
                }
                Ok(Err(fault)) => Shot::Bad(fault),
                Err(failure) => return Some(self.lost(failure)),
            };
            match self.shots.put(shot) {
                Ok(Some(Shot::Taken(missed))) => memory = missed.bytes,
                Ok(_) if memory.capacity() == 0 => memory = self.spare.take(Duration::ZERO).unwrap_or_default(),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// Waits for the next buffer, without a limit; copies its picture into `memory` and says when it was taken.
    fn look(
        &self,
        stream: &mut Stream,
        inspector: &mut Inspector,
        memory: &mut Vec<u8>,
    ) -> Result<Result<Moment, Fault>, Failure> {
        let mut restarts = 0;
        loop {
            if stream.is_idle() {
                inspector.begin(clock::monotonic());
            }
            let looked = stream.next(|buffer, times| {
                let picture = inspector.look(buffer, times)?;
                memory.clear();
                memory.extend_from_slice(picture.bytes);
                if picture.freezes {
                    tracing::warn!(
                        device = self.device,
                        "the camera's picture has been the same to the byte for a while; what it shows counts as old"
                    );
                }
                Ok(picture.captured_at)
            });
            let failure = match looked {
                Ok(looked) => return Ok(looked),
                Err(failure) => failure,
            };
            // A signal broke the wait, or nothing was there after all. The stream must be set up anew: it does not know which of
            // its buffers are still queued.
            let broken_off = matches!(failure.errno, Some(libc::EINTR | libc::EAGAIN));
            restarts += 1;
            if !broken_off || restarts > MOST_RESTARTS || stream.restart().is_err() {
                return Err(failure);
            }
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

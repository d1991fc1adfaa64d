//! The camera's thread: opens it, keeps it open, hands over the newest frame.
//!
//! A camera that is absent, lost or stuck is told of once and tried again with growing pauses; it never ends the daemon. Knows
//! nothing of faces.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use super::health::Stage;
use super::stop::Stop;
use super::warden::Tiding;
use crate::camera::slot::{SlotReceiver, SlotSender};
use crate::camera::{CameraError, FrameSource};
use crate::clock::Clock;
use crate::domain::{Frame, Image, Moment};

/// The first pause after a failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A silent camera is waited for so many times before it is closed and opened anew.
const MOST_STUCK_IN_A_ROW: u32 = 3;
/// So many undecodable frames in a row are a broken camera.
const MOST_BAD_IN_A_ROW: u32 = 30;

/// Opens the camera; called again after each loss.
pub type Open = Box<dyn Fn() -> Result<Box<dyn FrameSource>, CameraError> + Send>;

/// All that the thread needs.
pub struct CameraStage {
    pub name: Arc<str>,
    pub open: Open,
    pub frames: SlotSender<Frame>,
    /// Pictures that vision is done with; their memory is used again.
    pub used: SlotReceiver<Image>,
    pub tidings: SyncSender<Tiding>,
    pub clock: Arc<dyn Clock>,
    pub stage: Arc<Stage>,
    pub stop: Stop,
}

/// How a stretch with an open camera ended.
enum Ending {
    /// A replay is over, or nobody wants frames any more.
    Done,
    Failed(CameraError),
}

impl CameraStage {
    /// Runs until it is stopped or a replay has ended.
    pub fn run(self) {
        let mut lost_since: Option<Moment> = None;
        let mut pause = FIRST_PAUSE;
        while !self.stop.said() {
            self.stage.beat(self.clock.now());
            let ending = match (self.open)() {
                Ok(mut source) => {
                    tracing::info!(camera = %self.name, source = %source.describe(), "camera open");
                    self.watch(source.as_mut(), &mut lost_since, &mut pause)
                }
                Err(CameraError::Ended { .. }) => Ending::Done,
                Err(error) => Ending::Failed(error),
            };
            let error = match ending {
                Ending::Done => return,
                Ending::Failed(error) => error,
            };
            self.lost(&error, &mut lost_since);
            if self.pause(pause) {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Hands over frames until the camera fails.
    fn watch(&self, source: &mut dyn FrameSource, lost_since: &mut Option<Moment>, pause: &mut Duration) -> Ending {
        let (mut bad_in_a_row, mut stuck_in_a_row) = (0, 0);
        while !self.stop.said() {
            self.stage.beat(self.clock.now());
            while let Some(image) = self.used.take(Duration::ZERO) {
                source.recycle(image);
            }
            match source.next() {
                Ok(frame) => {
                    (bad_in_a_row, stuck_in_a_row) = (0, 0);
                    *pause = FIRST_PAUSE;
                    if let Some(since) = lost_since.take() {
                        let lost_for = self.clock.now().since(since);
                        tracing::info!(camera = %self.name, lost_s = lost_for.as_secs(), "camera back");
                        self.stage.set_trouble(None);
                        self.tell(Tiding::CameraBack { camera: self.name.clone(), lost_for });
                    }
                    Stage::count(&self.stage.handled);
                    match self.frames.put(frame) {
                        Ok(None) => {}
                        Ok(Some(replaced)) => {
                            Stage::count(&self.stage.dropped);
                            source.recycle(replaced.image);
                        }
                        Err(_) => return Ending::Done,
                    }
                }
                Err(CameraError::Ended { replay }) => {
                    tracing::info!(camera = %self.name, %replay, "the replay is over");
                    return Ending::Done;
                }
                Err(error @ CameraError::BadFrame { .. }) => {
                    Stage::count(&self.stage.bad);
                    bad_in_a_row += 1;
                    if bad_in_a_row == 1 {
                        tracing::warn!(camera = %self.name, %error, "a frame could not be used");
                    }
                    if bad_in_a_row >= MOST_BAD_IN_A_ROW {
                        return Ending::Failed(error);
                    }
                }
                Err(error @ CameraError::Stuck { .. }) => {
                    self.lost(&error, lost_since);
                    stuck_in_a_row += 1;
                    if stuck_in_a_row >= MOST_STUCK_IN_A_ROW {
                        return Ending::Failed(error);
                    }
                }
                Err(error) => return Ending::Failed(error),
            }
        }
        Ending::Done
    }

    /// Tells of a loss, once until the camera is back.
    fn lost(&self, error: &CameraError, since: &mut Option<Moment>) {
        self.stage.set_trouble(Some(error.to_string()));
        if since.is_none() {
            *since = Some(self.clock.now());
            tracing::warn!(camera = %self.name, %error, "camera lost; trying again");
            self.tell(Tiding::CameraLost { camera: self.name.clone(), reason: error.to_string() });
        }
    }

    /// Waits, beating; `true` when it was stopped.
    fn pause(&self, span: Duration) -> bool {
        let until = self.clock.now() + span;
        loop {
            let now = self.clock.now();
            self.stage.beat(now);
            let left = until.since(now);
            if left.is_zero() {
                return false;
            }
            if self.stop.wait(left.min(Duration::from_millis(500))) {
                return true;
            }
        }
    }

    fn tell(&self, tiding: Tiding) {
        if self.tidings.send(tiding).is_err() {
            tracing::debug!(camera = %self.name, "nobody keeps the journal any more");
        }
    }
}

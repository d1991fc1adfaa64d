//! The camera's thread: opens it, keeps it open, hands over the newest frame.
//!
//! A camera that is absent, lost or stuck is told once and tried again with growing pauses; it never ends the daemon. So is one
//! that gives nothing but frames that cannot be used. Knows nothing of faces.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use super::health::Stage;
use super::stop::Stop;
use super::warden::Tiding;
use crate::camera::slot::{SlotReceiver, SlotSender};
use crate::camera::{CameraError, FrameSource, Identity};
use crate::clock::Clock;
use crate::domain::{Frame, Image, Moment};

/// The first pause after a failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A silent camera is waited for so many times before it is closed and opened anew.
const MOST_STUCK_IN_A_ROW: u32 = 3;
/// So many frames in a row that cannot be used are a broken camera.
const MOST_BAD_IN_A_ROW: u32 = 30;
/// So many good frames in a row are a camera that is well again; the next pause is the first one.
const WELL_AGAIN: u32 = 30;
/// Bad frames are told once, and then summed up so often.
const BAD_TOLD_EVERY: Duration = Duration::from_secs(60);

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

/// What the thread keeps while cameras come and go.
struct Watch {
    lost_since: Option<Moment>,
    pause: Duration,
    /// The device that gave the last frames.
    identity: Option<Identity>,
    bad: BadFrames,
}

/// Bad frames: how many have not been told yet, and when that was done last.
#[derive(Default)]
struct BadFrames {
    untold: u64,
    told_at: Option<Moment>,
}

impl BadFrames {
    /// Counts one more. The number to be told, when it is time for that.
    fn count(&mut self, now: Moment) -> Option<u64> {
        self.untold += 1;
        let due = self.told_at.is_none_or(|at| now.since(at) >= BAD_TOLD_EVERY);
        due.then(|| {
            self.told_at = Some(now);
            std::mem::take(&mut self.untold)
        })
    }
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
        let mut watch = Watch { lost_since: None, pause: FIRST_PAUSE, identity: None, bad: BadFrames::default() };
        while !self.stop.said() {
            self.stage.beat(self.clock.now());
            let ending = match (self.open)() {
                Ok(mut source) => {
                    tracing::info!(camera = %self.name, source = %source.describe(), "camera open");
                    self.recognise(source.identity(), &mut watch.identity);
                    self.watch(source.as_mut(), &mut watch)
                }
                Err(CameraError::Ended { .. }) => Ending::Done,
                Err(error) => Ending::Failed(error),
            };
            let error = match ending {
                Ending::Done => return,
                Ending::Failed(error) => error,
            };
            self.lost(&error, &mut watch.lost_since);
            if self.pause(watch.pause) {
                return;
            }
            watch.pause = (watch.pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Hands over frames until the camera fails.
    fn watch(&self, source: &mut dyn FrameSource, watch: &mut Watch) -> Ending {
        let (mut bad_in_a_row, mut good_in_a_row, mut stuck_in_a_row) = (0, 0, 0);
        while !self.stop.said() {
            self.stage.beat(self.clock.now());
            while let Some(image) = self.used.take(Duration::ZERO) {
                source.recycle(image);
            }
            match source.next() {
                Ok(frame) => {
                    (bad_in_a_row, stuck_in_a_row) = (0, 0);
                    good_in_a_row += 1;
                    if good_in_a_row == WELL_AGAIN {
                        watch.pause = FIRST_PAUSE;
                    }
                    self.back(&mut watch.lost_since);
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
                Err(error) if error.is_bad_frame() => {
                    Stage::count(&self.stage.bad);
                    (bad_in_a_row, good_in_a_row, stuck_in_a_row) = (bad_in_a_row + 1, 0, 0);
                    if let Some(frames) = watch.bad.count(self.clock.now()) {
                        tracing::warn!(camera = %self.name, frames, %error, "frames could not be used");
                    }
                    if bad_in_a_row >= MOST_BAD_IN_A_ROW {
                        return Ending::Failed(CameraError::Unusable { count: bad_in_a_row, last: Box::new(error) });
                    }
                }
                Err(error @ CameraError::Stuck { .. }) => {
                    self.lost(&error, &mut watch.lost_since);
                    (good_in_a_row, stuck_in_a_row) = (0, stuck_in_a_row + 1);
                    if stuck_in_a_row >= MOST_STUCK_IN_A_ROW {
                        return Ending::Failed(error);
                    }
                }
                Err(error) => return Ending::Failed(error),
            }
        }
        Ending::Done
    }

    /// Tells that another device answers now than the one that gave the last frames.
    fn recognise(&self, now: Option<&Identity>, known: &mut Option<Identity>) {
        let Some(now) = now else { return };
        if let Some(before) = known.as_ref().filter(|before| !before.same_as(now)) {
            tracing::warn!(camera = %self.name, %before, %now, "the camera is another device");
            let (before, now) = (before.to_string(), now.to_string());
            self.tell(Tiding::CameraChanged { camera: self.name.clone(), before, now });
        }
        *known = Some(now.clone());
    }

    /// Tells that frames come again after a loss.
    fn back(&self, since: &mut Option<Moment>) {
        let Some(since) = since.take() else { return };
        let lost_for = self.clock.now().since(since);
        tracing::info!(camera = %self.name, lost_s = lost_for.as_secs(), "camera back");
        self.stage.set_trouble(None);
        self.tell(Tiding::CameraBack { camera: self.name.clone(), lost_for });
    }

    /// Tells a loss, once until the camera is back.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_frames_are_told_at_once_and_then_summed_up() {
        let mut bad = BadFrames::default();
        let mut told = Vec::new();
        for tenth in 0..1_300 {
            let now = Moment(Duration::from_millis(500 + tenth * 100));
            told.extend(bad.count(now).map(|frames| (tenth / 10, frames)));
        }
        assert_eq!(told, [(0, 1), (60, 600), (120, 600)]);
    }
}

//! The thread of one camera: opens it, keeps it open, and hands over the newest frame that is worth looking at. Others are not decoded.
//!
//! If the camera is absent, lost or stuck, or delivers only frames that cannot be used, this is reported once and the camera is opened again
//! after growing pauses. It never ends the daemon.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use super::attention::SharedAttention;
use super::door_thread::DoorMessage;
use super::live::pictures::{PictureTaker, Take};
use super::stage::Stage;
use super::threads::Stop;
use crate::camera::slot::{SlotReceiver, SlotSender};
use crate::camera::{Arrival, CameraError, FrameSource, Identity};
use crate::clock::Clock;
use crate::domain::{Frame, Glimpse, Image, Moment};
use crate::vision::motion::{Motion, MotionGate};

/// The first pause after a failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A camera that is silent this many times in a row is closed and reopened.
const MOST_STUCK_IN_A_ROW: u32 = 3;
/// This many unusable frames in a row count as a camera failure.
const MOST_BAD_IN_A_ROW: u32 = 30;
/// This many good frames in a row count as a recovery: the next pause is [`FIRST_PAUSE`] again.
const WELL_AGAIN: u32 = 30;
/// The first bad frame is logged at once, and after that the number of bad frames this often.
const BAD_LOGGED_EVERY: Duration = Duration::from_secs(60);

/// Opens the camera; called again after each loss.
pub type Open = Box<dyn Fn() -> Result<Box<dyn FrameSource>, CameraError> + Send>;

/// The thread's body and everything that it owns.
pub struct CameraStage {
    pub name: Arc<str>,
    pub open: Open,
    pub frames: SlotSender<Frame>,
    /// Pictures that vision is done with; their memory is reused.
    pub used: SlotReceiver<Image>,
    pub door_queue: SyncSender<DoorMessage>,
    /// Decides which frames are worth looking at.
    pub attention: SharedAttention,
    /// Takes pictures for people who watch.
    pub pictures: PictureTaker,
    pub clock: Arc<dyn Clock>,
    pub stage: Arc<Stage>,
    pub stop: Stop,
}

/// What is usual before an open camera.
#[derive(Default)]
pub(super) struct Glimpses {
    gate: MotionGate,
    glimpse: Glimpse,
    motion: Motion,
}

impl Glimpses {
    /// The next frame, decoded if it is worth looking at. It is also decoded where people watch and the camera sends no JPEG.
    pub(super) fn next(
        &mut self,
        source: &mut dyn FrameSource,
        attention: &SharedAttention,
        pictures: &mut PictureTaker,
    ) -> Result<Option<Frame>, CameraError> {
        let Arrival { seq, captured_at } = source.wait()?;
        let enabled = attention.hold().is_enabled();
        if !enabled || !source.glimpse(&mut self.glimpse)? {
            self.motion = Motion::unknown();
        } else {
            self.gate.see(&self.glimpse, &mut self.motion);
        }
        // Not held while the picture is decoded.
        let wanted = attention.hold().arrived(captured_at, &self.motion);
        let take = pictures.take(source, captured_at)?;
        if !wanted && take == Take::Done {
            return Ok(None);
        }
        let image = source.picture()?;
        if take == Take::Decode {
            pictures.encode(&image, captured_at);
        }
        match wanted {
            true => Ok(Some(Frame { seq, captured_at, image })),
            false => {
                source.recycle(image);
                Ok(None)
            }
        }
    }
}

/// What outlives a reopening of the camera.
struct Watch {
    lost_since: Option<Moment>,
    pause: Duration,
    /// The device that delivered the last frames.
    identity: Option<Identity>,
    bad: BadFrames,
}

/// Counts bad frames between two lines in the log.
#[derive(Default)]
struct BadFrames {
    unlogged: u64,
    logged_at: Option<Moment>,
}

impl BadFrames {
    /// Counts one more. Returns the number of frames to log if a line is due.
    fn count(&mut self, now: Moment) -> Option<u64> {
        self.unlogged += 1;
        let due = self.logged_at.is_none_or(|at| now.since(at) >= BAD_LOGGED_EVERY);
        due.then(|| {
            self.logged_at = Some(now);
            std::mem::take(&mut self.unlogged)
        })
    }
}

/// How reading from an open camera ended.
enum Ending {
    /// A replay is over, or a stop is requested.
    Done,
    Failed(CameraError),
}

impl CameraStage {
    /// Runs until a stop is requested or a replay has ended.
    pub fn run(mut self) {
        let mut watch = Watch { lost_since: None, pause: FIRST_PAUSE, identity: None, bad: BadFrames::default() };
        while !self.stop.is_requested() {
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

    /// Hands over frames until the camera fails or a stop is requested.
    fn watch(&mut self, source: &mut dyn FrameSource, watch: &mut Watch) -> Ending {
        let (mut bad_in_a_row, mut good_in_a_row, mut stuck_in_a_row) = (0, 0, 0);
        let mut glimpses = Glimpses::default();
        while !self.stop.is_requested() {
            self.stage.beat(self.clock.now());
            while let Some(image) = self.used.take(Duration::ZERO) {
                source.recycle(image);
            }
            if let Some(light) = self.attention.take_face() {
                source.show_face(light);
            }
            match glimpses.next(source, &self.attention, &mut self.pictures) {
                Ok(frame) => {
                    (bad_in_a_row, stuck_in_a_row) = (0, 0);
                    good_in_a_row += 1;
                    if good_in_a_row == WELL_AGAIN {
                        watch.pause = FIRST_PAUSE;
                    }
                    self.back(&mut watch.lost_since);
                    Stage::count(&self.stage.handled);
                    match frame.map(|frame| self.frames.put(frame)) {
                        None | Some(Ok(None)) => {}
                        Some(Ok(Some(replaced))) => {
                            Stage::count(&self.stage.dropped);
                            source.recycle(replaced.image);
                        }
                        Some(Err(_)) => return Ending::Done,
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

    /// Reports it if this is not the device that delivered the last frames.
    fn recognise(&self, now: Option<&Identity>, known: &mut Option<Identity>) {
        let Some(now) = now else { return };
        if let Some(before) = known.as_ref().filter(|before| !before.same_as(now)) {
            tracing::warn!(camera = %self.name, %before, %now, "the camera is another device");
            let (before, now) = (before.to_string(), now.to_string());
            self.send(DoorMessage::CameraChanged { camera: self.name.clone(), before, now });
        }
        *known = Some(now.clone());
    }

    /// Reports that frames arrive again after a loss.
    fn back(&self, since: &mut Option<Moment>) {
        let Some(since) = since.take() else { return };
        let lost_for = self.clock.now().since(since);
        tracing::info!(camera = %self.name, lost_s = lost_for.as_secs(), "camera back");
        self.stage.set_trouble(None);
        self.send(DoorMessage::CameraBack { camera: self.name.clone(), lost_for });
    }

    /// Reports a loss, once until the camera is back.
    fn lost(&self, error: &CameraError, since: &mut Option<Moment>) {
        self.stage.set_trouble(Some(error.to_string()));
        self.pictures.lost();
        if since.is_none() {
            *since = Some(self.clock.now());
            tracing::warn!(camera = %self.name, %error, "camera lost; trying again");
            self.send(DoorMessage::CameraLost { camera: self.name.clone(), reason: error.to_string() });
        }
    }

    /// Waits, with heartbeats; `true` if a stop is requested.
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

    fn send(&self, message: DoorMessage) {
        if self.door_queue.send(message).is_err() {
            tracing::debug!(camera = %self.name, "the doors' thread has ended");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_frames_are_logged_at_once_and_then_in_sums() {
        let mut bad = BadFrames::default();
        let mut logged = Vec::new();
        for tenth in 0..1_300 {
            let now = Moment(Duration::from_millis(500 + tenth * 100));
            logged.extend(bad.count(now).map(|frames| (tenth / 10, frames)));
        }
        assert_eq!(logged, [(0, 1), (60, 600), (120, 600)]);
    }
}

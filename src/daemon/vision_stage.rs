//! The vision thread of one camera: the newest frame becomes sightings.
//!
//! Joins vision and gallery; decides nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use tokio::sync::broadcast;

use super::health::Stage;
use super::recent_frames::RecentFrames;
use super::visitors::Glimpses;
use super::warden::Tiding;
use super::wire::View;
use crate::camera::slot::{SlotReceiver, SlotSender};
use crate::clock::Clock;
use crate::domain::{Frame, Image, Sighting};
use crate::gallery::Gallery;
use crate::vision::tracker::Tracker;
use crate::vision::{Seen, Vision, VisionError};

/// How long the thread waits for a frame before it beats again.
const PATIENCE: Duration = Duration::from_millis(250);

/// All that the thread needs.
pub struct VisionStage {
    pub camera: Arc<str>,
    /// The place of the camera in the warden's list.
    pub index: usize,
    pub vision: Vision,
    pub gallery: Arc<Gallery>,
    /// Faces below this size are not embedded: the rules would refuse them anyway.
    pub min_face_px: f32,
    /// A face that is out of sight for this long is a new face when it returns.
    pub track_ends_after: Duration,
    pub frames: SlotReceiver<Frame>,
    pub used: SlotSender<Image>,
    pub tidings: SyncSender<Tiding>,
    /// For whoever enrols at the camera.
    pub views: broadcast::Sender<View>,
    /// Where faces are remembered that may have to be kept; `None` when nobody unknown is kept.
    pub glimpses: Option<Arc<Glimpses>>,
    /// Where frames stay for a moment; `None` when no pictures are sent.
    pub recent_frames: Option<Arc<RecentFrames>>,
    pub clock: Arc<dyn Clock>,
    pub stage: Arc<Stage>,
}

impl VisionStage {
    /// Runs until the camera's thread has ended and its last frame is seen.
    pub fn run(mut self) -> Result<(), VisionError> {
        let mut tracker = Tracker::new(self.track_ends_after);
        loop {
            self.stage.beat(self.clock.now());
            let Some(frame) = self.frames.take(PATIENCE) else {
                if self.frames.is_closed() {
                    return Ok(());
                }
                continue;
            };
            let start = self.clock.now();
            let sightings = self.look(&frame, &mut tracker)?;
            Stage::count(&self.stage.handled);
            self.stage.last_us.store(self.clock.now().since(start).as_micros() as u64, Ordering::Relaxed);
            let spare = match &self.recent_frames {
                None => Some(frame.image),
                Some(recent) => {
                    let faces = sightings.iter().map(|seen| (seen.track, seen.face.bounds)).collect();
                    recent.remember(&self.camera, frame, faces)
                }
            };
            if let Some(image) = spare {
                // The camera's thread may have ended; then the memory is simply freed.
                drop(self.used.put(image));
            }
            if sightings.is_empty() {
                continue;
            }
            match self.tidings.try_send(Tiding::Seen { camera: self.index, sightings }) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => Stage::count(&self.stage.dropped),
                Err(TrySendError::Disconnected(_)) => return Ok(()),
            }
        }
    }

    fn look(&mut self, frame: &Frame, tracker: &mut Tracker) -> Result<Vec<Sighting>, VisionError> {
        let faces = self.vision.detect(&frame.image)?;
        let tracks = tracker.track(&faces, frame.captured_at);
        let watched = self.views.receiver_count() > 0;
        let mut sightings = Vec::with_capacity(faces.len());
        let mut views = Vec::new();
        for (face, track) in faces.into_iter().zip(tracks) {
            let quality = self.vision.judge(&frame.image, &face);
            let mut nearest = None;
            if quality.size >= self.min_face_px {
                let embedding = self.vision.embed_judged()?;
                nearest = self.gallery.nearest(&embedding).unwrap_or_else(|error| {
                    tracing::error!(%error, "the gallery cannot be searched");
                    None
                });
                if let Some(glimpses) = &self.glimpses {
                    glimpses.remember(&self.camera, frame.seq, track, &embedding, quality);
                }
                if watched {
                    views.push(Seen { face, quality, embedding });
                }
            }
            sightings.push(Sighting {
                camera: self.camera.clone(),
                frame: frame.seq,
                captured_at: frame.captured_at,
                track,
                face,
                quality,
                nearest,
            });
        }
        if watched {
            // Nobody may be left to see it.
            drop(self.views.send(View::new(&self.camera, frame.seq, &views)));
        }
        Ok(sightings)
    }
}

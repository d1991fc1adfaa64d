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
use crate::domain::{CameraIndex, Frame, Image, Sighting};
use crate::gallery::Gallery;
use crate::vision::tracker::Tracker;
use crate::vision::{Seen, Vision, VisionError};

/// How long the thread waits for a frame before it beats again.
const PATIENCE: Duration = Duration::from_millis(250);

/// All that the thread needs.
pub struct VisionStage {
    pub camera: Arc<str>,
    /// Its position in the configuration.
    pub index: CameraIndex,
    pub vision: Vision,
    pub gallery: Arc<Gallery>,
    /// Faces below this size are not embedded: the rules would refuse them anyway.
    pub min_face_px: f32,
    /// Frames older than this are not shown to those who enrol at the camera.
    pub max_age: Duration,
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
        // Nobody is enrolled from a picture that a door would refuse for its age.
        let fresh = self.clock.now().since(frame.captured_at) <= self.max_age;
        let faces = self.vision.detect_nearest(&frame.image)?;
        let tracks = tracker.track(&faces, frame.captured_at);
        let watched = fresh && self.views.receiver_count() > 0;
        let mut sightings = Vec::with_capacity(faces.len());
        let mut views = Vec::new();
        for (face, track) in faces.into_iter().zip(tracks) {
            self.stage.beat(self.clock.now());
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::AtomicU64;
    use std::sync::mpsc::sync_channel;
    use std::time::SystemTime;

    use super::*;
    use crate::camera::slot::slot;
    use crate::domain::{Moment, Stamp};
    use crate::lab::drawing;
    use crate::seal::Ring;
    use crate::store::Store;
    use crate::vision::VisionSettings;
    use crate::vision::runtime::Runtime;

    /// A second passes each time somebody asks.
    struct Impatient(AtomicU64);

    impl Clock for Impatient {
        fn now(&self) -> Moment {
            Moment(Duration::from_secs(self.0.fetch_add(1, Ordering::Relaxed)))
        }

        fn wall(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }

        fn stamp(&self) -> Stamp {
            Stamp::at(self.wall())
        }
    }

    /// The drawn face so often beside and below itself.
    fn crowd(columns: u32, rows: u32) -> Image {
        let face = drawing::face().unwrap();
        let (width, height) = (face.width() as usize, face.height() as usize);
        let line = |y: usize| face.rgb()[y * width * 3..][..width * 3].repeat(columns as usize);
        let row: Vec<u8> = (0..height).flat_map(line).collect();
        Image::new(columns * face.width(), rows * face.height(), row.repeat(rows as usize)).unwrap()
    }

    #[test]
    fn the_stage_beats_for_each_face_of_a_frame() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let runtime = Runtime::load(None).expect("script/setup fetches LiteRT");
        let vision = Vision::open(&runtime, &models, &VisionSettings::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let ring = Arc::new(Ring::open(folder.path(), Ok(None)));
        let gallery = Gallery::open(&store, &ring, vision.model().clone(), vision.dimension()).unwrap();
        let clock = Arc::new(Impatient(AtomicU64::new(0)));
        let stage = Stage::new("vision", "porch", Moment::default());
        let (views, watcher) = broadcast::channel(8);
        let mut seeing = VisionStage {
            camera: "porch".into(),
            index: CameraIndex(0),
            vision,
            gallery: Arc::new(gallery),
            min_face_px: 60.0,
            max_age: Duration::from_secs(5),
            track_ends_after: Duration::from_secs(1),
            frames: slot().1,
            used: slot().0,
            tidings: sync_channel(1).0,
            views,
            glimpses: None,
            recent_frames: None,
            clock: clock.clone(),
            stage: stage.clone(),
        };
        let mut watcher = watcher;
        let mut tracker = Tracker::new(Duration::from_secs(1));
        let mut frame = Frame { seq: 0, captured_at: Moment::default(), image: crowd(3, 2) };
        let faces = seeing.look(&frame, &mut tracker).unwrap().len();
        assert!(faces >= 4, "{faces}");
        assert!(stage.silent_for(clock.now()) <= Duration::from_secs(1));
        assert!(clock.now().0 >= Duration::from_secs(faces as u64));
        assert_eq!(watcher.try_recv().unwrap().faces.len(), faces);
        // A frame that waited for longer than a door accepts is not shown to those who enrol.
        frame.captured_at = Moment(clock.now().0 - Duration::from_secs(6));
        assert_eq!(seeing.look(&frame, &mut tracker).unwrap().len(), faces);
        assert!(watcher.try_recv().is_err());
    }
}

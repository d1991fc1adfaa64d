//! The vision thread of one camera: turns the newest frame into sightings for the doors' thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use tokio::sync::broadcast;

use super::attention::SharedAttention;
use super::door_thread::DoorMessage;
use super::live::board::{LiveBoard, LookedAt};
use super::recent_frames::RecentFrames;
use super::second_look::SecondLook;
use super::stage::Stage;
use super::visitors::RecentFaces;
use super::visits::View;
use crate::api::template::{CameraView, FaceView};
use crate::camera::FaceLight;
use crate::camera::slot::{SlotReceiver, SlotSender};
use crate::clock::Clock;
use crate::domain::{CameraIndex, Distance, Face, Frame, Image, Match, Passive, Quality, Rotation, Sighting, TrackId};
use crate::gallery::Gallery;
use crate::vision::attention::{Look, SeenFace};
use crate::vision::passive::PassiveNetworks;
use crate::vision::tracker::Tracker;
use crate::vision::upright::UprightCheck;
use crate::vision::{Embedded, Vision, VisionError, brightness};

/// The longest wait for a frame before the next heartbeat.
const PATIENCE: Duration = Duration::from_millis(250);

/// The thread's body and everything that it owns.
pub struct VisionStage {
    pub camera: Arc<str>,
    /// The camera's index in the configuration.
    pub index: CameraIndex,
    pub vision: Vision,
    pub gallery: Arc<Gallery>,
    /// Smaller faces are not embedded: the rules would refuse them anyway.
    pub min_face_px: f32,
    /// Older frames are not offered for enrolment at the camera.
    pub max_age: Duration,
    /// A face that was out of sight for this long counts as a new face.
    pub track_ends_after: Duration,
    pub frames: SlotReceiver<Frame>,
    pub used: SlotSender<Image>,
    pub door_queue: SyncSender<DoorMessage>,
    /// Receives the faces of each frame while somebody enrols at the camera.
    pub views: broadcast::Sender<CameraView>,
    /// Shows the faces of each frame to people who watch.
    pub live: LiveBoard,
    /// Remembers faces that may have to be stored; `None` unless unknown visitors are kept.
    pub recent_faces: Option<Arc<RecentFaces>>,
    /// Remembers frames; `None` unless snapshots are sent.
    pub recent_frames: Option<Arc<RecentFrames>>,
    /// For a switch of models.
    pub second: Option<SecondLook>,
    /// Look for prints and screens; `None` where no door asks for that.
    pub passive: Option<PassiveNetworks>,
    /// Decides what is looked at.
    pub attention: SharedAttention,
    /// Tells those who enrol whether the camera hangs turned.
    pub upright: UprightCheck,
    pub clock: Arc<dyn Clock>,
    pub stage: Arc<Stage>,
}

impl VisionStage {
    /// Runs until the camera's thread has ended and its last frame is handled.
    ///
    /// # Errors
    /// The networks cannot be run.
    pub fn run(mut self) -> Result<(), VisionError> {
        let mut tracker = Tracker::new(self.track_ends_after);
        loop {
            self.stage.beat(self.clock.now());
            self.attention.hold().set_watched(self.views.receiver_count() > 0);
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
                // If the camera's thread has ended, this frees the memory.
                drop(self.used.put(image));
            }
            if sightings.is_empty() {
                continue;
            }
            match self.door_queue.try_send(DoorMessage::Seen { camera: self.index, sightings }) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => Stage::count(&self.stage.dropped),
                Err(TrySendError::Disconnected(_)) => return Ok(()),
            }
        }
    }

    /// Looks at what deserves attention in `frame`. Returns a sighting of each face that was examined.
    pub(super) fn look(&mut self, frame: &Frame, tracker: &mut Tracker) -> Result<Vec<Sighting>, VisionError> {
        let at = frame.captured_at;
        self.attention.show_picture(frame.image.width(), frame.image.height());
        let look = self.attention.hold().look(at);
        let Some((faces, searched)) = self.find(frame, &look)? else { return Ok(Vec::new()) };
        if let Some(nearest) = faces.iter().max_by(|one, other| one.bounds.area().total_cmp(&other.bounds.area())) {
            let brightness = brightness(&frame.image, &nearest.bounds);
            self.attention.show_face(FaceLight { brightness, captured_at: at });
        }
        let tracks = tracker.track(&faces, at);
        let mut seen = Vec::with_capacity(faces.len());
        let mut sightings = Vec::new();
        let mut views = self.watchers_view(frame);
        for (face, track) in faces.into_iter().zip(tracks) {
            self.stage.beat(self.clock.now());
            let awaited = || self.second.as_ref().is_some_and(|second| second.awaits(&self.camera, track, at));
            let examined = searched && (self.attention.hold().examines(track, &face.bounds, at) || awaited());
            let mut person = None;
            if examined {
                let Examined { quality, nearest, not_them } = self.examine(frame, &face, track, views.as_mut())?;
                person = nearest.map(|nearest| nearest.person);
                let passive = self.judge(&frame.image, &face, &quality)?;
                let (camera, frame) = (self.camera.clone(), frame.seq);
                sightings.push(Sighting {
                    camera,
                    frame,
                    captured_at: at,
                    track,
                    face,
                    quality,
                    nearest,
                    not_them,
                    passive,
                });
            }
            seen.push(SeenFace { track, bounds: face.bounds, examined, person });
        }
        self.attention.hold().looked(at, searched, &seen);
        let (width, height) = (frame.image.width(), frame.image.height());
        self.live.looked(LookedAt { camera: &self.camera, frame: frame.seq, width, height, faces: &seen });
        if let Some(mut view) = views {
            let rotate = self.upright.look(&mut self.vision, &frame.image, self.clock.now())?;
            view.rotate = rotate.map(Rotation::degrees);
            self.stage.beat(self.clock.now());
            // The enrolment may have ended in the meantime.
            drop(self.views.send(view));
        }
        Ok(sightings)
    }

    /// What the passive networks say of a face that was embedded.
    fn judge(&mut self, image: &Image, face: &Face, quality: &Quality) -> Result<Option<Passive>, VisionError> {
        match &mut self.passive {
            Some(networks) if quality.length.is_some() => networks.judge(image, face, quality).map(Some),
            _ => Ok(None),
        }
    }

    /// The faces of `frame`, and whether it was searched whole; `None` if nothing is looked at.
    fn find(&mut self, frame: &Frame, look: &Look) -> Result<Option<(Vec<Face>, bool)>, VisionError> {
        match look {
            Look::Nothing => return Ok(None),
            Look::Search => {}
            Look::Follow(places) => match self.vision.follow(&frame.image, places)? {
                Some(faces) => return Ok(Some((faces, false))),
                None => self.attention.hold().lost_sight(frame.captured_at),
            },
        }
        Ok(Some((self.vision.detect_nearest(&frame.image)?, true)))
    }

    /// What is shown to those who enrol at the camera; `None` if nobody does. A frame too old for a door is too old for enrolment as well.
    fn watchers_view(&self, frame: &Frame) -> Option<CameraView> {
        let fresh = self.clock.now().since(frame.captured_at) <= self.max_age;
        let watched = fresh && self.views.receiver_count() > 0;
        watched.then(|| CameraView {
            camera: self.camera.to_string(),
            frame: frame.seq,
            faces: Vec::new(),
            rotate: None,
        })
    }

    /// Measures a face that was just found, and looks for it among the people if it is large enough.
    fn examine(
        &mut self,
        frame: &Frame,
        face: &Face,
        track: TrackId,
        view: Option<&mut CameraView>,
    ) -> Result<Examined, VisionError> {
        let mut quality = self.vision.judge(&frame.image, face);
        if quality.size < self.min_face_px {
            return Ok(Examined { quality, nearest: None, not_them: None });
        }
        let Embedded { embedding, length } = self.vision.embed_judged()?;
        quality.length = Some(length);
        let nearest = self.gallery.nearest(&embedding).unwrap_or_else(|error| {
            tracing::error!(%error, "the gallery cannot be searched");
            None
        });
        if let Some(recent_faces) = &self.recent_faces {
            recent_faces.remember(&self.camera, frame.seq, track, &embedding, quality);
        }
        if let Some(second) = &mut self.second {
            let (camera, nearest) = (&self.camera, nearest.as_ref());
            let view = View { camera, track, captured_at: frame.captured_at, quality: &quality, nearest };
            second.look(&mut self.vision, &frame.image, face, view);
        }
        if let Some(view) = view {
            let template = self.vision.with_mirror(&embedding)?;
            let second = self.second.as_mut();
            let beside = second.and_then(|second| second.embed(&mut self.vision, &frame.image, face));
            let shown = FaceView::new(&face.bounds, &template, &quality);
            view.faces.push(shown.with_beside(beside.as_ref(), &quality));
        }
        let not_them = nearest.and_then(|found| self.gallery.to_not_them(found.person, &embedding).unwrap_or_default());
        Ok(Examined { quality, nearest, not_them })
    }
}

/// What was measured of a face, and whom it is near.
struct Examined {
    quality: Quality,
    nearest: Option<Match>,
    /// As in [`Sighting::not_them`].
    not_them: Option<Distance>,
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::AtomicU64;
    use std::sync::mpsc::sync_channel;
    use std::time::SystemTime;

    use super::*;
    use crate::camera::slot::slot;
    use crate::daemon::stage::Role;
    use crate::domain::{Framing, Moment, Stamp};
    use crate::lab::drawing;
    use crate::seal::Ring;
    use crate::store::Store;
    use crate::vision::VisionSettings;
    use crate::vision::attention::AttentionSettings;
    use crate::vision::runtime::Runtime;

    /// Advances by a second at each call.
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

    /// The drawn face, repeated in a grid.
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
        let stage = Stage::new(Role::Vision, "porch", Moment::default());
        let (views, watcher) = broadcast::channel(8);
        let second = Duration::from_secs(1);
        let settings = AttentionSettings { enabled: true, track_ends_after: second, window: second };
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
            door_queue: sync_channel(1).0,
            views,
            live: LiveBoard::default(),
            recent_faces: None,
            recent_frames: None,
            second: None,
            passive: None,
            attention: SharedAttention::new("porch".into(), settings),
            upright: UprightCheck::new(Framing::default()),
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
        // A frame that is too old for a door is not offered for enrolment.
        frame.captured_at = Moment(clock.now().0 - Duration::from_secs(6));
        assert_eq!(seeing.look(&frame, &mut tracker).unwrap().len(), faces);
        assert!(watcher.try_recv().is_err());
    }
}

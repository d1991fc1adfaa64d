//! Looks at the frames of a clip as the daemon looks at a camera's: detector, embedder, tracker, and the nearest of the enrolled people.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use thiserror::Error;

use crate::camera::replay::{Replay, ReplaySettings};
use crate::camera::{CameraError, FrameSource};
use crate::clock::SystemClock;
use crate::domain::{Frame, Moment, PersonId, Sighting};
use crate::gallery::Index;
use crate::lab::clips::{Clip, ClipError};
use crate::lab::faces::principal;
use crate::photo;
use crate::vision::passive::PassiveNetworks;
use crate::vision::tracker::Tracker;
use crate::vision::{Embedded, Vision, VisionError};

/// The camera's name in sightings.
const CAMERA: &str = "clip";

/// The people of a test: the subjects who are enrolled, by their names.
pub struct People {
    pub index: Index,
    pub ids: BTreeMap<String, PersonId>,
    pub templates: usize,
}

/// What was seen in one frame.
#[derive(Clone, Debug)]
pub struct SeenFrame {
    pub at: Moment,
    /// Whether there was a face.
    pub face: bool,
    /// Of the faces that are large enough to be embedded, the largest first; and of smaller ones without an embedding.
    pub sightings: Vec<Sighting>,
}

/// Why a clip cannot be judged.
#[derive(Debug, Error)]
pub enum ClipFault {
    #[error("one of its pictures cannot be used: {0}")]
    Picture(CameraError),
    #[error("it has too few pictures ({frames}): recognising somebody takes at least {least}")]
    Short { frames: usize, least: u32 },
    #[error(transparent)]
    Clip(#[from] ClipError),
    #[error(transparent)]
    Vision(#[from] VisionError),
}

/// What looks at frames.
pub struct Watcher {
    pub vision: Vision,
    /// Look for prints and screens; `None` where nobody asks for that.
    pub passive: Option<PassiveNetworks>,
    /// Smaller faces are not embedded: the rules would refuse them anyway.
    pub min_face_px: f32,
    pub track_ends_after: Duration,
}

impl People {
    /// Nobody yet.
    pub fn nobody(dimension: usize) -> People {
        People { index: Index::new(dimension), ids: BTreeMap::new(), templates: 0 }
    }

    /// Enrols each subject with their photographs, as `usher enroll` makes templates.
    ///
    /// # Errors
    /// A photograph cannot be read, or shows no face.
    pub fn enrol(photographs: &BTreeMap<String, Vec<PathBuf>>, vision: &mut Vision) -> Result<People> {
        let mut people = People::nobody(vision.dimension());
        for (number, (subject, files)) in (1..).zip(photographs) {
            people.ids.insert(subject.clone(), PersonId(number));
            for file in files {
                people.add(PersonId(number), file, vision)?;
            }
        }
        Ok(people)
    }

    fn add(&mut self, person: PersonId, file: &Path, vision: &mut Vision) -> Result<()> {
        let (image, _) = photo::load_reduced(file)?;
        let faces = vision.detect(&image)?;
        let Some(face) = principal(&faces, &image) else {
            bail!("no face is found in {}: enrol with a photograph that shows one", file.display());
        };
        let seen = vision.look_for_template(&image, face).with_context(|| file.display().to_string())?;
        self.index.push(person, seen.embedding.values());
        self.templates += 1;
        Ok(())
    }
}

impl Watcher {
    /// Looks at all frames of a clip.
    ///
    /// # Errors
    /// The clip cannot be judged.
    pub fn watch(
        &mut self,
        clip: &Clip,
        fps: Option<f64>,
        people: &People,
        least: u32,
    ) -> Result<Vec<SeenFrame>, ClipFault> {
        let settings = ReplaySettings { interval: Duration::ZERO, looping: false };
        let mut source =
            Replay::open(&clip.path, settings, Arc::new(SystemClock::new())).map_err(ClipFault::Picture)?;
        let mut tracker = Tracker::new(self.track_ends_after);
        let mut seen = Vec::new();
        loop {
            let mut frame = match source.next() {
                Ok(frame) => frame,
                Err(CameraError::Ended { .. }) => break,
                Err(error) => return Err(ClipFault::Picture(error)),
            };
            frame.captured_at = clip.captured_at(seen.len(), fps)?;
            seen.push(self.look(&frame, &mut tracker, people)?);
            source.recycle(frame.image);
        }
        match seen.len() < least as usize {
            true => Err(ClipFault::Short { frames: seen.len(), least }),
            false => Ok(seen),
        }
    }

    /// Looks at one frame. All frames are searched and all faces examined, as with `[detector] attention = false`.
    ///
    /// # Errors
    /// The networks cannot be run.
    pub fn look(&mut self, frame: &Frame, tracker: &mut Tracker, people: &People) -> Result<SeenFrame, VisionError> {
        let faces = self.vision.detect_nearest(&frame.image)?;
        let at = frame.captured_at;
        let tracks = tracker.track(&faces, at);
        let mut found = SeenFrame { at, face: !faces.is_empty(), sightings: Vec::with_capacity(faces.len()) };
        for (face, track) in faces.into_iter().zip(tracks) {
            let mut quality = self.vision.judge(&frame.image, &face);
            let (mut nearest, mut passive) = (None, None);
            if quality.size >= self.min_face_px {
                let Embedded { embedding, length } = self.vision.embed_judged()?;
                quality.length = Some(length);
                nearest = people.index.nearest(embedding.values(), 1);
                let networks = self.passive.as_mut();
                passive = networks.map(|networks| networks.judge(&frame.image, &face, &quality)).transpose()?;
            }
            found.sightings.push(Sighting {
                camera: CAMERA.into(),
                frame: frame.seq,
                captured_at: at,
                track,
                face,
                quality,
                nearest,
                not_them: None,
                passive,
            });
        }
        Ok(found)
    }
}

//! The whole of seeing: a picture's faces with quality and embedding, from one manifest and one runtime.
//!
//! Knows nothing of cameras and people.

use std::path::Path;
use std::time::Duration;

use super::VisionError;
use super::align::{AlignedFace, align};
use super::crop::Cropper;
use super::embedder::Embedder;
use super::manifest::{Alignment, Manifest, MarginOf, Model, Role};
use super::mtcnn::{DetectorSettings, Looks, Mtcnn};
use super::pyramid::Halvings;
use super::quality::quality;
use super::runtime::{Accelerator, Placement, Planned, Runtime};
use crate::domain::{Bounds, Embedding, Face, Image, ModelId, Point, Quality, Score};

/// What to run, and on what.
#[derive(Clone, Debug)]
pub struct VisionSettings {
    pub detector: DetectorSettings,
    /// The embedder's name in the manifest.
    pub embedder: String,
    pub accelerators: Accelerators,
    /// CPU threads of each network.
    pub threads: usize,
}

/// The hardware asked for, model by model.
#[derive(Clone, Debug, Default)]
pub struct Accelerators {
    pub pnet: Accelerator,
    pub rnet: Accelerator,
    pub onet: Accelerator,
    pub embedder: Accelerator,
}

impl Default for VisionSettings {
    fn default() -> VisionSettings {
        VisionSettings {
            detector: DetectorSettings::default(),
            embedder: "mobilefacenet".into(),
            accelerators: Accelerators::default(),
            threads: 1,
        }
    }
}

/// Reads a model, checks its hash, and decides where it runs; with the shape on which that was tried, `[batch, rows, columns, 3]`.
pub(super) fn plan(
    runtime: &Runtime,
    manifest: &Manifest,
    name: &str,
    role: Role,
    asked: &Accelerator,
    threads: usize,
) -> Result<([usize; 4], Planned), VisionError> {
    let entry = manifest.model(name, role)?;
    let file = manifest.read(entry)?;
    let side = entry.input.width as usize;
    let (word, shape) = match role {
        Role::Pnet => ("P-Net", [1, 72, 96, 3]),
        Role::Rnet => ("R-Net", [4, 24, 24, 3]),
        Role::Onet => ("O-Net", [1, 48, 48, 3]),
        Role::Embedder => ("embedder", [1, side, side, 3]),
    };
    let planned = Planned::new(runtime, file, shape, entry.input_form(), asked.clone(), threads)
        .map_err(|why| VisionError::Model { name: name.into(), role: word, why })?;
    Ok((shape, planned))
}

/// A face with all that vision can say of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub face: Face,
    pub quality: Quality,
    pub embedding: Embedding,
}

/// Detector, alignment and embedder with their scratch memory.
pub struct Vision {
    detector: Mtcnn,
    embedder: Embedder,
    entry: Model,
    placements: Vec<(String, Placement)>,
    halvings: Halvings,
    cropper: Cropper,
    aligned: AlignedFace,
    grey: Vec<i16>,
}

/// More faces than this are not looked at in one frame: a poster of a crowd must not stop the door.
pub const MOST_FACES: usize = 64;

impl Vision {
    /// Reads the manifest in `models`, checks each file's hash, and compiles all networks.
    pub fn open(runtime: &Runtime, models: &Path, settings: &VisionSettings) -> Result<Vision, VisionError> {
        let manifest = Manifest::load(models)?;
        let mut placements = Vec::new();
        let mut plan = |name: &str, role: Role, asked: &Accelerator| {
            let (_, planned) = plan(runtime, &manifest, name, role, asked, settings.threads)?;
            placements.push((name.to_owned(), planned.placement().clone()));
            Ok::<_, VisionError>(planned)
        };
        let asked = &settings.accelerators;
        let pnet = plan("pnet", Role::Pnet, &asked.pnet)?;
        let rnet = plan("rnet", Role::Rnet, &asked.rnet)?;
        let onet = plan("onet", Role::Onet, &asked.onet)?;
        let entry = manifest.model(&settings.embedder, Role::Embedder)?.clone();
        let embedder = plan(&settings.embedder, Role::Embedder, &asked.embedder)?;
        let looks = match entry.alignment {
            Some(Alignment::Box { .. }) => Looks::All,
            _ => Looks::UntilSettled,
        };
        Ok(Vision {
            detector: Mtcnn::new(settings.detector, looks, pnet, rnet, onet)?,
            embedder: Embedder::new(&entry, embedder)?,
            entry,
            placements,
            halvings: Halvings::default(),
            cropper: Cropper::default(),
            aligned: AlignedFace::default(),
            grey: Vec::new(),
        })
    }

    /// The embedder's tag.
    pub fn model(&self) -> &ModelId {
        self.embedder.model()
    }

    /// The embedder's manifest entry, with its measured distances.
    pub fn entry(&self) -> &Model {
        &self.entry
    }

    /// Floats of an embedding.
    pub fn dimension(&self) -> usize {
        self.embedder.dimension()
    }

    /// Where each model runs, in the order they are used.
    pub fn placements(&self) -> &[(String, Placement)] {
        &self.placements
    }

    /// The time spent inside the detector's networks so far.
    pub fn detector_time_in_models(&self) -> Duration {
        self.detector.time_in_models()
    }

    /// The faces of `image`, best score first.
    pub fn detect(&mut self, image: &Image) -> Result<Vec<Face>, VisionError> {
        self.halvings.make(image, 1);
        self.detector.detect(image, &self.halvings)
    }

    /// The faces of a camera's `frame`, the largest (the nearest to the camera) first; at most [`MOST_FACES`].
    pub fn detect_nearest(&mut self, frame: &Image) -> Result<Vec<Face>, VisionError> {
        let mut faces = self.detect(frame)?;
        nearest_first(&mut faces);
        Ok(faces)
    }

    /// The faces of `image` with quality and embedding, best score first; of more than [`MOST_FACES`] the largest.
    pub fn see(&mut self, image: &Image) -> Result<Vec<Seen>, VisionError> {
        let mut faces = self.detect(image)?;
        if faces.len() > MOST_FACES {
            nearest_first(&mut faces);
            faces.sort_by(|a, b| b.score.0.total_cmp(&a.score.0));
        }
        faces.into_iter().map(|face| self.look_at(image, face)).collect()
    }

    /// Quality and embedding of a `face` that [`Vision::detect`] just found in `image`.
    pub fn look_at(&mut self, image: &Image, face: Face) -> Result<Seen, VisionError> {
        let quality = self.judge(image, &face);
        let embedding = self.embed_judged()?;
        Ok(Seen { face, quality, embedding })
    }

    /// Cuts a `face` that [`Vision::detect`] just found out of `image` and measures its quality.
    pub fn judge(&mut self, image: &Image, face: &Face) -> Quality {
        let (alignment, side) = (self.embedder.alignment(), self.embedder.side());
        align(image, &self.halvings, face, alignment, side, &mut self.cropper, &mut self.aligned);
        quality(face, &self.aligned, &mut self.grey)
    }

    /// Cuts a `face` that [`Vision::detect`] just found out of `image` in any way, for other eyes than this embedder's.
    pub fn cut(&mut self, image: &Image, face: &Face, alignment: &Alignment, side: usize, out: &mut AlignedFace) {
        align(image, &self.halvings, face, alignment, side, &mut self.cropper, out);
    }

    /// The embedding of the face that was judged last.
    pub fn embed_judged(&mut self) -> Result<Embedding, VisionError> {
        self.embedder.embed(&self.aligned)
    }

    /// The embedding of a picture that is a face cut out already: all of it, stretched to the network's input.
    pub fn embed_cut_out(&mut self, image: &Image) -> Result<Embedding, VisionError> {
        let bounds = Bounds { x1: 0.0, y1: 0.0, x2: image.width() as f32, y2: image.height() as f32 };
        let whole = Face { bounds, score: Score(1.0), landmarks: [Point::default(); 5] };
        self.halvings.make(image, 1);
        let (plain, side) = (Alignment::Box { margin: 0.0, margin_of: MarginOf::Input }, self.embedder.side());
        align(image, &self.halvings, &whole, &plain, side, &mut self.cropper, &mut self.aligned);
        self.embed_judged()
    }

    /// The embedding of the mirror image of the face that was embedded last.
    pub fn embed_mirrored(&mut self) -> Result<Embedding, VisionError> {
        self.aligned.mirror();
        let embedding = self.embed_judged();
        self.aligned.mirror();
        embedding
    }

    /// The cut-out of the face that was judged last.
    pub fn last_aligned(&self) -> &AlignedFace {
        &self.aligned
    }
}

/// Puts the largest faces first, by the shorter side of their bounds, and drops those beyond [`MOST_FACES`].
fn nearest_first(faces: &mut Vec<Face>) {
    let size = |face: &Face| face.bounds.width().min(face.bounds.height());
    faces.sort_by(|a, b| size(b).total_cmp(&size(a)));
    faces.truncate(MOST_FACES);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_crowd_the_largest_faces_stay_and_come_first() {
        let face = |side: f32| Face {
            bounds: Bounds { x1: 10.0, y1: 10.0, x2: 10.0 + side, y2: 10.0 + 2.0 * side },
            score: Score(1.0 / side),
            landmarks: [Point::default(); 5],
        };
        let mut faces: Vec<Face> = (1..=145).map(|n| face((n * 37 % 145) as f32 + 20.0)).collect();
        nearest_first(&mut faces);
        let sides: Vec<f32> = faces.iter().map(|face| face.bounds.width()).collect();
        assert_eq!(sides, (0..64).map(|n| 164.0 - n as f32).collect::<Vec<_>>());
        let mut few = vec![face(20.0), face(f32::NAN), face(30.0)];
        nearest_first(&mut few);
        assert_eq!(few.len(), 3);
    }
}

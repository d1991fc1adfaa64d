//! The pipeline from a picture to faces with quality and embedding: detector, alignment and embedder of one manifest on one runtime.

use std::path::Path;
use std::time::Duration;

use super::VisionError;
use super::align::{AlignedFace, align};
use super::attention::LEAST_OVERLAP;
use super::crop::Cropper;
use super::embedder::{Embedded, Embedder};
use super::manifest::{Alignment, Manifest, MarginOf, Model, Role};
use super::mtcnn::{DetectorSettings, Mtcnn, Thoroughness};
use super::pyramid::Halvings;
use super::quality::quality;
use super::runtime::{Accelerator, CompiledNetwork, PlacedModel, Placement, Runtime};
use crate::domain::{Bounds, Embedding, Face, Image, ModelId, Point, Quality, Score};

/// Which networks run, and on what hardware.
#[derive(Clone, Debug)]
pub struct VisionSettings {
    pub detector: DetectorSettings,
    /// The embedder's name in the manifest.
    pub embedder: String,
    pub accelerators: Accelerators,
    /// CPU threads of each network.
    pub threads: usize,
}

/// The requested hardware, model by model.
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
            embedder: "sface".into(),
            accelerators: Accelerators::default(),
            threads: 1,
        }
    }
}

/// Reads a model, checks its hash, and chooses its hardware. Returns it with the shape on which it was tested, `[batch, rows, columns, 3]`.
pub(super) fn place(
    runtime: &Runtime,
    manifest: &Manifest,
    name: &str,
    role: Role,
    asked: &Accelerator,
    threads: usize,
) -> Result<([usize; 4], PlacedModel), VisionError> {
    let entry = manifest.model(name, role)?;
    let file = manifest.read(entry)?;
    let side = entry.input.width as usize;
    let (role, shape) = match role {
        Role::Pnet => ("P-Net", [1, 72, 96, 3]),
        Role::Rnet => ("R-Net", [4, 24, 24, 3]),
        Role::Onet => ("O-Net", [1, 48, 48, 3]),
        Role::Embedder => ("embedder", [1, side, side, 3]),
        Role::Liveness => ("liveness network", [1, side, side, 3]),
    };
    let placed = PlacedModel::new(runtime, file, shape, entry.input_form(), asked.clone(), threads)
        .map_err(|why| VisionError::Model { name: name.into(), role, why })?;
    Ok((shape, placed))
}

/// The detector's three networks, with where each runs.
pub(super) fn open_detector(
    runtime: &Runtime,
    manifest: &Manifest,
    settings: &VisionSettings,
    thoroughness: Thoroughness,
) -> Result<(Mtcnn, Vec<(String, Placement)>), VisionError> {
    let mut placements = Vec::new();
    let mut place = |name: &str, role: Role, asked: &Accelerator| {
        let (_, placed) = place(runtime, manifest, name, role, asked, settings.threads)?;
        placements.push((name.to_owned(), placed.placement().clone()));
        Ok::<_, VisionError>(placed)
    };
    let asked = &settings.accelerators;
    let pnet = place("pnet", Role::Pnet, &asked.pnet)?;
    let rnet = place("rnet", Role::Rnet, &asked.rnet)?;
    let onet = place("onet", Role::Onet, &asked.onet)?;
    Ok((Mtcnn::new(settings.detector, thoroughness, pnet, rnet, onet)?, placements))
}

/// A face with everything that vision measures of it.
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

/// The most faces that are processed in one frame: a poster of a crowd must not block the door.
pub const MAX_FACES: usize = 64;

impl Vision {
    /// Reads the manifest in `models`, checks each file's hash, and compiles all networks.
    pub fn open(runtime: &Runtime, models: &Path, settings: &VisionSettings) -> Result<Vision, VisionError> {
        let manifest = Manifest::load(models)?;
        let entry = manifest.model(&settings.embedder, Role::Embedder)?.clone();
        let thoroughness = match entry.alignment {
            Some(Alignment::Box { .. }) => Thoroughness::All,
            _ => Thoroughness::UntilSettled,
        };
        let (detector, mut placements) = open_detector(runtime, &manifest, settings, thoroughness)?;
        let (name, asked) = (&settings.embedder, &settings.accelerators.embedder);
        let (_, embedder) = place(runtime, &manifest, name, Role::Embedder, asked, settings.threads)?;
        placements.push((name.clone(), embedder.placement().clone()));
        Ok(Vision {
            detector,
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

    /// The faces of a camera's `frame`, the largest (nearest to the camera) first; at most [`MAX_FACES`].
    pub fn detect_nearest(&mut self, frame: &Image) -> Result<Vec<Face>, VisionError> {
        let mut faces = self.detect(frame)?;
        nearest_first(&mut faces);
        Ok(faces)
    }

    /// The faces of a camera's `frame` at about `places`, where they were one frame ago, best score first. `None` if one of them is not there any
    /// more, or has jumped: then the frame has to be searched. Costs a fraction of [`Vision::detect_nearest`], and finds no other faces.
    pub fn follow(&mut self, frame: &Image, places: &[Bounds]) -> Result<Option<Vec<Face>>, VisionError> {
        self.halvings.make(frame, 1);
        self.detector.follow(frame, &self.halvings, places, LEAST_OVERLAP)
    }

    /// The faces of `image` with quality and embedding, best score first; if there are more than [`MAX_FACES`], the largest.
    pub fn see(&mut self, image: &Image) -> Result<Vec<Seen>, VisionError> {
        let mut faces = self.detect(image)?;
        if faces.len() > MAX_FACES {
            nearest_first(&mut faces);
            faces.sort_by(|a, b| b.score.0.total_cmp(&a.score.0));
        }
        faces.into_iter().map(|face| self.look_at(image, face)).collect()
    }

    /// Quality and embedding of a `face` that [`Vision::detect`] just found in `image`.
    pub fn look_at(&mut self, image: &Image, face: Face) -> Result<Seen, VisionError> {
        let quality = self.judge(image, &face);
        let Embedded { embedding, length } = self.embed_judged()?;
        Ok(Seen { face, quality: Quality { length: Some(length), ..quality }, embedding })
    }

    /// As [`Vision::look_at`], with the embedding of a template: see [`Vision::with_mirror`].
    pub fn look_for_template(&mut self, image: &Image, face: Face) -> Result<Seen, VisionError> {
        let seen = self.look_at(image, face)?;
        let embedding = self.with_mirror(&seen.embedding)?;
        Ok(Seen { embedding, ..seen })
    }

    /// Cuts a `face` that [`Vision::detect`] just found out of `image` and measures its quality.
    pub fn judge(&mut self, image: &Image, face: &Face) -> Quality {
        let (alignment, side) = (self.embedder.alignment(), self.embedder.side());
        align(image, &self.halvings, face, alignment, side, &mut self.cropper, &mut self.aligned);
        quality(face, &self.aligned, &mut self.grey)
    }

    /// Cuts a `face` that [`Vision::detect`] just found out of `image` by any alignment, not only the embedder's.
    pub fn cut(&mut self, image: &Image, face: &Face, alignment: &Alignment, side: usize, out: &mut AlignedFace) {
        align(image, &self.halvings, face, alignment, side, &mut self.cropper, out);
    }

    /// The embedding of the face that was judged last.
    pub fn embed_judged(&mut self) -> Result<Embedded, VisionError> {
        self.embedder.embed(&self.aligned)
    }

    /// The embedding of a picture that is already a cut-out face: the whole picture, resized to the network's input.
    pub fn embed_cut_out(&mut self, image: &Image) -> Result<Embedded, VisionError> {
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
        let embedded = self.embed_judged();
        self.aligned.mirror();
        embedded.map(|embedded| embedded.embedding)
    }

    /// The embedding of a template: the mean of `embedding`, which must be that of the face that was judged last, and of its mirror image's,
    /// brought to unit length. Faces are nearly symmetric, so the mean has less of the pose and the light of one picture. It costs a second run
    /// of the network, so that probes go without it.
    pub fn with_mirror(&mut self, embedding: &Embedding) -> Result<Embedding, VisionError> {
        let mirrored = self.embed_mirrored()?;
        Embedding::mean(&[embedding, &mirrored]).ok_or(VisionError::NoDirection)
    }

    /// The cut-out of the face that was judged last.
    pub fn last_aligned(&self) -> &AlignedFace {
        &self.aligned
    }
}

/// One network on one accelerator, to be timed.
pub struct TimedNetwork {
    network: CompiledNetwork,
    picture: Vec<u8>,
    placement: Placement,
}

impl TimedNetwork {
    /// Compiles a model of the manifest for one picture of the size on which its placement is tested (four for R-Net, as in the detector). If
    /// the accelerator cannot run it, it runs on the CPU, as everywhere else: see [`TimedNetwork::placement`].
    ///
    /// # Errors
    /// The CPU cannot run the model either.
    pub fn open(
        runtime: &Runtime,
        manifest: &Manifest,
        model: &Model,
        asked: &Accelerator,
        threads: usize,
    ) -> Result<TimedNetwork, VisionError> {
        let (shape, placed) = place(runtime, manifest, &model.name, model.role, asked, threads)?;
        let network = placed.network(shape)?;
        // A ramp: the values do not affect the time.
        let picture = (0..shape.iter().product::<usize>()).map(|index| index as u8).collect();
        Ok(TimedNetwork { network, picture, placement: placed.placement().clone() })
    }

    /// Where it runs, and why.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Runs it once.
    pub fn run(&mut self) -> Result<(), VisionError> {
        Ok(self.network.run(&self.picture)?)
    }
}

/// Sorts by size, largest first (the shorter side of the bounds), and drops faces beyond [`MAX_FACES`].
fn nearest_first(faces: &mut Vec<Face>) {
    let size = |face: &Face| face.bounds.width().min(face.bounds.height());
    faces.sort_by(|a, b| size(b).total_cmp(&size(a)));
    faces.truncate(MAX_FACES);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_crowd_the_largest_faces_are_kept_and_come_first() {
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

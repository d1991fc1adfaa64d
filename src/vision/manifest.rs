//! The models' manifest: which files there are, what input each takes, how it was measured; and the files, checked against their SHA-256.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use thiserror::Error;

use super::file::sha256;
use super::runtime::{InputForm, Pixels, Windows};
use crate::domain::{Distance, ModelId};

/// The manifest's file name in the models' folder.
pub const FILE: &str = "MANIFEST.toml";

/// All models of a folder.
#[derive(Clone, Debug)]
pub struct Manifest {
    folder: PathBuf,
    models: BTreeMap<String, Model>,
}

/// One model's entry.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    #[serde(skip)]
    pub name: String,
    pub role: Role,
    /// Relative to the manifest.
    pub file: PathBuf,
    /// 64 hexadecimal digits.
    pub sha256: String,
    pub title: String,
    /// Whether the file is not shipped with usher; the operator provides it.
    #[serde(default)]
    pub optional: bool,
    pub input: Input,
    #[serde(default)]
    pub output: Option<OutputNames>,
    #[serde(default)]
    pub embedding: Option<EmbeddingForm>,
    #[serde(default)]
    pub alignment: Option<Alignment>,
    #[serde(default)]
    pub liveness: Option<LivenessForm>,
    #[serde(default)]
    pub operating: Vec<OperatingPoint>,
    pub source: Source,
}

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Pnet,
    Rnet,
    Onet,
    Embedder,
    /// Tells faces from prints and screens.
    Liveness,
}

/// The picture that a model takes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Pixels; 0 for any.
    pub width: u32,
    /// Pixels; 0 for any.
    pub height: u32,
    pub layout: Layout,
    #[serde(rename = "type")]
    pub kind: InputType,
    /// value = (pixel - mean) / std
    pub mean: f32,
    pub std: f32,
    /// Side in pixels of the square window that each position of the input holds, row by row; 1 for the plain picture.
    #[serde(default = "one")]
    pub window: u32,
}

fn one() -> u32 {
    1
}

/// The order of an input's axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Layout {
    /// Batch, rows, columns, RGB.
    #[serde(rename = "NHWC")]
    Nhwc,
}

/// The type of an input's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputType {
    /// Holds `pixel ^ 0x80`: scale 1/128, zero point 0.
    Int8,
    Float32,
}

/// The names of the outputs, in the file's order.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputNames {
    pub names: Vec<String>,
}

/// An embedder's output.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingForm {
    pub dimension: usize,
}

/// What a liveness network is shown, and what it answers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LivenessForm {
    /// The side of what it is shown, in sides of the face's bounds.
    pub crop: f32,
    /// The number of scores that it gives.
    pub classes: usize,
    /// Which of them, from 0, is that of a real face.
    pub real: usize,
    /// Its scores for the picture of the check (`vision::passive`).
    #[serde(default)]
    pub check: Option<Vec<f32>>,
}

/// How a face is cut out for an embedder.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Alignment {
    /// The face's bounds with a margin, resized to the input. `margin` is in pixels, both sides together.
    Box {
        margin: f32,
        #[serde(default)]
        margin_of: MarginOf,
    },
    /// The similarity transform that maps the five landmarks closest to `template`, in pixels of the input.
    FivePoint { template: [[f32; 2]; 5] },
    /// The face turned to the front piecewise, by the pose of a mean face fitted to the five landmarks. `template` has the positions of a mean
    /// face's landmarks, in pixels of the input.
    Frontal { template: [[f32; 2]; 5] },
}

/// The pixels in which a margin is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarginOf {
    /// The network input's: the margin grows with the face.
    #[default]
    Input,
    /// The photograph's: the margin is the same for small and large faces, as in the FaceNet project's `align_dataset_mtcnn`.
    Photograph,
}

/// A distance with the error rates measured at it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatingPoint {
    /// Euclidean, between unit-length embeddings.
    pub distance: f32,
    /// False match rate: the share of pairs of different people at or below `distance`.
    pub fmr: f64,
    /// False non-match rate: the share of pairs of one person above `distance`.
    #[serde(default)]
    pub fnmr: Option<f64>,
    /// How and on what data it was measured.
    pub measured: String,
}

/// The origin of a model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub package: String,
    pub version: String,
    pub file: String,
    pub licence: String,
}

/// Why the models cannot be used.
#[derive(Debug, Error)]
pub enum ManifestError {
    #[error("the models' manifest {} cannot be read: {why}. Name the models' folder in [models] path or USHER_MODELS", path.display())]
    Unreadable { path: PathBuf, why: std::io::Error },
    #[error("{}: {why}", path.display())]
    Malformed { path: PathBuf, why: MalformedManifest },
    #[error("there is no model `{name}` in {}; it has {have}", path.display())]
    Unknown { name: String, path: PathBuf, have: String },
    #[error("the model file {} cannot be read: {why}. {hint}", path.display())]
    File { path: PathBuf, why: std::io::Error, hint: &'static str },
    #[error(
        "{} is not the file that the manifest names: its SHA-256 is {found}, expected {expected}. Restore it from the \
         package or the repository; if you replaced it on purpose, put its hash and its own measured distances into the manifest",
        path.display()
    )]
    Changed { path: PathBuf, found: String, expected: String },
}

/// What is wrong with a manifest's text.
#[derive(Debug, Error)]
pub enum MalformedManifest {
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    #[error("format {0} is unknown; this usher reads format 1")]
    UnknownFormat(u32),
    #[error("model.{name}: {why}")]
    Entry { name: String, why: &'static str },
}

/// The file's content.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    model: BTreeMap<String, Model>,
}

impl Manifest {
    /// Reads `folder`'s manifest and checks each entry. Model files are read later, by [`Manifest::read`].
    pub fn load(folder: &Path) -> Result<Manifest, ManifestError> {
        let path = folder.join(FILE);
        let text =
            std::fs::read_to_string(&path).map_err(|why| ManifestError::Unreadable { path: path.clone(), why })?;
        let malformed = |why: MalformedManifest| ManifestError::Malformed { path: path.clone(), why };
        let content: Content = toml::from_str(&text).map_err(|error| malformed(error.into()))?;
        if content.format != 1 {
            return Err(malformed(MalformedManifest::UnknownFormat(content.format)));
        }
        let mut models = content.model;
        for (name, model) in &mut models {
            model.name.clone_from(name);
            model.check().map_err(|why| malformed(MalformedManifest::Entry { name: name.clone(), why }))?;
        }
        Ok(Manifest { folder: folder.to_owned(), models })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All entries, by name.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.values()
    }

    /// The entry `name`, which must be of `role`.
    pub fn model(&self, name: &str, role: Role) -> Result<&Model, ManifestError> {
        self.models.get(name).filter(|m| m.role == role).ok_or_else(|| ManifestError::Unknown {
            name: name.into(),
            path: self.folder.join(FILE),
            have: self
                .models
                .values()
                .filter(|m| m.role == role)
                .map(|m| m.name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    /// The file of `model`, refused if its SHA-256 is not the manifest's.
    pub fn read(&self, model: &Model) -> Result<Arc<[u8]>, ManifestError> {
        let path = self.folder.join(&model.file);
        let hint = match model.optional {
            true => "It is not shipped with usher: install your own there",
            false => "Restore it from the package or the repository",
        };
        let bytes = std::fs::read(&path).map_err(|why| ManifestError::File { path: path.clone(), why, hint })?;
        let found = sha256(&bytes);
        if found != model.sha256 {
            return Err(ManifestError::Changed { path, found, expected: model.sha256.clone() });
        }
        Ok(bytes.into())
    }
}

impl Model {
    /// The id of its embeddings: the name and the first 12 digits of the file's hash.
    pub fn id(&self) -> ModelId {
        let hash: String = self.sha256.chars().take(12).collect();
        ModelId::new(&format!("{}-{hash}", self.name))
    }

    /// Dimension of its embeddings; 0 if it is not an embedder.
    pub fn dimension(&self) -> usize {
        self.embedding.as_ref().map_or(0, |form| form.dimension)
    }

    /// How its input holds a picture.
    pub fn input_form(&self) -> InputForm {
        let pixels = match self.input.kind {
            InputType::Int8 => Pixels::Int8,
            InputType::Float32 => Pixels::Float { mean: self.input.mean, std: self.input.std },
        };
        InputForm { pixels, windows: Windows { side: self.input.window as usize } }
    }

    /// The measured operating point with the largest false match rate that is at most `fmr`.
    pub fn operating_point(&self, fmr: f64) -> Option<&OperatingPoint> {
        self.operating.iter().filter(|p| p.fmr <= fmr * (1.0 + 1e-9)).max_by(|a, b| a.fmr.total_cmp(&b.fmr))
    }

    fn check(&self) -> Result<(), &'static str> {
        let hex_digits = self.sha256.len() == 64 && self.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !hex_digits {
            return Err("sha256 must be 64 lower-case hexadecimal digits");
        }
        if !(self.input.std > 0.0 && self.input.std.is_finite() && self.input.mean.is_finite()) {
            return Err("input.mean and input.std must be finite, std above 0");
        }
        if self.input.kind == InputType::Int8 && (self.input.mean, self.input.std) != (128.0, 128.0) {
            return Err("an int8 input must have mean 128 and std 128");
        }
        if !(1..=12).contains(&self.input.window) {
            return Err("input.window must be 1 to 12 pixels");
        }
        for point in &self.operating {
            if !(0.0..=2.0).contains(&point.distance) || !(0.0..=1.0).contains(&point.fmr) {
                return Err("an operating point needs a distance from 0 to 2 and a rate from 0 to 1");
            }
        }
        if self.role == Role::Liveness {
            self.check_liveness()?;
        }
        if self.role == Role::Embedder {
            let sides = (self.input.width, self.input.height);
            if self.embedding.as_ref().is_none_or(|e| e.dimension == 0 || e.dimension > 4096) {
                return Err("an embedder needs embedding.dimension, 1 to 4096");
            }
            if self.alignment.is_none() {
                return Err("an embedder needs an alignment");
            }
            if sides.0 != sides.1 || !(16..=1024).contains(&sides.0) {
                return Err("an embedder's input must be square, 16 to 1024 pixels");
            }
        }
        Ok(())
    }

    fn check_liveness(&self) -> Result<(), &'static str> {
        let Some(form) = &self.liveness else { return Err("a liveness network needs a table liveness") };
        if !(1.0..=8.0).contains(&form.crop) {
            return Err("liveness.crop must be 1 to 8 sides of the face");
        }
        if !(2..=16).contains(&form.classes) || form.real >= form.classes {
            return Err("liveness.classes must be 2 to 16, and liveness.real one of them, from 0");
        }
        if form.check.as_ref().is_some_and(|check| !check.iter().all(|score| score.is_finite())) {
            return Err("liveness.check must be finite");
        }
        if self.input.width != self.input.height || !(16..=1024).contains(&self.input.width) {
            return Err("a liveness network's input must be square, 16 to 1024 pixels");
        }
        Ok(())
    }
}

impl OperatingPoint {
    /// The distance as the domain's type.
    pub fn distance(&self) -> Distance {
        Distance(self.distance)
    }
}

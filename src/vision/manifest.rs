//! The models' manifest: which files there are, how they want their pictures, how they were measured; and the files
//! themselves, checked against their SHA-256.
//!
//! Knows nothing of how a network is run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use thiserror::Error;

use super::digest::sha256;
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
    /// The file does not come with usher: the operator brings it.
    #[serde(default)]
    pub optional: bool,
    pub input: Input,
    #[serde(default)]
    pub output: Option<Output>,
    #[serde(default)]
    pub embedding: Option<EmbeddingForm>,
    #[serde(default)]
    pub alignment: Option<Alignment>,
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
}

/// The picture a model takes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Pixels; 0 is any.
    pub width: u32,
    /// Pixels; 0 is any.
    pub height: u32,
    pub layout: Layout,
    #[serde(rename = "type")]
    pub kind: InputType,
    /// value = (pixel - mean) / std
    pub mean: f32,
    pub std: f32,
    /// The side of the square of pixels that each position of the input holds, row by row; 1 is the picture as it is.
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

/// The outputs' names in the file's order.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    pub names: Vec<String>,
}

/// What an embedder gives.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingForm {
    pub dimension: usize,
}

/// How a face is cut out for an embedder.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Alignment {
    /// The face's bounds with a margin, stretched to the input: `margin` is in pixels, both sides together.
    Box {
        margin: f32,
        #[serde(default)]
        margin_of: MarginOf,
    },
    /// A similarity transform that brings the five landmarks nearest to `template`, in pixels of the input.
    FivePoint { template: [[f32; 2]; 5] },
    /// The face turned to the front, piece by piece, by the pose that a mean face's shape has when it is fitted to the five landmarks.
    /// `template` is where a mean face's landmarks come to lie, in pixels of the input.
    Frontal { template: [[f32; 2]; 5] },
}

/// Whose pixels a margin is measured in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarginOf {
    /// The network's input: the margin grows with the face.
    #[default]
    Input,
    /// The photograph: the margin is the same for small faces and large ones, as in the FaceNet project's `align_dataset_mtcnn`.
    Photograph,
}

/// A distance with the error rates that were measured at it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatingPoint {
    /// Euclidean, between unit-length embeddings.
    pub distance: f32,
    /// False match rate: share of pairs of different people at or below `distance`.
    pub fmr: f64,
    /// False non-match rate: share of pairs of one person above `distance`.
    #[serde(default)]
    pub fnmr: Option<f64>,
    /// How, and on what.
    pub measured: String,
}

/// Where a model comes from.
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
    Malformed { path: PathBuf, why: String },
    #[error("there is no model `{name}` in {}; it has {have}", path.display())]
    Unknown { name: String, path: PathBuf, have: String },
    #[error("the model file {} cannot be read: {why}. {hint}", path.display())]
    File { path: PathBuf, why: std::io::Error, hint: &'static str },
    #[error(
        "{} is not the file that the manifest names: its SHA-256 is {found}, expected {expected}. Restore it from the \
         package or the repository; if it was exchanged on purpose, write its hash and its own measured distances into the manifest",
        path.display()
    )]
    Changed { path: PathBuf, found: String, expected: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format: u32,
    model: BTreeMap<String, Model>,
}

impl Manifest {
    /// Reads `folder`'s manifest and checks that each entry makes sense; model files are read when asked for.
    pub fn load(folder: &Path) -> Result<Manifest, ManifestError> {
        let path = folder.join(FILE);
        let text =
            std::fs::read_to_string(&path).map_err(|why| ManifestError::Unreadable { path: path.clone(), why })?;
        let malformed = |why: String| ManifestError::Malformed { path: path.clone(), why };
        let wire: Wire = toml::from_str(&text).map_err(|e| malformed(e.to_string()))?;
        if wire.format != 1 {
            return Err(malformed(format!("format {} is not known; this usher reads format 1", wire.format)));
        }
        let mut models = wire.model;
        for (name, model) in &mut models {
            model.name.clone_from(name);
            model.check().map_err(|why| malformed(format!("model.{name}: {why}")))?;
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

    /// The file of `model`, refused when its SHA-256 is another than the manifest's.
    pub fn read(&self, model: &Model) -> Result<Arc<[u8]>, ManifestError> {
        let path = self.folder.join(&model.file);
        let hint = match model.optional {
            true => "It does not come with usher: put your own there",
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
    /// The tag of its embeddings: the name and the first 12 digits of the file's hash.
    pub fn id(&self) -> ModelId {
        ModelId::new(&format!("{}-{}", self.name, &self.sha256[..12]))
    }

    /// How many numbers its embeddings have; 0 when it makes none.
    pub fn dimension(&self) -> usize {
        self.embedding.as_ref().map_or(0, |form| form.dimension)
    }

    /// How its pixels are mapped and laid out.
    pub fn input_form(&self) -> InputForm {
        let pixels = match self.input.kind {
            InputType::Int8 => Pixels::Int8,
            InputType::Float32 => Pixels::Float { mean: self.input.mean, std: self.input.std },
        };
        InputForm { pixels, windows: Windows { side: self.input.window as usize } }
    }

    /// The measured operating point with the largest false match rate that is still at most `fmr`.
    pub fn operating_point(&self, fmr: f64) -> Option<&OperatingPoint> {
        self.operating.iter().filter(|p| p.fmr <= fmr * (1.0 + 1e-9)).max_by(|a, b| a.fmr.total_cmp(&b.fmr))
    }

    fn check(&self) -> Result<(), String> {
        let hex_digits = self.sha256.len() == 64 && self.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !hex_digits {
            return Err("sha256 must be 64 lower-case hexadecimal digits".into());
        }
        if !(self.input.std > 0.0 && self.input.std.is_finite() && self.input.mean.is_finite()) {
            return Err("input.mean and input.std must be finite, std above 0".into());
        }
        if self.input.kind == InputType::Int8 && (self.input.mean, self.input.std) != (128.0, 128.0) {
            return Err("an int8 input must have mean 128 and std 128".into());
        }
        if !(1..=12).contains(&self.input.window) {
            return Err("input.window must be 1 to 12 pixels".into());
        }
        for point in &self.operating {
            if !(0.0..=2.0).contains(&point.distance) || !(0.0..=1.0).contains(&point.fmr) {
                return Err("an operating point needs a distance from 0 to 2 and a rate from 0 to 1".into());
            }
        }
        if self.role == Role::Embedder {
            let sides = (self.input.width, self.input.height);
            if self.embedding.as_ref().is_none_or(|e| e.dimension == 0 || e.dimension > 4096) {
                return Err("an embedder needs embedding.dimension, 1 to 4096".into());
            }
            if self.alignment.is_none() {
                return Err("an embedder needs an alignment".into());
            }
            if sides.0 != sides.1 || !(16..=1024).contains(&sides.0) {
                return Err("an embedder's input must be square, 16 to 1024 pixels".into());
            }
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

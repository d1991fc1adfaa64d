//! From a frame to faces and their embeddings: the face detector (`mtcnn`), alignment (`align`, `frontal`), the embedder, quality and
//! tracking, on networks that `runtime` runs. `pipeline` puts them together; `manifest` describes the models. `attention` decides how much of it
//! a camera's frame needs, `motion` sees what has moved in it. `passive` looks for prints and screens; `finder` finds faces alone. `upright` tells
//! how a camera hangs. `turned` draws heads that turn, for demonstrations and tests.
//!
//! Knows nothing of people, doors or threads.

pub mod align;
pub mod attention;
mod batch;
mod boxes;
pub mod calibration_file;
mod crop;
mod embedder;
mod face_shape;
pub mod file;
pub mod finder;
mod frontal;
pub mod head_file;
pub mod light;
pub mod manifest;
pub mod motion;
pub mod mtcnn;
pub mod passive;
pub mod pipeline;
mod pyramid;
mod quality;
mod resample;
pub mod runtime;
pub mod second;
mod similarity;
pub mod tracker;
pub mod turned;
pub mod upright;

use thiserror::Error;

pub use embedder::Embedded;
pub use pipeline::{Seen, Vision, VisionSettings};
pub use quality::brightness;

/// Why a picture cannot be processed.
#[derive(Debug, Error)]
pub enum VisionError {
    #[error(transparent)]
    Runtime(#[from] runtime::RuntimeError),
    #[error(transparent)]
    Manifest(#[from] manifest::ManifestError),
    #[error("the model {name} ({role}): {why}")]
    Model { name: String, role: &'static str, why: runtime::RuntimeError },
    #[error("a model does not have the expected form: {0}")]
    Form(String),
    #[error("the network's embedding has no direction (all zero or not finite)")]
    NoDirection,
}

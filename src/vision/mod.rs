//! From a frame to faces and their embeddings.
//!
//! Knows nothing of people, doors or threads.

pub mod align;
mod batch;
mod boxes;
pub mod calibration_file;
mod crop;
pub mod digest;
pub mod embedder;
mod face_shape;
mod frontal;
pub mod head_file;
pub mod manifest;
pub mod mtcnn;
pub mod pipeline;
mod pyramid;
mod quality;
mod resample;
pub mod runtime;
mod sampler;
mod similarity;
pub mod tracker;
pub mod trial;
mod whole_file;

use thiserror::Error;

pub use pipeline::{Seen, Vision, VisionSettings};

/// Why a frame gives no answer.
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
    #[error("the network's answer has no direction (all zero or not finite)")]
    NoDirection,
}

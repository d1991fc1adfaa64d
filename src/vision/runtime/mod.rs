//! The TFLite runtime: finds and loads LiteRT, compiles networks for the requested hardware, and runs them.
//!
//! All of usher's `unsafe` code is in this folder. Bytes go in, floats come out: what a picture shows is decided elsewhere.
//!
//! Reading order: `library` loads LiteRT (`litert` is its C API); `network` is one compiled network behind one of three backends
//! (`compiled`: LiteRT; `classic`: a TensorFlow Lite delegate; `avx2`: usher's own kernels); `placement` chooses the hardware; `quiet` keeps
//! what the libraries print off the terminal.

#[cfg_attr(not(target_arch = "x86_64"), path = "no_avx2.rs")]
mod avx2;
mod classic;
mod compiled;
mod input;
mod library;
mod litert;
mod network;
mod placement;
mod processor;
mod quiet;

use std::path::PathBuf;

use thiserror::Error;

pub use crate::domain::Accelerator;
pub use input::{ElementType, InputForm, Pixels, Windows};
pub use library::{Runtime, cache_folder};
pub use network::{CompiledNetwork, OutputFloats};
pub use placement::{PlacedModel, Placement};
pub use processor::Processor;

/// Why LiteRT, a model or an accelerator cannot be used.
#[derive(Debug, Error)]
pub enum RuntimeError {
    #[error(
        "the LiteRT library was not found; looked at {looked}. Run `script/setup` in a checkout, install the usher package, \
         or name the file in [runtime] library or USHER_TFLITE"
    )]
    Missing { looked: String },
    #[error(
        "{} is not a usable LiteRT library: {why}. Run `script/setup` to fetch LiteRT 2.3, or correct [runtime] library / USHER_TFLITE",
        path.display()
    )]
    Unloadable { path: PathBuf, why: String },
    #[error("{0}")]
    Processor(String),
    #[error("{call} failed: {meaning} (status {code})")]
    Call { call: &'static str, code: u32, meaning: &'static str },
    #[error("not a TFLite model: {0}")]
    NotAModel(String),
    #[error("the model does not have the expected form: {0}")]
    WrongForm(String),
    #[error("LiteRT has no {0} accelerator on this machine; install its library beside LiteRT's, or use the cpu")]
    NoAccelerator(Accelerator),
    #[error("delegate {}: {why}", path.display())]
    Delegate { path: PathBuf, why: String },
}

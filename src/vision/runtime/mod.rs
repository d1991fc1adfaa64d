//! The TFLite runtime: finds and loads LiteRT, compiles networks for the requested hardware, and runs them.
//!
//! All of usher's `unsafe` code is in this folder. Bytes go in, floats come out: what a picture shows is decided elsewhere.
//!
//! Reading order: `library` loads LiteRT (`litert` is its C API); `network` is one compiled network behind one of three backends
//! (`compiled`: LiteRT; `classic`: a TensorFlow Lite delegate; `avx2`: usher's own kernels); `placement` chooses the hardware.

#[cfg_attr(not(target_arch = "x86_64"), path = "no_avx2.rs")]
mod avx2;
mod classic;
mod compiled;
mod error;
mod input;
mod library;
mod litert;
mod network;
mod placement;
mod processor;

pub use crate::domain::Accelerator;
pub use error::RuntimeError;
pub use input::{ElementType, InputForm, Pixels, Windows};
pub use library::{Runtime, cache_folder};
pub use network::{CompiledNetwork, OutputFloats};
pub use placement::{PlacedModel, Placement};
pub use processor::Processor;

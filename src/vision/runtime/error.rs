//! Why a network does not run.

use std::path::PathBuf;

use thiserror::Error;

use crate::domain::Accelerator;

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

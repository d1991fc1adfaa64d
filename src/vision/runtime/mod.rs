//! The TFLite runtime: finds and loads LiteRT, compiles networks on the asked-for hardware, runs them.
//!
//! The only room with `unsafe` code. Knows nothing of faces: bytes in, floats out.

mod accelerator;
#[cfg_attr(not(target_arch = "x86_64"), path = "no_avx2.rs")]
mod avx2;
mod classic;
mod compiled;
mod find;
mod litert;
mod network;
mod processor;
mod windows;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use thiserror::Error;

pub use accelerator::{Accelerator, Placement, Planned};
pub use find::cache_folder;
pub use network::{ElementType, InputForm, Network, Output, Pixels};
pub use processor::Processor;
pub use windows::Windows;

/// A loaded LiteRT. Cheap to clone; networks keep it alive.
#[derive(Clone)]
pub struct Runtime {
    api: Arc<litert::Api>,
    /// The same library with its accelerators, which take time and memory: loaded when one is asked for.
    accelerated: Arc<OnceLock<Option<Arc<litert::Api>>>>,
}

impl Runtime {
    /// Looks for `libLiteRt.so` in `configured` (a file or a folder), `$USHER_TFLITE`, `/usr/lib/usher` and the user's cache,
    /// and loads the first that is there. An explicit place that does not work is an error, not a reason to look further.
    pub fn load(configured: Option<&std::path::Path>) -> Result<Runtime, RuntimeError> {
        let path = find::library(configured)?;
        if let Some(why) = Processor::here().lacks(std::env::consts::ARCH) {
            return Err(RuntimeError::Processor(why));
        }
        Ok(Runtime { api: litert::Api::load(&path, false)?, accelerated: Arc::default() })
    }

    /// The library in use.
    pub fn library(&self) -> &std::path::Path {
        &self.api.path
    }

    /// Names of the accelerators that LiteRT finds on this machine, among them the CPU's own. Loads them all.
    pub fn accelerators(&self) -> Vec<String> {
        let found = self.accelerated().unwrap_or(&self.api).accelerators();
        found.into_iter().map(|(name, _)| name).collect()
    }

    /// The environment with the accelerators; `None` when it cannot be made.
    fn accelerated(&self) -> Option<&Arc<litert::Api>> {
        self.accelerated.get_or_init(|| litert::Api::load(&self.api.path, true).ok()).as_ref()
    }

    /// Whether a vendor's NPU library lies beside LiteRT's.
    fn has_dispatch_library(&self) -> bool {
        let folder = self.api.path.parent().and_then(|folder| folder.read_dir().ok());
        folder
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("libLiteRtDispatch"))
    }
}

/// Why a network does not run.
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
    #[error("LiteRT has no {0} accelerator on this machine; put its library beside LiteRT's, or ask for the cpu")]
    NoAccelerator(Accelerator),
    #[error("delegate {}: {why}", path.display())]
    Delegate { path: PathBuf, why: String },
}

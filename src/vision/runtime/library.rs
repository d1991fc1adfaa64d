//! The LiteRT library: where it is installed, and loading it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::RuntimeError;
use super::litert::{Api, Beside};
use super::processor::Processor;

const FILE: &str = "libLiteRt.so";
/// Where `script/setup` installs it below the user's cache. The name has the version, so an upgrade fetches the new one.
const CACHED: &str = "usher/litert-2.3.0";

/// A loaded LiteRT. Cheap to clone; networks keep it alive.
#[derive(Clone)]
pub struct Runtime {
    pub(super) api: Arc<Api>,
    /// A second environment of the same library with its accelerators, which take time and memory: made when one is first asked for.
    accelerated: Arc<OnceLock<Option<Arc<Api>>>>,
}

impl Runtime {
    /// Looks for `libLiteRt.so` in `configured` (a file or a folder), `$USHER_TFLITE`, `/usr/lib/usher`, beside the program and the user's cache,
    /// and loads the first that exists. If `configured` or `$USHER_TFLITE` is set and does not work, that is an error: the search ends there.
    pub fn load(configured: Option<&Path>) -> Result<Runtime, RuntimeError> {
        let path = library_path(configured)?;
        if let Some(why) = Processor::here().lacks(std::env::consts::ARCH) {
            return Err(RuntimeError::Processor(why));
        }
        Ok(Runtime { api: Api::load(&path, Beside::Nothing)?, accelerated: Arc::default() })
    }

    /// The library's file.
    pub fn library(&self) -> &Path {
        &self.api.path
    }

    /// Names of the accelerators that LiteRT finds on this machine, including the CPU's. Loads all of them.
    pub fn accelerators(&self) -> Vec<String> {
        let found = self.accelerated().unwrap_or(&self.api).accelerators();
        found.into_iter().map(|(name, _)| name).collect()
    }

    /// The environment with the accelerators; `None` if it cannot be created. Without the GPU where its library would kill the process.
    pub(super) fn accelerated(&self) -> Option<&Arc<Api>> {
        let beside = || match Processor::here().lacks_for_gpu(std::env::consts::ARCH) {
            Some(_) => Beside::Npus,
            None => Beside::NpusAndGpus,
        };
        self.accelerated.get_or_init(|| Api::load(&self.api.path, beside()).ok()).as_ref()
    }

    /// Whether a vendor's NPU library is installed beside LiteRT's.
    pub(super) fn has_dispatch_library(&self) -> bool {
        let folder = self.api.path.parent().and_then(|folder| folder.read_dir().ok());
        folder
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("libLiteRtDispatch"))
    }
}

/// The library's path; see [`Runtime::load`] for the order.
fn library_path(configured: Option<&Path>) -> Result<PathBuf, RuntimeError> {
    let explicit = configured
        .map(Path::to_owned)
        .filter(|p| !p.as_os_str().is_empty())
        .or_else(|| std::env::var_os("USHER_TFLITE").filter(|v| !v.is_empty()).map(PathBuf::from));
    if let Some(place) = explicit {
        let file = if place.is_dir() { place.join(FILE) } else { place };
        return match file.exists() {
            true => Ok(file),
            false => Err(RuntimeError::Missing { looked: file.display().to_string() }),
        };
    }
    let cached = cache_folder().map(|c| c.join(CACHED));
    let folders = [PathBuf::from("/usr/lib/usher")].into_iter().chain(beside_program()).chain(cached);
    let places: Vec<PathBuf> = folders.map(|folder| folder.join(FILE)).collect();
    places.iter().find(|p| p.exists()).cloned().ok_or_else(|| RuntimeError::Missing {
        looked: places.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" and "),
    })
}

/// The folder of this program, and `lib/usher` beside that folder, as in an unpacked package.
fn beside_program() -> Vec<PathBuf> {
    let program = std::env::current_exe().ok();
    let Some(folder) = program.as_deref().and_then(Path::parent) else { return Vec::new() };
    std::iter::once(folder.to_owned()).chain(folder.parent().map(|above| above.join("lib/usher"))).collect()
}

/// The user's cache folder (XDG base directory specification), where `script/setup` keeps what it fetched.
pub fn cache_folder() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_place_is_used_or_refused_and_never_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let error = library_path(Some(folder.path())).unwrap_err().to_string();
        assert!(error.contains("script/setup") && error.contains(FILE), "{error}");
        std::fs::write(folder.path().join(FILE), b"").unwrap();
        assert_eq!(library_path(Some(folder.path())).unwrap(), folder.path().join(FILE));
    }
}

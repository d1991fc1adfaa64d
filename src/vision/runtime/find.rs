//! Where the LiteRT library lies.
//!
//! Knows nothing of what is in it.

use std::path::{Path, PathBuf};

use super::RuntimeError;

const FILE: &str = "libLiteRt.so";
/// Where `script/setup` puts it below the user's cache; the version is part of the name so that an upgrade fetches anew.
const CACHED: &str = "usher/litert-2.3.0";

/// The library's path; see [`super::Runtime::load`] for the order.
pub(super) fn library(configured: Option<&Path>) -> Result<PathBuf, RuntimeError> {
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
    let places: Vec<PathBuf> =
        [Some(Path::new("/usr/lib/usher").join(FILE)), cache_folder().map(|c| c.join(CACHED).join(FILE))]
            .into_iter()
            .flatten()
            .collect();
    places.iter().find(|p| p.exists()).cloned().ok_or_else(|| RuntimeError::Missing {
        looked: places.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" and "),
    })
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
    fn an_explicit_place_is_taken_or_refused_but_never_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let error = library(Some(folder.path())).unwrap_err().to_string();
        assert!(error.contains("script/setup") && error.contains(FILE), "{error}");
        std::fs::write(folder.path().join(FILE), b"").unwrap();
        assert_eq!(library(Some(folder.path())).unwrap(), folder.path().join(FILE));
    }
}

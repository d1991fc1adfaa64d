//! What several test programs share: where the development photographs are, and how to open the networks.

use std::path::{Path, PathBuf};

use usher::vision::mtcnn::DetectorSettings;
use usher::vision::runtime::Runtime;
use usher::vision::{Vision, VisionSettings};

/// The models of this checkout.
pub fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

/// LiteRT, as `script/setup` left it.
pub fn runtime() -> Runtime {
    Runtime::load(None).expect("script/setup fetches LiteRT")
}

/// All networks, looking for faces of `min_face_px` and more.
#[allow(dead_code, reason = "not every test program opens the networks")]
pub fn vision(min_face_px: u32) -> Vision {
    let detector = DetectorSettings { min_face_px, ..DetectorSettings::default() };
    Vision::open(&runtime(), &models(), &VisionSettings { detector, ..VisionSettings::default() }).unwrap()
}

/// A folder of the development photographs beside the checkout; `None`, with a notice, where it is missing.
#[allow(dead_code, reason = "not every test program needs photographs")]
pub fn shared(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(name);
    if !folder.exists() {
        eprintln!("SKIPPED: {} is not there; this test needs the development photographs", folder.display());
        return None;
    }
    Some(folder)
}

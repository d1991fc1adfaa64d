//! Pictures with known people in them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use image::{DynamicImage, ImageFormat, RgbImage, imageops};

/// A camera's picture.
const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;
/// The height of a face in it; its width, the shorter side, is about 130.
const FACE_PX: f32 = 180.0;

/// Where the face is in each photograph that is shown to a camera: its centre and its height.
const ACTORS: [(&str, [f32; 3]); 4] = [
    ("obama.jpg", [491.0, 253.0, 345.0]),
    ("obama2.jpg", [335.0, 425.0, 414.0]),
    ("obama3.jpg", [775.0, 430.0, 355.0]),
    ("biden.jpg", [571.0, 366.0, 388.0]),
];

/// A photograph that script/setup has fetched.
pub fn photo(name: &str) -> PathBuf {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let cache =
        absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache"))).unwrap_or_default();
    let path = cache.join("usher/face_recognition-1.3.0/tests/test_images").join(name);
    assert!(path.is_file(), "the photograph {} is missing: run script/setup", path.display());
    path
}

/// The camera's picture when the person of that photograph stands in front of it.
pub fn frame(actor: &str) -> RgbImage {
    sized_frame(actor, FACE_PX)
}

/// The same with a face of that height in pixels.
pub fn sized_frame(actor: &str, face_px: f32) -> RgbImage {
    let (_, [x, y, height]) = ACTORS.into_iter().find(|(name, _)| *name == actor).expect("a known actor");
    let zoom = face_px / height;
    let photo = image::open(photo(actor)).unwrap();
    let side = |side: u32| (side as f32 * zoom) as u32;
    // The resize is the image crate's own code, which is optimised also in a debug build.
    let scaled =
        photo.resize_exact(side(photo.width()), side(photo.height()), imageops::FilterType::Triangle).into_rgb8();
    let mut picture = empty();
    let (left, top) = (WIDTH as f32 / 2.0 - x * zoom, HEIGHT as f32 * 0.45 - y * zoom);
    imageops::overlay(&mut picture, &scaled, left as i64, top as i64);
    picture
}

/// Two pictures as one.
pub fn side_by_side(left: &RgbImage, right: &RgbImage) -> RgbImage {
    let mut both = RgbImage::new(left.width() + right.width(), left.height());
    imageops::replace(&mut both, left, 0, 0);
    imageops::replace(&mut both, right, i64::from(left.width()), 0);
    both
}

/// Writes a picture as JPEG; the path again.
pub fn write_jpeg(picture: RgbImage, path: &Path) -> PathBuf {
    std::fs::write(path, jpeg(picture)).unwrap();
    path.to_owned()
}

fn empty() -> RgbImage {
    RgbImage::from_pixel(WIDTH, HEIGHT, image::Rgb([118, 120, 116]))
}

fn jpeg(picture: RgbImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    DynamicImage::from(picture).write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

/// A recording: scenes one after the other.
#[derive(Default)]
pub struct Film(Vec<u8>);

impl Film {
    /// An empty scene for this many frames.
    pub fn nobody(self, frames: usize) -> Film {
        self.scene("", frames)
    }

    /// The person of that photograph for this many frames.
    pub fn shows(self, actor: &str, frames: usize) -> Film {
        self.scene(actor, frames)
    }

    /// This picture for this many frames.
    pub fn picture(mut self, picture: RgbImage, frames: usize) -> Film {
        self.0.extend(jpeg(picture).repeat(frames));
        self
    }

    /// These JPEG files, each for one frame.
    pub fn pictures(mut self, files: &[PathBuf]) -> Film {
        for file in files {
            self.0.extend(std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())));
        }
        self
    }

    fn scene(mut self, actor: &str, frames: usize) -> Film {
        static DEVELOPED: OnceLock<Mutex<HashMap<String, Vec<u8>>>> = OnceLock::new();
        let mut developed =
            DEVELOPED.get_or_init(Mutex::default).lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let develop = || jpeg(if actor.is_empty() { empty() } else { frame(actor) });
        let picture = developed.entry(actor.to_owned()).or_insert_with(develop);
        self.0.extend(picture.repeat(frames));
        self
    }

    /// Writes it where a replay camera can play it; the path again.
    pub fn write(self, path: &Path) -> PathBuf {
        // In one step: a camera that waits for the file must not see half of it.
        let unfinished = path.with_extension("unfinished");
        std::fs::write(&unfinished, self.0).unwrap();
        std::fs::rename(unfinished, path).unwrap();
        path.to_owned()
    }
}

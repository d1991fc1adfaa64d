//! The inputs of the benches: photographs at a camera's size, and the networks.

use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use usher::domain::Image;
use usher::photo;
use usher::vision::mtcnn::DetectorSettings;
use usher::vision::runtime::{Runtime, cache_folder};
use usher::vision::{Vision, VisionSettings};

/// Where `script/setup` keeps photographs, below the user's cache.
const PHOTOS: &str = "usher/face_recognition-1.3.0/tests/test_images";
const NAMES: [&str; 4] = ["biden.jpg", "obama.jpg", "obama2.jpg", "obama3.jpg"];

/// The photographs in the user's cache; the error says how to get them.
pub fn cached_photos() -> Result<Vec<PathBuf>, String> {
    let folder = cache_folder().unwrap_or_default().join(PHOTOS);
    let photos: Vec<PathBuf> = NAMES.iter().map(|name| folder.join(name)).filter(|path| path.exists()).collect();
    match photos.is_empty() {
        true => Err(format!("no photographs in {}: run script/setup first", folder.display())),
        false => Ok(photos),
    }
}

/// A portrait at a camera's size: its upper three fifths, with the head, fill the frame's height. Both sides are cropped or filled with grey.
pub fn frame(path: &Path, width: u32, height: u32) -> Image {
    let image = photo::load(path).expect("a photograph");
    let scale = f64::from(height) / (0.6 * f64::from(image.height()));
    let size = |side: u32| (f64::from(side) * scale).round().max(1.0) as u32;
    let (across, down) = (size(image.width()), size(image.height()).max(height));
    let stored = image::RgbImage::from_raw(image.width(), image.height(), image.into_rgb()).expect("whole pixels");
    let large = imageops::resize(&stored, across, down, FilterType::Triangle);
    let mut frame = image::RgbImage::from_pixel(width, height, image::Rgb([128; 3]));
    imageops::replace(&mut frame, &large, (i64::from(width) - i64::from(across)) / 2, 0);
    Image::new(width, height, frame.into_raw()).expect("whole pixels")
}

/// The frame as a Motion-JPEG camera would send it.
pub fn jpeg(image: &Image) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90)
        .encode(image.rgb(), image.width(), image.height(), image::ExtendedColorType::Rgb8)
        .expect("a frame that JPEG can hold");
    bytes
}

/// The pipeline with this checkout's models.
pub fn vision(min_face_px: u32, embedder: &str, threads: usize) -> Result<Vision, String> {
    let runtime = Runtime::load(None).map_err(|e| e.to_string())?;
    let settings = VisionSettings {
        detector: DetectorSettings { min_face_px, ..DetectorSettings::default() },
        embedder: embedder.into(),
        threads,
        ..VisionSettings::default()
    };
    let models = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/models"));
    Vision::open(&runtime, models, &settings).map_err(|e| e.to_string())
}

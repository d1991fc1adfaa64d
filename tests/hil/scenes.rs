//! Scenes for the cameras: real photographs as frames of 640x480, as a camera sends them.

use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, Rgb, RgbImage};

use super::pictures;
use super::raw::raw;

/// The height of a face. Large ones take less work to find, and an emulated processor is slow.
const FACE_PX: f32 = 270.0;

/// Writes each scene into the folder, as `NAME.jpg` and in the raw formats of the loopbacks, such as `NAME.yuyv`: `nobody`, `enrolled` (another photograph of the person than
/// the one that [`enrolment`] writes), `stranger`.
pub fn write(folder: &Path) {
    let nobody = RgbImage::from_pixel(640, 480, Rgb([118, 120, 116]));
    for (name, picture) in [("nobody", nobody), ("enrolled", seen("obama2.jpg")), ("stranger", seen("biden.jpg"))] {
        for format in ["yuyv", "nv12", "grey"] {
            std::fs::write(folder.join(name).with_extension(format), raw(&picture, format, 0)).unwrap();
        }
        std::fs::write(folder.join(name).with_extension("jpg"), jpeg(&picture)).unwrap();
    }
}

/// Writes the photograph to enrol from, as a JPEG.
pub fn enrolment(file: &Path) {
    std::fs::write(file, jpeg(&seen("obama.jpg"))).unwrap();
}

fn seen(photograph: &str) -> RgbImage {
    pictures::sized_frame(photograph, FACE_PX)
}

fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 92);
    encoder.encode(picture.as_raw(), picture.width(), picture.height(), ExtendedColorType::Rgb8).unwrap();
    bytes
}

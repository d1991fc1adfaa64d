//! Scenes for the cameras: real photographs as frames of 640x480, as a camera sends them.

use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, Rgb, RgbImage};

use super::pictures;

/// The height of a face. Large ones take less work to find, and an emulated processor is slow.
const FACE_PX: f32 = 270.0;

/// Writes each scene into the folder, as `NAME.yuyv` and as `NAME.jpg`: `nobody`, `enrolled` (another photograph of the person than
/// the one that [`enrolment`] writes), `stranger`.
pub fn write(folder: &Path) {
    let nobody = RgbImage::from_pixel(640, 480, Rgb([118, 120, 116]));
    for (name, picture) in [("nobody", nobody), ("enrolled", seen("obama2.jpg")), ("stranger", seen("biden.jpg"))] {
        std::fs::write(folder.join(name).with_extension("yuyv"), yuyv(&picture)).unwrap();
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

/// Two pixels in four bytes, brightness of each and the colour of both, by ITU-R BT.601 with the limited range that cameras use.
fn yuyv(picture: &RgbImage) -> Vec<u8> {
    let channel = |offset: f32, factors: [f32; 3], Rgb(rgb): Rgb<u8>| {
        (offset + factors.iter().zip(rgb).map(|(factor, value)| factor * f32::from(value)).sum::<f32>()).round() as u8
    };
    let brightness = |pixel| channel(16.0, [0.257, 0.504, 0.098], pixel);
    let pixels: Vec<Rgb<u8>> = picture.pixels().copied().collect();
    pixels
        .chunks_exact(2)
        .flat_map(|pair| {
            let (u, v) = ([-0.148, -0.291, 0.439], [0.439, -0.368, -0.071]);
            [brightness(pair[0]), channel(128.0, u, pair[0]), brightness(pair[1]), channel(128.0, v, pair[0])]
        })
        .collect()
}

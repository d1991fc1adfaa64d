//! The camera's recording: photographs before a plain wall, moved, scaled and lit differently from frame to frame.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use super::story::Scene;
use crate::photo;

const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;
const JPEG_QUALITY: u8 = 88;

/// Writes all scenes into one Motion-JPEG file; how many frames it has.
pub fn record(scenes: &[Scene], photos: &Path, recording: &Path) -> Result<u32> {
    let mut file = BufWriter::new(File::create(recording).with_context(|| recording.display().to_string())?);
    let mut count = 0;
    for scene in scenes {
        let photo = scene.photo.map(|name| load(&photos.join(name))).transpose()?;
        for frame in 0..scene.frames {
            let picture = compose(photo.as_ref(), frame, scene.frames);
            JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY).encode_image(&picture)?;
            count += 1;
        }
    }
    file.flush()?;
    Ok(count)
}

fn load(path: &Path) -> Result<RgbImage> {
    let image = photo::load(path)?;
    let (width, height) = (image.width(), image.height());
    RgbImage::from_raw(width, height, image.into_rgb()).with_context(|| path.display().to_string())
}

/// Frame `frame` of `frames`: somebody comes nearer, sways, and walks through light and shade.
fn compose(photo: Option<&RgbImage>, frame: u32, frames: u32) -> RgbImage {
    let progress = frame as f32 / frames.max(1) as f32;
    let mut picture = RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let shade = 96.0 + 40.0 * x as f32 / WIDTH as f32 - 30.0 * y as f32 / HEIGHT as f32;
        Rgb([shade as u8, (shade * 0.97) as u8, (shade * 0.9) as u8])
    });
    if let Some(photo) = photo {
        let height = HEIGHT as f32 * (0.80 + 0.25 * progress);
        let width = height * photo.width() as f32 / photo.height() as f32;
        let scaled = imageops::resize(photo, width as u32, height as u32, FilterType::Triangle);
        let sway = 40.0 * (progress * 5.0).sin();
        let x = (WIDTH as f32 - width) / 2.0 + sway;
        let y = (HEIGHT as f32 - height) / 2.0 + 12.0 * (progress * 9.0).cos() + 20.0;
        imageops::overlay(&mut picture, &scaled, x as i64, y as i64);
    }
    let light = 1.0 + 0.25 * (progress * 7.0 + 1.0).sin();
    for value in picture.iter_mut() {
        *value = (f32::from(*value) * light) as u8;
    }
    picture
}

//! The camera's recording: photographs before a plain wall, moved, scaled and lit differently from frame to frame.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use super::story::Scene;
use crate::domain::Bounds;
use crate::photo;
use crate::vision::Vision;

const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;
const JPEG_QUALITY: u8 = 88;

/// The face's height at the start and at the end of a scene, in pixels.
const FAR_PX: f32 = 130.0;
const NEAR_PX: f32 = 190.0;
const SCARF: Rgb<u8> = Rgb([52, 60, 92]);
const GLASSES: Rgb<u8> = Rgb([22, 22, 26]);

/// Writes all scenes into one Motion-JPEG file, and returns the number of frames.
pub fn record(scenes: &[Scene], photos: &Path, vision: &mut Vision, recording: &Path) -> Result<u32> {
    let mut file = BufWriter::new(File::create(recording).with_context(|| recording.display().to_string())?);
    let mut count = 0;
    for scene in scenes {
        let walker = scene.photo.map(|name| Walker::load(&photos.join(name), scene.covered, vision)).transpose()?;
        for frame in 0..scene.frames {
            let picture = compose(walker.as_ref(), frame as f32 / scene.frames as f32);
            JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY).encode_image(&picture)?;
            count += 1;
        }
    }
    file.flush()?;
    Ok(count)
}

/// A person who walks up to the camera: a photograph and the face in it.
struct Walker {
    photo: RgbImage,
    face: Bounds,
}

impl Walker {
    fn load(path: &Path, covered: bool, vision: &mut Vision) -> Result<Walker> {
        let image = photo::load(path)?;
        let faces = vision.detect(&image)?;
        let face = faces.iter().max_by(|a, b| a.bounds.area().total_cmp(&b.bounds.area()));
        let face = *face.with_context(|| format!("there is no face in {}", path.display()))?;
        let (width, height) = (image.width(), image.height());
        let mut photo =
            RgbImage::from_raw(width, height, image.into_rgb()).with_context(|| path.display().to_string())?;
        if covered {
            let [left_eye, right_eye, nose, _, _] = face.landmarks;
            let b = &face.bounds;
            let (eyes, glass, spare) = ((left_eye.y + right_eye.y) / 2.0, b.width() * 0.15, b.width() * 0.2);
            let within = |v: f32, limit: u32| (v.max(0.0) as u32).min(limit);
            for (top, bottom, colour) in [(eyes - glass, eyes + glass, GLASSES), (nose.y, b.y2 + spare, SCARF)] {
                for y in within(top, height)..within(bottom, height) {
                    for x in within(b.x1 - spare, width)..within(b.x2 + spare, width) {
                        photo.put_pixel(x, y, colour);
                    }
                }
            }
        }
        Ok(Walker { photo, face: face.bounds })
    }
}

/// The frame at `progress` (0 to 1) of a scene: the person comes nearer, sways, and walks through light and shade.
fn compose(walker: Option<&Walker>, progress: f32) -> RgbImage {
    let mut picture = RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let shade = 96.0 + 40.0 * x as f32 / WIDTH as f32 - 30.0 * y as f32 / HEIGHT as f32;
        Rgb([shade as u8, (shade * 0.97) as u8, (shade * 0.9) as u8])
    });
    if let Some(Walker { photo, face }) = walker {
        let zoom = (FAR_PX + (NEAR_PX - FAR_PX) * progress) / face.height().max(1.0);
        let size = |side: u32| ((side as f32 * zoom) as u32).max(1);
        let scaled = imageops::resize(photo, size(photo.width()), size(photo.height()), FilterType::Triangle);
        let centre = face.centre();
        let x = WIDTH as f32 / 2.0 - centre.x * zoom + 40.0 * (progress * 5.0).sin();
        let y = HEIGHT as f32 * 0.42 - centre.y * zoom + 12.0 * (progress * 9.0).cos();
        imageops::overlay(&mut picture, &scaled, x as i64, y as i64);
    }
    let light = 1.0 + 0.25 * (progress * 7.0 + 1.0).sin();
    for value in picture.iter_mut() {
        *value = (f32::from(*value) * light) as u8;
    }
    picture
}

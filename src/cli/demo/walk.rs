//! The camera's recording: people before a plain wall, moved, scaled and lit differently from frame to frame. All of them are photographs; a
//! head that turns is drawn from one (`vision::turned`).

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{DynamicImage, ExtendedColorType, Rgb, RgbImage};

use super::FPS;
use super::story::{Scene, Shows};
use crate::domain::{Face, Image, Point};
use crate::photo;
use crate::vision::Vision;
use crate::vision::turned::turned;

const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;
const JPEG_QUALITY: u8 = 88;

/// The face's height at the start and at the end of a scene, in pixels.
const FAR_PX: f32 = 130.0;
const NEAR_PX: f32 = 190.0;
const SCARF: Rgb<u8> = Rgb([52, 60, 92]);
const GLASSES: Rgb<u8> = Rgb([22, 22, 26]);
const PAPER: Rgb<u8> = Rgb([236, 234, 228]);

/// Who comes walks for so many seconds, and then stands.
const WALK_S: f32 = 1.0;
/// When a head that turns has which yaw: seconds from the beginning of the scene, and degrees towards the right of the picture, which is the
/// person's left. It first looks ahead for as long as a person who failed before must.
const TURNS: [(f32, f32); 9] =
    [(2.9, 0.0), (3.4, 40.0), (4.2, 40.0), (4.7, 0.0), (5.0, 0.0), (5.5, -30.0), (6.3, -30.0), (6.8, 0.0), (9.0, 0.0)];
/// Half the sides of the sheet that is held up, in heights of the face, and the width of its white edge.
const SHEET: (f32, f32) = (0.75, 0.85);
const EDGE: f32 = 0.06;

/// Writes all scenes into one Motion-JPEG file, and returns the number of frames.
pub fn record(scenes: &[Scene], photos: &Path, vision: &mut Vision, recording: &Path) -> Result<u32> {
    let mut file = BufWriter::new(File::create(recording).with_context(|| recording.display().to_string())?);
    let wall = wall();
    let mut count = 0;
    for scene in scenes {
        let figure = Figure::load(scene.shows, photos, vision)?;
        for frame in 0..scene.frames {
            let at = At { second: frame as f32 / FPS as f32, progress: frame as f32 / scene.frames as f32 };
            let picture = compose(&wall, figure.as_ref(), at)?;
            let encoder = &mut JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY);
            encoder.encode(picture.as_raw(), WIDTH, HEIGHT, ExtendedColorType::Rgb8)?;
            count += 1;
        }
    }
    file.flush()?;
    Ok(count)
}

/// A point in a scene.
#[derive(Clone, Copy)]
struct At {
    second: f32,
    /// 0 to 1.
    progress: f32,
}

/// Who is before the camera: a photograph and the face in it.
struct Figure {
    photo: DynamicImage,
    /// The same as large as its face is near the camera.
    near: RgbImage,
    face: Face,
    shows: Shows,
}

impl Figure {
    fn load(shows: Shows, photos: &Path, vision: &mut Vision) -> Result<Option<Figure>> {
        let Some(name) = shows.photo() else { return Ok(None) };
        let path = photos.join(name);
        let image = photo::load(&path)?;
        let faces = vision.detect(&image)?;
        let face = faces.iter().max_by(|a, b| a.bounds.area().total_cmp(&b.bounds.area()));
        let face = *face.with_context(|| format!("there is no face in {}", path.display()))?;
        let (width, height) = (image.width(), image.height());
        let mut photo =
            RgbImage::from_raw(width, height, image.into_rgb()).with_context(|| path.display().to_string())?;
        if let Shows::Covered(_) = shows {
            cover(&mut photo, &face);
        }
        let photo = DynamicImage::ImageRgb8(photo);
        let near = scaled(&photo, NEAR_PX / face.bounds.height().max(1.0));
        Ok(Some(Figure { photo, near, face, shows }))
    }

    /// Lays the photograph over the picture, with a face of `face_px` whose middle is at (x, y); where its landmarks are then.
    fn lay(&self, picture: &mut RgbImage, face_px: f32, x: f32, y: f32) -> [Point; 5] {
        let zoom = face_px / self.face.bounds.height().max(1.0);
        let centre = self.face.bounds.centre();
        let (left, top) = ((x - centre.x * zoom) as i64, (y - centre.y * zoom) as i64);
        match face_px < NEAR_PX {
            true => imageops::overlay(picture, &scaled(&self.photo, zoom), left, top),
            false => imageops::overlay(picture, &self.near, left, top),
        }
        self.face.landmarks.map(|p| Point { x: p.x * zoom + left as f32, y: p.y * zoom + top as f32 })
    }
}

/// The photograph in another size. The resize is the image crate's own code, which is optimised also in a debug build.
fn scaled(photo: &DynamicImage, zoom: f32) -> RgbImage {
    let size = |side: u32| ((side as f32 * zoom) as u32).max(1);
    photo.resize_exact(size(photo.width()), size(photo.height()), FilterType::Triangle).into_rgb8()
}

/// Puts on a scarf and dark glasses.
fn cover(photo: &mut RgbImage, face: &Face) {
    let [left_eye, right_eye, nose, _, _] = face.landmarks;
    let b = &face.bounds;
    let (eyes, glass, spare) = ((left_eye.y + right_eye.y) / 2.0, b.width() * 0.15, b.width() * 0.2);
    let within = |v: f32, limit: u32| (v.max(0.0) as u32).min(limit);
    let (width, height) = photo.dimensions();
    for (top, bottom, colour) in [(eyes - glass, eyes + glass, GLASSES), (nose.y, b.y2 + spare, SCARF)] {
        for y in within(top, height)..within(bottom, height) {
            for x in within(b.x1 - spare, width)..within(b.x2 + spare, width) {
                photo.put_pixel(x, y, colour);
            }
        }
    }
}

/// The wall behind everybody.
fn wall() -> RgbImage {
    RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let shade = 96.0 + 40.0 * x as f32 / WIDTH as f32 - 30.0 * y as f32 / HEIGHT as f32;
        Rgb([shade as u8, (shade * 0.97) as u8, (shade * 0.9) as u8])
    })
}

/// The frame at a point of a scene: the person comes nearer, sways, and stands in light and shade.
fn compose(wall: &RgbImage, figure: Option<&Figure>, at: At) -> Result<RgbImage> {
    let mut picture = wall.clone();
    let middle = (WIDTH as f32 / 2.0, HEIGHT as f32 * 0.42);
    match figure {
        None => {}
        Some(figure) if matches!(figure.shows, Shows::HeldUp(_)) => hold_up(figure, &mut picture, middle, at.second),
        Some(figure) if matches!(figure.shows, Shows::TurningHead(_)) => {
            let near = (at.second / WALK_S).min(1.0);
            let x = middle.0 + 6.0 * (at.second * 1.3).sin();
            let landmarks = figure.lay(&mut picture, FAR_PX + (NEAR_PX - FAR_PX) * near, x, middle.1);
            let seen = Image::new(WIDTH, HEIGHT, picture.into_raw()).context("as many pixels as the picture has")?;
            let drawn = turned(&seen, &landmarks, yaw_at(at.second).to_radians());
            let drawn = drawn.context("the head in this photograph cannot be turned")?;
            picture = RgbImage::from_raw(WIDTH, HEIGHT, drawn.into_rgb()).context("as many pixels as before")?;
        }
        Some(figure) => {
            let (progress, (x, y)) = (at.progress, middle);
            let (right, down) = (40.0 * (progress * 5.0).sin(), 12.0 * (progress * 9.0).cos());
            figure.lay(&mut picture, FAR_PX + (NEAR_PX - FAR_PX) * progress, x + right, y + down);
        }
    }
    let light = 1.0 + 0.25 * (at.progress * 7.0 + 1.0).sin();
    let lit: [u8; 256] = std::array::from_fn(|value| (value as f32 * light) as u8);
    for value in picture.iter_mut() {
        *value = lit.get(usize::from(*value)).copied().unwrap_or(u8::MAX);
    }
    Ok(picture)
}

/// The yaw of a head that turns, in degrees.
fn yaw_at(second: f32) -> f32 {
    let mut before = (0.0, 0.0);
    for (until, yaw) in TURNS {
        if second < until {
            let t = (second - before.0) / (until - before.0);
            // As people move: slowly at first and at last.
            return before.1 + (yaw - before.1) * t * t * (3.0 - 2.0 * t);
        }
        before = (until, yaw);
    }
    before.1
}

/// A sheet of paper with the photograph on it. It is held still for a second, and then moved and tilted about all three axes.
fn hold_up(figure: &Figure, picture: &mut RgbImage, (x, y): (f32, f32), second: f32) {
    let moving = (second - WALK_S).max(0.0);
    let yaw = (42.0 * (moving * 2.4).sin()).to_radians();
    let pitch = (20.0 * (moving * 1.7).sin()).to_radians();
    let (sin, cos) = (10.0 * (moving * 1.1).sin()).to_radians().sin_cos();
    let (x, y) = (x + 30.0 * (moving * 0.9).sin(), y + 10.0 * (moving * 1.3).sin());
    let (zoom, centre) = (NEAR_PX / figure.face.bounds.height().max(1.0), figure.face.bounds.centre());
    let (centre_x, centre_y) = (centre.x * zoom, centre.y * zoom);
    for (u, v, pixel) in picture.enumerate_pixels_mut() {
        let (right, down) = (u as f32 - x, v as f32 - y);
        // Where it is on the sheet, seen by a distant camera.
        let (across, along) = ((right * cos + down * sin) / yaw.cos(), (down * cos - right * sin) / pitch.cos());
        let from_edge = (SHEET.0 * NEAR_PX - across.abs()).min(SHEET.1 * NEAR_PX - along.abs());
        if from_edge >= 0.0 {
            let print = || imageops::interpolate_bilinear(&figure.near, centre_x + across, centre_y + along);
            let inside = from_edge >= EDGE * NEAR_PX;
            *pixel = inside.then(print).flatten().unwrap_or(PAPER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_looks_ahead_turns_left_then_right_and_comes_back() {
        assert_eq!([0.0, 2.5, 3.6, 4.9, 6.0, 7.0, 99.0].map(yaw_at), [0.0, 0.0, 40.0, 0.0, -30.0, 0.0, 0.0]);
        let steps = (0..800).map(|step| (yaw_at(step as f32 / 100.0) - yaw_at((step + 1) as f32 / 100.0)).abs());
        // No head turns faster than 200 degrees a second.
        assert!(steps.fold(0.0, f32::max) < 2.0);
    }
}

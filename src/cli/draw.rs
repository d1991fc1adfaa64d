//! Faces drawn into a picture: their bounds and landmarks.

use std::path::Path;

use anyhow::{Context, Result};

use crate::domain::{Face, Image};

const BOUNDS: [u8; 3] = [40, 220, 90];
const LANDMARK: [u8; 3] = [255, 60, 60];

/// Draws `faces` into `image` and writes it to `path`.
pub fn faces<'a>(mut image: Image, faces: impl Iterator<Item = &'a Face>, path: &Path) -> Result<()> {
    // Lines that can be seen in a large picture that is shown small.
    let thick = (image.width().max(image.height()) / 400).max(1) as i64;
    for face in faces {
        let [x1, y1, x2, y2] = [face.bounds.x1, face.bounds.y1, face.bounds.x2, face.bounds.y2].map(|v| v as i64);
        fill(&mut image, [x1, y1, x2, y1 + thick], BOUNDS);
        fill(&mut image, [x1, y2 - thick, x2, y2], BOUNDS);
        fill(&mut image, [x1, y1, x1 + thick, y2], BOUNDS);
        fill(&mut image, [x2 - thick, y1, x2, y2], BOUNDS);
        for point in face.landmarks {
            let (x, y) = (point.x as i64, point.y as i64);
            fill(&mut image, [x - thick, y - thick, x + thick + 1, y + thick + 1], LANDMARK);
        }
    }
    let (width, height) = (image.width(), image.height());
    image::save_buffer(path, image.rgb(), width, height, image::ExtendedColorType::Rgb8)
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// Fills the part of a rectangle that lies in the picture.
fn fill(image: &mut Image, [x1, y1, x2, y2]: [i64; 4], colour: [u8; 3]) {
    let (width, height) = (i64::from(image.width()), i64::from(image.height()));
    let (x1, x2) = (x1.clamp(0, width) as usize, x2.clamp(0, width) as usize);
    for y in y1.clamp(0, height)..y2.clamp(0, height) {
        let row = &mut image.rgb_mut()[(y * width * 3) as usize..][..(width * 3) as usize];
        for pixel in row.chunks_exact_mut(3).take(x2).skip(x1) {
            pixel.copy_from_slice(&colour);
        }
    }
}

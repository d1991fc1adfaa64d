//! Marks the faces in a photograph (`--draw`): their bounds, their landmarks, and the numbers that the list has.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::domain::{Face, Image};
use crate::lab::lettering;

const BOUNDS: [u8; 3] = [40, 220, 90];
const LANDMARK: [u8; 3] = [255, 60, 60];
const PAPER: [u8; 3] = [0, 0, 0];

/// Draws the bounds, landmarks and numbers of `faces` into `image` and writes it to `path`. The first face has the number 1.
pub fn draw_faces<'a>(mut image: Image, faces: impl Iterator<Item = &'a Face>, path: &Path) -> Result<()> {
    // Thick enough to be visible when a large picture is shown small.
    let thick = (image.width().max(image.height()) / 400).max(1);
    for (number, face) in (1..).zip(faces) {
        mark(&mut image, face, &number.to_string(), i64::from(thick));
    }
    let (width, height) = (image.width(), image.height());
    image::save_buffer(path, image.rgb(), width, height, image::ExtendedColorType::Rgb8)
        .with_context(|| format!("{} cannot be written", path.display()))
}

fn mark(image: &mut Image, face: &Face, number: &str, thick: i64) {
    let [x1, y1, x2, y2] = [face.bounds.x1, face.bounds.y1, face.bounds.x2, face.bounds.y2].map(|v| v as i64);
    fill(image, [x1, y1, x2, y1 + thick], BOUNDS);
    fill(image, [x1, y2 - thick, x2, y2], BOUNDS);
    fill(image, [x1, y1, x1 + thick, y2], BOUNDS);
    fill(image, [x2 - thick, y1, x2, y2], BOUNDS);
    for point in face.landmarks {
        let (x, y) = (point.x as i64, point.y as i64);
        fill(image, [x - thick, y - thick, x + thick + 1, y + thick + 1], LANDMARK);
    }
    let letters = letters(thick);
    let (wide, high) = (i64::from(lettering::width(number, letters)), i64::from(letters));
    // Above the face, or where there is no room, at its upper edge; inside the picture in any case.
    let left = x1.clamp(0, (i64::from(image.width()) - wide).max(0));
    let top = if y1 >= high { y1 - high } else { y1.max(0) };
    fill(image, [left, top, left + wide, top + high], PAPER);
    lettering::write(number, letters, |x, y, share| {
        let (x, y) = (left + i64::from(x), top + i64::from(y));
        fill(image, [x, y, x + 1, y + 1], BOUNDS.map(|value| (f32::from(value) * share) as u8));
    });
}

/// The height of a number, in pixels, beside lines that are `thick` pixels wide.
fn letters(thick: i64) -> u32 {
    u32::try_from(thick).unwrap_or(1).saturating_mul(9).saturating_add(9)
}

/// Fills the part of a rectangle that is inside the picture.
fn fill(image: &mut Image, [x1, y1, x2, y2]: [i64; 4], colour: [u8; 3]) {
    let (width, height) = (i64::from(image.width()), i64::from(image.height()));
    let (x1, x2) = (x1.clamp(0, width) as usize, x2.clamp(0, width) as usize);
    for y in y1.clamp(0, height)..y2.clamp(0, height) {
        let rows = image.rgb_mut().chunks_exact_mut((width * 3) as usize);
        for pixel in rows.skip(y as usize).take(1).flat_map(|row| row.chunks_exact_mut(3)).take(x2).skip(x1) {
            pixel.copy_from_slice(&colour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Bounds, Point, Score};

    fn face(x1: f32, y1: f32) -> Face {
        let bounds = Bounds { x1, y1, x2: x1 + 60.0, y2: y1 + 80.0 };
        Face { bounds, score: Score(1.0), landmarks: [Point { x: x1 + 30.0, y: y1 + 40.0 }; 5] }
    }

    #[test]
    fn each_face_has_its_number_above_it_or_at_its_edge() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.png");
        let grey = Image::new(300, 200, vec![128; 300 * 200 * 3]).unwrap();
        // The second one touches the upper edge, the third one lies partly outside.
        let faces = [face(20.0, 50.0), face(120.0, 2.0), face(280.0, 150.0)];
        draw_faces(grey, faces.iter(), &path).unwrap();
        let drawn = image::open(&path).unwrap().into_rgb8();
        let has = |[x1, y1, x2, y2]: [u32; 4], colour: [u8; 3]| {
            // The edges of letters are mixed with the paper.
            let near = |pixel: [u8; 3]| pixel.iter().zip(colour).all(|(value, wanted)| value.abs_diff(wanted) < 70);
            (x1..x2).any(|x| (y1..y2).any(|y| near(drawn.get_pixel(x, y).0)))
        };
        let high = letters(1);
        for label in
            [[20, 50 - high, 20 + high, 50], [120, 2, 120 + high, 2 + high], [300 - high, 150 - high, 300, 150]]
        {
            assert!(has(label, PAPER) && has(label, BOUNDS), "{label:?}");
        }
        assert!(has([49, 89, 52, 92], LANDMARK) && !has([0, 100, 18, 180], BOUNDS));
    }
}

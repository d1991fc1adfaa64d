//! A drawn face that the detector finds: a picture for `usher bench` and self checks on machines without photographs. A test checks that the
//! detector finds exactly one face in it.

use crate::domain::Image;

/// Size of the picture in pixels, as a camera's.
const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;

/// Scale at which [`FACE`] is drawn.
const SCALE: f32 = 1.2;

/// A soft ellipse: centre and half axes in pixels from the middle of the face, the width of its edge, colour, opacity from 0 to 1.
struct Ellipse(f32, f32, f32, f32, f32, [f32; 3], f32);

const HAIR: [f32; 3] = [45.0, 32.0, 25.0];
const DARK: [f32; 3] = [60.0, 40.0, 33.0];

/// From back to front, relative to the middle of the face. Symmetric parts are listed once.
const FACE: [Ellipse; 21] = [
    Ellipse(0.0, 230.0, 150.0, 90.0, 3.0, [60.0, 70.0, 95.0], 1.0),
    Ellipse(0.0, 110.0, 38.0, 60.0, 3.0, [170.0, 125.0, 100.0], 1.0),
    Ellipse(0.0, -25.0, 82.0, 95.0, 3.0, HAIR, 1.0),
    Ellipse(0.0, 5.0, 70.0, 92.0, 2.5, [190.0, 146.0, 122.0], 1.0),
    Ellipse(0.0, 0.0, 52.0, 76.0, 20.0, [208.0, 164.0, 138.0], 0.9),
    Ellipse(0.0, -82.0, 58.0, 22.0, 4.0, HAIR, 1.0),
    Ellipse(27.0, -14.0, 20.0, 13.0, 4.0, [120.0, 80.0, 65.0], 0.35),
    Ellipse(27.0, -12.0, 13.0, 6.5, 1.2, [235.0, 232.0, 228.0], 1.0),
    Ellipse(27.0, -12.0, 6.3, 6.3, 1.0, [50.0, 35.0, 28.0], 1.0),
    Ellipse(25.0, -14.0, 1.5, 1.5, 0.6, [250.0, 250.0, 250.0], 1.0),
    Ellipse(27.0, -19.0, 14.0, 2.0, 1.2, DARK, 0.9),
    Ellipse(29.0, -29.0, 19.0, 3.4, 1.6, HAIR, 0.85),
    Ellipse(40.0, 28.0, 16.0, 12.0, 5.0, [215.0, 120.0, 105.0], 0.15),
    Ellipse(7.0, 8.0, 5.0, 24.0, 4.0, [120.0, 80.0, 65.0], 0.22),
    Ellipse(-3.0, 6.0, 4.0, 22.0, 4.0, [235.0, 195.0, 170.0], 0.3),
    Ellipse(0.0, 27.0, 15.0, 9.0, 3.0, [165.0, 110.0, 90.0], 0.35),
    Ellipse(7.0, 30.0, 3.6, 2.2, 1.0, DARK, 0.7),
    Ellipse(0.0, 52.0, 25.0, 7.5, 1.8, [165.0, 80.0, 75.0], 0.9),
    Ellipse(0.0, 51.0, 24.0, 1.4, 1.0, [90.0, 40.0, 38.0], 0.85),
    Ellipse(0.0, 66.0, 16.0, 5.0, 3.0, [130.0, 90.0, 72.0], 0.25),
    Ellipse(0.0, 96.0, 30.0, 5.0, 4.0, [130.0, 92.0, 76.0], 0.3),
];
/// The parts of [`FACE`] that are drawn on both sides: eyes, brows, cheeks; and the nostrils.
const MIRRORED: [std::ops::Range<usize>; 2] = [6..13, 16..17];

/// A picture of 640x480 pixels with one drawn face in its middle, about 160 pixels wide.
pub fn face() -> Option<Image> {
    let mut pixels = wall();
    for (place, Ellipse(x, y, a, b, edge, colour, opacity)) in FACE.iter().enumerate() {
        let both = MIRRORED.iter().any(|range| range.contains(&place));
        for side in [1.0, -1.0].iter().take(if both { 2 } else { 1 }) {
            for (at, pixel) in pixels.chunks_exact_mut(3).enumerate() {
                let (column, row) = (at as u32 % WIDTH, at as u32 / WIDTH);
                let (dx, dy) = (column as f32 - WIDTH as f32 / 2.0, row as f32 - HEIGHT as f32 * 0.48);
                let (dx, dy) = (dx / SCALE - side * x, dy / SCALE - y);
                let outside = ((dx / a).hypot(dy / b) - 1.0) * a.min(*b);
                let cover = opacity / (1.0 + (outside / edge).clamp(-30.0, 30.0).exp());
                for (value, of) in pixel.iter_mut().zip(colour) {
                    *value = (f32::from(*value) * (1.0 - cover) + of * cover).round() as u8;
                }
            }
        }
    }
    Image::new(WIDTH, HEIGHT, pixels)
}

/// The same picture without the face.
pub fn empty_scene() -> Option<Image> {
    Image::new(WIDTH, HEIGHT, wall())
}

/// A wall that is lighter at the top.
fn wall() -> Vec<u8> {
    let brightness = |row: u32| 133 - (30 * row / HEIGHT) as u8;
    (0..HEIGHT).flat_map(|row| std::iter::repeat_n(brightness(row), WIDTH as usize * 3)).collect()
}

//! How suitable a face is for recognition, measured on its aligned picture and its landmarks. The limits are set by `access` and by
//! enrolment.

#![expect(clippy::indexing_slicing, reason = "the loops stay inside a square whose side is checked first")]

use super::align::AlignedFace;
use crate::domain::{Bounds, Chroma, Face, Image, Point, Quality};

/// Distance of the tip of the nose from the plane of the eyes, relative to the distance between the eyes: about 0.4 on an average head.
/// From it and the sideways shift of the nose follows the yaw.
const NOSE_DEPTH: f32 = 0.4;
/// Position of the tip of the nose between the line of the eyes (0) and that of the mouth (1) on a face that looks straight ahead: the mean
/// over LFW View 1's faces.
const NOSE_LEVEL: f32 = 0.53;

/// The least saturation of a face with colour: the mean difference of the largest and the smallest of red, green and blue, as a share of the mean of
/// the largest. A grey picture has 0, and .02 after chroma in 8 bits. Of the 4,992 photographs of LFW's View 1, 23 black and white ones have .04 or
/// less in the middle, one that is tinted has .09; those in colour have .06 to .6.
pub(super) const LEAST_SATURATION: f32 = 0.05;

/// Measures `face`, whose aligned picture is `aligned`; all but the embedding's length. `scratch` holds the brightness plane.
pub(super) fn quality(face: &Face, aligned: &AlignedFace, scratch: &mut Vec<i16>) -> Quality {
    let (sharpness, brightness) = sharpness_and_brightness(aligned, scratch);
    let chroma = chroma(aligned);
    let (yaw, pitch, roll) = pose(&face.landmarks);
    Quality {
        size: face.bounds.width().min(face.bounds.height()),
        sharpness,
        yaw,
        pitch,
        roll,
        brightness,
        length: None,
        chroma,
    }
}

/// The mean brightness, 0 to 255, of the middle three quarters of a face in `image`: of every second pixel of every second row. 0 where no pixel of it is
/// inside the picture.
pub fn brightness(image: &Image, bounds: &Bounds) -> f32 {
    // Casts saturate, and turn not-a-number into 0.
    let side = |from: f32, to: f32, most: u32| {
        let edge = (to - from) / 8.0;
        ((from + edge).ceil() as usize, ((to - edge).ceil() as usize).min(most as usize))
    };
    let (left, right) = side(bounds.x1, bounds.x2, image.width());
    let (top, bottom) = side(bounds.y1, bounds.y2, image.height());
    let (mut sum, mut count) = (0u64, 0u64);
    for row in image.rgb().chunks_exact(image.width() as usize * 3).take(bottom).skip(top).step_by(2) {
        for pixel in row.as_chunks::<3>().0.iter().take(right).skip(left).step_by(2) {
            sum += u64::from(luma(*pixel).unsigned_abs());
            count += 1;
        }
    }
    sum as f32 / count.max(1) as f32
}

/// ITU-R BT.601 weights in 256ths.
pub(super) fn luma([r, g, b]: [u8; 3]) -> i16 {
    ((u32::from(r) * 77 + u32::from(g) * 150 + u32::from(b) * 29) >> 8) as i16
}

/// Sharpness: the variance of the Laplacian (Pech-Pacheco et al. 2000) over the middle of the face; and the mean brightness there, 0 to 255.
fn sharpness_and_brightness(aligned: &AlignedFace, scratch: &mut Vec<i16>) -> (f32, f32) {
    let side = aligned.side;
    // The middle three quarters; the rest is hair and background.
    let (from, to) = (side / 8, side - side / 8);
    if to < from + 3 {
        return (0.0, 0.0);
    }
    let width = to - from;
    scratch.clear();
    for row in aligned.rgb.chunks_exact(side * 3).skip(from).take(width) {
        scratch.extend(row[from * 3..to * 3].as_chunks::<3>().0.iter().map(|pixel| luma(*pixel)));
    }
    let brightness = scratch.iter().map(|&v| i64::from(v)).sum::<i64>() as f32 / scratch.len() as f32;
    let (mut sum, mut squares) = (0i64, 0i64);
    for y in 1..width - 1 {
        let line = |y: usize| &scratch[y * width..][..width];
        let (up, here, down) = (line(y - 1), line(y), line(y + 1));
        for x in 1..width - 1 {
            let value = i64::from(up[x] + down[x] + here[x - 1] + here[x + 1] - 4 * here[x]);
            sum += value;
            squares += value * value;
        }
    }
    let count = ((width - 2) * (width - 2)) as f64;
    let mean = sum as f64 / count;
    ((squares as f64 / count - mean * mean) as f32, brightness)
}

/// Whether the middle of the face has colour. A black one has none.
fn chroma(aligned: &AlignedFace) -> Chroma {
    let side = aligned.side;
    let (from, to) = (side / 8, side - side / 8);
    let (mut colour, mut light) = (0u64, 0u64);
    for row in aligned.rgb.chunks_exact((side * 3).max(1)).take(to).skip(from) {
        for [r, g, b] in row.as_chunks::<3>().0.iter().take(to).skip(from) {
            let largest = *r.max(g).max(b);
            colour += u64::from(largest - *r.min(g).min(b));
            light += u64::from(largest);
        }
    }
    if colour as f32 >= light as f32 * LEAST_SATURATION && colour > 0 { Chroma::Colour } else { Chroma::Grey }
}

/// Yaw, pitch and roll in degrees from the five landmarks: an estimate, accurate to about ten degrees.
fn pose([left, right, nose, mouth_left, mouth_right]: &[Point; 5]) -> (f32, f32, f32) {
    let middle = |a: &Point, b: &Point| Point { x: (a.x + b.x) / 2.0, y: (a.y + b.y) / 2.0 };
    let (eyes, mouth) = (middle(left, right), middle(mouth_left, mouth_right));
    let (ex, ey) = (right.x - left.x, right.y - left.y);
    let between = ex.hypot(ey).max(1e-3);
    let roll = ey.atan2(ex);
    // The face's own axes: along the eyes, and from the eyes to the mouth.
    let along = |p: &Point, from: &Point| ((p.x - from.x) * ex + (p.y - from.y) * ey) / between;
    let across = |p: &Point, from: &Point| ((p.y - from.y) * ex - (p.x - from.x) * ey) / between;
    let length = across(&mouth, &eyes).max(1e-3);
    // The nose relative to the line from the middle of the eyes to that of the mouth, so that a tilted mouth does not count as yaw.
    let level = across(nose, &eyes) / length;
    let spine = along(&mouth, &eyes) * level;
    // From the side the eyes appear closer together, so the face's length limits their distance from below (normally 1.0 to 1.1 of it).
    let wide = between.max(length * 0.9);
    let yaw = ((along(nose, &eyes) - spine) / (NOSE_DEPTH * wide)).clamp(-1.0, 1.0).asin();
    let pitch = ((NOSE_LEVEL - level) * length / (NOSE_DEPTH * wide)).clamp(-1.0, 1.0).asin();
    (yaw.to_degrees(), pitch.to_degrees(), roll.to_degrees())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(p: [[f32; 2]; 5]) -> [Point; 5] {
        p.map(|[x, y]| Point { x, y })
    }

    #[test]
    fn a_frontal_face_has_no_pose_and_a_turned_one_has_its_sign() {
        let frontal = [[38.0, 52.0], [74.0, 52.0], [56.0, 73.5], [42.0, 92.0], [70.0, 92.0]];
        let (yaw, pitch, roll) = pose(&points(frontal));
        assert!(yaw.abs() < 3.0 && pitch.abs() < 5.0 && roll.abs() < 1.0, "{yaw} {pitch} {roll}");
        let mut turned = frontal;
        turned[2][0] += 9.0;
        assert!(pose(&points(turned)).0 > 25.0);
        turned[2][0] -= 18.0;
        assert!(pose(&points(turned)).0 < -25.0);
        let mut down = frontal;
        down[2][1] += 9.0;
        assert!(pose(&points(down)).1 < -20.0);
    }

    #[test]
    fn a_tilted_head_is_roll_and_not_yaw() {
        let (sin, cos) = 0.5f32.sin_cos();
        let tilted = [[38.0, 52.0], [74.0, 52.0], [56.0, 73.5], [42.0, 92.0], [70.0, 92.0]]
            .map(|[x, y]: [f32; 2]| [x * cos - y * sin, x * sin + y * cos]);
        let (yaw, _, roll) = pose(&points(tilted));
        assert!((roll - 28.6).abs() < 1.0 && yaw.abs() < 4.0, "{yaw} {roll}");
    }

    #[test]
    fn a_flat_face_is_not_sharp_and_a_chequered_one_is() {
        let face = |f: &dyn Fn(usize) -> u8| AlignedFace { side: 32, rgb: (0..32 * 32 * 3).map(f).collect() };
        let mut scratch = Vec::new();
        let (flat, grey) = sharpness_and_brightness(&face(&|_| 90), &mut scratch);
        let (sharp, _) =
            sharpness_and_brightness(&face(&|i| if (i / 3 + i / 96) % 2 == 0 { 0 } else { 255 }), &mut scratch);
        assert!(flat == 0.0 && (grey - 90.0).abs() < 1.0 && sharp > 10_000.0);
    }

    #[test]
    fn a_face_whose_colours_are_nearly_equal_is_grey() {
        let face =
            |pixel: &dyn Fn(usize) -> [u8; 3]| AlignedFace { side: 32, rgb: (0..32 * 32).flat_map(pixel).collect() };
        let level = |at: usize| (at * 7 % 200) as u8 + 20;
        assert_eq!(chroma(&face(&|at| [level(at); 3])), Chroma::Grey);
        // As a decoder rounds.
        assert_eq!(chroma(&face(&|at| [level(at) + 1, level(at), level(at) + 2])), Chroma::Grey);
        assert_eq!(chroma(&face(&|at| [level(at) + 20, level(at) + 5, level(at)])), Chroma::Colour);
        // Colour in a dim light is still colour.
        assert_eq!(chroma(&face(&|_| [20, 17, 16])), Chroma::Colour);
        // What is beside the face does not count.
        let inside = |at: usize| (4..28).contains(&(at % 32)) && (4..28).contains(&(at / 32));
        assert_eq!(chroma(&face(&|at| if inside(at) { [90; 3] } else { [200, 20, 20] })), Chroma::Grey);
        assert_eq!(chroma(&face(&|_| [0; 3])), Chroma::Grey);
        assert_eq!(chroma(&AlignedFace { side: 0, rgb: Vec::new() }), Chroma::Grey);
    }

    #[test]
    fn the_brightness_of_a_face_is_that_of_its_middle() {
        let rgb = (0..60u32 * 80).flat_map(|at| [if (20..40).contains(&(at % 80)) { 200u8 } else { 10 }; 3]).collect();
        let image = Image::new(80, 60, rgb).unwrap();
        let face = |x1, y1, x2, y2| brightness(&image, &Bounds { x1, y1, x2, y2 });
        assert!((face(18.0, 5.0, 42.0, 30.0) - 199.0).abs() < 2.0);
        assert!((face(50.0, 5.0, 70.0, 30.0) - 9.0).abs() < 2.0);
        assert!((face(-40.0, -40.0, 16.0, 30.0) - 9.0).abs() < 2.0);
        assert_eq!(face(500.0, 5.0, 700.0, 30.0), 0.0);
        assert_eq!(face(f32::NAN, 5.0, f32::NAN, 30.0), 0.0);
    }
}

//! Draws a photograph as if the head in it had turned: the face is laid over the mean face's landmarks and outline (`face_shape`), the mesh is
//! turned, and the photograph is drawn again.
//!
//! For demonstrations and tests. It is no picture of what a camera would see: the shape between the landmarks is the mean face's, light and
//! shadow stay as they are, and what the photograph does not show of the far side is not made up but squeezed.

use super::face_shape::Pose;
use super::frontal::{mesh, visible_pieces};
use super::pyramid::{Halvings, Sampler};
use crate::domain::{Image, Point};

/// The largest yaw, in radians (40 degrees). Beyond it the nose hides a part of the mean face's mesh. A face's own proportions may hide a
/// part of the far jaw before.
const MOST: f32 = 0.7;

/// `image` with the face at these landmarks turned so that its yaw is `yaw` radians; 0 is straight ahead, positive is towards the right of the
/// picture. The edge of the head's surroundings, and what lies outside, stay where they are.
///
/// `None` if the landmarks are not those of a face, or if `yaw` is beyond 40 degrees.
pub fn turned(image: &Image, landmarks: &[Point; 5], yaw: f32) -> Option<Image> {
    let pose = Pose::fit(landmarks);
    if yaw.is_nan() || yaw.abs() > MOST {
        return None;
    }
    let pieces = visible_pieces((&mesh(&pose, yaw), &pose.view), (&mesh(&pose, pose.yaw), &pose.view))?;
    let mut halvings = Halvings::default();
    halvings.make(image, usize::MAX);
    let sampler = Sampler::new(image, &halvings, 1.0);
    let (width, mut rgb) = (image.width() as usize, image.rgb().to_vec());
    let mut spans = Vec::with_capacity(pieces.len());
    for (v, row) in rgb.chunks_exact_mut(width.max(1) * 3).enumerate() {
        let y = v as f32;
        spans.clear();
        spans.extend(pieces.iter().filter_map(|piece| Some((piece.span(y)?, piece.source))));
        for ((from, to), source) in &spans {
            let (first, last) = (from.max(0.0).ceil() as usize, to.floor());
            let pixels = row.as_chunks_mut::<3>().0.iter_mut().enumerate().skip(first);
            for (u, pixel) in pixels.take_while(|(u, _)| *u as f32 <= last) {
                *pixel = sampler.at(source.apply(Point { x: u as f32, y }));
            }
        }
    }
    Image::new(image.width(), image.height(), rgb)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::face_shape::LANDMARKS;

    /// Where the mean face is in the pictures of these tests, 60 pixels between the eyes.
    fn face(yaw: f32) -> [Point; 5] {
        LANDMARKS.map(|spot| {
            let p = spot.turned(yaw);
            Point { x: 160.0 + 60.0 * p.x, y: 120.0 + 60.0 * p.y }
        })
    }

    /// Black, with a white dot on each landmark.
    fn dotted() -> Image {
        let mut rgb = vec![0; 320 * 320 * 3];
        for p in face(0.0) {
            let (x, y) = (p.x.round() as usize, p.y.round() as usize);
            for (y, x) in (y - 2..=y + 2).flat_map(|y| (x - 2..=x + 2).map(move |x| (y, x))) {
                rgb[(y * 320 + x) * 3..][..3].fill(255);
            }
        }
        Image::new(320, 320, rgb).unwrap()
    }

    #[test]
    fn the_landmarks_go_where_a_turned_head_has_them() {
        for degrees in [-40.0_f32, -15.0, 20.0, 40.0] {
            let yaw = degrees.to_radians();
            let drawn = turned(&dotted(), &face(0.0), yaw).unwrap();
            for p in face(yaw) {
                let at = (p.y.round() as usize * 320 + p.x.round() as usize) * 3;
                assert!(drawn.rgb()[at] > 128, "{degrees}: {p:?}");
            }
        }
    }

    #[test]
    fn what_surrounds_the_head_stays() {
        let striped = (0..320 * 320).flat_map(|i| [(i % 7 * 30) as u8; 3]).collect();
        let image = Image::new(320, 320, striped).unwrap();
        let drawn = turned(&image, &face(0.0), 0.5).unwrap();
        assert_eq!(drawn.rgb()[..320 * 3], image.rgb()[..320 * 3]);
        assert_eq!(drawn.rgb()[319 * 320 * 3..], image.rgb()[319 * 320 * 3..]);
        assert!(drawn != image);
    }

    #[test]
    fn impossible_turns_and_landmarks_are_refused() {
        for yaw in [0.8, -0.8, f32::NAN, f32::INFINITY] {
            assert!(turned(&dotted(), &face(0.0), yaw).is_none(), "{yaw}");
        }
        // From one side to the other.
        assert!(turned(&dotted(), &face(0.5), -0.5).is_some());
        assert!(turned(&dotted(), &[Point { x: 9.0, y: 9.0 }; 5], 0.1).is_none());
        assert!(turned(&dotted(), &[Point { x: f32::NAN, y: 9.0 }; 5], 0.1).is_none());
    }
}

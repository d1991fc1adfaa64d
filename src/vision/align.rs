//! Alignment: cuts a face out for an embedder by its bounds with a margin, by its five landmarks, or frontalised.

use super::crop::{Cropper, Outside};
use super::frontal::Frontal;
use super::manifest::{Alignment, MarginOf};
use super::pyramid::{Halvings, Sampler};
use super::similarity::Similarity;
use crate::domain::{Face, Image, Point};

/// An upright face in a square of an embedder's input size: `side * side * 3` RGB bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlignedFace {
    pub side: usize,
    pub rgb: Vec<u8>,
}

impl AlignedFace {
    /// Mirrors the face left to right, in place.
    pub fn mirror(&mut self) {
        for row in self.rgb.chunks_exact_mut(self.side.max(1) * 3) {
            // Reversing the bytes swaps red and blue, which is undone pixel by pixel.
            row.reverse();
            row.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
        }
    }
}

/// The region that a box alignment cuts out, `[x1, y1, x2, y2]` in pixels of `image`, x2 and y2 exclusive: the bounds extended by half of
/// `margin` on each side, clipped to the picture, at least one pixel wide and high (the FaceNet project's `align_dataset_mtcnn`).
pub fn region(image: &Image, face: &Face, margin: f32, margin_of: MarginOf, side: usize) -> [u32; 4] {
    let b = &face.bounds;
    let (dx, dy) = match margin_of {
        MarginOf::Photograph => (margin / 2.0, margin / 2.0),
        // So that `margin` of the `side` output pixels are outside the bounds.
        MarginOf::Input => {
            let share = margin / (side as f32 - margin).max(1.0) / 2.0;
            (b.width() * share, b.height() * share)
        }
    };
    let span = |low: f32, high: f32, limit: u32| {
        let low = (low.max(0.0) as u32).min(limit - 1);
        (low, (high.max(0.0) as u32).clamp(low + 1, limit))
    };
    let (x1, x2) = span(b.x1 - dx, b.x2 + dx, image.width());
    let (y1, y2) = span(b.y1 - dy, b.y2 + dy, image.height());
    [x1, y1, x2, y2]
}

/// Cuts `face` out of `image` into `out`. `halvings` must have been made of `image`.
pub(super) fn align(
    image: &Image,
    halvings: &Halvings,
    face: &Face,
    alignment: &Alignment,
    side: usize,
    cropper: &mut Cropper,
    out: &mut AlignedFace,
) {
    out.side = side;
    out.rgb.resize(side * side * 3, 0);
    match alignment {
        Alignment::Box { margin, margin_of } => {
            by_box(image, halvings, region(image, face, *margin, *margin_of, side), side, cropper, &mut out.rgb)
        }
        Alignment::FivePoint { template } => by_landmarks(image, halvings, face, template, side, &mut out.rgb),
        Alignment::Frontal { template } => match Frontal::of(&face.landmarks, template) {
            Some(frontal) => frontal.draw(image, halvings, side, &mut out.rgb),
            None => by_landmarks(image, halvings, face, template, side, &mut out.rgb),
        },
    }
}

/// A region, resized to a square.
fn by_box(
    image: &Image,
    halvings: &Halvings,
    [x1, y1, x2, y2]: [u32; 4],
    side: usize,
    cropper: &mut Cropper,
    out: &mut [u8],
) {
    let [x, y, w, h] = [x1, y1, x2 - x1, y2 - y1].map(|v| v as f32);
    let (view, times) = halvings.for_shrink(image, w.max(h) / side as f32);
    let scale = (-(times as f32)).exp2();
    cropper.crop(view, Outside::Repeats, [x * scale, y * scale, w * scale, h * scale], (side, side), out);
}

/// Applies the similarity transform that maps the landmarks closest to the template, with bilinear sampling; black outside the picture.
/// The distance is minimised in the template's coordinates, as InsightFace did for the training data of such networks. A fit from the
/// template to the picture would give a smaller region, the more so the worse the landmarks fit.
fn by_landmarks(
    image: &Image,
    halvings: &Halvings,
    face: &Face,
    template: &[[f32; 2]; 5],
    side: usize,
    out: &mut [u8],
) {
    let target = template.map(|[x, y]| Point { x, y });
    // From the output's pixels to the picture's.
    let back = Similarity::between(&face.landmarks, &target).inverse();
    let sampler = Sampler::new(image, halvings, back.scale());
    for (v, row) in out.chunks_exact_mut(side * 3).enumerate() {
        for (u, pixel) in row.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            *pixel = sampler.at(back.apply(Point { x: u as f32, y: v as f32 }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Bounds, Score};
    use proptest::prelude::*;

    const TEMPLATE: [[f32; 2]; 5] = [[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]];

    fn face(landmarks: [Point; 5]) -> Face {
        Face { bounds: Bounds { x1: 0.0, y1: 0.0, x2: 112.0, y2: 112.0 }, score: Score(1.0), landmarks }
    }

    fn aligned(image: &Image, face: &Face, alignment: &Alignment) -> AlignedFace {
        let (mut halvings, mut out) = (Halvings::default(), AlignedFace::default());
        halvings.make(image, 1);
        align(image, &halvings, face, alignment, 112, &mut Cropper::default(), &mut out);
        out
    }

    #[test]
    fn landmarks_on_the_template_leave_the_picture_unchanged() {
        let image = Image::new(112, 112, (0..112 * 112 * 3).map(|v| (v % 251) as u8).collect()).unwrap();
        let face = face(TEMPLATE.map(|[x, y]| Point { x, y }));
        let out = aligned(&image, &face, &Alignment::FivePoint { template: TEMPLATE });
        let far = out.rgb.iter().zip(image.rgb()).filter(|(a, b)| a.abs_diff(**b) > 1).count();
        assert_eq!(far, 0);
    }

    #[test]
    fn a_box_without_margin_is_a_plain_cut() {
        let image = Image::new(112, 112, (0..112 * 112 * 3).map(|v| (v % 251) as u8).collect()).unwrap();
        let out =
            aligned(&image, &face([Point::default(); 5]), &Alignment::Box { margin: 0.0, margin_of: MarginOf::Input });
        assert_eq!(out.rgb, image.rgb());
    }

    #[test]
    fn mirroring_twice_gives_the_same_face() {
        let face = AlignedFace { side: 2, rgb: (0..12).collect() };
        let mut mirrored = face.clone();
        mirrored.mirror();
        assert_eq!(mirrored.rgb, [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8]);
        mirrored.mirror();
        assert_eq!(mirrored, face);
    }

    #[test]
    fn a_margin_is_in_pixels_of_the_photograph_or_of_the_output() {
        let image = Image::new(250, 200, vec![0; 250 * 200 * 3]).unwrap();
        let bounds = Bounds { x1: 60.5, y1: 10.0, x2: 124.5, y2: 90.9 };
        let face = Face { bounds, score: Score(1.0), landmarks: [Point::default(); 5] };
        assert_eq!(region(&image, &face, 32.0, MarginOf::Photograph, 160), [44, 0, 140, 106]);
        // 32 of 160 pixels are a fifth of the cut-out, a quarter of the box: 16 and 20 pixels.
        assert_eq!(region(&image, &face, 32.0, MarginOf::Input, 160), [52, 0, 132, 101]);
    }

    #[test]
    fn a_cut_at_the_edge_of_the_picture_is_not_darker_there() {
        let image = Image::new(60, 60, vec![200; 60 * 60 * 3]).unwrap();
        let out =
            aligned(&image, &face([Point::default(); 5]), &Alignment::Box { margin: 8.0, margin_of: MarginOf::Input });
        assert!(out.rgb.iter().all(|&v| v == 200));
    }

    proptest! {
        #[test]
        fn any_bounds_have_a_region_inside_the_picture(
            corners in prop::array::uniform4(prop::num::f32::ANY), margin in -10f32..400.0, width in 1u32..40, height in 1u32..40,
        ) {
            let image = Image::new(width, height, vec![9; (width * height * 3) as usize]).unwrap();
            let [x1, y1, x2, y2] = corners;
            let face = Face { bounds: Bounds { x1, y1, x2, y2 }, score: Score(1.0), landmarks: [Point::default(); 5] };
            for of in [MarginOf::Input, MarginOf::Photograph] {
                let [x1, y1, x2, y2] = region(&image, &face, margin, of, 160);
                prop_assert!(x1 < x2 && x2 <= width && y1 < y2 && y2 <= height);
                let out = aligned(&image, &face, &Alignment::Box { margin, margin_of: of });
                prop_assert!(out.rgb.iter().all(|&v| v == 9));
            }
        }

        #[test]
        fn wild_landmarks_do_not_panic(points in prop::array::uniform5((prop::num::f32::ANY, prop::num::f32::ANY))) {
            let image = Image::new(20, 30, vec![9; 1800]).unwrap();
            let face = face(points.map(|(x, y)| Point { x, y }));
            for alignment in [Alignment::FivePoint { template: TEMPLATE }, Alignment::Frontal { template: TEMPLATE }] {
                let out = aligned(&image, &face, &alignment);
                prop_assert!(out.rgb.iter().all(|&v| v == 0 || v == 9));
            }
        }
    }
}

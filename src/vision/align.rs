//! Cutting a face out for an embedder: by its bounds with a margin, or by its five landmarks.
//!
//! Knows nothing of what the embedder makes of it.

use super::crop::{Cropper, Outside};
use super::manifest::{Alignment, MarginOf};
use super::pyramid::Halvings;
use crate::domain::{Face, Image, Point};

/// A face upright in a square of an embedder's input size: `side * side * 3` RGB bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlignedFace {
    pub side: usize,
    pub rgb: Vec<u8>,
}

impl AlignedFace {
    /// Swaps left and right, in place.
    pub fn mirror(&mut self) {
        for row in self.rgb.chunks_exact_mut(self.side.max(1) * 3) {
            // Whole bytes swap the colours too, so each pixel is turned back.
            row.reverse();
            row.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
        }
    }
}

/// The pixels of `image` from (x1, y1) up to but without (x2, y2) that a box alignment cuts out: the bounds, grown by half of `margin`
/// on each side, cut at the picture's edges, whole pixels, at least one each way (the FaceNet project's `align_dataset_mtcnn`).
pub fn region(image: &Image, face: &Face, margin: f32, margin_of: MarginOf, side: usize) -> [u32; 4] {
    let b = &face.bounds;
    let (dx, dy) = match margin_of {
        MarginOf::Photograph => (margin / 2.0, margin / 2.0),
        // So that `margin` of the `side` pixels lie outside the bounds.
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
    }
}

/// The region that [`region`] gives, stretched to a square.
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

/// The similarity transform that brings the landmarks nearest to the template, sampled bilinearly; black outside the picture.
/// The distance is measured on the template's side, as InsightFace cut the faces that such networks are trained with: the fit
/// from the template to the picture would give a smaller region, the more so the worse the landmarks fit.
fn by_landmarks(
    image: &Image,
    halvings: &Halvings,
    face: &Face,
    template: &[[f32; 2]; 5],
    side: usize,
    out: &mut [u8],
) {
    let target = template.map(|[x, y]| Point { x, y });
    // From the output's pixels back into the picture.
    let back = Similarity::between(&face.landmarks, &target).inverse();
    let (view, times) = halvings.for_shrink(image, back.scale());
    let shrink = (-(times as f32)).exp2();
    // A pixel's centre lies half a pixel inside, at every size.
    let half = 0.5 * shrink - 0.5;
    let stride = view.width * 3;
    let (right, bottom) = (view.width as f32 - 1.0, view.height as f32 - 1.0);
    for (v, row) in out.chunks_exact_mut(side * 3).enumerate() {
        for (u, pixel) in row.chunks_exact_mut(3).enumerate() {
            let p = back.apply(Point { x: u as f32, y: v as f32 });
            let (x, y) = (p.x * shrink + half, p.y * shrink + half);
            // Half a pixel beyond the edge still belongs to the edge's pixel. (NaN is outside.)
            if !(x > -0.5 && y > -0.5 && x < right + 0.5 && y < bottom + 0.5) {
                pixel.fill(0);
                continue;
            }
            let (x, y) = (x.clamp(0.0, right), y.clamp(0.0, bottom));
            let (x0, y0) = (x as usize, y as usize);
            let (fx, fy) = (x - x0 as f32, y - y0 as f32);
            let (x1, y1) = ((x0 + 1).min(view.width - 1), (y0 + 1).min(view.height - 1));
            let at = |x: usize, y: usize| &view.rgb[y * stride + x * 3..][..3];
            let (a, b, c, d) = (at(x0, y0), at(x1, y0), at(x0, y1), at(x1, y1));
            for k in 0..3 {
                let top = f32::from(a[k]) + (f32::from(b[k]) - f32::from(a[k])) * fx;
                let low = f32::from(c[k]) + (f32::from(d[k]) - f32::from(c[k])) * fx;
                pixel[k] = (top + (low - top) * fy + 0.5) as u8;
            }
        }
    }
}

/// Rotation, one scale and a shift: `x' = a x - b y + c`, `y' = b x + a y + d`.
#[derive(Clone, Copy, Debug)]
struct Similarity {
    a: f32,
    b: f32,
    c: f32,
    d: f32,
}

impl Similarity {
    /// The one with the least squared distance from `from` to `to` (Umeyama 1991, without reflection; in the plane it has this
    /// closed form).
    fn between(from: &[Point; 5], to: &[Point; 5]) -> Similarity {
        let mean = |points: &[Point; 5]| {
            let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + f64::from(p.x), y + f64::from(p.y)));
            (x / 5.0, y / 5.0)
        };
        let (mf, mt) = (mean(from), mean(to));
        let (mut dot, mut cross, mut spread) = (0.0, 0.0, 0.0);
        for (f, t) in from.iter().zip(to) {
            let (fx, fy) = (f64::from(f.x) - mf.0, f64::from(f.y) - mf.1);
            let (tx, ty) = (f64::from(t.x) - mt.0, f64::from(t.y) - mt.1);
            dot += fx * tx + fy * ty;
            cross += fx * ty - fy * tx;
            spread += fx * fx + fy * fy;
        }
        let (a, b) = (dot / spread.max(1e-9), cross / spread.max(1e-9));
        let (c, d) = (mt.0 - a * mf.0 + b * mf.1, mt.1 - b * mf.0 - a * mf.1);
        Similarity { a: a as f32, b: b as f32, c: c as f32, d: d as f32 }
    }

    /// The way back; not finite where the similarity shrinks everything to a point.
    fn inverse(&self) -> Similarity {
        let square = self.a * self.a + self.b * self.b;
        let (a, b) = (self.a / square, -self.b / square);
        Similarity { a, b, c: b * self.d - a * self.c, d: -b * self.c - a * self.d }
    }

    fn apply(&self, p: Point) -> Point {
        Point { x: self.a * p.x - self.b * p.y + self.c, y: self.b * p.x + self.a * p.y + self.d }
    }

    fn scale(&self) -> f32 {
        self.a.hypot(self.b)
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
    fn landmarks_on_the_template_leave_the_picture_as_it_is() {
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
    fn a_mirrored_face_is_the_other_way_round_and_back_again() {
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
        fn a_similarity_is_found_again(angle in -3.0f32..3.0, scale in 0.2f32..5.0, c in -200f32..200.0, d in -200f32..200.0) {
            let truth = Similarity { a: scale * angle.cos(), b: scale * angle.sin(), c, d };
            let from = TEMPLATE.map(|[x, y]| Point { x, y });
            let found = Similarity::between(&from, &from.map(|p| truth.apply(p)));
            for p in from {
                let (p, q) = (truth.apply(p), found.apply(p));
                prop_assert!((p.x - q.x).abs() < 0.01 * scale.max(1.0) && (p.y - q.y).abs() < 0.01 * scale.max(1.0));
            }
        }

        #[test]
        fn there_and_back_is_where_it_was(angle in -3.0f32..3.0, scale in 0.2f32..5.0, x in -200f32..200.0, y in -200f32..200.0) {
            let there = Similarity { a: scale * angle.cos(), b: scale * angle.sin(), c: x, d: -y };
            let p = there.inverse().apply(there.apply(Point { x: y, y: x }));
            prop_assert!((p.x - y).abs() < 0.01 && (p.y - x).abs() < 0.01);
        }

        #[test]
        fn landmarks_that_do_not_fit_are_cut_larger_and_not_smaller(
            noise in prop::array::uniform5((-9f32..9.0, -9f32..9.0)), scale in 0.5f32..4.0,
        ) {
            let template = TEMPLATE.map(|[x, y]| Point { x, y });
            let seen: [Point; 5] = std::array::from_fn(|i| Point {
                x: scale * (template[i].x + noise[i].0),
                y: scale * (template[i].y + noise[i].1),
            });
            // Least squares shrink towards the mean what they cannot explain; the inverse of a shrunken fit is a larger region.
            let back = Similarity::between(&seen, &template).inverse();
            let other = Similarity::between(&template, &seen);
            prop_assert!(back.scale() >= other.scale() * 0.9999);
        }

        #[test]
        fn wild_landmarks_do_not_panic(points in prop::array::uniform5((prop::num::f32::ANY, prop::num::f32::ANY))) {
            let image = Image::new(20, 30, vec![9; 1800]).unwrap();
            let face = face(points.map(|(x, y)| Point { x, y }));
            let out = aligned(&image, &face, &Alignment::FivePoint { template: TEMPLATE });
            prop_assert!(out.rgb.iter().all(|&v| v == 0 || v == 9));
        }
    }
}

//! Frontalisation: turns a face to the front with a mesh over the five landmarks and the outline of a mean face, mapping each triangle
//! affinely.
//!
//! This is DeepFace's frontalisation (Taigman et al. 2014) with 5 landmarks instead of 67, so the shape between them is the mean face's, and
//! with roll and yaw corrected but not pitch (`face_shape`). What the yaw hides is stretched, not mirrored: a face's halves are not mirror
//! images. Landmarks keep their offsets from the mean face, so a face that looks straight ahead is cut out as by a similarity, with its own
//! proportions.

#![expect(
    clippy::indexing_slicing,
    reason = "vertices and triangles are constant tables, and `draw` counts at most as many spans as triangles"
)]

use super::face_shape::{LANDMARKS, OUTLINE, Pose};
use super::pyramid::{Halvings, Sampler};
use super::similarity::Similarity;
use crate::domain::{Image, Point};

/// Vertices: the landmarks from 0, the outline from 5, and from 15 a ring around it, outside of which the similarity alone applies.
const EDGE: usize = LANDMARKS.len();
const RING: usize = EDGE + OUTLINE.len();
pub(super) const VERTICES: usize = RING + OUTLINE.len();

/// The face's triangles, clockwise in the picture.
const FACE: [[usize; 3]; 18] = [
    // Eyes, nose and mouth.
    [0, 1, 2],
    [2, 1, 4],
    [2, 4, 3],
    [0, 2, 3],
    // Forehead and temples.
    [5, 1, 0],
    [5, 6, 1],
    [5, 0, 14],
    // Right cheek, then left.
    [6, 7, 1],
    [1, 7, 8],
    [1, 8, 4],
    [14, 0, 13],
    [0, 12, 13],
    [0, 3, 12],
    // Jaw and chin.
    [4, 8, 9],
    [4, 9, 10],
    [3, 11, 12],
    [3, 10, 11],
    [3, 4, 10],
];
const TRIANGLES: usize = FACE.len() + 2 * OUTLINE.len();

/// Size of the ring relative to the outline.
const RING_SIZE: f32 = 1.75;
/// The middle of the outline, around which the ring is enlarged.
const MIDDLE: Point = Point { x: 0.0, y: 0.5 };
/// A triangle whose area the pose reduces below this share has folded, or nearly.
const MIN_AREA: f32 = 0.01;

/// From the aligned face's pixels to the picture's: `x' = a x + b y + c`, `y' = d x + e y + f`.
#[derive(Clone, Copy, Default)]
pub(super) struct Affine {
    a: f32,
    b: f32,
    c: f32,
    d: f32,
    e: f32,
    f: f32,
}

/// One triangle: its corners in the picture that is drawn, such as the aligned face, and the map to the picture that it is drawn from.
#[derive(Clone, Copy, Default)]
pub(super) struct Piece {
    corners: [Point; 3],
    pub source: Affine,
}

/// The part of a row that a triangle covers.
#[derive(Clone, Copy, Default)]
struct Span {
    from: f32,
    to: f32,
    source: Affine,
}

/// The frontalisation of one face.
pub(super) struct Frontal {
    pieces: [Piece; TRIANGLES],
    /// The map outside the mesh.
    around: Similarity,
}

impl Frontal {
    /// Fits the mesh. `template` has the positions of a mean face's landmarks in the aligned face.
    ///
    /// `None` if the landmarks are not those of a face: not finite, all in one place, or crossed so that the mesh folds.
    pub fn of(landmarks: &[Point; 5], template: &[[f32; 2]; 5]) -> Option<Frontal> {
        let pose = Pose::fit(landmarks);
        let place = ahead_to(template);
        let pieces = pieces((&mesh(&pose, 0.0), &place), (&mesh(&pose, pose.yaw), &pose.view))?;
        let around = pose.view.after(&place.inverse());
        around.scale().is_finite().then_some(Frontal { pieces, around })
    }

    /// Fills `out`, `side * side * 3` bytes. `halvings` must have been made of `image`. Black outside the picture.
    pub fn draw(&self, image: &Image, halvings: &Halvings, side: usize, out: &mut [u8]) {
        let sampler = Sampler::new(image, halvings, self.around.scale());
        let mut spans = [Span::default(); TRIANGLES];
        for (v, row) in out.chunks_exact_mut(side * 3).enumerate() {
            let y = v as f32;
            let mut count = 0;
            for piece in &self.pieces {
                if let Some((from, to)) = piece.span(y) {
                    spans[count] = Span { from, to, source: piece.source };
                    count += 1;
                }
            }
            for (u, pixel) in row.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                let p = Point { x: u as f32, y };
                let inside = spans[..count].iter().find(|span| span.from <= p.x && p.x <= span.to);
                *pixel = sampler.at(inside.map_or_else(|| self.around.apply(p), |span| span.source.apply(p)));
            }
        }
    }
}

/// From distances between the eyes to the position of a mean face, looking straight ahead, that `template` gives.
fn ahead_to(template: &[[f32; 2]; 5]) -> Similarity {
    Similarity::between(&LANDMARKS.map(|spot| spot.turned(0.0)), &template.map(|[x, y]| Point { x, y }))
}

/// All triangles: the face's, and two for each edge of the outline.
fn triangles() -> impl Iterator<Item = [usize; 3]> {
    let strip = (0..OUTLINE.len()).flat_map(|i| {
        let next = (i + 1) % OUTLINE.len();
        let (near, near_next, far, far_next) = (EDGE + i, EDGE + next, RING + i, RING + next);
        [[near, far, far_next], [near, far_next, near_next]]
    });
    FACE.into_iter().chain(strip)
}

/// The maps from the triangles of one mesh, placed in the picture that is drawn, to those of another. `None` if a triangle has folded, or its
/// corners are not finite.
pub(super) fn pieces(
    (target, place): (&[Point; VERTICES], &Similarity),
    (source, view): (&[Point; VERTICES], &Similarity),
) -> Option<[Piece; TRIANGLES]> {
    let mut pieces = [Piece::default(); TRIANGLES];
    for (place_of, corners) in pieces.iter_mut().zip(triangles()) {
        *place_of = piece(corners, (target, place), (source, view))?;
    }
    Some(pieces)
}

/// The same without the triangles that have folded: the front of the face hides them. `None` if any of those that are drawn from has.
pub(super) fn visible_pieces(
    target: (&[Point; VERTICES], &Similarity),
    source: (&[Point; VERTICES], &Similarity),
) -> Option<Vec<Piece>> {
    let whole = triangles().all(|corners| area(corners.map(|i| source.0[i])) > 0.0);
    whole.then(|| triangles().filter_map(|corners| piece(corners, target, source)).collect())
}

/// One of them.
fn piece(
    corners: [usize; 3],
    (target, place): (&[Point; VERTICES], &Similarity),
    (source, view): (&[Point; VERTICES], &Similarity),
) -> Option<Piece> {
    let (drawn, seen) = (corners.map(|i| target[i]), corners.map(|i| source[i]));
    // Written so that NaN is refused.
    let whole = area(drawn) > MIN_AREA * area(seen) && area(seen) > MIN_AREA * area(drawn);
    whole.then(|| Piece::between(drawn.map(|p| place.apply(p)), seen.map(|p| view.apply(p))))
}

/// The vertices of a face with its own proportions, turned by `yaw` radians, in distances between the eyes.
pub(super) fn mesh(pose: &Pose, yaw: f32) -> [Point; VERTICES] {
    let beside = |p: Point, by: Point| Point { x: p.x + by.x, y: p.y + by.y };
    let mean = |a: Point, b: Point| Point { x: (a.x + b.x) / 2.0, y: (a.y + b.y) / 2.0 };
    let own = &pose.residuals;
    let (eyes, mouth) = (mean(own[0], own[1]), mean(own[3], own[4]));
    let (right, left) = (mean(own[1], own[4]), mean(own[0], own[3]));
    // Each point of the outline moves with the nearest landmarks.
    let along = [eyes, eyes, right, mouth, mouth, mouth, mouth, mouth, left, eyes];
    let mut vertices = [Point::default(); VERTICES];
    let spots = LANDMARKS.iter().chain(&OUTLINE).zip(own.iter().chain(&along));
    for (i, (spot, by)) in spots.enumerate() {
        vertices[i] = beside(spot.turned(yaw), *by);
    }
    for (i, spot) in OUTLINE.iter().enumerate() {
        let grown = |v: f32, middle: f32| middle + (v - middle) * RING_SIZE;
        vertices[RING + i] = Point { x: grown(spot.x, MIDDLE.x), y: grown(spot.y, MIDDLE.y) };
    }
    vertices
}

/// Twice the area; positive for corners in clockwise order in the picture.
fn area([a, b, c]: [Point; 3]) -> f32 {
    (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x)
}

impl Piece {
    /// The affine map from triangle `target` to `source`. Finite if `target` has an area.
    fn between(target: [Point; 3], source: [Point; 3]) -> Piece {
        let [o, p, q] = target;
        let (px, py, qx, qy, drawn) = (p.x - o.x, p.y - o.y, q.x - o.x, q.y - o.y, area(target));
        let solve = |v: [f32; 3]| {
            let (vp, vq) = (v[1] - v[0], v[2] - v[0]);
            let (along, down) = ((vp * qy - vq * py) / drawn, (vq * px - vp * qx) / drawn);
            (along, down, v[0] - along * o.x - down * o.y)
        };
        let ((a, b, c), (d, e, f)) = (solve(source.map(|p| p.x)), solve(source.map(|p| p.y)));
        Piece { corners: target, source: Affine { a, b, c, d, e, f } }
    }

    /// The range of row `y` that it covers.
    pub fn span(&self, y: f32) -> Option<(f32, f32)> {
        let mut span: Option<(f32, f32)> = None;
        for (i, a) in self.corners.iter().enumerate() {
            let b = &self.corners[(i + 1) % 3];
            if (a.y <= y) != (b.y <= y) {
                let x = a.x + (b.x - a.x) * (y - a.y) / (b.y - a.y);
                span = Some(span.map_or((x, x), |(from, to)| (from.min(x), to.max(x))));
            }
        }
        span
    }
}

impl Affine {
    pub fn apply(&self, p: Point) -> Point {
        Point { x: self.a * p.x + self.b * p.y + self.c, y: self.d * p.x + self.e * p.y + self.f }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEMPLATE: [[f32; 2]; 5] = [[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]];
    const SIDE: usize = 112;

    /// The mean face in a picture, 40 pixels between the eyes, whose middle is at (120, 90).
    fn seen(yaw: f32) -> [Point; 5] {
        LANDMARKS.map(|spot| {
            let p = spot.turned(yaw);
            Point { x: 40.0 * p.x + 120.0, y: 40.0 * p.y + 90.0 }
        })
    }

    /// The source of the middle of pixel (u, v).
    fn source(frontal: &Frontal, u: f32, v: f32) -> Point {
        let p = Point { x: u, y: v };
        let inside = frontal.pieces.iter().find(|piece| piece.span(v).is_some_and(|(from, to)| from <= u && u <= to));
        inside.map_or_else(|| frontal.around.apply(p), |piece| piece.source.apply(p))
    }

    /// The mean face's landmarks in the aligned picture.
    fn places() -> [Point; 5] {
        LANDMARKS.map(|spot| ahead_to(&TEMPLATE).apply(spot.turned(0.0)))
    }

    #[test]
    fn the_mesh_has_no_holes_and_its_triangles_do_not_overlap() {
        let frontal = Frontal::of(&seen(0.0), &TEMPLATE).unwrap();
        let whole: f32 = frontal.pieces.iter().map(|piece| area(piece.corners)).sum();
        let ring: Vec<Point> = frontal.pieces[FACE.len()..].iter().step_by(2).map(|piece| piece.corners[1]).collect();
        let around: f32 = (1..ring.len() - 1).map(|i| area([ring[0], ring[i], ring[i + 1]])).sum();
        assert!((whole - around).abs() < 1e-3 * around, "{whole} {around}");
    }

    #[test]
    fn a_face_that_looks_straight_ahead_is_cut_out_as_by_a_similarity() {
        let frontal = Frontal::of(&seen(0.0), &TEMPLATE).unwrap();
        for (u, v) in (0..SIDE).flat_map(|v| (0..SIDE).map(move |u| (u as f32, v as f32))) {
            let (p, q) = (source(&frontal, u, v), frontal.around.apply(Point { x: u, y: v }));
            assert!((p.x - q.x).abs() < 0.05 && (p.y - q.y).abs() < 0.05, "({u}, {v}): {p:?} for {q:?}");
        }
    }

    #[test]
    fn a_grey_picture_stays_grey_and_black_outside() {
        let image = Image::new(150, 140, vec![77; 150 * 140 * 3]).unwrap();
        let mut halvings = Halvings::default();
        halvings.make(&image, 1);
        let mut out = vec![1; SIDE * SIDE * 3];
        Frontal::of(&seen(0.4), &TEMPLATE).unwrap().draw(&image, &halvings, SIDE, &mut out);
        assert!(out.iter().all(|&v| v == 0 || v == 77) && out.contains(&0));
        let middle = &out[(SIDE / 2 * SIDE + SIDE / 2) * 3..][..30];
        assert!(middle.iter().all(|&v| v == 77));
    }

    #[test]
    fn impossible_landmarks_are_refused() {
        assert!(Frontal::of(&[Point { x: 3.0, y: 3.0 }; 5], &TEMPLATE).is_none());
        let mut crossed = seen(0.0);
        crossed.swap(0, 1);
        assert!(Frontal::of(&crossed, &TEMPLATE).is_none());
        assert!(Frontal::of(&seen(0.0), &[[9.0, 9.0]; 5]).is_none());
    }

    proptest! {
        #[test]
        fn a_turned_mean_face_is_brought_to_the_front(yaw in -0.6f32..0.6) {
            let landmarks = seen(yaw);
            let frontal = Frontal::of(&landmarks, &TEMPLATE).unwrap();
            for (place, landmark) in places().iter().zip(landmarks) {
                // The prior's pull on the pose remains, in pixels of the picture.
                let p = source(&frontal, place.x, place.y);
                prop_assert!((p.x - landmark.x).hypot(p.y - landmark.y) < 1.5, "{p:?} for {landmark:?}");
            }
        }

        #[test]
        fn neighbouring_pixels_have_neighbouring_sources(yaw in -0.5f32..0.5, noise in prop::array::uniform5((-1.5f32..1.5, -1.5f32..1.5))) {
            let plain = seen(yaw);
            let landmarks: [Point; 5] = std::array::from_fn(|i| Point { x: plain[i].x + noise[i].0, y: plain[i].y + noise[i].1 });
            let frontal = Frontal::of(&landmarks, &TEMPLATE).unwrap();
            for (u, v) in (0..SIDE - 1).flat_map(|v| (0..SIDE - 1).map(move |u| (u as f32, v as f32))) {
                let p = source(&frontal, u, v);
                for q in [source(&frontal, u + 1.0, v), source(&frontal, u, v + 1.0)] {
                    // No tear, and nothing stretched to many times its size.
                    prop_assert!((p.x - q.x).hypot(p.y - q.y) < 6.0 * frontal.around.scale());
                }
            }
        }

        #[test]
        fn wild_landmarks_and_templates_do_not_panic(
            points in prop::array::uniform5((prop::num::f32::ANY, prop::num::f32::ANY)), template in prop::array::uniform5(prop::array::uniform2(prop::num::f32::ANY)),
        ) {
            let image = Image::new(20, 30, vec![9; 1800]).unwrap();
            let mut halvings = Halvings::default();
            halvings.make(&image, 1);
            let mut out = vec![0; 16 * 16 * 3];
            for template in [TEMPLATE, template] {
                if let Some(frontal) = Frontal::of(&points.map(|(x, y)| Point { x, y }), &template) {
                    frontal.draw(&image, &halvings, 16, &mut out);
                }
            }
        }
    }
}

//! Tells a head from a plane by five landmarks.
//!
//! A plane that is moved and tilted in any way before a distant camera changes its picture by an affine map (weak perspective). So the map that
//! takes eyes and mouth corners from the reference to a later frame takes the nose of a photograph with them, and the nose of a head does not
//! follow: it stands out by δ ≈ 0.48 eye distances (`vision/face_shape.rs`), and a head that has turned by θ leaves it at δ·tan θ from where
//! the map puts it, while the map flattens by cos θ. Perspective adds about 0.014 at 30° and half a metre.
//!
//! That affine maps leave coplanar points coplanar is in every text on the geometry of views (Koenderink and van Doorn, "Affine structure from
//! motion", 1991: what an affine map of four points leaves over is the fifth one's relief). Computed in `f64`.

use crate::domain::{Point, Side};

/// In which order the landmarks come.
type Five = [[f64; 2]; 5];

/// Eyes that are nearer to each other than so many pixels are no landmarks to compute with.
const LEAST_EYES_PX: f64 = 2.0;
/// The mouth of a face is at least so far below its eyes, in eye distances (0.9 to 1.4 in the recordings of decision 093).
const LEAST_DROP: f64 = 0.3;
/// Below this, 1/c² − 1 says nothing: the map does not flatten.
const FLAT: f64 = 1e-6;
/// How far a face's nose stands out, in eye distances (`vision/face_shape.rs`, above the plane of eyes and mouth): turns what a nose has moved
/// into an angle.
pub(super) const FACE_DEPTH: f64 = 0.48;

/// How a head looks straight ahead: the mean of some frontal frames, upright, in eye distances.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// Eyes and mouth corners, from their middle.
    corners: [[f64; 2]; 4],
    /// The nose, from the same point.
    nose: [f64; 2],
    /// How far the nose is [beside] the middle of the face: how far the head was turned when it was seen.
    aside: f64,
    /// The inverse of the corners' scatter matrix: xx, xy, yy.
    inverse: [f64; 3],
    frames: usize,
}

/// What the landmarks of a frame say, relative to a [`Reference`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// How far the nose is from where a plane would have it, in eye distances of the reference: to the right of the upright picture, and down.
    /// `r` in decision 093.
    pub nose: [f64; 2],
    /// How much the map flattens the face: the ratio of its singular values, 1 (not at all) to 0. `c` in decision 093.
    pub flattening: f64,
    /// How far the nose stands out of the plane of eyes and mouth if the face has turned, in eye distances; `None` where the map does not
    /// flatten. `d` in decision 093.
    pub depth: Option<f64>,
    /// How badly eyes and mouth corners fit the map: the root of the mean square, in eye distances.
    pub fit: f64,
}

impl Reference {
    /// The mean of the landmarks (left eye, right eye, nose, corners of the mouth, in pixels) of some frontal frames, each brought upright and to
    /// the same size by its eyes. `None` if one of them is no face's, or there is none.
    pub fn of(frames: &[[Point; 5]]) -> Option<Reference> {
        let mut mean: Five = [[0.0; 2]; 5];
        for frame in frames {
            for (sum, point) in mean.iter_mut().zip(upright(frame)?) {
                *sum = [sum[0] + point[0], sum[1] + point[1]];
            }
        }
        let count = frames.len() as f64;
        let mean = mean.map(|[x, y]| [x / count, y / count]);
        let [left_eye, right_eye, nose, left, right] = mean;
        let points = [left_eye, right_eye, left, right];
        let middle = middle(&points);
        let corners = points.map(|point| minus(point, middle));
        let inverse = inverse_scatter(&corners)?;
        let aside = beside_the_middle(&mean)?;
        Some(Reference { corners, nose: minus(nose, middle), aside, inverse, frames: frames.len() })
    }

    /// The number of frames that it is the mean of.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// What the landmarks of a frame say, however the head is moved, rolled or sized in it. `None` if they are not those of a face: not finite, all
    /// on a line, or mirrored.
    pub fn view(&self, landmarks: &[Point; 5]) -> Option<View> {
        let [left_eye, right_eye, nose, left, right] = landmarks.map(|p| [f64::from(p.x), f64::from(p.y)]);
        let points = [left_eye, right_eye, left, right];
        let middle = middle(&points);
        let seen = points.map(|point| minus(point, middle));
        let map = self.map_to(&seen);
        let [a, b, c, d] = map;
        let area = a * d - b * c;
        // Singular values of a 2 by 2 matrix: their squares add up to the sum of the squares of its entries, their product is its determinant.
        let squares = map.iter().map(|v| v * v).sum::<f64>();
        let larger = ((squares + (squares * squares - 4.0 * area * area).max(0.0).sqrt()) / 2.0).sqrt();
        // Written so that what is not a number is refused.
        if !(area > 0.0 && larger.is_finite()) {
            return None;
        }
        let flattening = (area / (larger * larger)).min(1.0);
        let [x, y] = minus(minus(nose, middle), apply(map, self.nose));
        let nose = [(d * x - b * y) / area, (a * y - c * x) / area];
        let errors = self.corners.iter().zip(&seen).map(|(corner, seen)| minus(*seen, apply(map, *corner)));
        let fit = (errors.map(|[x, y]| x * x + y * y).sum::<f64>() / 4.0).sqrt() / larger;
        // A head that was turned by φ in the reference had its nose aside by δ·tan φ, and its face was flattened by cos φ already. From straight
        // ahead, the nose has moved by both together, and the face is flattened by c·cos φ.
        let lean = self.aside / FACE_DEPTH;
        let excess = (1.0 + lean * lean) / (flattening * flattening) - 1.0;
        let depth = (excess > FLAT).then(|| (nose[0] + self.aside).hypot(nose[1]) / excess.sqrt());
        let view = View { nose, flattening, depth, fit };
        view.is_finite().then_some(view)
    }

    /// The linear map that takes the corners closest to where they are seen.
    fn map_to(&self, seen: &[[f64; 2]; 4]) -> [f64; 4] {
        let mut cross = [0.0; 4];
        for ([px, py], [qx, qy]) in self.corners.iter().zip(seen) {
            let products = [qx * px, qx * py, qy * px, qy * py];
            cross.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
        }
        let ([a, b, c, d], [xx, xy, yy]) = (cross, self.inverse);
        [a * xx + b * xy, a * xy + b * yy, c * xx + d * xy, c * xy + d * yy]
    }
}

impl View {
    /// How far the nose has moved to `side` of the person, in eye distances. A person's left is the right of the picture.
    pub fn towards(&self, side: Side) -> f64 {
        let [x, y] = self.nose;
        match side {
            Side::Left => x,
            Side::Right => -x,
            Side::Up => -y,
        }
    }

    /// How far it has moved across that direction.
    pub fn across(&self, side: Side) -> f64 {
        let [x, y] = self.nose;
        match side {
            Side::Left | Side::Right => y.abs(),
            Side::Up => x.abs(),
        }
    }

    /// How far it has moved in all.
    pub fn moved(&self) -> f64 {
        self.nose[0].hypot(self.nose[1])
    }

    fn is_finite(&self) -> bool {
        let numbers = [self.nose[0], self.nose[1], self.flattening, self.fit, self.depth.unwrap_or_default()];
        numbers.iter().all(|number| number.is_finite())
    }
}

/// How far the nose is beside the line from the middle of the eyes to the middle of the mouth, in eye distances: about 0.48 times the tangent of
/// the yaw, and what a nose is crooked. `None` if the landmarks are not those of a face.
pub(super) fn beside(landmarks: &[Point; 5]) -> Option<f64> {
    beside_the_middle(&upright(landmarks)?)
}

/// The same of upright landmarks.
fn beside_the_middle([_, _, nose, left, right]: &Five) -> Option<f64> {
    let [x, y] = [(left[0] + right[0]) / 2.0, (left[1] + right[1]) / 2.0];
    let beside = nose[0] - x * nose[1] / y;
    beside.is_finite().then_some(beside)
}

/// The landmarks with the eyes at (±½, 0). `None` if they are not those of a face: not finite, eyes in one place, or no mouth below them.
fn upright(landmarks: &[Point; 5]) -> Option<Five> {
    let points = landmarks.map(|p| [f64::from(p.x), f64::from(p.y)]);
    let [left, right, ..] = points;
    let ([ex, ey], size) = (minus(right, left), (right[0] - left[0]).hypot(right[1] - left[1]));
    if !(size >= LEAST_EYES_PX && size.is_finite()) {
        return None;
    }
    let between = [(left[0] + right[0]) / 2.0, (left[1] + right[1]) / 2.0];
    let turned = points.map(|point| {
        let [x, y] = minus(point, between);
        [(x * ex + y * ey) / (size * size), (y * ex - x * ey) / (size * size)]
    });
    let [.., mouth_left, mouth_right] = turned;
    let finite = turned.iter().flatten().all(|v| v.is_finite());
    (finite && (mouth_left[1] + mouth_right[1]) / 2.0 >= LEAST_DROP).then_some(turned)
}

fn minus(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] - b[0], a[1] - b[1]]
}

fn apply([a, b, c, d]: [f64; 4], [x, y]: [f64; 2]) -> [f64; 2] {
    [a * x + b * y, c * x + d * y]
}

fn middle(points: &[[f64; 2]; 4]) -> [f64; 2] {
    let [x, y] = points.iter().fold([0.0; 2], |sum, point| [sum[0] + point[0], sum[1] + point[1]]);
    [x / 4.0, y / 4.0]
}

/// The inverse of Σ p pᵀ; `None` if the points are on a line.
fn inverse_scatter(points: &[[f64; 2]; 4]) -> Option<[f64; 3]> {
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for [x, y] in points {
        (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
    }
    let area = xx * yy - xy * xy;
    (area > 1e-3 && area.is_finite()).then(|| [yy / area, -xy / area, xx / area])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean face of `vision/face_shape.rs`, 50 pixels between the eyes, with the mouth as deep as the eyes.
    const AHEAD: [[f32; 2]; 5] = [[275.0, 200.0], [325.0, 200.0], [300.0, 229.0], [278.0, 254.5], [322.0, 254.5]];

    fn ahead() -> [Point; 5] {
        AHEAD.map(|[x, y]| Point { x, y })
    }

    /// The same face seen by a distant camera, turned by `yaw` and `pitch` radians; the nose stands out by 0.48.
    fn turned(yaw: f32, pitch: f32) -> [Point; 5] {
        let mut at = 0;
        ahead().map(|p| {
            let z = if at == 2 { 24.0 } else { 0.0 };
            at += 1;
            let (x, y) = (p.x - 300.0, p.y - 227.0);
            let (x, z) = (x * yaw.cos() + z * yaw.sin(), z * yaw.cos() - x * yaw.sin());
            Point { x: x + 300.0, y: y * pitch.cos() - z * pitch.sin() + 227.0 }
        })
    }

    #[test]
    fn a_turned_head_shows_its_yaw_and_the_depth_of_its_nose() {
        let reference = Reference::of(&[ahead(), ahead(), ahead()]).unwrap();
        assert_eq!(reference.frames(), 3);
        for degrees in [-50.0_f32, -30.0, -15.0, 10.0, 25.0, 45.0] {
            let yaw = degrees.to_radians();
            let view = reference.view(&turned(yaw, 0.0)).unwrap();
            let expected = 0.48 * f64::from(yaw.tan());
            assert!((view.towards(Side::Left) - expected).abs() < 1e-4, "{degrees}: {view:?}");
            assert!((view.towards(Side::Right) + expected).abs() < 1e-4 && view.across(Side::Left) < 1e-4);
            assert!((view.flattening - f64::from(yaw.cos())).abs() < 1e-4, "{degrees}: {view:?}");
            assert!((view.depth.unwrap() - 0.48).abs() < 1e-3 && view.fit < 1e-5, "{degrees}: {view:?}");
        }
        let up = reference.view(&turned(0.0, 0.5)).unwrap();
        assert!((up.towards(Side::Up) - 0.48 * 0.5_f64.tan()).abs() < 1e-3 && up.across(Side::Up) < 1e-4, "{up:?}");
        let still = reference.view(&ahead()).unwrap();
        assert!(still.moved() < 1e-5 && still.flattening > 0.9999, "{still:?}");
        assert!(still.depth.is_none_or(|depth| depth < 0.1), "{still:?}");
    }

    #[test]
    fn a_reference_that_looks_aside_shows_the_same_depth() {
        for aside in [-17.0_f32, -8.0, 5.0, 15.0] {
            let reference = Reference::of(&[turned(aside.to_radians(), 0.0)]).unwrap();
            for degrees in [-45.0_f32, -25.0, 25.0, 45.0] {
                let view = reference.view(&turned(degrees.to_radians(), 0.0)).unwrap();
                assert!((view.depth.unwrap() - 0.48).abs() < 0.01, "{aside} {degrees}: {view:?}");
            }
        }
    }

    #[test]
    fn roll_and_size_do_not_matter_in_the_reference_or_later() {
        let rolled = |points: [Point; 5], angle: f32, size: f32| {
            points.map(|p| {
                let (x, y) = ((p.x - 300.0) * size, (p.y - 220.0) * size);
                Point { x: x * angle.cos() - y * angle.sin() + 90.0, y: x * angle.sin() + y * angle.cos() + 400.0 }
            })
        };
        let plain = Reference::of(&[ahead()]).unwrap().view(&turned(0.5, 0.1)).unwrap();
        for angle in [-2.9, -0.6, 0.4, 1.6] {
            let reference = Reference::of(&[rolled(ahead(), -angle, 0.7), ahead()]).unwrap();
            let view = reference.view(&rolled(turned(0.5, 0.1), angle, 2.5)).unwrap();
            assert!((view.nose[0] - plain.nose[0]).abs() < 1e-4, "{angle}: {view:?} {plain:?}");
            assert!((view.nose[1] - plain.nose[1]).abs() < 1e-4, "{angle}: {view:?} {plain:?}");
        }
    }

    #[test]
    fn the_nose_is_beside_the_middle_where_the_head_is_turned() {
        assert!(beside(&ahead()).unwrap().abs() < 1e-6);
        assert!((beside(&turned(0.3, 0.0)).unwrap() - 0.48 * 0.3_f64.tan()).abs() < 1e-3);
        assert_eq!(beside(&[Point { x: 3.0, y: 3.0 }; 5]), None);
    }

    #[test]
    fn what_is_no_face_has_no_reference_and_no_view() {
        let reference = Reference::of(&[ahead()]).unwrap();
        let spoilt = |spoil: fn(&mut [Point; 5])| {
            let mut points = ahead();
            spoil(&mut points);
            points
        };
        let impossible = [
            [Point { x: 7.0, y: 7.0 }; 5],
            spoilt(|p| p.swap(0, 1)),
            spoilt(|p| p[3].x = f32::NAN),
            spoilt(|p| p[0].y = f32::INFINITY),
            spoilt(|p| *p = [0.0, 9.0, 5.0, 1.0, 8.0].map(|x| Point { x, y: x })),
        ];
        for points in impossible {
            assert_eq!(reference.view(&points), None, "{points:?}");
            assert_eq!(Reference::of(&[ahead(), points]), None, "{points:?}");
        }
        assert_eq!(reference.view(&spoilt(|p| p[2].x = f32::NEG_INFINITY)), None);
        assert_eq!(Reference::of(&[]), None);
        // Upside down within itself: the mouth above the eyes.
        assert_eq!(Reference::of(&[spoilt(|p| (p[3].y, p[4].y) = (150.0, 150.0))]), None);
    }
}

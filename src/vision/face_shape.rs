//! The shape of a mean face in three dimensions, and the pose of a face by its five landmarks.

#![expect(clippy::indexing_slicing, reason = "arrays of five landmarks, indexed by `from_fn`")]

use super::similarity::Similarity;
use crate::domain::Point;

/// A point of the mean face, in units of the distance between its eyes: x to the right of the picture, y down, z towards the camera; the
/// origin is between the eyes. The face has the average pitch of faces in photographs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spot {
    pub x: f32,
    pub y: f32,
    pub z: f32,
}

const fn spot(x: f32, y: f32, z: f32) -> Spot {
    Spot { x, y, z }
}

/// Left eye, right eye, nose, left and right corner of the mouth, as MTCNN places them. Fitted to the 3443 faces of LFW View 1's pairsDevTrain
/// with a pose for each face; symmetric, with the mean pitch as zero (docs/datasets.md); rounded.
pub(super) const LANDMARKS: [Spot; 5] = [
    spot(-0.5, 0.0, 0.0),
    spot(0.5, 0.0, 0.0),
    spot(0.0, 0.58, 0.40),
    spot(-0.44, 1.09, -0.15),
    spot(0.44, 1.09, -0.15),
];

/// The outline of a face seen from the front, clockwise from the top: forehead, temple, cheek, jaw, side of the chin, chin, and back up. From
/// MediaPipe's canonical face model (Apache-2.0), converted to the axes above and rounded. The jaw and the sides of the chin are less far back
/// than in that model, so that no triangle folds over another.
pub(super) const OUTLINE: [Spot; 10] = [
    spot(0.0, -0.85, 0.30),
    spot(1.0, -0.70, -0.25),
    spot(1.05, 0.20, -0.40),
    spot(0.85, 0.95, -0.45),
    spot(0.60, 1.60, -0.50),
    spot(0.0, 1.90, -0.35),
    spot(-0.60, 1.60, -0.50),
    spot(-0.85, 0.95, -0.45),
    spot(-1.05, 0.20, -0.40),
    spot(-1.0, -0.70, -0.25),
];

/// Standard deviation of landmarks from the mean face, in distances between the eyes: differences between faces, and the detector's error.
const SPREAD: f32 = 0.035;
/// Standard deviation of the yaw over the same faces, in radians (15 degrees): the prior of the fit.
const USUAL_YAW: f32 = 0.26;
/// The largest yaw that is corrected (40 degrees). A face turned further hides too much: it is turned back by this angle only.
const MAX_YAW: f32 = 0.7;
/// Gauss-Newton steps; a test checks that the fit has converged after them.
const STEPS: usize = 6;

/// The mean face in a pose, seen by a distant camera: turned by the yaw, then mapped into the picture by a similarity.
///
/// Pitch is not fitted. A face that looks down and one with a short chin have the same five landmarks, so fitting the pitch removed people's
/// own proportions: the shipped embedder's accuracy on LFW fell from .994 to .968 (docs/datasets.md).
pub(super) struct Pose {
    /// In radians; positive towards the right of the picture.
    pub yaw: f32,
    /// From distances between the eyes into the picture.
    pub view: Similarity,
    /// The offset of each landmark from its position on the posed mean face, in distances between the eyes.
    pub residuals: [Point; 5],
}

impl Spot {
    /// Its position in the plane on a face turned by `yaw` radians; 0 is straight ahead.
    pub fn turned(&self, yaw: f32) -> Point {
        let (sin, cos) = yaw.sin_cos();
        Point { x: self.x * cos + self.z * sin, y: self.y }
    }
}

impl Pose {
    /// The most likely pose for these landmarks. Not finite if the landmarks are not.
    pub fn fit(landmarks: &[Point; 5]) -> Pose {
        let yaw = (0..STEPS).fold(0.0, |yaw, _| step(landmarks, yaw));
        let (view, residuals) = compare(landmarks, yaw);
        Pose { yaw, view, residuals }
    }
}

/// The similarity that maps the turned face closest to the landmarks, and the residuals.
fn compare(landmarks: &[Point; 5], yaw: f32) -> (Similarity, [Point; 5]) {
    let turned = LANDMARKS.map(|spot| spot.turned(yaw));
    let view = Similarity::between(&turned, landmarks);
    let back = view.inverse();
    let residuals = std::array::from_fn(|i| {
        let seen = back.apply(landmarks[i]);
        Point { x: seen.x - turned[i].x, y: seen.y - turned[i].y }
    });
    (view, residuals)
}

/// The terms whose squares are minimised: the residuals, and the yaw relative to its prior.
fn errors(landmarks: &[Point; 5], yaw: f32) -> [f32; 11] {
    let (_, residuals) = compare(landmarks, yaw);
    std::array::from_fn(|i| match residuals.get(i / 2) {
        Some(residual) => (if i % 2 == 0 { residual.x } else { residual.y }) / SPREAD,
        None => yaw / USUAL_YAW,
    })
}

/// One Gauss-Newton step in the yaw; the similarity is the best fit for each yaw.
fn step(landmarks: &[Point; 5], yaw: f32) -> f32 {
    const SMALL: f32 = 1e-2;
    let here = errors(landmarks, yaw);
    let (right, left) = (errors(landmarks, yaw + SMALL), errors(landmarks, yaw - SMALL));
    let (mut slopes, mut falls) = (0.0, 0.0);
    for ((here, right), left) in here.iter().zip(right).zip(left) {
        let slope = (right - left) / (2.0 * SMALL);
        slopes += slope * slope;
        falls += slope * here;
    }
    (yaw - falls / slopes).clamp(-MAX_YAW, MAX_YAW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The mean face as a camera sees it, with a roll (radians), a size (pixels between the eyes) and a place.
    fn seen(yaw: f32, roll: f32, size: f32, x: f32, y: f32) -> [Point; 5] {
        let (sin, cos) = roll.sin_cos();
        LANDMARKS.map(|spot| {
            let p = spot.turned(yaw);
            Point { x: size * (cos * p.x - sin * p.y) + x, y: size * (sin * p.x + cos * p.y) + y }
        })
    }

    fn noisy(points: [Point; 5], noise: [(f32, f32); 5]) -> [Point; 5] {
        std::array::from_fn(|i| Point { x: points[i].x + noise[i].0, y: points[i].y + noise[i].1 })
    }

    #[test]
    fn a_nose_to_the_right_is_a_turn_to_the_right() {
        let nose = LANDMARKS[2];
        assert!(nose.turned(0.3).x > nose.turned(0.0).x + 0.1);
    }

    proptest! {
        #[test]
        fn a_turn_is_recovered_up_to_the_prior(
            yaw in -0.6f32..0.6, roll in -0.5f32..0.5, size in 8f32..300.0, x in -100f32..900.0, y in -100f32..900.0,
        ) {
            let pose = Pose::fit(&seen(yaw, roll, size, x, y));
            // The prior pulls it slightly towards 0.
            prop_assert!((pose.yaw - yaw).abs() < 0.06 && pose.yaw.abs() <= yaw.abs() + 0.01, "{}", pose.yaw);
            prop_assert!(pose.residuals.iter().all(|r| r.x.hypot(r.y) < 0.03), "{:?}", pose.residuals);
        }

        #[test]
        fn a_mirrored_face_has_the_mirrored_turn(noise in prop::array::uniform5((-0.05f32..0.05, -0.05f32..0.05)), yaw in -0.5f32..0.5) {
            let one = noisy(seen(yaw, 0.0, 1.0, 0.0, 0.0), noise);
            let other = [1, 0, 2, 4, 3].map(|i| Point { x: -one[i].x, y: one[i].y });
            let (one, other) = (Pose::fit(&one).yaw, Pose::fit(&other).yaw);
            prop_assert!((one + other).abs() < 1e-3, "{one} {other}");
        }

        #[test]
        fn one_more_step_changes_nothing(noise in prop::array::uniform5((-0.05f32..0.05, -0.05f32..0.05)), yaw in -0.6f32..0.6) {
            let landmarks = noisy(seen(yaw, 0.0, 1.0, 0.0, 0.0), noise);
            let yaw = Pose::fit(&landmarks).yaw;
            prop_assert!((yaw - step(&landmarks, yaw)).abs() < 2e-3);
        }
    }
}

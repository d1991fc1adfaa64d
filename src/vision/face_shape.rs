//! The shape of a mean face in three dimensions, and how it is turned where five landmarks are seen.
//!
//! Knows nothing of pictures.

use super::similarity::Similarity;
use crate::domain::Point;

/// A place on the mean face, in distances between its eyes: x to the right as seen, y down, z towards the camera; the origin is between the
/// eyes. The face looks as faces in photographs do on average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spot {
    pub x: f32,
    pub y: f32,
    pub z: f32,
}

const fn spot(x: f32, y: f32, z: f32) -> Spot {
    Spot { x, y, z }
}

/// Left eye, right eye, nose, left and right corner of the mouth, as MTCNN sets them. Fitted, with a pose for each face, to the 3443 faces of
/// LFW View 1's pairsDevTrain, symmetric, with the mean pitch as zero (docs/datasets.md); rounded.
pub(super) const LANDMARKS: [Spot; 5] = [
    spot(-0.5, 0.0, 0.0),
    spot(0.5, 0.0, 0.0),
    spot(0.0, 0.58, 0.40),
    spot(-0.44, 1.09, -0.15),
    spot(0.44, 1.09, -0.15),
];

/// The edge of what is seen of a face from the front, clockwise from the top: forehead, temple, cheek, jaw, chin's side, chin, and back up.
/// After MediaPipe's canonical face model (Apache-2.0), brought to the axes above and rounded: an outline needs no more.
/// The jaw and the chin's sides lie less far behind than there, so that no triangle folds over another.
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

/// How far landmarks lie from where the mean face has them, in distances between the eyes: what faces differ by, and the detector's error.
const SPREAD: f32 = 0.035;
/// How far heads turn to the side, in radians (15 degrees): the spread over the same faces. Against it a turn is weighed.
const USUAL_YAW: f32 = 0.26;
/// A face that is turned further (40 degrees) hides too much: it is turned back by so much, and stays turned by the rest.
const MOST_YAW: f32 = 0.7;
/// Gauss and Newton's steps: after them nothing moves any more (tested).
const STEPS: usize = 6;

/// The mean face in a pose, seen by a camera far away: the face is turned to the side, then a similarity brings it into the picture.
///
/// Pitch is not among the five figures. A face that looks down and one with a short chin have the same five landmarks, so a pitch that was fitted
/// bent people's own proportions away: the shipped embedder was then right on .968 of LFW's pairs, and on .994 without (docs/datasets.md).
pub(super) struct Pose {
    /// In radians, towards the right of the picture.
    pub yaw: f32,
    /// From distances between the eyes into the picture.
    pub view: Similarity,
    /// What each landmark lies beside its place, in distances between the eyes.
    pub residuals: [Point; 5],
}

impl Spot {
    /// Where it is seen on a face that is turned to the side by `yaw` radians; 0 is straight ahead.
    pub fn turned(&self, yaw: f32) -> Point {
        let (sin, cos) = yaw.sin_cos();
        Point { x: self.x * cos + self.z * sin, y: self.y }
    }
}

impl Pose {
    /// The likeliest pose for these landmarks. Not finite where the landmarks are not.
    pub fn fit(landmarks: &[Point; 5]) -> Pose {
        let yaw = (0..STEPS).fold(0.0, |yaw, _| step(landmarks, yaw));
        let (view, residuals) = compare(landmarks, yaw);
        Pose { yaw, view, residuals }
    }
}

/// The similarity that brings the turned face nearest to the landmarks, and what is left over.
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

/// All that is to be small: the residuals, and the turn against what is usual.
fn errors(landmarks: &[Point; 5], yaw: f32) -> [f32; 11] {
    let (_, residuals) = compare(landmarks, yaw);
    std::array::from_fn(|i| match residuals.get(i / 2) {
        Some(residual) => (if i % 2 == 0 { residual.x } else { residual.y }) / SPREAD,
        None => yaw / USUAL_YAW,
    })
}

/// One step of Gauss and Newton's method in the yaw; the similarity is always the best one.
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
    (yaw - falls / slopes).clamp(-MOST_YAW, MOST_YAW)
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
        fn a_turn_is_found_again_but_for_what_is_usual(
            yaw in -0.6f32..0.6, roll in -0.5f32..0.5, size in 8f32..300.0, x in -100f32..900.0, y in -100f32..900.0,
        ) {
            let pose = Pose::fit(&seen(yaw, roll, size, x, y));
            // The usual pulls at it a little.
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
        fn one_more_step_moves_nothing(noise in prop::array::uniform5((-0.05f32..0.05, -0.05f32..0.05)), yaw in -0.6f32..0.6) {
            let landmarks = noisy(seen(yaw, 0.0, 1.0, 0.0, 0.0), noise);
            let yaw = Pose::fit(&landmarks).yaw;
            prop_assert!((yaw - step(&landmarks, yaw)).abs() < 2e-3);
        }
    }
}

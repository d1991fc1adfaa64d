//! The detector against what the FaceNet project's own `detect_face` finds in twelve photographs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use serde_json::Value;
use usher::domain::{Bounds, Face, Point};
use usher::photo;

/// A face that the reference found.
struct Expected {
    bounds: Bounds,
    score: f32,
    landmarks: [Point; 5],
}

fn expected(image: &Value) -> Vec<Expected> {
    let floats =
        |value: &Value| -> Vec<f32> { value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect() };
    image["boxes"]
        .as_array()
        .unwrap()
        .iter()
        .zip(image["points"].as_array().unwrap())
        .map(|(b, p)| {
            let (b, p) = (floats(b), floats(p));
            Expected {
                bounds: Bounds { x1: b[0], y1: b[1], x2: b[2], y2: b[3] },
                score: b[4],
                landmarks: std::array::from_fn(|i| Point { x: p[i], y: p[5 + i] }),
            }
        })
        .collect()
}

/// Mean distance of the five landmarks, as a share of the box's width.
fn landmark_error(expected: &Expected, found: &Face) -> f32 {
    let distance = |(a, b): (&Point, &Point)| (a.x - b.x).hypot(a.y - b.y);
    expected.landmarks.iter().zip(&found.landmarks).map(distance).sum::<f32>() / 5.0 / expected.bounds.width()
}

#[test]
fn the_golden_faces_are_found_where_the_reference_finds_them() {
    let Some(folder) = support::shared("data/mtcnn-golden") else { return };
    let mut vision = support::vision(20);
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
    let (mut ious, mut errors) = (Vec::new(), Vec::new());
    for (name, image) in golden["images"].as_object().unwrap() {
        let found = vision.detect(&photo::load(&folder.join(name)).unwrap()).unwrap();
        let mut matched = vec![false; found.len()];
        for face in expected(image) {
            let best = (0..found.len())
                .map(|i| (found[i].bounds.iou(&face.bounds), i))
                .filter(|(iou, i)| *iou > 0.5 && !matched[*i])
                .max_by(|a, b| a.0.total_cmp(&b.0));
            match best {
                Some((iou, i)) => {
                    matched[i] = true;
                    ious.push(iou);
                    errors.push(landmark_error(&face, &found[i]));
                }
                None => assert!(face.score < 0.95, "{name}: a face scored {} is missed", face.score),
            }
        }
        for (face, matched) in found.iter().zip(matched) {
            assert!(matched || face.score.0 < 0.9, "{name}: nobody expects {face:?}");
        }
    }
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    println!("{} faces, mean IoU {:.3}, landmark error {:.4}", ious.len(), mean(&ious), mean(&errors));
    assert!(ious.len() >= 17 && mean(&ious) >= 0.93 && mean(&errors) <= 0.02);
}

/// A face that stays where it is, is followed to where it was detected; where there is none, nothing is followed.
#[test]
fn golden_faces_are_followed_where_they_are_and_nowhere_else() {
    let Some(folder) = support::shared("data/mtcnn-golden") else { return };
    let mut vision = support::vision(40);
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
    let (mut faces, mut ious) = (0, Vec::new());
    for name in golden["images"].as_object().unwrap().keys() {
        let picture = photo::load(&folder.join(name)).unwrap();
        for face in vision.detect(&picture).unwrap() {
            faces += 1;
            let followed = vision.follow(&picture, &[face.bounds]).unwrap();
            ious.extend(followed.iter().flatten().map(|now| now.bounds.iou(&face.bounds)));
            let Bounds { x1, y1, x2, y2 } = face.bounds;
            let away = Bounds { x1: x1 + 3.0 * face.bounds.width(), x2: x2 + 3.0 * face.bounds.width(), y1, y2 };
            assert_eq!(vision.follow(&picture, &[away]).unwrap(), None, "{name}");
            // Two places cannot share one face.
            assert_eq!(vision.follow(&picture, &[face.bounds, face.bounds]).unwrap(), None, "{name}");
        }
    }
    let mean = ious.iter().sum::<f32>() / ious.len() as f32;
    println!("{} of {faces} faces followed, mean IoU {mean:.3}", ious.len());
    assert!(faces >= 15 && ious.len() + 1 >= faces && mean > 0.85);
}

#[test]
fn the_same_picture_gives_the_same_faces_regardless_of_earlier_pictures() {
    let Some(folder) = support::shared("data/mtcnn-golden") else { return };
    let photo = |name: &str| photo::load(&folder.join(name)).unwrap();
    let (one, other) = (photo("facenet-pytorch__data__multiface.jpg"), photo("mtcnn-ipazc__tests__images__ivan.jpg"));
    let mut vision = support::vision(40);
    let first = vision.see(&one).unwrap();
    vision.see(&other).unwrap();
    assert_eq!(vision.see(&one).unwrap(), first);
}

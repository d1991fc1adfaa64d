//! A poster of a crowd in front of the camera.

use image::{RgbImage, imageops};

use crate::support::{Daemon, Film, House, eventually, sized_frame, status, write_jpeg};

/// Faces of several sizes, the larger ones further down: 11 rows of 12.
fn poster() -> RgbImage {
    let mut picture = RgbImage::from_pixel(12 * 100, 11 * 110, image::Rgb([118, 120, 116]));
    for row in 0..11 {
        let face_px = 62.0 + 3.0 * row as f32;
        let scene = sized_frame(if row % 2 == 0 { "obama2.jpg" } else { "biden.jpg" }, face_px);
        let face = imageops::crop_imm(&scene, 320 - 50, 216 - 55, 100, 110).to_image();
        for column in 0..12 {
            imageops::replace(&mut picture, &face, column * 100, row * 110);
        }
    }
    picture
}

#[test]
fn only_the_64_largest_faces_of_a_poster_are_processed() {
    let house = House::new();
    let path = write_jpeg(poster(), &house.path("poster.jpg"));
    let found = house.json(&["detect", "--json", "--min-face", "40", &path.display().to_string()]).remove(0);
    let all = found["faces"].as_array().unwrap().len();
    assert!(all > 100, "the poster shows {all} faces only");

    let mut house = house.watching(Film::default().nobody(1), true);
    std::fs::copy(&path, house.path("camera.mjpeg")).unwrap();
    house.environment.insert("USHER__DETECTOR__MIN_FACE_PX".into(), "40".into());
    let daemon = Daemon::start(&house);
    eventually("two frames", || {
        let stages = status(&house)["stages"].as_array().unwrap().clone();
        let handled =
            |role: &str| stages.iter().find(|stage| stage["role"] == role).unwrap()["handled"].as_u64().unwrap();
        let (frames, faces) = (handled("vision"), handled("doors"));
        // The doors may be some frames behind vision, never ahead of it.
        assert!(faces <= (frames + 1) * 64, "{faces} faces in {frames} frames");
        (faces >= 128).then(|| assert!(faces % 64 == 0 || faces > 128, "{faces}"))
    });
    daemon.stop();
}

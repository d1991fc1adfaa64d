//! Cameras that hang on their side or upside down, see too much, or expose for the door instead of the face.

use std::time::Duration;

use image::{RgbImage, imageops};

use crate::support::{Daemon, Film, House, MadeUpCamera, eventually, frame, side_by_side, status};

/// A house whose camera plays this picture for ever and has these settings. Barack Obama is enrolled.
fn house(picture: RgbImage, settings: &str) -> House {
    let house = House::new();
    let film = Film::default().picture(picture, 1).write(&house.path("hung.mjpeg"));
    let path = film.display().to_string();
    let house = house.with_camera(&format!("kind = \"replay\"\npath = {path:?}\nfps = 10\nloop = true\n{settings}"));
    house.enroll("Barack Obama", &["obama.jpg"]);
    house
}

/// What a camera sees that hangs turned by so many degrees to the left: the world is turned to the right.
fn hung(degrees: u16) -> RgbImage {
    let upright = frame("obama2.jpg");
    match degrees {
        90 => imageops::rotate90(&upright),
        180 => imageops::rotate180(&upright),
        270 => imageops::rotate270(&upright),
        _ => upright,
    }
}

fn handled(house: &House) -> u64 {
    let status = status(house);
    let stages = status["stages"].as_array().unwrap();
    stages.iter().find(|stage| stage["role"] == "camera").unwrap()["handled"].as_u64().unwrap()
}

#[test]
fn a_camera_on_its_side_opens_when_its_picture_is_turned() {
    for (hangs, rotate) in [(90, 270), (180, 180), (270, 90)] {
        let house = house(hung(hangs), &format!("rotate = {rotate}"));
        let daemon = Daemon::start(&house);
        let granted = eventually("a grant", || house.records("granted").pop());
        assert_eq!(granted["content"]["person"]["name"], "Barack Obama", "{hangs}: {granted}");
        assert!(daemon.log().contains(&format!("turned by {rotate}°")), "{}", daemon.log());
        daemon.stop();
    }
}

#[test]
fn doctor_and_enrolment_say_how_a_camera_hangs() {
    for (hangs, rotate) in [(90, 270), (180, 180)] {
        let house = house(hung(hangs), "");
        let advice = format!("faces are upright only in a turned picture: set rotate = {rotate}");
        let said = house.ask(&["doctor"]);
        assert!(said.out.contains(&advice), "{hangs}: {said:?}");
        let daemon = Daemon::start(&house);
        let said = house.ask(&["doctor"]);
        assert!(said.out.contains(&advice), "{hangs}, by the daemon: {said:?}");
        daemon.stop();
    }
    // One that is turned too far already.
    let house = house(hung(90), "rotate = 90");
    let said = house.ask(&["doctor"]);
    assert!(said.out.contains("set rotate = 270"), "{said:?}");
    let upright = self::house(hung(0), "");
    assert!(!upright.ask(&["doctor"]).out.contains("rotate"), "nothing is wrong");
}

#[test]
fn what_is_cropped_away_is_not_seen() {
    let street = side_by_side(&frame("obama2.jpg"), &RgbImage::from_pixel(640, 480, image::Rgb([118, 120, 116])));
    let house = house(street.clone(), "crop = [0.5, 0.0, 1.0, 1.0]");
    let daemon = Daemon::start(&house);
    eventually("frames", || (handled(&house) >= 40).then_some(()));
    assert!(house.records("granted").is_empty() && house.records("denied").is_empty());
    daemon.stop();
    let house = self::house(street, "crop = [0.0, 0.0, 0.5, 1.0]");
    let daemon = Daemon::start(&house);
    eventually("a grant", || house.records("granted").pop());
    daemon.stop();
    let error =
        house.with_camera("kind = \"v4l2\"\nrotate = 45\ncrop = [0.5, 0.0, 0.5, 1.0]").ask(&["config", "check"]);
    for part in ["must be one of 0, 90, 180, 270; found 45", "leave at least a tenth of the width and of the height"] {
        assert!(error.err.contains(part), "{part}: {error:?}");
    }
}

/// `V4L2_CID_EXPOSURE_AUTO` and `V4L2_CID_EXPOSURE_ABSOLUTE`.
const CONTROLS: [&str; 2] = ["control 9a0901 0 3 3", "control 9a0902 1 2047 100"];

/// Obama before a bright door: far too dark.
fn silhouette() -> RgbImage {
    let mut picture = frame("obama2.jpg");
    picture.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|level| (f32::from(level) * 0.3) as u8));
    picture
}

#[test]
fn a_dark_face_gets_more_light_and_the_automatic_comes_back() {
    // Once the face has gone, and where the daemon ends while it is there.
    for goes in [true, false] {
        let Some((camera, house)) = MadeUpCamera::in_house(House::new(), "MJPG 640 480 100 0", "") else { return };
        camera.has_habits(&CONTROLS);
        camera.develop("dark.jpg", silhouette());
        camera.develop("nobody.jpg", RgbImage::from_pixel(640, 480, image::Rgb([118, 120, 116])));
        camera.plays(&["dark.jpg"]);
        let daemon = Daemon::start(&house);
        // Manual, then longer by at most 2.5 times each time, up to the time of a frame: 666 times 100 µs.
        camera.does("control 9a0901 1", 1);
        camera.does("control 9a0902 250", 1);
        camera.does("control 9a0902 625", 1);
        camera.does("control 9a0902 666", 1);
        assert_eq!(camera.has_done("control 9a0901 3"), 0, "{}", camera.log());
        if goes {
            camera.plays(&["nobody.jpg"]);
            camera.does("control 9a0901 3", 1);
        }
        daemon.stop();
        camera.does("control 9a0901 3", 1);
    }
}

#[test]
fn exposure_is_left_alone_where_it_is_off_fixed_or_right() {
    for (settings, exposure, picture) in [
        ("expose_for_faces = false", "control 9a0901 0 3 3", silhouette()),
        ("", "control 9a0901 0 3 1", silhouette()),
        ("", "control 9a0901 0 3 3", frame("obama2.jpg")),
    ] {
        let Some((camera, house)) = MadeUpCamera::in_house(House::new(), "MJPG 640 480 100 0", settings) else {
            return;
        };
        camera.has_habits(&[exposure, CONTROLS[1]]);
        camera.develop("man.jpg", picture);
        camera.plays(&["man.jpg"]);
        let daemon = Daemon::start(&house);
        eventually("frames", || (handled(&house) >= 30).then_some(()));
        std::thread::sleep(Duration::from_secs(1));
        daemon.stop();
        assert_eq!(camera.log().matches("control").count(), 0, "{settings} {exposure}: {}", camera.log());
    }
}

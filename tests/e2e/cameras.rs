//! Faulty cameras: a made-up V4L2 device delivers what real ones deliver when they break, and the door must not open for it.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Daemon, House, MadeUpCamera, eventually, frame, status};

/// Ten frames a second.
const MJPEG: &str = "MJPG 640 480 100 0";
const YUYV: &str = "YUYV 640 480 100 0";

/// A house with this camera, where Barack Obama is enrolled. A person who stays in view is let in again after 3 s.
fn house(mode: &str, settings: &str) -> Option<(MadeUpCamera, House)> {
    let (camera, mut house) = MadeUpCamera::in_house(House::new(), mode, settings)?;
    house.environment.insert("USHER__ACCESS__COOLDOWN".into(), "3s".into());
    house.enroll("Barack Obama", &["obama.jpg"]);
    let ending = if mode.starts_with("MJPG") { "jpg" } else { "yuyv" };
    camera.develop(&format!("obama.{ending}"), frame("obama2.jpg"));
    camera.develop(&format!("nobody.{ending}"), image::RgbImage::from_pixel(640, 480, image::Rgb([118, 120, 116])));
    Some((camera, house))
}

fn wait_for(house: &House, kind: &str) -> Value {
    eventually(kind, || house.records(kind).pop())
}

/// The camera thread's counter of that name.
fn counted(house: &House, what: &str) -> u64 {
    let status = status(house);
    let stages = status["stages"].as_array().unwrap();
    stages.iter().find(|stage| stage["role"] == "camera").unwrap()[what].as_u64().unwrap()
}

/// Waits until the camera has been reopened so often that a person who stayed would have been let in twice more.
fn long_after(camera: &MadeUpCamera) {
    camera.does("on", 3);
}

#[test]
fn buffers_without_a_picture_show_nobody_and_the_camera_is_reopened() {
    for (mode, then, reason) in [
        (MJPEG, "nobody.jpg used=0 flags=0x40", "flagged the picture as broken"),
        (MJPEG, "- used=0", "empty buffer"),
        (MJPEG, "nobody.jpg used=620", "without an end marker"),
        (YUYV, "- used=0", "empty buffer"),
        (YUYV, "- used=614399", "614399 bytes, but 614400 are needed"),
    ] {
        let Some((camera, house)) = house(mode, "") else { return };
        let first = if mode == MJPEG { "obama.jpg times=15" } else { "obama.yuyv times=15" };
        camera.plays(&[first, then]);
        let daemon = Daemon::start(&house);
        wait_for(&house, "granted");
        long_after(&camera);
        assert_eq!(house.records("granted").len(), 1, "{then}");
        let lost = wait_for(&house, "camera_lost");
        let message = lost["content"]["reason"].as_str().unwrap();
        assert!(message.contains("30 pictures in a row were unusable") && message.contains(reason), "{message}");
        assert!(counted(&house, "bad") >= 60);
        // Reported once, whatever the number.
        assert_eq!(daemon.log().matches("frames could not be used").count(), 1, "{}", daemon.log());
        assert_eq!(house.records("camera_lost").len(), 1);
        daemon.stop();
    }
}

#[test]
fn a_broken_or_short_picture_of_an_enrolled_man_opens_nothing_and_a_whole_one_does() {
    for (mode, faults, whole) in [
        (MJPEG, &["obama.jpg flags=0x40", "obama.jpg used=5000", "nobody.jpg"][..], "obama.jpg"),
        (YUYV, &["obama.yuyv flags=0x40", "obama.yuyv used=400000", "nobody.yuyv"], "obama.yuyv"),
    ] {
        let Some((camera, house)) = house(mode, "") else { return };
        let lines: Vec<String> = faults.iter().map(|line| format!("{line} times=20")).collect();
        camera.plays(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let daemon = Daemon::start(&house);
        camera.does("line 3", 1);
        eventually("good frames after the bad ones", || (counted(&house, "handled") >= 2).then_some(()));
        assert!(counted(&house, "bad") >= 20);
        assert!(house.records("granted").is_empty());
        camera.plays(&[whole]);
        wait_for(&house, "granted");
        daemon.stop();
    }
}

#[test]
fn pictures_that_waited_in_the_driver_are_as_old_as_they_are() {
    let Some((camera, mut house)) = house("MJPG 640 480 200 0", "") else { return };
    house.environment.insert("USHER__ACCESS__MAX_AGE".into(), "4s".into());
    camera.plays(&["obama.jpg age=4500"]);
    let daemon = Daemon::start(&house);
    // Until the stream is 4.5 s old, the pictures are older than the stream.
    eventually("pictures that waited", || (counted(&house, "handled") >= 15).then_some(()));
    assert!((5..30).contains(&counted(&house, "bad")), "{}", counted(&house, "bad"));
    assert!(house.records("granted").is_empty());
    camera.plays(&["obama.jpg"]);
    wait_for(&house, "granted");
    daemon.stop();
}

#[test]
fn a_picture_that_is_delivered_twice_is_not_a_new_one() {
    for fault in ["seq=same", "seq=back", "stamp=same", "stamp=back"] {
        let Some((camera, house)) = house(MJPEG, "") else { return };
        camera.plays(&["nobody.jpg times=10", &format!("obama.jpg {fault}")]);
        let daemon = Daemon::start(&house);
        camera.does("on", 2);
        assert!(house.records("granted").is_empty(), "{fault}");
        assert!(counted(&house, "bad") >= 30, "{fault}");
        camera.plays(&["obama.jpg"]);
        wait_for(&house, "granted");
        daemon.stop();
    }
}

#[test]
fn a_camera_with_unusable_timestamps_still_opens_the_door() {
    for odd in ["stamp=none", "stamp=zero", "stamp=future", "seq=jump"] {
        let Some((camera, house)) = house(MJPEG, "") else { return };
        camera.plays(&[&format!("obama.jpg {odd}")]);
        let daemon = Daemon::start(&house);
        wait_for(&house, "granted");
        assert_eq!(counted(&house, "bad"), 0, "{odd}");
        daemon.stop();
    }
}

#[test]
fn another_camera_under_the_same_name_is_an_event() {
    let Some((camera, house)) = house(MJPEG, "") else { return };
    camera.plays(&["nobody.jpg"]);
    let daemon = Daemon::start(&house);
    eventually("frames", || (counted(&house, "handled") >= 1).then_some(()));
    // The same device, unplugged and plugged in again, is not an event.
    camera.unplug();
    wait_for(&house, "camera_lost");
    camera.plug("Made-up camera", "usb-made-up-1.1");
    wait_for(&house, "camera_back");
    assert!(house.records("camera_changed").is_empty());
    camera.unplug();
    eventually("the second loss", || (house.records("camera_lost").len() == 2).then_some(()));
    camera.plug("Another camera", "usb-made-up-1.2");
    let changed = wait_for(&house, "camera_changed");
    let message = [&changed["content"]["camera"], &changed["content"]["before"], &changed["content"]["now"]];
    assert_eq!(message, ["porch", "Made-up camera @ usb-made-up-1.1", "Another camera @ usb-made-up-1.2"]);
    eventually("its frames", || (house.records("camera_back").len() == 2).then_some(()));
    assert!(house.usher(&["journal", "list"]).contains("camera porch is another device: Another camera"));
    let said = house.usher(&["doctor"]);
    assert!(said.contains("set identity = \"Another camera @ usb-made-up-1.2\""), "{said}");
    let listed = house.usher(&["camera", "list"]);
    assert!(
        listed.contains("/dev/video77") && listed.contains("identity = \"Another camera @ usb-made-up-1.2\""),
        "{listed}"
    );
    let listed =
        house.json(&["camera", "list", "--json"]).into_iter().find(|line| line["device"] == "/dev/video77").unwrap();
    assert_eq!(listed["identity"], "Another camera @ usb-made-up-1.2");
    assert_eq!([&listed["name"], &listed["place"]], ["Another camera", "usb-made-up-1.2"]);
    daemon.stop();
}

#[test]
fn a_camera_with_an_identity_is_not_replaced_by_another() {
    let Some((camera, house)) = house(MJPEG, "identity = \"Made-up camera @ usb-made-up-1.1\"") else { return };
    camera.plays(&["obama.jpg"]);
    camera.plug("Another camera", "usb-made-up-1.1");
    let daemon = Daemon::start(&house);
    let lost = wait_for(&house, "camera_lost");
    let message = lost["content"]["reason"].as_str().unwrap();
    for part in ["Another camera @ usb-made-up-1.1", "identity is Made-up camera @ usb-made-up-1.1", "plug that one in"]
    {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!((camera.has_done("on"), counted(&house, "handled")), (0, 0));
    camera.plug("Made-up camera", "usb-made-up-1.1");
    wait_for(&house, "camera_back");
    wait_for(&house, "granted");
    assert!(house.records("camera_changed").is_empty());
    daemon.stop();

    camera.plug("Another camera", "usb-made-up-1.1");
    let said = house.ask(&["doctor"]);
    assert!(said.code == Some(1) && said.out.contains("Another camera @ usb-made-up-1.1"), "{said:?}");
    let error = house.refused(&["enroll", "Somebody", "--camera"]);
    assert!(error.contains("identity is Made-up camera"), "{error}");
}

#[test]
fn nobody_is_enrolled_from_pictures_that_are_broken_or_old() {
    let Some((camera, mut house)) = house(MJPEG, "") else { return };
    house.environment.insert("USHER__ACCESS__MAX_AGE".into(), "2s".into());
    for (fault, reason) in [
        ("obama.jpg flags=0x40", "flagged the picture as broken"),
        ("- used=0", "empty buffer"),
        ("obama.jpg seq=same", "twice"),
        ("obama.jpg age=1000000", "left over"),
    ] {
        camera.plays(&[fault]);
        let error = house.refused(&["enroll", "Somebody", "--camera"]);
        assert!(error.contains(reason), "{fault}: {error}");
        let said = house.ask(&["doctor"]);
        assert!(said.code == Some(1) && said.out.contains(reason), "{fault}: {said:?}");
    }
    assert_eq!(house.people().len(), 1);
    camera.plays(&["nobody.jpg used=0 times=3", "obama.jpg"]);
    let said = house.usher(&["doctor"]);
    assert!(said.contains("gives Image(640x480), after 2 bad frames"), "{said}");
    let report = house.json(&["enroll", "Somebody", "--camera", "--views", "2", "--force", "--json"]).remove(0);
    assert_eq!(report["person"]["templates"], 2);
}

#[test]
fn a_picture_that_never_changes_stops_opening_the_door() {
    let Some((camera, mut house)) = house(MJPEG, "") else { return };
    house.environment.insert("USHER__ACCESS__MAX_AGE".into(), "4s".into());
    camera.plays(&["obama.jpg"]);
    let daemon = Daemon::start(&house);
    wait_for(&house, "granted");
    eventually("the log's warning", || daemon.log().contains("has not changed by a byte").then_some(()));
    // Ten seconds are over; after four more the picture is too old, and frames under way are finished.
    std::thread::sleep(Duration::from_secs(6));
    let granted = house.records("granted").len();
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(house.records("granted").len(), granted);
    assert_eq!(counted(&house, "bad"), 0);
    camera.plays(&["nobody.jpg times=15", "obama.jpg"]);
    eventually("a grant for a picture that moves", || (house.records("granted").len() > granted).then_some(()));
    daemon.stop();
}

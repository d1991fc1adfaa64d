//! What cameras offer and how their drivers behave: whatever state a camera was left in, it is set to what is configured, and an enrolled man is let
//! in by its pictures in every format that usher reads.

use crate::support::{Daemon, House, MadeUpCamera, eventually, frame};

/// The one format of a camera without habits.
const YUYV: &str = "YUYV 640 480 20 0";

/// What `usher doctor` says of a camera with these habits and settings, which plays pictures of nobody: JPEGs, or YUYV.
fn doctor(settings: &str, habits: &[&str], jpeg: bool) -> Option<(MadeUpCamera, House, String)> {
    let (camera, house) = MadeUpCamera::in_house(House::new(), YUYV, settings)?;
    camera.has_habits(habits);
    let name = if jpeg { "nobody.jpg" } else { "nobody.yuyv" };
    camera.develop(name, image::RgbImage::from_pixel(640, 480, image::Rgb([118, 120, 116])));
    camera.plays(&[name]);
    let said = house.ask(&["doctor"]);
    let of_cameras: Vec<&str> = said.out.lines().filter(|line| line.contains("camera")).collect();
    Some((camera, house, of_cameras.join("\n")))
}

#[test]
fn a_camera_is_set_and_read_back_whatever_its_drivers_habits() {
    // The habits of a driver, more keys of the camera, and what `usher doctor` says of the camera.
    let table: &[(&str, &[&str], &str)] = &[
        ("", &["left YUYV 640x480 2/15"], "YUYV 640x480 at 15 frames/s"),
        ("", &["left YUYV 320x240 1001/30000"], "YUYV 640x480 at 15 frames/s"),
        ("", &["offers GREY 640x480 1/15", "offers YUYV 640x480 1/15", "left GREY 640x480 1/15"], "YUYV 640x480 at 15"),
        (
            "",
            &["offers H264 1920x1080 1/30", "offers YUYV 640x480 1/15", "left H264 1920x1080 1/30"],
            "YUYV 640x480 at 15",
        ),
        ("fps = 30", &["offers YUYV 640x480 1001/30000,1/5"], "YUYV 640x480 at 29.97 frames/s"),
        ("fps = 7", &["offers YUYV 640x480 1/30,2/15"], "YUYV 640x480 at 7.5 frames/s"),
        ("fps = 12", &["offers YUYV 160x120-1920x1080/8 1/60-1/5"], "YUYV 640x480 at 12 frames/s"),
        ("format = \"mjpeg\"", &["offers YUYV 640x480 1/15", "offers MJPG 640x480 1/15"], "MJPEG 640x480 at 15"),
        // It refuses the first choice, so it gets the second.
        (
            "",
            &["offers JPEG 640x480 1/15", "offers YUYV 640x480 1/15", "left JPEG 640x480 1/15", "keeps YUYV"],
            "MJPEG 640x480 at 15",
        ),
        ("", &["silent intervals"], "YUYV 640x480 at 15 frames/s"),
        ("", &["silent sizes"], "YUYV 640x480 at 15 frames/s"),
        ("", &["silent formats"], "YUYV 640x480 at 15 frames/s"),
        ("", &["silent rates"], "YUYV 640x480 at its own rate"),
    ];
    for (settings, habits, words) in table {
        let Some((camera, _house, said)) = doctor(settings, habits, words.starts_with("MJPEG")) else { return };
        assert!(said.contains(words) && said.contains("gives Image(640x480)"), "{habits:?}: {said}");
        assert!(camera.has_done("on") == 1, "{habits:?}");
    }
}

#[test]
fn a_refusal_says_what_the_camera_offers() {
    let table: &[(&str, &[&str], &[&str])] = &[
        (
            "width = 1280\nheight = 720",
            &["offers YUYV 640x480 2/15,1001/30000", "offers H264 1280x720 1/30", "offers BA81 1280x720 1/30"],
            &[
                "1280x720 at 15",
                "it does not offer that",
                "YUYV 640x480 at 7.5, 29.97; and H264, BA81, which usher does not read",
            ],
        ),
        ("", &["offers H264 640x480 1/30"], &["it offers only H264, which usher does not read"]),
        (
            "format = \"nv12\"",
            &["offers YUYV 160x120-1920x1080/8 1/60-1/5"],
            &["NV12 640x480", "YUYV 160x120 to 1920x1080 at 5 to 60"],
        ),
        (
            "",
            &["offers YUYV 640x480 1/15", "left GREY 640x480 1/15", "keeps YUYV"],
            &["set to YUYV 640x480 but then reports GREY 640x480", "does another program use it?"],
        ),
        ("", &["busy"], &["another program uses it (see `fuser -v /dev/video77`)"]),
    ];
    for (settings, habits, words) in table {
        let Some((camera, _house, said)) = doctor(settings, habits, false) else { return };
        assert!(said.contains("BROKEN"), "{habits:?}: {said}");
        for part in *words {
            assert!(said.contains(part), "{habits:?} {part}: {said}");
        }
        assert_eq!(camera.has_done("on"), 0, "{habits:?}");
    }
}

#[test]
fn an_enrolled_man_is_let_in_by_every_format_and_by_padded_lines() {
    for (fourcc, word, stride) in [
        ("YUYV", "yuyv", 1344),
        ("UYVY", "uyvy", 0),
        ("NV12", "nv12", 0),
        ("NV12", "nv12", 704),
        ("YU12", "yu12", 672),
        ("RGB3", "rgb3", 0),
        ("BGR3", "bgr3", 1984),
        ("GREY", "grey", 0),
        ("GREY", "grey", 768),
        ("Y10 ", "y10", 0),
        ("Y16 ", "y16", 1536),
    ] {
        // The mode is read word by word: a fourcc with a blank is named without it.
        let mode = format!("{} 640 480 100 {stride}", fourcc.trim_end());
        let Some((camera, house)) = MadeUpCamera::in_house(House::new(), &mode, "") else { return };
        house.enroll("Barack Obama", &["obama.jpg"]);
        let name = format!("obama.{word}+{stride}");
        camera.develop(&name, frame("obama2.jpg"));
        camera.plays(&[&name]);
        let daemon = Daemon::start(&house);
        let granted = eventually(&format!("a grant by {mode}"), || house.records("granted").pop());
        assert_eq!(granted["content"]["person"]["name"], "Barack Obama", "{mode}: {granted}");
        daemon.stop();
    }
}

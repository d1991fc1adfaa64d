//! What usher does with the elements that a Jetson has for its camera modules and its decoder: made-up ones, `tests/support/made_up_jetson.c`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use image::RgbImage;

use crate::support::{Daemon, House, RtspCamera, compiled, eventually, frame, handled, raw};

/// The folder with the plugin for GStreamer.
fn plugin() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("made-up-jetson");
        std::fs::create_dir_all(&folder).unwrap();
        let mut needs = Command::new("pkg-config");
        needs.args(["--cflags", "--libs", "gstreamer-app-1.0", "gstreamer-video-1.0", "gstreamer-base-1.0"]);
        let needs = String::from_utf8(needs.output().unwrap().stdout).unwrap();
        let needs: Vec<&str> = needs.split_whitespace().collect();
        compiled("made_up_jetson.c", &folder.join("libgstmadeupjetson.so"), &needs);
        folder
    })
}

/// A house on a Jetson, where Barack Obama is enrolled.
fn house(camera: &str) -> House {
    let mut house = House::new().with_camera(camera);
    let registry = plugin().join("registry");
    house.environment.insert("GST_PLUGIN_PATH".into(), plugin().display().to_string());
    house.environment.insert("GST_REGISTRY".into(), registry.display().to_string());
    house.environment.insert("MADE_UP_JETSON".into(), house.path("").display().to_string());
    house.enroll("Barack Obama", &["obama.jpg"]);
    shows(&house, &RgbImage::from_pixel(640, 480, image::Rgb([90, 90, 90])));
    house
}

/// Puts a picture before the camera module.
fn shows(house: &House, picture: &RgbImage) {
    let unfinished = house.path("picture.unfinished");
    std::fs::write(&unfinished, raw(picture, "nv12", 640)).unwrap();
    std::fs::rename(unfinished, house.path("picture.nv12")).unwrap();
}

#[test]
fn a_camera_module_of_a_jetson_opens_the_door() {
    let house = house("kind = \"argus\"\nsensor = \"0\"\nwidth = 640\nheight = 480\nfps = 15\n");
    let daemon = Daemon::start(&house);
    eventually("frames", || (handled(&house) >= 5).then_some(()));
    assert!(house.records("granted").is_empty());
    shows(&house, &frame("obama2.jpg"));
    eventually("a grant", || house.records("granted").pop());
    assert!(daemon.log().contains("camera of argus, sensor 0, 640x480"), "{}", daemon.log());
    daemon.stop();
}

#[test]
fn a_sensor_that_is_not_there_is_told() {
    let house = house("kind = \"argus\"\nsensor = \"3\"\n");
    let said = house.ask(&["doctor"]);
    assert!(said.code == Some(1) && said.out.contains("Invalid camera device specified 3"), "{said:?}");
}

#[test]
fn a_stream_is_decoded_in_hardware_where_there_is_some() {
    let camera = RtspCamera::start("h264", &[]);
    let house = house(&format!("kind = \"stream\"\nurl = {:?}\n", camera.url()));
    let daemon = Daemon::start(&house);
    eventually("frames", || (handled(&house) >= 5).then_some(()));
    camera.shows("obama.jpg", frame("obama2.jpg"));
    eventually("a grant", || house.records("granted").pop());
    assert!(
        daemon.log().contains("H264 640x480") && daemon.log().contains("decoded by hardware (nvv4l2decoder)"),
        "{}",
        daemon.log()
    );
    daemon.stop();
    let said = house.ask(&["doctor"]);
    assert!(said.out.contains("decoded by hardware (nvv4l2decoder)"), "{said:?}");
}

//! What cameras cost, for docs/cameras.md and docs/streams.md: processor time and memory at rest, and the time from glass to verdict.
//!
//! `cargo test --release --features gstreamer --test e2e camera_figures:: -- --ignored --nocapture --test-threads 1`, on a quiet machine.

use std::time::{Duration, Instant};

use image::{RgbImage, imageops};

use crate::support::{Daemon, House, MadeUpCamera, RtspCamera, eventually, frame, handled, wall_ms};

/// Visits of which the time to the verdict is measured.
const VISITS: usize = 10;
/// Time at rest of which the processor time is measured.
const REST: Duration = Duration::from_secs(20);
/// Longer than the cooldown of the house.
const PAUSE: Duration = Duration::from_secs(5);

/// A camera under measurement.
trait Scene {
    /// Shows an empty room, which changes as noise does, for a time.
    fn rests(&self, time: Duration);
    /// Shows a man; returns when he came into view, in milliseconds since 1970.
    fn shows_the_man(&self, visit: usize) -> u64;
}

fn measure(what: &str, house: &mut House, scene: &dyn Scene) {
    house.environment.insert("USHER__ACCESS__COOLDOWN".into(), "3s".into());
    house.enroll("Barack Obama", &["obama.jpg"]);
    let daemon = Daemon::start(house);
    eventually("frames", || (handled(house) >= 15).then_some(()));
    // What has just changed is looked at for a while.
    scene.rests(PAUSE);
    let (began, ticks, frames) = (Instant::now(), daemon.processor_ticks(), handled(house));
    scene.rests(REST);
    let seconds = began.elapsed().as_secs_f64();
    let (ticks, frames) = (daemon.processor_ticks() - ticks, handled(house) - frames);
    let mut delays = Vec::new();
    for visit in 0..VISITS {
        let shown = scene.shows_the_man(visit);
        let granted = eventually("a grant", || house.records("granted").into_iter().nth(visit));
        let at: jiff::Timestamp = granted["time"].as_str().unwrap().parse().unwrap();
        delays.push(at.as_millisecond() - i64::try_from(shown).unwrap());
        scene.rests(PAUSE);
    }
    delays.sort_unstable();
    let memory = daemon.resident_bytes() >> 20;
    println!(
        "{what}: {:.1} % of a core for {:.1} frames/s at rest, {memory} MiB, glass to verdict {} ms ({} to {}, {VISITS} visits)",
        ticks as f64 / seconds,
        frames as f64 / seconds,
        delays[VISITS / 2],
        delays[0],
        delays[VISITS - 1]
    );
    daemon.stop();
}

/// A picture with this much noise, in levels; another `seed` is other noise.
fn noisy(picture: &RgbImage, levels: u32, seed: u32) -> RgbImage {
    let mut state = seed.wrapping_mul(2_654_435_769) | 1;
    let mut noisy = picture.clone();
    for pixel in noisy.pixels_mut() {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let noise = (state >> 8) % levels;
        pixel.0 = pixel.0.map(|level| level.saturating_add(noise as u8));
    }
    noisy
}

fn empty() -> RgbImage {
    RgbImage::from_pixel(640, 480, image::Rgb([118, 120, 116]))
}

/// The frames of a scene of the made-up camera: as many as it takes.
const FRAMES: usize = 60;

struct Usb {
    camera: MadeUpCamera,
    format: &'static str,
}

impl Usb {
    /// Plays the scene for this time, each frame several times if need be.
    fn play(&self, scene: &str, time: Duration) {
        let times = 1 + time.as_secs() as usize * 16 / FRAMES;
        let names: Vec<String> = (0..FRAMES).map(|n| format!("{scene}{n}.{} times={times}", self.format)).collect();
        self.camera.plays(&names.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

impl Scene for Usb {
    fn rests(&self, time: Duration) {
        self.play("nobody", time);
        std::thread::sleep(time);
    }

    fn shows_the_man(&self, _visit: usize) -> u64 {
        self.play("man", PAUSE);
        wall_ms()
    }
}

#[test]
#[ignore = "measures, on a quiet machine"]
fn usb_cameras() {
    for (fourcc, format, width, height) in
        [("YUYV", "yuyv", 640, 480), ("MJPG", "jpg", 640, 480), ("MJPG", "jpg", 1280, 720)]
    {
        let keys = format!("width = {width}\nheight = {height}");
        let mode = format!("{fourcc} {width} {height} 66 0");
        let Some((camera, mut house)) = MadeUpCamera::in_house(House::new(), &mode, &keys) else { return };
        for n in 0..FRAMES {
            let fitted = |picture: &RgbImage| fitted(&noisy(picture, 6, n as u32 + 1), width, height);
            camera.develop(&format!("nobody{n}.{format}"), fitted(&empty()));
            camera.develop(&format!("man{n}.{format}"), fitted(&frame("obama2.jpg")));
        }
        let usb = Usb { camera, format };
        usb.play("nobody", REST);
        measure(&format!("USB {fourcc} {width}x{height}"), &mut house, &usb);
    }
}

struct Rtsp {
    camera: RtspCamera,
    size: String,
}

impl Scene for Rtsp {
    fn rests(&self, time: Duration) {
        self.camera.shows_file("nobody.jpg", &self.size);
        std::thread::sleep(time);
    }

    fn shows_the_man(&self, visit: usize) -> u64 {
        let name = format!("man{visit}.jpg");
        self.camera.shows_file(&name, &self.size);
        self.camera.shown_at_ms(&name)
    }
}

#[test]
#[ignore = "measures, on a quiet machine"]
fn streams() {
    for (codec, width, height) in
        [("h264", 640, 360), ("h264", 1920, 1080), ("h265", 640, 360), ("h265", 1920, 1080), ("jpeg", 640, 360)]
    {
        let camera = RtspCamera::start(codec, &["faint"]);
        let mut house = House::new().with_camera(&format!("kind = \"stream\"\nurl = {:?}", camera.url()));
        camera.shows("nobody.jpg", fitted(&empty(), width, height));
        for visit in 0..VISITS {
            camera.shows(&format!("man{visit}.jpg"), fitted(&frame("obama2.jpg"), width, height));
        }
        let rtsp = Rtsp { camera, size: format!("{width}x{height}") };
        rtsp.rests(Duration::ZERO);
        measure(&format!("RTSP {codec} {width}x{height}"), &mut house, &rtsp);
    }
}

/// The middle of a picture at this size, with faces as high as before.
fn fitted(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
    let mut fitted = RgbImage::from_pixel(width, height, image::Rgb([118, 120, 116]));
    let middle = |outer: u32, inner: u32| (i64::from(outer) - i64::from(inner)) / 2;
    imageops::overlay(&mut fitted, picture, middle(width, picture.width()), middle(height, picture.height()));
    fitted
}

//! Cameras on the network: a real RTSP server and a Motion-JPEG server, what they show, and how they fail.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use usher::camera::FrameSource;
use usher::camera::stream::{self, Memory, Origin, StreamSettings};
use usher::clock::{Clock, SystemClock};

use crate::support::{Daemon, House, HttpCamera, RtspCamera, certificate, eventually, frame, handled, wall_ms};

/// A house with a stream, where Barack Obama is enrolled. A person who stays in view is let in again after 3 s.
fn house(url: &str, keys: &str) -> House {
    let mut house = House::new().with_camera(&format!("kind = \"stream\"\nurl = {url:?}\n{keys}"));
    house.environment.insert("USHER__ACCESS__COOLDOWN".into(), "3s".into());
    house.enroll("Barack Obama", &["obama.jpg"]);
    house
}

fn wait_for(house: &House, kind: &str, times: usize) -> Value {
    eventually(kind, || house.records(kind).into_iter().nth(times - 1))
}

fn reason(record: &Value) -> &str {
    record["content"]["reason"].as_str().unwrap()
}

/// What doctor says of a stream that does not come.
fn doctor(url: &str, keys: &str) -> String {
    let house = House::new().with_camera(&format!("kind = \"stream\"\nurl = {url:?}\n{keys}"));
    let said = house.ask(&["doctor"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    said.out
}

#[test]
fn an_enrolled_man_walks_into_the_stream_and_the_door_opens() {
    for codec in ["h264", "h265", "jpeg"] {
        let camera = RtspCamera::start(codec, &[]);
        let house = house(&camera.url(), "");
        let daemon = Daemon::start(&house);
        eventually("frames", || (handled(&house) >= 15).then_some(()));
        assert!(house.records("granted").is_empty(), "{codec}");
        camera.shows("obama.jpg", frame("obama2.jpg"));
        wait_for(&house, "granted", 1);
        let log = daemon.log();
        let named = ["H264", "H265", "JPEG"].iter().any(|name| log.contains(&format!("{name} 640x480")));
        assert!(named && log.contains("decoded by software"), "{log}");
        daemon.stop();
    }
}

#[test]
fn a_camera_that_is_cut_off_or_hangs_is_lost_and_comes_back() {
    let mut camera = RtspCamera::start("h264", &[]);
    let house = house(&camera.url(), "");
    let daemon = Daemon::start(&house);
    eventually("frames", || (handled(&house) >= 5).then_some(()));
    camera.kill();
    wait_for(&house, "camera_lost", 1);
    camera.start_again();
    wait_for(&house, "camera_back", 1);
    // It hangs: its connections stay, but nothing comes.
    camera.signal("STOP");
    let lost = wait_for(&house, "camera_lost", 2);
    assert!(reason(&lost).contains("delivered no picture"), "{lost}");
    camera.signal("CONT");
    wait_for(&house, "camera_back", 2);
    camera.shows("obama.jpg", frame("obama2.jpg"));
    wait_for(&house, "granted", 1);
    daemon.stop();
}

#[test]
fn pictures_may_change_their_size() {
    let camera = RtspCamera::start("h264", &[]);
    let house = house(&camera.url(), "");
    let daemon = Daemon::start(&house);
    eventually("frames", || (handled(&house) >= 5).then_some(()));
    camera.shows_file("nobody.jpg", "1280x720");
    eventually("the new size", || daemon.log().contains("another size").then_some(()));
    camera.shows("obama.jpg", frame("obama2.jpg"));
    wait_for(&house, "granted", 1);
    assert!(house.records("camera_lost").is_empty(), "{}", daemon.log());
    daemon.stop();
}

#[test]
fn a_picture_that_stays_the_same_for_ever_is_lost_and_opens_nothing() {
    // To the bit; and all but the time of day at the top.
    for state in ["freeze", "hang"] {
        let camera = RtspCamera::start("h264", &[]);
        let mut house = house(&camera.url(), "");
        house.environment.insert("USHER__ACCESS__MAX_AGE".into(), "4s".into());
        camera.shows("obama.jpg", frame("obama2.jpg"));
        let daemon = Daemon::start(&house);
        wait_for(&house, "granted", 1);
        camera.set(state, true);
        let lost = wait_for(&house, "camera_lost", 1);
        assert!(reason(&lost).contains("picture has been the same"), "{lost}");
        let granted = house.records("granted").len();
        // Opened again, it is the same picture still, in other bits of a new encoder.
        std::thread::sleep(Duration::from_secs(8));
        assert_eq!(house.records("granted").len(), granted, "{state}");
        assert!(house.records("camera_back").is_empty(), "{state}");
        // What moves again is a camera again.
        camera.set(state, false);
        camera.shows_file("nobody.jpg", "640x480");
        wait_for(&house, "camera_back", 1);
        camera.shows_file("obama.jpg", "640x480");
        wait_for(&house, "granted", granted + 1);
        daemon.stop();
    }
}

/// A file of credentials in a folder that lives as long as the test.
fn credentials(folder: &tempfile::TempDir, text: &str) -> String {
    let path = folder.path().join("credentials");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    format!("credentials = {:?}", path.display().to_string())
}

#[test]
fn a_password_is_asked_for_and_never_shown() {
    let camera = RtspCamera::start("h264", &["user=admin", "password=hunter2"]);
    let folder = tempfile::tempdir().unwrap();
    let none = doctor(&camera.url(), "");
    assert!(none.contains("wants a user and a password"), "{none}");
    let wrong = doctor(&camera.url(), &credentials(&folder, "admin\nhunter3\n"));
    assert!(wrong.contains("refuses the user or the password") && !wrong.contains("hunter3"), "{wrong}");
    let house = house(&camera.url(), &credentials(&folder, "admin\nhunter2\n"));
    let mut shown = house.usher(&["config", "show"]);
    camera.shows("obama.jpg", frame("obama2.jpg"));
    let daemon = Daemon::start(&house);
    wait_for(&house, "granted", 1);
    camera.set("stall", true);
    wait_for(&house, "camera_lost", 1);
    shown += &daemon.log();
    shown += &house.usher(&["journal", "list", "--json"]);
    assert!(!shown.contains("hunter2"), "{shown}");
    daemon.stop();
    std::fs::set_permissions(folder.path().join("credentials"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let exposed = house.ask(&["doctor"]);
    assert!(exposed.code == Some(1) && exposed.out.contains("chmod 600"), "{exposed:?}");
}

#[test]
fn each_failure_has_its_own_sentence() {
    let camera = RtspCamera::start("h264", &[]);
    let port = camera.port();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (sound, page) = (RtspCamera::start("h264", &["audio"]), HttpCamera::start());
    for (url, sentence) in [
        (format!("rtsp://127.0.0.1:{port}/no-such-path"), "no stream at this path"),
        (format!("rtsp://127.0.0.1:{closed}/sub"), "nothing listens at 127.0.0.1"),
        ("rtsp://no-such-camera.invalid/sub".to_owned(), "the name no-such-camera.invalid is not known"),
        (format!("rtsps://127.0.0.1:{port}/sub"), "TLS with the camera failed"),
        (sound.url(), "has no video, only audio"),
        (page.url().replace("/stream", "/nothing"), "no stream at this path"),
        (page.url().replace("/stream", "/page"), "no stream of pictures"),
    ] {
        let said = doctor(&url, "");
        assert!(said.contains(sentence), "{url}: {said}");
    }
}

#[test]
fn a_decoder_that_is_not_installed_is_named() {
    let camera = RtspCamera::start("h265", &[]);
    let mut house = House::new().with_camera(&format!("kind = \"stream\"\nurl = {:?}", camera.url()));
    let off = ["avdec_h265", "libde265dec", "v4l2slh265dec", "vah265dec", "vaapih265dec", "nvh265dec"];
    let ranks: Vec<String> = off.iter().map(|name| format!("{name}:NONE")).collect();
    house.environment.insert("GST_PLUGIN_FEATURE_RANK".into(), ranks.join(","));
    let said = house.ask(&["doctor"]);
    assert!(said.code == Some(1) && said.out.contains("the stream is H265, and no decoder"), "{said:?}");
}

#[test]
fn a_camera_that_only_speaks_udp_is_read_too() {
    let camera = RtspCamera::start("h264", &["udp"]);
    let house = House::new().with_camera(&format!("kind = \"stream\"\nurl = {:?}", camera.url()));
    let said = house.usher(&["doctor"]);
    assert!(said.contains("over UDP gives Image(640x480)"), "{said}");
}

#[test]
fn an_encrypted_stream_has_the_certificate_that_is_pinned() {
    let folder = tempfile::tempdir().unwrap();
    let (pem, pin) = certificate(folder.path());
    let camera = RtspCamera::start("h264", &[&format!("certificate={}", pem.display())]);
    let url = camera.url().replace("rtsp://", "rtsps://");
    let unknown = doctor(&url, "");
    assert!(unknown.contains("is not trusted") && unknown.contains(&format!("certificate = \"{pin}\"")), "{unknown}");
    let other = doctor(&url, &format!("certificate = \"{}\"", "ab".repeat(32)));
    assert!(other.contains(&format!("certificate is {pin}, but")), "{other}");
    let house = house(&url, &format!("certificate = \"{pin}\""));
    camera.shows("obama.jpg", frame("obama2.jpg"));
    let daemon = Daemon::start(&house);
    wait_for(&house, "granted", 1);
    daemon.stop();
}

#[test]
fn motion_jpeg_over_http_opens_the_door() {
    let camera = HttpCamera::start();
    // admin:hunter2
    camera.wants("Basic YWRtaW46aHVudGVyMg==");
    let wanted = doctor(&camera.url(), "");
    assert!(wanted.contains("wants a user and a password"), "{wanted}");
    let folder = tempfile::tempdir().unwrap();
    let house = house(&camera.url(), &credentials(&folder, "admin\nhunter2\n"));
    let daemon = Daemon::start(&house);
    eventually("frames", || (handled(&house) >= 5).then_some(()));
    camera.shows(frame("obama2.jpg"));
    wait_for(&house, "granted", 1);
    daemon.stop();
}

#[test]
fn a_pipeline_of_the_operator_is_a_camera() {
    let text = "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=15/1";
    let house = House::new().with_camera(&format!("kind = \"stream\"\npipeline = {text:?}"));
    let said = house.usher(&["doctor"]);
    assert!(said.contains("camera of a pipeline, 320x240 at 15 frames/s gives Image(320x240)"), "{said}");
    let house = House::new().with_camera("kind = \"stream\"\npipeline = \"no-such-element ! videoconvert\"");
    let said = house.ask(&["doctor"]);
    assert!(said.code == Some(1) && said.out.contains("no element \"no-such-element\""), "{said:?}");
}

/// The burned-in clock of a picture, in the lowest 32 bits of the milliseconds since 1970.
fn burned_in_ms(image: &usher::domain::Image) -> u32 {
    let bit = |n: u32| u32::from(image.rgb()[((8 * image.width() + n * 16 + 8) * 3) as usize] > 127);
    (0..32).fold(0, |ms, n| ms << 1 | bit(n))
}

/// For each picture, how old it is and how old usher takes it for, in milliseconds.
fn ages(source: &mut dyn FrameSource, clock: &SystemClock, frames: usize) -> Vec<(i64, i64)> {
    let mut ages = Vec::new();
    for _ in 0..frames {
        let frame = source.next().unwrap();
        let claimed = i64::try_from(clock.now().since(frame.captured_at).as_millis()).unwrap();
        let age = (wall_ms() as u32).wrapping_sub(burned_in_ms(&frame.image)) as i32;
        ages.push((i64::from(age), claimed));
        source.recycle(frame.image);
    }
    ages
}

#[test]
fn pictures_are_dated_by_when_they_were_taken() {
    for codec in ["h264", "jpeg"] {
        let camera = RtspCamera::start(codec, &[]);
        let clock = Arc::new(SystemClock::new());
        let origin = Origin::Network { address: camera.url().parse().unwrap(), credentials: None, certificate: None };
        let settings = StreamSettings { origin, stuck_after: Duration::from_secs(5) };
        let mut source = stream::open(&settings, &Memory::default(), clock.clone()).unwrap();
        let ages = ages(source.as_mut(), &clock, 150);
        // The first sender report comes within five seconds; it is one of the last pictures that count.
        let (real, claimed): (Vec<i64>, Vec<i64>) = ages.iter().skip(75).copied().unzip();
        let median = |mut values: Vec<i64>| {
            values.sort_unstable();
            values[values.len() / 2]
        };
        println!("{codec}: real {:?} ms, claimed {:?} ms", median(real.clone()), median(claimed.clone()));
        // What the encoder keeps before it stamps a picture, nobody can know: here a picture or two.
        let missed = median(real.iter().zip(&claimed).map(|(real, claimed)| real - claimed).collect());
        assert!((-100..=250).contains(&missed), "{codec}: {ages:?}");
        // The sender stands still for two seconds and then sends what it has: those pictures are old.
        camera.signal("STOP");
        std::thread::sleep(Duration::from_secs(2));
        camera.signal("CONT");
        for (real, claimed) in self::ages(source.as_mut(), &clock, 15) {
            assert!(real - claimed <= 400, "{codec}: a picture of {real} ms was taken for one of {claimed} ms");
        }
    }
}

/// Frames of a stream at speed. `USHER_STREAM_FRAMES` asks for more, of small pictures at a higher rate: 1,296,000 are a day at 15 frames a second.
const FRAMES: u64 = 2_000;

#[test]
fn memory_stays_flat_over_many_frames() {
    let asked: Option<u64> = std::env::var("USHER_STREAM_FRAMES").ok().map(|frames| frames.parse().unwrap());
    let (frames, rate, size) = asked.map_or((FRAMES, "fps=60", "640x480"), |asked| (asked, "fps=1000", "160x120"));
    let camera = RtspCamera::start("h264", &[rate]);
    camera.shows_file("nobody.jpg", size);
    let house = house(&camera.url(), "fps = 60");
    let daemon = Daemon::start(&house);
    let began = std::time::Instant::now();
    // Not the usual patience: a day's frames take an hour.
    let wait_until = |count: u64| {
        while handled(&house) < count {
            assert!(began.elapsed() < Duration::from_secs(120 + frames / 20), "too few frames: {}", daemon.log());
            std::thread::sleep(Duration::from_millis(500));
        }
        daemon.resident_bytes()
    };
    let early = wait_until(frames / 4);
    let late = wait_until(frames);
    let took = began.elapsed().as_secs();
    println!("{frames} frames in {took} s: {} MiB after a quarter, then {} MiB", early >> 20, late >> 20);
    // The digests of half an hour's pictures are some of it.
    assert!(late < early + (16 << 20), "{early} bytes, then {late}");
    assert!(house.records("camera_lost").is_empty(), "{}", daemon.log());
    daemon.stop();
}

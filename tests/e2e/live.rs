//! People who watch the cameras: pictures, the live stream, help with aiming; who is inside, and the hours of the week.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use image::{RgbImage, imageops};
use serde_json::{Value, json};

use crate::support::{Daemon, Film, House, eventually, frame, lines};

/// The answer of the API to `curl` with these arguments: its status and its body.
fn curl(house: &House, path: &str, more: &[&str]) -> (u16, Vec<u8>) {
    let body = house.path("answer");
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--unix-socket"])
        .arg(house.socket())
        .arg("--output")
        .arg(&body)
        .args(["--write-out", "%{http_code}", &format!("http://usher{path}")])
        .args(more)
        .output()
        .unwrap();
    let status = String::from_utf8(output.stdout).unwrap();
    (status.parse().unwrap(), std::fs::read(body).unwrap_or_default())
}

fn get(house: &House, path: &str) -> Value {
    let (status, body) = curl(house, path, &[]);
    let text = String::from_utf8(body).unwrap();
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str(&text).unwrap()
}

fn post(house: &House, path: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let (status, body) = curl(house, path, &["-X", "POST", "-H", "Content-Type: application/json", "-d", &body]);
    (status, serde_json::from_slice(&body).unwrap())
}

/// What an endless answer gives in this time.
fn follow(house: &House, path: &str, span: Duration) -> Vec<u8> {
    let output = Command::new("curl")
        .args(["--silent", "--no-buffer", "--unix-socket"])
        .arg(house.socket())
        .args(["--max-time", &span.as_secs_f32().to_string(), &format!("http://usher{path}")])
        .stderr(Stdio::null())
        .output()
        .unwrap();
    output.stdout
}

/// Whole lines of the live stream in this time.
fn live(house: &House, span: Duration) -> (Vec<Value>, String) {
    let text = String::from_utf8(follow(house, "/v1/live", span)).unwrap();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]).to_owned();
    (lines(&whole), whole)
}

#[test]
fn the_live_stream_tells_who_stands_there_and_what_was_decided_without_embeddings() {
    let house = House::new().watching(Film::default().nobody(10).shows("obama2.jpg", 20).nobody(15), true);
    house.enroll("Barack Obama", &["obama.jpg"]);
    let daemon = Daemon::start(&house);
    // However slow the machine is.
    let (lines, text) = eventually("a face that is let in", || {
        let (lines, text) = live(&house, Duration::from_secs(12));
        (text.contains("\"unlocked\":true,\"reason\":null") && text.contains("\"faces\":[]")).then_some((lines, text))
    });
    assert_eq!(lines[0]["kind"], "doors", "{text}");
    assert_eq!(lines[0]["doors"][0]["name"], "front");
    let porch = json!({ "name": "porch", "door": "front", "spectrum": "visible", "trouble": null, "aim": null });
    assert_eq!((&lines[1]["kind"], &lines[1]["cameras"][0]), (&json!("cameras"), &porch));
    let faces: Vec<&Value> = lines.iter().filter(|line| line["kind"] == "faces").collect();
    assert!(faces.iter().any(|line| line["faces"] == json!([])), "an empty scene is told");
    let views: Vec<&Value> = faces.iter().filter_map(|line| line["faces"].get(0)).collect();
    let first = views.iter().find(|face| face["view"]["found"] == "person").expect(&text);
    assert_eq!(first["view"]["person"], json!({ "id": 1, "name": "Barack Obama" }));
    assert_eq!(first["view"]["frames_needed"], 3);
    assert!(first["view"]["distance"].as_f64().unwrap() < first["view"]["limit"].as_f64().unwrap());
    assert!(first["view"]["quality"]["size_px"].as_f64().unwrap() > 80.0);
    let [x1, y1, x2, y2] = [0, 1, 2, 3].map(|side| first["box"][side].as_f64().unwrap());
    assert!(x1 < 320.0 && x2 > 320.0 && y1 < 216.0 && y2 > 216.0, "the face is where it is drawn: {first}");
    let granted = views.iter().any(|face| face["view"]["verdict"]["unlocked"] == true);
    assert!(granted && lines.iter().any(|line| line["doors"][0]["unlocked"] == true), "{text}");
    assert!(!text.contains("embedding\"") && !text.contains("model"), "{text}");
    daemon.stop();
}

#[test]
fn what_is_missing_for_a_good_view_is_told() {
    let small = crate::support::sized_frame("obama2.jpg", 70.0);
    let house = House::new().watching(Film::default().picture(small, 20), true);
    house.enroll("Barack Obama", &["obama.jpg"]);
    let daemon = Daemon::start(&house);
    let (lines, text) = live(&house, Duration::from_secs(6));
    let mut faces = lines.iter().filter_map(|line| line["faces"].get(0)?.get("view")).filter(|view| !view.is_null());
    let view = faces.next_back().expect(&text);
    assert_eq!(view["found"], "poor", "{text}");
    assert_eq!((&view["missing"][0]["what"], &view["missing"][0]["needs"]), (&json!("size"), &json!(80.0)), "{text}");
    daemon.stop();
}

#[test]
fn a_cameras_own_jpeg_is_shown_as_it_is_and_its_stream_moves_while_nobody_is_there() {
    let house = House::new();
    let daemon = Daemon::start(&house);
    let film = std::fs::read(house.path("camera.mjpeg")).unwrap();
    let (status, picture) = curl(&house, "/v1/cameras/porch/picture", &[]);
    assert_eq!((status, picture), (200, film), "the film has one picture");
    let span = Duration::from_secs(3);
    let began = Instant::now();
    let stream = follow(&house, "/v1/cameras/porch/stream", span);
    let seconds = began.elapsed().as_secs_f32();
    let parts = stream.windows(15).filter(|window| window == b"--usher-picture").count() as f32;
    assert!((6.0..=seconds * 5.0 + 2.0).contains(&parts), "{parts} pictures in {seconds} s");
    let (status, body) = curl(&house, "/v1/cameras/attic/picture", &[]);
    assert_eq!(status, 404);
    assert!(String::from_utf8(body).unwrap().contains("no camera `attic`; there is porch"));
    daemon.stop();
}

#[test]
fn a_camera_without_a_jpeg_is_encoded_and_a_lost_one_says_why_there_is_none() {
    let house = House::new();
    let folder = house.path("stills");
    std::fs::create_dir(&folder).unwrap();
    frame("obama2.jpg").save(folder.join("a.png")).unwrap();
    let house = house
        .with_camera(&format!("kind = \"replay\"\npath = {:?}\nfps = 10\nloop = true", folder.display().to_string()));
    let daemon = Daemon::start(&house);
    let (status, picture) = curl(&house, "/v1/cameras/porch/picture", &[]);
    assert_eq!(status, 200);
    let picture = image::load_from_memory(&picture).unwrap();
    assert_eq!((picture.width(), picture.height()), (640, 480));
    daemon.stop();

    std::fs::remove_file(folder.join("a.png")).unwrap();
    let daemon = Daemon::start(&house);
    let (status, body) = curl(&house, "/v1/cameras/porch/picture", &[]);
    let text = String::from_utf8(body).unwrap();
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("camera porch gives no picture") && text.contains("no usable picture"), "{text}");
    assert!(get(&house, "/v1/cameras")[0]["trouble"].is_string());
    daemon.stop();
}

/// The picture as a camera delivers it that hangs turned: to be turned clockwise by these degrees.
fn hung(picture: &RgbImage, degrees: u16) -> RgbImage {
    match degrees {
        90 => imageops::rotate270(picture),
        180 => imageops::rotate180(picture),
        _ => imageops::rotate90(picture),
    }
}

#[test]
fn a_camera_that_hangs_on_its_side_is_noticed_and_turned_by_one_request() {
    let scene = hung(&frame("obama2.jpg"), 90);
    let house = House::new().watching(Film::default().picture(scene, 20), true);
    house.enroll("Barack Obama", &["obama.jpg"]);
    let daemon = Daemon::start(&house);
    assert_eq!(post(&house, "/v1/cameras/porch/aim", &Value::Null).0, 200);
    let aim = eventually("the turn", || {
        let aim = get(&house, "/v1/cameras")[0]["aim"].clone();
        aim["turn_deg"].is_number().then_some(aim)
    });
    assert_eq!(aim["turn_deg"], 90, "{aim}");
    assert!(house.records("granted").is_empty());
    let before = std::fs::read_to_string(house.config()).unwrap();
    let (status, answer) = post(&house, "/v1/cameras/porch/rotate", &json!({ "turn_deg": 90 }));
    assert_eq!((status, &answer["written"], &answer["rotate_deg"]), (200, &json!(true), &json!(90)), "{answer}");
    let after = std::fs::read_to_string(house.config()).unwrap();
    assert_eq!(after, before.replace("name = \"porch\"\n", "name = \"porch\"\nrotate = 90\n"));
    let turned = house.records("camera_turned");
    assert_eq!(turned[0]["content"]["rotate_deg"], 90, "{turned:?}");
    for wrong in [0, 45, 360] {
        assert_eq!(post(&house, "/v1/cameras/porch/rotate", &json!({ "turn_deg": wrong })).0, 422);
    }
    daemon.stop();
    let daemon = Daemon::start(&house);
    eventually("a grant", || house.records("granted").pop());
    let (_, picture) = curl(&house, "/v1/cameras/porch/picture", &[]);
    assert_eq!(image::load_from_memory(&picture).unwrap().width(), 640, "the picture is upright");
    daemon.stop();
}

#[test]
fn a_file_that_cannot_be_changed_stays_and_the_answer_says_what_to_write() {
    let mut house = House::new();
    house.environment.insert("USHER__CAMERA__0__ROTATE".to_owned(), "180".to_owned());
    let daemon = Daemon::start(&house);
    let before = std::fs::read_to_string(house.config()).unwrap();
    let (status, answer) = post(&house, "/v1/cameras/porch/rotate", &json!({ "turn_deg": 90 }));
    assert_eq!((status, &answer["written"], &answer["rotate_deg"]), (200, &json!(false), &json!(270)), "{answer}");
    assert!(answer["trouble"].as_str().unwrap().contains("environment"), "{answer}");
    assert_eq!(std::fs::read_to_string(house.config()).unwrap(), before);
    assert!(house.records("camera_turned").is_empty());
    daemon.stop();
}

#[test]
fn who_is_inside_is_listed_with_names_and_since_when() {
    let zones = "[[door]]\nname = \"front\"\npulse = \"300ms\"\noutside = \"street\"\ninside = \"office\"\n";
    let house = House::new().with(zones);
    house.enroll("Barack Obama", &["obama.jpg"]);
    let daemon = Daemon::start(&house);
    assert_eq!(get(&house, "/v1/inside"), json!({ "zones": [] }));
    house.usher(&["door", "admit", "#1", "--reason", "trial", "--direction", "in"]);
    let zones = eventually("somebody inside", || get(&house, "/v1/inside")["zones"].get(0).cloned());
    assert_eq!((&zones["zone"], &zones["people"][0]["name"]), (&json!("office"), &json!("Barack Obama")));
    assert!(zones["people"][0]["since"].as_str().unwrap().ends_with('Z'));
    let told = house.usher(&["door", "inside"]);
    assert!(told.starts_with("office: 1\n") && told.contains("Barack Obama"), "{told}");
    assert_eq!(house.json(&["door", "inside", "--json"])[0]["people"][0]["id"], 1);
    house.usher(&["door", "amnesty"]);
    assert_eq!(house.usher(&["door", "inside"]), "nobody, as far as doors have reported\n");
    daemon.stop();
}

#[test]
fn the_hours_of_a_week_and_trials_of_the_rules_are_answered_with_and_without_a_daemon() {
    let rules = "[[schedule]]\nname = \"office\"\nhours = [\"mon-fri 08:00-18:00\"]\n\
        [[permit]]\ngroups = [\"staff\"]\nschedule = \"office\"\n";
    let mut house = House::new().with(rules);
    house.environment.insert("USHER__DEVICE__TIME_ZONE".into(), "Europe/Berlin".into());
    house.enroll("Barack Obama", &["obama.jpg"]);
    house.usher(&["people", "groups", "#1", "staff"]);
    let daemon = Daemon::start(&house);
    let hours = get(&house, "/v1/hours?week=2026-12-24");
    assert_eq!((&hours["monday"], &hours["zone"]), (&json!("2026-12-21"), &json!("Europe/Berlin")));
    let days = &hours["schedules"][0]["days"];
    assert_eq!((&days[0]["open_min"], &days[6]["open_min"]), (&json!([[480, 1080]]), &json!([])));
    assert_eq!(hours["doors"][0]["permits"][0]["groups"], json!(["staff"]));
    let asked = get(&house, "/v1/schedule/test?person=1&at=2026-12-21T18:00");
    assert_eq!((asked[0]["passes"].as_bool(), &asked[0]["reason"]), (Some(false), &json!("outside_schedule")));
    let by_command = house.json(&["schedule", "test", "--person", "#1", "--at", "2026-12-21T18:00", "--json"]);
    assert_eq!((&by_command[0]["reason"], &by_command[0]["at"]), (&asked[0]["reason"], &asked[0]["at"]));
    for (path, status) in [
        ("/v1/hours?week=soon", 422),
        ("/v1/schedule/test?person=1&at=soon", 422),
        ("/v1/schedule/test?person=9", 404),
        ("/v1/schedule/test?person=1&door=attic", 404),
        ("/v1/schedule/test", 400),
    ] {
        assert_eq!(curl(&house, path, &[]).0, status, "{path}");
    }
    daemon.stop();
}

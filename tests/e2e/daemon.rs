//! The daemon: what the door does, what is recorded, and how the daemon starts and ends.

use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Daemon, Film, House, eventually, frame, status, write_jpeg};

/// A person who stays in front of the camera.
fn always(actor: &str) -> Film {
    Film::default().shows(actor, 1)
}

/// A person who comes again and again, with an empty scene in between: a new track each time.
fn again_and_again(actor: &str) -> Film {
    Film::default().shows(actor, 8).nobody(14)
}

fn kinds(journal: &[Value]) -> Vec<&str> {
    journal.iter().map(|record| record["kind"].as_str().unwrap()).collect()
}

fn wait_for(house: &House, kind: &str) -> Value {
    eventually(kind, || house.records(kind).pop())
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn the_door_opens_for_the_enrolled_man_and_for_nobody_else() {
    let film = Film::default().nobody(3).shows("obama2.jpg", 10).nobody(14).shows("biden.jpg", 10).nobody(3);
    let house = House::new().watching(film, false);
    house.enroll("Barack Obama", &["obama.jpg"]);
    house.usher(&["run", "--until-replays-end"]);

    let journal = house.journal();
    let recorded = kinds(&journal);
    assert_eq!(recorded[..3], ["enrolled", "started", "granted"], "{recorded:?}");
    assert_eq!(recorded.last(), Some(&"stopped"));
    for (kind, count) in [("granted", 1), ("unlocked", 1), ("locked", 1), ("denied", 1)] {
        assert_eq!(
            recorded.iter().filter(|recorded_kind| **recorded_kind == kind).count(),
            count,
            "{kind} in {recorded:?}"
        );
    }
    let of = |kind: &str| journal.iter().find(|record| record["kind"] == kind).unwrap();

    let granted = &of("granted")["content"];
    assert_eq!(granted["person"], json!({ "id": 1, "name": "Barack Obama", "employee_id": null, "groups": [] }));
    assert_eq!((&granted["door"], &granted["camera"]), (&json!("front"), &json!("porch")));
    assert_eq!((&granted["verdict"], &granted["reason"]), (&json!("grant"), &Value::Null));
    let distance = number(&granted["distance"]);
    assert!((0.1..0.9).contains(&distance), "{distance}");
    assert_eq!(
        gates(granted),
        [
            "quality",
            "embedding",
            "distance",
            "margin",
            "agreement",
            "age",
            "mode",
            "person",
            "permit",
            "backoff",
            "assurance"
        ]
        .map(|gate| (gate.to_owned(), true))
    );

    let denied = &of("denied")["content"];
    assert_eq!((&denied["verdict"], &denied["reason"]), (&json!("deny"), &json!("unknown")));
    assert_eq!(denied["person"]["name"], "Barack Obama");
    let distance = number(&denied["distance"]);
    assert!((1.0..2.0).contains(&distance), "{distance}");
    assert!(gates(denied).contains(&("distance".to_owned(), false)), "{denied}");

    let opened = of("unlocked");
    assert_eq!(opened["content"]["record"], of("granted")["seq"]);
    // What is left of it when the door's thread hears of it, or a little more where that thread was late.
    let duration = opened["content"]["duration_ms"].as_u64().unwrap();
    assert!((300..350).contains(&duration), "{duration}");
    assert_eq!(of("locked")["content"]["reason"], "the pulse is over");
    assert_eq!(of("stopped")["content"]["reason"], "the replays are over");

    let sound = house.json(&["journal", "verify", "--json"]).remove(0);
    assert_eq!((&sound["records"], &sound["sound"]), (&json!(journal.len()), &json!(true)));
    let receipt = house.usher(&["journal", "show", &of("granted")["seq"].to_string()]);
    assert!(receipt.contains("Barack Obama") && receipt.contains("agreement"), "{receipt}");
    let error = house.refused(&["journal", "show", "4711"]);
    assert!(error.contains("there is no record 4711"), "{error}");
}

fn gates(decision: &Value) -> Vec<(String, bool)> {
    let gate = |gate: &Value| (gate["name"].as_str().unwrap().to_owned(), gate["passed"].as_bool().unwrap());
    decision["gates"].as_array().unwrap().iter().map(gate).collect()
}

#[test]
fn nothing_is_decided_about_an_empty_scene() {
    let house = House::new().watching(Film::default().nobody(15), false);
    house.enroll("Barack Obama", &["obama.jpg"]);
    house.usher(&["run", "--until-replays-end"]);
    assert_eq!(kinds(&house.journal()), ["enrolled", "started", "stopped"]);
}

#[test]
fn a_folder_of_photographs_is_a_camera_too() {
    let house = House::new();
    std::fs::create_dir(house.path("shots")).unwrap();
    for shot in 0..8 {
        write_jpeg(frame("obama3.jpg"), &house.path(&format!("shots/{shot}.jpg")));
    }
    let house = house.with_camera("kind = \"replay\"\npath = \"shots\"\nfps = 10");
    house.enroll("Barack Obama", &["obama.jpg", "obama2.jpg"]);
    house.usher(&["run", "--until-replays-end"]);
    assert_eq!(house.records("granted").len(), 1, "{:?}", house.journal());
}

#[test]
fn sigterm_shuts_the_door_and_ends_in_order() {
    let house = House::new().watching(always("obama2.jpg"), true).with("[[door]]\nname = \"front\"\npulse = \"1m\"");
    house.enroll("Barack Obama", &["obama.jpg"]);
    let daemon = Daemon::start(&house);
    wait_for(&house, "unlocked");
    daemon.stop();
    let journal = house.journal();
    let recorded = kinds(&journal);
    assert_eq!(recorded[recorded.len() - 2..], ["locked", "stopped"], "{recorded:?}");
    assert_eq!(journal[recorded.len() - 2]["content"]["reason"], "the daemon stops");
    assert_eq!(journal[recorded.len() - 1]["content"]["reason"], "SIGTERM");
    assert!(!house.socket().exists());
}

#[test]
fn after_a_kill_it_starts_again_with_people_and_journal_intact() {
    let house = House::new().watching(always("obama2.jpg"), true);
    house.enroll("Barack Obama", &["obama.jpg"]);
    let daemon = Daemon::start(&house);
    // A record can be read a moment before it is synchronised; the door moves only after that.
    let opened = wait_for(&house, "unlocked");
    let granted = house.journal().swap_remove(opened["content"]["record"].as_u64().unwrap() as usize - 1);
    daemon.kill();
    assert!(house.socket().exists(), "a killed daemon cannot remove its socket");
    assert!(UnixStream::connect(house.socket()).is_err());

    let before = house.journal();
    assert!(before.contains(&granted), "{granted} is not in {before:?}");
    let daemon = Daemon::start(&house);
    assert_eq!(house.people().len(), 1);
    eventually("another grant", || (house.records("granted").len() > 1).then_some(()));
    daemon.stop();
    let after = house.journal();
    assert_eq!(after[..before.len()], before);
    assert_eq!(kinds(&after).iter().filter(|kind| **kind == "started").count(), 2);
    house.usher(&["journal", "verify"]);
}

#[test]
fn a_second_daemon_is_refused_and_leaves_no_trace() {
    let house = House::new();
    let daemon = Daemon::start(&house);
    let error = house.refused(&["run"]);
    assert!(error.contains("in use by another usher") && error.contains("stop it first"), "{error}");

    // The same socket, another store.
    let mut other = House::new();
    other.environment.insert("USHER__CONTROL__SOCKET".into(), house.socket().display().to_string());
    let error = other.refused(&["run"]);
    assert!(error.contains("another daemon answers on it") && error.contains("usher.sock"), "{error}");
    other.environment.clear();
    assert_eq!(other.journal(), [] as [Value; 0], "it never started");

    status(&house);
    daemon.stop();
}

#[test]
fn a_file_at_the_socket_s_path_is_left_alone() {
    let house = House::new();
    std::fs::write(house.socket(), "precious").unwrap();
    let error = house.refused(&["run"]);
    assert!(error.contains("not a socket"), "{error}");
    assert_eq!(std::fs::read_to_string(house.socket()).unwrap(), "precious");
}

#[test]
fn people_change_while_the_door_is_watched() {
    let house = House::new().watching(again_and_again("obama2.jpg"), true);
    house.enroll("Barack", &["obama.jpg"]);
    let daemon = Daemon::start(&house);
    wait_for(&house, "granted");

    house.usher(&["people", "rename", "barack", "Barack Obama"]);
    house.usher(&["people", "disable", "#1"]);
    assert_eq!(house.people()[0]["enabled"], false);
    // Grants that were under way when he was disabled precede the first refusal.
    wait_for(&house, "denied");
    let grants = house.records("granted").len();
    let denials = house.records("denied").len();
    eventually("another refusal", || (house.records("denied").len() > denials).then_some(()));
    assert_eq!(house.records("granted").len(), grants);
    assert_eq!(house.records("denied")[0]["content"]["reason"], "disabled");

    house.usher(&["people", "enable", "Barack Obama"]);
    let again = eventually("a grant after enabling", || house.records("granted").into_iter().nth(grants));
    assert_eq!(again["content"]["person"]["name"], "Barack Obama");

    house.enroll("Joe Biden", &["biden.jpg"]);
    let error = house.refused(&["people", "remove", "Joe Biden"]);
    assert!(error.contains("--yes"), "{error}");
    let removed = house.json(&["people", "remove", "Joe Biden", "--yes", "--json"]).remove(0);
    assert_eq!((&removed["id"], &removed["name"]), (&json!(2), &json!("Joe Biden")));
    assert_eq!(house.people().len(), 1);
    assert!(house.refused(&["people", "show", "Joe Biden"]).contains("nobody is enrolled as `Joe Biden`"));

    daemon.stop();
    let recorded = house.journal();
    let people_acts: Vec<_> = kinds(&recorded)
        .into_iter()
        .filter(|kind| ["enrolled", "renamed", "disabled", "enabled", "removed"].contains(kind))
        .collect();
    assert_eq!(people_acts, ["enrolled", "renamed", "disabled", "enabled", "enrolled", "removed"]);
    assert!(
        recorded.iter().filter(|record| record["kind"] == "renamed").all(|record| record["content"]["by"].is_string())
    );
    house.usher(&["journal", "verify"]);
}

#[test]
fn status_reports_every_part() {
    let house = House::new().watching(always("biden.jpg"), true);
    let daemon = Daemon::start(&house);
    let report = eventually("frames that were looked at", || {
        let report = status(&house);
        let mut stages = report["stages"].as_array().unwrap().iter().filter(|stage| stage["role"] != "relay");
        let handled = stages.all(|stage| stage["handled"] != 0);
        handled.then_some(report)
    });
    let roles: Vec<_> = report["stages"].as_array().unwrap().iter().map(|stage| stage["role"].clone()).collect();
    assert_eq!(roles, ["doors", "relay", "vision", "camera"]);
    assert!(report["stages"].as_array().unwrap().iter().all(|stage| stage["trouble"].is_null()), "{report}");
    assert_eq!((&report["device"], &report["people"], &report["hub"]), (&json!("house"), &json!(0), &Value::Null));
    assert_eq!(report["placements"].as_array().unwrap().len(), 4);
    assert_eq!(report["doors"][0]["name"], "front");
    assert!((0.5..1.5).contains(&number(&report["near_enough"]["distance"])), "{report}");
    daemon.stop();
    let error = house.refused(&["status"]);
    assert!(error.contains("no daemon answers on") && error.contains("usher run"), "{error}");
}

#[test]
fn a_person_is_enrolled_with_the_daemon_s_camera() {
    let house = House::new().watching(always("biden.jpg"), true);
    let daemon = Daemon::start(&house);
    let report = house.json(&["enroll", "Joe Biden", "--camera", "--views", "2", "--json"]).remove(0);
    assert_eq!(report["taken"], json!(["view 1", "view 2"]));
    assert_eq!((&report["person"]["name"], &report["person"]["templates"]), (&json!("Joe Biden"), &json!(2)));
    let granted = wait_for(&house, "granted");
    assert_eq!(granted["content"]["person"]["name"], "Joe Biden");

    let error = house.refused(&["enroll", "Somebody", "--camera", "garden"]);
    assert!(error.contains("no camera `garden` is configured") && error.contains("porch"), "{error}");
    daemon.stop();
}

#[test]
fn without_a_daemon_enrolment_opens_the_camera() {
    let house = House::new().watching(always("biden.jpg"), true);
    let report = house.json(&["enroll", "Joe Biden", "--camera", "porch", "--views", "2", "--json"]).remove(0);
    assert_eq!(report["person"]["templates"], 2);

    let house = House::new().watching(Film::default().nobody(3), false);
    let error = house.refused(&["enroll", "Joe Biden", "--camera"]);
    assert!(error.contains("only 0 of 5 good views") && error.contains("no face in view"), "{error}");
    assert!(house.people().is_empty());
}

/// The daemon's message about its camera.
fn camera_trouble(house: &House) -> Value {
    let status = status(house);
    let mut stages = status["stages"].as_array().unwrap().iter();
    stages.find(|stage| stage["role"] == "camera").unwrap()["trouble"].clone()
}

#[test]
fn an_absent_camera_never_ends_the_daemon() {
    let house = House::new().with_camera("kind = \"v4l2\"\ndevice = \"/dev/video99\"");
    let daemon = Daemon::start(&house);
    let lost = wait_for(&house, "camera_lost");
    assert_eq!(lost["content"]["camera"], "porch");
    assert!(lost["content"]["reason"].as_str().unwrap().contains("/dev/video99"), "{lost}");
    assert!(camera_trouble(&house).as_str().unwrap().contains("/dev/video99"));
    // Two more attempts, 0.5 s and 1 s apart.
    eventually("a second attempt", || (number(&status(&house)["uptime_s"]) >= 3.0).then_some(()));
    daemon.stop();
    assert_eq!(kinds(&house.journal()), ["started", "camera_lost", "stopped"]);
}

#[test]
fn a_camera_that_appears_later_is_taken_up() {
    let house = House::new().with_camera("kind = \"replay\"\npath = \"late.mjpeg\"\nfps = 10\nloop = true");
    house.enroll("Barack Obama", &["obama.jpg"]);
    let daemon = Daemon::start(&house);
    wait_for(&house, "camera_lost");
    always("obama2.jpg").write(&house.path("late.mjpeg"));
    let back = wait_for(&house, "camera_back");
    assert_eq!(back["content"]["camera"], "porch");
    wait_for(&house, "granted");
    assert!(camera_trouble(&house).is_null());
    // The daemon also survives bad pictures while it runs.
    std::fs::write(house.path("late.mjpeg"), "").unwrap();
    eventually("the second loss", || (house.records("camera_lost").len() == 2).then_some(()));
    daemon.stop();
    assert_eq!(kinds(&house.journal()).last(), Some(&"stopped"));
}

#[test]
fn an_accelerator_that_is_missing_leaves_the_door_working_on_the_cpu() {
    for accelerator in ["gpu", "/nonexistent/delegate.so"] {
        let mut house = House::new().watching(Film::default().shows("obama2.jpg", 20), false);
        house.environment.insert("USHER__RUNTIME__ACCELERATOR".into(), accelerator.into());
        house.enroll("Barack Obama", &["obama.jpg"]);
        let answer = house.ask(&["run", "--until-replays-end"]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(!house.records("granted").is_empty());
        if Path::new(accelerator).is_absolute() {
            assert!(
                answer.err.contains("runs on the CPU instead") && answer.err.contains(accelerator),
                "{}",
                answer.err
            );
        }
    }
}

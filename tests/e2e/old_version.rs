//! A store and a backup that version 0.1.0 wrote: they open, verify, and read to the same meaning. `tests/data/v0.1.0/make` made them,
//! with the key that each `House` has.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Daemon, House, status};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v0.1.0").join(name)
}

/// A house in the time zone of the old one, whose people are of the model that 0.1.0 had.
fn house() -> House {
    let mut house = House::new();
    house.environment.insert("USHER__DEVICE__TIME_ZONE".into(), "Europe/Berlin".into());
    house.environment.insert("USHER__MODELS__EMBEDDER".into(), "mobilefacenet".into());
    house
}

/// The old store, unpacked.
fn old_store() -> House {
    let house = house();
    let folder = house.store();
    std::fs::create_dir_all(&folder).unwrap();
    let unpacked = Command::new("tar")
        .args(["--strip-components=1", "-xzf"])
        .arg(data("store.tar.gz"))
        .arg("-C")
        .arg(&folder)
        .status();
    assert!(unpacked.unwrap().success());
    house
}

/// Each record in today's words, as they were when this file was made and compared with those of 0.1.0 (`words-of-0.1.0.txt`).
fn todays_words() -> String {
    std::fs::read_to_string(data("words.txt")).unwrap()
}

fn list(house: &House) -> String {
    house.usher(&["journal", "list", "-n", "10000"])
}

/// The people of the old store, without what depends on today.
fn people(house: &House) -> Vec<Value> {
    house.people().iter().map(|p| json!([p["id"], p["name"], p["employee_id"], p["groups"], p["enabled"]])).collect()
}

fn expected_people() -> Vec<Value> {
    vec![json!([1, "Barack Obama", "E007", ["keyholders", "staff"], true]), json!([2, "Joseph Biden", null, [], true])]
}

#[test]
fn a_store_of_0_1_0_opens_verifies_and_explains_itself() {
    let house = old_store();
    if std::env::var_os("UPDATE_WORDS").is_some() {
        std::fs::write(data("words.txt"), list(&house)).unwrap();
    }
    assert_eq!(list(&house), todays_words());
    let records = todays_words().lines().filter(|line| line.starts_with(' ')).count();
    let old = std::fs::read_to_string(data("words-of-0.1.0.txt")).unwrap();
    assert_eq!(records, old.lines().filter(|line| line.starts_with(' ')).count());
    let sound = house.json(&["journal", "verify", "--json"]).remove(0);
    assert_eq!((&sound["sound"], &sound["records"]), (&json!(true), &json!(records)), "{sound}");
    assert_eq!(people(&house), expected_people());
    // The receipt of its last grant names each gate.
    let why = house.usher(&["why"]);
    assert!(why.contains("Barack Obama") && why.contains("distance") && why.contains("permit"), "{why}");
    // The operator's correction counts, and a grant of 0.1.0 at a door that records passages is a reading.
    let day = house.usher(&["attendance", "--day", "2026-11-29"]);
    assert!(day.contains("Barack Obama") && day.contains("08:00"), "{day}");
    // Nobody is named whom 0.1.0 erased.
    let all = house.usher(&["journal", "export"]);
    assert!(!all.contains("Somebody Else"), "{all}");
    // And the daemon continues it.
    let daemon = Daemon::start(&house);
    assert_eq!(status(&house)["doors"][0]["mode"], "normal");
    daemon.stop();
    let journal = house.journal();
    assert_eq!((journal.len(), &journal[records]["kind"]), (records + 2, &json!("started")));
    house.usher(&["journal", "verify"]);
}

#[test]
fn a_backup_of_0_1_0_is_restored() {
    let fresh = house();
    fresh.usher(&["restore".as_ref(), data("backup").as_os_str()]);
    let words = todays_words();
    assert!(list(&fresh).starts_with(&words), "{}", list(&fresh));
    let records = words.lines().filter(|line| line.starts_with(' ')).count();
    assert_eq!(fresh.journal()[records]["kind"], "restored");
    fresh.usher(&["journal", "verify"]);
    assert_eq!(people(&fresh), expected_people());
    // Its templates are sealed with the key of the house.
    let doctor = fresh.ask(&["doctor"]);
    assert!(!doctor.out.contains("cannot be recognised"), "{}", doctor.out);
}

/// An upgrade whose default is another embedder: people of 0.1.0 are recognised as before, and one command leads them over.
#[test]
fn people_of_0_1_0_are_led_to_another_model() {
    let mut house = old_store();
    // The configuration names no embedder, and the default became another one.
    house.environment.remove("USHER__MODELS__EMBEDDER");
    let daemon = Daemon::start(&house);
    assert!(status(&house)["model"].as_str().unwrap().starts_with("mobilefacenet-"));
    assert!(daemon.log().contains("usher models switch sface"), "{}", daemon.log());
    daemon.stop();
    // It names another one.
    house.environment.insert("USHER__MODELS__EMBEDDER".into(), "dlib".into());
    let listed = house.json(&["models", "--json"]).remove(0);
    assert_eq!(listed["switch"], Value::Null, "{listed}");
    let begun = house.usher(&["models", "switch", "dlib"]);
    assert!(
        begun.contains("from mobilefacenet to dlib: 0 of") && begun.contains("compared by mobilefacenet"),
        "{begun}"
    );
    let daemon = Daemon::start(&house);
    assert!(status(&house)["model"].as_str().unwrap().starts_with("mobilefacenet-"));
    daemon.stop();
    let switch = house.json(&["models", "switch", "--status", "--json"]).remove(0)["switch"].clone();
    assert!(switch["people"].as_array().unwrap().iter().all(|p| p["old"].as_u64() > Some(0)), "{switch}");
    assert_eq!((&switch["restart"], &switch["due"]), (&json!(false), &json!(false)));
    assert_eq!(people(&house), expected_people());
    house.usher(&["journal", "verify"]);
}

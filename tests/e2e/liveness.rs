//! The challenge end to end: what real heads, prints of them, and films of both do at a door that asks people to turn the head left, then
//! right. `tests/liveness.rs` has more films, without the daemon.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::heads::{FPS, Pictures};
use super::support::{Daemon, Film, House, eventually, status, write_jpeg};

/// A house whose door asks for a challenge, where one person is enrolled, and with this film before its camera, over and over.
fn showing(film: &[PathBuf], person: &Path, setting: &str) -> House {
    house(film, person, setting, "challenge", |_| String::new())
}

/// As [`showing`], where the door asks for `assurance`, and with additional tables.
fn house(film: &[PathBuf], person: &Path, setting: &str, assurance: &str, more: impl Fn(&House) -> String) -> House {
    let door = format!(
        "[[door]]\nname = \"front\"\npulse = \"300ms\"\nassurance = \"{assurance}\"\nprompt = \"none\"\nattended = true\n"
    );
    let house = House::new();
    let more = more(&house);
    let house = house.with(&format!("{door}\n[liveness]\nsetting = \"{setting}\"\nwait = \"1s\"\n{more}"));
    // The woman holds her head up, for which enrolment refuses the picture.
    house.usher(&["enroll", "Ada", "--force", &person.display().to_string()]);
    let path = Film::default().pictures(film).write(&house.path("film.mjpeg"));
    house.with_camera(&format!("kind = \"replay\"\npath = {:?}\nfps = {FPS}\nloop = true", path.display().to_string()))
}

/// Plays the film once, and on until somebody has been refused for `reason`, if one is named. Nobody must have been let in. What the receipts of
/// these denials say of the challenge.
fn stays_shut(film: &[PathBuf], person: &Path, setting: &str, reason: Option<&str>) -> Vec<String> {
    let house = showing(film, person, setting);
    let daemon = Daemon::start(&house);
    let denied = |house: &House| -> Vec<Value> {
        let of = |record: &Value| reason.is_none_or(|reason| record["content"]["reason"] == reason);
        house.records("denied").into_iter().filter(of).collect()
    };
    eventually("the film's end", || (arrived(&house) >= film.len() as u64).then_some(()));
    if reason.is_some() {
        eventually("a denial", || (!denied(&house).is_empty()).then_some(()));
    }
    let granted = house.records("granted");
    assert!(granted.is_empty(), "{granted:#?}");
    assert!(house.records("unlocked").is_empty());
    daemon.stop();
    denied(&house).iter().filter_map(|record| Some(gate(record, "challenge")?["input"].as_str()?.to_owned())).collect()
}

/// How many frames have come from the camera.
fn arrived(house: &House) -> u64 {
    let status = status(house);
    let stages = status["stages"].as_array().unwrap();
    stages.iter().find(|stage| stage["role"] == "camera").unwrap()["handled"].as_u64().unwrap()
}

fn gate<'a>(record: &'a Value, name: &str) -> Option<&'a Value> {
    record["content"]["gates"].as_array()?.iter().find(|gate| gate["name"] == name)
}

#[test]
fn a_real_head_that_turns_as_asked_opens_the_door() {
    let Some(pictures) = Pictures::there() else { return };
    let house = showing(&pictures.willing(2.8, 2), &pictures.woman(18), "normal");
    let daemon = Daemon::start(&house);
    let granted = eventually("a grant", || house.records("granted").pop());
    eventually("an open door", || house.records("unlocked").pop());
    daemon.stop();
    let [asked, challenge] = ["assurance", "challenge"].map(|name| gate(&granted, name).unwrap());
    assert_eq!([&asked["passed"], &challenge["passed"]], [true, true], "{granted:#}");
    assert_eq!(asked["input"], "challenge");
    let shown = challenge["input"].as_str().unwrap();
    assert!(shown.starts_with("left 0.") && shown.contains("right 0."), "{shown}");
    assert!(challenge["limit"].as_str().unwrap().starts_with("turn left, then right"), "{granted:#}");
}

/// The second eye sees the same head at the same time, without its colours.
#[test]
fn a_real_head_that_two_cameras_see_opens_a_door_that_asks_for_both() {
    let Some(pictures) = Pictures::there() else { return };
    let film = pictures.willing(2.8, 2);
    let eye = |house: &House| {
        let path = grey(&film, house).write(&house.path("eye.mjpeg"));
        format!(
            "[[camera]]\nname = \"porch-ir\"\nkind = \"replay\"\npath = {:?}\nfps = {FPS}\nloop = true\nspectrum = \"infrared\"\n\
             eye_of = \"porch\"\n",
            path.display().to_string()
        )
    };
    let house = house(&film, &pictures.woman(18), "normal", "challenge+ir", eye);
    let daemon = Daemon::start(&house);
    let granted = eventually("a grant", || house.records("granted").pop());
    eventually("an open door", || house.records("unlocked").pop());
    daemon.stop();
    let [asked, challenge, infrared] = ["assurance", "challenge", "infrared"].map(|name| gate(&granted, name).unwrap());
    assert_eq!([&asked["passed"], &challenge["passed"], &infrared["passed"]], [true; 3], "{granted:#}");
    assert_eq!(asked["input"], "challenge+ir");
    assert!(infrared["input"].as_str().unwrap().starts_with("seen in "), "{granted:#}");
}

/// The film without its colours.
fn grey(film: &[PathBuf], house: &House) -> Film {
    let mut developed: BTreeMap<&PathBuf, PathBuf> = BTreeMap::new();
    let files = film.iter().map(|file| {
        let number = developed.len();
        let grey = developed.entry(file).or_insert_with(|| {
            let picture = image::open(file).unwrap().grayscale().into_rgb8();
            write_jpeg(picture, &house.path(&format!("grey-{number}.jpg")))
        });
        grey.clone()
    });
    let files: Vec<PathBuf> = files.collect();
    Film::default().pictures(&files)
}

#[test]
fn still_heads_and_flat_prints_do_not() {
    let Some(pictures) = Pictures::there() else { return };
    let shown = stays_shut(&pictures.still_man(), &pictures.man(30), "normal", Some("challenge"));
    assert!(shown.iter().any(|shown| shown.contains("did not turn far enough: left")), "{shown:?}");
    let flat = pictures.sweep("female-flat", 2);
    stays_shut(&flat, &pictures.woman(18), "normal", Some("challenge"));
}

#[test]
fn bent_prints_never_and_folded_ones_not_at_strict() {
    let Some(pictures) = Pictures::there() else { return };
    for (kind, setting) in [("female-cylv60", "normal"), ("female-cylv45s", "normal"), ("female-fold40s", "strict")] {
        stays_shut(&pictures.sweep(kind, 2), &pictures.enrolled(kind), setting, None);
    }
}

#[test]
fn photographs_and_people_that_are_swapped_during_the_challenge_do_not() {
    let Some(pictures) = Pictures::there() else { return };
    let shown = stays_shut(&pictures.swapped_photographs(), &pictures.woman(18), "normal", Some("challenge"));
    assert!(shown.iter().all(|shown| !shown.contains("right 0.")), "{shown:?}");
    stays_shut(&pictures.swapped_people(), &pictures.man(30), "normal", Some("challenge"));
}

#[test]
fn a_looped_video_with_the_wrong_order_does_not() {
    let Some(pictures) = Pictures::there() else { return };
    let shown = stays_shut(&pictures.wrong_order(), &pictures.woman(18), "normal", Some("challenge"));
    assert!(!shown.is_empty());
}

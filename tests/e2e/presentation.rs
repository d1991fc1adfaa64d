//! Networks that look for prints and screens, and an infra-red camera beside the other, from outside. The networks are those of the tests, for
//! which bright is real; the infra-red frames are made of the colour photographs.

use image::{RgbImage, imageops};
use serde_json::{Value, json};

use crate::register::curl;
use crate::support::{Daemon, Film, House, eventually, frame};

const NETWORKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/liveness");

/// The picture, `share` times as bright.
fn lit(picture: &RgbImage, share: f32) -> RgbImage {
    let mut lit = picture.clone();
    lit.iter_mut().for_each(|value| *value = (f32::from(*value) * share) as u8);
    lit
}

/// The picture as an infra-red camera might see it.
fn infrared(picture: &RgbImage) -> RgbImage {
    image::DynamicImage::from(imageops::grayscale(picture)).into_rgb8()
}

/// A house where the man of a photograph is enrolled and stands before the camera, `share` times as bright.
fn house(share: f32, tables: &str) -> House {
    let film = Film::default().picture(lit(&frame("obama2.jpg"), share), 40).nobody(14);
    let house = House::new().watching(film, true).with(tables);
    house.enroll("Barack Obama", &["obama.jpg"]);
    house
}

fn networks(mode: &str) -> String {
    format!("[liveness]\npassive = {mode:?}\npassive_models = {NETWORKS:?}\n")
}

/// A gate of a decision: whether it passed, what was measured, the limit.
fn gate(record: &Value, name: &str) -> (bool, String, String) {
    let gates = record["content"]["gates"].as_array().unwrap();
    let gate = gates.iter().find(|gate| gate["name"] == name).unwrap_or_else(|| panic!("no {name}: {record}"));
    let text = |key: &str| gate[key].as_str().unwrap().to_owned();
    (gate["passed"] == true, text("input"), text("limit"))
}

#[test]
fn where_the_networks_may_refuse_what_they_take_for_a_print_stays_outside() {
    let house_of_print = house(0.4, &networks("deny"));
    let daemon = Daemon::start(&house_of_print);
    let denied = eventually("a refusal", || house_of_print.records("denied").pop());
    assert_eq!(denied["content"]["reason"], "presentation");
    assert_eq!(denied["content"]["person"]["name"], "Barack Obama");
    let (passed, input, limit) = gate(&denied, "passive");
    assert!(!passed && input.contains("over 5 frames") && limit == "above 0.50 over 3 to 5 frames", "{denied}");
    daemon.stop();
    assert!(house_of_print.records("granted").is_empty() && house_of_print.records("unlocked").is_empty());

    let house = house(1.5, &networks("deny"));
    let daemon = Daemon::start(&house);
    let granted = eventually("a grant", || house.records("granted").pop());
    assert!(gate(&granted, "passive").0, "{granted}");
    daemon.stop();
    house.usher(&["journal", "verify"]);
}

#[test]
fn what_is_only_logged_stands_in_the_receipt_and_opens_as_before() {
    let house = house(0.4, &networks("log"));
    let daemon = Daemon::start(&house);
    let granted = eventually("a grant", || house.records("granted").pop());
    let (passed, _, limit) = gate(&granted, "passive");
    assert!(!passed && limit.ends_with("logged only"), "{granted}");
    daemon.stop();
}

#[test]
fn doctor_names_the_networks_and_what_makes_them() {
    let house = House::new().with(&networks("log"));
    let said = house.usher(&["doctor"]);
    assert!(said.contains("liveness") && said.contains("the networks match their hashes"), "{said}");
    assert!(said.contains("toy-near: cpu in"), "{said}");
    let missing = House::new().with("[liveness]\npassive = \"log\"\npassive_models = \"/nowhere\"\n");
    let answer = missing.ask(&["doctor"]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.out.contains("/nowhere: make this folder with `models/build/build liveness`"), "{answer:?}");
    assert!(missing.refused(&["run"]).contains("models/build/build liveness"));
}

/// A house whose infra-red camera plays `eye`. Evidence counts for long, so that a slow machine with two cameras sees enough.
fn house_with_eye(eye: RgbImage) -> House {
    let film = Film::default().picture(frame("obama2.jpg"), 300).nobody(120);
    let mut house = House::new().watching(film, true);
    house.environment.insert("USHER__ACCESS__WINDOW".into(), "10s".into());
    // Dark between the flashes of the emitter.
    let flashes = Film::default().picture(eye.clone(), 1).picture(lit(&eye, 0.05), 1);
    let path = flashes.write(&house.path("eye.mjpeg"));
    let house = house.with(&format!(
        "[[camera]]\nname = \"porch-ir\"\nkind = \"replay\"\npath = {:?}\nfps = 6\nloop = true\nspectrum = \"infrared\"\neye_of = \"porch\"\n\
         [[door]]\nname = \"front\"\npulse = \"300ms\"\nassurance = \"challenge+ir\"\nattended = true\n",
        path.display().to_string()
    ));
    house.enroll("Barack Obama", &["obama.jpg"]);
    house
}

#[test]
fn a_face_that_only_the_colour_camera_sees_is_a_screen() {
    let house = house_with_eye(RgbImage::from_pixel(640, 480, image::Rgb([90, 90, 90])));
    let daemon = Daemon::start(&house);
    let denied = eventually("a refusal", || house.records("denied").pop());
    assert_eq!(denied["content"]["reason"], "presentation");
    let (passed, input, _) = gate(&denied, "infrared");
    assert!(!passed && input.starts_with("seen in 0 of "), "{denied}");
    // It recognises nobody, so nobody is enrolled in front of it.
    let sitting =
        ["-H", "Content-Type: application/json", "-d", r#"{"camera": "porch-ir"}"#, "http://usher/v1/sittings"];
    let (status, answer) = curl(&house, &sitting);
    assert_eq!((status, &answer["error"]), (404, &json!("there is no camera `porch-ir`; there is porch")), "{answer}");
    let said = house.usher(&["status"]);
    assert!(said.contains("second eye porch-ir: well"), "{said}");
    daemon.stop();
    assert!(house.records("granted").is_empty());
}

#[test]
fn a_face_that_both_cameras_see_has_still_to_turn() {
    let house = house_with_eye(infrared(&frame("obama2.jpg")));
    let daemon = Daemon::start(&house);
    let denied = eventually("a refusal", || house.records("denied").pop());
    assert_eq!(denied["content"]["reason"], "challenge", "{denied}");
    assert!(gate(&denied, "infrared").0 && !gate(&denied, "challenge").0, "{denied}");
    daemon.stop();
    assert!(house.records("granted").is_empty());
}

//! Leading a site from one embedder to another: by photographs, by visits before a camera, and back.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Daemon, Film, House, eventually, photo, status};

const OBAMA: &str = "Barack Obama";
const BIDEN: &str = "Joe Biden";

/// A folder of people with one photograph each.
fn folder(house: &House, people: &[(&str, &str)]) -> PathBuf {
    let folder = house.path("people");
    for (name, file) in people {
        let own = folder.join(name.replace(' ', "_"));
        std::fs::create_dir_all(&own).unwrap();
        std::fs::copy(photo(file), own.join(file)).unwrap();
    }
    folder
}

/// A house whose configuration names the model that its people are enrolled with first.
fn house() -> House {
    let mut house = House::new();
    house.environment.insert("USHER__MODELS__EMBEDDER".into(), "mobilefacenet".into());
    house
}

fn models(house: &House) -> Value {
    house.json(&["models", "switch", "--status", "--json"]).remove(0)
}

/// People and templates of a model.
fn stored(house: &House, name: &str) -> (u64, u64) {
    let listed = house.json(&["models", "--json"]).remove(0);
    let model = listed["models"].as_array().unwrap().iter().find(|model| model["name"] == name).unwrap().clone();
    (model["people"].as_u64().unwrap(), model["templates"].as_u64().unwrap())
}

/// The people of the grants since the record `after`.
fn granted(house: &House, after: usize) -> Vec<String> {
    let records = house.journal().into_iter().skip(after).filter(|record| record["kind"] == "granted");
    records.map(|record| record["content"]["person"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_site_is_led_over_by_photographs_and_the_doors_open_before_and_after() {
    let film = Film::default().nobody(3).shows("obama3.jpg", 12).nobody(14).shows("biden.jpg", 12).nobody(3);
    let house = house().watching(film, false);
    house.enroll(OBAMA, &["obama.jpg", "obama2.jpg"]);
    house.enroll(BIDEN, &["biden.jpg"]);
    let listed = house.usher(&["models"]);
    assert!(listed.contains("mobilefacenet") && listed.contains("in use") && listed.contains("ok"), "{listed}");

    let begun = house.usher(&["models", "switch", "dlib"]);
    assert!(
        begun.contains("0 of 2 people") && begun.contains("Faces are compared by mobilefacenet, as before"),
        "{begun}"
    );
    let people = folder(&house, &[(OBAMA, "obama.jpg"), ("Somebody Else", "biden.jpg")]);
    let people = people.display().to_string();
    let moved = house.usher(&["models", "switch", "dlib", "--from", &people]);
    assert!(
        moved.contains("#1    Barack Obama: 1 template") && moved.contains("moved: 1 people; refused: 1"),
        "{moved}"
    );
    assert_eq!((stored(&house, "mobilefacenet"), stored(&house, "dlib")), ((2, 3), (1, 1)));

    // Not everybody has moved: the old model stays.
    let before = house.journal().len();
    house.usher(&["run", "--until-replays-end"]);
    assert_eq!(granted(&house, before), [OBAMA, BIDEN]);
    assert_eq!(
        house.records("started").last().unwrap()["content"]["model"].as_str().unwrap().split('-').next(),
        Some("mobilefacenet")
    );

    // A mislabelled photograph is found out by the old templates.
    let wrong = folder(&house, &[(BIDEN, "obama2.jpg")]);
    std::fs::remove_dir_all(wrong.join("Barack_Obama")).unwrap();
    std::fs::remove_dir_all(wrong.join("Somebody_Else")).unwrap();
    let answer = house.ask(&["models", "switch", "dlib", "--from", &people]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.out.contains("does not look like Joe Biden"), "{answer:?}");
    // Enrolling makes both sets.
    house.usher(&["people", "remove", "--yes", BIDEN]);
    house.enroll(BIDEN, &["biden.jpg"]);
    assert_eq!((stored(&house, "mobilefacenet"), stored(&house, "dlib")), ((2, 3), (2, 2)));
    assert_eq!(models(&house)["switch"]["due"], true);

    let before = house.journal().len();
    house.usher(&["run", "--until-replays-end"]);
    assert_eq!(granted(&house, before), [OBAMA, BIDEN], "the same people by the new model");
    let switched = house.records("model_switched").remove(0)["content"].clone();
    assert_eq!((&switched["moved"], &switched["left"]), (&2.into(), &0.into()), "{switched}");
    let model = house.records("started").last().unwrap()["content"]["model"].clone();
    assert!(model.as_str().unwrap().starts_with("dlib-"), "{model}");
    let found = house.json(&["identify", "--json", &photo("obama3.jpg").display().to_string()]).remove(0);
    assert_eq!(found["faces"][0]["identity"]["person"]["name"], OBAMA, "commands compare by the model in force");

    // The end needs the configuration's word.
    let refused = house.refused(&["models", "switch", "--finish"]);
    assert!(refused.contains("set it to dlib"), "{refused}");
    let mut house = house;
    house.environment.insert("USHER__MODELS__EMBEDDER".into(), "dlib".into());
    assert!(house.usher(&["models", "switch", "--finish"]).contains("3 templates were erased"));
    assert_eq!((stored(&house, "mobilefacenet"), stored(&house, "dlib")), ((0, 0), (2, 2)));
    assert!(house.usher(&["models", "switch"]).contains("no switch is under way; faces are compared by dlib"));
    house.usher(&["journal", "verify"]);
}

#[test]
fn people_move_as_they_come_by_and_a_shadow_run_counts_what_would_change() {
    // He stays long enough for three views after the grant, twice.
    let film = Film::default().nobody(3).shows("obama3.jpg", 30).nobody(14);
    let house = house().watching(film, true);
    house.enroll(OBAMA, &["obama.jpg", "obama2.jpg"]);
    house.enroll(BIDEN, &["biden.jpg"]);
    let daemon = Daemon::start(&house);
    house.usher(&["models", "switch", "dlib", "--learn", "--shadow"]);
    let seen = eventually("a visit seen by both", || {
        let switch = models(&house)["switch"].clone();
        (switch["seen"]["agrees"].as_u64().unwrap() >= 1).then_some(switch)
    });
    assert_eq!((&seen["moved"], &seen["left"], &seen["phase"]), (&1.into(), &1.into(), &"begun".into()), "{seen}");
    assert_eq!((&seen["people"][0]["new"], &seen["people"][1]["new"]), (&3.into(), &0.into()), "{seen}");
    assert_eq!((&seen["seen"]["refuses"], &seen["seen"]["other"]), (&0.into(), &0.into()), "{seen}");
    let made = house.records("templates_made");
    assert_eq!(made.len(), 1, "{made:?}");
    let content = &made[0]["content"];
    assert_eq!((&content["templates"], content["by"].as_str()), (&3.into(), Some("usher, from a visit")), "{content}");
    let grant = house.records("granted").into_iter().find(|record| record["seq"] == content["record"]).unwrap();
    assert_eq!(grant["content"]["person"]["name"], OBAMA);
    assert!(status(&house)["model_switch"].as_str().unwrap().contains("1 of 2 people have moved"));
    let shown = house.usher(&["models", "switch", "--status"]);
    assert!(
        shown.contains("has moved") && shown.contains("has not moved") && shown.contains("seen by both"),
        "{shown}"
    );
    // A camera enrolment makes both sets, too; and back.
    house.usher(&["models", "switch", "--cancel"]);
    assert_eq!(models(&house)["switch"]["phase"], "cancelled");
    let refused = house.usher(&["models", "switch", "--finish"]);
    assert!(refused.contains("3 templates were erased"), "{refused}");
    daemon.stop();
    assert_eq!((stored(&house, "mobilefacenet"), stored(&house, "dlib")), ((2, 3), (0, 0)));
}

#[test]
fn an_enrolment_before_the_camera_makes_both_sets() {
    let film = Film::default().shows("obama3.jpg", 10);
    let house = house().watching(film, true);
    house.usher(&["models", "switch", "dlib"]);
    let daemon = Daemon::start(&house);
    house.usher(&["enroll", OBAMA, "--camera", "--views", "2"]);
    daemon.stop();
    assert_eq!((stored(&house, "mobilefacenet"), stored(&house, "dlib")), ((1, 2), (1, 2)));
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let house = house();
    assert!(house.refused(&["models", "switch", "nothing"]).contains("there is no model `nothing`"));
    assert!(house.refused(&["models", "switch", "--cancel"]).contains("no switch is under way"));
    assert!(house.refused(&["models", "switch", "mobilefacenet"]).contains("there is nothing to switch"));
    assert_eq!(house.ask(&["models", "switch", "--learn"]).code, Some(2));
    assert_eq!(house.ask(&["models", "switch", "dlib", "--cancel"]).code, Some(2));
    assert!(house.refused(&["models", "switch", "dlib", "--after", "soon"]).contains("is not a time"));
    let mut fixed = house;
    fixed.environment.insert("USHER__ACCESS__DISTANCE".into(), "0.9".into());
    assert!(fixed.refused(&["models", "switch", "dlib"]).contains("[access] distance fixes the distance 0.900"));
}

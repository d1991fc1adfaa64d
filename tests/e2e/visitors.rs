//! Unknown visitors: kept only when configured, grouped by person, and erased.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Daemon, Film, House, eventually};

const KEPT_FOR_AN_HOUR: &str = "[gallery]\nkeep_unknown = \"1h\"";

fn unknown(house: &House) -> Value {
    house.json(&["people", "unknown", "--json"]).remove(0)
}

/// How many faces were refused as unknown, by the journal.
fn refused(house: &House) -> usize {
    let denied = house.records("denied").into_iter().map(|record| record["content"].clone());
    denied
        .filter(|content| content["reason"] == "unknown")
        .map(|c| c["track"].to_string())
        .collect::<BTreeSet<_>>()
        .len()
}

fn visits(unknown: &Value) -> usize {
    unknown["groups"].as_array().unwrap().iter().map(|group| group["visits"].as_array().unwrap().len()).sum()
}

/// A stranger comes twice, the enrolled man once.
fn film() -> Film {
    Film::default().shows("biden.jpg", 8).nobody(14).shows("obama2.jpg", 8).nobody(14).shows("biden.jpg", 8).nobody(3)
}

#[test]
fn a_stranger_who_came_twice_is_one_group() {
    let house = House::new().watching(film(), false).with(KEPT_FOR_AN_HOUR);
    house.enroll("Barack Obama", &["obama.jpg"]);
    house.usher(&["run", "--until-replays-end"]);
    assert!(refused(&house) >= 2, "{:?}", house.journal());

    let found = unknown(&house);
    let groups = found["groups"].as_array().unwrap();
    assert_eq!((groups.len(), visits(&found), &found["keep_s"]), (1, refused(&house), &json!(3600)), "{found}");
    assert_eq!((&found["foreign"], &found["unreadable"]), (&json!(0), &json!(0)));
    let group = &groups[0];
    assert_eq!(group["doors"], json!(["front"]));
    assert_eq!((&group["nearest"]["id"], &group["nearest"]["name"]), (&json!(1), &json!("Barack Obama")));
    let distance = group["nearest"]["distance"].as_f64().unwrap();
    assert!((1.0..2.0).contains(&distance), "{group}");
    let seen = group["visits"].as_array().unwrap();
    assert!(seen.iter().all(|visit| visit["camera"] == "porch" && visit["door"] == "front"), "{group}");
    assert!(seen.iter().any(|visit| visit["distance"].as_f64().unwrap() == distance), "{group}");
    assert!(group["first"].as_str().unwrap() < group["last"].as_str().unwrap(), "{group}");

    let table = house.usher(&["people", "unknown"]);
    assert!(table.contains("Barack Obama (#1)") && table.contains("1 unknown visitors in"), "{table}");
    // The same photograph twice gives the detector nearly the same picture, not bit for bit.
    let strict = house.json(&["people", "unknown", "--json", "--distance", "0.3"]).remove(0);
    assert_eq!(strict["groups"].as_array().unwrap().len(), 1, "{strict}");
    assert_eq!(house.ask(&["people", "unknown", "--distance", "2.5"]).code, Some(2));

    // The other embedder cannot compare with them.
    let mut house = house;
    house.environment.insert("USHER__MODELS__EMBEDDER".into(), "facenet".into());
    let foreign = unknown(&house);
    assert_eq!((visits(&foreign), &foreign["foreign"]), (0, &json!(refused(&house))), "{foreign}");
    house.environment.clear();

    assert_eq!(house.json(&["people", "unknown", "--forget", "--json"])[0]["forgotten"], visits(&found));
    assert_eq!(visits(&unknown(&house)), 0);
    let erased = house.records("visitors_forgotten").pop().unwrap();
    assert_eq!(erased["content"]["visits"], visits(&found));
}

#[test]
fn unknown_visitors_are_not_kept_by_default() {
    let house = House::new().watching(film(), false);
    house.enroll("Barack Obama", &["obama.jpg"]);
    house.usher(&["run", "--until-replays-end"]);
    assert!(refused(&house) >= 2, "{:?}", house.journal());
    let table = house.usher(&["people", "unknown"]);
    assert!(table.contains("0 unknown visitors") && table.contains("keep_unknown"), "{table}");
    // They are not merely hidden: a house that keeps visitors finds none.
    let house = house.with(KEPT_FOR_AN_HOUR);
    assert_eq!(unknown(&house)["groups"], json!([]));
}

#[test]
fn the_running_daemon_lists_and_forgets_them() {
    let film = Film::default().shows("biden.jpg", 8).nobody(3);
    let house = House::new().watching(film, false).with(KEPT_FOR_AN_HOUR);
    let daemon = Daemon::start(&house);
    // Nobody is enrolled, so nobody is nearest.
    let found = eventually("a visitor", || Some(unknown(&house)).filter(|found| visits(found) > 0));
    assert_eq!(found["groups"][0]["nearest"], Value::Null);
    eventually("the end of the recording", || daemon.log().contains("the replay is over").then_some(()));
    eventually("the last visit", || (visits(&unknown(&house)) == refused(&house)).then_some(()));
    let forgotten = house.usher(&["people", "unknown", "--forget"]);
    assert!(forgotten.contains(&format!("{} visits", refused(&house))), "{forgotten}");
    assert_eq!(visits(&unknown(&house)), 0);
    assert!(daemon.log().contains("the unknown visitors were erased"), "{}", daemon.log());
    assert_eq!(house.records("visitors_forgotten").len(), 1);
    daemon.stop();
    assert_eq!(visits(&unknown(&house)), 0);
}

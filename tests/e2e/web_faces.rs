//! Faces beside records, from a camera to the page: kept sealed while `[web] keep_faces` is on, and gone with the person or the visitor.

use std::path::Path;

use serde_json::Value;

use crate::support::{Film, House, Visitor, eventually, with_page};

/// Comes directly after the table of the page.
const KEEP: &str = "keep_faces = \"2d\"\n[gallery]\nkeep_unknown = \"1h\"";

/// Waits for the face beside a record: it is stored after the record.
fn face(visitor: &mut Visitor, record: u64) {
    let path = format!("/records/{record}/face");
    let shown = eventually("the face", || Some(visitor.get(&path)).filter(|page| page.status == 200));
    assert_eq!(shown.header("content-type"), Some("image/jpeg"));
}

fn is_gone(visitor: &mut Visitor, record: u64) -> bool {
    visitor.get(&format!("/records/{record}/face")).status == 404
}

fn seq(record: &Value) -> u64 {
    record["seq"].as_u64().unwrap()
}

/// Whether a file below the folder has the beginning of a JPEG in it.
fn holds_a_picture(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| match path.is_dir() {
        true => holds_a_picture(&path),
        false => std::fs::read(&path).unwrap().windows(3).any(|three| three == b"\xff\xd8\xff"),
    })
}

#[test]
fn the_face_of_a_grant_is_shown_and_goes_with_an_erasure() {
    let film = Film::default().nobody(3).shows("obama2.jpg", 10).nobody(3);
    let house = House::new().watching(film, false);
    house.enroll("Barack Obama", &["obama.jpg"]);
    let (house, daemon, mut anna) = with_page(house, KEEP);
    let granted = seq(&eventually("a grant", || house.records("granted").pop()));
    face(&mut anna, granted);
    assert!(anna.page("/timeline?kind=granted").contains(&format!("src=\"/records/{granted}/face\"")));
    eventually("the end of the recording", || daemon.log().contains("the replay is over").then_some(()));
    assert!(!holds_a_picture(&house.store()), "faces are sealed");
    let data: Value = serde_json::from_str(&anna.submit("/people/1", "/people/1/export", &[]).body).unwrap();
    assert!(data["pictures"].as_array().is_some_and(|pictures| !pictures.is_empty()), "{data}");
    house.usher(&["people", "erase", "#1", "--yes"]);
    assert!(is_gone(&mut anna, granted));
    assert!(!anna.page("/timeline?kind=granted").contains(&format!("/records/{granted}/face")));
    daemon.stop();
}

#[test]
fn visitors_have_their_faces_until_they_are_forgotten_or_removed_as_people() {
    let film = Film::default().shows("biden.jpg", 8).nobody(14).shows("obama2.jpg", 8).nobody(3);
    let (house, daemon, mut anna) = with_page(House::new().watching(film, false), KEEP);
    let groups = || house.json(&["people", "unknown", "--json"]).remove(0)["groups"].as_array().unwrap().clone();
    eventually("two visitors", || (groups().len() == 2).then_some(()));
    eventually("the end of the recording", || daemon.log().contains("the replay is over").then_some(()));
    let visits: Vec<(String, u64)> = groups()
        .iter()
        .map(|group| group["visits"].as_array().unwrap().last().unwrap().clone())
        .map(|visit| (visit["id"].as_str().unwrap().to_owned(), visit["record"].as_u64().unwrap()))
        .collect();
    let [(first, first_record), (second, second_record)] = &visits[..] else { panic!("{visits:?}") };
    for record in [first_record, second_record] {
        face(&mut anna, *record);
    }
    let page = anna.page("/visitors");
    for record in [first_record, second_record] {
        assert!(page.contains(&format!("src=\"/records/{record}/face\"")), "{page}");
    }
    // One is forgotten: nothing is left of the face, beside any refusal.
    let others = |anna: &mut Visitor| anna.page("/timeline?kind=denied").matches("/face\"").count();
    let before = others(&mut anna);
    assert_eq!(anna.submit("/visitors", "/visitors/forget", &[("visits", first)]).status, 303);
    assert!(is_gone(&mut anna, *first_record) && !is_gone(&mut anna, *second_record));
    assert!(others(&mut anna) < before);
    // The other becomes a person, and leaves as one.
    let fields = [("visits", second.as_str()), ("name", "Visitor Two"), ("force", "yes")];
    let page = anna.submit("/visitors", "/visitors/enroll", &fields);
    assert_eq!(page.header("location"), Some("/people/1"), "{page:?}");
    assert!(!is_gone(&mut anna, *second_record));
    assert_eq!(anna.submit("/people/1", "/people/1/remove", &[]).status, 303);
    assert!(is_gone(&mut anna, *second_record));
    assert!(!anna.page("/timeline?kind=denied").contains("/face\""));
    daemon.stop();
}

#[test]
fn a_visitor_without_a_kept_face_has_a_drawn_one() {
    let film = Film::default().shows("biden.jpg", 8).nobody(3);
    let (house, daemon, mut anna) = with_page(House::new().watching(film, false), "[gallery]\nkeep_unknown = \"1h\"");
    eventually("a visitor", || anna.page("/visitors").contains("One visitor in one visit").then_some(()));
    let page = anna.page("/visitors");
    assert!(page.contains("No picture is kept of this visitor") && !page.contains("/face\""), "{page}");
    let record = seq(&house.records("denied")[0]);
    assert!(is_gone(&mut anna, record));
    daemon.stop();
}

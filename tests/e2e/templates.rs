//! Templates: weak photographs, negative references, templates from grants; and who is refused more often.

use serde_json::{Value, json};

use crate::support::{Film, House, photo};

const KEPT: &str = "[gallery]\nkeep_granted = \"1h\"";

/// Plays a film before the camera of a house, to its end.
fn play(house: House, film: Film) -> House {
    let house = house.watching(film, false);
    house.usher(&["run", "--until-replays-end"]);
    house
}

fn obama() -> Film {
    Film::default().shows("obama2.jpg", 10).nobody(3)
}

fn gate<'a>(decision: &'a Value, name: &str) -> Option<&'a Value> {
    decision["content"]["gates"].as_array().unwrap().iter().find(|gate| gate["name"] == name)
}

fn kinds_of_templates(house: &House) -> Vec<String> {
    let kept = house.json(&["people", "templates", "#1", "--json"]);
    kept.iter().map(|template| template["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_weak_photograph_is_refused_by_name_and_force_takes_it() {
    let strict = House::new().with("[enroll]\nrefuse_weakest = 0.9");
    let files = ["obama.jpg", "biden.jpg"].map(|name| photo(name).display().to_string());
    let folder = strict.path("people");
    for (name, file) in ["Barack_Obama", "Joe_Biden"].iter().zip(&files) {
        std::fs::create_dir_all(folder.join(name)).unwrap();
        std::fs::copy(file, folder.join(name).join("one.jpg")).unwrap();
    }
    let error = strict.refused(&["enroll", "Joe Biden", &files[1]]);
    assert!(error.contains("the embedding is weak (length ") && error.contains("biden.jpg"), "{error}");
    assert!(error.contains("; pass --force to do it all the same"), "{error}");
    strict.usher(&["enroll", "Joe Biden", &files[1], "--force"]);
    let kept = strict.json(&["people", "templates", "Joe Biden", "--json"]);
    assert_eq!((kept.len(), &kept[0]["kind"]), (1, &json!("enrolled")));
    assert!(kept[0]["quality"]["embedding_length"].as_f64().unwrap() > 1.0, "{kept:?}");
    let table = strict.usher(&["people", "templates", "Joe Biden"]);
    assert!(table.contains("LENGTH") && table.contains("enrolled"), "{table}");
    // Without the gate, and with the usual one, these photographs are good enough.
    for tables in ["[enroll]\nrefuse_weakest = 0", ""] {
        let house = House::new().with(tables);
        house.usher(&["enroll", "--batch", &folder.display().to_string()]);
        assert_eq!(house.people().len(), 2, "{tables}");
    }
}

#[test]
fn a_wrong_grant_becomes_a_negative_reference() {
    let house = House::new().with(KEPT);
    house.enroll("Barack Obama", &["obama.jpg"]);
    let house = play(house, obama());
    let granted = house.records("granted").remove(0);
    assert_eq!(gate(&granted, "embedding").unwrap()["passed"], true);
    assert_eq!(gate(&granted, "lookalike"), None);

    let record = granted["seq"].to_string();
    let order = ["people", "not-this", "Barack Obama", &record];
    let error = house.refused(&order);
    assert!(error.contains("is clearly Barack Obama (#1)") && error.contains("--force"), "{error}");
    let error = house.refused(&["people", "not-this", "Barack Obama", "1", "--force"]);
    assert!(error.contains("the face of record 1 is not kept") && error.contains("keep_granted"), "{error}");
    assert_eq!(kinds_of_templates(&house), ["enrolled"]);
    house.usher(&[&order[..], &["--force"]].concat());
    assert_eq!(kinds_of_templates(&house), ["enrolled", "lookalike"]);
    assert_eq!(house.records("lookalike_noted")[0]["content"]["record"], granted["seq"]);

    // That very face is now nearer to the reference than to him.
    let house = play(house, obama());
    assert_eq!(house.records("granted").len(), 1);
    let denied = house.records("denied").pop().unwrap();
    assert_eq!(denied["content"]["reason"], "ambiguous");
    let lookalike = gate(&denied, "lookalike").unwrap();
    assert_eq!((&lookalike["passed"], &lookalike["limit"]), (&json!(false), &json!("at least 0.0500")));
    assert!(house.usher(&["why", &denied["seq"].to_string()]).contains("lookalike"));

    let forgotten = house.json(&["people", "templates", "#1", "--forget-lookalikes", "--json"]).remove(0);
    assert_eq!(forgotten, json!({ "learned": 0, "lookalikes": 1 }));
    assert_eq!(house.records("templates_forgotten")[0]["content"]["what"], "lookalikes");
    let house = play(house, obama());
    assert_eq!(house.records("granted").len(), 2);

    // Removing him erases the faces of his grants, too.
    let record = house.records("granted").pop().unwrap()["seq"].to_string();
    house.usher(&["people", "remove", "#1", "--yes"]);
    house.enroll("Barack Obama", &["obama.jpg"]);
    let error = house.refused(&["people", "not-this", "Barack Obama", &record, "--force"]);
    assert!(error.contains("is not kept"), "{error}");
}

#[test]
fn a_refused_lookalike_becomes_a_negative_reference() {
    let house = House::new().with("[gallery]\nkeep_unknown = \"1h\"");
    house.enroll("Barack Obama", &["obama.jpg"]);
    let house = play(house, Film::default().shows("biden.jpg", 10).nobody(3));
    let denied = house.records("denied").remove(0);
    assert_eq!(denied["content"]["reason"], "unknown");
    house.usher(&["people", "not-this", "Barack Obama", &denied["seq"].to_string()]);
    // It keeps the person himself out of nothing.
    let house = play(house, obama());
    let granted = house.records("granted").remove(0);
    assert_eq!(gate(&granted, "lookalike").unwrap()["passed"], true);
}

#[test]
fn a_clear_grant_teaches_a_template_by_choice() {
    let learning = "[enroll]\nlearn_from_grants = true";
    let house = House::new();
    house.enroll("Barack Obama", &["obama.jpg"]);
    let house = play(house, obama());
    assert_eq!(kinds_of_templates(&house), ["enrolled"], "not by default");
    let house = play(house.with(learning), obama());
    let granted = house.records("granted").pop().unwrap();
    let learned = house.records("template_learned");
    assert_eq!(learned.len(), 1, "{:?}", house.journal());
    assert_eq!(learned[0]["content"]["record"], granted["seq"]);
    assert_eq!(
        (&learned[0]["content"]["learned"], &learned[0]["content"]["by"]),
        (&json!(1), &json!("usher, from a grant"))
    );
    assert_eq!(kinds_of_templates(&house), ["enrolled", "learned"]);
    // Once a day.
    let house = play(house, obama());
    assert_eq!(house.records("template_learned").len(), 1);
    let text = house.usher(&["people", "templates", "Barack Obama", "--forget-learned"]);
    assert!(text.contains("erased 1 learned templates and 0 lookalikes"), "{text}");
    assert_eq!(kinds_of_templates(&house), ["enrolled"]);
}

#[test]
fn refusals_are_counted_by_person_and_group() {
    let house = House::new();
    house.usher(&["enroll", "Barack Obama", "--group", "staff", &photo("obama.jpg").display().to_string()]);
    let film = Film::default().shows("obama2.jpg", 10).nobody(15).shows("biden.jpg", 10).nobody(3);
    let house = play(house, film);
    let counts = house.json(&["refusals", "--json"]).remove(0);
    let obama = &counts["people"][0];
    assert_eq!(
        (&obama["id"], &obama["counts"]["visits"], &obama["counts"]["missed"]),
        (&json!(1), &json!(1), &json!(0))
    );
    assert_eq!(counts["groups"]["staff"]["visits"], 1);
    assert_eq!(counts["others"]["unknown"], 1, "{counts}");
    let table = house.usher(&["refusals", "--door", "front"]);
    assert!(table.contains("Barack Obama (#1)") && table.contains("group staff"), "{table}");
    assert!(table.contains("refused, and near nobody: unknown 1"), "{table}");
    assert_eq!(house.json(&["refusals", "--door", "back", "--json"])[0]["all"]["visits"], 0);
}

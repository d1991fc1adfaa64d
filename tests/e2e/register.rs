//! The register of people after the enrolment: more templates and fewer, lists, unknown visitors who become people, and everything that is kept
//! of a person, exported and erased.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Daemon, Film, House, eventually, photo};

fn path(name: &str) -> String {
    photo(name).display().to_string()
}

fn templates(house: &House, person: &str) -> Vec<String> {
    let kept = house.json(&["people", "templates", person, "--json"]);
    kept.iter().map(|template| template["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_person_gets_more_templates_and_loses_one() {
    let house = House::new();
    house.enroll("Barack Obama", &["obama.jpg"]);
    house.enroll("Joe Biden", &["biden.jpg"]);
    let said = house.usher(&["enroll", "--add", "#1", &path("obama2.jpg"), &path("obama3.jpg")]);
    assert!(said.contains("Barack Obama (#1) has 2 templates more, 3 in all"), "{said}");
    assert_eq!(templates(&house, "#1"), ["0", "1", "2"]);
    assert_eq!(house.records("templates_added")[0]["content"]["templates"], 2);

    // Somebody else's photograph, and no photograph.
    let error = house.refused(&["enroll", "--add", "Barack Obama", &path("biden.jpg")]);
    assert!(error.contains("biden.jpg does not look like Barack Obama (#1)"), "{error}");
    assert!(error.contains("nearer to person 2") && error.contains("--force"), "{error}");
    let error = house.refused(&["enroll", "--add", "Barack Obama"]);
    assert!(error.contains("name photographs of Barack Obama"), "{error}");
    let error = house.refused(&["enroll", "--add", "Nobody", &path("obama.jpg")]);
    assert!(error.contains("Nobody"), "{error}");
    let error = house.refused(&["enroll", "--add", "#1", "/nowhere.jpg"]);
    assert!(error.contains("no template was added") && error.contains("/nowhere.jpg"), "{error}");

    let said = house.usher(&["people", "templates", "#1", "remove", "1"]);
    assert!(said.contains("the template 1 of Barack Obama (#1) erased; 2 templates left"), "{said}");
    assert_eq!(templates(&house, "#1"), ["0", "2"]);
    let error = house.refused(&["people", "templates", "#1", "remove", "1"]);
    assert!(error.contains("person 1 has no template 1"), "{error}");
    let daemon = Daemon::start(&house);
    let error = house.refused(&["people", "templates", "#2", "remove", "0"]);
    assert!(
        error.contains("the last template by which Joe Biden (#2) is recognised") && error.contains("--force"),
        "{error}"
    );
    let after = house.json(&["people", "templates", "#2", "remove", "0", "--force", "--json"]).remove(0);
    assert_eq!(after["templates"], 0);
    assert!(house.usher(&["people", "show", "#2"]).contains("has no face yet"));
    // The daemon takes them back, too.
    house.usher(&["enroll", "Joe Biden", &path("biden.jpg")]);
    assert_eq!((templates(&house, "#2"), house.people().len()), (vec!["0".to_owned()], 2));
    daemon.stop();
    let records = house.records("template_removed");
    assert_eq!((records.len(), &records[1]["content"]["left"]), (2, &json!(0)));
}

#[test]
fn a_list_changes_people_after_a_preview() {
    let mut house = House::new();
    house.environment.insert("USHER__DEVICE__TIME_ZONE".into(), "Europe/Berlin".into());
    house.usher(&["enroll", "Barack Obama", "--id", "E1", "--group", "staff", &path("obama.jpg")]);
    let list = house.path("staff.csv");
    let write = |text: &str| std::fs::write(&list, text).unwrap();
    let import = |more: &[&str]| {
        let mut arguments = vec!["people".to_owned(), "import".to_owned(), list.display().to_string()];
        arguments.extend(more.iter().map(|&word| word.to_owned()));
        arguments
    };
    write(
        "Employee ID;Name;Groups;Valid until;Remark\nE1;Barack Obama;\"staff; night\";2026-12-31;x\nE2;Joe Biden;staff;;\n",
    );
    let answer = house.ask(&import(&["--dry-run"]));
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.err.contains("ignored columns: \"Remark\"") || answer.err.contains("Remark"), "{answer:?}");
    assert!(
        answer.out.contains("Barack Obama (#1)") && answer.out.contains("groups: staff → night; staff"),
        "{answer:?}"
    );
    assert!(answer.out.contains("1 people would be changed, 1 would be new, 0 unchanged"), "{answer:?}");
    assert_eq!(house.people().len(), 1);

    let daemon = Daemon::start(&house);
    let rows = house.json(&import(&["--json"]));
    assert_eq!((&rows[0]["person"], &rows[1]["person"], &rows[1]["problem"]), (&json!(1), &Value::Null, &Value::Null));
    let people = house.people();
    assert_eq!(people[0]["groups"], json!(["night", "staff"]));
    assert_eq!(people[0]["valid_until"], "2026-12-31T23:00:00Z");
    assert_eq!((&people[1]["name"], &people[1]["templates"]), (&json!("Joe Biden"), &json!(0)));
    let again = house.usher(&import(&[]));
    assert!(again.contains("0 people changed, 0 new, 2 unchanged"), "{again}");
    // The face comes later.
    house.usher(&["enroll", "--add", "E2", &path("biden.jpg")]);
    assert_eq!(house.people()[1]["templates"], 1);

    write("number,name\n1,Joe Biden\n9,Somebody\n8,\n");
    let error = house.refused(&import(&[]));
    assert!(error.contains("2 rows cannot be carried out, so nothing was changed"), "{error}");
    assert!(error.contains("line 3: nobody has the number 9"), "{error}");
    let answer = house.ask(&import(&["--dry-run"]));
    assert!(answer.code == Some(1) && answer.out.contains("nobody has the number 9"), "{answer:?}");
    assert_eq!(house.people()[0]["name"], "Barack Obama");
    daemon.stop();
}

const KEPT: &str = "[gallery]\nkeep_unknown = \"1h\"\nkeep_granted = \"1h\"";

#[test]
fn an_unknown_visitor_becomes_a_person_or_is_forgotten() {
    let film = Film::default().shows("biden.jpg", 8).nobody(14).shows("obama2.jpg", 8).nobody(3);
    let house = House::new().watching(film, false).with(KEPT);
    house.usher(&["run", "--until-replays-end"]);
    let unknown = || house.json(&["people", "unknown", "--json"]).remove(0)["groups"].as_array().unwrap().clone();
    let groups = unknown();
    assert_eq!(groups.len(), 2, "{groups:?}");
    let record = |group: &Value| group["visits"][0]["record"].to_string();
    let table = house.usher(&["people", "unknown"]);
    assert!(table.contains("RECORD"), "{table}");
    let error = house.refused(&["people", "unknown", "--record", "1", "--enroll", "Somebody"]);
    assert!(error.contains("no visit of record 1 is kept"), "{error}");

    let first = record(&groups[0]);
    house.usher(&["people", "unknown", "--record", &first, "--enroll", "Visitor One", "--group", "guests"]);
    let people = house.people();
    assert_eq!(
        (people.len(), &people[0]["name"], &people[0]["groups"]),
        (1, &json!("Visitor One"), &json!(["guests"]))
    );
    assert!(people[0]["templates"].as_u64().unwrap() >= 1);
    assert_eq!(unknown().len(), 1, "the visits of a person are no longer those of an unknown visitor");
    let other = record(&unknown()[0]);
    let error = house.refused(&["people", "unknown", "--record", &other, "--add", "Visitor One"]);
    assert!(error.contains("does not look like Visitor One (#1)"), "{error}");
    house.usher(&["people", "unknown", "--record", &other, "--forget"]);
    assert!(unknown().is_empty());
    assert_eq!(house.records("visitors_forgotten").len(), 1);
}

#[test]
fn everything_kept_of_a_person_is_exported_and_erased() {
    let house = House::new().watching(Film::default().shows("obama2.jpg", 10).nobody(3), false).with(KEPT);
    house.usher(&["enroll", "Barack Obama", "--id", "E007", &path("obama.jpg")]);
    house.enroll("Joe Biden", &["biden.jpg"]);
    house.usher(&["run", "--until-replays-end"]);
    assert_eq!(house.records("granted").len(), 1, "{:?}", house.journal());

    let out = house.path("obama.json");
    let order = ["people", "export", "Barack Obama", "--out", &out.display().to_string()].map(str::to_owned);
    house.usher(&order);
    assert_eq!(out.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(house.refused(&order).contains("cannot be written"), "it overwrites nothing");
    let text = std::fs::read_to_string(&out).unwrap();
    let data: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&data["person"]["name"], &data["person"]["employee_id"]), (&json!("Barack Obama"), &json!("E007")));
    assert!(data["templates"][0]["embedding"].as_array().unwrap().len() > 100);
    assert_eq!((data["visits"].as_array().unwrap().len(), data["attendance"].as_array().unwrap().len()), (1, 1));
    let kinds: Vec<&str> = data["records"].as_array().unwrap().iter().map(|r| r["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"enrolled") && kinds.contains(&"granted"), "{kinds:?}");
    assert!(!text.contains("Biden"), "other people are left out");
    assert_eq!(house.records("exported").len(), 1);

    let daemon = Daemon::start(&house);
    let error = house.refused(&["people", "erase", "Barack Obama"]);
    assert!(error.contains("--yes"), "{error}");
    let erased = house.json(&["people", "erase", "Barack Obama", "--yes", "--json"]).remove(0);
    assert_eq!((&erased["person"], &erased["removed"], &erased["templates"]), (&json!(1), &json!(true), &json!(1)));
    assert_eq!(erased["visits"], 1);
    assert!(erased["records"].as_u64().unwrap() >= 4, "{erased}");
    let journal = house.usher(&["journal", "list", "--json", "-n", "1000"]);
    assert!(!journal.contains("Obama") && !journal.contains("E007"), "{journal}");
    assert!(house.usher(&["journal", "verify"]).contains("the chain is sound"));
    let error = house.refused(&["people", "erase", "Barack Obama", "--yes"]);
    assert!(error.contains("no record names"), "{error}");
    daemon.stop();
    // Nothing of the name is left in the store, nor in its second copy.
    for entry in std::fs::read_dir(house.store()).unwrap() {
        let file = entry.unwrap().path();
        if file.file_name().is_some_and(|name| name == "copy") {
            let bytes = std::fs::read(&file).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains("Obama"), "{}", file.display());
        }
    }
    assert_eq!(house.people().len(), 1);
}

/// `curl` on the daemon's socket; the status and the body.
pub fn curl(house: &House, more: &[&str]) -> (u16, Value) {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--write-out", "\n%{http_code}", "--unix-socket"])
        .arg(house.socket())
        .args(more)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, code) = text.rsplit_once('\n').unwrap();
    (code.parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

#[test]
fn the_daemon_makes_templates_of_photographs() {
    let house = House::new();
    let daemon = Daemon::start(&house);
    let look = |file: &str| {
        curl(
            &house,
            &[
                "--data-binary",
                &format!("@{file}"),
                "-H",
                "Content-Type: application/octet-stream",
                "http://usher/v1/photographs",
            ],
        )
    };
    let (status, answer) = look(&path("obama.jpg"));
    assert_eq!((status, &answer["refused"]), (200, &Value::Null), "{answer}");
    let template = &answer["template"];
    let request = json!({ "name": "Barack Obama", "templates": [template], "labels": ["obama.jpg"] }).to_string();
    let enrol = |body: &str| {
        curl(&house, &["-X", "POST", "-H", "Content-Type: application/json", "-d", body, "http://usher/v1/people"])
    };
    let (status, person) = enrol(&request);
    assert_eq!((status, &person["templates"]), (200, &json!(1)), "{person}");
    // As the command would have made it.
    let error = house.refused(&["enroll", "Somebody", &path("obama.jpg")]);
    assert!(error.contains("this may be Barack Obama (#1), who is already enrolled: distance 0.000"), "{error}");

    let letter = house.path("letter.jpg");
    std::fs::write(&letter, "Dear reader").unwrap();
    let (status, answer) = look(&letter.display().to_string());
    assert_eq!((status, &answer["refused"]["code"]), (200, &json!("unreadable")), "{answer}");
    let large = house.path("large.jpg");
    std::fs::write(&large, vec![0; 9 << 20]).unwrap();
    assert_eq!(look(&large.display().to_string()).0, 413);
    daemon.stop();
}

#[test]
fn the_daemon_holds_a_sitting_in_front_of_its_camera() {
    let house = House::new().watching(Film::default().shows("obama2.jpg", 50), true);
    let daemon = Daemon::start(&house);
    let send = |method: &str, path: &str, body: &str| {
        let url = format!("http://usher{path}");
        curl(&house, &["-X", method, "-H", "Content-Type: application/json", "-d", body, &url])
    };
    let (status, answer) = send("POST", "/v1/sittings", r#"{"camera": "attic"}"#);
    assert_eq!(status, 404);
    assert!(answer["error"].as_str().unwrap().contains("no camera `attic`"), "{answer}");
    let (status, sitting) = send("POST", "/v1/sittings", r#"{"camera": "porch", "views": 3}"#);
    assert_eq!((status, &sitting["state"], &sitting["wanted"]), (200, &json!("running"), &json!(3)), "{sitting}");
    let number = sitting["sitting"].as_u64().unwrap();
    let path = format!("/v1/sittings/{number}");
    let done = eventually("three good views", || {
        Some(send("GET", &path, "").1).filter(|sitting| sitting["state"] == "complete")
    });
    assert_eq!((&done["taken"], &done["advice"]), (&json!(3), &json!("good")), "{done}");
    let (status, person) =
        send("POST", "/v1/people", &json!({ "name": "Barack Obama", "sitting": number }).to_string());
    assert_eq!((status, &person["templates"]), (200, &json!(3)), "{person}");
    // The views are used up.
    let (status, answer) = send("POST", "/v1/people/1/templates", &json!({ "sitting": number }).to_string());
    assert_eq!(status, 404, "{answer}");
    let (status, _) = send("DELETE", &path, "");
    assert_eq!(status, 404);
    daemon.stop();
}

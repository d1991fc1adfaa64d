//! The page about people: what each role sees and may do, enrolment, visitors, lists, and what a person may ask for.

use serde_json::{Value, json};

use crate::support::page::{Visitor, paged};
use crate::support::{Daemon, Film, House, eventually, photo};

fn file(name: &str) -> String {
    format!("photographs=@{};type=image/jpeg", photo(name).display())
}

#[test]
fn a_person_is_enrolled_from_photographs_and_changed() {
    let (house, port) = paged(House::new(), "[time]\nzone = \"Europe/Berlin\"");
    let daemon = Daemon::start(&house);
    let operator = Visitor::log_in(&house, port, "operator");
    assert!(operator.get("/people").text.contains("Nobody is enrolled yet."));
    let letter = house.path("letter.jpg");
    std::fs::write(&letter, "Dear reader").unwrap();
    let letter = format!("photographs=@{}", letter.display());

    let shown = operator.upload("/people/new", "/people/photographs", &["name=Barack Obama", &letter]);
    assert_eq!(shown.status, 422);
    assert!(
        shown.text.contains("letter.jpg") && shown.text.contains("This is no picture that can be read"),
        "{}",
        shown.text
    );
    assert!(shown.text.contains("value=\"Barack Obama\""), "what was entered is still there");
    let parts = ["name=Barack Obama", "employee_id=E1", "groups=staff; night", &file("obama.jpg"), &letter];
    let person = operator.upload("/people/new", "/people/photographs", &parts).done();
    assert_eq!(person, "/people/1");
    let page = operator.get("/people/1");
    for part in ["The person is enrolled.", "Barack Obama", "E1", "night, staff", "Strength"] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    assert!(!operator.get("/people/1").text.contains("The person is enrolled."), "shown once");
    // The same face under another name.
    let shown = operator.upload("/people/new", "/people/photographs", &["name=Somebody", &file("obama2.jpg")]);
    assert!(shown.status == 422 && shown.text.contains("this may be Barack Obama (#1)"), "{}", shown.text);

    let fields = [("name", "B. Obama"), ("employee_id", "E1"), ("groups", "staff"), ("last_day", "2026-12-31")];
    operator.post("/people/1", "/people/1", &fields).done();
    let obama = house.people().remove(0);
    assert_eq!((&obama["name"], &obama["groups"]), (&json!("B. Obama"), &json!(["staff"])));
    assert_eq!(obama["valid_until"], "2026-12-31T23:00:00Z");
    assert!(operator.get("/people/1").text.contains("value=\"2026-12-31\""), "the last day, as it was entered");
    let records = house.journal();
    let by = records.iter().rev().find(|record| record["kind"] == "renamed").unwrap()["content"]["by"].to_string();
    assert!(by.contains("operator"), "{by}");
    assert_eq!(house.records("changed").len(), 2, "what stayed makes no record");

    // More templates, and one less.
    operator.upload("/people/1/more", "/people/1/photographs", &[&file("obama2.jpg"), &file("obama3.jpg")]).done();
    assert_eq!(house.people()[0]["templates"], 3);
    operator.post("/people/1", "/people/1/templates/1/remove", &[]).done();
    assert_eq!(house.people()[0]["templates"], 2);
    let shown = operator.post("/people/1", "/people/1/templates/1/remove", &[]);
    assert!(shown.status == 404 && shown.text.contains("has no template 1"), "{}", shown.text);

    // Search.
    operator.upload("/people/new", "/people/photographs", &["name=Joe Biden", &file("biden.jpg")]).done();
    for (query, found) in
        [("q=obama", true), ("q=%231", true), ("q=biden", false), ("group=staff", true), ("state=disabled", false)]
    {
        let shown = operator.get(&format!("/people?{query}"));
        assert_eq!(shown.text.contains("B. Obama</a>"), found, "{query}: {}", shown.text);
    }
    operator.post("/people/2", "/people/2/disable", &[]).done();
    assert!(operator.get("/people?state=disabled").text.contains("Joe Biden</a>"));
    operator.post("/people/2", "/people/2/remove", &[]).done();
    assert_eq!((house.people().len(), operator.get("/people/2").status), (1, 404));
    daemon.stop();
}

#[test]
fn a_person_is_enrolled_before_the_camera_with_advice() {
    let film = Film::default().nobody(15).shows("obama2.jpg", 60);
    let (house, port) = paged(House::new().watching(film, true), "");
    let daemon = Daemon::start(&house);
    let operator = Visitor::log_in(&house, port, "operator");
    assert!(operator.get("/people/new").text.contains("<option value=\"porch\">"));
    let sitting = operator.post("/people/new", "/people/sittings", &[("camera", "porch")]).done();
    assert!(operator.get(&sitting).text.contains("data-sitting"));
    let events = operator.events(&format!("{sitting}/events"), 60);
    let (name, last) = events.last().unwrap();
    assert_eq!(
        (name.as_str(), &last["state"], &last["taken"]),
        ("sitting", &json!("complete"), &json!(5)),
        "{events:?}"
    );
    assert!(events.iter().any(|(_, told)| told["advice"].as_str().unwrap().contains("There is no face")), "{events:?}");
    let page = operator.get(&sitting).text;
    assert!(page.contains("5 good views were taken."), "{page}");
    let shown = operator.post(&sitting, &sitting, &[("name", " ")]);
    assert!(shown.status == 422 && shown.text.contains("cannot be used"), "{}", shown.text);
    operator.post(&sitting, &sitting, &[("name", "Barack Obama"), ("groups", "staff")]).done();
    let people = house.people();
    assert_eq!((&people[0]["name"], &people[0]["templates"]), (&json!("Barack Obama"), &json!(5)));
    assert_eq!(operator.get(&sitting).status, 404, "its views are used up");
    daemon.stop();
}

#[test]
fn a_viewer_sees_nobody_and_attendance_only_names() {
    let (house, port) = paged(House::new(), "");
    house.usher(&["enroll", "Barack Obama", "--group", "staff", &photo("obama.jpg").display().to_string()]);
    let daemon = Daemon::start(&house);
    let viewer = Visitor::log_in(&house, port, "viewer");
    for path in ["/people", "/people/1", "/people/new", "/visitors", "/people/duplicates", "/people/import"] {
        let shown = viewer.get(path);
        assert!(shown.status == 403 && !shown.text.contains("Obama"), "{path}: {shown:?}");
    }
    let clerk = Visitor::log_in(&house, port, "attendance");
    let page = clerk.get("/people/1");
    assert!(page.status == 200 && page.text.contains("Barack Obama"), "{page:?}");
    for part in ["/people/1/remove", "/people/1/pin", "Strength"] {
        assert!(!page.text.contains(part), "{part}");
    }
    let token = clerk.token("/people");
    let operator = Visitor::log_in(&house, port, "operator");
    for (visitor, token, path) in [
        (&viewer, token.as_str(), "/people/1/remove"),
        (&clerk, &token, "/people/1/remove"),
        (&clerk, &token, "/people/1/disable"),
        (&operator, &operator.token("/people/1"), "/people/1/erase"),
        (&operator, &operator.token("/people/1"), "/people/1/export"),
        // Another session's token, and none.
        (&operator, &token, "/people/1/remove"),
        (&operator, "", "/people/1/remove"),
    ] {
        let shown = visitor.post_with(token, path, &[]);
        assert_eq!(shown.status, 403, "{path}: {shown:?}");
    }
    let people = house.people();
    assert_eq!((people.len(), &people[0]["enabled"]), (1, &json!(true)));
    assert!(house.records("exported").is_empty());
    // Without a login, everything leads to it.
    let stranger = Visitor::without_login(&house, port);
    for path in ["/people", "/people/1", "/visitors"] {
        assert!(stranger.get(path).done().starts_with("/login?next="), "{path}");
    }
    daemon.stop();
}

#[test]
fn an_unknown_visitor_becomes_a_person_with_one_click() {
    let film = Film::default().shows("biden.jpg", 8).nobody(14).shows("obama2.jpg", 8).nobody(3);
    let house = House::new().watching(film, false);
    let (house, port) = paged(house, "[gallery]\nkeep_unknown = \"1h\"");
    let daemon = Daemon::start(&house);
    let operator = Visitor::log_in(&house, port, "operator");
    let groups = || house.json(&["people", "unknown", "--json"]).remove(0)["groups"].as_array().unwrap().clone();
    eventually("two visitors", || (groups().len() == 2).then_some(()));
    eventually("the end of the recording", || daemon.log().contains("the replay is over").then_some(()));
    let page = operator.get("/visitors").text;
    assert!(page.contains("2 visitors in"), "{page}");
    let found = groups();
    let visits = |group: &Value| -> Vec<String> {
        group["visits"].as_array().unwrap().iter().map(|visit| visit["id"].as_str().unwrap().to_owned()).collect()
    };
    let (first, second) = (visits(&found[0]), visits(&found[1]));
    assert!(first.iter().chain(&second).all(|id| page.contains(&format!("value=\"{id}\""))), "{page}");
    let mut fields = vec![("name", "Visitor One"), ("groups", "guests")];
    fields.extend(first.iter().map(|id| ("visits", id.as_str())));
    assert_eq!(operator.post("/visitors", "/visitors/enroll", &fields).done(), "/people/1");
    assert_eq!(house.people()[0]["groups"], json!(["guests"]));
    let fields: Vec<_> = second.iter().map(|id| ("visits", id.as_str())).collect();
    operator.post("/visitors", "/visitors/forget", &fields).done();
    assert!(groups().is_empty() && operator.get("/visitors").text.contains("0 visitors in"));
    daemon.stop();
}

#[test]
fn a_list_is_shown_first_and_then_carried_out() {
    let (house, port) = paged(House::new(), "");
    house.usher(&["enroll", "Barack Obama", "--id", "E1", &photo("obama.jpg").display().to_string()]);
    let daemon = Daemon::start(&house);
    let operator = Visitor::log_in(&house, port, "operator");
    let list = house.path("staff.csv");
    let upload = format!("list=@{};type=text/csv", list.display());
    std::fs::write(&list, "employee_id;name;groups\nE1;Barack Obama;staff\nE2;Joe Biden;staff\n").unwrap();
    let shown = operator.upload("/people/import", "/people/import", &[&upload]);
    assert_eq!(shown.status, 200, "{shown:?}");
    assert!(shown.text.contains("Changed: 1, new: 1, unchanged: 0, with problems: 0"), "{}", shown.text);
    assert_eq!(house.people().len(), 1, "a preview changes nothing");
    let rows = shown.text.split("name=\"rows\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let rows = format!("rows={}", rows.replace("&quot;", "\""));
    operator.upload("/people/import", "/people/import/apply", &[&rows]).done();
    let people = house.people();
    assert_eq!((people.len(), &people[0]["groups"], &people[1]["name"]), (2, &json!(["staff"]), &json!("Joe Biden")));
    assert!(operator.get("/people?state=faceless").text.contains("Joe Biden</a>"));

    std::fs::write(&list, "number;name\n9;Nobody\n").unwrap();
    let shown = operator.upload("/people/import", "/people/import", &[&upload]);
    assert!(shown.text.contains("nobody has the number 9") && !shown.text.contains("name=\"rows\""), "{}", shown.text);
    std::fs::write(&list, "colour\nred\n").unwrap();
    let shown = operator.upload("/people/import", "/people/import", &[&upload]);
    assert!(shown.status == 422 && shown.text.contains("there is no column"), "{}", shown.text);
    daemon.stop();
}

#[test]
fn an_admin_exports_and_erases_a_person_and_sees_possible_duplicates() {
    let (house, port) = paged(House::new(), "");
    house.enroll("Barack Obama", &["obama.jpg"]);
    let twin = ["enroll", "--force", "Twin", &photo("obama2.jpg").display().to_string()].map(str::to_owned);
    house.usher(&twin);
    let daemon = Daemon::start(&house);
    let admin = Visitor::log_in(&house, port, "admin");
    let page = admin.get("/people/duplicates").text;
    assert!(page.contains("Barack Obama – Twin") && page.contains("Within the limit"), "{page}");

    let shown = admin.post("/people/1", "/people/1/export", &[]);
    assert_eq!(shown.status, 200);
    let data: Value = serde_json::from_str(&shown.text).unwrap();
    assert_eq!(data["person"]["name"], "Barack Obama");
    assert!(data["templates"][0]["embedding"].as_array().unwrap().len() > 100);
    assert_eq!(admin.post("/people/1", "/people/1/erase", &[]).done(), "/people");
    let journal = house.usher(&["journal", "list", "--json", "-n", "1000"]);
    assert!(!journal.contains("Obama"), "{journal}");
    assert!(!admin.get("/people").text.contains("Obama") && !admin.get("/people/duplicates").text.contains("Obama"));
    assert_eq!(house.people().len(), 1);
    // PINs: never shown, and the two entries must be the same.
    let shown = admin.post("/people/2", "/people/2/pin", &[("pin", "407123"), ("again", "407124")]);
    assert!(shown.status == 422 && !shown.text.contains("407123"), "{}", shown.text);
    admin.post("/people/2", "/people/2/pin", &[("pin", "407123"), ("again", "407123")]).done();
    admin.post("/people/2", "/people/2/tags", &[("number", "04A22B1F"), ("label", "blue fob")]).done();
    let page = admin.get("/people/2").text;
    assert!(page.contains("There is a PIN.") && page.contains("blue fob"), "{page}");
    assert!(!page.contains("407123") && !page.contains("04A22B1F"), "{page}");
    admin.post("/people/2", "/people/2/tags/remove", &[("tag", "blue fob")]).done();
    admin.post("/people/2", "/people/2/pin/remove", &[]).done();
    assert_eq!((&house.people()[0]["pin"], &house.people()[0]["tags"]), (&json!(false), &json!(0)));
    daemon.stop();
}

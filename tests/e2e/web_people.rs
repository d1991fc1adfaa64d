//! The page about people: what each role sees and may do, enrolment, visitors, lists, and what a person may ask for.

use serde_json::{Value, json};

use crate::support::{Film, House, Visitor, add_account, eventually, photo, with_page};

/// A photograph of script/setup.
fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(photo(name)).unwrap()
}

/// Somebody of that role, logged in.
fn log_in(house: &House, port: u16, role: &str) -> Visitor {
    add_account(house, role, role);
    let mut visitor = Visitor::at(port);
    visitor.log_in(role);
    visitor
}

/// Sends a form of the page `from`, which must be carried out; where it leads.
fn done(visitor: &mut Visitor, from: &str, path: &str, fields: &[(&str, &str)]) -> String {
    let page = visitor.submit(from, path, fields);
    assert_eq!(page.status, 303, "{page:?}");
    page.header("location").unwrap().to_owned()
}

/// Sends photographs with a form of the page `from`, which must be carried out; where it leads.
fn sent(visitor: &mut Visitor, from: &str, path: &str, fields: &[(&str, &str)], files: &[&str]) -> String {
    let photographs: Vec<Vec<u8>> = files.iter().map(|name| bytes(name)).collect();
    let files: Vec<(&str, &str, &[u8])> =
        files.iter().zip(&photographs).map(|(name, bytes)| ("photographs", *name, bytes.as_slice())).collect();
    let page = visitor.upload(from, path, fields, &files);
    assert_eq!(page.status, 303, "{page:?}");
    page.header("location").unwrap().to_owned()
}

/// The server-sent events of a path until it ends: names with their data.
fn events(visitor: &mut Visitor, path: &str) -> Vec<(String, Value)> {
    let text = visitor.page(path);
    let field = |event: &str, name: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    let whole = text.split("\n\n").filter(|event| event.contains("data:"));
    whole.map(|event| (field(event, "event:"), serde_json::from_str(&field(event, "data:")).unwrap())).collect()
}

#[test]
fn a_person_is_enrolled_from_photographs_and_changed() {
    let mut house = House::new();
    house.environment.insert("USHER__DEVICE__TIME_ZONE".into(), "Europe/Berlin".into());
    let (house, daemon, mut anna) = with_page(house, "");
    assert!(anna.page("/people").contains("Nobody is enrolled yet."));
    let letter = ("photographs", "letter.jpg", &b"Dear reader"[..]);
    let new = "/people/new";

    let page = anna.upload(new, "/people/photographs", &[("name", "Barack Obama")], &[letter]);
    assert_eq!(page.status, 422, "{page:?}");
    let text = page.body;
    assert!(text.contains("letter.jpg") && text.contains("This is no picture that can be read"), "{text}");
    assert!(text.contains("value=\"Barack Obama\""), "what was entered is still there");
    let fields = [("name", "Barack Obama"), ("employee_id", "E1"), ("groups", "staff; night")];
    let good = bytes("obama.jpg");
    let page = anna.upload(new, "/people/photographs", &fields, &[("photographs", "obama.jpg", &good), letter]);
    assert_eq!((page.status, page.header("location")), (303, Some("/people/1")), "{page:?}");
    let text = anna.page("/people/1");
    for part in ["The person is enrolled.", "Barack Obama", "E1", "night, staff", "Strength"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!anna.page("/people/1").contains("The person is enrolled."), "shown once");
    // The same face under another name; a file that is too large.
    let again = bytes("obama2.jpg");
    let page = anna.upload(new, "/people/photographs", &[("name", "Other")], &[("photographs", "2.jpg", &again)]);
    assert!(page.status == 422 && page.body.contains("this may be Barack Obama (#1)"), "{page:?}");
    // The page names its own box, and no flag of a command.
    assert!(page.body.contains("tick “Even if it may be somebody else") && !page.body.contains("--force"), "{page:?}");
    let large = vec![0; (8 << 20) + 1];
    let page = anna.upload(new, "/people/photographs", &[("name", "Other")], &[("photographs", "3.jpg", &large)]);
    assert!(page.status == 422 && page.body.contains("larger than 8 MB"), "{}", page.status);

    let fields = [("name", "B. Obama"), ("employee_id", "E1"), ("groups", "staff"), ("last_day", "2026-12-31")];
    done(&mut anna, "/people/1", "/people/1", &fields);
    let obama = house.people().remove(0);
    assert_eq!((&obama["name"], &obama["groups"]), (&json!("B. Obama"), &json!(["staff"])));
    assert_eq!(obama["valid_until"], "2026-12-31T23:00:00Z");
    assert!(anna.page("/people/1").contains("value=\"2026-12-31\""), "the last day, as it was entered");
    assert_eq!(house.records("renamed")[0]["content"]["by"], "web/anna");
    assert_eq!(house.records("changed").len(), 2, "what stayed makes no record");

    // More templates, and one less.
    sent(&mut anna, "/people/1/more", "/people/1/photographs", &[], &["obama2.jpg", "obama3.jpg"]);
    assert_eq!(house.people()[0]["templates"], 3);
    done(&mut anna, "/people/1", "/people/1/templates/1/remove", &[]);
    assert_eq!(house.people()[0]["templates"], 2);
    let page = anna.submit("/people/1", "/people/1/templates/1/remove", &[]);
    assert!(page.status == 404 && page.body.contains("has no template 1"), "{page:?}");

    sent(&mut anna, new, "/people/photographs", &[("name", "Joe Biden")], &["biden.jpg"]);
    for (query, found) in
        [("q=obama", true), ("q=%231", true), ("q=biden", false), ("group=staff", true), ("state=disabled", false)]
    {
        let text = anna.page(&format!("/people?{query}"));
        assert_eq!(text.contains("B. Obama</a>"), found, "{query}: {text}");
    }
    done(&mut anna, "/people/2", "/people/2/disable", &[]);
    assert!(anna.page("/people?state=disabled").contains("Joe Biden</a>"));
    done(&mut anna, "/people/2", "/people/2/remove", &[]);
    assert_eq!((house.people().len(), anna.get("/people/2").status), (1, 404));
    daemon.stop();
}

#[test]
fn a_person_is_enrolled_before_the_camera_with_advice() {
    let film = Film::default().nobody(15).shows("obama2.jpg", 60);
    let (house, daemon, mut anna) = with_page(House::new().watching(film, true), "");
    assert!(anna.page("/people/new").contains("<option value=\"porch\">"));
    let sitting = done(&mut anna, "/people/new", "/people/sittings", &[("camera", "porch")]);
    assert!(anna.page(&sitting).contains("data-sitting"));
    let told = events(&mut anna, &format!("{sitting}/events"));
    let (name, last) = told.last().unwrap();
    assert_eq!((name.as_str(), &last["state"], &last["taken"]), ("sitting", &json!("complete"), &json!(5)), "{told:?}");
    let text = anna.page(&sitting);
    assert!(text.contains("5 good views were taken."), "{text}");
    let page = anna.submit(&sitting, &sitting, &[("name", " ")]);
    assert!(page.status == 422 && page.body.contains("cannot be used"), "{page:?}");
    done(&mut anna, &sitting, &sitting, &[("name", "Barack Obama"), ("groups", "staff")]);
    let people = house.people();
    assert_eq!((&people[0]["name"], &people[0]["templates"]), (&json!("Barack Obama"), &json!(5)));
    assert_eq!(anna.get(&sitting).status, 404, "its views are used up");
    // More views of the same person, and one that is given up.
    let more = [("camera", "porch"), ("person", "1")];
    let sitting = done(&mut anna, "/people/1/more", "/people/sittings", &more);
    let path = sitting.split('?').next().unwrap().to_owned();
    events(&mut anna, &format!("{path}/events"));
    done(&mut anna, &sitting, &path, &[("person", "1")]);
    assert_eq!(house.people()[0]["templates"], 10);
    let sitting = done(&mut anna, "/people/new", "/people/sittings", &[("camera", "porch")]);
    done(&mut anna, "/people", &format!("{sitting}/end"), &[]);
    assert_eq!(anna.get(&sitting).status, 404);
    daemon.stop();
}

#[test]
fn a_viewer_sees_nobody_and_attendance_only_names() {
    let (house, daemon, anna) = with_page(House::new(), "");
    house.usher(&["enroll", "Barack Obama", "--group", "staff", &photo("obama.jpg").display().to_string()]);
    let mut viewer = log_in(&house, anna.port(), "viewer");
    for path in ["/people", "/people/1", "/people/new", "/visitors", "/people/duplicates", "/people/import"] {
        let page = viewer.get(path);
        assert!(page.status == 403 && !page.body.contains("Obama"), "{path}: {page:?}");
    }
    let mut clerk = log_in(&house, anna.port(), "attendance");
    let text = clerk.page("/people/1");
    assert!(text.contains("Barack Obama"), "{text}");
    for part in ["/people/1/remove", "/people/1/pin", "Strength"] {
        assert!(!text.contains(part), "{part}");
    }
    let mut operator = log_in(&house, anna.port(), "operator");
    for act in ["remove", "disable", "erase", "export", "templates/0/remove", "pin/remove"] {
        let page = clerk.submit("/people", &format!("/people/1/{act}"), &[]);
        assert_eq!(page.status, 403, "{act}: {page:?}");
    }
    for act in ["erase", "export"] {
        let page = operator.submit("/people/1", &format!("/people/1/{act}"), &[]);
        assert_eq!(page.status, 403, "{act}: {page:?}");
    }
    // Another session's token, and none.
    let token = clerk.get("/people").token();
    for csrf in [token.as_str(), ""] {
        assert_eq!(operator.send("/people/1/remove", &[("csrf", csrf)]).status, 403);
    }
    let people = house.people();
    assert_eq!((people.len(), &people[0]["enabled"], &people[0]["templates"]), (1, &json!(true), &json!(1)));
    assert!(house.records("exported").is_empty());
    // Without a login, everything leads to it.
    let mut stranger = Visitor::at(anna.port());
    for path in ["/people", "/people/1", "/visitors"] {
        let page = stranger.get(path);
        assert!(page.header("location").is_some_and(|to| to.starts_with("/login?next=")), "{path}: {page:?}");
    }
    daemon.stop();
}

#[test]
fn an_unknown_visitor_becomes_a_person_with_one_click() {
    let film = Film::default().shows("biden.jpg", 8).nobody(14).shows("obama2.jpg", 8).nobody(3);
    let house = House::new().watching(film, false);
    let (house, daemon, mut anna) = with_page(house, "[gallery]\nkeep_unknown = \"1h\"");
    let groups = || house.json(&["people", "unknown", "--json"]).remove(0)["groups"].as_array().unwrap().clone();
    eventually("two visitors", || (groups().len() == 2).then_some(()));
    eventually("the end of the recording", || daemon.log().contains("the replay is over").then_some(()));
    let text = anna.page("/visitors");
    assert!(text.contains("2 visitors in"), "{text}");
    let found = groups();
    let visits = |group: &Value| -> Vec<String> {
        group["visits"].as_array().unwrap().iter().map(|visit| visit["id"].as_str().unwrap().to_owned()).collect()
    };
    let (first, second) = (visits(&found[0]), visits(&found[1]));
    assert!(first.iter().chain(&second).all(|id| text.contains(&format!("value=\"{id}\""))), "{text}");
    let mut fields = vec![("name", "Visitor One"), ("groups", "guests")];
    fields.extend(first.iter().map(|id| ("visits", id.as_str())));
    assert_eq!(done(&mut anna, "/visitors", "/visitors/enroll", &fields), "/people/1");
    assert_eq!(house.people()[0]["groups"], json!(["guests"]));
    let fields: Vec<_> = second.iter().map(|id| ("visits", id.as_str())).collect();
    done(&mut anna, "/visitors", "/visitors/forget", &fields);
    assert!(groups().is_empty() && anna.page("/visitors").contains("0 visitors in"));
    daemon.stop();
}

#[test]
fn a_list_is_shown_first_and_then_carried_out() {
    let (house, daemon, mut anna) = with_page(House::new(), "");
    house.usher(&["enroll", "Barack Obama", "--id", "E1", &photo("obama.jpg").display().to_string()]);
    let show = |anna: &mut Visitor, list: &str| {
        anna.upload("/people/import", "/people/import", &[], &[("list", "staff.csv", list.as_bytes())])
    };
    let list = "employee_id;name;groups\nE1;Barack Obama;staff\nE2;Joe Biden;staff\n";
    let page = show(&mut anna, list);
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.body.contains("Changed: 1, new: 1, unchanged: 0, with problems: 0"), "{}", page.body);
    assert_eq!(house.people().len(), 1, "a preview changes nothing");
    let rows = page.body.split("name=\"rows\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let rows = rows.replace("&quot;", "\"");
    let page = anna.upload("/people/import", "/people/import/apply", &[("rows", &rows)], &[]);
    assert_eq!((page.status, page.header("location")), (303, Some("/people")), "{page:?}");
    let people = house.people();
    assert_eq!((people.len(), &people[0]["groups"], &people[1]["name"]), (2, &json!(["staff"]), &json!("Joe Biden")));
    assert!(anna.page("/people?state=faceless").contains("Joe Biden</a>"));

    let page = show(&mut anna, "number;name\n9;Nobody\n");
    assert!(page.body.contains("nobody has the number 9") && !page.body.contains("name=\"rows\""), "{}", page.body);
    let page = show(&mut anna, "colour\nred\n");
    assert!(page.status == 422 && page.body.contains("there is no column"), "{page:?}");
    daemon.stop();
}

#[test]
fn an_admin_exports_and_erases_a_person_and_sees_possible_duplicates() {
    let (house, daemon, mut anna) = with_page(House::new(), "");
    house.enroll("Barack Obama", &["obama.jpg"]);
    let twin = ["enroll", "--force", "Twin", &photo("obama2.jpg").display().to_string()].map(str::to_owned);
    house.usher(&twin);
    let text = anna.page("/people/duplicates");
    assert!(text.contains("Barack Obama – Twin") && text.contains("Within the limit"), "{text}");

    let page = anna.submit("/people/1", "/people/1/export", &[]);
    assert_eq!(page.status, 200);
    assert!(page.header("content-disposition").unwrap().contains("usher-person-1.json"));
    let data: Value = serde_json::from_str(&page.body).unwrap();
    assert_eq!(data["person"]["name"], "Barack Obama");
    assert!(data["templates"][0]["embedding"].as_array().unwrap().len() > 100);
    assert_eq!(done(&mut anna, "/people/1", "/people/1/erase", &[]), "/people");
    let journal = house.usher(&["journal", "list", "--json", "-n", "1000"]);
    assert!(!journal.contains("Obama"), "{journal}");
    assert!(!anna.page("/people").contains("Obama") && !anna.page("/people/duplicates").contains("Obama"));
    assert_eq!(house.people().len(), 1);
    // PINs: never shown, and the two entries must be the same.
    let page = anna.submit("/people/2", "/people/2/pin", &[("pin", "407123"), ("again", "407124")]);
    assert!(page.status == 422 && !page.body.contains("407123"), "{page:?}");
    done(&mut anna, "/people/2", "/people/2/pin", &[("pin", "407123"), ("again", "407123")]);
    done(&mut anna, "/people/2", "/people/2/tags", &[("number", "04A22B1F"), ("label", "blue fob")]);
    let text = anna.page("/people/2");
    assert!(text.contains("There is a PIN.") && text.contains("blue fob"), "{text}");
    assert!(!text.contains("407123") && !text.contains("04A22B1F"), "{text}");
    done(&mut anna, "/people/2", "/people/2/tags/remove", &[("tag", "blue fob")]);
    done(&mut anna, "/people/2", "/people/2/pin/remove", &[]);
    let people = house.people();
    assert_eq!((&people[0]["pin"], &people[0]["tags"]), (&json!(false), &json!(0)));
    daemon.stop();
}

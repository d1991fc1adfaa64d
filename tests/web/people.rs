//! People: enrolled before the camera, given templates, made of a visitor, exported and erased.

use std::time::{Duration, Instant};

use crate::axe::barriers;
use crate::browser::is_installed;
use crate::site::Site;
use crate::support::{PATIENCE, broker, eventually, photo, retained};

/// Whether a file below a folder holds these bytes.
fn holds(folder: &std::path::Path, text: &str) -> bool {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().any(|path| match path.is_dir() {
        true => holds(&path, text),
        false => std::fs::read(&path).unwrap().windows(text.len()).any(|window| window == text.as_bytes()),
    })
}

#[test]
fn somebody_is_enrolled_before_the_camera_and_let_in() {
    if !is_installed() {
        return;
    }
    let site = Site::new("", |_| {});
    let browser = site.visited_by("operator");
    browser.go("/people");
    browser.sees("Nobody is enrolled yet.");
    browser.press("Enrol a person");
    assert_eq!(barriers(&browser), [""; 0]);
    browser.photograph("scene-enrol");
    browser.press("Begin");
    browser.sees("There is no face. Look into the camera.");
    browser.photograph("scene-sitting");
    // The person moves the head a little from view to view.
    let until = Instant::now() + PATIENCE;
    let actors = ["obama.jpg", "obama2.jpg", "obama3.jpg"];
    for actor in actors.iter().cycle() {
        if browser.text().contains("good views were taken") {
            break;
        }
        assert!(Instant::now() < until, "{}", browser.text());
        site.shows(actor);
        std::thread::sleep(Duration::from_millis(900));
    }
    site.nobody();
    assert_eq!(barriers(&browser), [""; 0]);
    browser.fill("Name", "Barack Obama");
    browser.fill("Groups, separated by semicolons", "staff; presidents");
    browser.press("Enrol");
    browser.sees("The person is enrolled.");
    browser.sees("Barack Obama");
    browser.photograph("scene-person");
    assert_eq!(barriers(&browser), [""; 0]);
    let person = site.house.people().remove(0);
    assert_eq!((&person["name"], &person["groups"][1]), (&"Barack Obama".into(), &"staff".into()), "{person}");
    site.shows("obama2.jpg");
    let granted = eventually("a grant", || site.house.records("granted").pop());
    assert_eq!(granted["content"]["person"]["name"], "Barack Obama");
    let enrolled = site.house.records("enrolled").remove(0);
    assert!(enrolled["content"]["by"].to_string().contains("operator"), "{enrolled}");
    browser.log_is_clean();
}

#[test]
fn a_template_is_added_and_erased_again() {
    if !is_installed() {
        return;
    }
    let site = Site::new("", |house| house.enroll("Barack Obama", &["obama.jpg"]));
    let browser = site.visited_by("operator");
    let templates = || site.house.people()[0]["templates"].as_u64().unwrap();
    browser.go("/people/1");
    browser.press("Add templates");
    browser.fill("Photographs, 10 at most", &photo("biden.jpg").display().to_string());
    browser.press("Add templates");
    browser.finds("[role=alert]");
    browser.photograph("scene-template-refused");
    assert_eq!(templates(), 1, "somebody else's photograph was taken");
    browser.fill("Photographs, 10 at most", &photo("obama2.jpg").display().to_string());
    browser.press("Add templates");
    browser.sees("The templates were added.");
    assert_eq!(templates(), 2);
    browser.photograph("scene-templates");
    browser.confirm("Erase");
    browser.sees("The template was erased.");
    assert_eq!(templates(), 1);
    browser.log_is_clean_but_for(&["422", "409"]);
}

#[test]
fn an_unknown_visitor_becomes_a_person() {
    if !is_installed() {
        return;
    }
    let site = Site::new("[gallery]\nkeep_unknown = \"1h\"", |_| {});
    site.shows("biden.jpg");
    eventually("a denial", || site.house.records("denied").pop());
    site.nobody();
    let browser = site.visited_by("operator");
    browser.eventually("the visitor", || {
        browser.go("/visitors");
        browser.text().contains("Visits:").then_some(())
    });
    assert_eq!(barriers(&browser), [""; 0]);
    browser.photograph("scene-visitors");
    browser.press("Make a person of this visitor");
    browser.fill("Name", "Joe Biden");
    browser.press("Enrol");
    browser.sees("Joe Biden");
    assert_eq!(site.house.people()[0]["name"], "Joe Biden");
    browser.go("/visitors");
    assert!(!browser.text().contains("Visits:"), "{}", browser.text());
    site.shows("biden.jpg");
    eventually("a grant", || site.house.records("granted").pop());
    browser.log_is_clean();
}

#[test]
fn a_person_is_exported_and_erased_and_no_name_is_left() {
    if !is_installed() {
        return;
    }
    let port = broker();
    let tables = format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n");
    let site = Site::new(&tables, |house| house.enroll("Barack Obama", &["obama.jpg"]));
    site.shows("obama2.jpg");
    eventually("a grant", || site.house.records("granted").pop());
    let at_the_broker = || retained(port).values().any(|payload| payload.contains("Obama"));
    eventually("the name at the broker", || at_the_broker().then_some(()));
    site.nobody();
    let browser = site.visited_by("admin");
    browser.go("/timeline");
    browser.sees("Barack Obama");
    browser.go("/people/1");
    let csrf = browser.token();
    let (status, export) = browser.sends("/people/1/export", &[("csrf", &csrf)]);
    assert_eq!(status, 200, "{export}");
    let export: serde_json::Value = serde_json::from_str(&export).unwrap();
    assert_eq!(export["person"]["name"], "Barack Obama");
    assert!(export["records"].as_array().unwrap().iter().any(|record| record["kind"] == "granted"));

    browser.confirm("Erase everything about this person");
    browser.sees("Everything that was kept of the person was erased.");
    browser.photograph("scene-erased");
    for path in ["/live", "/timeline", "/people", "/attendance", "/attendance/day", "/doors", "/health"] {
        browser.go(path);
        browser.settle();
        assert!(!browser.source().contains("Obama"), "{path} still has the name");
    }
    eventually("no name at the broker", || (!at_the_broker()).then_some(()));
    let journal = site.house.usher(&["journal", "list", "--json", "-n", "1000"]);
    assert!(!journal.contains("Obama"), "{journal}");
    assert!(site.house.usher(&["journal", "verify"]).contains("the chain is sound"));
    let file = site.house.path("backup");
    site.house.usher(&["backup", &file.display().to_string()]);
    std::fs::create_dir(site.house.path("kept")).unwrap();
    std::fs::rename(&file, site.house.path("kept/backup")).unwrap();
    assert!(!holds(&site.house.path("kept"), "Obama"), "the store still has the name");
    browser.log_is_clean();
}

//! Enrolment and disabling at a door of a fleet, with the server down and then up, and a real daemon.

use crate::server::{Program, Servers};
use crate::support::{Daemon, House, Office, eventually, names, photo};

/// How somebody stands with the office, as `usher people` says it.
fn standing(house: &House, name: &str) -> String {
    let people = house.people();
    let person = people.iter().find(|person| person["name"] == name);
    person.and_then(|person| person["fleet"]["state"].as_str()).unwrap_or_default().to_owned()
}

fn enroll(house: &House, name: &str, file: &str) {
    house.usher(&["enroll", name, &photo(file).display().to_string()]);
}

#[test]
fn who_is_enrolled_at_a_door_passes_there_at_once_and_everywhere_once_the_office_has_heard() {
    let Some(mut servers) = Servers::start(Program::Newer, 1) else { return };
    let office = Office::start(&servers);
    let (front, side) = (office.joined(House::new(), "front"), office.joined(House::new(), "side"));
    let (at_front, at_side) = (Daemon::start(&front), Daemon::start(&side));
    for board in ["front", "side"] {
        office.waits_for(board);
    }
    // The server is down: the board counts on itself, also over a power cut.
    servers.kill(0);
    enroll(&front, "Barack Obama", "obama.jpg");
    let number = front.people()[0]["id"].clone();
    assert_eq!(
        (standing(&front, "Barack Obama"), front.people()[0]["enabled"].as_bool()),
        ("asked".into(), Some(true))
    );
    assert!(front.usher(&["people", "list"]).contains("here only, asked"));
    assert!(names(&side).is_empty());
    at_front.kill();
    let at_front = Daemon::start(&front);
    servers.run(0);
    eventually("somebody of the fleet", || (standing(&front, "Barack Obama") == "taken").then_some(()));
    eventually("the other door", || (names(&side) == ["Barack Obama"]).then_some(()));
    assert_eq!((front.people().len(), &front.people()[0]["id"]), (1, &number));
    for board in ["front", "side"] {
        office.waits_for(board);
    }
    let taken = front.records("changed").pop().unwrap();
    assert!(taken["content"]["what"].as_str().unwrap().contains("of the fleet now"), "{taken}");
    assert!(taken["content"]["by"].as_str().unwrap().starts_with("fleet/"), "{taken}");

    // A possible duplicate stays where it is until somebody at the office insists.
    front.usher(&["enroll", "Barry", "--force", &photo("obama2.jpg").display().to_string()]);
    eventually("a refusal", || (standing(&front, "Barry") == "refused").then_some(()));
    assert!(front.usher(&["people", "show", "Barry"]).contains("this may be Barack Obama"));
    let waiting = office.json(&["requests", "list", "--json"]).remove(0);
    assert_eq!((&waiting["name"], &waiting["board"]), (&"Barry".into(), &"front".into()), "{waiting}");
    assert!(office.usher(&["requests", "list"]).contains("refused"));
    assert!(office.refused(&["requests", "accept", "Barry"]).contains("--force"));
    office.usher(&["requests", "refuse", "Barry", "--why", "the same man"]);
    eventually("the reason", || front.usher(&["people", "show", "Barry"]).contains("the same man").then_some(()));
    assert_eq!(names(&side), ["Barack Obama"]);
    assert!(office.usher(&["requests", "list"]).contains("No request"));

    // A lost badge, and no network: this door refuses at once, the other one as soon as it can know.
    servers.kill(0);
    front.usher(&["people", "disable", "Barack Obama"]);
    assert_eq!(standing(&front, "Barack Obama"), "disabled_here");
    servers.run(0);
    let disabled = |house: &House| house.people().iter().any(|p| p["name"] == "Barack Obama" && p["enabled"] == false);
    eventually("the other door", || disabled(&side).then_some(()));
    eventually("the end of the request", || (standing(&front, "Barack Obama") == "taken").then_some(()));
    assert!(disabled(&front) && front.refused(&["people", "enable", "Barack Obama"]).contains("usher fleet"));
    office.usher(&["enable", "Barack Obama", "--site", "berlin"]);
    eventually("both doors", || (!disabled(&front) && !disabled(&side)).then_some(()));
    at_front.stop();
    at_side.stop();
}

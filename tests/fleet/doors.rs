//! An office and doors at a real server: the real program, with replayed cameras.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::server::{Program, Servers};
use crate::support::{Daemon, Film, House, Office, eventually, lines, names, status};

/// The mode of a house's door.
fn mode(house: &House) -> String {
    status(house)["doors"][0]["mode"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn people_lockdowns_and_journals_reach_every_door() {
    let Some(servers) = Servers::start(Program::Newer, 1) else { return };
    let office = Office::start(&servers);
    let front = office.joined(House::new().watching(Film::default().shows("obama3.jpg", 10), true), "front");
    let back = office.joined(House::new(), "back");
    let (at_front, at_back) = (Daemon::start(&front), Daemon::start(&back));
    for board in ["front", "back"] {
        office.waits_for(board);
    }
    // Enrolled at the office: both doors know, and one of them opens.
    let done = office.enroll("Barack Obama", &["obama.jpg", "obama2.jpg"]);
    assert_eq!((&done["sent"], done["missing"].as_array().unwrap().len()), (&true.into(), 0), "{done}");
    assert_eq!((names(&front), names(&back)), (vec!["Barack Obama".to_owned()], vec!["Barack Obama".to_owned()]));
    eventually("a grant", || front.records("granted").pop());
    assert_eq!(back.records("enrolled")[0]["content"]["by"].as_str().unwrap().split('/').next(), Some("fleet"));
    // Somebody of the fleet is changed at the office alone.
    assert!(front.refused(&["people", "rename", "Barack Obama", "Barry"]).contains("fleet"));
    assert!(
        office
            .refused(&["enroll", "Another", "--site", "berlin", &photo("obama3.jpg")])
            .contains("may be Barack Obama")
    );
    let collected = eventually("the grant at the office", || {
        let records = office.json(&["journal", "--board", "front", "--json"]);
        records.into_iter().find(|record| record["record"]["kind"] == "granted")
    });
    assert_eq!((&collected["site"], &collected["board"]), (&"berlin".into(), &"front".into()));
    let number = collected["record"]["seq"].to_string();
    let told = office.usher(&["why", "front", &number]);
    assert!(told.contains("Barack Obama") && told.contains("distance") && told.contains("hash"), "{told}");
    assert!(office.usher(&["people", "--site", "berlin"]).contains("Barack Obama"));

    over_all_boards(&office, &back);

    let asked = Instant::now();
    let done = office.json(&["lockdown", "berlin", "on", "--json"]).remove(0);
    println!("a lockdown reached both doors and was confirmed within {:?}", asked.elapsed());
    assert_eq!(done["confirmed"].as_array().unwrap().len(), 2, "{done}");
    assert_eq!((mode(&front), mode(&back)), ("lockdown".to_owned(), "lockdown".to_owned()));
    eventually("a refusal", || {
        front.records("denied").into_iter().find(|record| record["content"]["reason"] == "lockdown")
    });
    assert_eq!(office.ends(&["lockdown", "berlin", "off"]).0, Some(0));
    assert_eq!((mode(&front), mode(&back)), ("normal".to_owned(), "normal".to_owned()));

    // Locked down while a board is off: it lets nobody in when it is back, although somebody stands there.
    eventually("another grant", || (front.records("granted").len() > 1).then_some(()));
    at_front.kill();
    let granted = front.records("granted").len();
    let (code, done) = office.ends(&["lockdown", "berlin", "on", "--json"]);
    let done: serde_json::Value = serde_json::from_str(&done).unwrap();
    assert_eq!(
        (code, &done["missing"], &done["in_force"]),
        (Some(3), &serde_json::json!(["front"]), &false.into()),
        "{done}"
    );
    let denied = front.records("denied").len();
    let at_front = Daemon::start(&front);
    eventually("a refusal after the start", || (front.records("denied").len() > denied).then_some(()));
    office.waits_for("front");
    assert_eq!((mode(&front), front.records("granted").len()), ("lockdown".to_owned(), granted));
    office.usher(&["lockdown", "berlin", "off"]);

    // Forgotten: neither knows, and nothing of it is left to compare.
    let done = office.json(&["forget", "Barack Obama", "--site", "berlin", "--json"]).remove(0);
    assert_eq!(done["confirmed"].as_array().unwrap().len(), 2, "{done}");
    assert!(names(&front).is_empty() && names(&back).is_empty());
    assert_eq!(status(&front)["fleet"]["epoch"], 2);
    assert_eq!(front.records("removed").len(), 1);

    // Shut out: the server refuses it, and the other one goes on.
    office.usher(&["revoke", "back"]);
    let refused =
        || status(&back)["fleet"]["state"].as_str().is_some_and(|state| state.contains("refuse the credential"));
    eventually("a board that is shut out", || refused().then_some(()));
    assert_eq!(office.enroll("Joe Biden", &["biden.jpg"])["confirmed"], serde_json::json!(["front"]));
    assert!(names(&back).is_empty());
    at_front.stop();
    at_back.stop();
}

/// The office answers for all boards as a daemon answers for its own.
fn over_all_boards(office: &Office, back: &House) {
    let day = |arguments: &[&str]| lines(&office.over_all(arguments));
    let days = eventually("attendance over all boards", || {
        let days = day(&["attendance", "--format", "json"]);
        (!days.is_empty()).then_some(days)
    });
    assert_eq!((days.len(), &days[0]["person"]["name"]), (1, &"Barack Obama".into()), "{days:?}");
    assert!(office.over_all(&["attendance", "absent"]).contains("Nobody was absent"));
    assert!(office.over_all(&["why"]).contains("of berlin"));
    assert!(office.over_all(&["people", "list"]).contains("Barack Obama"));
    // Both boards enrolled one person; an amendment at one of them counts.
    let enrolled = day(&["journal", "list", "--kind", "enrolled", "--json"]);
    let boards: BTreeSet<&str> = enrolled.iter().map(|record| record["board"].as_str().unwrap()).collect();
    let people: BTreeSet<u64> = enrolled.iter().map(|r| r["content"]["person"]["id"].as_u64().unwrap()).collect();
    assert_eq!((boards, people.len()), (BTreeSet::from(["back", "front"]), 1), "{enrolled:?}");
    back.usher(&["attendance", "amend", "--person", "Barack Obama", "--in", "now", "--reason", "he was early"]);
    eventually("the amendment of a board", || {
        let days = day(&["attendance", "--format", "json"]);
        days[0]["stints"].to_string().contains("\"amended\":true").then_some(())
    });
    office.over_all(&["attendance", "amend", "--person", "Barack Obama", "--out", "now", "--reason", "and left"]);
    let amended = day(&["journal", "list", "--kind", "attendance_amended", "--json"]);
    assert_eq!((amended.len(), &amended[1]["board"]), (2, &"office".into()), "{amended:?}");
    assert!(office.refused_over_all(&["journal", "verify"]).contains("at the board"));
    assert!(office.refused_over_all(&["door", "lock"]).contains("--office is for"));
}

#[test]
fn a_site_that_was_cut_off_converges_and_empty_servers_are_filled_again() {
    let Some(mut servers) = Servers::start(Program::Newer, 1) else { return };
    let office = Office::start(&servers);
    let front = office.joined(House::new(), "front");
    let daemon = Daemon::start(&front);
    office.enroll("Barack Obama", &["obama.jpg"]);
    office.enroll("Joe Biden", &["biden.jpg"]);
    office.waits_for("front");
    let both = vec!["Barack Obama".to_owned(), "Joe Biden".to_owned()];
    assert_eq!(names(&front), both);

    // Cut: the office goes on, the board does, too, even over a power cut.
    servers.kill(0);
    let done = office.json(&["forget", "Joe Biden", "--site", "berlin", "--json"]).remove(0);
    assert_eq!(done["sent"], false, "{done}");
    daemon.kill();
    let daemon = Daemon::start(&front);
    assert_eq!(names(&front), both, "what the board has is on its disk");
    front.usher(&["door", "lock"]);
    servers.run(0);
    office.waits_for("front");
    assert_eq!(names(&front), both[..1]);
    eventually("the record from the time of the cut", || {
        let records = office.json(&["journal", "--json"]);
        records
            .into_iter()
            .find(|record| record["record"]["kind"] == "started" && record["record"]["seq"].as_u64() > Some(3))
    });

    // Killed between a change and its confirmation.
    servers.kill(0);
    office.enroll("Joe Biden", &["biden.jpg"]);
    servers.run(0);
    daemon.kill();
    let daemon = Daemon::start(&front);
    office.waits_for("front");
    assert_eq!(names(&front), both);

    // Everything that the server had is gone.
    servers.kill(0);
    servers.wipe(0);
    servers.run(0);
    let before = office.board("front")["said"]["at_ms"].clone();
    eventually("a board that speaks again", || (office.board("front")["said"]["at_ms"] != before).then_some(()));
    let row = office.waits_for("front");
    assert_eq!((names(&front), &row["said"]["refused"]), (both, &0.into()));
    office.json(&["forget", "Barack Obama", "--site", "berlin", "--json"]);
    eventually("the change after that", || (names(&front) == ["Joe Biden"]).then_some(()));
    daemon.stop();
}

fn photo(name: &str) -> String {
    crate::support::photo(name).display().to_string()
}

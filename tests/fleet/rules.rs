//! Rules of a site for who may pass, at a real daemon: pushed while it works, over a restart without servers, and rules that the board cannot use.

use std::path::PathBuf;

use serde_json::Value;

use crate::server::{Program, Servers};
use crate::support::{Daemon, Film, House, Office, eventually, status};

fn file(house: &House, name: &str, text: &str) -> String {
    let path: PathBuf = house.path(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Waits for a decision after those that were made so far.
fn next(house: &House, kind: &str) -> Value {
    let before = house.records(kind).len();
    eventually(kind, || house.records(kind).into_iter().nth(before))
}

fn permit_of(record: &Value) -> &Value {
    record["content"]["gates"].as_array().unwrap().iter().find(|gate| gate["name"] == "permit").unwrap()
}

#[test]
fn rules_of_a_site_count_at_a_running_daemon_and_over_a_restart() {
    let Some(mut servers) = Servers::start(Program::Newer, 1) else { return };
    let office = Office::start(&servers);
    let house = House::new().watching(Film::default().shows("obama3.jpg", 10), true);
    let front = office.joined(house, "front");
    let membership = front.path("membership.json").display().to_string();
    let own = format!("[fleet]\nenabled = true\nmembership = {membership:?}\n[[permit]]\ngroups = [\"neighbours\"]\n");
    let front = front.with(&own);
    let daemon = Daemon::start(&front);
    office.waits_for("front");
    office.enroll("Barack Obama", &["obama.jpg", "obama2.jpg"]);
    // Until the site has rules, the board's own permits count.
    let denied = next(&front, "denied");
    assert_eq!(denied["content"]["reason"], "not_permitted", "{denied}");
    assert!(office.refused(&["rules", "show", "--site", "berlin"]).contains("has no rules"));
    assert!(office.refused(&["rules", "clear", "--site", "berlin"]).contains("has no rules"));

    // What no board could use is not signed.
    let wrong = file(&front, "wrong.toml", "[[permit]]\nschedule = \"nights\"\n");
    let refused = office.refused(&["rules", "push", &wrong, "--site", "berlin"]);
    assert!(refused.contains("wrong.toml:2: permit[0].schedule"), "{refused}");

    let lists = file(&front, "days.txt", "12-25 Christmas\n");
    assert!(lists.ends_with("days.txt"));
    let good = "[[schedule]]\nname = \"always\"\nhours = [\"daily 00:00-24:00\"]\nholidays = \"days.txt\"\non_holidays = [\"00:00-24:00\"]\n\
        [[permit]]\ndoors = [\"front\", \"frnt\"]\nschedule = \"always\"\n";
    let good = file(&front, "good.toml", good);
    let done = office.json(&["rules", "push", &good, "--site", "berlin", "--json"]).remove(0);
    assert_eq!(done["confirmed"], serde_json::json!(["front"]), "{done}");
    assert!(done["notes"][0].as_str().unwrap().ends_with("has a door called frnt"), "{done}");
    let granted = next(&front, "granted");
    let limit = permit_of(&granted)["limit"].as_str().unwrap().to_owned();
    assert!(limit.starts_with("everybody: always (rules ") && limit.ends_with(" of berlin)"), "{limit}");
    let taken = front.records("site_rules");
    assert_eq!((taken.len(), &taken[0]["content"]["outcome"]), (1, &"followed".into()));
    assert!(taken[0]["content"]["by"].as_str().unwrap().starts_with("fleet/"));
    assert!(front.records("mode_set").is_empty(), "no lockdown is ordered by a push");
    // Commands at the board follow the rules in force, and say where they come from.
    let tested = front.usher(&["schedule", "test", "--person", "Barack Obama"]);
    assert!(tested.contains("may pass") && tested.contains("of berlin)"), "{tested}");
    let shown = front.usher(&["config", "show"]);
    assert!(
        shown.contains("name = \"always\"") && shown.contains("# rules ") && !shown.contains("neighbours"),
        "{shown}"
    );
    let version = status(&front)["fleet"]["access"].as_u64().unwrap();
    assert!(version > 0 && front.usher(&["status"]).contains(&format!("the doors go by rules {version} of berlin")));
    let printed = office.usher(&["rules", "show", "--site", "berlin"]);
    assert!(printed.contains("[[permit]]") && printed.contains("12-25 Christmas"), "{printed}");

    // Rules that this board cannot use: the last ones stay, and a lockdown of the same site counts all the same.
    let unusable = file(&front, "tags.toml", "[[permit]]\nassurance = \"face+tag\"\n");
    let done = office.json(&["rules", "push", &unusable, "--site", "berlin", "--json"]).remove(0);
    assert_eq!(
        (done["confirmed"].clone(), done["missing"].clone()),
        (serde_json::json!([]), serde_json::json!(["front"]))
    );
    assert!(done["notes"].to_string().contains("no reader for tags"), "{done}");
    next(&front, "granted");
    assert!(office.usher(&["status"]).contains("front does not go by the newest rules"), "the office says so");
    assert!(status(&front)["fleet"]["rules_trouble"].as_str().unwrap().contains("no reader for tags"));
    assert_eq!(front.records("site_rules").last().unwrap()["content"]["outcome"], "refused");
    assert_eq!(status(&front)["fleet"]["access"], version);
    let done = office.json(&["lockdown", "berlin", "on", "--json"]).remove(0);
    assert_eq!(done["confirmed"], serde_json::json!(["front"]), "{done}");
    office.usher(&["lockdown", "berlin", "off"]);

    // Nobody may pass; and that holds from the start, without a server.
    let nobody = file(&front, "nobody.toml", "[[permit]]\ngroups = [\"nobody\"]\n");
    let done = office.json(&["rules", "push", &nobody, "--site", "berlin", "--json"]).remove(0);
    assert_eq!(done["confirmed"], serde_json::json!(["front"]), "{done}");
    let denied = next(&front, "denied");
    assert_eq!(denied["content"]["reason"], "not_permitted", "{denied}");
    let granted = front.records("granted").len();
    servers.kill(0);
    daemon.kill();
    // In the store, too, where no daemon runs.
    assert!(front.usher(&["schedule", "test", "--person", "Barack Obama"]).contains("is refused (not_permitted)"));
    let daemon = Daemon::start(&front);
    let by_rules = || {
        let denied = front.records("denied");
        denied.into_iter().rev().find(|record| permit_of(record)["limit"].as_str().unwrap().contains("of berlin)"))
    };
    let before = front.records("started").len();
    assert!(before > 1);
    eventually("a refusal after the start", || {
        by_rules().filter(|denied| denied["seq"].as_u64() > front.records("started").last().unwrap()["seq"].as_u64())
    });
    assert_eq!(front.records("granted").len(), granted);

    // Cleared: the board goes by its own permits again.
    servers.run(0);
    office.waits_for("front");
    let done = office.json(&["rules", "clear", "--site", "berlin", "--json"]).remove(0);
    assert_eq!(done["confirmed"], serde_json::json!(["front"]), "{done}");
    assert_eq!(front.records("site_rules").last().unwrap()["content"]["outcome"], "ended");
    assert!(front.usher(&["config", "show"]).contains("neighbours"));
    assert_eq!(status(&front)["fleet"]["access"], 0);
    daemon.stop();
}

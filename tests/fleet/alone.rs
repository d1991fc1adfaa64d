//! A board that hears nothing of its fleet: for longer than `max_age`, and because its membership cannot be read. The real program, with replayed cameras.

use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::server::{Program, Servers};
use crate::support::{Daemon, Film, House, Office, eventually, status};

/// The shortest `[fleet] max_age` that there is.
const MAX_AGE: Duration = Duration::from_secs(180);
/// The age is counted from the newest head, which is a minute old at most, and decisions are made all the time.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a board waits after a start for its servers' newest rules.
const RULES_WITHIN: Duration = Duration::from_secs(3);

/// The house with these keys in `[fleet]`, and more tables.
fn with_fleet(house: House, keys: &str, more: &str) -> House {
    let membership = house.path("membership.json").display().to_string();
    house.with(&format!("[fleet]\nenabled = true\nmembership = {membership:?}\n{keys}\n\n{more}"))
}

fn reason(record: &Value) -> &str {
    record["content"]["reason"].as_str().unwrap()
}

fn gate<'a>(record: &'a Value, name: &str) -> &'a Value {
    record["content"]["gates"].as_array().unwrap().iter().find(|gate| gate["name"] == name).unwrap()
}

/// The first refusal for what the fleet did not say, after the record `seq`.
fn stale_after(house: &House, seq: u64) -> Option<Value> {
    let denied = house.records("denied").into_iter();
    denied.filter(|record| record["seq"].as_u64() > Some(seq)).find(|record| reason(record) == "fleet_stale")
}

fn newest(house: &House, kind: &str) -> u64 {
    house.records(kind).last().map_or(0, |record| record["seq"].as_u64().unwrap())
}

#[test]
fn nobody_is_let_in_once_the_office_was_not_heard_for_max_age() {
    let Some(mut servers) = Servers::start(Program::Newer, 1) else { return };
    let office = Office::start(&servers);
    let house = office.joined(House::new(), "front");
    let film = Film::default().shows("obama3.jpg", 10).write(&house.path("film.mjpeg")).display().to_string();
    let house = house.with_camera(&format!("kind = \"replay\"\npath = {film:?}\nfps = 4\nloop = true"));
    let front = with_fleet(house, "max_age = \"3m\"\nwhen_stale = \"deny\"", "");
    let daemon = Daemon::start(&front);
    office.waits_for("front");
    office.enroll("Barack Obama", &["obama.jpg", "obama2.jpg"]);
    let granted = eventually("a grant", || front.records("granted").pop());
    assert_eq!(gate(&granted, "fleet")["limit"], "within 180 s", "{granted}");

    // The servers are gone: he is let in until the newest head is too old.
    servers.kill(0);
    let gone = Instant::now();
    let first = newest(&front, "granted");
    eventually("a grant without servers", || (newest(&front, "granted") > first).then_some(()));
    let denied = loop {
        // At the start, the newest rules are waited for, which has the same reason.
        match stale_after(&front, first) {
            Some(denied) => break denied,
            None => thread::sleep(Duration::from_secs(1)),
        }
        assert!(gone.elapsed() < MAX_AGE + PATIENCE, "nobody is refused");
    };
    println!("nobody was let in {:?} after the servers had gone", gone.elapsed());
    let fleet = gate(&denied, "fleet");
    let age = fleet["input"].as_str().unwrap().strip_prefix("the office was heard ").unwrap();
    let age: u64 = age.strip_suffix(" s ago").unwrap().parse().unwrap();
    assert!(age >= MAX_AGE.as_secs() && fleet["passed"] == false, "{denied}");
    assert!(status(&front)["fleet"]["heard_s"].as_u64() >= Some(MAX_AGE.as_secs()));
    // An operator is not held up, and a restart makes nothing younger.
    front.usher(&["door", "unlock"]);
    daemon.kill();
    let granted = newest(&front, "granted");
    let daemon = Daemon::start(&front);
    let started = newest(&front, "started");
    let denied = eventually("a refusal after the restart", || stale_after(&front, started));
    assert_eq!((gate(&denied, "fleet")["passed"] == false, newest(&front, "granted")), (true, granted), "{denied}");
    // Also once it does not wait for newer rules any more. What is refused again and again is one record.
    thread::sleep(RULES_WITHIN * 3);
    assert!(status(&front)["fleet"]["heard_s"].as_u64() >= Some(MAX_AGE.as_secs()));
    assert_eq!(newest(&front, "granted"), granted);

    // They are back, and the office is heard.
    servers.run(0);
    let back = Instant::now();
    eventually("a grant after that", || (newest(&front, "granted") > granted).then_some(()));
    println!("he was let in {:?} after the servers were back", back.elapsed());
    daemon.stop();
}

#[test]
fn a_board_without_its_membership_goes_by_its_disk_and_keeps_nobody_in() {
    let Some(servers) = Servers::start(Program::Newer, 1) else { return };
    let office = Office::start(&servers);
    let mut house = with_fleet(
        office.joined(House::new(), "front"),
        "places = true",
        "[[permit]]\ngroups = [\"neighbours\"]\n\n[[door]]\nname = \"front\"\npulse = \"300ms\"\noutside = \"street\"\ninside = \"house\"\n",
    );
    house.environment.insert("USHER__ACCESS__PASSBACK".into(), "hard".into());
    let front = house;
    let daemon = Daemon::start(&front);
    office.waits_for("front");
    office.enroll("Barack Obama", &["obama.jpg"]);
    let rules = front.path("rules.toml");
    std::fs::write(&rules, "[[permit]]\n").unwrap();
    let done = office.json(&["rules", "push", &rules.display().to_string(), "--site", "berlin", "--json"]).remove(0);
    assert_eq!(done["confirmed"], serde_json::json!(["front"]), "{done}");
    // For 3 s after a start the board waits for its servers' newest rules, and admits nobody.
    let admit = |direction: &'static str| {
        let arguments = ["door", "admit", "Barack Obama", "--reason", "test", "--direction", direction];
        eventually("an admission", || (front.ask(&arguments).code == Some(0)).then_some(()))
    };
    let told = || gate(&front.records("admitted").pop().unwrap(), "passback")["input"].as_str().unwrap().to_owned();
    admit("out");
    daemon.kill();

    let membership = front.path("membership.json");
    let mode = |mode: u32| std::fs::set_permissions(&membership, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    let daemon = Daemon::start(&front);
    let fleet = status(&front)["fleet"].clone();
    assert!(fleet["state"].as_str().unwrap().contains("run: chmod 600"), "{fleet}");
    assert!(fleet["heard_s"].is_u64() && fleet["rules"].as_u64() > Some(0), "{fleet}");
    let doctor = front.ask(&["doctor"]).out;
    assert!(doctor.contains("run: chmod 600") && doctor.contains("let the board join again"), "{doctor}");
    // The site's rules count, which permit everybody; the board's own would refuse him.
    let tested = front.usher(&["schedule", "test", "--person", "Barack Obama"]);
    assert!(tested.contains("may pass") && tested.contains("of berlin)"), "{tested}");
    // He is outside, as far as this board knows, and may have come in elsewhere.
    admit("out");
    assert!(told().contains("let pass (nobody is kept in)"), "{}", told());
    daemon.kill();

    mode(0o600);
    let daemon = Daemon::start(&front);
    office.waits_for("front");
    assert_eq!(status(&front)["fleet"]["state"], "online");
    daemon.stop();
}

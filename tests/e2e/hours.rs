//! Attendance in practice: people enrolled anew, leavers, long nights, a device in another time zone, a clock that was set late.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use usher::domain::{AccessEvent, DaemonEvent, Direction, DoorEvent, Event, Named, PeopleEvent, PersonId, Stamp};
use usher::ledger::Journal;
use usher::store::Store;

use crate::support::{Daemon, House, lines, photo};

fn enroll(house: &House, name: &str, id: &str, photos: &[&str]) {
    let photos = photos.iter().map(|name| photo(name).into_os_string());
    let arguments: Vec<_> = ["enroll", name, "--id", id].into_iter().map(Into::into).chain(photos).collect();
    house.usher(&arguments);
}

fn amend(house: &House, person: &str, way: &str, at: &str) {
    house.usher(&["attendance", "amend", "--person", person, &format!("--{way}"), at, "--reason", "trial"]);
}

fn berlin(house: House) -> House {
    let mut house = house;
    house.environment.insert("USHER__DEVICE__TIME_ZONE".into(), "Europe/Berlin".into());
    house
}

fn column(csv: &str, name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let at = reader.headers().unwrap().iter().position(|heading| heading == name).unwrap();
    reader.records().map(|row| row.unwrap()[at].to_owned()).collect()
}

#[test]
fn a_person_enrolled_anew_has_one_day_and_a_leaver_keeps_the_id() {
    let house = berlin(House::new());
    enroll(&house, "Ada Müller", "E042", &["obama.jpg"]);
    enroll(&house, "Ben Probe", "E077", &["biden.jpg"]);
    house.usher(&["people", "groups", "E077", "night"]);
    amend(&house, "E042", "in", "2026-05-04T08:00");
    amend(&house, "E077", "in", "2026-05-04T08:30");
    amend(&house, "E077", "out", "2026-05-04T16:30");
    house.usher(&["people", "remove", "E042", "--yes"]);
    enroll(&house, "Ada Müller", "E042", &["obama.jpg", "obama2.jpg"]);
    amend(&house, "E042", "out", "2026-05-04T17:00");
    house.usher(&["people", "remove", "E077", "--yes"]);

    let day = ["attendance", "--day", "2026-05-04"];
    let ask = |more: &[&str]| house.usher(&[&day[..], more].concat());
    let days = lines(&ask(&["--format", "json"]));
    let reported: Vec<_> =
        days.iter().map(|day| (&day["employee"], &day["worked_seconds"], &day["anomalies"])).collect();
    let nothing = json!([]);
    let (ada, ben) = (json!("E042"), json!("E077"));
    assert_eq!(reported, [(&ben, &json!(8 * 3600), &nothing), (&ada, &json!(9 * 3600), &nothing)]);
    assert_eq!(ask(&[]).lines().count(), 3);
    let frappe = ask(&["--template", "frappe"]);
    assert_eq!(column(&frappe, "Employee"), ["E077", "E077", "E042", "E042"], "{frappe}");
    assert_eq!(column(&ask(&["--template", "odoo"]), "employee_id/id"), ["E077", "E042"]);
    // A leaver is still found by what the records say, and so is their group.
    assert_eq!(lines(&ask(&["--format", "json", "--person", "E077"])).len(), 1);
    assert_eq!(lines(&ask(&["--format", "json", "--person", "ben probe"])).len(), 1);
    assert_eq!(lines(&ask(&["--format", "json", "--person", "#2"])).len(), 1);
    assert_eq!(lines(&ask(&["--format", "json", "--group", "night"])).len(), 1);
    // A leaver's day can still be corrected.
    amend(&house, "E077", "out", "2026-05-04T16:45");
    let ben = lines(&ask(&["--format", "json", "--person", "E077"])).remove(0);
    assert_eq!((&ben["worked_seconds"], &ben["person"]["groups"]), (&json!(8 * 3600), &json!(["night"])), "{ben}");
    assert!(
        house.refused(&["attendance", "amend", "--person", "E099", "--in", "08:00", "--reason", "x"]).contains("E099")
    );
    // A record under the old number can still be voided.
    let first = house.records("attendance_amended")[0]["seq"].to_string();
    house.usher(&["attendance", "amend", "--person", "E042", "--void", &first, "--reason", "trial"]);
    let ada = lines(&ask(&["--format", "json", "--person", "E042"])).remove(0);
    assert_eq!(ada["anomalies"], json!(["out_without_in"]));
    // The record has all of it, and after an erasure none of it.
    let person = json!({ "id": 2, "name": "Ben Probe", "employee_id": "E077", "groups": ["night"] });
    assert_eq!(house.records("removed")[1]["content"]["person"], person);
    house.usher(&["journal", "erase", "--person", "#2", "--yes"]);
    let left = house.usher(&["journal", "export"]);
    assert!(!left.contains("E077") && !left.contains("Ben Probe"), "{left}");
}

#[test]
fn a_night_shift_longer_than_a_long_day_is_one_shift() {
    let house = berlin(House::new());
    enroll(&house, "Ada Probe", "E042", &["obama.jpg"]);
    for (way, at) in [
        ("in", "2026-07-13T18:30"),
        ("out", "2026-07-14T07:10"),
        ("in", "2026-07-16T07:00"),
        ("out", "2026-07-16T19:40"),
    ] {
        amend(&house, "E042", way, at);
    }
    let days = house.json(&["attendance", "--from", "2026-07-13", "--to", "2026-07-16", "--format", "json"]);
    let reported: Vec<_> = days.iter().map(|day| (&day["date"], &day["worked_seconds"], &day["anomalies"])).collect();
    let (worked, long) = (json!(12 * 3600 + 40 * 60), json!(["long_day"]));
    let (monday, thursday) = (json!("2026-07-13"), json!("2026-07-16"));
    assert_eq!(reported, [(&monday, &worked, &long), (&thursday, &worked, &long)]);
}

/// A time zone in which it is another date now than by UTC, and two in the morning or later.
fn elsewhere() -> &'static str {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    // 14 hours ahead from noon on, 12 hours behind before it.
    if now / 3600 % 24 >= 12 { "Pacific/Kiritimati" } else { "Etc/GMT+12" }
}

#[test]
fn today_is_one_day_whatever_the_system_s_time_zone() {
    for day_starts in ["00:00", "01:00"] {
        let mut house = House::new().with(&format!("[attendance]\nday_starts = {day_starts:?}"));
        house.environment.insert("TZ".into(), "UTC".into());
        house.environment.insert("USHER__DEVICE__TIME_ZONE".into(), elsewhere().into());
        enroll(&house, "Ada Probe", "E042", &["obama.jpg"]);
        amend(&house, "E042", "in", "01:30");
        let plain = house.json(&["attendance", "--format", "json"]);
        assert_eq!(plain.len(), 1, "{plain:?}");
        for words in [["--day", "today"], ["--from", "today"], ["--to", "today"], ["--from", "yesterday"]] {
            let days = house.json(&[&["attendance", "--format", "json"], &words[..]].concat());
            assert_eq!(days, plain, "{words:?}");
        }
        assert!(house.json(&["attendance", "--format", "json", "--day", "yesterday"]).is_empty());
        assert!(house.usher(&["attendance", "watch"]).starts_with("1 present"));
        // The journal's today is the same one, and it shows the same clock.
        let date = plain[0]["date"].as_str().unwrap();
        assert_eq!(house.json(&["journal", "list", "--json", "--since", "today"]).len(), 2);
        assert!(house.json(&["journal", "list", "--json", "--until", "today"]).is_empty());
        assert!(house.usher(&["journal", "list"]).starts_with(date), "{date}");
    }
}

/// 2026-05-04T06:00:00Z, eight in Berlin.
const MORNING: u64 = 1_777_874_400;

fn stamp(boot: u8, since_boot: u64, at: u64, synchronised: bool) -> Stamp {
    Stamp {
        since_boot: Duration::from_secs(since_boot),
        boot: [boot; 16],
        synchronised: Some(synchronised),
        ..Stamp::at(SystemTime::UNIX_EPOCH + Duration::from_secs(at))
    }
}

fn passed(direction: Direction) -> Event {
    let person = Named::new(PersonId(7), "Ada", Some("E042".into()), Vec::new()).into();
    Event::Access(AccessEvent::Passed {
        door: "front".into(),
        person,
        direction: Some(direction),
        zone: None,
        record: 0,
    })
}

/// A power cut: Ada comes while the board's clock says 1970, the clock is set, she leaves, and then the clock is set back.
fn power_cut() -> House {
    let house = berlin(House::new());
    let store = Store::open(&house.store()).unwrap();
    let journal = Journal::open(&store).unwrap();
    let note = |event: &Event, stamp: Stamp| journal.append(event, &stamp).unwrap();
    note(&Event::Door(DoorEvent::DoorOpened { door: "front".into() }), stamp(1, 100, MORNING - 86_400, true));
    note(&passed(Direction::In), stamp(2, 60, 60, false));
    note(&Event::Daemon(DaemonEvent::ClockJumped { milliseconds: 0 }), stamp(2, 600, MORNING + 600, true));
    note(&passed(Direction::Out), stamp(2, 9 * 3600 + 60, MORNING + 9 * 3600 + 60, true));
    // Somebody sets the clock back by two days.
    note(
        &Event::Door(DoorEvent::DoorClosed { door: "front".into(), open_for: Duration::ZERO }),
        stamp(2, 10 * 3600, MORNING - 172_800, false),
    );
    house
}

#[test]
fn records_from_before_the_clock_was_set_and_after_it_was_set_back_are_found() {
    let house = power_cut();
    let list = |arguments: &[&str]| -> Vec<u64> {
        let found = house.json(&[&["journal", "list", "--json"], arguments].concat());
        found.iter().map(|record| record["seq"].as_u64().unwrap()).collect()
    };
    let check = || {
        let day = house.json(&["attendance", "--day", "2026-05-04", "--format", "json"]).remove(0);
        assert_eq!((&day["first_in"], &day["worked_seconds"]), (&json!("2026-05-04T06:01:00Z"), &json!(9 * 3600)));
        assert_eq!((&day["anomalies"], &day["employee"]), (&json!([]), &json!("E042")));
        assert_eq!(list(&["--since", "2026-05-04", "--until", "2026-05-05"]), [2, 3, 4]);
        assert_eq!(list(&["--since", "2026-05-02", "--until", "2026-05-03"]), [5]);
        assert_eq!(list(&["--since", "2026-05-02", "--until", "2026-05-04"]), [1, 5]);
        assert_eq!(list(&["--until", "1980-01-01"]), [0; 0]);
        assert_eq!(list(&["--since", "2026-05-04", "--kind", "passed", "-n", "1"]), [4]);
        assert_eq!(list(&["--since", "2026-05-02", "--kind", "outbox_shed"]), [0; 0]);
        let record = house.json(&["journal", "show", "2", "--json"]).remove(0);
        assert_eq!(
            (&record["time"], &record["dated"]),
            (&json!("1970-01-01T00:01:00.000000Z"), &json!("2026-05-04T06:01:00.000000Z"))
        );
        let shown = house.usher(&["journal", "list"]);
        assert!(
            shown.contains("08:01:00 Ada passed front (in), by record 0 (its clock showed 1970-01-01 01:01:00)"),
            "{shown}"
        );
        let receipt = house.usher(&["journal", "show", "2"]);
        assert!(receipt.contains("dated     2026-05-04 08:01:00.000 +02:00"), "{receipt}");
    };
    check();
    let daemon = Daemon::start(&house);
    check();
    daemon.stop();
}

#[test]
fn the_journal_is_exported_as_a_table() {
    let house = power_cut();
    let csv = house.usher(&["journal", "export", "--csv", "--until", "2026-05-05"]);
    assert_eq!(column(&csv, "seq"), ["1", "2", "3", "4", "5"]);
    assert_eq!(column(&csv, "time")[1], "2026-05-04T08:01:00.000000+02:00");
    assert_eq!(column(&csv, "clock")[1], "1970-01-01T00:01:00.000000Z");
    assert_eq!(column(&csv, "kind")[1..4], ["passed", "clock_jumped", "passed"]);
    assert_eq!(column(&csv, "employee_id")[1..4], ["E042", "", "E042"]);
    assert_eq!(column(&csv, "what")[3], "Ada passed front (out), by record 0");
    // Nothing is lost: each row has the record's content and its place in the chain.
    for (content, record) in column(&csv, "content").iter().zip(house.journal()) {
        assert_eq!(serde_json::from_str::<Value>(content).unwrap(), record["content"]);
    }
    let hashes = column(&csv, "hash");
    assert_eq!(column(&csv, "previous")[1..], hashes[..4]);
    // A name that a spreadsheet would read as a formula.
    let store = Store::open(&house.store()).unwrap();
    let person = Named::new(PersonId(8), "=1+1", None, vec!["a".into(), "b c".into()]).into();
    Journal::open(&store)
        .unwrap()
        .append(&Event::People(PeopleEvent::Removed { person, by: "anna".into() }), &stamp(3, 1, MORNING, true))
        .unwrap();
    drop(store);
    let csv = house.usher(&["journal", "export", "--csv", "--kind", "removed"]);
    assert_eq!((column(&csv, "name"), column(&csv, "groups")), (vec!["'=1+1".into()], vec!["a; b c".into()]));
    assert_eq!(house.ask(&["journal", "export", "--csv", "--jsonl"]).code, Some(2));
    let excel = house.usher(&["journal", "export", "--csv", "--bom", "--separator", "semicolon"]);
    assert!(excel.starts_with("\u{FEFF}seq;id;time;"), "{excel}");
    assert!(house.refused(&["journal", "export", "--bom"]).contains("--csv"));
}

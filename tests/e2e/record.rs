//! The journal in use: searching, exporting, erasing, attendance, backup and restore.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::{Daemon, Film, House, eventually, lines, status};

/// A house with changes of three people, and an empty scene.
fn house() -> House {
    let house = House::new();
    house.enroll("Barack Obama", &["obama.jpg"]);
    house.enroll("Joe Biden", &["biden.jpg"]);
    house.usher(&["people", "rename", "#2", "Joseph Biden"]);
    house.usher(&["people", "disable", "#1"]);
    house.usher(&["people", "enable", "#1"]);
    house
}

fn numbers(records: &[Value]) -> Vec<u64> {
    records.iter().map(|record| record["seq"].as_u64().unwrap()).collect()
}

#[test]
fn records_are_found_by_their_subject() {
    let house = house();
    let list = |arguments: &[&str]| numbers(&house.json(&[&["journal", "list", "--json"], arguments].concat()));
    assert_eq!(list(&[]), [1, 2, 3, 4, 5]);
    assert_eq!(list(&["-n", "2"]), [4, 5]);
    assert_eq!(list(&["--person", "#1"]), [1, 4, 5]);
    // All records of that person, also from before the rename.
    assert_eq!(list(&["--person", "joseph biden"]), [2, 3]);
    assert_eq!(list(&["--person", "#1", "-n", "1"]), [5]);
    assert_eq!(list(&["--kind", "enrolled", "--kind", "enabled"]), [1, 2, 5]);
    assert_eq!(list(&["--door", "front"]), [0; 0]);
    assert_eq!(list(&["--since", "1h"]), [1, 2, 3, 4, 5]);
    assert_eq!(list(&["--until", "2020-01-01"]), [0; 0]);
    let error = house.ask(&["journal", "list", "--since", "soon"]).err;
    assert!(error.contains("is not a time") && error.contains("2026-01-31"), "{error}");

    let third = house.json(&["journal", "show", "3", "--json"]).remove(0);
    let id = third["id"].as_str().unwrap();
    assert_eq!(house.json(&["journal", "show", id, "--json"]), std::slice::from_ref(&third));
    assert!(house.refused(&["journal", "show", "zebra"]).contains("not an id"));
    assert!(third["since_boot_ms"].as_u64().unwrap() > 0 && third["boot"].as_str().unwrap().len() == 36);

    let exported = lines(&house.usher(&["journal", "export", "--jsonl", "--person", "#1"]));
    assert_eq!(numbers(&exported), [1, 4, 5]);
    let file = house.path("journal.jsonl");
    house.usher(&["journal".as_ref(), "export".as_ref(), file.as_os_str()]);
    assert_eq!(lines(&std::fs::read_to_string(&file).unwrap()).len(), 5);
    let output = house.refused(&["journal".as_ref(), "export".as_ref(), file.as_os_str()]);
    assert!(output.contains("exists"), "{output}");
}

#[test]
fn new_records_are_followed_as_they_come() {
    let house = house();
    let daemon = Daemon::start(&house);
    let out = house.path("followed");
    let mut tail = house
        .command(&["journal", "tail", "-f", "-n", "1", "--json", "--kind", "disabled"])
        .stdout(std::fs::File::create(&out).unwrap())
        .spawn()
        .unwrap();
    let followed = || lines(&std::fs::read_to_string(&out).unwrap());
    eventually("the beginning", || (followed().len() == 1).then_some(()));
    house.usher(&["people", "disable", "#2"]);
    let second = eventually("the new record", || followed().get(1).cloned());
    assert_eq!(second["content"]["person"]["id"], 2);
    tail.kill().unwrap();
    tail.wait().unwrap();
    daemon.stop();
    assert!(house.refused(&["journal", "tail", "--follow"]).contains("no daemon runs"));
}

#[test]
fn a_person_is_erased_with_and_without_a_daemon() {
    for with_daemon in [false, true] {
        let house = house();
        house.usher(&["people", "remove", "#2", "--yes"]);
        let daemon = with_daemon.then(|| Daemon::start(&house));
        let refused = house.refused(&["journal", "erase", "--person", "Joseph Biden"]);
        assert!(refused.contains("--yes"), "{refused}");
        let erased = house.json(&["journal", "erase", "--person", "Joseph Biden", "--yes", "--json"]).remove(0);
        assert_eq!(erased, json!({ "person": 2, "records": 3 }));
        let all = house.usher(&["journal", "export"]);
        assert!(!all.contains("Biden") && all.contains("Barack Obama"), "{all}");
        let sound = house.json(&["journal", "verify", "--json"]).remove(0);
        assert_eq!((&sound["erased"], &sound["sound"]), (&json!(3), &json!(true)));
        assert!(house.usher(&["journal", "show", "2"]).contains("somebody (erased)"));
        let copy = std::fs::read(house.store().join("copy")).unwrap();
        assert!(!String::from_utf8_lossy(&copy).contains("Biden"));
        assert!(house.refused(&["journal", "erase", "--person", "Joseph Biden", "--yes"]).contains("no record names"));
        if let Some(daemon) = daemon {
            daemon.stop();
        }
    }
}

#[test]
fn a_backup_taken_from_the_running_daemon_is_restored_on_a_fresh_device() {
    let house = house();
    let daemon = Daemon::start(&house);
    let file = house.path("backup");
    let argument = file.to_str().unwrap();
    house.usher(&["backup", argument]);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(house.refused(&["backup", argument]).contains("--force"));
    house.usher(&["backup", argument, "--force"]);
    assert!(house.refused(&["restore", argument]).contains("stop it first"));
    let ring = house.path("ring");
    house.usher(&["store", "ring", "save", ring.to_str().unwrap()]);
    let before = house.journal();
    daemon.stop();
    let error = house.refused(&["restore", argument]);
    assert!(error.contains("holds a store already") && error.contains("--yes"), "{error}");
    assert_eq!(house.journal().len(), before.len() + 1, "nothing but `stopped` came to it");

    let fresh = House::new();
    fresh.usher(&["restore", argument]);
    let journal = fresh.journal();
    assert_eq!(journal[..before.len()], before);
    assert_eq!((journal.len(), &journal[before.len()]["kind"]), (before.len() + 1, &json!("restored")));
    fresh.usher(&["store", "ring", "load", ring.to_str().unwrap()]);
    assert_eq!(fresh.people(), house.people());
    fresh.usher(&["journal", "verify"]);

    // Over an existing store, which is kept aside.
    house.usher(&["people", "disable", "#1"]);
    house.usher(&["people", "remove", "Joseph Biden", "--yes"]);
    let last = house.journal().len();
    let output = house.usher(&["restore", argument, "--yes"]);
    for line in [
        "returns, removed since: Joseph Biden (#2)",
        "is enabled again, disabled since: Barack Obama (#1)",
        "records made since are not in the backup",
        "before-restore-",
        "all doors start in lockdown",
    ] {
        assert!(output.contains(line), "{line}: {output}");
    }
    let journal = house.journal();
    assert_eq!(journal[..before.len()], before);
    let restored = &journal[before.len()]["content"];
    assert_eq!((&restored["replaced"], &restored["lockdown"]), (&json!(last), &json!(["front"])));
    // Locked down until an operator ends it, over restarts, too.
    for _ in 0..2 {
        let daemon = Daemon::start(&house);
        assert_eq!(status(&house)["doors"][0]["mode"], "lockdown");
        daemon.stop();
    }
    let daemon = Daemon::start(&house);
    house.usher(&["door", "normal"]);
    daemon.stop();
    let daemon = Daemon::start(&house);
    assert_eq!(status(&house)["doors"][0]["mode"], "normal");
    daemon.stop();

    let mut damaged = std::fs::read(&file).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&file, damaged).unwrap();
    let error = House::new().refused(&["restore", argument]);
    assert!(error.contains("truncated or damaged"), "{error}");
}

#[test]
fn thirty_backups_at_once_all_succeed() {
    let house = house();
    let daemon = Daemon::start(&house);
    let file = |n: usize| house.path(&format!("backup-{n}"));
    let backups: Vec<_> =
        (0..30).map(|n| house.command(&["backup", file(n).to_str().unwrap()]).spawn().unwrap()).collect();
    for mut backup in backups {
        assert!(backup.wait().unwrap().success());
    }
    for n in 0..30 {
        let fresh = House::new();
        let output = fresh.usher(&["restore", file(n).to_str().unwrap()]);
        // Each backup has a record of its own, and holds those of the backups before it.
        let (_, rest) = output.split_once("restored up to record ").expect(&output);
        let newest: u64 = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
        assert!((7..=36).contains(&newest), "{output}");
    }
    // None of them leaves anything in the store.
    assert!(!house.store().join("backup.new").exists());
    daemon.stop();
}

#[test]
fn a_damaged_store_is_repaired_and_the_journal_records_it() {
    let house = house();
    let before = house.journal();
    let database = house.store().join("sled/db");
    let mut bytes = std::fs::read(&database).unwrap();
    let half = bytes.len() / 2;
    bytes[..half].fill(0xEE);
    std::fs::write(&database, bytes).unwrap();
    let daemon = Daemon::start(&house);
    let mended = house.records("store_mended").remove(0);
    assert_eq!(mended["content"]["lost"], 0);
    assert!(mended["content"]["what"].as_str().unwrap().contains("second copy"), "{mended}");
    assert_eq!(house.journal()[..before.len()], before);
    assert_eq!(house.people().len(), 2);
    daemon.stop();
    house.usher(&["journal", "verify"]);
}

/// The CSV rows without the headings.
fn rows(text: &str) -> Vec<Vec<String>> {
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn attendance_is_amended_and_exported() {
    let mut house = house();
    house.environment.insert("USHER__DEVICE__TIME_ZONE".into(), "Europe/Berlin".into());
    let amend = |arguments: &[&str]| {
        house.usher(&[&["attendance", "amend", "--person", "#1", "--reason", "test"], arguments].concat())
    };
    amend(&["--in", "2026-03-29T00:30"]);
    amend(&["--out", "2026-03-29T08:30"]);
    amend(&["--in", "2026-03-30T08:00"]);
    // A day on which the clocks went forward.
    let day = house.json(&["attendance", "--day", "2026-03-29", "--format", "json"]).remove(0);
    assert_eq!(
        (&day["worked_seconds"], &day["open"], &day["anomalies"]),
        (&json!(7 * 3600), &json!(false), &json!([]))
    );
    let csv = house.usher(&["attendance", "--from", "2026-03-29", "--to", "2026-03-31", "--format", "csv"]);
    let days = rows(&csv);
    assert_eq!(days.len(), 2, "{csv}");
    assert_eq!(
        days[0][..7],
        [
            "2026-03-29",
            "Barack Obama",
            "Barack Obama",
            "1",
            "2026-03-29 00:30:00+01:00",
            "2026-03-29 08:30:00+02:00",
            "7.00"
        ]
    );
    assert_eq!((days[1][5].as_str(), days[1][10].as_str()), ("", "no_out"));

    let ids: Vec<String> =
        house.records("attendance_amended").iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect();
    let frappe = house.usher(&["attendance", "--from", "2026-03-29", "--template", "frappe"]);
    assert!(frappe.starts_with("ID,Employee,Employee Name,Log Type,Time,Location / Device ID\n"), "{frappe}");
    let checkins = rows(&frappe);
    assert_eq!(checkins.iter().map(|row| row[0].clone()).collect::<Vec<_>>(), ids);
    assert_eq!(checkins[1][3..5], ["OUT", "2026-03-29 08:30:00"]);
    let timesheet = rows(&house.usher(&["attendance", "--from", "2026-03-29", "--template", "timesheet"]));
    assert_eq!((timesheet.len(), timesheet[0][6].as_str(), timesheet[1][6].as_str()), (2, "7.00", ""));

    // The amendment was wrong, and is amended.
    amend(&["--void", &ids[2]]);
    assert_eq!(rows(&house.usher(&["attendance", "--from", "2026-03-29", "--template", "timesheet"])).len(), 1);
    let refused = |arguments: &[&str]| house.refused(&[&["attendance", "amend", "--person", "#1"], arguments].concat());
    assert!(refused(&["--reason", "x", "--void", "1"]).contains("is not about"));
    assert!(refused(&["--reason", " ", "--in", "08:00"]).contains("say why"));
    assert!(refused(&["--reason", "x"]).contains("say what happened"));
    assert!(refused(&["--reason", "x", "--in", "2100-01-01"]).contains("future"));
    assert!(house.refused(&["attendance", "--group", "night"]).contains("nobody is in the group"));

    // Attendance may use another time zone than the device.
    house.environment.insert("USHER__ATTENDANCE__TIME_ZONE".into(), "UTC".into());
    let csv = house.usher(&["attendance", "--from", "2026-03-28", "--to", "2026-03-31", "--format", "csv"]);
    assert_eq!(rows(&csv)[0][4], "2026-03-28 23:30:00+00:00");
}

#[test]
fn a_person_who_was_let_in_is_present() {
    let film = Film::default().nobody(3).shows("obama2.jpg", 10).nobody(3);
    let house = House::new().watching(film, false).with("[attendance]\nmethod = \"alternate\"");
    house.enroll("Barack Obama", &["obama.jpg"]);
    house.usher(&["run", "--until-replays-end"]);
    let day = house.json(&["attendance", "--format", "json"]).remove(0);
    assert_eq!((&day["open"], &day["person"]["name"]), (&json!(true), &json!("Barack Obama")));
    assert_eq!(day["stints"][0]["in"]["id"], house.records("passed")[0]["id"]);
    let table = house.usher(&["attendance", "watch"]);
    assert!(table.starts_with("1 present at ") && table.contains("open"), "{table}");
    assert_eq!(house.json(&["attendance", "--person", "barack obama", "--format", "json"]).len(), 1);
}

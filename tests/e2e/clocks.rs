//! A clock that starts in the past, as on boards without a battery, simulated by libfaketime; and time zones that do not exist.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::support::{Daemon, Film, House, eventually, status};

/// libfaketime, which script/setup installs.
fn faketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let found = folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|path| path.is_file());
    found.expect("libfaketime is missing: run script/setup")
}

/// Whether this machine's kernel reports a synchronised clock; libfaketime does not change that.
fn in_step(house: &House) -> bool {
    let record = house.journal().pop().unwrap();
    record["synchronised"] == true
}

/// From now on every command of the house sees the wall clock begin at this time; spans are unaffected.
fn at(house: &mut House, time: &str) {
    for (name, value) in [
        ("LD_PRELOAD", faketime().display().to_string()),
        ("FAKETIME", format!("@{time}")),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ("DONT_FAKE_MONOTONIC", "1".into()),
        ("TZ", "UTC".into()),
    ] {
        house.environment.insert(name.into(), value);
    }
}

fn reasons(house: &House) -> Vec<Value> {
    house.records("denied").iter().map(|record| record["content"]["reason"].clone()).collect()
}

#[test]
fn an_expired_visitor_stays_out_when_the_clock_starts_in_the_past() {
    let film = Film::default().nobody(2).shows("obama2.jpg", 15).nobody(2);
    let mut house = House::new().watching(film, false);
    at(&mut house, "2026-05-04 08:00:00");
    house.enroll("Vera Visitor", &["obama.jpg"]);
    house.usher(&["people", "valid", "Vera Visitor", "--until", "2026-05-04"]);
    at(&mut house, "2026-05-05 09:00:00");
    house.usher(&["run", "--until-replays-end"]);
    assert_eq!(reasons(&house).last().unwrap(), "expired");
    // A power cut, and no network: earlier records prove that it is 5 May or later.
    for (wakes, quality) in [("1970-01-01 00:00:20", "unset"), ("2026-05-04 10:00:00", "wrong")] {
        let before = reasons(&house).len();
        at(&mut house, wakes);
        house.usher(&["run", "--until-replays-end"]);
        assert!(house.records("granted").is_empty(), "{wakes}");
        let new = reasons(&house).split_off(before);
        assert!(!new.is_empty() && new.iter().all(|reason| reason == "expired"), "{wakes}: {new:?}");
        assert_eq!(house.records("time_quality").last().unwrap()["content"]["quality"], quality, "{wakes}");
    }
    // Whether a later last day is over is unknown.
    at(&mut house, "2026-05-05 10:00:00");
    house.usher(&["people", "valid", "Vera Visitor", "--until", "2026-05-05"]);
    at(&mut house, "1970-01-01 00:00:20");
    house.usher(&["run", "--until-replays-end"]);
    assert_eq!(reasons(&house).last().unwrap(), "clock_unknown");
    house.environment.insert("USHER__TIME__WITHOUT_SYNC".into(), "allow".into());
    house.usher(&["run", "--until-replays-end"]);
    assert!(!house.records("granted").is_empty());
    let receipt = house.usher(&["why"]);
    assert!(receipt.contains("the clock is not set") && receipt.contains("let pass (without_sync)"), "{receipt}");
}

#[test]
fn in_1970_no_schedule_unlocks_a_door_but_operators_can() {
    let mut house = House::new().with(
        "[[door]]\nname = \"front\"\nunlock_schedule = \"thu\"\nmax_hold = \"12h\"\n[[schedule]]\nname = \"thu\"\nhours = [\"thu 08:00-18:00\"]\n",
    );
    // The seventh of May is a Thursday, and so is the first day of 1970.
    at(&mut house, "2026-05-07 09:00:00");
    let daemon = Daemon::start(&house);
    eventually("a door unlocked by its hours", || (status(&house)["doors"][0]["unlocked"] == true).then_some(()));
    assert_eq!(status(&house)["time"], if in_step(&house) { "synchronised" } else { "plausible" });
    daemon.stop();
    at(&mut house, "1970-01-01 08:00:20");
    let daemon = Daemon::start(&house);
    let began = house.records("schedule_began").len();
    eventually("a look at the clock", || (status(&house)["time"] == "unset").then_some(()));
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(
        (status(&house)["doors"][0]["unlocked"].clone(), house.records("schedule_began").len()),
        (Value::Bool(false), began)
    );
    house.usher(&["door", "unlock", "--door", "front", "--for", "30s"]);
    assert_eq!(status(&house)["doors"][0]["unlocked"], true);
    assert!(house.refused(&["door", "trust-clock"]).contains("the clock is not set"));
    let doctor = house.ask(&["doctor"]);
    assert!(doctor.out.contains("BROKEN   time           the clock is not set"), "{doctor:?}");
    daemon.stop();
    // Yesterday's time is behind the records; the operator confirms it.
    at(&mut house, "2026-05-06 09:00:00");
    let daemon = Daemon::start(&house);
    eventually("a look at the clock", || (status(&house)["time"] == "wrong").then_some(()));
    house.usher(&["door", "trust-clock"]);
    assert_eq!(house.records("clock_trusted").len(), 1);
    eventually("the time", || (status(&house)["time"] != "wrong").then_some(()));
    daemon.stop();
}

#[test]
fn a_time_zone_that_does_not_exist_is_an_error_and_not_utc() {
    let mut house = House::new();
    for zone in ["Europe/Berlin", ":Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3", "", "UTC"] {
        house.environment.insert("TZ".into(), zone.into());
        assert_eq!(house.ask(&["config", "check"]).code, Some(0), "{zone}");
    }
    for zone in ["Europe/Berln", "Mars/Olympus", "/no/such/file"] {
        house.environment.insert("TZ".into(), zone.into());
        for command in [&["config", "check"][..], &["run"]] {
            let error = house.refused(command);
            assert!(
                error.contains(&format!("TZ={zone} in the environment names no time zone")),
                "{command:?}: {error}"
            );
        }
        let doctor = house.ask(&["doctor"]);
        assert!(doctor.code == Some(1) && doctor.out.contains("BROKEN   time zone"), "{doctor:?}");
    }
    house.environment.insert("TZ".into(), "Europe/Berlin".into());
    for key in ["USHER__DEVICE__TIME_ZONE", "USHER__ATTENDANCE__TIME_ZONE"] {
        house.environment.insert(key.into(), "Europe/Berln".into());
        assert!(house.refused(&["config", "check"]).contains(&format!("{key}: ")), "{key}");
        house.environment.remove(key);
    }
}

#[test]
fn libfaketime_moves_the_wall_clock() {
    let mut house = House::new();
    at(&mut house, "1970-01-01 00:00:20");
    let shown = Command::new("date").arg("+%Y").envs(&house.environment).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&shown.stdout).trim(), "1970");
}

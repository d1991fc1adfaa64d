//! A full disk: the door does what is configured for that case, the alarm is raised, and everything resumes when there is space again.
//!
//! Needs a small file system of its own, which only root may mount.

use serde_json::Value;

use crate::support::{Daemon, Film, House, SmallDisk, eventually, lines, status};

/// A house whose store is on a small disk, with a person who comes again and again.
fn house(on_failure: &str) -> Option<(House, SmallDisk)> {
    let film = Film::default().shows("obama2.jpg", 8).nobody(14);
    let mut house =
        House::new().watching(film, true).with(&format!("[journal]\non_journal_failure = \"{on_failure}\""));
    let disk = SmallDisk::mount(house.path("disk"))?;
    house.environment.insert("USHER__STORE__PATH".into(), house.path("disk/store").display().to_string());
    house.enroll("Barack Obama", &["obama.jpg"]);
    Some((house, disk))
}

fn unlockings(daemon: &Daemon) -> usize {
    daemon.log().lines().filter(|line| line.contains("simulated relay") && !line.contains("level=safe")).count()
}

fn alarm(daemon: &Daemon) -> Option<()> {
    daemon.log().contains("ALARM: the journal cannot be written").then_some(())
}

fn expect_recovery(house: &House, disk: &SmallDisk, daemon: Daemon) {
    let grants = house.records("granted").len();
    disk.make_room();
    let back: Value = eventually("the record of the failure", || house.records("journal_back").pop());
    assert!(back["content"]["lost"].as_u64().unwrap() > 0, "{back}");
    assert!(back["content"]["reason"].as_str().unwrap().contains("full"), "{back}");
    eventually("a grant that is written down", || (house.records("granted").len() > grants).then_some(()));
    daemon.stop();
    house.usher(&["journal", "verify"]);
}

#[test]
fn by_default_a_full_disk_keeps_the_door_shut_until_there_is_space() {
    let Some((house, disk)) = house("deny") else { return };
    let daemon = Daemon::start(&house);
    eventually("a grant", || house.records("granted").pop());
    disk.fill();
    eventually("the alarm", || alarm(&daemon));
    let status = status(&house);
    assert!(status["journal_trouble"].as_str().unwrap().contains("full"), "{status}");
    let before = unlockings(&daemon);
    // He comes again, and is not let in.
    let decisions = || daemon.log().lines().filter(|line| line.contains(" granted ")).count();
    let so_far = decisions();
    eventually("two more grants that cannot be written down", || (decisions() >= so_far + 2).then_some(()));
    assert_eq!(unlockings(&daemon), before);
    expect_recovery(&house, &disk, daemon);
}

#[test]
fn with_allow_a_full_disk_keeps_nobody_out() {
    let Some((house, disk)) = house("allow") else { return };
    let daemon = Daemon::start(&house);
    eventually("a grant", || house.records("granted").pop());
    disk.fill();
    eventually("the alarm", || alarm(&daemon));
    let before = unlockings(&daemon);
    eventually("a door that opens without a record", || (unlockings(&daemon) >= before + 2).then_some(()));
    expect_recovery(&house, &disk, daemon);
}

#[test]
fn the_broker_shows_the_real_lock_while_nothing_can_be_recorded() {
    let Some((house, disk)) = house("allow") else { return };
    let port = crate::support::broker();
    let house = house
        .with(&format!("[journal]\non_journal_failure = \"allow\"\n[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n"));
    let observer = crate::support::Observer::of(port, "observer");
    let daemon = Daemon::start(&house);
    eventually("a grant", || house.records("granted").pop());
    disk.fill();
    eventually("the alarm", || alarm(&daemon));
    while observer.0.try_recv().is_ok() {}
    // No record can say so now.
    for expected in ["unlocked", "locked", "unlocked", "locked"] {
        loop {
            let state: Value = serde_json::from_slice(&observer.wait_for("door/front").payload).unwrap();
            if state["lock"] == expected {
                break;
            }
        }
    }
    expect_recovery(&house, &disk, daemon);
}

#[test]
fn on_a_full_disk_a_command_says_what_to_do() {
    let Some((house, disk)) = house("deny") else { return };
    disk.fill();
    let error = house.refused(&["people", "disable", "#1"]);
    assert!(error.contains("full") && error.contains("free some space"), "{error}");
    disk.make_room();
    house.usher(&["people", "disable", "#1"]);
    house.usher(&["journal", "verify"]);
}

/// The disk is repaired under a daemon that was started without it: it continues in place.
fn expect_healing(house: &House, mend: impl FnOnce(), daemon: &Daemon) {
    mend();
    let back: Value = eventually("the record of the failure", || {
        let answer = house.ask(&["journal", "list", "--json", "--kind", "journal_back"]);
        (answer.code == Some(0)).then(|| lines(&answer.out).pop()).flatten()
    });
    assert!(back["content"]["lost"].as_u64().unwrap() > 0, "{back}");
    eventually("a grant that is written down", || house.records("granted").pop());
    eventually("a door that opens", || (unlockings(daemon) >= 1).then_some(()));
}

/// The status of a daemon that was started on a bad disk.
fn expect_degraded(house: &House, words: &str) {
    let status = status(house);
    let trouble = status["journal_trouble"].as_str().unwrap_or_default();
    assert!(trouble.contains(words), "{status}");
    assert_eq!(status["people"], 1, "who is enrolled is known all the same: {status}");
}

#[test]
fn with_a_full_disk_the_daemon_starts_and_recovers_when_there_is_space() {
    let Some((house, disk)) = house("deny") else { return };
    disk.fill();
    let daemon = Daemon::start(&house);
    expect_degraded(&house, "full");
    let granted = || daemon.log().lines().filter(|line| line.contains(" granted ")).count();
    eventually("a grant that cannot be written down", || (granted() >= 1).then_some(()));
    assert_eq!(unlockings(&daemon), 0);
    expect_healing(&house, || disk.make_room(), &daemon);
    daemon.stop();
    let sound = house.usher(&["journal", "verify"]);
    assert!(sound.contains("events could not be written down"), "{sound}");
}

#[test]
fn with_a_full_disk_doors_open_from_the_start_where_they_may() {
    let Some((house, disk)) = house("allow") else { return };
    disk.fill();
    let daemon = Daemon::start(&house);
    eventually("a door that opens without a record", || (unlockings(&daemon) >= 1).then_some(()));
    // Stopped in order while nothing can be written: the next start reports it.
    daemon.stop();
    let error = house.refused(&["journal", "verify"]);
    assert!(error.contains("events since") && error.contains("openings of a door"), "{error}");
    disk.make_room();
    let daemon = Daemon::start(&house);
    let back = house.records("journal_back").remove(0);
    assert!(back["content"]["unlocked"].as_u64().unwrap() >= 1, "{back}");
    assert!(back["content"]["lost"].as_u64().unwrap() > back["content"]["unlocked"].as_u64().unwrap(), "{back}");
    daemon.stop();
    assert_eq!(house.records("journal_back").len(), 1, "once");
    house.usher(&["journal", "verify"]);
}

#[test]
fn on_a_read_only_disk_the_daemon_starts_from_the_second_copy_and_recovers_in_place() {
    let Some((house, disk)) = house("deny") else { return };
    assert!(disk.remount(true));
    let error = house.refused(&["people", "disable", "#1"]);
    assert!(error.contains("read-only") && error.contains("remount") && !error.contains("chown"), "{error}");
    let daemon = Daemon::start(&house);
    expect_degraded(&house, "read-only");
    assert!(daemon.log().contains("its second copy serves from memory"), "{}", daemon.log());
    let granted = || daemon.log().lines().filter(|line| line.contains(" granted ")).count();
    eventually("a grant that cannot be written down", || (granted() >= 1).then_some(()));
    assert_eq!(unlockings(&daemon), 0);
    let error = house.refused(&["journal", "verify"]);
    assert!(error.contains("cannot be read now") && error.contains("in no record yet"), "{error}");
    expect_healing(&house, || assert!(disk.remount(false)), &daemon);
    daemon.stop();
    house.usher(&["journal", "verify"]);
    // What was in memory is gone.
    let left = std::fs::read_dir(house.path("")).unwrap().filter_map(Result::ok);
    assert!(!left.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().starts_with("usher-store-")));
}

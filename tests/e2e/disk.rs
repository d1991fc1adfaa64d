//! A disk that is full: the door does as it was told for that case, the alarm is raised, and all goes on when there is room again.
//!
//! Needs a small file system of its own, which only root may mount.

use serde_json::Value;

use crate::support::{Daemon, Film, House, SmallDisk, eventually};

/// A house whose store lies on a small disk, with somebody who comes again and again.
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
fn by_default_a_full_disk_keeps_the_door_shut_until_there_is_room() {
    let Some((house, disk)) = house("deny") else { return };
    let daemon = Daemon::start(&house);
    eventually("a grant", || house.records("granted").pop());
    disk.fill();
    eventually("the alarm", || alarm(&daemon));
    let status = house.json(&["status", "--json"]).remove(0);
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
fn a_full_disk_need_not_keep_anybody_out() {
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
fn on_a_full_disk_a_command_says_what_to_do() {
    let Some((house, disk)) = house("deny") else { return };
    disk.fill();
    let error = house.refused(&["people", "disable", "#1"]);
    assert!(error.contains("full") && error.contains("free some space"), "{error}");
    disk.make_room();
    house.usher(&["people", "disable", "#1"]);
    house.usher(&["journal", "verify"]);
}

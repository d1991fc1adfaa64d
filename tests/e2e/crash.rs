//! The daemon under load, killed at random moments: no confirmed record is missing, the chain is whole, and no relay stays energised.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Film, House, PATIENCE};

/// Rounds on a build server; `USHER_TEST_KILLS=1000` for a long night.
const ROUNDS: u64 = 200;
const VERIFY_EVERY: u64 = 10;

/// One request over the socket; the JSON of a complete answer that is not an error.
pub fn ask(house: &House, method: &str, path: &str, body: &str) -> Option<Value> {
    let mut stream = UnixStream::connect(house.socket()).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: usher\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| serde_json::from_str(body).ok()).flatten()
}

fn start(house: &House) -> Child {
    let log = File::create(house.path("daemon.log")).unwrap();
    let mut child = house.command(&["run"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    while !log_of(house).contains("ready") {
        if let Some(status) = child.try_wait().unwrap() {
            panic!("the daemon ended with {status}: {}", log_of(house));
        }
        assert!(Instant::now() < until, "the daemon does not become ready: {}", log_of(house));
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn log_of(house: &House) -> String {
    std::fs::read_to_string(house.path("daemon.log")).unwrap_or_default()
}

/// Levels of the simulated relay in the log, in order.
fn levels(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains("simulated relay")).filter_map(|line| line.split("level=").nth(1)).collect()
}

/// Amends attendance as fast as the daemon answers; returns the confirmed records.
fn load(house: &House, ended: &AtomicBool) -> Vec<Value> {
    let body = json!({
        "person": 1, "name": "Barack Obama", "add": ["out", "2026-01-02T16:30:00Z"], "void": null, "reason": "load"
    });
    let mut answered = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        answered.extend(ask(house, "POST", "/v1/attendance/amend", &body.to_string()));
    }
    answered
}

#[test]
fn kill_9_at_any_moment_loses_nothing() {
    let rounds = std::env::var("USHER_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let film = Film::default().shows("obama2.jpg", 5).nobody(3);
    let house = House::new().watching(film, true).with("[[door]]\nname = \"front\"\npulse = \"200ms\"");
    house.enroll("Barack Obama", &["obama.jpg"]);
    let mut answered: Vec<Value> = Vec::new();
    // From a fixed seed (xorshift, Marsaglia 2003), so that a failure can be reproduced.
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let (mut grants, mut kills_while_open) = (0, 0);
    for round in 0..rounds {
        let mut child = start(&house);
        // The relay is put at its safe level before anything else.
        let log = log_of(&house);
        assert!(levels(&log).first().is_none_or(|level| level.contains("safe")), "round {round}: {log}");

        for record in &answered {
            let found = ask(&house, "GET", &format!("/v1/journal/{}", record["seq"]), "");
            assert_eq!(found.as_ref(), Some(record), "round {round}");
        }
        // The chain grows long: opening the store has read all of it; hashes are checked only now and then.
        if round % VERIFY_EVERY == 0 {
            let sound = ask(&house, "GET", "/v1/journal/verify", "");
            let sound = sound.unwrap_or_else(|| panic!("round {round}: {}", house.refused(&["journal", "verify"])));
            let last = answered.last().map_or(0, |record| record["seq"].as_u64().unwrap());
            assert!(sound["records"].as_u64().unwrap() >= last, "round {round}: {sound}, {last} were answered for");
        }

        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let run = Duration::from_millis(random % 300);
        let ended = AtomicBool::new(false);
        let mut this_round = std::thread::scope(|scope| {
            let loads = [scope.spawn(|| load(&house, &ended)), scope.spawn(|| load(&house, &ended))];
            std::thread::sleep(run);
            child.kill().unwrap();
            child.wait().unwrap();
            ended.store(true, Ordering::Relaxed);
            loads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        this_round.sort_by_key(|record| record["seq"].as_u64());
        answered = this_round;
        let log = log_of(&house);
        grants += log.lines().filter(|line| line.contains(" granted")).count();
        kills_while_open += usize::from(levels(&log).last().is_some_and(|level| !level.contains("safe")));
    }
    house.usher(&["journal", "verify"]);
    // No door moved without a record that says why.
    let journal = house.json(&["journal", "export"]);
    let granted = |seq: &Value| journal.iter().any(|record| record["seq"] == *seq && record["kind"] == "granted");
    for unlocked in journal.iter().filter(|record| record["kind"] == "unlocked") {
        assert!(granted(&unlocked["content"]["record"]), "{unlocked}");
    }
    assert!(
        grants > 0 && kills_while_open > 0,
        "the load was too light: {grants} grants, {kills_while_open} kills of an open door"
    );
    println!("{} records after {rounds} kills, {kills_while_open} of them while the door was unlocked", journal.len());
}

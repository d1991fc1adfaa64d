//! Records that are followed as they are written, and selected by door and person.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::crash::ask;
use crate::support::{Daemon, House, eventually};

/// Somebody who follows; ends when dropped.
struct Follower {
    curl: Child,
    records: Receiver<Value>,
}

impl Follower {
    fn of(house: &House, query: &str) -> Follower {
        let socket = house.socket().display().to_string();
        let url = format!("http://usher/v1/journal/follow?{query}");
        let mut curl = Command::new("curl")
            .args(["--silent", "--no-buffer", "--unix-socket", &socket, &url])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(curl.stdout.take().unwrap()).lines();
        let (send, records) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                drop(send.send(serde_json::from_str(&line).unwrap()));
            }
        });
        Follower { curl, records }
    }

    fn next(&self) -> Value {
        self.records.recv_timeout(Duration::from_secs(20)).unwrap()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.curl.kill());
        drop(self.curl.wait());
    }
}

#[test]
fn a_record_arrives_when_it_is_written() {
    let house = House::new();
    let daemon = Daemon::start(&house);
    let started = house.records("started")[0].clone();
    let all = Follower::of(&house, "after=0");
    assert_eq!(all.next(), started, "those that there are come first");
    let orders = Follower::of(&house, "after=0&kinds=operator_locked&door=front");
    let other_door = Follower::of(&house, "after=0&door=side");
    house.usher(&["door", "unlock"]);
    house.usher(&["door", "lock"]);
    assert_eq!(orders.next()["content"]["door"], json!("front"));
    eventually("the order among all records", || (all.next()["kind"] == "operator_locked").then_some(()));
    // An erasure is written by the journal itself.
    let amend =
        json!({ "person": 7, "name": "Ada", "add": ["in", "2026-01-02T16:30:00Z"], "void": null, "reason": "x" });
    ask(&house, "POST", "/v1/attendance/amend", &amend.to_string()).unwrap();
    house.usher(&["journal", "erase", "--person", "#7", "--yes"]);
    eventually("the erasure", || (all.next()["kind"] == "erased").then_some(()));
    assert!(other_door.records.try_recv().is_err());
    assert_eq!(ask(&house, "GET", "/v1/journal/follow?person=ada", ""), None);
    daemon.stop();
}

#[test]
fn records_are_selected_by_door_and_person() {
    let house = House::new();
    house.enroll("Barack Obama", &["obama.jpg"]);
    house.enroll("Joe Biden", &["biden.jpg"]);
    let daemon = Daemon::start(&house);
    house.usher(&["door", "lock"]);
    let get = |query: &str| ask(&house, "GET", &format!("/v1/journal?{query}"), "").unwrap();
    let kinds = |query: &str| -> Vec<String> {
        let found = get(query);
        found.as_array().unwrap().iter().map(|record| record["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds("person=2"), ["enrolled"]);
    assert_eq!(kinds("person=1,2"), ["enrolled", "enrolled"]);
    assert!(kinds("door=front").contains(&"operator_locked".to_owned()));
    assert!(!kinds("door=front").contains(&"enrolled".to_owned()));
    assert!(kinds("door=side").is_empty() && kinds("door=front&person=1").is_empty());
    daemon.stop();
    assert_eq!(house.json(&["journal", "list", "--json", "--person", "Joe Biden"]).len(), 1);
}

//! usher in a guest: its commands, its journal, its daemon.
//!
//! Knows nothing of the guest's kind.

use serde_json::Value;

use super::guest::Guest;

/// Where the daemon's log is kept in the guest.
const LOG: &str = "/run/usher.log";

/// What every guest's configuration begins with. An emulated processor is slow: faces are large, and frames may be old.
const PATIENT: &str = r#"
[detector]
min_face_px = 150
[store]
key_file = "/etc/usher/store.key"
[enroll]
min_face_px = 150
[access]
min_face_px = 150
max_age = "10s"
window = "30s"
cooldown = "1s"
repeat_denial = "1s"
"#;

/// A guest's configuration with these doors and cameras.
pub fn configuration(wiring: &str) -> String {
    format!("{PATIENT}{wiring}")
}

/// A guest with usher installed.
pub struct House {
    pub guest: Guest,
    /// The newest record that was waited for.
    seen: u64,
}

impl House {
    pub fn new(guest: Guest) -> House {
        House { guest, seen: 0 }
    }

    /// Runs a command of usher that must succeed; what it said.
    pub fn usher(&mut self, arguments: &str) -> String {
        self.guest.run(&format!("usher {arguments}"))
    }

    /// Makes the store's key and enrols Ada Lovelace from a photograph.
    pub fn begin(&mut self, photograph: &str) {
        self.usher("store key new /etc/usher/store.key");
        self.usher(&format!("enroll 'Ada Lovelace' {photograph}"));
    }

    /// Starts the daemon and waits until it is ready. The shell's variable `daemon` has its number.
    pub fn start(&mut self) {
        let before = self.count("ready");
        self.guest.run(&format!("usher run >>{LOG} 2>&1 & daemon=$!"));
        self.guest.eventually("a daemon that is ready", |guest| {
            let alive = guest.ask("kill -0 $daemon").code == 0;
            assert!(alive, "the daemon ended: {}", guest.run(&format!("tail -n 40 {LOG}")));
            (count(guest, "ready") > before).then_some(())
        });
    }

    /// Ends the daemon as systemd does; it must go in order.
    pub fn stop(&mut self) {
        self.guest.run("kill -TERM $daemon");
        self.guest.run("wait $daemon");
    }

    /// Ends the daemon as the kernel does when memory is short.
    pub fn kill(&mut self) {
        self.guest.run("kill -KILL $daemon; wait $daemon; [ $? = 137 ]");
    }

    /// Waits for the next record of this kind, and has read the journal up to there.
    pub fn next(&mut self, kind: &str) -> Value {
        let seen = self.seen;
        let record = self.guest.eventually(kind, |guest| {
            let newer = journal(guest).into_iter().filter(|record| seq(record) > seen);
            newer.into_iter().find(|record| record["kind"] == kind)
        });
        self.seen = seq(&record);
        record
    }

    /// The kinds of all records since the one that was waited for last; now they are read.
    pub fn rest(&mut self) -> Vec<String> {
        let seen = self.seen;
        let records = journal(&mut self.guest).into_iter().filter(|record| seq(record) > seen);
        records
            .map(|record| {
                self.seen = seq(&record);
                record["kind"].as_str().unwrap().to_owned()
            })
            .collect()
    }

    fn count(&mut self, word: &str) -> usize {
        count(&mut self.guest, word)
    }
}

fn count(guest: &mut Guest, word: &str) -> usize {
    guest.ask(&format!("grep -cw {word} {LOG}")).out.parse().unwrap_or(0)
}

fn journal(guest: &mut Guest) -> Vec<Value> {
    let text = guest.run("usher journal list --json -n 1000");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn seq(record: &Value) -> u64 {
    record["seq"].as_u64().unwrap()
}

//! The journal against sudden death: a child process that is killed while it appends. Damaged files are `store`'s affair.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use super::Journal;
use crate::domain::{DoorEvent, Event, Stamp};
use crate::store::Store;

const FOLDER: &str = "USHER_TEST_JOURNAL";

fn event() -> Event {
    Event::Door(DoorEvent::Locked { door: "front".into(), reason: "x".repeat(200) })
}

/// Not a test of its own: the child of the next one. Appends until it is killed, and says each number once it is acknowledged.
#[test]
#[ignore = "runs as a child of another test"]
fn appends_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let journal = Journal::open(&Store::open(Path::new(&folder)).unwrap()).unwrap();
    loop {
        let record = journal.append(&event(), &Stamp::at(SystemTime::now())).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nacknowledged {}", record.seq).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0u64..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "ledger::crash::appends_until_killed", "--ignored", "--nocapture"])
            .env(FOLDER, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = acknowledged + 5 + 37 * round;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            if let Some(seq) = line.unwrap().strip_prefix("acknowledged ") {
                acknowledged = seq.parse().unwrap();
                if acknowledged == until {
                    // What it still manages to say before it dies is read by the lines that follow.
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(acknowledged >= until, "the child died at {acknowledged}, before it was killed");

        let journal = Journal::open(&Store::open(dir.path()).unwrap()).unwrap();
        let count = journal.verify().unwrap().records;
        assert!(count >= acknowledged, "{acknowledged} were acknowledged, {count} are there");
        acknowledged = count;
    }
}

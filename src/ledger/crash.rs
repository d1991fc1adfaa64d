//! Tests of the journal against sudden death: a child process that is killed while it appends, and a database whose end is torn.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use super::{Journal, Order};
use crate::domain::{Event, Moment};
use crate::store::Store;

const FOLDER: &str = "USHER_TEST_JOURNAL";

fn event() -> Event {
    Event::Locked { door: "front".into(), reason: "x".repeat(200) }
}

/// Not a test of its own: the child of the next one. Appends until it is killed, and says each number once it is acknowledged.
#[test]
#[ignore = "runs as a child of another test"]
fn appends_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let journal = Journal::open(&Store::open(Path::new(&folder)).unwrap()).unwrap();
    loop {
        let record = journal.append(&event(), SystemTime::now(), Moment::default()).unwrap();
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
        let count = journal.verify().unwrap();
        assert!(count >= acknowledged, "{acknowledged} were acknowledged, {count} are there");
        acknowledged = count;
    }
}

#[test]
fn a_torn_end_costs_only_the_last_records() {
    let dir = tempfile::tempdir().unwrap();
    let db = sled::Config::new().path(dir.path().join("whole")).flush_every_ms(None).open().unwrap();
    let journal = Journal::on(&db).unwrap();
    let mut written = Vec::new();
    for _ in 0..40 {
        journal.append(&event(), SystemTime::now(), Moment::default()).unwrap();
        written.push(fs::metadata(dir.path().join("whole/db")).unwrap().len());
    }
    let records = journal.list(.., Order::OldestFirst, 100).unwrap();
    let end = *written.last().unwrap();
    for torn in [1, 7, 100, 1000, 4000] {
        // A copy taken while the database is open is what a power cut leaves; then its end is cut off.
        let copy = dir.path().join(format!("torn-{torn}"));
        copy_folder(&dir.path().join("whole"), &copy);
        OpenOptions::new().write(true).open(copy.join("db")).unwrap().set_len(end - torn).unwrap();

        let db = sled::open(&copy).unwrap();
        let survivor = Journal::on(&db).unwrap();
        let count = survivor.verify().unwrap();
        let flushed_before_the_tear = written.iter().filter(|&&length| length <= end - torn).count() as u64;
        assert!((flushed_before_the_tear..40).contains(&count), "{count} of 40 survived a tear of {torn} bytes");
        assert_eq!(survivor.list(.., Order::OldestFirst, 100).unwrap(), records[..count as usize]);
        let next = survivor.append(&event(), SystemTime::now(), Moment::default()).unwrap();
        assert_eq!(next.seq, count + 1);
        assert_eq!(survivor.verify(), Ok(count + 1));
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

//! How long a record waits for its commit while the store is backed up, compacted, or pruned.
//!
//! Uses the disk of the temporary folder, which TMPDIR sets. The argument is the size of the store in MB, 32 by default:
//! `TMPDIR=/var/tmp cargo bench --bench waiting -- 1000`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark fails loudly"
)]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use usher::domain::{DoorEvent, Event, Stamp};
use usher::ledger::{Journal, RecordRetention};
use usher::store::Store;

const MEGABYTE: usize = 1_000_000;
/// A door in continuous use: as fast as people and the rules allow.
const BETWEEN_RECORDS: Duration = Duration::from_millis(20);

fn event() -> Event {
    Event::Door(DoorEvent::Locked { door: "front".into(), reason: "x".repeat(600) })
}

/// Fills a store with `megabytes`; a tenth of it are records.
fn fill(store: &Store, journal: &Journal, megabytes: usize) {
    let ballast = store.tree("ballast").unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    let mut noise = || -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        random.fill(&mut bytes);
        bytes
    };
    for n in 0..megabytes * 9 / 10 {
        let changes: Vec<_> =
            (0..MEGABYTE / 4096).map(|part| ballast.put(format!("{n:08} {part:08}"), noise())).collect();
        store.commit(&changes).unwrap();
    }
    for _ in 0..(megabytes * MEGABYTE / 10 / 1500).min(3000) {
        journal.append(&event(), &Stamp::at(SystemTime::now())).unwrap();
    }
}

/// Appends records until `work` is done, and prints how long they waited.
fn measure(journal: &Journal, what: &str, work: impl FnOnce() + Send) {
    let done = AtomicBool::new(false);
    let mut waits = Vec::new();
    let took = std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            let began = Instant::now();
            work();
            done.store(true, Ordering::Relaxed);
            began.elapsed()
        });
        while !done.load(Ordering::Relaxed) || waits.is_empty() {
            let began = Instant::now();
            journal.append(&event(), &Stamp::at(SystemTime::now())).unwrap();
            waits.push(began.elapsed());
            std::thread::sleep(BETWEEN_RECORDS);
        }
        working.join().unwrap()
    });
    waits.sort();
    let of = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    println!(
        "{what:<22} {took:>8.1?}  {:>5} records: median {:.1?}, 99 % {:.1?}, longest {:.1?}",
        waits.len(),
        of(0.5),
        of(0.99),
        of(1.0)
    );
}

fn size(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).unwrap().map(Result::unwrap);
    entries.map(|entry| if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().unwrap().len() }).sum()
}

fn main() {
    let megabytes = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(32);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = Store::open(&path).unwrap();
    let journal = Journal::open(&store).unwrap();
    fill(&store, &journal, megabytes);
    println!("a store of {megabytes} MB, {} MB on the disk", size(&path) / MEGABYTE as u64);
    measure(&journal, "nothing else", || std::thread::sleep(Duration::from_secs(5)));
    let backup = dir.path().join("backup");
    measure(&journal, "a backup", || {
        store.back_up(&backup).unwrap();
    });
    measure(&journal, "writing the copy anew", || store.compact().unwrap());
    let keep = RecordRetention { age: None, bytes: Some(100_000) };
    measure(&journal, "pruning", || {
        journal.prune(keep, &Stamp::at(SystemTime::now())).unwrap();
    });
}

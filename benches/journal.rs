//! How fast synced records are written, and how fast a long journal is opened and verified.
//!
//! Uses the disk of the temporary folder, which TMPDIR sets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark fails loudly"
)]

use std::hint::black_box;
use std::time::{Duration, SystemTime};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use usher::domain::{DoorEvent, Event, Stamp};
use usher::ledger::Journal;
use usher::store::Store;

/// Records of the long journal: a year of a door that opens 40 times a day.
const YEAR: u64 = 30_000;

fn event() -> Event {
    Event::Door(DoorEvent::Locked { door: "front".into(), reason: "x".repeat(600) })
}

fn append(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let journal = Journal::open(&store).unwrap();
    let mut group = criterion.benchmark_group("journal");
    group.throughput(Throughput::Elements(1)).measurement_time(Duration::from_secs(8));
    group.bench_function("append, synchronised twice", |bencher| {
        bencher.iter(|| journal.append(&event(), &Stamp::at(SystemTime::now())).unwrap());
    });
    group.finish();
}

fn long(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = Store::open(dir.path()).unwrap();
        let journal = Journal::open(&store).unwrap();
        for _ in 0..YEAR {
            journal.append(&event(), &Stamp::at(SystemTime::now())).unwrap();
        }
    }
    let mut group = criterion.benchmark_group("a journal of 30,000 records");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    group.bench_function("open the store, both copies read through", |bencher| {
        bencher.iter(|| black_box(Store::open(dir.path()).unwrap()));
    });
    let store = Store::open(dir.path()).unwrap();
    let journal = Journal::open(&store).unwrap();
    group.bench_function("verify", |bencher| bencher.iter(|| journal.verify().unwrap()));
    group.bench_function("back up", |bencher| {
        bencher.iter(|| store.back_up(&dir.path().join("backup")).unwrap());
    });
    group.finish();
}

criterion_group!(benches, append, long);
criterion_main!(benches);

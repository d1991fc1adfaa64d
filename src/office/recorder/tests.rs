//! Lost events are counted, survive a restart, and are reported once.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::clock::SystemClock;
use crate::domain::DoorEvent;
use crate::ledger::ReadOrder;

fn recorder(store: &Store, gap: &Path) -> Recorder {
    let journal = Journal::open(store).unwrap();
    Recorder::new(store, journal, Arc::new(SystemClock::new())).with_gap_marks(GapMarks::new(vec![gap.to_owned()]))
}

fn event() -> Event {
    Event::Door(DoorEvent::Locked { door: "front".into(), reason: "the pulse is over".into() })
}

fn unlocked() -> Event {
    let (cause, duration) = (crate::domain::Cause::Grant, Some(Duration::from_secs(1)));
    Event::Door(DoorEvent::Unlocked { door: "front".into(), cause, record: 0, duration, capture_to_door: None })
}

/// The kinds of all records, and for each `journal_back` the numbers of lost events and of lost openings.
fn reported(store: &Store) -> (Vec<String>, Vec<(u64, u64)>) {
    let records = Journal::open(store).unwrap().list(.., ReadOrder::OldestFirst, 1000).unwrap();
    let gaps = records.iter().filter_map(|record| match record.content.event() {
        Some(Event::Store(StoreEvent::JournalBack { lost, details, .. })) => Some((*lost, details.unwrap().unlocked)),
        _ => None,
    });
    (records.iter().map(|record| record.kind.clone()).collect(), gaps.collect())
}

#[test]
fn lost_events_are_reported_once_with_their_count() {
    let dir = tempfile::tempdir().unwrap();
    let (store, gap) = (Store::open(&dir.path().join("store")).unwrap(), dir.path().join("gap"));
    let recorder = recorder(&store, &gap);
    recorder.record(&event()).unwrap();
    store.spare(u64::MAX);
    for event in [event(), unlocked(), event()] {
        assert!(recorder.record(&event).is_err());
    }
    let trouble = recorder.trouble().unwrap();
    assert!(trouble.lost == 3 && !trouble.unmarked && trouble.reason.contains("full"), "{trouble:?}");
    assert_eq!(GapMarks::new(vec![gap.clone()]).read(|_| true).unwrap().lost, 3);
    store.spare(0);
    recorder.try_again().unwrap();
    assert!(recorder.trouble().is_none() && recorder.gap().is_none());
    recorder.record(&event()).unwrap();
    assert_eq!(reported(&store), (["locked", "journal_back", "locked"].map(str::to_owned).to_vec(), vec![(3, 1)]));
    assert_eq!(GapMarks::new(vec![gap]).read(|_| true), None);
    let sound = recorder.journal().verify().unwrap();
    assert_eq!((sound.gaps, sound.lost), (1, 3));
}

#[test]
fn a_gap_survives_restarts_and_becomes_one_record() {
    let dir = tempfile::tempdir().unwrap();
    let (path, gap) = (dir.path().join("store"), dir.path().join("gap"));
    for run in 1..=3u64 {
        let store = Store::open(&path).unwrap();
        let recorder = recorder(&store, &gap);
        assert_eq!(recorder.gap().map(|gap| gap.lost), (run > 1).then_some(2 * (run - 1)));
        store.spare(u64::MAX);
        assert!(recorder.record(&event()).is_err() && recorder.record(&unlocked()).is_err());
    }
    let store = Store::open(&path).unwrap();
    recorder(&store, &gap).record(&event()).unwrap();
    assert_eq!(reported(&store).1, [(6, 3)]);
    // It is not reported again.
    recorder(&store, &gap).record(&event()).unwrap();
    assert_eq!(reported(&store).1, [(6, 3)]);
}

#[test]
fn a_mark_left_by_a_kill_is_not_reported_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (store, gap) = (Store::open(&dir.path().join("store")).unwrap(), dir.path().join("gap"));
    let first = recorder(&store, &gap);
    store.spare(u64::MAX);
    assert!(first.record(&event()).is_err());
    let file = gap.join("unrecorded");
    let left = std::fs::read(&file).unwrap();
    store.spare(0);
    first.try_again().unwrap();
    std::fs::write(&file, left).unwrap();
    let second = recorder(&store, &gap);
    assert_eq!(second.gap(), None);
    second.record(&event()).unwrap();
    assert_eq!(reported(&store).1, [(1, 0)]);
}

#[test]
fn a_failed_change_leaves_no_gap() {
    let dir = tempfile::tempdir().unwrap();
    let (store, gap) = (Store::open(&dir.path().join("store")).unwrap(), dir.path().join("gap"));
    let recorder = recorder(&store, &gap);
    store.spare(u64::MAX);
    assert!(recorder.record_change(&event(), &[]).is_err());
    assert!(recorder.trouble().is_some() && recorder.gap().is_none());
    assert!(recorder.try_again().is_err());
    store.spare(0);
    recorder.try_again().unwrap();
    assert!(recorder.trouble().is_none());
    assert_eq!(reported(&store).0, Vec::<String>::new());
}

#[test]
fn failing_to_mark_a_gap_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    std::fs::write(dir.path().join("file"), "x").unwrap();
    let recorder = recorder(&store, &dir.path().join("file/gap"));
    store.spare(u64::MAX);
    assert!(recorder.record(&event()).is_err());
    assert!(recorder.trouble().unwrap().unmarked);
    store.spare(0);
    recorder.record(&event()).unwrap();
    assert_eq!(reported(&store).1, [(1, 0)]);
}

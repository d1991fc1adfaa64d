//! What the store knows of the time: the saved state of the doors, and the stamps of the newest records.

use crate::clock::{Clock, Evidence, SystemClock, Watch};
use crate::domain::{Stamp, TimeQuality};
use crate::ledger::{Journal, LedgerError, ReadOrder, Record};
use crate::office::saved::SavedState;
use crate::store::Store;

/// The most records that are searched for what is known of the time.
const RECORDS: usize = 10_000;
/// Records read at once.
const PAGE: usize = 500;

/// What is known of the time at the start: the saved state of the doors, and the records since.
///
/// # Errors
/// The journal cannot be read.
pub fn clock_evidence(saved: &SavedState, journal: &Journal) -> Result<Evidence, LedgerError> {
    let mut evidence = saved.time.unwrap_or_default();
    let newest = [evidence.synchronised, evidence.claimed].into_iter().flatten().max_by_key(|sign| sign.at);
    // The saved state is of this record or a later one.
    let covered = |stamp: &Stamp| {
        newest
            .is_some_and(|sign| sign.boot == stamp.boot && sign.boot != [0; 16] && stamp.since_boot <= sign.since_boot)
    };
    let mut stamps = Vec::new();
    let mut before = u64::MAX;
    'pages: while stamps.len() < RECORDS {
        let page = journal.list(..before, ReadOrder::NewestFirst, PAGE)?;
        let Some(oldest) = page.last() else { break };
        before = oldest.seq;
        for record in &page {
            let stamp = stamp(record);
            if covered(&stamp) {
                break 'pages;
            }
            stamps.push(stamp);
        }
    }
    stamps.iter().rev().for_each(|stamp| evidence.add(stamp));
    Ok(evidence)
}

/// How far the wall clock can be relied on now, by what is in `store`, while no daemon runs.
///
/// # Errors
/// The store cannot be read.
pub fn clock_quality(store: &Store) -> Result<TimeQuality, LedgerError> {
    let saved = SavedState::load(&store.tree(SavedState::TREE)?)?;
    let evidence = clock_evidence(&saved, &Journal::open(store)?)?;
    let clock = SystemClock::new();
    Ok(Watch::new(evidence).look(clock.now(), &clock.stamp()).quality)
}

fn stamp(record: &Record) -> Stamp {
    Stamp {
        at: record.at,
        offset_s: record.offset_s,
        since_boot: record.since_boot,
        boot: *record.boot.as_bytes(),
        synchronised: record.synchronised,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::clock::Sign;
    use crate::domain::DaemonEvent;
    use crate::domain::{Event, earliest};

    const DAY: Duration = Duration::from_secs(86_400);

    fn journal(store: &Store, records: &[(SystemTime, Option<bool>, u8)]) -> Journal {
        let journal = Journal::open(store).unwrap();
        for (nth, (at, synchronised, boot)) in records.iter().enumerate() {
            let since_boot = Duration::from_secs(nth as u64);
            let stamp = Stamp { synchronised: *synchronised, boot: [*boot; 16], since_boot, ..Stamp::at(*at) };
            journal.append(&Event::Daemon(DaemonEvent::Stopped { reason: "test".into() }), &stamp).unwrap();
        }
        journal
    }

    fn times(evidence: Evidence) -> (Option<SystemTime>, Option<SystemTime>) {
        (evidence.synchronised.map(|sign| sign.at), evidence.claimed.map(|sign| sign.at))
    }

    #[test]
    fn a_store_of_an_older_version_is_looked_through() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let day = |n: u32| earliest() + DAY * n;
        let mut records = vec![(day(1), Some(true), 1), (day(2), Some(false), 2)];
        // More than a page of a run without the time.
        records.resize(PAGE * 2, (SystemTime::UNIX_EPOCH, Some(false), 3));
        let evidence = clock_evidence(&SavedState::default(), &journal(&store, &records)).unwrap();
        assert_eq!(times(evidence), (Some(day(1)), Some(day(2))));
        assert_eq!(clock_quality(&store).unwrap(), TimeQuality::Plausible, "and now is later");
    }

    #[test]
    fn what_was_overruled_is_not_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let day = |n: u32| earliest() + DAY * n;
        let journal = journal(&store, &[(day(4_000), Some(true), 1), (day(3), Some(true), 2), (day(4), None, 2)]);
        assert_eq!(times(clock_evidence(&SavedState::default(), &journal).unwrap()), (Some(day(4_000)), None));
        let kept = Sign { at: day(3), boot: [2; 16], since_boot: Duration::from_secs(1) };
        let saved =
            SavedState { time: Some(Evidence { synchronised: Some(kept), claimed: None }), ..SavedState::default() };
        assert_eq!(times(clock_evidence(&saved, &journal).unwrap()), (Some(day(3)), Some(day(4))));
    }
}

//! Records by time, kind, door and person. The wall clock does not rise with the numbers of the records, so the [`Timeline`] decides where to look.

use std::ops::{Bound, RangeBounds};
use std::sync::{MutexGuard, PoisonError};

use super::dating::{Dated, RecordFilter, Timeline};
use super::journal::{key_bound, number};
use super::record::open_header;
use super::{Journal, LedgerError, ReadOrder};

impl Journal {
    /// At most `limit` of the records whose numbers are in `range` and that fit `filter`, each with its time.
    pub fn select(
        &self,
        range: impl RangeBounds<u64>,
        order: ReadOrder,
        limit: usize,
        filter: &RecordFilter,
    ) -> Result<Vec<Dated>, LedgerError> {
        let timeline = self.timeline()?;
        if *filter == RecordFilter::default() {
            return Ok(self.list(range, order, limit)?.into_iter().map(|record| timeline.date(record)).collect());
        }
        let mut stretches = timeline.stretches(filter);
        if order == ReadOrder::NewestFirst {
            stretches.reverse();
        }
        let mut found = Vec::new();
        for (first, last) in stretches {
            if found.len() >= limit {
                break;
            }
            let within = (first.max(lowest(&range)), last.min(highest(&range)));
            if within.0 <= within.1 {
                self.select_within(within, order, limit, filter, &timeline, &mut found)?;
            }
        }
        Ok(found)
    }

    /// The record of a number, or of an id or the beginning of one, with its time.
    pub fn dated_by_number_or_id(&self, which: &str) -> Result<Option<Dated>, LedgerError> {
        let timeline = self.timeline()?;
        Ok(self.by_number_or_id(which)?.map(|record| timeline.date(record)))
    }

    fn select_within(
        &self,
        (first, last): (u64, u64),
        order: ReadOrder,
        limit: usize,
        filter: &RecordFilter,
        timeline: &Timeline,
        found: &mut Vec<Dated>,
    ) -> Result<(), LedgerError> {
        let bounds = (key_bound(Bound::Included(&first)), key_bound(Bound::Included(&last)));
        let mut entries = self.records.range::<[u8; 8], _>(bounds);
        while found.len() < limit {
            let entry = match order {
                ReadOrder::OldestFirst => entries.next(),
                ReadOrder::NewestFirst => entries.next_back(),
            };
            let Some(entry) = entry else { break };
            let (key, header) = entry?;
            let seq = number(&key)?;
            // The chained part is enough to see whether the rest is wanted.
            let wanted = open_header(&header).map(|(record, _)| filter.fits_chained(&timeline.date(record)));
            if wanted != Ok(false) {
                let record = self.read(seq, &header)?;
                if filter.fits_content(&record) {
                    found.push(timeline.date(record));
                }
            }
        }
        Ok(())
    }

    /// Brought up to date with the records on disk.
    fn timeline(&self) -> Result<MutexGuard<'_, Timeline>, LedgerError> {
        let mut timeline = self.timeline.lock().unwrap_or_else(PoisonError::into_inner);
        let after = (key_bound(Bound::Excluded(&timeline.through())), Bound::Unbounded);
        for entry in self.records.range::<[u8; 8], _>(after) {
            let (_, header) = entry?;
            // A record that cannot be read is reported by `verify`, and when it is asked for.
            if let Ok((record, _)) = open_header(&header) {
                timeline.add(&record);
            }
        }
        Ok(timeline)
    }
}

fn lowest(range: &impl RangeBounds<u64>) -> u64 {
    match range.start_bound() {
        Bound::Included(seq) => *seq,
        Bound::Excluded(seq) => seq.saturating_add(1),
        Bound::Unbounded => 0,
    }
}

fn highest(range: &impl RangeBounds<u64>) -> u64 {
    match range.end_bound() {
        Bound::Included(seq) => *seq,
        Bound::Excluded(0) => 0,
        Bound::Excluded(seq) => seq.saturating_sub(1),
        Bound::Unbounded => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::domain::{AccessEvent, DoorEvent, Event, Named, PersonId, Stamp};
    use crate::store::Store;

    /// 2026-05-04T06:00:00Z.
    const MORNING: u64 = 1_777_874_400;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    /// 1,500 records of which the clock is set and set back again and again.
    fn filled() -> (tempfile::TempDir, Journal) {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&Store::open(dir.path()).unwrap()).unwrap();
        for n in 0..1500u64 {
            let (boot, since_boot) = (n / 400 + 1, n % 400);
            let (at, synchronised) = match since_boot {
                0..50 => (at(since_boot), false),
                50..300 => (at(MORNING + n), true),
                _ => (at(MORNING - 86_400 + n), false),
            };
            let stamp = Stamp {
                since_boot: Duration::from_secs(since_boot),
                boot: [boot as u8; 16],
                synchronised: Some(synchronised),
                ..Stamp::at(at)
            };
            let event = match n % 7 {
                0 => Event::Door(DoorEvent::DoorOpened { door: "front".into() }),
                _ => Event::Door(DoorEvent::ContactsBack { door: "front".into() }),
            };
            journal.append(&event, &stamp).unwrap();
        }
        (dir, journal)
    }

    #[test]
    fn what_is_selected_is_what_fits_of_all() {
        let (_dir, journal) = filled();
        let all = journal.select(.., ReadOrder::OldestFirst, 10_000, &RecordFilter::default()).unwrap();
        assert_eq!((all.len(), all.iter().filter(|dated| dated.is_corrected()).count()), (1500, 200));
        let times = [None, Some(at(10)), Some(at(MORNING - 86_000)), Some(at(MORNING + 405)), Some(at(MORNING + 1200))];
        for since in times {
            for until in times {
                for kinds in [vec![], vec!["door_opened".to_owned()], vec!["granted".to_owned()]] {
                    let filter = RecordFilter { since, until, kinds, ..RecordFilter::default() };
                    let fitting: Vec<&Dated> = all.iter().filter(|dated| filter.fits(dated)).collect();
                    let found = journal.select(.., ReadOrder::OldestFirst, 10_000, &filter).unwrap();
                    assert_eq!(found.iter().collect::<Vec<_>>(), fitting, "{filter:?}");
                    let newest = journal.select(200..1400, ReadOrder::NewestFirst, 10, &filter).unwrap();
                    let within = fitting.iter().rev().filter(|dated| (200..1400).contains(&dated.record.seq)).take(10);
                    assert_eq!(newest.iter().collect::<Vec<_>>(), within.copied().collect::<Vec<_>>(), "{filter:?}");
                }
            }
        }
    }

    #[test]
    fn records_are_selected_by_door_and_person() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&Store::open(dir.path()).unwrap()).unwrap();
        let passed = |door: &str, person: u32| {
            let person = Named::new(PersonId(person), "Ada", None, Vec::new()).into();
            Event::Access(AccessEvent::Passed { door: door.into(), person, direction: None, zone: None, record: 1 })
        };
        let opened = |door: &str| Event::Door(DoorEvent::DoorOpened { door: door.into() });
        for event in [passed("front", 7), passed("back", 7), opened("front"), passed("front", 8), passed("front", 7)] {
            journal.append(&event, &Stamp::at(at(MORNING))).unwrap();
        }
        let select = |door: Option<&str>, people: &[u32], kinds: &[&str]| -> Vec<u64> {
            let filter = RecordFilter {
                door: door.map(str::to_owned),
                people: people.iter().copied().map(PersonId).collect(),
                kinds: kinds.iter().map(|&kind| kind.to_owned()).collect(),
                ..RecordFilter::default()
            };
            let found = journal.select(.., ReadOrder::OldestFirst, 10, &filter).unwrap();
            found.iter().map(|dated| dated.record.seq).collect()
        };
        assert_eq!(select(Some("front"), &[], &[]), [1, 3, 4, 5]);
        assert_eq!(select(None, &[7], &[]), [1, 2, 5]);
        assert_eq!(select(Some("front"), &[7], &[]), [1, 5]);
        assert_eq!(select(None, &[7, 8], &["passed"]), [1, 2, 4, 5]);
        assert_eq!(select(Some("front"), &[], &["door_opened"]), [3]);
        assert_eq!(select(Some("side"), &[], &[]), [0; 0]);
        // The limit counts those that fit.
        let back = RecordFilter { door: Some("back".into()), ..RecordFilter::default() };
        assert_eq!(journal.select(.., ReadOrder::NewestFirst, 1, &back).unwrap()[0].record.seq, 2);
    }

    #[test]
    fn records_that_come_later_date_those_that_were_read_before() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&Store::open(dir.path()).unwrap()).unwrap();
        let event = Event::Door(DoorEvent::DoorOpened { door: "front".into() });
        let stamp = |since_boot, wall, synchronised| Stamp {
            since_boot: Duration::from_secs(since_boot),
            boot: [7; 16],
            synchronised: Some(synchronised),
            ..Stamp::at(at(wall))
        };
        journal.append(&event, &stamp(5, 5, false)).unwrap();
        let today = RecordFilter { since: Some(at(MORNING)), ..RecordFilter::default() };
        assert!(journal.select(.., ReadOrder::OldestFirst, 10, &today).unwrap().is_empty());
        journal.append(&event, &stamp(60, MORNING + 60, true)).unwrap();
        let found = journal.select(.., ReadOrder::OldestFirst, 10, &today).unwrap();
        assert_eq!(found.iter().map(|dated| dated.at).collect::<Vec<_>>(), [at(MORNING + 5), at(MORNING + 60)]);
        assert_eq!(journal.dated_by_number_or_id("1").unwrap().unwrap().at, at(MORNING + 5));
    }
}

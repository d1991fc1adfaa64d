//! Erasing a person from old records: their name, numbers and groups go, the record and the chain stay.

use std::ops::Bound;
use std::time::{Instant, SystemTime};

use super::journal::Journal;
use super::record::erased;
use super::{Dated, LedgerError, ReadOrder, Record, RecordFilter};
use crate::domain::{Actor, Erasure, PersonId, Stamp, StoreEvent};
use crate::store::Change;

/// Records read at once.
const AT_ONCE: usize = 1000;
/// Records changed in one commit. A record that is written meanwhile waits for one such commit at most.
const CHANGED_AT_ONCE: usize = 50;

impl Journal {
    /// Erases `person` from all records before `before`, also from what other people's records say of them. Each commit changes contents
    /// together with a record that says which; then the store's copy is rewritten. Returns how many records were changed.
    pub fn erase(&self, person: PersonId, before: SystemTime, by: &Actor, stamp: &Stamp) -> Result<u64, LedgerError> {
        let _alone = self.tidying();
        let mut erasure = Erasure::of(person);
        self.each(|record| {
            erasure.learn(&record.content);
            Ok(())
        })?;
        let mut count = 0u64;
        let mut after = 0;
        loop {
            let records = self.select(
                (Bound::Excluded(after), Bound::Unbounded),
                ReadOrder::OldestFirst,
                AT_ONCE,
                &RecordFilter::default(),
            )?;
            let Some(last) = records.last() else { break };
            after = last.record.seq;
            let mut changed: Vec<(u64, Change)> = Vec::new();
            for Dated { record, at, .. } in records {
                let Record { seq, mut content, .. } = record;
                if at < before && erasure.erase(&mut content) {
                    changed.push((seq, self.contents.put(seq.to_be_bytes(), erased(&content))));
                }
            }
            for part in changed.chunks(CHANGED_AT_ONCE) {
                let (numbers, changes): (Vec<u64>, Vec<Change>) = part.iter().cloned().unzip();
                count = count.saturating_add(numbers.len() as u64);
                let began = Instant::now();
                self.append_with(&StoreEvent::erased(&numbers, by.clone()).into(), stamp, &changes)?;
                self.store.yield_to_writers(began.elapsed());
            }
        }
        if count > 0 {
            self.compact();
        }
        Ok(count)
    }

    /// Shows every record, oldest first.
    pub fn each(&self, mut show: impl FnMut(&Record) -> Result<(), LedgerError>) -> Result<(), LedgerError> {
        let mut after = 0;
        loop {
            let records = self.list((Bound::Excluded(after), Bound::Unbounded), ReadOrder::OldestFirst, AT_ONCE)?;
            let Some(last) = records.last() else { return Ok(()) };
            after = last.seq;
            records.iter().try_for_each(&mut show)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::domain::samples::{decision, one_of_each, person};
    use crate::domain::{Content, Decided, Distance, Event, Gate, Match, Verdict};
    use crate::ledger::explain;
    use crate::store::Store;

    fn stamp(n: u64) -> Stamp {
        Stamp::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_349_927 + n))
    }

    /// A journal with every kind of record, and the folder it lives in.
    fn filled() -> (tempfile::TempDir, Store, Journal) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let journal = Journal::open(&store).unwrap();
        for (n, event) in one_of_each().iter().enumerate() {
            // A deletion or an erasure is a claim, and here an empty one.
            if !matches!(event, Event::Store(StoreEvent::Pruned { .. } | StoreEvent::Erased { .. })) {
                journal.append(event, &stamp(n as u64)).unwrap();
            }
        }
        (dir, store, journal)
    }

    fn json_of(record: &Record) -> serde_json::Value {
        record.content.to_json()
    }

    #[test]
    fn a_person_is_gone_from_every_record_and_every_file_of_the_copy() {
        let (dir, _store, journal) = filled();
        let before = journal.last().unwrap().unwrap().seq;
        let count = journal.erase(PersonId(7), stamp(1000).at, &"anna".into(), &stamp(1000)).unwrap();
        assert!(count >= 9, "{count}");
        let sound = journal.verify().unwrap();
        assert_eq!((sound.records, sound.erased), (before + 1, count));
        let last = journal.last().unwrap().unwrap();
        assert_eq!((last.kind.as_str(), &json_of(&last)["count"]), ("erased", &json!(count)));
        for record in journal.list(.., ReadOrder::OldestFirst, 100).unwrap() {
            let all = format!("{} {}", explain(&record), json_of(&record));
            assert!(!all.contains("Obama") && !all.contains("E007"), "{all}");
        }
        let granted = journal.get(3).unwrap().unwrap();
        assert_eq!(json_of(&granted)["person"], json!({ "erased": true }));
        assert_eq!(json_of(&granted)["runner_up"]["name"], "Joe Biden");
        assert!(explain(&granted).contains("granted somebody (erased) at front"), "{}", explain(&granted));
        let copy = std::fs::read(dir.path().join("copy")).unwrap();
        assert!(!String::from_utf8_lossy(&copy).contains("Obama"));
        // Somebody else, whose name stands in the same records.
        assert!(journal.erase(PersonId(9), stamp(1000).at, &"anna".into(), &stamp(1001)).unwrap() > 0);
        journal.verify().unwrap();
        assert_eq!(journal.erase(PersonId(9), stamp(1000).at, &"anna".into(), &stamp(1001)).unwrap(), 0);
    }

    #[test]
    fn only_old_records_are_changed_when_asked_so() {
        let (_dir, _store, journal) = filled();
        let granted_at = stamp(2);
        assert_eq!(journal.erase(PersonId(7), granted_at.at, &"anna".into(), &stamp(1000)).unwrap(), 0);
        assert_eq!(journal.erase(PersonId(7), stamp(3).at, &"anna".into(), &stamp(1000)).unwrap(), 1);
    }

    #[test]
    fn a_content_changed_under_the_guise_of_an_erasure_is_found() {
        let (_dir, store, journal) = filled();
        let forged = erased(&Content::Unknown(json!({ "door": "front", "reason": "nothing happened" })));
        store.commit(&[journal.contents.put(5u64.to_be_bytes(), forged)]).unwrap();
        let broken = journal.verify().unwrap_err();
        assert_eq!(broken.seq, 5);
        assert!(broken.why.contains("no record says"), "{broken}");
    }

    #[test]
    fn a_number_in_another_persons_gate_is_erased_too() {
        let (_dir, _store, journal) = filled();
        let nearest = Match { person: PersonId(9), distance: Distance(0.6), runner_up: None };
        let mut decision = decision(Verdict::Grant { person: PersonId(9) }, Some(nearest));
        let input = "person 41 was recognised 2000 ms before".to_owned();
        let limit = "two people within 10 s".to_owned();
        decision.gates.push(Gate::new("second_person", input, limit, true));
        let other: Event = Decided::new("front".into(), None, Some(person(9, "Joe Biden")), None, decision).into();
        let seq = journal.append(&other, &stamp(900)).unwrap().seq;
        assert_eq!(journal.erase(PersonId(4), stamp(1000).at, &"anna".into(), &stamp(1000)).unwrap(), 0);
        assert_eq!(journal.erase(PersonId(41), stamp(1000).at, &"anna".into(), &stamp(1000)).unwrap(), 1);
        let record = journal.get(seq).unwrap().unwrap();
        let content = json_of(&record);
        assert!(content.to_string().contains("an erased person was recognised 2000 ms before"), "{content}");
        assert_eq!(content["person"]["name"], "Joe Biden", "{content}");
        journal.verify().unwrap();
        assert_eq!(journal.erase(PersonId(41), stamp(1000).at, &"anna".into(), &stamp(1001)).unwrap(), 0);
    }
}

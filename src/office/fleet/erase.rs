//! Erasing somebody who was forgotten from the collected records: from those that are there, and from those that boards still send. `traces` says who.
//!
//! It can stop anywhere, and is taken up again where it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use serde_json::Value;
use uuid::Uuid;

use super::collected::{Collected, Stored, read};
use super::history::OWN;
use super::kept::KeptError;
use super::traces::Due;
use crate::domain::{Erasure, PersonId, Stamp};
use crate::ledger::Record;

/// Records changed in one commit.
const AT_ONCE: usize = 100;
/// How deep a record is looked into: events are a few levels deep.
const DEPTH: usize = 16;

/// Finished erasings whose numbers of records are remembered.
const MOST_FINISHED: usize = 100;

impl Collected {
    /// Whose erasing was begun and is not finished.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn erasings_due(&self) -> Result<Vec<Uuid>, KeptError> {
        Ok(self.traces.due()?)
    }

    /// Erases somebody who was forgotten from all records of their site, and what the history notes of them. Returns from how many records, as far as is known.
    ///
    /// # Errors
    /// The store cannot be read or written; call it again.
    pub fn erase(&self, uuid: Uuid, stamp: &Stamp) -> Result<u64, KeptError> {
        // One at a time: whoever comes second hears what the first one did.
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(due) = self.traces.due_of(uuid)? else {
            let of = finished.iter().find(|(of, _)| *of == uuid);
            return Ok(of.map_or(0, |(_, count)| *count));
        };
        let count = if due.erased { 0 } else { self.erase_records(uuid, &due, stamp)? };
        if due.erased || count > 0 {
            // Else the names would stay in the store's second copy.
            self.store.compact()?;
        }
        self.store.commit(&[self.traces.finished(uuid)])?;
        finished.push_back((uuid, count));
        if finished.len() > MOST_FINISHED {
            finished.pop_front();
        }
        Ok(count)
    }

    fn erase_records(&self, uuid: Uuid, due: &Due, stamp: &Stamp) -> Result<u64, KeptError> {
        // What was looked at before the erasing began is kept by then, and found below.
        drop(self.keeping.lock().unwrap_or_else(PoisonError::into_inner));
        // The office's own records are about people of any site.
        let of_site = |stored: &Stored| stored.site == due.site || stored.site == OWN;
        // An earlier attempt may have erased the names by which they were found.
        let mut found = due.found.clone();
        for entry in self.records.iter() {
            let Some((position, stored)) = read(&entry?) else { continue };
            if !of_site(&stored) {
                continue;
            }
            let mentioned = mentioned(&stored.record, &|name, id| self.traces.of(&due.site, name, id) == due.who);
            let Some(record) = Record::from_json(&stored.record).filter(|_| !mentioned.is_empty()) else { continue };
            let of_board = found.entry(position.board).or_default();
            for id in mentioned {
                of_board.entry(id).or_insert_with(|| Erasure::of(PersonId(id))).learn(&record.content);
            }
        }
        if !found.is_empty() {
            self.store.commit(&[self.traces.go_on(uuid, &Due { found: found.clone(), ..due.clone() })])?;
        }
        {
            let _keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
            self.history.forget_uuid(uuid)?;
        }
        for (board, people) in &found {
            let _keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
            self.history.forget(board, &mut people.keys().copied())?;
        }
        if let Some(people) = found.get(OWN) {
            self.erase_own(people, stamp)?;
        }
        let (mut count, mut changes) = (0, BTreeMap::new());
        for entry in self.records.iter() {
            let (key, value) = entry?;
            let Some((position, stored)) = read(&(key.clone(), value)) else { continue };
            let Some(erasures) = found.get(&position.board).filter(|_| of_site(&stored)) else { continue };
            if let Some(erased) = without(&stored, erasures.values()) {
                changes.insert(key.to_vec(), erased);
                count += 1;
            }
            if changes.len() == AT_ONCE {
                self.write(&mut changes)?;
            }
        }
        self.write(&mut changes)?;
        if !found.is_empty() {
            // The names that were learned go with it.
            let erased = Due { found: BTreeMap::new(), erased: true, ..due.clone() };
            self.store.commit(&[self.traces.go_on(uuid, &erased)])?;
        }
        Ok(count)
    }

    /// A record that came, without those who were erased.
    pub(super) fn admitted(&self, stored: Stored) -> Result<Stored, KeptError> {
        if self.traces.is_empty()? {
            return Ok(stored);
        }
        let known = |name: &str, id: Option<&str>| self.traces.is_erased(self.traces.of(&stored.site, name, id));
        let found = mentioned(&stored.record, &known);
        let Some(record) = Record::from_json(&stored.record).filter(|_| !found.is_empty()) else { return Ok(stored) };
        let erasures = found.into_iter().map(|id| {
            let mut erasure = Erasure::of(PersonId(id));
            erasure.learn(&record.content);
            erasure
        });
        let erasures: Vec<Erasure> = erasures.collect();
        let erased = without(&stored, erasures.iter());
        Ok(erased.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(stored))
    }

    fn write(&self, records: &mut BTreeMap<Vec<u8>, Vec<u8>>) -> Result<(), KeptError> {
        if records.is_empty() {
            return Ok(());
        }
        let keys: Vec<Vec<u8>> = records.keys().cloned().collect();
        let changes = std::mem::take(records).into_iter().map(|(key, value)| self.records.put(key, value)).collect();
        self.feed.commit(&keys, &[], changes)
    }
}

/// The record in the store without some people; `None` if they are not in it.
fn without<'e>(stored: &Stored, erasures: impl Iterator<Item = &'e Erasure>) -> Option<Vec<u8>> {
    let mut record = Record::from_json(&stored.record)?;
    // All of them, whether or not one before has changed something.
    let changed = erasures.filter(|erasure| erasure.erase(&mut record.content)).count();
    if changed == 0 {
        return None;
    }
    record.erased = true;
    let Stored { site, after, journal, .. } = stored;
    let (site, record) = (site.clone(), record.to_json());
    serde_json::to_vec(&Stored { site, after: *after, journal: *journal, record }).ok()
}

/// The numbers of all people in a record whose name and employee id are those that `is_them` knows.
fn mentioned(record: &Value, is_them: &dyn Fn(&str, Option<&str>) -> bool) -> BTreeSet<u32> {
    fn look(json: &Value, is_them: &dyn Fn(&str, Option<&str>) -> bool, found: &mut BTreeSet<u32>, depth: usize) {
        match json {
            Value::Object(fields) => {
                let id = fields.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
                let name = fields.get("name").and_then(Value::as_str);
                if let Some((id, name)) = id.zip(name)
                    && is_them(name, fields.get("employee_id").and_then(Value::as_str))
                {
                    found.insert(id);
                }
                if depth > 0 {
                    fields.values().for_each(|value| look(value, is_them, found, depth - 1));
                }
            }
            Value::Array(values) if depth > 0 => values.iter().for_each(|v| look(v, is_them, found, depth - 1)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    look(record, is_them, &mut found, DEPTH);
    found
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::domain::{Actor, Event, Named, PeopleEvent, Stamp};
    use crate::fleet::{Board, Site};
    use crate::ledger::{Journal, ReadOrder};
    use crate::office::fleet::author::Author;
    use crate::office::fleet::collected::{Arrived, StreamPlace};
    use crate::office::fleet::protocol::JournalMessage;
    use crate::store::Store;

    /// Records of a board about people of these numbers and names.
    pub fn arrived(people: &[(u32, &str)]) -> Vec<Arrived> {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&Store::open(dir.path()).unwrap()).unwrap();
        for (id, name) in people {
            let person = Named::new(PersonId(*id), *name, None, Vec::new()).into();
            let event = Event::People(PeopleEvent::Removed { person, by: Actor::Fleet("anna".into()) });
            journal.append(&event, &Stamp::at(SystemTime::now())).unwrap();
        }
        let records = journal.list(.., ReadOrder::OldestFirst, 99).unwrap();
        let (board, site): (Board, Site) = ("front".parse().unwrap(), "berlin".parse().unwrap());
        let message = |r: &Record| JournalMessage::new(r.seq - 1, r.to_json());
        let (author, is_current) = (Author::default(), true);
        let arrived = |r| Arrived { board: board.clone(), site: site.clone(), author, is_current, message: message(r) };
        records.iter().map(arrived).collect()
    }

    pub fn place_of(sequence: u64) -> StreamPlace {
        StreamPlace { birth: 1, sequence }
    }

    #[test]
    fn what_comes_while_somebody_is_erased_does_not_slip_through() {
        let dir = tempfile::tempdir().unwrap();
        let collected = Collected::open(&Store::open(dir.path()).unwrap()).unwrap();
        let all: Vec<Arrived> = (0..40).flat_map(|_| arrived(&[(1, "Ada"), (2, "Bob")])).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for part in all.chunks(2) {
                    collected.keep(part, place_of(1)).unwrap();
                }
            });
            scope.spawn(|| erase(&collected, "berlin", "Ada"));
        });
        let kept = text(&collected);
        assert!(kept.contains("Bob") && !kept.contains("Ada"), "{kept}");
    }

    /// Forgets somebody, as far as records go. Returns from how many they were erased.
    pub fn erase(collected: &Collected, site: &str, name: &str) -> u64 {
        let (uuid, who) = (Uuid::new_v4(), collected.traces.of(site, name, None));
        collected.store.commit(&collected.traces.begin(site, uuid, who)).unwrap();
        collected.erase(uuid, &now()).unwrap()
    }

    fn now() -> Stamp {
        Stamp::at(SystemTime::now())
    }

    fn text(collected: &Collected) -> String {
        serde_json::to_string(&collected.list(None, None, 100).unwrap()).unwrap()
    }

    #[test]
    fn somebody_is_erased_from_records_that_are_there_and_from_those_that_come() {
        let dir = tempfile::tempdir().unwrap();
        let collected = Collected::open(&Store::open(dir.path()).unwrap()).unwrap();
        let place = StreamPlace { birth: 1, sequence: 1 };
        collected.keep(&arrived(&[(7, "Ada Lovelace"), (8, "Bob")]), place).unwrap();
        assert_eq!(erase(&collected, "rome", "ada  LOVELACE"), 0, "another site");
        assert_eq!(erase(&collected, "berlin", "ada  LOVELACE"), 1);
        assert!(collected.erasings_due().unwrap().is_empty());
        assert!(!text(&collected).contains("Ada") && text(&collected).contains("Bob"));
        // A board that was away says that it removed her.
        collected.keep(&arrived(&[(9, "Ada Lovelace")]), place).unwrap();
        assert!(!text(&collected).contains("Ada"));
        assert_eq!(collected.list(None, None, 9).unwrap().len(), 3, "the records stay");
        // She comes back.
        collected.store.commit(&[collected.traces.stop(collected.traces.of("berlin", "Ada Lovelace", None))]).unwrap();
        collected.keep(&arrived(&[(10, "Ada Lovelace")]), place).unwrap();
        assert!(text(&collected).contains("Ada"));
    }

    #[test]
    fn an_erasing_that_was_interrupted_is_ended_although_the_name_is_gone_that_it_was_found_by() {
        let dir = tempfile::tempdir().unwrap();
        let collected = Collected::open(&Store::open(dir.path()).unwrap()).unwrap();
        let sent = arrived(&[(7, "Ada Lovelace"), (7, "Countess"), (8, "Bob")]);
        collected.keep(&sent, place_of(1)).unwrap();
        let (uuid, who) = (Uuid::new_v4(), collected.traces.of("berlin", "Ada Lovelace", None));
        collected.store.commit(&collected.traces.begin("berlin", uuid, who)).unwrap();
        // As far as after the first record that was rewritten.
        let due = Due {
            found: BTreeMap::from([("front".to_owned(), BTreeMap::from([(7, Erasure::of(PersonId(7)))]))]),
            ..collected.traces.due_of(uuid).unwrap().unwrap()
        };
        collected.store.commit(&[collected.traces.go_on(uuid, &due)]).unwrap();
        let (key, value) = collected.records.iter().next().unwrap().unwrap();
        let (_, stored) = read(&(key.clone(), value)).unwrap();
        let erased = without(&stored, due.found["front"].values()).unwrap();
        collected.write(&mut BTreeMap::from([(key.to_vec(), erased)])).unwrap();
        drop(collected);
        let collected = Collected::open(&Store::open(dir.path()).unwrap()).unwrap();
        assert!(!text(&collected).contains("Ada") && text(&collected).contains("Countess"));
        assert_eq!(collected.erasings_due().unwrap(), [uuid]);
        assert_eq!(collected.erase(uuid, &now()).unwrap(), 1);
        assert!(!text(&collected).contains("Countess") && text(&collected).contains("Bob"));
        assert_eq!(collected.erase(uuid, &now()).unwrap(), 1, "whoever comes second hears it, too");
        assert!(collected.erasings_due().unwrap().is_empty());
    }
}

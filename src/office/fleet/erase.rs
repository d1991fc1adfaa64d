//! Erasing somebody who was forgotten from the collected records: from those that are there, and from those that boards still send.
//!
//! A board numbers its people itself, so somebody is found by site, name and employee id. What is kept to find them later is a keyed hash of the three,
//! until somebody of that name is enrolled again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use serde_json::Value;
use uuid::Uuid;

use super::collected::{Collected, Stored, read};
use super::history::OWN;
use super::kept::KeptError;
use crate::domain::{Erasure, PersonId, Stamp};
use crate::ledger::Record;
use crate::names;

const SECRET: &str = "erasing";
/// Records changed in one commit.
const AT_ONCE: usize = 100;
/// How deep a record is looked into: events are a few levels deep.
const DEPTH: usize = 16;

/// Somebody who is to be erased: a keyed hash of site, name and employee id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace([u8; 32]);

impl Collected {
    /// By what somebody is found.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn trace(&self, site: &str, name: &str, employee_id: Option<&str>) -> Result<Trace, KeptError> {
        Ok(Trace(hash(&self.secret()?, site, name, employee_id)))
    }

    /// Erases somebody from all records of a site, and from those that come. Returns from how many that are there.
    ///
    /// # Errors
    /// The store cannot be read or written; call it again.
    pub fn erase(&self, site: &str, who: Trace, stamp: &Stamp) -> Result<u64, KeptError> {
        {
            // What was looked at before is kept by then, and found below.
            let _keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
            self.store.commit(&[self.erasing.put(who.0, [])])?;
        }
        let secret = self.secret()?;
        // The office's own records are about people of any site.
        let of_site = |stored: &Stored| stored.site == site || stored.site == OWN;
        let mut numbers: BTreeMap<String, BTreeMap<u32, Erasure>> = BTreeMap::new();
        for entry in self.records.iter() {
            let Some((position, stored)) = read(&entry?) else { continue };
            if !of_site(&stored) {
                continue;
            }
            let found = mentioned(&stored.record, &|name, id| hash(&secret, site, name, id) == who.0);
            let Some(record) = Record::from_json(&stored.record).filter(|_| !found.is_empty()) else { continue };
            let of_board = numbers.entry(position.board).or_default();
            for id in found {
                of_board.entry(id).or_insert_with(|| Erasure::of(PersonId(id))).learn(&record.content);
            }
        }
        for (board, people) in &numbers {
            let _keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
            self.history.forget(board, &mut people.keys().copied())?;
        }
        if let Some(people) = numbers.get(OWN) {
            self.erase_own(people, stamp)?;
        }
        let (mut count, mut changes) = (0, BTreeMap::new());
        for entry in self.records.iter() {
            let (key, value) = entry?;
            let Some((position, stored)) = read(&(key.clone(), value)) else { continue };
            let Some(erasures) = numbers.get(&position.board).filter(|_| of_site(&stored)) else { continue };
            if let Some(erased) = without(&stored, erasures.values()) {
                changes.insert(key.to_vec(), erased);
                count += 1;
            }
            if changes.len() == AT_ONCE {
                self.write(&mut changes)?;
            }
        }
        self.write(&mut changes)?;
        if count > 0 {
            // Else the names would stay in the store's second copy.
            self.store.compact()?;
        }
        Ok(count)
    }

    /// Forgets what the history notes of somebody of the fleet.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn forget_uuid(&self, uuid: Uuid) -> Result<(), KeptError> {
        let _keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        self.history.forget_uuid(uuid)
    }

    /// Somebody of that site and name is enrolled again: what boards send from now on is about them.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn stop_erasing(&self, who: Trace) -> Result<(), KeptError> {
        Ok(self.store.commit(&[self.erasing.delete(who.0)])?)
    }

    /// A record that came, without those who were erased.
    pub(super) fn admitted(&self, stored: Stored) -> Result<Stored, KeptError> {
        if self.erasing.first()?.is_none() {
            return Ok(stored);
        }
        let secret = self.secret()?;
        let known = |name: &str, id: Option<&str>| {
            let who = hash(&secret, &stored.site, name, id);
            // What cannot be read is erased rather than kept.
            self.erasing.contains_key(who).unwrap_or(true)
        };
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

    fn secret(&self) -> Result<[u8; 32], KeptError> {
        if let Some(secret) = self.place.get(SECRET)?.and_then(|bytes| <[u8; 32]>::try_from(&*bytes).ok()) {
            return Ok(secret);
        }
        // Of two that are made at once, the one that is stored last counts from then on: only later traces are found by it.
        let secret: [u8; 32] = blake3::derive_key("usher fleet 1: traces of people", uuid::Uuid::new_v4().as_bytes());
        self.store.commit(&[self.place.put(SECRET, secret)])?;
        Ok(secret)
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
    let Stored { site, after, .. } = stored;
    serde_json::to_vec(&Stored { site: site.clone(), after: *after, record: record.to_json() }).ok()
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

fn hash(secret: &[u8; 32], site: &str, name: &str, employee_id: Option<&str>) -> [u8; 32] {
    let text = format!("{site}\0{}\0{}", names::key(name), employee_id.unwrap_or_default());
    *blake3::keyed_hash(secret, text.as_bytes()).as_bytes()
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::domain::{Actor, Event, Named, PeopleEvent, Stamp};
    use crate::fleet::{Board, Site};
    use crate::ledger::{Journal, ReadOrder};
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
        records.iter().map(|r| Arrived { board: board.clone(), site: site.clone(), message: message(r) }).collect()
    }

    pub fn place_of(sequence: u64) -> StreamPlace {
        StreamPlace { birth: 1, sequence }
    }

    #[test]
    fn what_comes_while_somebody_is_erased_does_not_slip_through() {
        let dir = tempfile::tempdir().unwrap();
        let collected = Collected::open(&Store::open(dir.path()).unwrap()).unwrap();
        let all: Vec<Arrived> = (0..40).flat_map(|_| arrived(&[(1, "Ada"), (2, "Bob")])).collect();
        let ada = collected.trace("berlin", "Ada", None).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for part in all.chunks(2) {
                    collected.keep(part, place_of(1)).unwrap();
                }
            });
            scope.spawn(|| collected.erase("berlin", ada, &now()).unwrap());
        });
        let kept = text(&collected);
        assert!(kept.contains("Bob") && !kept.contains("Ada"), "{kept}");
    }

    pub fn now() -> Stamp {
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
        let ada = collected.trace("berlin", "ada  LOVELACE", None).unwrap();
        assert_eq!(collected.erase("rome", ada, &now()).unwrap(), 0, "another site");
        assert_eq!(collected.erase("berlin", ada, &now()).unwrap(), 1);
        assert!(!text(&collected).contains("Ada") && text(&collected).contains("Bob"));
        // A board that was away says that it removed her.
        collected.keep(&arrived(&[(9, "Ada Lovelace")]), place).unwrap();
        assert!(!text(&collected).contains("Ada"));
        assert_eq!(collected.list(None, None, 9).unwrap().len(), 3, "the records stay");
        // She comes back.
        collected.stop_erasing(ada).unwrap();
        collected.keep(&arrived(&[(10, "Ada Lovelace")]), place).unwrap();
        assert!(text(&collected).contains("Ada"));
    }
}

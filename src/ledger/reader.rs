//! A reader of the journal with its own place in it, kept on disk: beside the outbox of the broker, each reader goes at its own pace.
//!
//! The tree `readers` maps a reader's name to the number of the newest record that it is done with (big-endian), and `<name> tells` to the number of the
//! first record that it was to tell somebody, and to whom. The records stay in the journal,
//! whose retention bounds what can wait. A new reader begins with the next record.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use super::journal::number;
use super::{Broken, Journal, LedgerError, ReadOrder, Record};
use crate::store::{Store, Tree};

/// The tree of all readers' places.
const TREE: &str = "readers";

/// A reader. Only one may be open for a name.
pub struct Reader {
    store: Store,
    tree: Tree,
    name: String,
    journal: Journal,
    /// The newest record that the reader is done with, as the disk has it.
    done: AtomicU64,
    /// Held while that is written.
    moving: Mutex<()>,
}

/// A record that a reader has still to take.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    /// The number of the record before it in the journal as it is now: what lies between them was deleted by age, or cannot be read.
    pub after: u64,
    pub record: Record,
}

impl Reader {
    /// Opens the reader `name`, or begins one after the newest record.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn open(store: &Store, name: &str) -> Result<Reader, LedgerError> {
        let (tree, journal) = (store.tree(TREE)?, Journal::open(store)?);
        let done = match tree.get(name)? {
            Some(bytes) => number(&bytes)?,
            None => {
                let newest = journal.newest()?;
                store.commit(&[tree.put(name, newest.to_be_bytes())])?;
                newest
            }
        };
        Ok(Reader {
            store: store.clone(),
            tree,
            name: name.to_owned(),
            journal,
            done: AtomicU64::new(done),
            moving: Mutex::new(()),
        })
    }

    /// At most `limit` records after the one with the number `after`, or after those that the reader is done with; oldest first. Records that cannot
    /// be read are left out.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn pending(&self, after: u64, limit: usize) -> Result<Vec<Pending>, LedgerError> {
        let mut after = after.max(self.done());
        let mut found = Vec::new();
        while found.len() < limit {
            match self.journal.list(after.saturating_add(1).., ReadOrder::OldestFirst, 1) {
                Ok(records) => {
                    let Some(record) = records.into_iter().next() else { break };
                    let seq = record.seq;
                    // Of a reader that has caught nothing yet, `after` is where the journal begins for it.
                    found.push(Pending { after, record });
                    after = seq;
                }
                Err(LedgerError::Damaged(Broken { seq, why })) if seq > after => {
                    tracing::error!(seq, why, reader = self.name, "this record cannot be read, and is left out");
                    // The next one then names this number: nothing that can be read is between them.
                    after = seq;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// The records from now on are told to `whom`, unless they were before. Returns the number of the first one that is told to them.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn tells(&self, whom: &[u8]) -> Result<u64, LedgerError> {
        let key = format!("{} tells", self.name);
        let known = self.tree.get(&key)?;
        if let Some((first, before)) = known.as_deref().and_then(<[u8]>::split_first_chunk::<8>)
            && before == whom
        {
            return Ok(u64::from_be_bytes(*first));
        }
        let first = self.done().saturating_add(1);
        self.store.commit(&[self.tree.put(key, [&first.to_be_bytes()[..], whom].concat())])?;
        Ok(first)
    }

    /// The number of the newest record that the reader is done with, and its id; `None` for the id of one that is not there or cannot be read.
    pub fn done_record(&self) -> (u64, Option<Uuid>) {
        let done = self.done();
        let record = self.journal.get(done).ok().flatten();
        (done, record.map(|record| record.id))
    }

    /// The number of the newest record that the reader is done with.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Acquire)
    }

    /// How many numbers of records are still ahead.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn waiting(&self) -> Result<u64, LedgerError> {
        Ok(self.journal.newest()?.saturating_sub(self.done()))
    }

    /// The reader is done with all records up to `seq`. Never goes back.
    ///
    /// # Errors
    /// The store cannot be written; the records are pending again after a restart.
    pub fn done_with(&self, seq: u64) -> Result<(), LedgerError> {
        let _alone = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        if seq > self.done() {
            self.store.commit(&[self.tree.put(self.name.as_str(), seq.to_be_bytes())])?;
            self.done.store(seq, Ordering::Release);
        }
        Ok(())
    }

    /// Goes back, so that the record `from` is the next one. Never goes forward.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn resend(&self, from: u64) -> Result<(), LedgerError> {
        let _alone = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        let before = from.saturating_sub(1);
        if before < self.done() {
            self.store.commit(&[self.tree.put(self.name.as_str(), before.to_be_bytes())])?;
            self.done.store(before, Ordering::Release);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::domain::{DaemonEvent, Event, Stamp};

    fn append(journal: &Journal, count: usize) {
        for _ in 0..count {
            let event = Event::Daemon(DaemonEvent::Stopped { reason: "because".into() });
            journal.append(&event, &Stamp::at(SystemTime::now())).unwrap();
        }
    }

    fn numbers(pending: &[Pending]) -> Vec<(u64, u64)> {
        pending.iter().map(|pending| (pending.after, pending.record.seq)).collect()
    }

    #[test]
    fn a_reader_begins_with_the_next_record_and_keeps_its_place_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        {
            let store = Store::open(dir.path()).unwrap();
            let journal = Journal::open(&store).unwrap();
            append(&journal, 3);
            let (fleet, other) = (Reader::open(&store, "fleet").unwrap(), Reader::open(&store, "other").unwrap());
            assert!(fleet.pending(0, 9).unwrap().is_empty());
            append(&journal, 4);
            assert_eq!(numbers(&fleet.pending(0, 3).unwrap()), [(3, 4), (4, 5), (5, 6)]);
            assert_eq!(numbers(&fleet.pending(6, 3).unwrap()), [(6, 7)]);
            fleet.done_with(5).unwrap();
            fleet.done_with(4).unwrap();
            assert_eq!((fleet.waiting().unwrap(), other.waiting().unwrap()), (2, 4));
            let fifth = journal.get(5).unwrap().unwrap().id;
            assert_eq!((fleet.tells(b"one").unwrap(), fleet.done_record()), (6, (5, Some(fifth))));
            fleet.done_with(6).unwrap();
            assert_eq!((fleet.tells(b"one").unwrap(), fleet.tells(b"other").unwrap()), (6, 7));
            fleet.resend(6).unwrap();
        }
        let store = Store::open(dir.path()).unwrap();
        let fleet = Reader::open(&store, "fleet").unwrap();
        assert_eq!(numbers(&fleet.pending(0, 9).unwrap()), [(5, 6), (6, 7)]);
        assert_eq!(fleet.tells(b"other").unwrap(), 7);
    }

    #[test]
    fn records_are_sent_again_on_request_and_what_is_gone_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (journal, fleet) = (Journal::open(&store).unwrap(), Reader::open(&store, "fleet").unwrap());
        append(&journal, 6);
        fleet.done_with(6).unwrap();
        fleet.resend(9).unwrap();
        assert_eq!(fleet.done(), 6, "never forward");
        fleet.resend(2).unwrap();
        assert_eq!(numbers(&fleet.pending(0, 2).unwrap()), [(1, 2), (2, 3)]);
        // Deleted by age, and damaged.
        let gone = 4_u64.to_be_bytes();
        store.commit(&[journal.records.delete(gone), journal.contents.delete(gone)]).unwrap();
        store.commit(&[journal.records.put(5_u64.to_be_bytes(), [1, 2, 3])]).unwrap();
        let pending = fleet.pending(3, 9).unwrap();
        assert_eq!(numbers(&pending), [(5, 6)], "the number before says that 4 and 5 will not come");
        fleet.resend(4).unwrap();
        assert_eq!(fleet.done(), 1, "never forward");
    }
}

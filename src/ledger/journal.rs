//! The journal: an append-only chain of records in three trees of the database.
//!
//! Knows nothing of what a record means. `journal` maps a record's number (big-endian, so the order of keys is the order of
//! records) to its chained part, `journal_content` the number to its content, `journal_id` its id to the number.

use std::ops::{Bound, RangeBounds};
use std::sync::Mutex;
use std::time::SystemTime;

use sled::transaction::{TransactionError, abort};
use sled::{Db, Transactional, Tree};

use super::record::{Draft, open, open_header, seal};
use super::{Broken, LedgerError, Record, content};
use crate::domain::{Event, Moment};
use crate::store::Store;

/// Which end of the journal to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    OldestFirst,
    NewestFirst,
}

/// The hash-chained journal. One process keeps one, and shares it between threads.
pub struct Journal {
    db: Db,
    records: Tree,
    contents: Tree,
    ids: Tree,
    /// Held while a record is chained to the last one and forced to disk.
    appending: Mutex<()>,
    /// Flushes further than sled does: through the drive's cache.
    store: Option<Store>,
}

impl Journal {
    /// Opens the journal that lives in `store`, or begins one.
    pub fn open(store: &Store) -> Result<Journal, LedgerError> {
        Ok(Journal { store: Some(store.clone()), ..Journal::on(store.db())? })
    }

    /// A journal that is flushed as far as sled alone does it.
    pub(super) fn on(db: &Db) -> Result<Journal, LedgerError> {
        Ok(Journal {
            db: db.clone(),
            records: db.open_tree("journal")?,
            contents: db.open_tree("journal_content")?,
            ids: db.open_tree("journal_id")?,
            appending: Mutex::new(()),
            store: None,
        })
    }

    /// Adds a record of `event`. When it returns, the record is on disk. Two appends at once come one after the other.
    pub fn append(&self, event: &Event, at: SystemTime, now: Moment) -> Result<Record, LedgerError> {
        let (kind, content) = content::of(event);
        // The lock guards no data of its own, so a panic under it leaves nothing half done.
        let _turn = self.appending.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (seq, previous) = match self.head()? {
            Some(head) => (head.seq + 1, head.hash),
            None => (1, [0; 32]),
        };
        let (record, sealed) = seal(Draft { seq, at, monotonic: now.0, kind, content, previous })?;
        let key = seq.to_be_bytes();
        (&self.records, &self.contents, &self.ids)
            .transaction(|(records, contents, ids)| {
                if records.insert(&key, sealed.header.as_slice())?.is_some() {
                    return abort(());
                }
                contents.insert(&key, sealed.content.as_slice())?;
                ids.insert(record.id.as_bytes(), &key)?;
                Ok(())
            })
            .map_err(|error| match error {
                TransactionError::Abort(()) => LedgerError::Fork { seq },
                TransactionError::Storage(error) => LedgerError::Store(error),
            })?;
        match &self.store {
            Some(store) => store.flush()?,
            None => drop(self.db.flush()?),
        }
        Ok(record)
    }

    /// The record with this number.
    pub fn get(&self, seq: u64) -> Result<Option<Record>, LedgerError> {
        match self.records.get(seq.to_be_bytes())? {
            Some(header) => self.read(seq, &header).map(Some),
            None => Ok(None),
        }
    }

    /// The newest record.
    pub fn last(&self) -> Result<Option<Record>, LedgerError> {
        Ok(self.list(.., Order::NewestFirst, 1)?.pop())
    }

    /// At most `limit` records whose numbers are in `range`. To follow the journal, ask again and again for
    /// `last_seen + 1..`, oldest first.
    pub fn list(&self, range: impl RangeBounds<u64>, order: Order, limit: usize) -> Result<Vec<Record>, LedgerError> {
        let bounds = (key_bound(range.start_bound()), key_bound(range.end_bound()));
        if is_empty(&bounds) {
            return Ok(Vec::new());
        }
        let mut entries = self.records.range::<[u8; 8], _>(bounds);
        let mut records = Vec::new();
        while records.len() < limit {
            let entry = match order {
                Order::OldestFirst => entries.next(),
                Order::NewestFirst => entries.next_back(),
            };
            let Some(entry) = entry else { break };
            let (key, header) = entry?;
            records.push(self.read(number(&key)?, &header)?);
        }
        Ok(records)
    }

    /// The record whose id is `id`, or the only one whose id begins with it. Hyphens and upper case do not matter.
    pub fn find(&self, id: &str) -> Result<Option<Record>, LedgerError> {
        let digits: String = id.chars().filter(|&c| c != '-').collect();
        let not_an_id = || LedgerError::NotAnId { text: id.to_owned() };
        if digits.is_empty() || digits.len() > 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(not_an_id());
        }
        let parse = |text: String| u128::from_str_radix(&text, 16).map(u128::to_be_bytes).map_err(|_| not_an_id());
        let (lowest, highest) = (parse(format!("{digits:0<32}"))?, parse(format!("{digits:f<32}"))?);
        let mut hits = self.ids.range(lowest..=highest);
        let Some(hit) = hits.next() else { return Ok(None) };
        if hits.next().is_some() {
            return Err(LedgerError::Ambiguous { prefix: id.to_owned() });
        }
        let seq = number(&hit?.1)?;
        self.get(seq)
    }

    /// Reads every record and checks numbers, hashes, links, contents and ids. Returns how many records there are.
    ///
    /// Appends may go on meanwhile; records that came after the call began are not looked at.
    pub fn verify(&self) -> Result<u64, Broken> {
        let last = match self.records.last().map_err(unreadable(1))? {
            Some((key, _)) => number(&key)?,
            None => 0,
        };
        let mut previous = [0; 32];
        let mut expected = 0;
        for entry in self.records.range(..=last.to_be_bytes()) {
            expected += 1;
            let broken = |why: &str| Broken { seq: expected, why: why.to_owned() };
            let (key, header) = entry.map_err(unreadable(expected))?;
            if number(&key)? != expected {
                return Err(broken("it is missing"));
            }
            let content = self.contents.get(&key).map_err(unreadable(expected))?;
            let content = content.ok_or_else(|| broken("its content is missing"))?;
            let record = open(&header, &content).map_err(broken)?;
            if record.seq != expected {
                return Err(broken("it carries another record's number"));
            }
            if record.previous != previous {
                return Err(broken("it does not follow from the record before it"));
            }
            if self.ids.get(record.id.as_bytes()).map_err(unreadable(expected))?.as_deref() != Some(&key[..]) {
                return Err(broken("its id does not lead to it"));
            }
            previous = record.hash;
        }
        for (tree, what) in [(&self.contents, "there is content"), (&self.ids, "there are ids")] {
            let mut count = 0;
            for entry in tree {
                let (key, value) = entry.map_err(unreadable(last))?;
                let seq = number(if key.len() == 8 { &key } else { &value })?;
                count += u64::from(seq <= last);
            }
            if count != last {
                return Err(Broken { seq: last, why: format!("{what} that no record up to it owns") });
            }
        }
        Ok(last)
    }

    /// The chained part of the newest record.
    fn head(&self) -> Result<Option<Record>, LedgerError> {
        let Some((key, header)) = self.records.last()? else { return Ok(None) };
        let seq = number(&key)?;
        let (record, _) = open_header(&header).map_err(|why| Broken { seq, why: why.to_owned() })?;
        Ok(Some(record))
    }

    fn read(&self, seq: u64, header: &[u8]) -> Result<Record, LedgerError> {
        let broken = |why: &str| Broken { seq, why: why.to_owned() };
        let content = self.contents.get(seq.to_be_bytes())?.ok_or_else(|| broken("its content is missing"))?;
        Ok(open(header, &content).map_err(broken)?)
    }
}

fn number(key: &[u8]) -> Result<u64, Broken> {
    let broken = |_| Broken { seq: 0, why: "the database holds a key that is not a record's number".to_owned() };
    key.try_into().map(u64::from_be_bytes).map_err(broken)
}

fn unreadable(seq: u64) -> impl Fn(sled::Error) -> Broken {
    move |error| Broken { seq, why: format!("it cannot be read: {error}") }
}

fn key_bound(bound: Bound<&u64>) -> Bound<[u8; 8]> {
    match bound {
        Bound::Included(seq) => Bound::Included(seq.to_be_bytes()),
        Bound::Excluded(seq) => Bound::Excluded(seq.to_be_bytes()),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// A range that ends before it begins. Ordered maps do not agree on what to do with one.
fn is_empty(bounds: &(Bound<[u8; 8]>, Bound<[u8; 8]>)) -> bool {
    match bounds {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from >= to,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::ledger::content::tests::one_of_each;

    fn database() -> Db {
        sled::Config::new().temporary(true).open().unwrap()
    }

    /// A wall time and a moment, `n` seconds on.
    fn time(n: u64) -> (SystemTime, Moment) {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_349_927 + n);
        (wall, Moment(Duration::from_secs(n)))
    }

    /// With fifteen records.
    fn filled(db: &Db) -> Journal {
        let journal = Journal::on(db).unwrap();
        for (n, event) in one_of_each().iter().take(15).enumerate() {
            let (at, now) = time(n as u64);
            journal.append(event, at, now).unwrap();
        }
        journal
    }

    fn numbers(records: &[Record]) -> Vec<u64> {
        records.iter().map(|record| record.seq).collect()
    }

    #[test]
    fn records_are_chained_and_numbered_from_one() {
        let journal = filled(&database());
        let records = journal.list(.., Order::OldestFirst, 100).unwrap();
        assert_eq!(numbers(&records), (1..=15).collect::<Vec<_>>());
        assert_eq!(records[0].previous, [0; 32]);
        assert!(records.windows(2).all(|pair| pair[1].previous == pair[0].hash));
        assert_eq!(journal.verify(), Ok(15));
    }

    #[test]
    fn an_empty_journal_is_whole() {
        let journal = Journal::on(&database()).unwrap();
        assert_eq!(journal.verify(), Ok(0));
        assert_eq!(journal.last().unwrap(), None);
        assert_eq!(journal.get(1).unwrap(), None);
    }

    #[test]
    fn what_append_returns_is_what_is_stored() {
        let journal = Journal::on(&database()).unwrap();
        for (n, event) in one_of_each().iter().enumerate() {
            let (at, now) = time(n as u64);
            let record = journal.append(event, at, now).unwrap();
            assert_eq!(journal.get(record.seq).unwrap(), Some(record.clone()));
            assert_eq!(journal.last().unwrap(), Some(record));
        }
    }

    #[test]
    fn a_reopened_journal_goes_on_with_the_chain() {
        let dir = tempfile::tempdir().unwrap();
        let first = {
            let journal = Journal::open(&Store::open(dir.path()).unwrap()).unwrap();
            journal.append(&one_of_each()[0], time(0).0, time(0).1).unwrap()
        };
        let journal = Journal::open(&Store::open(dir.path()).unwrap()).unwrap();
        let second = journal.append(&one_of_each()[1], time(1).0, time(1).1).unwrap();
        assert_eq!((second.seq, second.previous), (2, first.hash));
        assert_eq!(journal.verify(), Ok(2));
    }

    #[test]
    fn lists_go_both_ways_and_keep_to_range_and_limit() {
        let journal = filled(&database());
        let list = |order, limit| numbers(&journal.list(3..=7, order, limit).unwrap());
        assert_eq!(list(Order::OldestFirst, 100), [3, 4, 5, 6, 7]);
        assert_eq!(list(Order::NewestFirst, 100), [7, 6, 5, 4, 3]);
        assert_eq!(list(Order::OldestFirst, 2), [3, 4]);
        assert_eq!(list(Order::NewestFirst, 2), [7, 6]);
        assert_eq!(list(Order::OldestFirst, 0), [0; 0]);
        assert_eq!(numbers(&journal.list(14.., Order::OldestFirst, 100).unwrap()), [14, 15]);
        assert_eq!(numbers(&journal.list(16.., Order::OldestFirst, 100).unwrap()), [0; 0]);
        let backwards = (Bound::Included(9), Bound::Excluded(4));
        assert_eq!(numbers(&journal.list(backwards, Order::OldestFirst, 100).unwrap()), [0; 0]);
    }

    #[test]
    fn a_record_is_found_by_its_id_or_the_start_of_it() {
        let journal = filled(&database());
        let record = journal.get(5).unwrap().unwrap();
        let id = record.id.to_string();
        assert_eq!(journal.find(&id).unwrap(), Some(record.clone()));
        assert_eq!(journal.find(&id.to_uppercase()[..13]).unwrap(), Some(record.clone()));
        assert_eq!(journal.find(&id.replace('-', "")[..21]).unwrap(), Some(record));
        assert!(matches!(journal.find("019"), Err(LedgerError::Ambiguous { .. })));
        assert_eq!(journal.find("ffff").unwrap(), None);
        for wrong in ["", "-", "xyz", "+1", "019b7e3c-0000-7000-8000-0000000000000"] {
            assert!(matches!(journal.find(wrong), Err(LedgerError::NotAnId { .. })), "{wrong}");
        }
    }

    #[test]
    fn appends_of_many_threads_make_one_chain() {
        let journal = Journal::on(&database()).unwrap();
        let event = &one_of_each()[2];
        let seen: Vec<u64> = std::thread::scope(|scope| {
            let append = || (0..25).map(|n| journal.append(event, time(n).0, time(n).1).unwrap().seq).collect();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(append)).collect();
            threads.into_iter().flat_map(|thread| -> Vec<u64> { thread.join().unwrap() }).collect()
        });
        assert_eq!(seen.iter().copied().collect::<HashSet<_>>(), (1..=100).collect());
        assert_eq!(journal.verify(), Ok(100));
    }

    #[test]
    fn a_damaged_record_is_an_error_to_read_and_to_build_upon() {
        let db = database();
        let journal = filled(&db);
        db.open_tree("journal").unwrap().insert(15u64.to_be_bytes(), b"rubbish").unwrap();
        assert!(matches!(journal.get(15), Err(LedgerError::Damaged(Broken { seq: 15, .. }))));
        let refused = journal.append(&one_of_each()[0], time(20).0, time(20).1);
        assert!(matches!(refused, Err(LedgerError::Damaged(Broken { seq: 15, .. }))));
    }

    #[test]
    fn a_record_taken_out_or_swapped_or_rewritten_is_found() {
        let db = database();
        let journal = filled(&db);
        let (records, contents) = (db.open_tree("journal").unwrap(), db.open_tree("journal_content").unwrap());
        let key = |seq: u64| seq.to_be_bytes();

        let third = records.remove(key(3)).unwrap().unwrap();
        assert_eq!(journal.verify().unwrap_err().seq, 3);
        records.insert(key(3), third.clone()).unwrap();

        let fourth = records.insert(key(4), third).unwrap().unwrap();
        assert_eq!(journal.verify().unwrap_err().seq, 4);
        records.insert(key(4), fourth).unwrap();

        // A content rewritten together with all hashes of its own record: the next record's link gives it away.
        let honest = journal.get(6).unwrap().unwrap();
        let draft = Draft {
            seq: 6,
            at: honest.at,
            monotonic: honest.monotonic,
            kind: "door_closed",
            content: serde_json::json!({ "door": "front", "reason": "never opened" }),
            previous: honest.previous,
        };
        let (forged, sealed) = seal(draft).unwrap();
        records.insert(key(6), sealed.header).unwrap();
        contents.insert(key(6), sealed.content).unwrap();
        db.open_tree("journal_id").unwrap().remove(honest.id.as_bytes()).unwrap();
        db.open_tree("journal_id").unwrap().insert(forged.id.as_bytes(), &key(6)).unwrap();
        assert_eq!(journal.verify().unwrap_err().seq, 7);
    }

    #[test]
    fn a_content_or_an_id_of_no_record_is_found() {
        let db = database();
        let journal = filled(&db);
        let contents = db.open_tree("journal_content").unwrap();
        contents.insert(0u64.to_be_bytes(), b"stray").unwrap();
        assert!(journal.verify().is_err());
        contents.remove(0u64.to_be_bytes()).unwrap();
        assert_eq!(journal.verify(), Ok(15));
        db.open_tree("journal_id").unwrap().insert([9; 16], &5u64.to_be_bytes()).unwrap();
        assert!(journal.verify().is_err());
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_found(tree in 0usize..3, entry: Index, byte: Index, change in 1u8.., in_key: bool) {
            let db = database();
            let journal = filled(&db);
            let tree = db.open_tree(["journal", "journal_content", "journal_id"][tree]).unwrap();
            let entries: Vec<_> = tree.iter().map(Result::unwrap).collect();
            let (key, value) = entry.get(&entries);
            let (mut new_key, mut new_value) = (key.to_vec(), value.to_vec());
            let changed = if in_key { &mut new_key } else { &mut new_value };
            let position = byte.index(changed.len());
            changed[position] ^= change;
            tree.remove(key).unwrap();
            tree.insert(new_key, new_value).unwrap();
            prop_assert!(journal.verify().is_err());
        }
    }
}

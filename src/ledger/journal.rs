//! The journal: an append-only chain of records in three trees of the store. `journal` maps a record's number (big-endian, so the order of keys is the order of
//! records) to its chained part, `journal_content` the number to its content, `journal_id` its id to the number.

use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::dating::Timeline;
use super::outbox::{Entry, Outbox};
use super::record::{Draft, open, open_header, seal};
use super::{Broken, LedgerError, Record};
use crate::domain::{Event, Stamp, StoreEvent};
use crate::store::{Change, Store, StoreError, Tree};

/// The trees of the journal. The outbox has one of its own.
pub const TREES: [&str; 3] = ["journal", "journal_content", "journal_id"];

/// Which end of the journal to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOrder {
    OldestFirst,
    NewestFirst,
}

/// Called with the number of the newest record once it is on disk.
type Wake = Box<dyn Fn(u64) + Send + Sync>;

/// The hash-chained journal, shared between threads.
pub struct Journal {
    pub(super) store: Store,
    pub(super) records: Tree,
    pub(super) contents: Tree,
    pub(super) ids: Tree,
    outbox: Option<Arc<Outbox>>,
    wake: Option<Wake>,
    tidying: Mutex<()>,
    pub(super) timeline: Mutex<Timeline>,
}

impl Journal {
    /// Opens the journal in `store`, or begins one.
    pub fn open(store: &Store) -> Result<Journal, LedgerError> {
        let [records, contents, ids] = TREES;
        Ok(Journal {
            store: store.clone(),
            records: store.tree_lazily(records),
            contents: store.tree_lazily(contents),
            ids: store.tree_lazily(ids),
            outbox: None,
            wake: None,
            tidying: Mutex::new(()),
            timeline: Mutex::default(),
        })
    }

    /// Adds each new record to `outbox` as well.
    pub fn with_outbox(self, outbox: Arc<Outbox>) -> Journal {
        Journal { outbox: Some(outbox), ..self }
    }

    /// Calls `wake` with the number of the newest record of each commit, on the thread that wrote it. It must not block.
    pub fn with_wake(self, wake: impl Fn(u64) + Send + Sync + 'static) -> Journal {
        Journal { wake: Some(Box::new(wake)), ..self }
    }

    /// The outbox, if records go into one.
    pub fn outbox(&self) -> Option<&Arc<Outbox>> {
        self.outbox.as_ref()
    }

    /// Adds a record of `event`. When this returns, the record is on disk; it cannot be read before. Concurrent appends are serialised.
    pub fn append(&self, event: &Event, stamp: &Stamp) -> Result<Record, LedgerError> {
        self.append_with(event, stamp, &[])
    }

    /// As [`Journal::append`], with more changes to the store in the same commit.
    pub fn append_with(&self, event: &Event, stamp: &Stamp, extra: &[Change]) -> Result<Record, LedgerError> {
        let record = self.append_all(std::slice::from_ref(event), stamp, extra)?.pop();
        // One event goes in, and one record comes out.
        let missing = || Broken { seq: 0, why: "no record was made of the event".to_owned() };
        Ok(record.ok_or_else(missing)?)
    }

    /// As [`Journal::append_with`], for events that happen together: all of their records are stored in one commit with the changes, or none.
    pub fn append_all(&self, events: &[Event], stamp: &Stamp, extra: &[Change]) -> Result<Vec<Record>, LedgerError> {
        let records = self.append_at_once(events, stamp, extra)?;
        if let Some(shed) = self.outbox.as_ref().and_then(|outbox| outbox.take_unreported()) {
            tracing::warn!(records = shed.records, "the outbox is full; its oldest records will not reach the hub");
            let event = StoreEvent::OutboxShed { records: shed.records, from: shed.from, through: shed.through };
            self.append_at_once(&[event.into()], stamp, &[])?;
        }
        Ok(records)
    }

    fn append_at_once(&self, events: &[Event], stamp: &Stamp, extra: &[Change]) -> Result<Vec<Record>, LedgerError> {
        let drafts: Vec<_> = events.iter().map(|event| (event.kind(), event.to_json())).collect();
        // Held from the reading of the newest record to the writing of the next.
        let mut writer = self.store.writer();
        writer.ready()?;
        let (mut newest, mut previous) = self.head()?.map_or((0, [0; 32]), |head| (head.seq, head.hash));
        let (mut records, mut sizes) = (Vec::with_capacity(drafts.len()), Vec::with_capacity(drafts.len()));
        let mut changes = Vec::with_capacity(drafts.len().saturating_mul(4).saturating_add(extra.len()));
        for (kind, content) in drafts {
            let full = || Broken { seq: newest, why: "no number is left for the next record".to_owned() };
            let seq = newest.checked_add(1).ok_or_else(full)?;
            let (record, sealed) = seal(Draft { seq, stamp: *stamp, kind, content, previous })?;
            let key = seq.to_be_bytes();
            sizes.push((seq, sealed.header.len().saturating_add(sealed.content.len())));
            changes.push(self.records.put(key, sealed.header));
            changes.push(self.contents.put(key, sealed.content));
            changes.push(self.ids.put(*record.id.as_bytes(), key));
            (newest, previous) = (seq, record.hash);
            records.push(record);
        }
        let entry = self.outbox.as_ref().map(|outbox| outbox.entry(&sizes));
        changes.extend(entry.iter().flat_map(|Entry { changes, .. }| changes.iter().cloned()));
        changes.extend_from_slice(extra);
        writer.commit(&changes)?;
        if let (Some(outbox), Some(entry)) = (&self.outbox, &entry) {
            outbox.entered(entry);
        }
        drop(writer);
        if let Some(wake) = &self.wake {
            wake(newest);
        }
        Ok(records)
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
        Ok(self.list(.., ReadOrder::NewestFirst, 1)?.pop())
    }

    /// The number of the newest record; 0 in an empty journal.
    pub fn newest(&self) -> Result<u64, LedgerError> {
        Ok(self.records.last()?.map(|(key, _)| number(&key)).transpose()?.unwrap_or_default())
    }

    /// At most `limit` records whose numbers are in `range`. To follow the journal, ask again and again for
    /// `last_seen + 1..`, oldest first.
    pub fn list(
        &self,
        range: impl RangeBounds<u64>,
        order: ReadOrder,
        limit: usize,
    ) -> Result<Vec<Record>, LedgerError> {
        let bounds = (key_bound(range.start_bound()), key_bound(range.end_bound()));
        let mut entries = self.records.range::<[u8; 8], _>(bounds);
        let mut records = Vec::new();
        while records.len() < limit {
            let entry = match order {
                ReadOrder::OldestFirst => entries.next(),
                ReadOrder::NewestFirst => entries.next_back(),
            };
            let Some(entry) = entry else { break };
            let (key, header) = entry?;
            records.push(self.read(number(&key)?, &header)?);
        }
        Ok(records)
    }

    /// The record whose id is `id`, or the only one whose id begins with it. Hyphens and upper case do not matter.
    pub fn by_id(&self, id: &str) -> Result<Option<Record>, LedgerError> {
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

    /// The record of a number, or of an id or the beginning of one. Ids begin with 0, and numbers do not.
    pub fn by_number_or_id(&self, which: &str) -> Result<Option<Record>, LedgerError> {
        match which.parse::<u64>() {
            Ok(seq) if !which.starts_with('0') => self.get(seq),
            _ => self.by_id(which),
        }
    }

    /// Held while records are deleted or erased, or all of them are checked.
    pub(super) fn tidying(&self) -> MutexGuard<'_, ()> {
        self.tidying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The chained part of the newest record.
    fn head(&self) -> Result<Option<Record>, LedgerError> {
        let Some((key, header)) = self.records.last()? else { return Ok(None) };
        let seq = number(&key)?;
        let (record, _) = open_header(&header).map_err(|why| Broken { seq, why: why.to_owned() })?;
        Ok(Some(record))
    }

    pub(super) fn read(&self, seq: u64, header: &[u8]) -> Result<Record, LedgerError> {
        let broken = |why: &str| Broken { seq, why: why.to_owned() };
        let content = self.contents.get(seq.to_be_bytes())?.ok_or_else(|| broken("its content is missing"))?;
        Ok(open(header, &content).map_err(broken)?)
    }
}

pub(super) fn number(key: &[u8]) -> Result<u64, Broken> {
    let broken = |_| Broken { seq: 0, why: "the database holds a key that is not a record's number".to_owned() };
    key.try_into().map(u64::from_be_bytes).map_err(broken)
}

pub(super) fn unreadable(seq: u64) -> impl Fn(StoreError) -> Broken {
    move |error| Broken { seq, why: format!("it cannot be read: {error}") }
}

pub(super) fn key_bound(bound: Bound<&u64>) -> Bound<[u8; 8]> {
    match bound {
        Bound::Included(seq) => Bound::Included(seq.to_be_bytes()),
        Bound::Excluded(seq) => Bound::Excluded(seq.to_be_bytes()),
        Bound::Unbounded => Bound::Unbounded,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::{Duration, SystemTime};

    use proptest::prelude::*;
    use proptest::sample::Index;
    use tempfile::TempDir;

    use super::*;
    use crate::domain::samples::one_of_each;

    /// A store that is gone when the folder is dropped.
    fn store() -> (TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        (dir, store)
    }

    /// `n` seconds on.
    fn time(n: u64) -> Stamp {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_349_927 + n);
        Stamp { since_boot: Duration::from_secs(n), ..Stamp::at(at) }
    }

    fn empty() -> (TempDir, Journal) {
        let (dir, store) = store();
        (dir, Journal::open(&store).unwrap())
    }

    /// With fifteen records.
    fn filled() -> (TempDir, Journal) {
        let (dir, journal) = empty();
        for (n, event) in one_of_each().iter().take(15).enumerate() {
            journal.append(event, &time(n as u64)).unwrap();
        }
        (dir, journal)
    }

    /// Changes the trees behind the journal's back.
    fn tamper(journal: &Journal, change: Change) {
        journal.store.commit(&[change]).unwrap();
    }

    fn numbers(records: &[Record]) -> Vec<u64> {
        records.iter().map(|record| record.seq).collect()
    }

    #[test]
    fn records_are_chained_and_numbered_from_one() {
        let (_dir, journal) = filled();
        let records = journal.list(.., ReadOrder::OldestFirst, 100).unwrap();
        assert_eq!(numbers(&records), (1..=15).collect::<Vec<_>>());
        assert_eq!(records[0].previous, [0; 32]);
        assert!(records.windows(2).all(|pair| pair[1].previous == pair[0].hash));
        assert_eq!(journal.verify().map(|sound| sound.records), Ok(15));
    }

    #[test]
    fn an_empty_journal_is_whole() {
        let (_dir, journal) = empty();
        assert_eq!(journal.verify().map(|sound| sound.records), Ok(0));
        assert_eq!(journal.last().unwrap(), None);
        assert_eq!(journal.get(1).unwrap(), None);
    }

    #[test]
    fn what_append_returns_is_what_is_stored() {
        let (_dir, journal) = empty();
        for (n, event) in one_of_each().iter().enumerate() {
            let record = journal.append(event, &time(n as u64)).unwrap();
            assert_eq!(journal.get(record.seq).unwrap(), Some(record.clone()));
            assert_eq!(journal.last().unwrap(), Some(record));
        }
    }

    #[test]
    fn a_reopened_journal_goes_on_with_the_chain() {
        let dir = tempfile::tempdir().unwrap();
        let first = {
            let journal = Journal::open(&Store::open(dir.path()).unwrap()).unwrap();
            journal.append(&one_of_each()[0], &time(0)).unwrap()
        };
        let journal = Journal::open(&Store::open(dir.path()).unwrap()).unwrap();
        let second = journal.append(&one_of_each()[1], &time(1)).unwrap();
        assert_eq!((second.seq, second.previous), (2, first.hash));
        assert_eq!(journal.verify().map(|sound| sound.records), Ok(2));
    }

    #[test]
    fn lists_go_both_ways_and_keep_to_range_and_limit() {
        let (_dir, journal) = filled();
        let list = |order, limit| numbers(&journal.list(3..=7, order, limit).unwrap());
        assert_eq!(list(ReadOrder::OldestFirst, 100), [3, 4, 5, 6, 7]);
        assert_eq!(list(ReadOrder::NewestFirst, 100), [7, 6, 5, 4, 3]);
        assert_eq!(list(ReadOrder::OldestFirst, 2), [3, 4]);
        assert_eq!(list(ReadOrder::NewestFirst, 2), [7, 6]);
        assert_eq!(list(ReadOrder::OldestFirst, 0), [0; 0]);
        assert_eq!(numbers(&journal.list(14.., ReadOrder::OldestFirst, 100).unwrap()), [14, 15]);
        assert_eq!(numbers(&journal.list(16.., ReadOrder::OldestFirst, 100).unwrap()), [0; 0]);
        let backwards = (Bound::Included(9), Bound::Excluded(4));
        assert_eq!(numbers(&journal.list(backwards, ReadOrder::OldestFirst, 100).unwrap()), [0; 0]);
    }

    #[test]
    fn a_record_is_found_by_its_id_or_the_start_of_it() {
        let (_dir, journal) = filled();
        let record = journal.get(5).unwrap().unwrap();
        let id = record.id.to_string();
        assert_eq!(journal.by_id(&id).unwrap(), Some(record.clone()));
        assert_eq!(journal.by_id(&id.to_uppercase()[..13]).unwrap(), Some(record.clone()));
        assert_eq!(journal.by_id(&id.replace('-', "")[..21]).unwrap(), Some(record));
        assert!(matches!(journal.by_id("019"), Err(LedgerError::Ambiguous { .. })));
        assert_eq!(journal.by_id("ffff").unwrap(), None);
        for wrong in ["", "-", "xyz", "+1", "019b7e3c-0000-7000-8000-0000000000000"] {
            assert!(matches!(journal.by_id(wrong), Err(LedgerError::NotAnId { .. })), "{wrong}");
        }
    }

    #[test]
    fn appends_of_many_threads_make_one_chain() {
        let (_dir, journal) = empty();
        let event = &one_of_each()[2];
        let seen: Vec<u64> = std::thread::scope(|scope| {
            let append = || (0..25).map(|n| journal.append(event, &time(n)).unwrap().seq).collect();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(append)).collect();
            threads.into_iter().flat_map(|thread| -> Vec<u64> { thread.join().unwrap() }).collect()
        });
        assert_eq!(seen.iter().copied().collect::<HashSet<_>>(), (1..=100).collect());
        assert_eq!(journal.verify().map(|sound| sound.records), Ok(100));
    }

    #[test]
    fn a_damaged_record_is_an_error_to_read_and_to_build_upon() {
        let (_dir, journal) = filled();
        tamper(&journal, journal.records.put(15u64.to_be_bytes(), *b"rubbish"));
        assert!(matches!(journal.get(15), Err(LedgerError::Damaged(Broken { seq: 15, .. }))));
        let refused = journal.append(&one_of_each()[0], &time(20));
        assert!(matches!(refused, Err(LedgerError::Damaged(Broken { seq: 15, .. }))));
    }

    #[test]
    fn a_record_taken_out_or_swapped_or_rewritten_is_found() {
        let (_dir, journal) = filled();
        let key = |seq: u64| seq.to_be_bytes();
        let header = |seq: u64| journal.records.get(key(seq)).unwrap().unwrap().to_vec();

        let (third, fourth) = (header(3), header(4));
        tamper(&journal, journal.records.delete(key(3)));
        assert_eq!(journal.verify().unwrap_err().seq, 3);
        tamper(&journal, journal.records.put(key(3), third.clone()));

        tamper(&journal, journal.records.put(key(4), third));
        assert_eq!(journal.verify().unwrap_err().seq, 4);
        tamper(&journal, journal.records.put(key(4), fourth));

        // A content rewritten together with all hashes of its own record: the next record's link gives it away.
        let honest = journal.get(6).unwrap().unwrap();
        let draft = Draft {
            seq: 6,
            stamp: time(5),
            kind: "door_closed",
            content: serde_json::json!({ "door": "front", "reason": "never opened" }),
            previous: honest.previous,
        };
        let (forged, sealed) = seal(draft).unwrap();
        tamper(&journal, journal.records.put(key(6), sealed.header));
        tamper(&journal, journal.contents.put(key(6), sealed.content));
        tamper(&journal, journal.ids.delete(*honest.id.as_bytes()));
        tamper(&journal, journal.ids.put(*forged.id.as_bytes(), key(6)));
        assert_eq!(journal.verify().unwrap_err().seq, 7);
    }

    #[test]
    fn a_content_or_an_id_of_no_record_is_found() {
        let (_dir, journal) = filled();
        tamper(&journal, journal.contents.put(0u64.to_be_bytes(), *b"stray"));
        assert!(journal.verify().is_err());
        tamper(&journal, journal.contents.delete(0u64.to_be_bytes()));
        assert_eq!(journal.verify().map(|sound| sound.records), Ok(15));
        tamper(&journal, journal.ids.put([9; 16], 5u64.to_be_bytes()));
        assert!(journal.verify().is_err());
    }

    #[test]
    fn any_changed_byte_is_found() {
        let (_dir, journal) = filled();
        let entries = [&journal.records, &journal.contents, &journal.ids]
            .map(|tree| (tree, tree.iter().map(Result::unwrap).collect::<Vec<_>>()));
        proptest!(ProptestConfig::with_cases(64), |(tree in 0usize..3, entry: Index, byte: Index, change in 1u8.., in_key: bool)| {
            let (tree, entries) = &entries[tree];
            let (key, value) = entry.get(entries);
            let (mut new_key, mut new_value) = (key.to_vec(), value.to_vec());
            let changed = if in_key { &mut new_key } else { &mut new_value };
            let position = byte.index(changed.len());
            changed[position] ^= change;
            journal.store.commit(&[tree.delete(&**key), tree.put(new_key.clone(), new_value)]).unwrap();
            prop_assert!(journal.verify().is_err());
            let mut undone = vec![tree.delete(new_key)];
            undone.extend(entries.iter().map(|(key, value)| tree.put(&**key, &**value)));
            journal.store.commit(&undone).unwrap();
        });
        assert_eq!(journal.verify().map(|sound| sound.records), Ok(15));
    }

    #[test]
    fn nothing_follows_a_forged_record_with_the_largest_number() {
        let (_dir, journal) = empty();
        let draft = Draft {
            seq: u64::MAX,
            stamp: time(1),
            kind: "stopped",
            content: serde_json::json!({ "reason": "x" }),
            previous: [0; 32],
        };
        let (_, sealed) = seal(draft).unwrap();
        let key = u64::MAX.to_be_bytes();
        let changes = [journal.records.put(key, sealed.header), journal.contents.put(key, sealed.content)];
        journal.store.commit(&changes).unwrap();
        let error = journal.append(&one_of_each()[0], &time(2)).unwrap_err().to_string();
        assert!(error.contains("no number is left"), "{error}");
        assert!(journal.verify().is_err());
        let mut seen = 0;
        journal
            .each(|_| {
                seen += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, 1, "reading ends");
    }

    #[test]
    fn what_is_committed_with_a_record_stands_or_falls_with_it() {
        let (_dir, journal) = empty();
        let state = journal.store.tree("standing").unwrap();
        journal.append_with(&one_of_each()[0], &time(0), &[state.put(*b"front", *b"locked")]).unwrap();
        assert_eq!(state.get("front").unwrap().unwrap(), b"locked");
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(300_000_000_000);
        let refused = journal.append_with(&one_of_each()[1], &Stamp::at(far), &[state.put(*b"front", *b"open")]);
        assert!(matches!(refused, Err(LedgerError::Clock)));
        assert_eq!(state.get("front").unwrap().unwrap(), b"locked");
    }
}

//! The outbox: which records still have to reach the hub, kept across restarts and outages.
//!
//! A record enters it in the commit that writes the record, and leaves it when the hub has
//! acknowledged it. The tree `outbox` maps a record's number (big-endian) to the bytes of the record (u32, big-endian); the record
//! itself stays in the journal. Its size is bounded: when it is full, the oldest records leave it unsent, which is counted and recorded.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::LedgerError;
use crate::store::{Change, Store, Tree};

/// Acknowledgements that wait for the next record before they are written by themselves. After a power cut the hub may send a record twice,
/// with the same number and id.
const LAZY: usize = 64;
/// The share of a full outbox that leaves at once, in percent, so that one record reports all of them.
const SHED_PERCENT: u64 = 1;

/// The outbox's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimit {
    /// Of all waiting records together.
    pub bytes: u64,
    pub records: usize,
}

impl Default for OutboxLimit {
    /// 64 MiB, 100,000 records.
    fn default() -> OutboxLimit {
        OutboxLimit { bytes: 64 << 20, records: 100_000 }
    }
}

/// The records that wait for the hub. A process has one, shared between threads.
pub struct Outbox {
    store: Store,
    tree: Tree,
    limit: OutboxLimit,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Number to bytes.
    waiting: BTreeMap<u64, u32>,
    bytes: u64,
    /// Acknowledged, and not yet deleted from the tree.
    done: Vec<u64>,
    /// How many left unsent since it was opened.
    shed: u64,
    /// Those of them that no record reports yet.
    unreported: Option<Shed>,
}

/// Records that left the outbox unsent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shed {
    pub records: u64,
    pub from: u64,
    pub through: u64,
}

/// What a commit will do to the outbox.
pub(super) struct Entry {
    pub changes: Vec<Change>,
    shed: Option<Shed>,
    /// Number and bytes.
    new: Vec<(u64, u32)>,
    done: Vec<u64>,
}

impl Outbox {
    /// Opens the outbox in `store`, or begins one.
    pub fn open(store: &Store, limit: OutboxLimit) -> Result<Outbox, LedgerError> {
        let tree = store.tree("outbox")?;
        let mut state = State::default();
        for entry in tree.iter() {
            let (key, value) = entry?;
            // Anything else was not written by this program.
            if let (Ok(key), Ok(value)) = (<[u8; 8]>::try_from(&*key), <[u8; 4]>::try_from(&*value)) {
                state.insert(u64::from_be_bytes(key), u32::from_be_bytes(value));
            }
        }
        Ok(Outbox { store: store.clone(), tree, limit, state: Mutex::new(state) })
    }

    /// The numbers of the waiting records above `after`, at most `limit`, oldest first. [`super::Journal::get`] reads them; one
    /// that is no longer there (`None`) was deleted by age, and is to be acknowledged.
    pub fn pending(&self, after: u64, limit: usize) -> Vec<u64> {
        let above = after.saturating_add(1);
        self.state().waiting.range(above..).take(limit).map(|(seq, _)| *seq).collect()
    }

    /// The hub has it. Written with the next record, after some more acknowledgements, or by [`Outbox::flush`]; after a power cut it may be
    /// sent again.
    pub fn acknowledge(&self, seq: u64) -> Result<(), LedgerError> {
        let many = {
            let mut state = self.state();
            if !state.remove(seq) {
                return Ok(());
            }
            state.done.push(seq);
            state.done.len() >= LAZY
        };
        if many { self.flush() } else { Ok(()) }
    }

    /// Writes what was acknowledged.
    pub fn flush(&self) -> Result<(), LedgerError> {
        // The state is not locked while the store writes: an append locks the store first, then the state.
        let done = self.state().done.clone();
        if done.is_empty() {
            return Ok(());
        }
        let changes: Vec<Change> = done.iter().map(|seq| self.tree.delete(seq.to_be_bytes())).collect();
        self.store.commit(&changes)?;
        self.state().done.retain(|seq| !done.contains(seq));
        Ok(())
    }

    /// How many records wait.
    pub fn len(&self) -> usize {
        self.state().waiting.len()
    }

    /// Whether no record waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of all waiting records.
    pub fn bytes(&self) -> u64 {
        self.state().bytes
    }

    /// How many records left it unsent since it was opened.
    pub fn shed(&self) -> u64 {
        self.state().shed
    }

    /// The changes that add records, by number and bytes, for the same commit as the records.
    pub(super) fn entry(&self, records: &[(u64, usize)]) -> Entry {
        let new: Vec<(u64, u32)> =
            records.iter().map(|(seq, bytes)| (*seq, u32::try_from(*bytes).unwrap_or(u32::MAX))).collect();
        let state = self.state();
        let done = state.done.clone();
        let mut changes: Vec<Change> = done.iter().map(|seq| self.tree.delete(seq.to_be_bytes())).collect();
        let OutboxLimit { bytes: most_bytes, records: most } = self.limit;
        let mut count = (state.waiting.len() as u64).saturating_add(new.len() as u64);
        let mut sum = new.iter().fold(state.bytes, |sum, (_, bytes)| sum.saturating_add(u64::from(*bytes)));
        let mut shed: Option<Shed> = None;
        if count > most as u64 || sum > most_bytes {
            let keep = |most: u64| most.saturating_sub(most.saturating_mul(SHED_PERCENT) / 100);
            for (&oldest, &its_bytes) in &state.waiting {
                if count <= keep(most as u64) && sum <= keep(most_bytes) {
                    break;
                }
                count = count.saturating_sub(1);
                sum = sum.saturating_sub(u64::from(its_bytes));
                changes.push(self.tree.delete(oldest.to_be_bytes()));
                let so_far = shed.get_or_insert(Shed { records: 0, from: oldest, through: oldest });
                so_far.records = so_far.records.saturating_add(1);
                so_far.through = oldest;
            }
        }
        changes.extend(new.iter().map(|(seq, bytes)| self.tree.put(seq.to_be_bytes(), bytes.to_be_bytes())));
        Entry { changes, shed, new, done }
    }

    /// The commit was made.
    pub(super) fn entered(&self, entry: &Entry) {
        let mut state = self.state();
        if let Some(shed) = entry.shed {
            // Those that were acknowledged meanwhile are gone, and were not lost.
            let gone: Vec<u64> = state.waiting.range(shed.from..=shed.through).map(|(seq, _)| *seq).collect();
            for seq in &gone {
                state.remove(*seq);
            }
            let lost = gone.len() as u64;
            state.shed = state.shed.saturating_add(lost);
            let Shed { records, from, .. } = state.unreported.unwrap_or(Shed { records: 0, ..shed });
            state.unreported = Some(Shed { records: records.saturating_add(lost), from, through: shed.through });
        }
        state.done.retain(|seq| !entry.done.contains(seq));
        entry.new.iter().for_each(|(seq, bytes)| state.insert(*seq, *bytes));
    }

    /// The records that left it unsent and were not reported; they count as reported from now on.
    pub(super) fn take_unreported(&self) -> Option<Shed> {
        self.state().unreported.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn insert(&mut self, seq: u64, bytes: u32) {
        let before = self.waiting.insert(seq, bytes).unwrap_or(0);
        self.bytes = self.bytes.saturating_sub(u64::from(before)).saturating_add(u64::from(bytes));
    }

    fn remove(&mut self, seq: u64) -> bool {
        let bytes = self.waiting.remove(&seq);
        self.bytes = self.bytes.saturating_sub(u64::from(bytes.unwrap_or(0)));
        bytes.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::*;
    use crate::domain::{Content, DaemonEvent, Event, Stamp, StoreEvent};
    use crate::ledger::Journal;

    fn event() -> Event {
        Event::Daemon(DaemonEvent::Stopped { reason: "because".into() })
    }

    fn open(store: &Store, limit: OutboxLimit) -> (Journal, Arc<Outbox>) {
        let outbox = Arc::new(Outbox::open(store, limit).unwrap());
        (Journal::open(store).unwrap().with_outbox(outbox.clone()), outbox)
    }

    fn append(journal: &Journal) -> u64 {
        journal.append(&event(), &Stamp::at(SystemTime::now())).unwrap().seq
    }

    #[test]
    fn records_wait_until_they_are_acknowledged_also_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        {
            let store = Store::open(dir.path()).unwrap();
            let (journal, outbox) = open(&store, OutboxLimit::default());
            for _ in 0..5 {
                append(&journal);
            }
            assert_eq!(outbox.pending(0, 3), [1, 2, 3]);
            assert_eq!(outbox.pending(3, 9), [4, 5]);
            outbox.acknowledge(1).unwrap();
            outbox.acknowledge(3).unwrap();
            outbox.acknowledge(3).unwrap();
            assert_eq!((outbox.pending(0, 9), outbox.len()), (vec![2, 4, 5], 3));
            // Carries the acknowledgements with it.
            append(&journal);
        }
        let store = Store::open(dir.path()).unwrap();
        let (_, outbox) = open(&store, OutboxLimit::default());
        assert_eq!(outbox.pending(0, 9), [2, 4, 5, 6]);
        for seq in [2, 4, 5, 6] {
            outbox.acknowledge(seq).unwrap();
        }
        outbox.flush().unwrap();
        assert_eq!((outbox.bytes(), outbox.is_empty()), (0, true));
        assert!(store.tree("outbox").unwrap().first().unwrap().is_none());
    }

    #[test]
    fn a_full_outbox_drops_the_oldest_and_a_record_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (journal, outbox) = open(&store, OutboxLimit { bytes: 1 << 20, records: 200 });
        for _ in 0..200 {
            append(&journal);
        }
        assert_eq!((outbox.len(), outbox.shed()), (200, 0));
        append(&journal);
        // The one that came, and the record about those that went.
        assert_eq!((outbox.len(), outbox.shed()), (199, 3));
        let record = journal.last().unwrap().unwrap();
        assert_eq!(record.kind, "outbox_shed");
        assert_eq!(record.content, Content::from(&StoreEvent::OutboxShed { records: 3, from: 1, through: 3 }.into()));
        assert_eq!(outbox.pending(0, 1), [4]);
    }

    #[test]
    fn its_bytes_are_bounded_too() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (journal, outbox) = open(&store, OutboxLimit { bytes: 2_000, records: 1000 });
        for _ in 0..30 {
            append(&journal);
        }
        assert!(outbox.bytes() <= 2_000, "{}", outbox.bytes());
        assert!(outbox.shed() > 10);
        let reported: u64 = (1..=journal.last().unwrap().unwrap().seq)
            .filter_map(|seq| journal.get(seq).unwrap())
            .filter_map(|record| match record.content.event() {
                Some(Event::Store(StoreEvent::OutboxShed { records, .. })) => Some(*records),
                _ => None,
            })
            .sum();
        // Only what the last of these records pushed out itself is not reported yet.
        assert!(reported <= outbox.shed() && outbox.shed() - reported <= 1, "{reported} of {}", outbox.shed());
    }
}

//! The outbox: which records still have to reach the hub, kept over restarts and outages.
//!
//! Knows nothing of the broker. A record enters it in the commit that writes the record, and leaves it when the hub has
//! acknowledged it. The tree `outbox` maps a record's number (big-endian) to the bytes of the record (u32, big-endian); the record
//! itself stays in the journal. It has a largest size: beyond that the oldest leave it unsent, which is counted and written down.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::LedgerError;
use crate::store::{Change, Store, Tree};

/// Acknowledgements that wait for the next record before they are written on their own. One that a power cut swallows makes the
/// hub send a record twice, which its number and id tell.
const LAZY: usize = 64;
/// When it is full, so many hundredths of it leave at once, so that this is written down once for all of them.
const SHED_PERCENT: u64 = 1;

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimit {
    /// Bytes of all waiting records together.
    pub bytes: u64,
    pub records: usize,
}

impl Default for OutboxLimit {
    /// 64 MiB, 100,000 records.
    fn default() -> OutboxLimit {
        OutboxLimit { bytes: 64 << 20, records: 100_000 }
    }
}

/// The records that wait for the hub. One process keeps one, and shares it between threads.
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
    /// How many left unsent since the start.
    shed: u64,
    /// Those of them that no record tells of yet.
    untold: Option<Shed>,
}

/// Records that left the outbox unsent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shed {
    pub records: u64,
    pub from: u64,
    pub through: u64,
}

/// What a commit does to the outbox; nothing has happened yet.
pub(super) struct Entry {
    pub changes: Vec<Change>,
    shed: Option<Shed>,
    seq: u64,
    bytes: u32,
    done: Vec<u64>,
}

impl Outbox {
    /// Opens the outbox that lives in `store`, or begins one.
    pub fn open(store: &Store, limit: OutboxLimit) -> Result<Outbox, LedgerError> {
        let tree = store.tree("outbox")?;
        let mut state = State::default();
        for entry in tree.iter() {
            let (key, value) = entry?;
            // Anything else is not of this program's making, and nothing is owed to it.
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

    /// The hub has it. On disk with the next record, or after some more acknowledgements, or with [`Outbox::flush`]: after a power cut
    /// it may have to be sent again.
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

    /// Writes down what was acknowledged.
    pub fn flush(&self) -> Result<(), LedgerError> {
        // The state is not held while the store writes: who appends holds the store first, then the state.
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

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes the waiting records have.
    pub fn bytes(&self) -> u64 {
        self.state().bytes
    }

    /// How many records left it unsent since it was opened.
    pub fn shed(&self) -> u64 {
        self.state().shed
    }

    /// What it takes to add record `seq` of so many bytes, in the same commit as the record.
    pub(super) fn entry(&self, seq: u64, bytes: usize) -> Entry {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let state = self.state();
        let done = state.done.clone();
        let mut changes: Vec<Change> = done.iter().map(|seq| self.tree.delete(seq.to_be_bytes())).collect();
        let OutboxLimit { bytes: most_bytes, records: most } = self.limit;
        let (mut count, mut sum) = (state.waiting.len() as u64 + 1, state.bytes + u64::from(bytes));
        let mut shed: Option<Shed> = None;
        if count > most as u64 || sum > most_bytes {
            let keep = |most: u64| most - most * SHED_PERCENT / 100;
            for (&oldest, &its_bytes) in &state.waiting {
                if count <= keep(most as u64) && sum <= keep(most_bytes) {
                    break;
                }
                count -= 1;
                sum -= u64::from(its_bytes);
                changes.push(self.tree.delete(oldest.to_be_bytes()));
                let so_far = shed.get_or_insert(Shed { records: 0, from: oldest, through: oldest });
                so_far.records += 1;
                so_far.through = oldest;
            }
        }
        changes.push(self.tree.put(seq.to_be_bytes(), bytes.to_be_bytes()));
        Entry { changes, shed, seq, bytes, done }
    }

    /// The commit was made.
    pub(super) fn entered(&self, entry: &Entry) {
        let mut state = self.state();
        if let Some(shed) = entry.shed {
            // What was acknowledged since is not in it any more, and was not lost.
            let gone: Vec<u64> = state.waiting.range(shed.from..=shed.through).map(|(seq, _)| *seq).collect();
            for seq in &gone {
                state.remove(*seq);
            }
            state.shed += gone.len() as u64;
            let Shed { records, from, .. } = state.untold.unwrap_or(Shed { records: 0, ..shed });
            state.untold = Some(Shed { records: records + gone.len() as u64, from, through: shed.through });
        }
        state.done.retain(|seq| !entry.done.contains(seq));
        state.insert(entry.seq, entry.bytes);
    }

    /// What left it unsent and has not been told; it counts as told from now on.
    pub(super) fn take_untold(&self) -> Option<Shed> {
        self.state().untold.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn insert(&mut self, seq: u64, bytes: u32) {
        let before = self.waiting.insert(seq, bytes).unwrap_or(0);
        self.bytes = self.bytes - u64::from(before) + u64::from(bytes);
    }

    fn remove(&mut self, seq: u64) -> bool {
        let bytes = self.waiting.remove(&seq);
        self.bytes -= u64::from(bytes.unwrap_or(0));
        bytes.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::*;
    use crate::domain::{Event, Stamp};
    use crate::ledger::Journal;

    fn event() -> Event {
        Event::Stopped { reason: "because".into() }
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
        let told = journal.last().unwrap().unwrap();
        assert_eq!(told.kind, "outbox_shed");
        assert_eq!(told.content, serde_json::json!({ "records": 3, "from": 1, "through": 3 }));
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
        let told: u64 = (1..=journal.last().unwrap().unwrap().seq)
            .filter_map(|seq| journal.get(seq).unwrap())
            .filter(|record| record.kind == "outbox_shed")
            .map(|record| record.content["records"].as_u64().unwrap())
            .sum();
        // Only what the last of these records pushed out itself is not told yet.
        assert!(told <= outbox.shed() && outbox.shed() - told <= 1, "{told} of {}", outbox.shed());
    }
}

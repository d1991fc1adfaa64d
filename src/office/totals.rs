//! How often doors have granted and denied since the beginning, over restarts and over the deletion of old records: counted from the journal up to
//! a record, and kept in the store with that record's number.

use crate::domain::{AccessEvent, Event};
use crate::ledger::{Journal, LedgerError, ReadOrder, Record};
use crate::store::{Store, Tree};

const TREE: &str = "totals";
const KEY: &str = "doors";
/// Records that are read at once.
const PAGE: usize = 1000;
/// A start counts at most this many records, so that a door does not wait for it: the first one after an upgrade may find many.
const MOST: u64 = 100_000;

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub granted: u64,
    /// With those that summaries stand for.
    pub denied: u64,
    /// The newest record that opened a door for somebody.
    pub last_granted: Option<u64>,
    /// The newest record that was counted; 0 before the first.
    through: u64,
}

impl Totals {
    /// The totals up to the newest record. What was counted is written down; where that fails, the next start counts it again.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn up_to_date(store: &Store, journal: &Journal) -> Result<Totals, LedgerError> {
        let tree = store.tree_lazily(TREE);
        let mut totals = Totals::load(&tree)?;
        let newest = journal.last()?.map_or(0, |record| record.seq);
        if totals.through > newest {
            // The store was restored from a backup, or its end is lost.
            totals.through = newest;
        }
        totals.through = totals.through.max(newest.saturating_sub(MOST));
        let before = totals;
        loop {
            let page = journal.list(totals.through.saturating_add(1).., ReadOrder::OldestFirst, PAGE)?;
            if page.is_empty() {
                break;
            }
            page.iter().for_each(|record| totals.count(record));
        }
        if totals != before
            && let Err(error) = store.commit(&[tree.put(KEY, totals.bytes())])
        {
            tracing::warn!(%error, "the totals of the doors are counted again at the next start");
        }
        Ok(totals)
    }

    fn count(&mut self, record: &Record) {
        self.through = record.seq;
        match record.content.event() {
            Some(Event::Access(AccessEvent::Decided(decided))) if decided.is_grant() => {
                self.granted = self.granted.saturating_add(1);
                self.last_granted = Some(record.seq);
            }
            Some(Event::Access(AccessEvent::Decided(_))) => self.denied = self.denied.saturating_add(1),
            Some(Event::Access(AccessEvent::DenialsRepeated { count, .. })) => {
                self.denied = self.denied.saturating_add(*count);
            }
            _ => {}
        }
    }

    /// Those that were written down; none where there are none, or not four numbers.
    fn load(tree: &Tree) -> Result<Totals, LedgerError> {
        let bytes = tree.get(KEY)?.unwrap_or_default();
        let (numbers, rest) = bytes.as_chunks::<8>();
        let (&[granted, denied, last, through], []) = (numbers, rest) else { return Ok(Totals::default()) };
        let [granted, denied, last, through] = [granted, denied, last, through].map(u64::from_le_bytes);
        Ok(Totals { granted, denied, last_granted: Some(last).filter(|last| *last > 0), through })
    }

    fn bytes(&self) -> Vec<u8> {
        let numbers = [self.granted, self.denied, self.last_granted.unwrap_or_default(), self.through];
        numbers.into_iter().flat_map(u64::to_le_bytes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};
    use crate::domain::samples::one_of_each;

    #[test]
    fn totals_go_on_where_they_were_whatever_was_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let journal = Journal::open(&store).unwrap();
        let clock = SystemClock::new();
        assert_eq!(Totals::up_to_date(&store, &journal).unwrap(), Totals::default());
        let day = || {
            for event in one_of_each() {
                journal.append(&event, &clock.stamp()).unwrap();
            }
        };
        day();
        let first = Totals::up_to_date(&store, &journal).unwrap();
        assert!(first.granted > 0 && first.denied > 0, "{first:?}");
        let last = journal.get(first.last_granted.unwrap()).unwrap().unwrap();
        assert_eq!(last.kind, "granted");
        assert_eq!(Totals::up_to_date(&store, &journal).unwrap(), first, "nothing is counted twice");
        day();
        let second = Totals::up_to_date(&store, &journal).unwrap();
        assert_eq!((second.granted, second.denied), (2 * first.granted, 2 * first.denied));
        assert_eq!(Totals::load(&store.tree_lazily(TREE)).unwrap(), second);
        // An entry that cannot be read is counted anew.
        store.commit(&[store.tree_lazily(TREE).put(KEY, [1, 2, 3])]).unwrap();
        assert_eq!(Totals::up_to_date(&store, &journal).unwrap(), second);
    }
}

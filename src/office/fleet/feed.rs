//! Which collected records are new or were changed, in the order of the changes: a copy elsewhere reads on from where it stopped.
//!
//! Each change has a number. A record that changes again, because somebody is erased from it, leaves its old number and gets the newest. Whoever has
//! read up to a number so has everything up to there, and a record appears once. A store that was restored from a backup gives numbers that were given
//! before; the run that gave a number tells them apart.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::kept::KeptError;
use crate::store::{Bytes, Change, Store, Tree};

/// Starts of the office that are remembered. Whoever stopped reading longer ago begins anew.
const MOST_RUNS: usize = 1000;

/// How far somebody has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedPlace {
    /// The number of the last change that was read.
    pub number: u64,
    /// The run of the office that gave it.
    pub run: Uuid,
}

/// The numbers of changes.
pub(super) struct Feed {
    store: Store,
    /// A number to the record's key.
    numbers: Tree,
    /// A record's key to its number.
    of_records: Tree,
    /// The first number of a run to the run.
    runs: Tree,
    /// The newest number. Held while changes are committed, so that no number appears after a higher one.
    newest: Mutex<u64>,
}

impl Feed {
    /// The feed in `store`. Begins a new run.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn open(store: &Store) -> Result<Feed, KeptError> {
        let feed = Feed {
            store: store.clone(),
            numbers: store.tree("fleet_feed")?,
            of_records: store.tree("fleet_fed")?,
            runs: store.tree("fleet_feed_runs")?,
            newest: Mutex::new(0),
        };
        let last_of = |tree: &Tree| -> Result<u64, KeptError> {
            Ok(tree.iter().next_back().transpose()?.and_then(|(key, _)| number(&key)).unwrap_or_default())
        };
        // A run that gave no number keeps its place: the next one begins above it.
        let newest = last_of(&feed.numbers)?.max(last_of(&feed.runs)?);
        let mut changes = vec![feed.runs.put(newest.saturating_add(1).to_be_bytes(), *Uuid::new_v4().as_bytes())];
        let known = feed.runs.iter().count();
        for entry in feed.runs.iter().take(known.saturating_sub(MOST_RUNS)) {
            changes.push(feed.runs.delete(entry?.0.to_vec()));
        }
        store.commit(&changes)?;
        *feed.newest.lock().unwrap_or_else(PoisonError::into_inner) = newest;
        Ok(feed)
    }

    /// Commits changes of the store in which these records are new, changed or gone. Synced, unless it is done in the background.
    ///
    /// # Errors
    /// The store cannot be read or written; nothing is changed then.
    pub fn commit(&self, put: &[Vec<u8>], gone: &[Vec<u8>], mut changes: Vec<Change>) -> Result<(), KeptError> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = *newest;
        for key in gone.iter().chain(put) {
            if let Some(before) = self.of_records.get(key)? {
                changes.push(self.numbers.delete(before.to_vec()));
            }
        }
        changes.extend(gone.iter().map(|key| self.of_records.delete(key.clone())));
        for key in put {
            next = next.saturating_add(1);
            changes.push(self.numbers.put(next.to_be_bytes(), key.clone()));
            changes.push(self.of_records.put(key.clone(), next.to_be_bytes()));
        }
        self.store.commit(&changes)?;
        *newest = next;
        Ok(())
    }

    /// The place, if it is one of this store; else the beginning.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn known(&self, place: Option<FeedPlace>) -> Result<Option<FeedPlace>, KeptError> {
        let Some(place) = place else { return Ok(None) };
        Ok((self.run_of(place.number)? == Some(place.run)).then_some(place))
    }

    /// The keys of changed records after a place, by their numbers.
    pub fn after(&self, place: Option<FeedPlace>) -> impl Iterator<Item = Result<(u64, Bytes), KeptError>> {
        let from = place.map_or(0, |place| place.number).saturating_add(1);
        let entries = self.numbers.range(from.to_be_bytes().to_vec()..);
        entries.filter_map(|entry| match entry {
            Ok((at, key)) => number(&at).map(|at| Ok((at, key))),
            Err(error) => Some(Err(error.into())),
        })
    }

    /// The place of a number.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn place(&self, number: u64) -> Result<FeedPlace, KeptError> {
        Ok(FeedPlace { number, run: self.run_of(number)?.unwrap_or_default() })
    }

    /// The run that gave a number; before the first number, the first run.
    fn run_of(&self, number: u64) -> Result<Option<Uuid>, KeptError> {
        let begun = self.runs.range(..=number.max(1).to_be_bytes().to_vec()).next_back();
        Ok(begun.transpose()?.and_then(|(_, run)| Uuid::from_slice(&run).ok()))
    }
}

fn number(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::office::fleet::Collected;
    use crate::office::fleet::erase::tests::{arrived, erase, place_of};
    use crate::office::fleet::protocol::Changes;

    fn numbers(changes: &Changes) -> Vec<u64> {
        changes.records.iter().map(|record| record.record["seq"].as_u64().unwrap()).collect()
    }

    #[test]
    fn a_reader_sees_each_record_and_each_change_of_it_once() {
        let dir = tempfile::tempdir().unwrap();
        let collected = Collected::open(&Store::open(dir.path()).unwrap()).unwrap();
        let sent = arrived(&[(1, "Ada"), (2, "Bob"), (1, "Ada"), (3, "Cy")]);
        // What was lost on the way comes later, and is no less new for that.
        collected.keep(&sent[2..], place_of(1)).unwrap();
        let first = collected.changes(None, 1).unwrap();
        assert_eq!((numbers(&first), first.anew), (vec![3], false));
        let second = collected.changes(Some(first.place), 10).unwrap();
        assert_eq!(numbers(&second), [4]);
        collected.keep(&sent[..2], place_of(2)).unwrap();
        let third = collected.changes(Some(second.place), 10).unwrap();
        assert_eq!(numbers(&third), [1, 2]);
        let end = collected.changes(Some(third.place), 10).unwrap();
        assert_eq!((numbers(&end), end.place), (vec![], third.place));
        // Erased records come again, as they are now.
        assert_eq!(erase(&collected, "berlin", "Ada"), 2);
        let erased = collected.changes(Some(end.place), 10).unwrap();
        assert_eq!((numbers(&erased), erased.anew), (vec![1, 3], false));
        assert!(!serde_json::to_string(&erased).unwrap().contains("Ada"));
        assert_eq!(numbers(&collected.changes(None, 10).unwrap()), [4, 2, 1, 3], "each once");
    }

    #[test]
    fn a_restored_store_gives_no_number_that_a_reader_takes_for_another() {
        let dir = tempfile::tempdir().unwrap();
        let (office, backup) = (dir.path().join("office"), dir.path().join("backup"));
        let sent = arrived(&[(1, "Ada"), (2, "Bob"), (3, "Cy"), (4, "Di")]);
        let keep = |path: &std::path::Path, part: &[_], after: Option<FeedPlace>| {
            let collected = Collected::open(&Store::open(path).unwrap()).unwrap();
            collected.keep(part, place_of(1)).unwrap();
            collected.changes(after, 10).unwrap()
        };
        let before = keep(&office, &sent[..1], None);
        let copied = std::process::Command::new("cp").arg("-r").args([&office, &backup]).status().unwrap();
        assert!(copied.success());
        // A restart alone loses nothing and repeats nothing.
        let later = keep(&office, &sent[1..2], Some(before.place));
        assert_eq!((numbers(&later), later.anew), (vec![2], false));
        // The backup has given the same number to another record.
        let restored = keep(&backup, &sent[2..], Some(later.place));
        assert_eq!((numbers(&restored), restored.anew), (vec![1, 3, 4], true));
        let known = keep(&backup, &[], Some(before.place));
        assert_eq!((numbers(&known), known.anew), (vec![3, 4], false));
    }
}

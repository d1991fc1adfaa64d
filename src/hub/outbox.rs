//! The events that the broker has not acknowledged: the hub's view of a list on disk, and one in memory for tests and benches.

use std::collections::{BTreeSet, VecDeque};
use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::Recorded;

/// Why the outbox or the list of retained topics cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StorageError(Box<dyn Error + Send + Sync>);

impl StorageError {
    /// Wraps an error of whatever keeps the data.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> StorageError {
        StorageError(error.into())
    }
}

/// The list. It is used from the hub's task, where a slow disk delays only the broker.
pub trait Outbox: Send + Sync {
    /// At most `limit` entries with a number greater than `after`, in the order of their numbers.
    ///
    /// # Errors
    /// The list cannot be read. The hub logs that once and retries later.
    fn pending(&self, after: u64, limit: usize) -> Result<Vec<Recorded>, StorageError>;

    /// Removes the entries with these numbers, in ascending order, because the broker has acknowledged them.
    ///
    /// # Errors
    /// The list cannot be written. The entries will be sent again, with the same ids.
    fn acknowledge(&self, seqs: &[u64]) -> Result<(), StorageError>;

    /// Whether an entry says that somebody is under duress. Only its owner can tell: the entry itself does not show it.
    fn is_duress(&self, _entry: &Recorded) -> bool {
        false
    }
}

/// A list in memory.
#[derive(Debug, Default)]
pub struct MemoryOutbox {
    entries: Mutex<VecDeque<Recorded>>,
    duress: Mutex<BTreeSet<u64>>,
}

impl MemoryOutbox {
    /// Adds an entry, which must have a greater number than all before it.
    pub fn push(&self, entry: Recorded) {
        self.lock().push_back(entry);
    }

    /// Makes [`Outbox::is_duress`] true for the entry with this number.
    pub fn mark_duress(&self, seq: u64) {
        self.duress.lock().unwrap_or_else(PoisonError::into_inner).insert(seq);
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Recorded>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox for MemoryOutbox {
    fn pending(&self, after: u64, limit: usize) -> Result<Vec<Recorded>, StorageError> {
        let entries = self.lock();
        let first = entries.partition_point(|entry| entry.seq <= after);
        Ok(entries.iter().skip(first).take(limit).cloned().collect())
    }

    fn acknowledge(&self, seqs: &[u64]) -> Result<(), StorageError> {
        let mut entries = self.lock();
        for seq in seqs {
            if let Ok(place) = entries.binary_search_by_key(seq, |entry| entry.seq) {
                entries.remove(place);
            }
        }
        Ok(())
    }

    fn is_duress(&self, entry: &Recorded) -> bool {
        self.duress.lock().unwrap_or_else(PoisonError::into_inner).contains(&entry.seq)
    }
}

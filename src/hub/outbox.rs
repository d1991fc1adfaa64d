//! What has to be told to the broker and is not yet: the hub's view of a list that somebody else keeps on disk.
//!
//! Knows nothing of how it is kept. The twin in memory serves tests and benches.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use serde_json::Value;

/// A record of the journal that the broker has not acknowledged.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    /// The record's number in the journal; grows, with gaps where records were shed.
    pub seq: u64,
    /// The record's id, a UUID.
    pub id: String,
    /// RFC 3339 in UTC.
    pub time: String,
    /// `granted`, `unlocked`, …
    pub kind: String,
    /// The details, as in the journal.
    pub content: Value,
    /// The hash of the record before and that of this record, in hexadecimal digits.
    pub previous: String,
    pub hash: String,
}

/// The list. Called from the hub's task: what takes long there makes the broker wait, and nobody else.
pub trait Outbox: Send + Sync {
    /// At most `limit` entries with a number greater than `after`, in the order of their numbers.
    ///
    /// # Errors
    /// In words; the hub says them once and tries again later.
    fn pending(&self, after: u64, limit: usize) -> Result<Vec<Pending>, String>;

    /// The broker has the entries with these numbers, which grow: they need not be kept any longer.
    ///
    /// # Errors
    /// In words. What could not be taken off the list is sent again some day, with the same id.
    fn acknowledge(&self, seqs: &[u64]) -> Result<(), String>;
}

/// A list that is gone with the process.
#[derive(Debug, Default)]
pub struct MemoryOutbox(Mutex<VecDeque<Pending>>);

impl MemoryOutbox {
    /// Adds an entry, which must have a greater number than all before it.
    pub fn push(&self, entry: Pending) {
        self.lock().push_back(entry);
    }

    /// How many entries wait.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Pending>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Outbox for MemoryOutbox {
    fn pending(&self, after: u64, limit: usize) -> Result<Vec<Pending>, String> {
        let entries = self.lock();
        let first = entries.partition_point(|entry| entry.seq <= after);
        Ok(entries.iter().skip(first).take(limit).cloned().collect())
    }

    fn acknowledge(&self, seqs: &[u64]) -> Result<(), String> {
        let mut entries = self.lock();
        for seq in seqs {
            if let Ok(place) = entries.binary_search_by_key(seq, |entry| entry.seq) {
                entries.remove(place);
            }
        }
        Ok(())
    }
}

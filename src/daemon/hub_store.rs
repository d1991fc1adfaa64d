//! What the hub keeps in the store: the outbox with the records in it, and the topics that the broker retains of this device.
//!
//! The tree `broker` maps a retained topic to the base of the device that it was published for, `<prefix>/<device>`.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;

use crate::hub::{self, Pending, StorageError};
use crate::ledger::{Journal, LedgerError, Outbox, Record};
use crate::store::{Change, Entry, Store, StoreError, Tree};

/// The ledger's outbox, with the journal that holds its records.
pub struct JournalOutbox {
    pub outbox: Arc<Outbox>,
    /// For reading.
    pub journal: Journal,
}

impl hub::Outbox for JournalOutbox {
    fn pending(&self, mut after: u64, limit: usize) -> Result<Vec<Pending>, StorageError> {
        loop {
            let numbers = self.outbox.pending(after, limit);
            let Some(&last) = numbers.last() else { return Ok(Vec::new()) };
            let mut entries = Vec::with_capacity(numbers.len());
            for seq in numbers {
                match self.journal.get(seq) {
                    Ok(Some(record)) => entries.push(pending(record)),
                    // Deleted by age in the meantime.
                    Ok(None) => self.outbox.acknowledge(seq).map_err(StorageError::new)?,
                    // It stays unreadable, and must not hold up the records behind it.
                    Err(error @ LedgerError::Damaged(_)) => {
                        tracing::error!(%error, "this record cannot be sent to the broker");
                        self.outbox.acknowledge(seq).map_err(StorageError::new)?;
                    }
                    Err(error) => return Err(StorageError::new(error)),
                }
            }
            if !entries.is_empty() {
                return Ok(entries);
            }
            after = last;
        }
    }

    fn acknowledge(&self, seqs: &[u64]) -> Result<(), StorageError> {
        seqs.iter().try_for_each(|seq| self.outbox.acknowledge(*seq)).map_err(StorageError::new)
    }
}

fn pending(record: Record) -> Pending {
    let (id, time) = (record.id.to_string(), record.time());
    let (previous, hash) = record.hashes();
    Pending { seq: record.seq, id, time, kind: record.kind, content: record.content, previous, hash }
}

/// The list of retained topics in the store.
pub struct StoredTopics {
    store: Store,
    tree: Tree,
}

impl StoredTopics {
    /// Opens the list, which is empty if this store was never used with a broker.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(store: &Store) -> Result<StoredTopics> {
        Ok(StoredTopics { tree: store.tree("broker")?, store: store.clone() })
    }

    fn commit(&self, changes: &[Change]) -> Result<(), StorageError> {
        self.store.commit(changes).map_err(StorageError::new)
    }
}

impl hub::RetainedTopics for StoredTopics {
    fn topics(&self) -> Result<BTreeMap<String, String>, StorageError> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let entry = |entry: Result<Entry, StoreError>| entry.map(|(topic, base)| (text(&topic), text(&base)));
        self.tree.iter().map(entry).collect::<Result<_, _>>().map_err(StorageError::new)
    }

    fn add(&self, topics: &[String], base: &str) -> Result<(), StorageError> {
        self.commit(&topics.iter().map(|topic| self.tree.put(topic.as_bytes(), base.as_bytes())).collect::<Vec<_>>())
    }

    fn remove(&self, topics: &[String]) -> Result<(), StorageError> {
        self.commit(&topics.iter().map(|topic| self.tree.delete(topic.as_bytes())).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::RetainedTopics;

    #[test]
    fn the_list_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let topics = ["usher/b1/status".to_owned(), "usher/b1/door/front".to_owned()];
        {
            let store = Store::open(folder.path()).unwrap();
            StoredTopics::open(&store).unwrap().add(&topics, "usher/b1").unwrap();
        }
        let store = Store::open(folder.path()).unwrap();
        let list = StoredTopics::open(&store).unwrap();
        assert!(list.topics().unwrap().into_iter().eq([
            ("usher/b1/door/front".to_owned(), "usher/b1".to_owned()),
            ("usher/b1/status".to_owned(), "usher/b1".to_owned()),
        ]));
        list.remove(&topics[..1]).unwrap();
        assert_eq!(list.topics().unwrap().len(), 1);
    }
}

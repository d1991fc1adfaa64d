//! The list of topics that the broker retains for this device, in the store.
//!
//! The tree `broker` maps each retained topic to the base topic of its device, `<prefix>/<device>`.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::hub::{self, StorageError};
use crate::store::{Change, Entry, Store, StoreError, Tree};

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

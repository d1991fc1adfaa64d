//! Which topics the broker keeps of this device, in the store: from the database to the hub, which do not know each other.
//!
//! The tree `broker` maps a retained topic to the base of the device that it was told for, `<prefix>/<device>`.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::hub;
use crate::store::{Change, Entry, Store, StoreError, Tree};

/// The list in the store.
pub struct StoredFootprint {
    store: Store,
    tree: Tree,
}

impl StoredFootprint {
    /// Opens the list; it is empty in a store that never met a broker.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(store: &Store) -> Result<StoredFootprint> {
        Ok(StoredFootprint { tree: store.tree("broker")?, store: store.clone() })
    }

    fn commit(&self, changes: &[Change]) -> Result<(), String> {
        self.store.commit(changes).map_err(|error| error.to_string())
    }
}

impl hub::Footprint for StoredFootprint {
    fn topics(&self) -> Result<BTreeMap<String, String>, String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let entry = |entry: Result<Entry, StoreError>| entry.map(|(topic, base)| (text(&topic), text(&base)));
        self.tree.iter().map(entry).collect::<Result<_, _>>().map_err(|error| error.to_string())
    }

    fn add(&self, topics: &[String], base: &str) -> Result<(), String> {
        self.commit(&topics.iter().map(|topic| self.tree.put(topic.as_bytes(), base.as_bytes())).collect::<Vec<_>>())
    }

    fn remove(&self, topics: &[String]) -> Result<(), String> {
        self.commit(&topics.iter().map(|topic| self.tree.delete(topic.as_bytes())).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Footprint;

    #[test]
    fn the_list_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let topics = ["usher/b1/status".to_owned(), "usher/b1/door/front".to_owned()];
        {
            let store = Store::open(folder.path()).unwrap();
            StoredFootprint::open(&store).unwrap().add(&topics, "usher/b1").unwrap();
        }
        let store = Store::open(folder.path()).unwrap();
        let list = StoredFootprint::open(&store).unwrap();
        assert!(list.topics().unwrap().into_iter().eq([
            ("usher/b1/door/front".to_owned(), "usher/b1".to_owned()),
            ("usher/b1/status".to_owned(), "usher/b1".to_owned()),
        ]));
        list.remove(&topics[..1]).unwrap();
        assert_eq!(list.topics().unwrap().len(), 1);
    }
}

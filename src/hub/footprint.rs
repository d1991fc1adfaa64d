//! Which topics the broker keeps something of that this device put there: the hub's view of a list that somebody else keeps on disk.
//!
//! Knows nothing of how it is kept. What is on the list and is not told any longer is taken off the broker at the next connection, also
//! after a restart with other doors, other people or another name. The twin in memory serves tests and benches.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

/// The list: each retained topic with the base of the device it was told for, `<prefix>/<device>`.
pub trait Footprint: Send + Sync {
    /// Everything on the list.
    ///
    /// # Errors
    /// In words.
    fn topics(&self) -> Result<BTreeMap<String, String>, String>;

    /// Puts topics on the list; they are on disk when this returns.
    ///
    /// # Errors
    /// In words.
    fn add(&self, topics: &[String], base: &str) -> Result<(), String>;

    /// Takes topics off the list.
    ///
    /// # Errors
    /// In words. What could not be taken off is cleared once more another day.
    fn remove(&self, topics: &[String]) -> Result<(), String>;
}

/// A list that is gone with the process.
#[derive(Debug, Default)]
pub struct MemoryFootprint(Mutex<BTreeMap<String, String>>);

impl MemoryFootprint {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Footprint for MemoryFootprint {
    fn topics(&self) -> Result<BTreeMap<String, String>, String> {
        Ok(self.lock().clone())
    }

    fn add(&self, topics: &[String], base: &str) -> Result<(), String> {
        self.lock().extend(topics.iter().map(|topic| (topic.clone(), base.to_owned())));
        Ok(())
    }

    fn remove(&self, topics: &[String]) -> Result<(), String> {
        let mut list = self.lock();
        topics.iter().for_each(|topic| drop(list.remove(topic)));
        Ok(())
    }
}

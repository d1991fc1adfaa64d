//! The topics that the broker retains of this device.
//!
//! A list in the store names them. What is on the list and no longer published is cleared at the next connection, also after a restart with
//! other doors, other people or another name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::client::Incoming;
use super::outbox::StorageError;
use super::outgoing::Outgoing;
use super::wire::Topics;

/// The list: each retained topic with the base of the device that it was published for, `<prefix>/<device>`.
pub trait RetainedTopics: Send + Sync {
    /// The whole list.
    ///
    /// # Errors
    /// The list cannot be read.
    fn topics(&self) -> Result<BTreeMap<String, String>, StorageError>;

    /// Adds topics to the list; they are on disk when this returns.
    ///
    /// # Errors
    /// The list cannot be written.
    fn add(&self, topics: &[String], base: &str) -> Result<(), StorageError>;

    /// Removes topics from the list.
    ///
    /// # Errors
    /// The list cannot be written. The topics are cleared once more at a later start.
    fn remove(&self, topics: &[String]) -> Result<(), StorageError>;
}

/// A list in memory, for tests and benches.
#[derive(Debug, Default)]
pub struct MemoryTopics(Mutex<BTreeMap<String, String>>);

impl MemoryTopics {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RetainedTopics for MemoryTopics {
    fn topics(&self) -> Result<BTreeMap<String, String>, StorageError> {
        Ok(self.lock().clone())
    }

    fn add(&self, topics: &[String], base: &str) -> Result<(), StorageError> {
        self.lock().extend(topics.iter().map(|topic| (topic.clone(), base.to_owned())));
        Ok(())
    }

    fn remove(&self, topics: &[String]) -> Result<(), StorageError> {
        let mut list = self.lock();
        topics.iter().for_each(|topic| drop(list.remove(topic)));
        Ok(())
    }
}

/// Keeps the list up to date, and clears what an earlier run left at the broker.
pub struct TopicKeeper {
    list: Arc<dyn RetainedTopics>,
    /// `<prefix>/<device>`
    base: String,
    /// What is on the list.
    listed: BTreeSet<String>,
    /// Topics under former names of this device, by their base, until it is known whether another device has that name now.
    former: BTreeMap<String, Vec<String>>,
    /// Former names under which another device is online.
    taken: BTreeSet<String>,
    failing: bool,
}

impl TopicKeeper {
    /// Reads the list, and clears what an earlier run of this device published and this run does not.
    pub fn open(list: Arc<dyn RetainedTopics>, topics: &Topics, outgoing: &mut Outgoing) -> TopicKeeper {
        let mut keeper = TopicKeeper {
            list,
            base: topics.base().to_owned(),
            listed: BTreeSet::new(),
            former: BTreeMap::new(),
            taken: BTreeSet::new(),
            failing: false,
        };
        match keeper.list.topics() {
            Ok(earlier) => keeper.look_back(earlier, outgoing),
            Err(error) => keeper.failed(&error),
        }
        keeper
    }

    fn look_back(&mut self, earlier: BTreeMap<String, String>, outgoing: &mut Outgoing) {
        self.listed.extend(earlier.keys().cloned());
        for (topic, base) in earlier {
            if base != self.base {
                self.former.entry(base).or_default().push(topic);
                continue;
            }
            // The announcement itself keeps or clears its pieces.
            if !outgoing.expect_piece(&topic) && !outgoing.retained.holds(&topic) {
                outgoing.retained.set(&topic, "");
            }
        }
    }

    /// The status topics of the devices that may have a former name of this one.
    pub fn former_status_topics(&self) -> impl Iterator<Item = String> {
        self.former.keys().map(|base| format!("{base}/status"))
    }

    /// Whether there are topics under former names.
    pub fn has_former_names(&self) -> bool {
        !self.former.is_empty()
    }

    /// Whether a retained message is the status of a device that has a former name of this one. Remembers it if that device is online.
    pub fn is_status_of_another(&mut self, message: &Incoming) -> bool {
        let base = message.topic.strip_suffix("/status").filter(|base| self.former.contains_key(*base));
        let Some(base) = base else { return false };
        if &message.payload[..] == b"online" {
            self.taken.insert(base.to_owned());
        }
        true
    }

    /// All retained messages have arrived: clears the topics under former names, unless another device has that name.
    pub fn settle(&mut self, outgoing: &mut Outgoing) {
        let taken = std::mem::take(&mut self.taken);
        for (base, topics) in std::mem::take(&mut self.former) {
            let device = base.rsplit('/').next().unwrap_or_default();
            if taken.contains(&base) {
                tracing::warn!(
                    base,
                    "the broker keeps topics of a former name of this device, and a device of that name is online: they are left alone. If \
                     there is no such device, remove the name with `usher hub remove --device {device}`"
                );
                continue;
            }
            tracing::info!(
                base,
                topics = topics.len(),
                "taking a former name of this device off the broker; on another broker `usher hub remove --device {device}` does it"
            );
            for topic in topics {
                if !outgoing.retained.holds(&topic) {
                    outgoing.retained.set(&topic, "");
                }
            }
        }
    }

    /// Adds the topics that are about to be published to the list.
    pub fn note_unsent(&mut self, outgoing: &Outgoing) {
        let unsent = outgoing.retained.unsent().filter(|topic| !self.listed.contains(*topic));
        let new: Vec<String> = unsent.cloned().collect();
        if new.is_empty() {
            return;
        }
        match self.list.add(&new, &self.base) {
            Ok(()) => {
                self.failing = false;
                self.listed.extend(new);
            }
            Err(error) => self.failed(&error),
        }
    }

    /// The broker has cleared these topics.
    pub fn cleared(&mut self, topics: Vec<String>, outgoing: &mut Outgoing) {
        let gone: Vec<String> = topics.into_iter().filter(|topic| outgoing.retained.is_cleared(topic)).collect();
        if gone.is_empty() {
            return;
        }
        self.listed.retain(|topic| !gone.contains(topic));
        if let Err(error) = self.list.remove(&gone) {
            self.failed(&error);
        }
    }

    fn failed(&mut self, error: &StorageError) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(%error, "the list of topics that the broker keeps of this device cannot be used");
        }
    }
}

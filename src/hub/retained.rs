//! Retained messages: for each topic the newest payload, and whether the broker has it. A value that changes twice before it is sent is sent once.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

/// Topics with their payloads. An empty payload clears the topic.
#[derive(Debug, Default)]
pub struct Retained {
    values: BTreeMap<String, Bytes>,
    unsent: BTreeSet<String>,
}

impl Retained {
    /// Sets a topic's payload. `true` if it is to be sent.
    pub fn set(&mut self, topic: &str, payload: impl Into<Bytes>) -> bool {
        let payload = payload.into();
        if self.values.get(topic) == Some(&payload) {
            return false;
        }
        self.values.insert(topic.to_owned(), payload);
        self.unsent.insert(topic.to_owned())
    }

    /// Clears the topics below `prefix` that are not `kept`.
    pub fn forget(&mut self, prefix: &str, kept: impl Fn(&str) -> bool) {
        let below = self.values.range_mut(prefix.to_owned()..).take_while(|(topic, _)| topic.starts_with(prefix));
        for (topic, value) in below.filter(|(topic, value)| !value.is_empty() && !kept(topic)) {
            *value = Bytes::new();
            self.unsent.insert(topic.clone());
        }
    }

    /// Everything is to be sent again.
    pub fn all_unsent(&mut self) {
        self.unsent = self.values.keys().cloned().collect();
    }

    /// The next topic to be sent, with its payload, except those that are `held` back.
    pub fn take_unsent(&mut self, held: impl Fn(&str) -> bool) -> Option<(String, Bytes)> {
        let topic = self.unsent.iter().find(|topic| !held(topic))?.clone();
        self.unsent.remove(&topic);
        let payload = self.values.get(&topic)?.clone();
        Some((topic, payload))
    }

    /// The topics with a payload that is to be sent.
    pub fn unsent(&self) -> impl Iterator<Item = &String> {
        self.unsent.iter().filter(|topic| self.values.get(*topic).is_some_and(|payload| !payload.is_empty()))
    }

    /// The broker has cleared a topic, which need not be cleared again. `false` if it has a payload by now.
    pub fn is_cleared(&mut self, topic: &str) -> bool {
        match self.values.get(topic) {
            Some(payload) if !payload.is_empty() => false,
            _ => {
                self.values.remove(topic);
                self.unsent.remove(topic);
                true
            }
        }
    }

    /// Whether a topic has a payload.
    pub fn holds(&self, topic: &str) -> bool {
        self.values.get(topic).is_some_and(|payload| !payload.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_are_sent_and_only_the_newest_value() {
        let mut retained = Retained::default();
        assert!(retained.set("b", "1"));
        assert!(retained.set("a", "1"));
        retained.set("a", "2");
        assert_eq!(retained.take_unsent(|_| false), Some(("a".into(), "2".into())));
        assert_eq!(retained.take_unsent(|_| false), Some(("b".into(), "1".into())));
        assert_eq!(retained.take_unsent(|_| false), None);
        assert!(!retained.set("a", "2"));
        assert_eq!(retained.take_unsent(|_| false), None);
    }

    #[test]
    fn everything_is_sent_again_including_cleared_topics() {
        let mut retained = Retained::default();
        retained.set("a", "1");
        retained.set("b", "1");
        while retained.take_unsent(|_| false).is_some() {}
        retained.set("b", "");
        assert_eq!(retained.take_unsent(|_| false), Some(("b".into(), Bytes::new())));
        // It may have been lost on the way.
        retained.all_unsent();
        assert_eq!(retained.take_unsent(|_| false), Some(("a".into(), "1".into())));
        assert_eq!(retained.take_unsent(|_| false), Some(("b".into(), Bytes::new())));
        assert_eq!(retained.take_unsent(|_| false), None);
    }

    #[test]
    fn held_topics_wait_and_cleared_topics_are_forgotten() {
        let mut retained = Retained::default();
        retained.set("a/1", "1");
        retained.set("b", "");
        assert!(retained.unsent().eq(["a/1"]));
        assert_eq!(retained.take_unsent(|topic| topic.starts_with("a/")), Some(("b".into(), Bytes::new())));
        assert_eq!(retained.take_unsent(|topic| topic.starts_with("a/")), None);
        assert!(retained.is_cleared("b") && !retained.is_cleared("a/1"));
        retained.all_unsent();
        assert_eq!(retained.take_unsent(|_| false), Some(("a/1".into(), "1".into())));
        assert_eq!(retained.take_unsent(|_| false), None);
    }

    #[test]
    fn topics_that_are_not_kept_are_cleared_once() {
        let mut retained = Retained::default();
        for topic in ["a", "p/1", "p/2", "q"] {
            retained.set(topic, "1");
        }
        while retained.take_unsent(|_| false).is_some() {}
        retained.forget("p/", |topic| topic.ends_with('2'));
        assert_eq!(retained.take_unsent(|_| false), Some(("p/1".into(), Bytes::new())));
        retained.forget("p/", |topic| topic.ends_with('2'));
        assert_eq!(retained.take_unsent(|_| false), None);
    }
}

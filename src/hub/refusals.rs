//! Messages that the broker does not take: which one it was where the broker does not say, and which are not sent any longer.
//!
//! Knows nothing of connections. A broker that refuses a message may say so and go on; but many end the connection without a word. When
//! one ends while messages are under way, the next connections are cautious: whatever has not proved harmless is sent alone. The
//! message under way alone when that connection ends too is the cause, and is given up.

use std::collections::{BTreeMap, BTreeSet};

use super::failure::Blame;

/// So many times a message has to be alone when the broker hangs up without a word.
const STRIKES: u32 = 2;
/// Topics of which refusals are remembered by name; of others they are counted only.
const NAMED: usize = 64;

/// A message that the broker does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The message's topic, or the topic that was asked for.
    pub topic: String,
    /// Of topic and payload.
    pub bytes: u64,
    /// In words.
    pub reason: String,
    /// How often this topic was refused since the start.
    pub times: u64,
}

/// What is known of the broker's likes.
#[derive(Debug, Default)]
pub struct Refusals {
    cautious: bool,
    /// Topics of which a message was acknowledged.
    proven: BTreeSet<String>,
    /// The largest message that was acknowledged, in bytes.
    largest: usize,
    /// What was under way alone when the broker last hung up, and how often.
    suspect: Option<(String, u32)>,
    /// What is not sent any longer, with the bytes it had.
    given_up: BTreeMap<String, usize>,
    /// Records that are not sent any longer, on whatever topic.
    lost: BTreeSet<u64>,
    named: BTreeMap<String, Refusal>,
}

/// What the end of a connection has shown.
#[derive(Debug, PartialEq, Eq)]
pub enum Lesson {
    Nothing,
    /// Another connection will show more: there is no reason to wait for long.
    GoOn,
    /// The cause is known: topic and bytes. It will not be sent again.
    Cause(String, usize),
}

impl Refusals {
    /// Whether a message of so many bytes need not be tried. One that is much smaller than what was given up is another matter.
    pub fn is_given_up(&self, topic: &str, bytes: usize) -> bool {
        self.given_up.get(topic).is_some_and(|refused| (bytes + 1) * 2 > refused + 1)
    }

    /// Whether it has to be the only one under way.
    pub fn goes_alone(&self, topic: &str, bytes: usize) -> bool {
        self.cautious && !(self.proven.contains(topic) && bytes <= self.largest)
    }

    /// Whether the broker hung up when it was last under way. Then it is tried on a connection that has lasted for a moment: one that
    /// ends by itself must not be laid to its charge.
    pub fn is_suspect(&self, topic: &str) -> bool {
        self.suspect.as_ref().is_some_and(|(suspect, _)| suspect == topic)
    }

    /// Whether whatever is not proven goes alone.
    pub fn is_cautious(&self) -> bool {
        self.cautious
    }

    /// The broker has it.
    pub fn accepted(&mut self, topic: &str, bytes: usize) {
        self.largest = self.largest.max(bytes);
        if !self.proven.contains(topic) {
            self.proven.insert(topic.to_owned());
        }
        if self.is_suspect(topic) {
            self.suspect = None;
        }
    }

    /// A connection ended while these were under way: topic and bytes of each.
    pub fn ended(&mut self, under_way: &[(String, usize)], blame: Blame) -> Lesson {
        let Some((topic, bytes)) = under_way.first().filter(|_| blame != Blame::Line) else { return Lesson::Nothing };
        let was_cautious = std::mem::replace(&mut self.cautious, true);
        if under_way.len() > 1 {
            return if was_cautious { Lesson::Nothing } else { Lesson::GoOn };
        }
        let strikes = match &self.suspect {
            Some((suspect, strikes)) if suspect == topic => strikes + 1,
            _ => 1,
        };
        if blame == Blame::Perhaps && strikes < STRIKES {
            self.suspect = Some((topic.clone(), strikes));
            return Lesson::GoOn;
        }
        self.suspect = None;
        self.given_up.insert(topic.clone(), *bytes);
        Lesson::Cause(topic.clone(), *bytes)
    }

    /// The record of this number is not to be sent, also when it would come late now and so on another topic.
    pub fn lose(&mut self, record: u64) {
        self.lost.insert(record);
    }

    /// Whether the record of this number is not to be sent; to be asked once, because it is off the outbox then.
    pub fn is_lost(&mut self, record: u64) -> bool {
        self.lost.remove(&record)
    }

    /// Takes a refusal down; the first one of a topic comes back, to be told to others.
    pub fn name(&mut self, topic: &str, bytes: usize, reason: &str) -> Option<Refusal> {
        if let Some(known) = self.named.get_mut(topic) {
            known.times += 1;
            return None;
        }
        if self.named.len() >= NAMED {
            return None;
        }
        let refusal = Refusal { topic: topic.to_owned(), bytes: bytes as u64, reason: reason.to_owned(), times: 1 };
        self.named.insert(topic.to_owned(), refusal.clone());
        Some(refusal)
    }

    /// All that are known by name.
    pub fn all(&self) -> Vec<Refusal> {
        self.named.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under_way(topics: &[&str]) -> Vec<(String, usize)> {
        topics.iter().map(|topic| ((*topic).to_owned(), 100)).collect()
    }

    #[test]
    fn the_one_under_way_alone_is_the_cause() {
        let mut refusals = Refusals::default();
        refusals.accepted("a", 80);
        assert!(!refusals.goes_alone("b", 100));
        assert_eq!(refusals.ended(&under_way(&["a", "b", "c"]), Blame::Message), Lesson::GoOn);
        // Proven, and no larger than what was taken.
        assert!(!refusals.goes_alone("a", 80));
        assert!(refusals.goes_alone("a", 81) && refusals.goes_alone("b", 10));
        assert_eq!(refusals.ended(&under_way(&["b"]), Blame::Message), Lesson::Cause("b".into(), 100));
        assert!(refusals.is_given_up("b", 100) && refusals.is_given_up("b", 60));
        assert!(!refusals.is_given_up("b", 40) && !refusals.is_given_up("c", 100));
    }

    #[test]
    fn a_broker_that_says_nothing_has_to_hang_up_twice() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.ended(&under_way(&["b"]), Blame::Perhaps), Lesson::GoOn);
        assert!(refusals.is_suspect("b"));
        refusals.accepted("b", 100);
        assert_eq!(refusals.ended(&under_way(&["b"]), Blame::Perhaps), Lesson::GoOn);
        // Nothing was under way: it was something else.
        assert_eq!(refusals.ended(&[], Blame::Perhaps), Lesson::Nothing);
        assert_eq!(refusals.ended(&under_way(&["b"]), Blame::Line), Lesson::Nothing);
        assert_eq!(refusals.ended(&under_way(&["b"]), Blame::Perhaps), Lesson::Cause("b".into(), 100));
    }

    #[test]
    fn a_topic_that_was_asked_for_is_given_up_too() {
        let mut refusals = Refusals::default();
        let asked = [("x/+".to_owned(), 0)];
        assert_eq!(refusals.ended(&asked, Blame::Message), Lesson::Cause("x/+".into(), 0));
        assert!(refusals.is_given_up("x/+", 0));
    }

    #[test]
    fn a_topic_is_named_once() {
        let mut refusals = Refusals::default();
        assert!(refusals.name("a", 5, "no").is_some());
        assert!(refusals.name("a", 6, "no").is_none());
        assert_eq!(refusals.all()[0].times, 2);
        (0..100).for_each(|n| drop(refusals.name(&n.to_string(), 5, "no")));
        assert_eq!(refusals.all().len(), NAMED);
    }
}

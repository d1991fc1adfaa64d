//! Messages that the broker does not accept: which one it was if the broker does not say, and which are no longer sent.
//!
//! A broker that refuses a message may say so and continue; but many end the connection without a reason. If a connection ends while messages
//! are under way, the next connections are cautious: a message that has not proved harmless is sent alone. The message that is alone under way
//! when such a connection ends is the cause, and is given up.

use std::collections::{BTreeMap, BTreeSet};

use super::failure::Blame;

/// A message is the cause if the broker hangs up without a reason this many times while it is alone under way.
const STRIKES: u32 = 2;
/// The most topics whose refusals are remembered by name. Those of other topics are only counted.
const NAMED: usize = 64;

/// A message that the broker does not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRefusal {
    /// The topic of the message or of the subscription.
    pub topic: String,
    /// The size of topic and payload.
    pub bytes: u64,
    /// In words.
    pub reason: String,
    /// How often messages on this topic were refused since the start.
    pub times: u64,
}

/// What is known of the messages that the broker accepts, over all connections.
#[derive(Debug, Default)]
pub struct Refusals {
    cautious: bool,
    /// Topics of which a message was acknowledged.
    proven: BTreeSet<String>,
    /// The size of the largest acknowledged message, in bytes.
    largest: usize,
    /// The topic that was alone under way when the broker last hung up, and how often.
    suspect: Option<(String, u32)>,
    /// Topics that are no longer sent, with the size of the message.
    given_up: BTreeMap<String, usize>,
    /// Records that are no longer sent, on any topic.
    lost: BTreeSet<u64>,
}

/// What the end of a connection shows.
#[derive(Debug, PartialEq, Eq)]
pub enum Lesson {
    Nothing,
    /// The next connection will show more, and should be tried soon.
    TrySoon,
    /// The cause, by topic and size. It will not be sent again.
    Cause(String, usize),
}

impl Refusals {
    /// Whether a message of `bytes` is not sent. One that is much smaller than the message that was given up is tried.
    pub fn is_given_up(&self, topic: &str, bytes: usize) -> bool {
        self.given_up.get(topic).is_some_and(|refused| (bytes + 1) * 2 > refused + 1)
    }

    /// Whether a message must be the only one under way.
    pub fn goes_alone(&self, topic: &str, bytes: usize) -> bool {
        self.cautious && !(self.proven.contains(topic) && bytes <= self.largest)
    }

    /// Whether the broker hung up when this topic was last alone under way. It is then sent only on a connection that has lasted for a while, so
    /// that it is not blamed for a connection that ends by itself.
    pub fn is_suspect(&self, topic: &str) -> bool {
        self.suspect.as_ref().is_some_and(|(suspect, _)| suspect == topic)
    }

    /// Whether unproven messages are sent alone.
    pub fn is_cautious(&self) -> bool {
        self.cautious
    }

    /// The broker acknowledged a message, or refused it without ending the connection.
    pub fn accepted(&mut self, topic: &str, bytes: usize) {
        self.largest = self.largest.max(bytes);
        if !self.proven.contains(topic) {
            self.proven.insert(topic.to_owned());
        }
        if self.is_suspect(topic) {
            self.suspect = None;
        }
    }

    /// A connection ended while these messages, by topic and size, were under way.
    pub fn ended(&mut self, under_way: &[(String, usize)], blame: Blame) -> Lesson {
        let Some((topic, bytes)) = under_way.first().filter(|_| blame != Blame::Line) else { return Lesson::Nothing };
        let was_cautious = std::mem::replace(&mut self.cautious, true);
        if under_way.len() > 1 {
            return if was_cautious { Lesson::Nothing } else { Lesson::TrySoon };
        }
        let strikes = match &self.suspect {
            Some((suspect, strikes)) if suspect == topic => strikes + 1,
            _ => 1,
        };
        if blame == Blame::Perhaps && strikes < STRIKES {
            self.suspect = Some((topic.clone(), strikes));
            return Lesson::TrySoon;
        }
        self.suspect = None;
        self.given_up.insert(topic.clone(), *bytes);
        Lesson::Cause(topic.clone(), *bytes)
    }

    /// The record with this number is no longer to be sent, not even late, which is on another topic.
    pub fn lose(&mut self, record: u64) {
        self.lost.insert(record);
    }

    /// Whether the record with this number is not to be sent. Forgets it, because it leaves the outbox then.
    pub fn is_lost(&mut self, record: u64) -> bool {
        self.lost.remove(&record)
    }
}

/// The refused messages by topic, at most [`NAMED`].
#[derive(Debug, Default)]
pub struct RefusalLog(BTreeMap<String, MessageRefusal>);

impl RefusalLog {
    /// Adds a refusal, and returns it if it is the first one of its topic.
    pub fn add(&mut self, topic: &str, bytes: usize, reason: &str) -> Option<MessageRefusal> {
        if let Some(known) = self.0.get_mut(topic) {
            known.times += 1;
            return None;
        }
        if self.0.len() >= NAMED {
            return None;
        }
        let refusal =
            MessageRefusal { topic: topic.to_owned(), bytes: bytes as u64, reason: reason.to_owned(), times: 1 };
        self.0.insert(topic.to_owned(), refusal.clone());
        Some(refusal)
    }

    /// All refusals that are remembered by name.
    pub fn all(&self) -> Vec<MessageRefusal> {
        self.0.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under_way(topics: &[&str]) -> Vec<(String, usize)> {
        topics.iter().map(|topic| ((*topic).to_owned(), 100)).collect()
    }

    #[test]
    fn the_message_alone_under_way_is_the_cause() {
        let mut refusals = Refusals::default();
        refusals.accepted("a", 80);
        assert!(!refusals.goes_alone("b", 100));
        assert_eq!(refusals.ended(&under_way(&["a", "b", "c"]), Blame::Message), Lesson::TrySoon);
        // Proven, and no larger than what was accepted.
        assert!(!refusals.goes_alone("a", 80));
        assert!(refusals.goes_alone("a", 81) && refusals.goes_alone("b", 10));
        assert_eq!(refusals.ended(&under_way(&["b"]), Blame::Message), Lesson::Cause("b".into(), 100));
        assert!(refusals.is_given_up("b", 100) && refusals.is_given_up("b", 60));
        assert!(!refusals.is_given_up("b", 40) && !refusals.is_given_up("c", 100));
    }

    #[test]
    fn without_a_reason_the_broker_has_to_hang_up_twice() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.ended(&under_way(&["b"]), Blame::Perhaps), Lesson::TrySoon);
        assert!(refusals.is_suspect("b"));
        refusals.accepted("b", 100);
        assert_eq!(refusals.ended(&under_way(&["b"]), Blame::Perhaps), Lesson::TrySoon);
        // Nothing was under way, so it was something else.
        assert_eq!(refusals.ended(&[], Blame::Perhaps), Lesson::Nothing);
        assert_eq!(refusals.ended(&under_way(&["b"]), Blame::Line), Lesson::Nothing);
        assert_eq!(refusals.ended(&under_way(&["b"]), Blame::Perhaps), Lesson::Cause("b".into(), 100));
    }

    #[test]
    fn a_subscription_is_given_up_as_well() {
        let mut refusals = Refusals::default();
        let asked = [("x/+".to_owned(), 0)];
        assert_eq!(refusals.ended(&asked, Blame::Message), Lesson::Cause("x/+".into(), 0));
        assert!(refusals.is_given_up("x/+", 0));
    }

    #[test]
    fn a_topic_is_named_once() {
        let mut refusals = RefusalLog::default();
        assert!(refusals.add("a", 5, "no").is_some());
        assert!(refusals.add("a", 6, "no").is_none());
        assert_eq!(refusals.all()[0].times, 2);
        (0..100).for_each(|n| drop(refusals.add(&n.to_string(), 5, "no")));
        assert_eq!(refusals.all().len(), NAMED);
    }
}

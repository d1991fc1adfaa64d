//! Messages on their way to the broker.

use bytes::Bytes;
use tokio::time::Instant;

/// What the fixed header, the packet identifier and the lengths of a PUBLISH take at most, in bytes.
const PUBLISH_OVERHEAD: usize = 16;

/// What a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The record with this sequence number.
    Event {
        seq: u64,
        late: bool,
    },
    /// Belongs to the event after it, whose acknowledgement counts for both.
    Companion,
    /// To be retained; an empty one clears the topic.
    Retained {
        clears: bool,
    },
    /// A snapshot, or the message about it.
    Snapshot,
    /// What a door asks of people.
    Prompt,
    Farewell,
    /// A subscription to these topics.
    Subscription(Vec<String>),
}

/// A message before it is handed to the client.
pub struct Message {
    pub topic: String,
    pub payload: Bytes,
    pub retain: bool,
    pub purpose: Purpose,
}

impl Message {
    /// The size of topic and payload.
    pub fn bytes(&self) -> usize {
        self.topic.len() + self.payload.len()
    }
}

/// A message that the client has taken and the broker may not have acknowledged yet.
pub struct Sent {
    pub topic: String,
    pub bytes: usize,
    pub purpose: Purpose,
    /// When it was handed to the client or, once it is written, when that was.
    pub at: Instant,
    /// Nothing else is sent until it is acknowledged.
    pub alone: bool,
    /// The packet identifier, once the client has written it.
    pub packet: Option<u16>,
    pub acknowledged: bool,
}

impl Sent {
    /// Whether it is a subscription.
    pub fn is_subscription(&self) -> bool {
        matches!(self.purpose, Purpose::Subscription(_))
    }

    /// Whether it was sent and the broker's answer is pending.
    pub fn is_awaited(&self) -> bool {
        !self.acknowledged && (self.packet.is_some() || self.is_subscription())
    }
}

/// Whether a message of `bytes` fits into packets of at most `largest` bytes.
pub fn fits(bytes: usize, largest: Option<u32>) -> bool {
    let size = bytes + PUBLISH_OVERHEAD;
    largest.is_none_or(|largest| u32::try_from(size).is_ok_and(|size| size <= largest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_fits_or_not() {
        assert!(fits(84, None));
        assert!(fits(84, Some(100)));
        assert!(!fits(84, Some(99)));
    }
}

//! A connection that the broker has accepted: what goes out on it, and what its answers mean.
//!
//! Knows nothing of connecting. What the broker has not acknowledged when a link ends is still on its list.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::time::{Duration, Instant, sleep_until};

use super::client::{Client, Heard, Incoming};
use super::home_assistant::{self, PeopleAs};
use super::outbox::Pending;
use super::shared::Shared;
use super::snapshot::Snapshot;
use super::wire;

/// How many messages are sent ahead of their acknowledgement; an event's companions may come on top.
pub const WINDOW: usize = 32;
/// How many a client needs room for, so that handing over never waits: the window, companions, the subscription and the farewell.
pub const ROOM: usize = WINDOW + 8;
/// How many events are read from the outbox at once, and how many acknowledged ones are taken off it at once.
const BATCH: usize = 64;
/// How long after a failure the outbox is asked again.
const OUTBOX_PAUSE: Duration = Duration::from_secs(5);
/// How long events are still sent after a stop was asked for; the others are sent another day.
const LEAVE_AFTER: Duration = Duration::from_secs(1);
/// What the fixed header, the packet identifier and the lengths of a PUBLISH take at most, in bytes.
const PUBLISH_OVERHEAD: usize = 16;

/// What a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Purpose {
    /// The record with this number.
    Event {
        seq: u64,
    },
    /// Goes with the event after it, whose acknowledgement counts for both.
    Companion,
    Retained,
    /// A picture, or what goes before it.
    Snapshot,
    Farewell,
}

/// A message that the client has and the broker may not have acknowledged.
struct Sent {
    purpose: Purpose,
    /// Known once the client has written it.
    packet: Option<u16>,
    acknowledged: bool,
}

/// Whether a link goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    NotYet,
    Over,
}

/// How far a link is with its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    /// What waits is still sent until then.
    Until(Instant),
    /// Nothing is sent any more; only the acknowledgement is waited for.
    SaidOffline,
}

/// A connection that the broker has accepted.
pub struct Link<'a> {
    pub shared: &'a Shared,
    client: Client,
    /// The largest packet the broker takes, in bytes.
    largest: Option<u32>,
    /// In the order in which they were handed over; the first one is not acknowledged.
    outstanding: VecDeque<Sent>,
    /// Events that were read from the outbox and not handed over.
    fetched: VecDeque<Pending>,
    /// The number of the newest event that was read.
    cursor: u64,
    /// Acknowledged events that the outbox does not know of yet, in their order.
    unsettled: Vec<u64>,
    outbox_rests_until: Option<Instant>,
    leaving: Leaving,
}

impl<'a> Link<'a> {
    /// Asks for what the device listens to, and has everything told again that the broker keeps, `online` among it.
    pub fn begin(shared: &'a Shared, client: Client, largest: Option<u32>) -> Link<'a> {
        let link = Link {
            shared,
            client,
            largest,
            outstanding: VecDeque::new(),
            fetched: VecDeque::new(),
            cursor: 0,
            unsettled: Vec::new(),
            outbox_rests_until: None,
            leaving: Leaving::No,
        };
        // Before anything is published: an earlier run's announcement must be heard before it is replaced.
        let topics = shared.subscriptions();
        if !topics.is_empty() && !link.client.subscribe(&topics) {
            tracing::error!("the broker cannot be asked for commands: its client has no room");
        }
        shared.retained().all_unsent();
        link
    }

    /// Events may still go out for a moment; then the farewell.
    pub fn leave(&mut self) {
        self.leaving = Leaving::Until(Instant::now() + LEAVE_AFTER);
    }

    /// Hands over as much as may be under way.
    pub fn feed(&mut self) {
        while self.leaving != Leaving::SaidOffline && self.outstanding.len() < WINDOW {
            let kept = self.shared.retained().take_unsent();
            if let Some((topic, payload)) = kept {
                self.hand_over(topic, payload, true, Purpose::Retained);
            } else if let Some(snapshot) = self.shared.next_snapshot() {
                self.hand_over_snapshot(&snapshot);
            } else if let Some(entry) = self.next_event() {
                self.hand_over_event(&entry);
            } else {
                break;
            }
        }
        if let Leaving::Until(_) = self.leaving
            && self.outstanding.is_empty()
        {
            self.hand_over(self.shared.topics.status(), Bytes::from_static(b"offline"), true, Purpose::Farewell);
            self.leaving = Leaving::SaidOffline;
        }
    }

    /// Returns when a failed outbox may be asked again.
    pub async fn outbox_may_be_asked_again(&self) {
        match self.outbox_rests_until {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
    }

    fn next_event(&mut self) -> Option<Pending> {
        let now = Instant::now();
        self.outbox_rests_until = self.outbox_rests_until.filter(|end| now < *end);
        if self.outbox_rests_until.is_some() || matches!(self.leaving, Leaving::Until(end) if now >= end) {
            return None;
        }
        if self.fetched.is_empty() {
            // What is younger is on disk, and the hub is about to be told: then it is known whether it is news.
            let newest = self.shared.freshness().newest();
            if self.cursor >= newest {
                return None;
            }
            match self.shared.outbox.pending(self.cursor, BATCH) {
                Ok(entries) => {
                    self.shared.outbox_well();
                    self.fetched.extend(entries.into_iter().filter(|entry| entry.seq <= newest));
                    self.cursor = self.fetched.back().map_or(newest, |last| last.seq);
                }
                Err(error) => {
                    self.shared.outbox_failed(&error);
                    self.outbox_rests_until = Some(now + OUTBOX_PAUSE);
                }
            }
        }
        self.fetched.pop_front()
    }

    fn hand_over_event(&mut self, entry: &Pending) {
        let late = self.shared.freshness().is_late(entry.seq, Instant::now());
        let topics = &self.shared.topics;
        if !late && let Some(settings) = &self.shared.settings.home_assistant {
            // Before the event itself: the broker acknowledges that one only after it has these.
            let door = home_assistant::door_event(entry).map(|(door, event)| (topics.door_event(door), event));
            let tag = home_assistant::tag(entry).filter(|_| settings.people == PeopleAs::Tag);
            for (topic, payload) in door.into_iter().chain(tag.map(|tag| (topics.tag(), tag))) {
                self.hand_over(topic, payload.to_string().into(), false, Purpose::Companion);
            }
        }
        let topic = if late { topics.replay(&entry.kind) } else { topics.event(&entry.kind) };
        let purpose = Purpose::Event { seq: entry.seq };
        if self.hand_over(topic, wire::event(entry, late).into(), false, purpose.clone()) {
            self.shared.counts.sent(late);
        } else {
            // It would be no better another time. The journal has it.
            self.shared.counts.dropped();
            self.outstanding.push_back(Sent { purpose, packet: None, acknowledged: true });
            self.retire();
        }
    }

    /// At most once: what is lost with the connection is not sent again.
    fn hand_over_snapshot(&mut self, snapshot: &Snapshot) {
        let topics = &self.shared.topics;
        let (picture, about) = (topics.snapshot(&snapshot.door), topics.snapshot_about(&snapshot.door));
        if !fits(picture.len() + snapshot.jpeg.len(), self.largest) {
            self.shared.counts.snapshots_dropped(1);
            return tracing::warn!(
                bytes = snapshot.jpeg.len(),
                "a snapshot is larger than the broker takes; lower [mqtt.snapshots] max_size"
            );
        }
        self.hand_over(about, snapshot.about(), false, Purpose::Snapshot);
        self.hand_over(picture, snapshot.jpeg.clone(), false, Purpose::Snapshot);
        self.shared.counts.snapshot_sent();
    }

    /// Hands a message to the client; `false` when it can never be sent.
    fn hand_over(&mut self, topic: String, payload: Bytes, retain: bool, purpose: Purpose) -> bool {
        if !fits(topic.len() + payload.len(), self.largest) {
            tracing::warn!(topic, "dropped: larger than the broker takes; raise its limit");
            return false;
        }
        if !self.client.publish(topic.clone(), payload, retain) {
            // There is always room, so it is the topic that the client does not like.
            tracing::warn!(topic, "dropped: a topic must not hold `+`, `#` or NUL");
            return false;
        }
        self.outstanding.push_back(Sent { purpose, packet: None, acknowledged: false });
        true
    }

    /// Takes note of what happened on the connection.
    pub fn hear(&mut self, heard: Heard) -> End {
        match heard {
            Heard::Written(packet) => self.written(packet),
            Heard::Acknowledged { packet, refusal } => self.acknowledged(packet, refusal),
            Heard::Message(message) => self.message(message),
            Heard::Subscribed { refused: Some(why) } => {
                tracing::warn!(
                    why,
                    "the broker refuses to tell: let this user read the topics that docs/mqtt.md names"
                );
            }
            Heard::Left => return End::Over,
            Heard::Accepted { .. } | Heard::Subscribed { refused: None } | Heard::Nothing => {}
        }
        End::NotYet
    }

    /// The client writes in the order in which it was told.
    fn written(&mut self, packet: u16) {
        if let Some(sent) = self.outstanding.iter_mut().find(|sent| sent.packet.is_none() && !sent.acknowledged) {
            sent.packet = Some(packet);
        }
    }

    fn acknowledged(&mut self, packet: u16, refusal: Option<String>) {
        let theirs = |sent: &&mut Sent| sent.packet == Some(packet) && !sent.acknowledged;
        let Some(sent) = self.outstanding.iter_mut().find(theirs) else { return };
        sent.acknowledged = true;
        if let Some(why) = refusal
            && self.shared.counts.refused() == 1
        {
            tracing::warn!(
                why,
                "the broker refuses messages: let this user write to the topics that docs/mqtt.md names"
            );
        }
        if sent.purpose == Purpose::Farewell && !self.client.leave() {
            tracing::debug!("no room to say goodbye");
        }
        self.retire();
    }

    /// Takes what is acknowledged off the front, so that the outbox is told of events in their order.
    fn retire(&mut self) {
        while self.outstanding.front().is_some_and(|sent| sent.acknowledged) {
            if let Some(Sent { purpose: Purpose::Event { seq }, .. }) = self.outstanding.pop_front() {
                self.unsettled.push(seq);
            }
        }
        let under_way = self.outstanding.iter().any(|sent| matches!(sent.purpose, Purpose::Event { .. }));
        if self.unsettled.len() >= BATCH || !under_way {
            self.settle();
        }
    }

    /// Has the outbox forget what was acknowledged.
    pub fn settle(&mut self) {
        if let Err(error) = self.shared.outbox.acknowledge(&self.unsettled) {
            self.shared.outbox_failed(&error);
        }
        self.unsettled.clear();
    }

    fn message(&mut self, message: Incoming) {
        let Some(announcement) = self.shared.announcement_topics() else {
            return self.shared.command(&message);
        };
        if message.topic == announcement.birth {
            if &message.payload[..] == b"online" && !message.retained {
                tracing::info!("Home Assistant has started; telling it everything again");
                self.shared.retained().all_unsent();
            }
        } else if message.topic == announcement.discovery {
            if message.retained {
                self.shared.learn(&message.payload);
            }
        } else {
            self.shared.command(&message);
        }
    }
}

/// Whether a broker that takes packets of at most `largest` bytes takes a message of so many.
fn fits(bytes: usize, largest: Option<u32>) -> bool {
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

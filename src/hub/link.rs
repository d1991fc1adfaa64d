//! A connection that the broker has accepted: what goes out on it, and what its answers mean.
//!
//! Knows nothing of connecting. What the broker has not acknowledged when a link ends is still on its list.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::time::{Duration, Instant, sleep_until};

use super::client::{Client, Heard, Incoming};
use super::failure::Failure;
use super::home_assistant::{self, PeopleAs};
use super::outbox::Pending;
use super::parcel::{Message, Purpose, Sent, fits};
use super::refusals::Lesson;
use super::shared::Shared;
use super::snapshot::Snapshot;
use super::wire;

/// How many messages are sent ahead of their acknowledgement.
pub const WINDOW: usize = 32;
/// How many a client needs room for, so that handing over never waits: the window, subscriptions and the farewell.
pub const ROOM: usize = WINDOW + 8;
/// How many events are read from the outbox at once, and how many acknowledged ones are taken off it at once.
const BATCH: usize = 64;
/// How long after a failure the outbox is asked again.
const OUTBOX_PAUSE: Duration = Duration::from_secs(5);
/// How long events are still sent after a stop was asked for; the others are sent another day.
const LEAVE_AFTER: Duration = Duration::from_secs(1);
/// A broker that answers pings and does not acknowledge a message within this time never will.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(60);
/// A message at which the broker hung up before is sent when the connection has lasted for so long.
const SETTLED_AFTER: Duration = Duration::from_secs(2);
/// How long what the broker kept of an earlier run is waited for, without an answer and after it.
const LEARN_WITHIN: Duration = Duration::from_secs(3);
const LEARN_AFTER_ANSWER: Duration = Duration::from_millis(500);

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
    since: Instant,
    /// The largest packet the broker takes, in bytes.
    largest: Option<u32>,
    /// Topics that are still to be asked for, one after the other.
    filters: VecDeque<String>,
    /// What goes out next.
    ready: VecDeque<Message>,
    /// In the order in which they were handed over; the first one is not acknowledged.
    outstanding: VecDeque<Sent>,
    /// Events that were read from the outbox and not handed over.
    fetched: VecDeque<Pending>,
    /// The number of the newest event that was read.
    cursor: u64,
    /// Acknowledged events that the outbox does not know of yet, in their order.
    unsettled: Vec<u64>,
    /// Topics that the broker has forgotten, which the list of them does not know of yet.
    cleared: Vec<String>,
    outbox_rests_until: Option<Instant>,
    /// Until then nothing is announced: what an earlier run announced may still come.
    learns_until: Option<Instant>,
    /// When a message at which the broker hung up before may be tried.
    tries_at: Option<Instant>,
    leaving: Leaving,
}

impl<'a> Link<'a> {
    /// Asks for what the device listens to, and has everything told again that the broker keeps, `online` among it.
    pub fn begin(shared: &'a Shared, client: Client, largest: Option<u32>) -> Link<'a> {
        let now = Instant::now();
        let mut link = Link {
            shared,
            client,
            since: now,
            largest,
            filters: VecDeque::new(),
            ready: VecDeque::new(),
            outstanding: VecDeque::new(),
            fetched: VecDeque::new(),
            cursor: 0,
            unsettled: Vec::new(),
            cleared: Vec::new(),
            outbox_rests_until: None,
            learns_until: shared.learns_first().then(|| now + LEARN_WITHIN),
            tries_at: None,
            leaving: Leaving::No,
        };
        shared.takes_packets_of(largest);
        // Before anything is published: an earlier run's announcement must be heard before it is replaced.
        link.filters = shared.subscriptions().into();
        if !shared.refusals().is_cautious() && !link.filters.is_empty() {
            let all = link.filters.drain(..).collect();
            link.subscribe(all, false);
        }
        shared.retained().all_unsent();
        link
    }

    /// Events may still go out for a moment; then the farewell.
    pub fn leave(&mut self) {
        self.leaving = Leaving::Until(Instant::now() + LEAVE_AFTER);
        self.filters.clear();
        self.learns_until = None;
    }

    /// Hands over as much as may be under way.
    pub fn feed(&mut self) {
        let now = Instant::now();
        self.tries_at = None;
        self.outbox_rests_until = self.outbox_rests_until.filter(|end| now < *end);
        if self.learns_until.is_some_and(|until| now >= until) {
            self.learns_until = None;
            self.shared.learned();
        }
        while self.leaving != Leaving::SaidOffline && self.outstanding.len() < WINDOW {
            if self.outstanding.iter().any(|sent| sent.alone && !sent.acknowledged) {
                break;
            }
            if let Some(filter) = self.filters.pop_front() {
                if self.may_go(&filter, 0, true, now) {
                    self.subscribe(vec![filter], true);
                    continue;
                }
                self.filters.push_front(filter);
                break;
            }
            let Some(message) = self.next_message() else { break };
            let alone = self.shared.refusals().goes_alone(&message.topic, message.bytes());
            if !self.may_go(&message.topic, message.bytes(), alone, now) {
                self.ready.push_front(message);
                break;
            }
            self.hand_over(message, alone);
        }
        if let Leaving::Until(_) = self.leaving
            && self.outstanding.is_empty()
        {
            let payload = Bytes::from_static(b"offline");
            let topic = self.shared.topics.status();
            self.hand_over(Message { topic, payload, retain: true, purpose: Purpose::Farewell }, false);
            self.leaving = Leaving::SaidOffline;
        }
    }

    /// Whether something may be sent now: what goes alone waits for all before it, and a suspect for a connection that lasts.
    fn may_go(&mut self, topic: &str, bytes: usize, alone: bool, now: Instant) -> bool {
        if self.shared.refusals().is_given_up(topic, bytes) || !alone {
            return true;
        }
        if !self.outstanding.is_empty() {
            return false;
        }
        let from = self.since + SETTLED_AFTER;
        if self.shared.refusals().is_suspect(topic) && now < from && self.leaving == Leaving::No {
            self.tries_at = Some(from);
            return false;
        }
        true
    }

    fn next_message(&mut self) -> Option<Message> {
        if let Some(message) = self.ready.pop_front() {
            return Some(message);
        }
        if let Some((topic, payload)) = self.next_retained() {
            let purpose = Purpose::Retained { clears: payload.is_empty() };
            return Some(Message { topic, payload, retain: true, purpose });
        }
        if let Some(snapshot) = self.shared.next_snapshot() {
            self.prepare_snapshot(&snapshot);
        } else if let Some(entry) = self.next_event() {
            self.prepare_event(&entry);
        }
        self.ready.pop_front()
    }

    fn next_retained(&mut self) -> Option<(String, Bytes)> {
        self.shared.note_footprint();
        let waits = self.learns_until.is_some();
        self.shared.retained().take_unsent(|topic| waits && self.shared.is_learned_about(topic))
    }

    /// Returns when there may be something to send without anything having happened, or a message to be given up.
    pub async fn time_is_up(&self) {
        let waiting = self.outstanding.iter().find(|sent| sent.is_awaited());
        let overdue = waiting.map(|sent| sent.at + ACKNOWLEDGED_WITHIN);
        match [self.outbox_rests_until, self.learns_until, self.tries_at, overdue].into_iter().flatten().min() {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
    }

    /// Whether the broker leaves a message unacknowledged for too long.
    pub fn is_stuck(&self) -> bool {
        let late = |sent: &Sent| sent.is_awaited() && sent.at.elapsed() >= ACKNOWLEDGED_WITHIN;
        self.outstanding.iter().any(late)
    }

    fn subscribe(&mut self, filters: Vec<String>, alone: bool) {
        let known: Vec<String> =
            filters.into_iter().filter(|filter| !self.shared.refusals().is_given_up(filter, 0)).collect();
        if known.is_empty() {
            return;
        }
        if !self.client.subscribe(&known) {
            return tracing::error!("the broker cannot be asked for commands: its client has no room");
        }
        let topic = known.join(", ");
        let purpose = Purpose::Subscription(known);
        self.outstanding.push_back(Sent {
            topic,
            bytes: 0,
            purpose,
            at: Instant::now(),
            alone,
            packet: None,
            acknowledged: false,
        });
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

    fn prepare_event(&mut self, entry: &Pending) {
        let late = self.shared.freshness().is_late(entry.seq, Instant::now());
        let topics = &self.shared.topics;
        if !late && let Some(settings) = &self.shared.settings.home_assistant {
            // Before the event itself: the broker acknowledges that one only after it has these.
            let door = home_assistant::door_event(entry).map(|(door, event)| (topics.door_event(door), event));
            let tag = home_assistant::tag(entry).filter(|_| settings.people == PeopleAs::Tag);
            for (topic, payload) in door.into_iter().chain(tag.map(|tag| (topics.tag(), tag))) {
                let payload = payload.to_string().into();
                self.ready.push_back(Message { topic, payload, retain: false, purpose: Purpose::Companion });
            }
        }
        let topic = if late { topics.replay(&entry.kind) } else { topics.event(&entry.kind) };
        let payload = wire::event(entry, late).into();
        let purpose = Purpose::Event { seq: entry.seq, late };
        self.ready.push_back(Message { topic, payload, retain: false, purpose });
    }

    /// At most once: what is lost with the connection is not sent again.
    fn prepare_snapshot(&mut self, snapshot: &Snapshot) {
        let topics = &self.shared.topics;
        let (picture, about) = (topics.snapshot(&snapshot.door), topics.snapshot_about(&snapshot.door));
        if !fits(picture.len() + snapshot.jpeg.len(), self.largest) {
            self.shared.counts.snapshots_dropped(1);
            return tracing::warn!(
                bytes = snapshot.jpeg.len(),
                "a snapshot is larger than the broker takes; lower [mqtt.snapshots] max_size"
            );
        }
        let purpose = Purpose::Snapshot;
        self.ready.push_back(Message {
            topic: about,
            payload: snapshot.about(),
            retain: false,
            purpose: purpose.clone(),
        });
        self.ready.push_back(Message { topic: picture, payload: snapshot.jpeg.clone(), retain: false, purpose });
        self.shared.counts.snapshot_sent();
    }

    /// Hands a message to the client, or gives it up when it can never be sent.
    fn hand_over(&mut self, message: Message, alone: bool) {
        let bytes = message.bytes();
        let Message { topic, payload, retain, purpose } = message;
        let lost = matches!(purpose, Purpose::Event { seq, .. } if self.shared.refusals().is_lost(seq));
        let refused = if !fits(bytes, self.largest) {
            Some(format!("larger than the broker takes, which is {} bytes", self.largest.unwrap_or_default()))
        } else if lost || self.shared.refusals().is_given_up(&topic, bytes) {
            Some("given up: the broker ended the connection when it was sent before".to_owned())
        } else if !self.client.publish(topic.clone(), payload, retain) {
            // There is always room, so it is the topic that the client does not like.
            Some("a topic must not hold `+`, `#` or NUL".to_owned())
        } else {
            None
        };
        let acknowledged = refused.is_some();
        if acknowledged && purpose == Purpose::Farewell {
            self.say_goodbye();
        }
        match (refused, &purpose) {
            // It would be no better another time. The journal has it.
            (Some(reason), purpose) => {
                if matches!(purpose, Purpose::Event { .. }) {
                    self.shared.counts.dropped();
                }
                // What was found to be the cause is named already, perhaps by another topic.
                if !lost {
                    self.shared.refused(&topic, bytes, &reason);
                }
            }
            (None, Purpose::Event { late, .. }) => self.shared.counts.sent(*late),
            (None, _) => {}
        }
        self.outstanding.push_back(Sent {
            topic,
            bytes,
            purpose,
            at: Instant::now(),
            alone,
            packet: None,
            acknowledged,
        });
        if acknowledged {
            self.retire();
        }
    }

    /// Takes note of what happened on the connection.
    pub fn hear(&mut self, heard: Heard) -> End {
        match heard {
            Heard::Written(packet) => self.written(packet),
            Heard::Acknowledged { packet, refusal } => self.acknowledged(packet, refusal),
            Heard::Message(message) => self.message(message),
            Heard::Subscribed { refused } => self.subscribed(refused),
            Heard::Left => return End::Over,
            Heard::Accepted { .. } | Heard::Nothing => {}
        }
        End::NotYet
    }

    /// The client writes in the order in which it was told.
    fn written(&mut self, packet: u16) {
        let next = |sent: &&mut Sent| sent.packet.is_none() && !sent.acknowledged && !sent.is_subscription();
        if let Some(sent) = self.outstanding.iter_mut().find(next) {
            sent.packet = Some(packet);
            sent.at = Instant::now();
        }
    }

    fn subscribed(&mut self, refused: Option<String>) {
        if let Some(sent) = self.outstanding.iter_mut().find(|sent| sent.is_subscription() && !sent.acknowledged) {
            sent.acknowledged = true;
            match &refused {
                Some(why) => self.shared.refused(
                    &sent.topic,
                    0,
                    &format!("the broker does not let this user read it: {why}; docs/mqtt.md names what usher reads"),
                ),
                None => self.shared.refusals().accepted(&sent.topic, 0),
            }
        }
        if self.filters.is_empty() {
            self.learns_until = self.learns_until.map(|until| until.min(Instant::now() + LEARN_AFTER_ANSWER));
        }
        self.retire();
    }

    fn acknowledged(&mut self, packet: u16, refusal: Option<String>) {
        let theirs = |sent: &&mut Sent| sent.packet == Some(packet) && !sent.acknowledged;
        let Some(sent) = self.outstanding.iter_mut().find(theirs) else { return };
        sent.acknowledged = true;
        let (topic, bytes) = (sent.topic.clone(), sent.bytes);
        match (refusal, &sent.purpose) {
            (Some(why), _) => {
                self.shared.refused(
                    &topic,
                    bytes,
                    &format!("the broker does not take it: {why}; check what it lets this user write"),
                );
            }
            (None, Purpose::Retained { clears: true }) => self.cleared.push(topic.clone()),
            (None, _) => {}
        }
        // Refused or not: it ends no connection.
        self.shared.refusals().accepted(&topic, bytes);
        if sent.purpose == Purpose::Farewell {
            self.say_goodbye();
        }
        self.retire();
    }

    fn say_goodbye(&self) {
        if !self.client.leave() {
            tracing::debug!("no room to say goodbye");
        }
    }

    /// Takes what is acknowledged off the front, so that the outbox is told of events in their order.
    fn retire(&mut self) {
        while self.outstanding.front().is_some_and(|sent| sent.acknowledged) {
            if let Some(Sent { purpose: Purpose::Event { seq, .. }, .. }) = self.outstanding.pop_front() {
                self.unsettled.push(seq);
            }
        }
        let under_way = self.outstanding.iter().any(|sent| matches!(sent.purpose, Purpose::Event { .. }));
        if self.unsettled.len() >= BATCH || !under_way {
            self.settle();
        }
        if self.cleared.len() >= BATCH || self.outstanding.is_empty() {
            self.shared.cleared(std::mem::take(&mut self.cleared));
        }
    }

    /// Has the outbox forget what was acknowledged.
    fn settle(&mut self) {
        if let Err(error) = self.shared.outbox.acknowledge(&self.unsettled) {
            self.shared.outbox_failed(&error);
        }
        self.unsettled.clear();
    }

    /// The connection is over: writes down what was acknowledged, and learns what ended it. `true` when the next connection is worth an early try.
    pub fn over(&mut self, failure: Option<&Failure>) -> bool {
        self.settle();
        self.shared.cleared(std::mem::take(&mut self.cleared));
        let Some(failure) = failure else { return false };
        if *failure == Failure::TooLarge {
            self.shared.stops_listening();
            return true;
        }
        let mut under_way = Vec::new();
        for sent in self.outstanding.iter().filter(|sent| !sent.acknowledged) {
            match &sent.purpose {
                Purpose::Subscription(filters) => under_way.extend(filters.iter().map(|filter| (filter.clone(), 0))),
                _ => under_way.push((sent.topic.clone(), sent.bytes)),
            }
        }
        let lesson = self.shared.refusals().ended(&under_way, failure.blame());
        match lesson {
            Lesson::Nothing => false,
            Lesson::GoOn => true,
            Lesson::Cause(topic, bytes) => {
                let cause = self.outstanding.iter().find(|sent| !sent.acknowledged && sent.topic == topic);
                if let Some(Purpose::Event { seq, .. }) = cause.map(|sent| &sent.purpose) {
                    self.shared.refusals().lose(*seq);
                }
                self.shared.gave_up(&topic, bytes, &failure.while_online());
                true
            }
        }
    }

    fn message(&mut self, message: Incoming) {
        if message.retained && self.shared.is_status_of_another(&message) {
            return;
        }
        let Some(announcement) = self.shared.announcement_topics() else {
            return self.shared.command(&message);
        };
        if message.topic == announcement.birth {
            if &message.payload[..] == b"online" && !message.retained {
                tracing::info!("Home Assistant has started; telling it everything again");
                self.shared.retained().all_unsent();
            }
        } else if announcement.is_discovery(&message.topic) {
            if message.retained {
                self.shared.learn(&message.topic, &message.payload);
            }
        } else {
            self.shared.command(&message);
        }
    }
}

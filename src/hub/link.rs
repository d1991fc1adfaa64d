//! A connection that the broker has accepted: what is sent on it, and what its answers mean. What the broker has not acknowledged when it ends is sent
//! again on the next one.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::time::{Duration, Instant, sleep_until};

use super::client::{Client, ClientEvent};
use super::failure::BrokerFailure;
use super::home_assistant::{self, PeopleAs};
use super::message::{Message, Purpose, Sent, fits};
use super::refusals::Lesson;
use super::snapshot::Snapshot;
use super::task::Task;
use super::wire;
use crate::domain::Recorded;

/// The most messages that are sent ahead of their acknowledgement.
pub const WINDOW: usize = 32;
/// The room that the client needs so that sending never blocks: for the window, subscriptions and the farewell.
pub const ROOM: usize = WINDOW + 8;
/// How many events are read from the outbox at once, and removed from it at once.
const BATCH: usize = 64;
/// The pause after the outbox could not be read.
const OUTBOX_PAUSE: Duration = Duration::from_secs(5);
/// How long events are still sent after a stop was requested. The others are sent after the next start.
const LEAVE_AFTER: Duration = Duration::from_secs(1);
/// A broker that answers pings but does not acknowledge a message within this time never will.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(60);
/// A message at which the broker hung up before is sent only after the connection has lasted this long.
const SETTLED_AFTER: Duration = Duration::from_secs(2);
/// How long to wait for retained messages: in all, and after the answer to the subscription.
const LEARN_WITHIN: Duration = Duration::from_secs(3);
const LEARN_AFTER_ANSWER: Duration = Duration::from_millis(500);

/// Whether a link has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    NotYet,
    Over,
}

/// The progress of an orderly end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    /// Events are still sent until then.
    Until(Instant),
    /// Nothing else is sent; only the acknowledgement is pending.
    SaidOffline,
}

/// A connection that the broker has accepted.
pub struct Link<'a> {
    pub task: &'a mut Task,
    client: Client,
    since: Instant,
    /// The largest packet that the broker accepts, in bytes.
    largest: Option<u32>,
    /// Topics that are still to be subscribed to, one after the other.
    filters: VecDeque<String>,
    /// What is sent next.
    ready: VecDeque<Message>,
    /// Messages in the order in which they were sent; the first one is not acknowledged.
    outstanding: VecDeque<Sent>,
    /// Events that were read from the outbox and not sent yet.
    fetched: VecDeque<Recorded>,
    /// The number of the newest event that was read.
    cursor: u64,
    /// Acknowledged events that are still in the outbox, in ascending order.
    unsettled: Vec<u64>,
    /// Cleared topics that are still on the list of retained topics.
    cleared: Vec<String>,
    outbox_rests_until: Option<Instant>,
    /// Until then nothing is announced, because an earlier run's announcement may still arrive.
    learns_until: Option<Instant>,
    /// When a message at which the broker hung up before may be tried.
    tries_at: Option<Instant>,
    leaving: Leaving,
}

impl<'a> Link<'a> {
    /// Subscribes, and marks all retained messages to be sent again, `online` among them.
    pub fn begin(task: &'a mut Task, client: Client, largest: Option<u32>) -> Link<'a> {
        let now = Instant::now();
        let learns_until = task.reads_retained_first().then(|| now + LEARN_WITHIN);
        let mut link = Link {
            task,
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
            learns_until,
            tries_at: None,
            leaving: Leaving::No,
        };
        if let Some(largest) = largest {
            link.task.shared.outgoing().limit_announcement(largest as usize);
        }
        // Before anything is published: an earlier run's announcement must be read before it is replaced.
        link.filters = link.task.subscriptions().into();
        if !link.task.refusals.is_cautious() && !link.filters.is_empty() {
            let all = link.filters.drain(..).collect();
            link.subscribe(all, false);
        }
        link.task.shared.outgoing().all_unsent();
        link
    }

    /// Begins the orderly end: events are sent for a moment longer, then the farewell.
    pub fn leave(&mut self) {
        self.leaving = Leaving::Until(Instant::now() + LEAVE_AFTER);
        self.filters.clear();
        self.learns_until = None;
    }

    /// Sends as much as may be under way.
    pub fn feed(&mut self) {
        let now = Instant::now();
        self.tries_at = None;
        self.outbox_rests_until = self.outbox_rests_until.filter(|end| now < *end);
        if self.learns_until.is_some_and(|until| now >= until) {
            self.learns_until = None;
            self.task.retained_messages_read();
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
            let alone = self.task.refusals.goes_alone(&message.topic, message.bytes());
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
            let topic = self.task.topics.status();
            self.hand_over(Message { topic, payload, retain: true, purpose: Purpose::Farewell }, false);
            self.leaving = Leaving::SaidOffline;
        }
    }

    /// Whether something may be sent now. A message to be sent alone waits for all before it, and a suspect for a connection that has lasted.
    fn may_go(&mut self, topic: &str, bytes: usize, alone: bool, now: Instant) -> bool {
        if self.task.refusals.is_given_up(topic, bytes) || !alone {
            return true;
        }
        if !self.outstanding.is_empty() {
            return false;
        }
        let from = self.since + SETTLED_AFTER;
        if self.task.refusals.is_suspect(topic) && now < from && self.leaving == Leaving::No {
            self.tries_at = Some(from);
            return false;
        }
        true
    }

    fn next_message(&mut self) -> Option<Message> {
        if let Some(message) = self.ready.pop_front() {
            return Some(message);
        }
        // Before all others: somebody waits for it.
        let asked = self.task.shared.outgoing().prompts.take_unsent();
        if let Some((door, prompt)) = asked {
            let (topic, payload) = (self.task.topics.prompt(&door), wire::prompt(prompt).into());
            return Some(Message { topic, payload, retain: false, purpose: Purpose::Prompt });
        }
        if let Some((topic, payload)) = self.next_retained() {
            let purpose = Purpose::Retained { clears: payload.is_empty() };
            return Some(Message { topic, payload, retain: true, purpose });
        }
        let (snapshot, stale) = self.task.shared.outgoing().next_snapshot();
        self.task.shared.counts.snapshots_dropped.add(stale);
        if let Some(snapshot) = snapshot {
            self.prepare_snapshot(&snapshot);
        } else if let Some(entry) = self.next_event() {
            self.prepare_event(&entry);
        }
        self.ready.pop_front()
    }

    fn next_retained(&mut self) -> Option<(String, Bytes)> {
        self.task.note_unsent_topics();
        let waits = self.learns_until.is_some();
        let task = &self.task;
        task.shared.outgoing().next_retained(|topic| waits && task.is_announcement(topic))
    }

    /// Returns when it is time to send something, or to give up waiting for an acknowledgement.
    pub async fn time_is_up(&self) {
        let waiting = self.outstanding.iter().find(|sent| sent.is_awaited());
        let overdue = waiting.map(|sent| sent.at + ACKNOWLEDGED_WITHIN);
        match [self.outbox_rests_until, self.learns_until, self.tries_at, overdue].into_iter().flatten().min() {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
    }

    /// Whether a message has been unacknowledged for too long.
    pub fn is_stuck(&self) -> bool {
        let late = |sent: &Sent| sent.is_awaited() && sent.at.elapsed() >= ACKNOWLEDGED_WITHIN;
        self.outstanding.iter().any(late)
    }

    fn subscribe(&mut self, filters: Vec<String>, alone: bool) {
        let known: Vec<String> =
            filters.into_iter().filter(|filter| !self.task.refusals.is_given_up(filter, 0)).collect();
        if known.is_empty() {
            return;
        }
        if !self.client.subscribe(&known) {
            return tracing::error!("cannot subscribe: the client has no room");
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

    fn next_event(&mut self) -> Option<Recorded> {
        let now = Instant::now();
        self.outbox_rests_until = self.outbox_rests_until.filter(|end| now < *end);
        if self.outbox_rests_until.is_some() || matches!(self.leaving, Leaving::Until(end) if now >= end) {
            return None;
        }
        if self.fetched.is_empty() {
            // A newer event is on disk and about to be reported to the hub; only then is it known whether it is late.
            let newest = self.task.shared.outgoing().freshness.newest();
            if self.cursor >= newest {
                return None;
            }
            match self.task.pending(self.cursor, BATCH) {
                Some(entries) => {
                    self.fetched.extend(entries.into_iter().filter(|entry| entry.seq <= newest));
                    self.cursor = self.fetched.back().map_or(newest, |last| last.seq);
                }
                None => self.outbox_rests_until = Some(now + OUTBOX_PAUSE),
            }
        }
        self.fetched.pop_front()
    }

    fn prepare_event(&mut self, entry: &Recorded) {
        let late = self.task.shared.outgoing().freshness.is_late(entry.seq, Instant::now());
        let topics = &self.task.topics;
        if !late && let Some(settings) = &self.task.settings.home_assistant {
            // Before the event itself, which the broker acknowledges only after these.
            let door = home_assistant::door_event(entry, settings.nearest)
                .map(|(door, event)| (topics.door_event(door), event));
            let tag = home_assistant::tag(entry).filter(|_| settings.people == PeopleAs::Tag);
            for (topic, payload) in door.into_iter().chain(tag.map(|tag| (topics.tag(), tag))) {
                let payload = payload.to_string().into();
                self.ready.push_back(Message { topic, payload, retain: false, purpose: Purpose::Companion });
            }
        }
        if self.task.is_duress(entry) {
            let (topic, payload) = (topics.duress(), wire::duress(entry, late).into());
            self.ready.push_back(Message { topic, payload, retain: false, purpose: Purpose::Companion });
        }
        let topic = if late { topics.replay(&entry.kind) } else { topics.event(&entry.kind) };
        let payload = wire::event(entry, late).into();
        let purpose = Purpose::Event { seq: entry.seq, late };
        self.ready.push_back(Message { topic, payload, retain: false, purpose });
    }

    /// Prepares a snapshot, which is sent once: one that is lost with the connection is not sent again.
    fn prepare_snapshot(&mut self, snapshot: &Snapshot) {
        let topics = &self.task.topics;
        let (picture, about) = (topics.snapshot(&snapshot.door), topics.snapshot_about(&snapshot.door));
        if !fits(picture.len() + snapshot.jpeg.len(), self.largest) {
            self.task.shared.counts.snapshots_dropped.increment();
            return tracing::warn!(
                bytes = snapshot.jpeg.len(),
                "a snapshot is larger than the broker accepts; lower [mqtt.snapshots] max_size"
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
        self.task.shared.counts.snapshots.increment();
    }

    /// Hands a message to the client, or gives it up if it can never be sent.
    fn hand_over(&mut self, message: Message, alone: bool) {
        let bytes = message.bytes();
        let Message { topic, payload, retain, purpose } = message;
        let lost = matches!(purpose, Purpose::Event { seq, .. } if self.task.refusals.is_lost(seq));
        let refused = if !fits(bytes, self.largest) {
            Some(format!("larger than the broker accepts, which is {} bytes", self.largest.unwrap_or_default()))
        } else if lost || self.task.refusals.is_given_up(&topic, bytes) {
            Some("given up: the broker ended the connection when it was sent before".to_owned())
        } else if !self.client.publish(topic.clone(), payload, retain) {
            // There is always room, so the topic is at fault.
            Some("a topic must not hold `+`, `#` or NUL".to_owned())
        } else {
            None
        };
        let acknowledged = refused.is_some();
        if acknowledged && purpose == Purpose::Farewell {
            self.disconnect();
        }
        match (refused, &purpose) {
            // It would fail again. The journal has it.
            (Some(reason), purpose) => {
                if matches!(purpose, Purpose::Event { .. }) {
                    self.task.shared.counts.dropped.increment();
                }
                // A message that was found to be the cause is already reported, perhaps by another topic.
                if !lost {
                    self.task.refused(&topic, bytes, &reason);
                }
            }
            (None, Purpose::Event { late: true, .. }) => drop(self.task.shared.counts.replayed.increment()),
            (None, Purpose::Event { late: false, .. }) => drop(self.task.shared.counts.live.increment()),
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

    /// Handles an event of the connection.
    pub fn handle(&mut self, event: ClientEvent) -> End {
        match event {
            ClientEvent::Written(packet) => self.written(packet),
            ClientEvent::Acknowledged { packet, refusal } => self.acknowledged(packet, refusal),
            ClientEvent::Message(message) => self.task.message(&message),
            ClientEvent::Subscribed { refused } => self.subscribed(refused),
            ClientEvent::Disconnected => return End::Over,
            ClientEvent::Accepted { .. } | ClientEvent::Other => {}
        }
        End::NotYet
    }

    /// The client writes messages in the order in which it was given them.
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
                Some(why) => self.task.refused(
                    &sent.topic,
                    0,
                    &format!("the broker does not let this user read it: {why}; docs/mqtt.md names what usher reads"),
                ),
                None => self.task.refusals.accepted(&sent.topic, 0),
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
                self.task.refused(
                    &topic,
                    bytes,
                    &format!("the broker does not accept it: {why}; check what it lets this user write"),
                );
            }
            (None, Purpose::Retained { clears: true }) => self.cleared.push(topic.clone()),
            (None, _) => {}
        }
        // Refused or not, it does not end the connection.
        self.task.refusals.accepted(&topic, bytes);
        if sent.purpose == Purpose::Farewell {
            self.disconnect();
        }
        self.retire();
    }

    fn disconnect(&self) {
        if !self.client.disconnect() {
            tracing::debug!("no room to disconnect");
        }
    }

    /// Removes acknowledged messages from the front, so that events leave the outbox in their order.
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
            self.task.cleared(std::mem::take(&mut self.cleared));
        }
    }

    /// Removes acknowledged events from the outbox.
    fn settle(&mut self) {
        self.task.acknowledge(&self.unsettled);
        self.unsettled.clear();
    }

    /// Ends the link: stores what was acknowledged, and learns from `failure`. `true` if the next connection should be tried soon.
    pub fn over(&mut self, failure: Option<&BrokerFailure>) -> bool {
        self.settle();
        self.task.cleared(std::mem::take(&mut self.cleared));
        let Some(failure) = failure else { return false };
        if *failure == BrokerFailure::TooLarge {
            self.task.pause_subscriptions();
            return true;
        }
        let mut under_way = Vec::new();
        for sent in self.outstanding.iter().filter(|sent| !sent.acknowledged) {
            match &sent.purpose {
                Purpose::Subscription(filters) => under_way.extend(filters.iter().map(|filter| (filter.clone(), 0))),
                _ => under_way.push((sent.topic.clone(), sent.bytes)),
            }
        }
        let lesson = self.task.refusals.ended(&under_way, failure.blame());
        match lesson {
            Lesson::Nothing => false,
            Lesson::TrySoon => true,
            Lesson::Cause(topic, bytes) => {
                let cause = self.outstanding.iter().find(|sent| !sent.acknowledged && sent.topic == topic);
                if let Some(Purpose::Event { seq, .. }) = cause.map(|sent| &sent.purpose) {
                    self.task.refusals.lose(*seq);
                }
                self.task.gave_up(&topic, bytes, &failure.while_online());
                true
            }
        }
    }
}

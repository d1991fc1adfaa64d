//! What the hub's task keeps over its connections: what the broker refuses, which commands it has seen, what it retains.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Duration, Instant};

use super::client::Incoming;
use super::entries::Entries;
use super::intake::Intake;
use super::outbox::Outbox;
use super::outbox::StorageError;
use super::refusals::{MessageRefusal, Refusals};
use super::retained_topics::TopicKeeper;
use super::settings::HubSettings;
use super::shared::Shared;
use super::wire::Topics;
use crate::domain::Recorded;

/// How long nothing is subscribed to after a message that is too large to be read.
const PAUSE_AFTER_TOO_LARGE: Duration = Duration::from_secs(600);
/// The kind of the records about refused messages.
const REFUSED: &str = "hub_message_refused";

/// The state of the task.
pub struct Task {
    pub settings: HubSettings,
    pub topics: Topics,
    pub shared: Arc<Shared>,
    pub refusals: Refusals,
    outbox: Arc<dyn Outbox>,
    outbox_failing: bool,
    keeper: TopicKeeper,
    inbound: Inbound,
    /// Takes the first refusal of each topic.
    refused: mpsc::Sender<MessageRefusal>,
    paused_until: Option<Instant>,
}

/// What is taken from the broker.
pub struct Inbound {
    /// `None` accepts no commands.
    pub intake: Option<Intake>,
    /// `None` accepts no PINs and tags.
    pub entries: Option<Entries>,
}

impl Task {
    /// Nothing sent yet.
    pub fn new(
        settings: HubSettings,
        topics: Topics,
        shared: Arc<Shared>,
        outbox: Arc<dyn Outbox>,
        keeper: TopicKeeper,
        inbound: Inbound,
        refused: mpsc::Sender<MessageRefusal>,
    ) -> Task {
        Task {
            settings,
            topics,
            shared,
            refusals: Refusals::default(),
            outbox,
            outbox_failing: false,
            keeper,
            inbound,
            refused,
            paused_until: None,
        }
    }

    /// Whether a connection begins with reading what the broker retains.
    pub fn reads_retained_first(&self) -> bool {
        self.settings.home_assistant.is_some() || self.keeper.has_former_names()
    }

    /// Whether a topic is a piece of this device's announcement for Home Assistant.
    pub fn is_announcement(&self, topic: &str) -> bool {
        let settings = self.settings.home_assistant.as_ref();
        settings.is_some_and(|settings| settings.piece(topic, &self.settings.device).is_some())
    }

    /// All retained messages have arrived: clears what an earlier run left.
    pub fn retained_messages_read(&mut self) {
        self.shared.outgoing().settle_announcement();
        self.keeper.settle(&mut self.shared.outgoing());
        self.shared.work.notify_one();
    }

    /// Adds the topics that are about to be published to the list of retained topics.
    pub fn note_unsent_topics(&mut self) {
        self.keeper.note_unsent(&self.shared.outgoing());
    }

    /// The broker has cleared these topics.
    pub fn cleared(&mut self, topics: Vec<String>) {
        if !topics.is_empty() {
            self.keeper.cleared(topics, &mut self.shared.outgoing());
        }
    }

    /// Events of the outbox after number `after`, at most `limit`. `None` if it cannot be read; that is logged once.
    pub fn pending(&mut self, after: u64, limit: usize) -> Option<Vec<Recorded>> {
        match self.outbox.pending(after, limit) {
            Ok(entries) => {
                self.outbox_failing = false;
                Some(entries)
            }
            Err(error) => {
                self.outbox_failed(&error);
                None
            }
        }
    }

    /// Whether an event says that somebody is under duress.
    pub fn is_duress(&self, entry: &Recorded) -> bool {
        self.outbox.is_duress(entry)
    }

    /// Removes events from the outbox, in ascending order, because the broker has acknowledged them.
    pub fn acknowledge(&mut self, seqs: &[u64]) {
        if let Err(error) = self.outbox.acknowledge(seqs) {
            self.outbox_failed(&error);
        }
    }

    fn outbox_failed(&mut self, error: &StorageError) {
        if !std::mem::replace(&mut self.outbox_failing, true) {
            tracing::error!(%error, "the outbox cannot be used; events wait on disk");
        }
    }

    /// The broker does not accept a message, or does not let this device read a topic.
    pub fn refused(&mut self, topic: &str, bytes: usize, reason: &str) {
        self.shared.counts.refused.increment();
        if topic == self.topics.duress() {
            // Its name in the log, the status or a record would tell that there was an alarm.
            return;
        }
        let Some(refusal) = self.shared.refusals().add(topic, bytes, reason) else { return };
        tracing::warn!(topic, bytes, reason, "the broker refuses a message; others of this topic are only counted");
        // A refused record about a refusal would be the next refusal.
        if topic != self.topics.event(REFUSED) && topic != self.topics.replay(REFUSED) {
            // If the queue is full, the refusal is only logged and counted.
            drop(self.refused.try_send(refusal));
        }
    }

    /// A message ended connections and is no longer sent.
    pub fn gave_up(&mut self, topic: &str, bytes: usize, why: &str) {
        self.refused(topic, bytes, &format!("given up: it ended the connection: {why}"));
        if self.is_announcement(topic) {
            // Half the size may be accepted.
            self.shared.outgoing().limit_announcement(bytes / 2);
        }
    }

    /// A message arrived that is too large to be read. Subscriptions pause, or it would arrive again at once.
    pub fn pause_subscriptions(&mut self) {
        let topics = self.subscriptions().join(", ");
        self.paused_until = Some(Instant::now() + PAUSE_AFTER_TOO_LARGE);
        let minutes = PAUSE_AFTER_TOO_LARGE.as_secs() / 60;
        self.refused(
            &topics,
            0,
            &format!(
                "one of these topics has a message that is too large to be read; none is subscribed to for {minutes} minutes. Clear \
                 the message if it is retained"
            ),
        );
    }

    /// Whether nothing is subscribed to for now.
    pub fn is_paused(&self) -> bool {
        self.paused_until.is_some_and(|until| Instant::now() < until)
    }

    /// The topics to subscribe to.
    pub fn subscriptions(&self) -> Vec<String> {
        if self.is_paused() {
            return Vec::new();
        }
        let commands = self.inbound.intake.as_ref().map(|_| format!("{}/+", self.topics.commands()));
        let entries = self.inbound.entries.as_ref().map(Entries::filters);
        let commands = commands.into_iter().chain(entries.into_iter().flatten());
        let announcement = self.settings.home_assistant.as_ref().map(|settings| {
            let [first, more] = settings.discovery_filters(&self.settings.device);
            [settings.birth_topic(), first, more]
        });
        let former = self.keeper.former_status_topics();
        commands.chain(announcement.into_iter().flatten()).chain(former).collect()
    }

    /// Handles a message on one of [`Task::subscriptions`].
    pub fn message(&mut self, message: &Incoming) {
        if message.retained && self.keeper.is_status_of_another(message) {
            return;
        }
        let birth = self.settings.home_assistant.as_ref().map(|settings| settings.birth_topic());
        if birth.as_ref() == Some(&message.topic) {
            if &message.payload[..] == b"online" && !message.retained {
                tracing::info!("Home Assistant has started; publishing everything again");
                self.shared.outgoing().all_unsent();
            }
        } else if self.is_announcement(&message.topic) {
            if message.retained {
                self.shared.update(|outgoing| outgoing.learn_piece(&message.topic, &message.payload));
            }
        } else {
            let (shared, inbound) = (&self.shared, &mut self.inbound);
            let entered = inbound.entries.as_mut().is_some_and(|entries| entries.take(message, &shared.counts));
            if let Some(intake) = inbound.intake.as_mut().filter(|_| !entered) {
                intake.take(message, &shared.counts, |door| shared.outgoing().is_locked_down(door));
            }
        }
    }
}

//! What the hub and its task share.
//!
//! Knows nothing of connections. No lock is held while another is taken, and none while something is awaited.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Duration, Instant};

use super::client::Incoming;
use super::command::{self, HubCommand, Limiter, Pace};
use super::counters::Counters;
use super::footprint::Footprint;
use super::freshness::Freshness;
use super::home_assistant::{Announcement, HomeAssistantSettings, PeopleAs};
use super::outbox::Outbox;
use super::portrait::{DoorState, Portrait, Vitals};
use super::refusals::{Refusal, Refusals};
use super::repeats::Repeats;
use super::retained::Retained;
use super::snapshot::{Snapshot, Snapshots};
use super::wire::Topics;
use super::{HubSettings, Means, State};
use crate::clock::Clock;

/// How long nothing is listened to after a message came that is too large to be taken in.
const DEAF_FOR: Duration = Duration::from_secs(600);

/// The kind of record that says that a message was refused.
const REFUSED: &str = "hub_message_refused";

/// What the hub and its task share.
pub struct Shared {
    pub settings: HubSettings,
    pub topics: Topics,
    pub outbox: Arc<dyn Outbox>,
    pub state: watch::Sender<State>,
    /// Something waits to be sent.
    pub work: Notify,
    pub counts: Counters,
    clock: Arc<dyn Clock>,
    doors: Vec<String>,
    freshness: Mutex<Freshness>,
    retained: Mutex<Retained>,
    snapshots: Mutex<Snapshots>,
    portrait: Mutex<Portrait>,
    announcement: Mutex<Option<Announcement>>,
    limiter: Mutex<Limiter>,
    repeats: Mutex<Repeats>,
    commands: mpsc::Sender<HubCommand>,
    outbox_fails: AtomicBool,
    refusals: Mutex<Refusals>,
    refused: mpsc::Sender<Refusal>,
    footprint: Arc<dyn Footprint>,
    footprint_fails: AtomicBool,
    /// What the footprint has.
    told: Mutex<BTreeSet<String>>,
    strangers: Mutex<Strangers>,
    deaf_until: Mutex<Option<Instant>>,
}

/// What was told under a former name of this device: topics by their base, until it is known whether another device has the name now.
#[derive(Default)]
struct Strangers {
    topics: BTreeMap<String, Vec<String>>,
    /// Bases of devices that are there.
    alive: BTreeSet<String>,
}

/// Topics that mean something else than a command.
pub struct AnnouncementTopics<'a> {
    pub birth: String,
    settings: &'a HomeAssistantSettings,
    device: &'a str,
}

impl AnnouncementTopics<'_> {
    /// Whether a topic is of this device's announcement.
    pub fn is_discovery(&self, topic: &str) -> bool {
        self.settings.piece(topic, self.device).is_some()
    }
}

impl Shared {
    /// With nothing sent yet.
    pub fn new(settings: HubSettings, means: Means, commands: mpsc::Sender<HubCommand>) -> Shared {
        let Means { premises, outbox, earlier, clock, footprint, refused } = means;
        let topics = Topics::new(&settings.prefix, &settings.device);
        let announcement = settings.home_assistant.as_ref().map(|home_assistant| {
            Announcement::new(home_assistant.clone(), &settings, topics.clone(), premises.clone())
        });
        let per_minute = settings.commands.as_ref().map_or(0, |commands| commands.per_minute);
        let shared = Shared {
            topics,
            outbox,
            state: watch::Sender::new(State::Connecting),
            work: Notify::new(),
            counts: Counters::default(),
            clock,
            doors: premises.doors.iter().map(|door| door.name.clone()).collect(),
            freshness: Mutex::new(Freshness::new(earlier)),
            retained: Mutex::default(),
            snapshots: Mutex::default(),
            portrait: Mutex::new(Portrait::new(&premises)),
            announcement: Mutex::new(announcement),
            limiter: Mutex::new(Limiter::new(per_minute, Instant::now())),
            repeats: Mutex::default(),
            commands,
            outbox_fails: AtomicBool::new(false),
            refusals: Mutex::default(),
            refused,
            footprint,
            footprint_fails: AtomicBool::new(false),
            told: Mutex::default(),
            strangers: Mutex::default(),
            deaf_until: Mutex::default(),
            settings,
        };
        // Sent anew with each connection; the farewell and the last will take it back.
        shared.retained().set(&shared.topics.status(), "online");
        shared.show();
        shared.show_people();
        shared.look_back();
        shared.announce();
        shared
    }

    /// Has the broker forget what an earlier run told it and this one does not.
    fn look_back(&self) {
        let earlier = match self.footprint.topics() {
            Ok(earlier) => earlier,
            Err(error) => return self.footprint_failed(&error),
        };
        locked(&self.told).extend(earlier.keys().cloned());
        for (topic, base) in earlier {
            if base != self.topics.base() {
                locked(&self.strangers).topics.entry(base).or_default().push(topic);
                continue;
            }
            // The announcement keeps to its pieces, or gives them up.
            let is_piece = locked(&self.announcement).as_mut().is_some_and(|announcement| announcement.expect(&topic));
            if !is_piece && !self.retained().holds(&topic) {
                self.retained().set(&topic, "");
            }
        }
    }

    /// A record of the journal is on disk.
    pub fn happened(&self, seq: u64, kind: &str, time: &str, content: &Value) {
        locked(&self.freshness).happened(seq, Instant::now());
        locked(&self.portrait).draw(kind, time, content);
        self.show();
        if matches!(kind, "passed" | "amnesty" | "enrolled" | "renamed" | "removed") {
            self.show_people();
        }
        if matches!(kind, "enrolled" | "renamed" | "removed") {
            self.announce();
        }
        self.work.notify_one();
    }

    /// Doors as they are now.
    pub fn doors(&self, doors: Vec<DoorState>) {
        {
            let mut portrait = locked(&self.portrait);
            doors.into_iter().for_each(|door| portrait.place(door));
        }
        self.show();
        self.work.notify_one();
    }

    /// A person was erased from the records.
    pub fn forget(&self, person: u32) {
        locked(&self.portrait).forget(person);
        self.show();
        self.work.notify_one();
    }

    /// New measurements.
    pub fn measured(&self, vitals: Vitals) {
        locked(&self.portrait).measure(vitals);
        self.show();
        self.work.notify_one();
    }

    /// A picture to be sent at once or never.
    pub fn shows(&self, snapshot: Snapshot) {
        let online = *self.state.borrow() == State::Online;
        if !online || !locked(&self.snapshots).push(snapshot, Instant::now()) {
            self.counts.snapshots_dropped(1);
        }
        self.work.notify_one();
    }

    /// The next picture to be sent.
    pub fn next_snapshot(&self) -> Option<Snapshot> {
        let (next, stale) = locked(&self.snapshots).take(Instant::now());
        self.counts.snapshots_dropped(stale);
        next
    }

    /// Puts what the device looks like where the broker will see it.
    fn show(&self) {
        let states = locked(&self.portrait).states();
        let mut retained = locked(&self.retained);
        for (of, state) in states {
            retained.set(&self.topics.state(&of), state.to_string());
        }
    }

    /// The same for people, where they are shown one by one.
    fn show_people(&self) {
        if self.settings.home_assistant.as_ref().is_none_or(|settings| settings.people != PeopleAs::DeviceTracker) {
            return;
        }
        let topics: BTreeMap<String, String> =
            locked(&self.portrait).presences().map(|(of, state)| (self.topics.state(&of), state.to_string())).collect();
        let mut retained = locked(&self.retained);
        retained.forget(&self.topics.state("person/"), |topic| topics.contains_key(topic));
        for (topic, state) in topics {
            retained.set(&topic, state);
        }
    }

    /// Puts the announcement for Home Assistant beside it.
    fn announce(&self) {
        let portrait = locked(&self.portrait).clone();
        let messages = locked(&self.announcement).as_mut().map(|announcement| announcement.messages(&portrait));
        let mut retained = self.retained();
        for (topic, payload) in messages.into_iter().flatten() {
            retained.set(&topic, payload);
        }
    }

    /// Takes back what an earlier run announced and this one does not.
    pub fn learn(&self, topic: &str, kept: &[u8]) {
        if let Some(announcement) = locked(&self.announcement).as_mut() {
            announcement.learn(topic, kept);
        }
        self.announce();
        self.work.notify_one();
    }

    /// Whether a connection begins with listening to what the broker keeps.
    pub fn learns_first(&self) -> bool {
        self.settings.home_assistant.is_some() || !locked(&self.strangers).topics.is_empty()
    }

    /// Whether nothing is told on a topic before that.
    pub fn is_learned_about(&self, topic: &str) -> bool {
        self.announcement_topics().is_some_and(|topics| topics.is_discovery(topic))
    }

    /// What the broker keeps is known now: what was told under a former name goes, unless another device has that name.
    pub fn learned(&self) {
        if let Some(announcement) = locked(&self.announcement).as_mut() {
            announcement.settle();
        }
        let Strangers { topics, alive } = std::mem::take(&mut *locked(&self.strangers));
        for (base, topics) in topics {
            let device = base.rsplit('/').next().unwrap_or_default();
            if alive.contains(&base) {
                tracing::warn!(
                    base,
                    "the broker keeps topics of a former name of this device, and a device of that name is there: it is left alone. If \
                     there is none, remove the name with `usher hub remove --device {device}`"
                );
                continue;
            }
            tracing::info!(
                base,
                topics = topics.len(),
                "taking a former name of this device off the broker; on another broker `usher hub remove --device {device}` does it"
            );
            for topic in topics.iter().filter(|topic| !self.retained().holds(topic)) {
                self.retained().set(topic, "");
            }
        }
        self.work.notify_one();
    }

    /// Whether a retained message says how it stands with a device that has a former name of this one; taken down then.
    pub fn is_status_of_another(&self, message: &Incoming) -> bool {
        let mut strangers = locked(&self.strangers);
        let Some(base) = message.topic.strip_suffix("/status").filter(|base| strangers.topics.contains_key(*base))
        else {
            return false;
        };
        if &message.payload[..] == b"online" {
            strangers.alive.insert(base.to_owned());
        }
        true
    }

    /// The broker takes packets of at most so many bytes: announcements keep below.
    pub fn takes_packets_of(&self, largest: Option<u32>) {
        let Some(largest) = largest else { return };
        let smaller = |announcement: &mut Announcement| announcement.keep_below(largest as usize);
        if locked(&self.announcement).as_mut().is_some_and(smaller) {
            self.announce();
        }
    }

    /// Puts what is about to be told on the list of what the broker keeps.
    pub fn note_footprint(&self) {
        let mut new: Vec<String> = self.retained().unsent().cloned().collect();
        {
            let told = locked(&self.told);
            new.retain(|topic| !told.contains(topic));
        }
        if new.is_empty() {
            return;
        }
        match self.footprint.add(&new, self.topics.base()) {
            Ok(()) => {
                self.footprint_fails.store(false, Ordering::Relaxed);
                locked(&self.told).extend(new);
            }
            Err(error) => self.footprint_failed(&error),
        }
    }

    /// The broker has forgotten these topics.
    pub fn cleared(&self, topics: Vec<String>) {
        let gone: Vec<String> = topics.into_iter().filter(|topic| self.retained().is_cleared(topic)).collect();
        if gone.is_empty() {
            return;
        }
        let mut told = locked(&self.told);
        told.retain(|topic| !gone.contains(topic));
        drop(told);
        if let Err(error) = self.footprint.remove(&gone) {
            self.footprint_failed(&error);
        }
    }

    fn footprint_failed(&self, error: &str) {
        if !self.footprint_fails.swap(true, Ordering::Relaxed) {
            tracing::error!(error, "the list of what the broker keeps of this device cannot be used");
        }
    }

    /// The broker does not take a message, or does not let this device read a topic.
    pub fn refused(&self, topic: &str, bytes: usize, reason: &str) {
        self.counts.refused();
        let Some(refusal) = self.refusals().name(topic, bytes, reason) else { return };
        tracing::warn!(topic, bytes, reason, "the broker refuses a message; others of this topic are only counted");
        // A refused record about a refusal would be the next refusal.
        if topic != self.topics.event(REFUSED) && topic != self.topics.replay(REFUSED) {
            // A full queue drops it: it is in the log, and counted.
            drop(self.refused.try_send(refusal));
        }
    }

    /// A message ended connections, and is not sent any longer.
    pub fn gave_up(&self, topic: &str, bytes: usize, why: &str) {
        self.refused(topic, bytes, &format!("given up: it ended the connection: {why}"));
        // Half of it may be welcome.
        let smaller = |announcement: &mut Announcement| announcement.keep_below(bytes / 2);
        if self.is_learned_about(topic) && locked(&self.announcement).as_mut().is_some_and(smaller) {
            self.announce();
        }
    }

    /// All refusals that are known by name.
    pub fn refusals_named(&self) -> Vec<Refusal> {
        self.refusals().all()
    }

    /// A message came that is too large to be taken in: nothing is listened to for a while, or it would come again at once.
    pub fn stops_listening(&self) {
        let topics = self.subscriptions().join(", ");
        *locked(&self.deaf_until) = Some(Instant::now() + DEAF_FOR);
        let minutes = DEAF_FOR.as_secs() / 60;
        self.refused(&topics, 0, &format!("a message larger than what is taken in came on one of them; none is listened to for {minutes} minutes. Clear it there if it is retained"));
    }

    /// Whether nothing is listened to for now.
    pub fn is_deaf(&self) -> bool {
        locked(&self.deaf_until).is_some_and(|until| Instant::now() < until)
    }

    /// What the device listens to.
    pub fn subscriptions(&self) -> Vec<String> {
        if self.is_deaf() {
            return Vec::new();
        }
        let commands = self.settings.commands.as_ref().map(|_| format!("{}/+", self.topics.commands()));
        let announcement = self.settings.home_assistant.as_ref().map(|settings| {
            let [first, more] = settings.discovery_filters(&self.settings.device);
            [settings.birth_topic(), first, more]
        });
        let former: Vec<String> = locked(&self.strangers).topics.keys().map(|base| format!("{base}/status")).collect();
        commands.into_iter().chain(announcement.into_iter().flatten()).chain(former).collect()
    }

    /// Where Home Assistant speaks; `None` without it.
    pub fn announcement_topics(&self) -> Option<AnnouncementTopics<'_>> {
        let settings = self.settings.home_assistant.as_ref()?;
        Some(AnnouncementTopics { birth: settings.birth_topic(), settings, device: &self.settings.device })
    }

    /// Reads a message as a command, and hands it on.
    pub fn command(&self, message: &Incoming) {
        let Some(settings) = &self.settings.commands else { return };
        let topics = self.topics.commands();
        let Some(mut command) = command::read(message, &topics, &self.doors, &*self.clock, settings.max_age) else {
            if self.counts.malformed() == 1 {
                tracing::warn!(topic = message.topic, "ignored: this is no command; docs/mqtt.md shows one");
            }
            return;
        };
        let now = Instant::now();
        // A clock that goes ahead is forgiven as much as age, so a command is fresh for twice as long at most.
        let fresh_for = settings.max_age.saturating_mul(2);
        if let Some(identity) = &command.identity
            && locked(&self.repeats).knows(identity, fresh_for, now)
        {
            tracing::debug!(door = command.door, by = command.by, "a command came again, and counts once");
            return self.counts.repeated();
        }
        match locked(&self.limiter).pace(command.act, now) {
            Pace::Good => {}
            Pace::FirstTooMany => {
                command.refused = Some(format!("there are more than {} commands a minute", settings.per_minute));
            }
            Pace::TooMany => return self.counts.limited(),
        }
        if let Some(identity) = &command.identity {
            locked(&self.repeats).remember(identity, now);
        }
        let in_lockdown = locked(&self.portrait).mode(&command.door) == Some("lockdown");
        if command.refused.is_none() && command.act == command::HubAct::Unlock && in_lockdown {
            command.refused = Some("the door is locked down".to_owned());
        }
        match &command.refused {
            None => self.counts.accepted(),
            Some(_) => self.counts.rejected(),
        }
        if self.commands.try_send(command).is_err() {
            tracing::warn!("a command was dropped: nobody takes them fast enough");
            self.counts.limited();
        }
    }

    /// The outbox cannot be used; told once until it can.
    pub fn outbox_failed(&self, error: &str) {
        if !self.outbox_fails.swap(true, Ordering::Relaxed) {
            tracing::error!(error, "the outbox cannot be used; events wait on disk");
        }
    }

    /// The outbox can be used.
    pub fn outbox_well(&self) {
        self.outbox_fails.store(false, Ordering::Relaxed);
    }

    pub fn freshness(&self) -> MutexGuard<'_, Freshness> {
        locked(&self.freshness)
    }

    pub fn refusals(&self) -> MutexGuard<'_, Refusals> {
        locked(&self.refusals)
    }

    pub fn retained(&self) -> MutexGuard<'_, Retained> {
        locked(&self.retained)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

//! What the hub and its task share.
//!
//! Knows nothing of connections. No lock is held while another is taken, and none while something is awaited.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use super::client::Incoming;
use super::command::{self, HubCommand, Limiter, Pace};
use super::freshness::Freshness;
use super::home_assistant::{Announcement, PeopleAs};
use super::outbox::Outbox;
use super::portrait::{Portrait, Premises, Vitals};
use super::retained::Retained;
use super::snapshot::{Snapshot, Snapshots};
use super::wire::Topics;
use super::{HubSettings, State};
use crate::clock::Clock;

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
    commands: mpsc::Sender<HubCommand>,
    outbox_fails: AtomicBool,
}

/// Topics that mean something else than a command.
pub struct AnnouncementTopics {
    pub birth: String,
    pub discovery: String,
}

impl Shared {
    /// With nothing sent yet.
    pub fn new(
        settings: HubSettings,
        premises: Premises,
        outbox: Arc<dyn Outbox>,
        earlier: u64,
        clock: Arc<dyn Clock>,
        commands: mpsc::Sender<HubCommand>,
    ) -> Shared {
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
            commands,
            outbox_fails: AtomicBool::new(false),
            settings,
        };
        // Sent anew with each connection; the farewell and the last will take it back.
        shared.retained().set(&shared.topics.status(), "online");
        shared.show();
        shared.show_people();
        shared.announce();
        shared
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
        let Some((topic, payload)) = locked(&self.announcement).as_mut().map(|announcement| {
            let topic = announcement.settings().discovery_topic(&self.settings.device);
            (topic, announcement.payload(&portrait))
        }) else {
            return;
        };
        locked(&self.retained).set(&topic, payload);
    }

    /// Takes back what an earlier run announced and this one does not.
    pub fn learn(&self, kept: &[u8]) {
        let learned = locked(&self.announcement).as_mut().is_some_and(|announcement| announcement.learn(kept));
        if learned {
            self.announce();
            self.work.notify_one();
        }
    }

    /// What the device listens to.
    pub fn subscriptions(&self) -> Vec<String> {
        let commands = self.settings.commands.as_ref().map(|_| format!("{}/+", self.topics.commands()));
        let announcement = self.announcement_topics().map(|topics| [topics.birth, topics.discovery]);
        commands.into_iter().chain(announcement.into_iter().flatten()).collect()
    }

    /// Where Home Assistant speaks; `None` without it.
    pub fn announcement_topics(&self) -> Option<AnnouncementTopics> {
        let settings = self.settings.home_assistant.as_ref()?;
        let discovery = settings.discovery_topic(&self.settings.device);
        Some(AnnouncementTopics { birth: settings.birth_topic(), discovery })
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
        match locked(&self.limiter).pace(command.act, Instant::now()) {
            Pace::Good => {}
            Pace::FirstTooMany => {
                command.refused = Some(format!("there are more than {} commands a minute", settings.per_minute));
            }
            Pace::TooMany => return self.counts.limited(),
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

    pub fn retained(&self) -> MutexGuard<'_, Retained> {
        locked(&self.retained)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// How often things happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HubCounts {
    /// Connections that the broker accepted.
    pub connections: u64,
    /// Events handed over as they happened, and those that came late. One that is sent again counts again.
    pub live: u64,
    pub replayed: u64,
    /// Events that can never be sent: larger than the broker takes.
    pub dropped: u64,
    /// Messages that the broker acknowledged and refused.
    pub refused: u64,
    /// Commands handed on to be carried out, and to be written down as refused.
    pub commands_accepted: u64,
    pub commands_refused: u64,
    /// Commands beyond the rate, of which the first was written down.
    pub commands_limited: u64,
    /// Messages on command topics that were none.
    pub commands_malformed: u64,
    /// Pictures handed over, and those that could not be sent at once or were too large.
    pub snapshots: u64,
    pub snapshots_dropped: u64,
}

/// The counters behind [`HubCounts`].
#[derive(Debug, Default)]
pub struct Counters([AtomicU64; 11]);

impl Counters {
    fn count(&self, which: usize) -> u64 {
        self.0[which].fetch_add(1, Ordering::Relaxed) + 1
    }

    pub fn connected(&self) {
        self.count(0);
    }

    pub fn sent(&self, late: bool) {
        self.count(if late { 2 } else { 1 });
    }

    pub fn dropped(&self) {
        self.count(3);
    }

    /// How many there are by now.
    pub fn refused(&self) -> u64 {
        self.count(4)
    }

    pub fn accepted(&self) {
        self.count(5);
    }

    pub fn rejected(&self) {
        self.count(6);
    }

    pub fn limited(&self) {
        self.count(7);
    }

    /// How many there are by now.
    pub fn malformed(&self) -> u64 {
        self.count(8)
    }

    pub fn snapshot_sent(&self) {
        self.count(9);
    }

    pub fn snapshots_dropped(&self, how_many: u64) {
        self.0[10].fetch_add(how_many, Ordering::Relaxed);
    }

    /// All of them.
    pub fn read(&self) -> HubCounts {
        let of = |which: usize| self.0[which].load(Ordering::Relaxed);
        HubCounts {
            connections: of(0),
            live: of(1),
            replayed: of(2),
            dropped: of(3),
            refused: of(4),
            commands_accepted: of(5),
            commands_refused: of(6),
            commands_limited: of(7),
            commands_malformed: of(8),
            snapshots: of(9),
            snapshots_dropped: of(10),
        }
    }
}

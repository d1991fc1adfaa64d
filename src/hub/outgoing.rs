//! What is to be sent to the broker: fed by the rest of the daemon, drained by the hub's task.

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio::time::Instant;

use super::device::{DeviceLayout, DoorState, Vitals};
use super::freshness::Freshness;
use super::home_assistant::{Announcement, PeopleAs};
use super::portrait::Portrait;
use super::prompts::Prompts;
use super::retained::Retained;
use super::settings::HubSettings;
use super::snapshot::{Snapshot, Snapshots};
use super::wire::Topics;
use crate::domain::Recorded;

/// The state of the device, and what of it the broker does not have yet.
pub struct Outgoing {
    topics: Topics,
    /// `None` without Home Assistant.
    people: Option<PeopleAs>,
    portrait: Portrait,
    announcement: Option<Announcement>,
    pub freshness: Freshness,
    pub retained: Retained,
    pub prompts: Prompts,
    snapshots: Snapshots,
}

impl Outgoing {
    /// Everything is to be sent, except the announcement for Home Assistant, which waits for [`Outgoing::announce`]. Events up to number
    /// `earlier` are of an earlier run.
    pub fn new(settings: &HubSettings, topics: &Topics, layout: DeviceLayout, earlier: u64) -> Outgoing {
        let portrait = Portrait::new(&layout);
        let asking = layout.doors.iter().filter(|door| door.prompts);
        let prompts = Prompts::new(asking.map(|door| door.name.clone()));
        let announcement = settings
            .home_assistant
            .as_ref()
            .map(|home_assistant| Announcement::new(home_assistant.clone(), settings, topics.clone(), layout));
        let mut outgoing = Outgoing {
            topics: topics.clone(),
            people: settings.home_assistant.as_ref().map(|home_assistant| home_assistant.people),
            portrait,
            announcement,
            freshness: Freshness::new(earlier),
            retained: Retained::default(),
            prompts,
            snapshots: Snapshots::default(),
        };
        // Sent with each connection; the farewell and the last will replace it.
        outgoing.retained.set(&topics.status(), "online");
        outgoing.publish_states();
        outgoing.publish_people();
        outgoing
    }

    /// A record of the journal is on disk.
    pub fn happened(&mut self, entry: &Recorded) {
        self.freshness.happened(entry.seq, Instant::now());
        let changed = entry.content.event().map(|event| self.portrait.apply(event, &entry.time)).unwrap_or_default();
        self.publish_states();
        if changed.presences {
            self.publish_people();
        }
        if changed.names {
            self.announce();
        }
    }

    /// The current state of the doors.
    pub fn doors(&mut self, doors: Vec<DoorState>) {
        for door in doors {
            self.prompts.set(&door.name, door.prompt);
            self.portrait.place(door);
        }
        self.publish_states();
    }

    /// A person was erased from the records.
    pub fn forget(&mut self, person: u32) {
        self.portrait.forget(person);
        self.publish_states();
    }

    /// New measurements.
    pub fn measured(&mut self, vitals: Vitals) {
        self.portrait.measure(vitals);
        self.publish_states();
    }

    /// Queues a snapshot. `false` if an older one was dropped for it.
    pub fn push_snapshot(&mut self, snapshot: Snapshot) -> bool {
        self.snapshots.push(snapshot, Instant::now())
    }

    /// The next snapshot, and how many were dropped because they had waited for too long.
    pub fn next_snapshot(&mut self) -> (Option<Snapshot>, u64) {
        self.snapshots.take(Instant::now())
    }

    /// Whether a door is locked down.
    pub fn is_locked_down(&self, door: &str) -> bool {
        self.portrait.mode(door) == Some("lockdown")
    }

    fn publish_states(&mut self) {
        for (of, state) in self.portrait.states() {
            self.retained.set(&self.topics.state(&of), state.to_string());
        }
    }

    /// Publishes the people one by one, if Home Assistant shows them so.
    fn publish_people(&mut self) {
        if self.people != Some(PeopleAs::DeviceTracker) {
            return;
        }
        let presences = self.portrait.presences().map(|(of, state)| (self.topics.state(&of), state.to_string()));
        let topics: BTreeMap<String, String> = presences.collect();
        self.retained.forget(&self.topics.state("person/"), |topic| topics.contains_key(topic));
        for (topic, state) in topics {
            self.retained.set(&topic, state);
        }
    }

    /// Publishes the announcement for Home Assistant.
    pub fn announce(&mut self) {
        let Some(announcement) = &mut self.announcement else { return };
        for (topic, payload) in announcement.messages(&self.portrait) {
            self.retained.set(&topic, payload);
        }
    }

    /// Whether a topic that an earlier run used is a piece of the announcement, which then keeps it or clears it.
    pub fn expect_piece(&mut self, topic: &str) -> bool {
        self.announcement.as_mut().is_some_and(|announcement| announcement.expect(topic))
    }

    /// Takes in a piece of the announcement that the broker retains, so that what this run does not announce is cleared.
    pub fn learn_piece(&mut self, topic: &str, kept: &[u8]) {
        if let Some(announcement) = &mut self.announcement {
            announcement.learn(topic, kept);
        }
        self.announce();
    }

    /// All pieces that the broker retains are known.
    pub fn settle_announcement(&mut self) {
        if let Some(announcement) = &mut self.announcement {
            announcement.settle();
        }
    }

    /// Limits each message of the announcement to `bytes`.
    pub fn limit_announcement(&mut self, bytes: usize) {
        if self.announcement.as_mut().is_some_and(|announcement| announcement.keep_below(bytes)) {
            self.announce();
        }
    }

    /// Everything that is not an event is to be sent again.
    pub fn all_unsent(&mut self) {
        self.retained.all_unsent();
        self.prompts.all_unsent();
    }

    /// The next retained message to be sent, except on topics that are `held` back.
    pub fn next_retained(&mut self, held: impl Fn(&str) -> bool) -> Option<(String, Bytes)> {
        self.retained.take_unsent(held)
    }
}

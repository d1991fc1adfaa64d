//! Home Assistant: what it is told so that the device appears by itself, and what its event entities hear.
//!
//! Knows nothing of connections.

mod discovery;
mod event;

pub use discovery::{Announcement, device_id};
pub use event::{door_event, tag};

/// How the device shows itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeAssistantSettings {
    /// `homeassistant`, unless it was changed there.
    pub discovery_prefix: String,
    pub people: PeopleAs,
}

/// How people appear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeopleAs {
    /// Not one by one.
    Nobody,
    /// A device tracker for each person: at home or not.
    DeviceTracker,
    /// A tag for each person, scanned with each grant.
    Tag,
}

impl HomeAssistantSettings {
    /// Where the device is announced: `homeassistant/device/usher_front-door/config`.
    pub fn discovery_topic(&self, device: &str) -> String {
        format!("{}/device/{}/config", self.discovery_prefix, device_id(device))
    }

    /// Where Home Assistant says `online` when it has started.
    pub fn birth_topic(&self) -> String {
        format!("{}/status", self.discovery_prefix)
    }
}

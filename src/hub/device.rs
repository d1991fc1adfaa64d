//! The device as the daemon describes it to the hub: its layout at the start, its doors as they are, its measurements.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::domain::Prompt;

/// The device's doors, cameras and people at the start of the daemon.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceLayout {
    pub doors: Vec<DoorLayout>,
    /// Their names.
    pub cameras: Vec<String>,
    /// Number and name of everybody who is enrolled.
    pub people: Vec<(u32, String)>,
    /// Whether people are inside, by number, where that was known before the start.
    pub inside: BTreeMap<u32, bool>,
    /// What the doors had done before the start.
    pub before: Before,
    /// Of usher.
    pub version: String,
}

/// What the doors had done before the start of the daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    pub granted: u64,
    pub denied: u64,
    /// Who was let in last, and when (RFC 3339): number, name, time. `None` if nobody was, or the person is no longer enrolled.
    pub last_person: Option<(u32, String, String)>,
}

/// A door and its inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct DoorLayout {
    pub name: String,
    /// Has a sensor at the leaf.
    pub leaf_sensor: bool,
    /// Has a tamper contact at the housing.
    pub tamper_contact: bool,
    /// `normal`, `lockdown` or `release`.
    pub mode: String,
    /// Asks people for more than a face, so that it has prompts.
    pub prompts: bool,
}

/// A door as it is, independent of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct DoorState {
    pub name: String,
    pub lock: LockState,
    /// `None` before the first report of its sensor, and where it has none.
    pub open: Option<bool>,
    /// `normal`, `lockdown` or `release`.
    pub mode: String,
    /// `forced_open`, `held_open`, `tamper`.
    pub alarms: Vec<String>,
    /// What is wrong with its relay or its inputs, in words.
    pub fault: Option<String>,
    /// What the people before it are asked to do.
    pub prompt: Prompt,
}

/// The state of a door's lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockState {
    /// Before its first report.
    #[default]
    Unknown,
    /// The relay is at its safe level.
    Locked,
    /// The relay is energised.
    Unlocked,
    /// The relay does not obey and may be at either level.
    Jammed,
}

impl LockState {
    fn as_str(self) -> &'static str {
        match self {
            LockState::Unknown => "unknown",
            LockState::Locked => "locked",
            LockState::Unlocked => "unlocked",
            LockState::Jammed => "jammed",
        }
    }
}

impl DoorState {
    /// The payload of `door/<name>`, with the fault in words.
    pub fn payload(&self, fault: Option<String>) -> Value {
        let alarm = |name: &str| self.alarms.iter().any(|alarm| alarm == name);
        json!({
            "lock": self.lock.as_str(),
            "leaf": self.open.map(|open| if open { "open" } else { "closed" }),
            "mode": self.mode,
            "forced_open": alarm("forced_open"),
            "held_open": alarm("held_open"),
            "tamper": alarm("tamper"),
            "fault": fault,
        })
    }
}

/// Regular measurements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vitals {
    /// Frames per second that each camera's vision handles, by the camera's name.
    pub fps: BTreeMap<String, f64>,
    /// Events that wait for the broker.
    pub queue_depth: u64,
    /// Of the processor, in degrees Celsius, where the board reports it.
    pub soc_temperature_c: Option<f64>,
    /// Whether templates are sealed, or are to be; `None` before that is known.
    pub sealed: Option<bool>,
    /// A problem other than with stages, cameras and doors, in words.
    pub trouble: Option<String>,
}

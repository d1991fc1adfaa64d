//! Doors as the API shows them, and what operators may ask of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An order to one door, or to all.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DoorRequest {
    /// The door's name; null addresses all doors.
    pub door: Option<String>,
    #[serde(flatten)]
    pub order: DoorOrder,
}

/// What a door does next.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum DoorOrder {
    /// Unlocks for `for_ms`; null is as long as a grant unlocks.
    Unlock { for_ms: Option<u64> },
    /// Ends whatever keeps the door unlocked.
    Lock,
    /// Lets nobody through, or only people of `group`.
    Lockdown { group: Option<String> },
    /// Keeps the door unlocked for an evacuation.
    Release,
    /// Ends a lockdown or a release.
    Normal,
}

/// Makes anti-passback forget where people are.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AmnestyRequest {
    /// The person's number; null is everybody.
    pub person: Option<u32>,
}

/// Who is where, as far as doors have reported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Inside {
    /// The zones that are not empty, by name.
    pub zones: Vec<ZoneInside>,
}

/// The people in a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ZoneInside {
    pub zone: String,
    /// By name.
    pub people: Vec<PersonInside>,
}

/// Somebody in a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PersonInside {
    pub id: u32,
    pub name: String,
    /// Since when. RFC 3339, UTC. Null if it cannot be determined: the clock was not known then.
    pub since: Option<String>,
}

/// A door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DoorStatus {
    pub name: String,
    /// The relay's driver and line.
    pub wires: String,
    /// `normal`, `lockdown` or `release`.
    pub mode: String,
    /// The group that a lockdown lets through.
    pub group: Option<String>,
    pub unlocked: bool,
    /// Whether the leaf is open; null without a sensor.
    pub open: Option<bool>,
    /// The schedule that keeps the door unlocked.
    pub hours: Option<String>,
    /// Any of `forced_open`, `held_open`, `tamper`.
    pub alarms: Vec<String>,
    /// What is wrong with the wires.
    pub trouble: Option<String>,
    /// What the people before the door are asked to do now: `idle`, `turn_left`, `turn_right`, `turn_up`, `further_left`, `further_right`,
    /// `further_up`, `look_ahead`, `enter_pin`, `present_tag` or `wait`.
    #[serde(default)]
    pub prompt: String,
    /// What the door asks of people beyond the face; any of these suffices. A permit may ask something else.
    #[serde(default)]
    pub assurance: Vec<String>,
}

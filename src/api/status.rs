//! The daemon's status.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::doors::DoorStatus;
use crate::access::Cut;
use crate::gallery::Gallery;
use crate::seal::RingState;

/// The daemon's status.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    pub version: String,
    /// `[device] name` of the configuration.
    pub device: String,
    pub uptime_s: u64,
    /// Stands for the values of the configuration that the daemon runs with: another one, another text. Empty from a daemon before this field.
    #[serde(default)]
    pub configuration: String,
    /// The model that compares faces.
    pub model: String,
    /// How many people are enrolled.
    pub people: usize,
    /// Templates of other models, which are set aside.
    pub foreign_templates: usize,
    /// How far a switch of models is, in words; null unless one is under way.
    #[serde(default)]
    pub model_switch: Option<String>,
    pub seal: SealStatus,
    pub near_enough: Threshold,
    pub stages: Vec<StageStatus>,
    pub doors: Vec<DoorStatus>,
    /// The number of people in each zone that is not empty, as far as doors have reported.
    pub occupancy: BTreeMap<String, usize>,
    pub placements: Vec<PlacementStatus>,
    /// How far the wall clock can be relied on: `unset`, `wrong`, `plausible` or `synchronised`; null before the first check.
    #[serde(default)]
    pub time: Option<String>,
    /// Why records cannot be written; null while they can.
    pub journal_trouble: Option<String>,
    /// Why the metrics are not on the configured address; null while they are, or none is configured.
    #[serde(default)]
    pub metrics_trouble: Option<String>,
    /// Why the page is not on its address; null while it is, or is not switched on.
    #[serde(default)]
    pub web_trouble: Option<String>,
    /// Null without a broker.
    pub hub: Option<HubStatus>,
    /// Null for a board that is in no fleet.
    #[serde(default)]
    pub fleet: Option<FleetStatus>,
}

/// The distance within which a face is taken for a person, for the people enrolled now.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Threshold {
    /// Euclidean, 0 to 2.
    pub distance: f32,
    /// Of one comparison. Null where the distance is configured.
    pub false_match_rate: Option<f64>,
    pub false_non_match_rate: Option<f64>,
    /// The rate lies beyond what was measured.
    pub extrapolated: bool,
}

impl From<Cut> for Threshold {
    fn from(cut: Cut) -> Threshold {
        Threshold {
            distance: cut.distance.0,
            false_match_rate: cut.false_match_rate,
            false_non_match_rate: cut.false_non_match_rate,
            extrapolated: cut.extrapolated,
        }
    }
}

/// Whether templates are sealed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SealStatus {
    /// `plain`, `sealed`, or `shut`: templates are to be sealed, and the key does not open the key ring.
    pub state: String,
    /// The id of the key in force.
    pub key: Option<String>,
    /// What is wrong and what to do; null when all templates are sealed and open.
    pub trouble: Option<String>,
}

impl From<&Gallery> for SealStatus {
    fn from(gallery: &Gallery) -> SealStatus {
        let (state, key) = match gallery.ring().state() {
            RingState::Plain => ("plain", None),
            RingState::Open(key) => ("sealed", Some(key.to_string())),
            RingState::Locked(_) => ("shut", None),
        };
        SealStatus { state: state.to_owned(), key, trouble: gallery.sealing_problem() }
    }
}

/// A thread of the daemon.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StageStatus {
    /// `camera`, `vision` (recognises people), `second eye` (an infra-red camera that finds living faces only), `doors`, `relay`, `contacts`,
    /// `reader`, `records`, `gap marks` or `pins`.
    pub role: String,
    /// The camera or door it works for.
    pub name: String,
    pub trouble: Option<String>,
    /// Time since the thread last reported that it is alive.
    pub silent_ms: u64,
    /// Frames or sightings that it handled.
    pub handled: u64,
    /// Frames or sightings that newer ones replaced.
    pub dropped: u64,
    /// Frames or sightings that could not be used.
    pub bad: u64,
    /// Time spent on the last one.
    pub last_ms: f64,
}

/// Where a model runs.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PlacementStatus {
    pub model: String,
    /// The accelerator that the configuration names.
    pub asked: String,
    /// The accelerator that the model runs on.
    pub on: String,
    /// Why it runs on the CPU instead.
    pub fallback: Option<String>,
    /// One run, measured at the start.
    pub latency_ms: f64,
}

/// The connection to the broker.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HubStatus {
    /// `connecting`, `online`, or what is wrong.
    pub state: String,
    /// Events in the outbox.
    pub waiting: u64,
    /// Events that the broker will never take.
    pub dropped: u64,
    /// Messages that the broker refuses, by topic.
    #[serde(default)]
    pub refused: Vec<RefusedMessage>,
}

/// A message that the broker refuses.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RefusedMessage {
    pub topic: String,
    /// Of topic and payload, when it was first refused.
    pub bytes: u64,
    pub reason: String,
    /// How often since the start.
    pub times: u64,
}

/// This board in its fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FleetStatus {
    /// The board's name in the fleet.
    pub board: String,
    pub site: String,
    /// `connecting`, `online`, or what is wrong and what to do.
    pub state: String,
    /// How long ago the office was heard, in seconds; null if never, or if it was before this start and the time is not known.
    pub heard_s: Option<u64>,
    /// `[fleet] max_age` in seconds; null without a limit.
    pub max_age_s: Option<u64>,
    /// Whether the board holds exactly the people whom the office last named; null before the office was heard.
    pub whole: Option<bool>,
    /// People of the fleet on this board.
    pub people: u64,
    /// The epoch of the key that opens people's records; null before the office has sent one.
    pub epoch: Option<u64>,
    /// The version of the site's rules in force.
    pub rules: u64,
    /// The version in which the rules were pushed that say who may pass; 0 where the board goes by its own.
    #[serde(default)]
    pub access: u64,
    /// Why the doors do not go by the newest of them; null where they do.
    #[serde(default)]
    pub rules_trouble: Option<String>,
    /// Records of the journal that the fleet's servers have not acknowledged yet.
    pub waiting: u64,
    /// Records of the fleet that were set aside, because another version of usher wrote them or they do not suit this board.
    pub set_aside: u64,
    /// Records that were refused, because the office did not sign them.
    pub refused: u64,
    /// How far this board's clock is ahead of the fleet's servers, in milliseconds; null when it was not measured.
    pub clock_ahead_ms: Option<i64>,
    /// Whether the places of people at the site's other boards are known; null without `[fleet] places`.
    #[serde(default)]
    pub places_current: Option<bool>,
}

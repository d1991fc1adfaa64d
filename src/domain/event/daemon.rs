//! Events of the daemon and its surroundings: its run, its stages, its cameras, the wall clock, the hub's broker.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Part, PersonalData, form, kinds};
use crate::domain::{Actor, ModelId, Rotation, TimeQuality};

/// The daemon and its surroundings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DaemonEvent {
    /// The daemon started.
    Started {
        version: String,
        /// A digest of its configuration.
        config: String,
        model: ModelId,
    },
    /// The daemon stops in order.
    Stopped { reason: String },
    /// A stage of the daemon died or stopped beating.
    StageFailed { stage: String, reason: String },
    /// The wall clock was set, by this much, while usher ran or since its last record.
    ClockJumped { milliseconds: i64 },
    /// The time is unknown from now on, or known again.
    #[serde(rename = "time_quality")]
    TimeQualityChanged {
        #[serde(flatten, with = "quality")]
        quality: TimeQuality,
    },
    /// An operator confirms that the wall clock is right, whatever earlier records say.
    ClockTrusted { by: Actor },
    /// The fleet's office said who may pass at this board's site: the doors go by that, go by their own configuration again, or cannot go by it.
    SiteRules {
        site: String,
        /// The version of the rules.
        version: u64,
        outcome: RulesOutcome,
        /// Why the board cannot go by them; null where it does.
        reason: Option<String>,
        by: Actor,
    },
    /// A camera gives no frames.
    CameraLost {
        #[serde(with = "form::shared")]
        camera: Arc<str>,
        reason: String,
    },
    /// The camera gives frames again.
    CameraBack {
        #[serde(with = "form::shared")]
        camera: Arc<str>,
        #[serde(rename = "lost_for_ms", with = "form::ms")]
        lost_for: Duration,
    },
    /// Another device answers under the camera's name than the one that gave the frames before; both as their drivers name them.
    CameraChanged {
        #[serde(with = "form::shared")]
        camera: Arc<str>,
        before: String,
        now: String,
    },
    /// An operator turned a camera's picture: it is turned clockwise by this much from the daemon's next start on.
    CameraTurned {
        #[serde(with = "form::shared")]
        camera: Arc<str>,
        #[serde(rename = "rotate_deg")]
        rotation: Rotation,
        by: Actor,
    },
    /// The broker refuses a message, or refuses this device a subscription: the first of that topic since the start.
    HubMessageRefused {
        topic: String,
        /// Of topic and payload.
        bytes: u64,
        reason: String,
    },
}

kinds!(DaemonEvent {
    Started => "started",
    Stopped => "stopped",
    StageFailed => "stage_failed",
    ClockJumped => "clock_jumped",
    TimeQualityChanged => "time_quality",
    ClockTrusted => "clock_trusted",
    SiteRules => "site_rules",
    CameraLost => "camera_lost",
    CameraBack => "camera_back",
    CameraChanged => "camera_changed",
    CameraTurned => "camera_turned",
    HubMessageRefused => "hub_message_refused",
});

/// What became of a site's rules at this board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RulesOutcome {
    /// The doors go by them.
    Followed,
    /// The office has none any more: the doors go by the board's configuration.
    Ended,
    /// The board cannot go by them: the doors go on as before.
    Refused,
}

/// A quality of the time, with whether the time is known then.
mod quality {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::domain::TimeQuality;

    #[derive(Serialize, Deserialize)]
    struct Form {
        quality: TimeQuality,
        known: bool,
    }

    pub fn serialize<S: Serializer>(quality: &TimeQuality, to: S) -> Result<S::Ok, S::Error> {
        Form { quality: *quality, known: quality.is_known() }.serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TimeQuality, D::Error> {
        match Form::deserialize(from)? {
            Form { quality, known } if known == quality.is_known() => Ok(quality),
            _ => Err(D::Error::custom("`known` does not follow from `quality`")),
        }
    }
}

impl PersonalData for DaemonEvent {
    fn each_part(&mut self, visit: &mut dyn FnMut(Part<'_>)) {
        match self {
            // A topic may be that of a person's presence.
            DaemonEvent::HubMessageRefused { topic, bytes: _, reason: _ } => visit(Part::Words(topic)),
            DaemonEvent::Started { version: _, config: _, model: _ }
            | DaemonEvent::Stopped { reason: _ }
            | DaemonEvent::StageFailed { stage: _, reason: _ }
            | DaemonEvent::ClockJumped { milliseconds: _ }
            | DaemonEvent::TimeQualityChanged { quality: _ }
            | DaemonEvent::ClockTrusted { by: _ }
            | DaemonEvent::SiteRules { site: _, version: _, outcome: _, reason: _, by: _ }
            | DaemonEvent::CameraLost { camera: _, reason: _ }
            | DaemonEvent::CameraBack { camera: _, lost_for: _ }
            | DaemonEvent::CameraChanged { camera: _, before: _, now: _ }
            | DaemonEvent::CameraTurned { camera: _, rotation: _, by: _ } => {}
        }
    }
}

//! Measurements over the last day.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Measurements of this run of the daemon, at most those of the last day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// The time between two samples, in seconds.
    pub every_s: u32,
    /// Oldest first.
    pub samples: Vec<Sample>,
}

/// What was measured in one span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// The end of the span. RFC 3339, UTC.
    pub at: String,
    pub cameras: Vec<CameraSample>,
    /// The processor's temperature at the end of the span; null where it has no sensor.
    pub temperature_c: Option<f64>,
    /// Events that waited for the broker, the most there were; null without a broker.
    pub queue: Option<u64>,
}

/// What one camera gave, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CameraSample {
    pub name: String,
    /// Frames that the camera gave.
    pub frames_per_s: f64,
    /// Frames that were looked at: without motion, few are.
    pub looked_at_per_s: f64,
    /// The mean time that recognition took for a frame; null where no frame was looked at.
    pub latency_ms: Option<f64>,
}

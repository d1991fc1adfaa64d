//! `[access]`: when a face is let in.
//!
//! Knows nothing of doors and people.

use std::time::Duration;

use super::Passback;
use crate::domain::Distance;

/// `[access]`: when a door opens.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// The largest distance at which a face is taken for a person.
    pub distance: DistanceLimit,
    /// The share of strangers, 0 to 1, that the whole gallery may take for somebody; `distance = "auto"` follows it and the number of
    /// people enrolled.
    pub false_identification_rate: f64,
    /// The least difference between the distances of the nearest and of the next person.
    pub margin: f32,
    /// How many frames of one face must agree on the person.
    pub frames_agree: u32,
    /// Out of how many of that face's newest frames.
    pub frames_window: u32,
    /// The longest time over which those frames may spread.
    pub window: Duration,
    /// The oldest capture that may still open a door.
    pub max_age: Duration,
    /// How long the same person does not open the same door again after a grant.
    pub cooldown: Duration,
    /// How long the same denial of the same face is not recorded again.
    pub repeat_denial: Duration,
    /// The smallest face that counts: its shorter side in pixels.
    pub min_face_px: u32,
    /// The least sharpness that counts: the variance of the Laplacian of the aligned face's brightness.
    pub min_sharpness: f32,
    /// The furthest turn of the head to either side that counts, in degrees.
    pub max_yaw_deg: f32,
    /// The furthest nod of the head up or down that counts, in degrees.
    pub max_pitch_deg: f32,
    /// What happens to somebody who, by the record, cannot be on this side of a door with zones.
    pub passback: Passback,
    /// How long the record of where somebody is, is trusted. `None` (in the file: `"0s"`): for ever.
    pub passback_for: Option<Duration>,
    /// After so many near misses for one person at one door, grants of that person wait there. 0: never.
    pub backoff_after: u32,
    /// The first such wait; each further one is twice as long.
    pub backoff_first: Duration,
    /// The longest such wait. Near misses further apart than this do not add up.
    pub backoff_longest: Duration,
}

/// How near is near enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DistanceLimit {
    /// What the model's calibration gives for `access.false_identification_rate` and the people enrolled.
    Auto,
    /// This distance.
    Fixed(Distance),
}

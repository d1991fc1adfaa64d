//! What the rules weigh and what they say.
//!
//! Knows nothing of how a decision is reached.

use std::sync::Arc;
use std::time::Duration;

use super::{Face, Match, Moment, PersonId, Quality};

/// The number that one face keeps from frame to frame while it stays in view of one camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackId(pub u64);

/// One face in one frame, with what the gallery says of it: all that a decision may rest on.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// The name of the camera, as configured.
    pub camera: Arc<str>,
    /// The frame's number.
    pub frame: u64,
    pub captured_at: Moment,
    pub track: TrackId,
    pub face: Face,
    pub quality: Quality,
    /// `None` while nobody who may be recognised is enrolled.
    pub nearest: Option<Match>,
}

/// Which way somebody goes through a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    In,
    Out,
}

impl Direction {
    /// The word that journals, logs and hubs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::In => "in",
            Direction::Out => "out",
        }
    }
}

/// Why a door stays shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Nobody enrolled is near enough.
    Unknown,
    /// Two people are nearly as near.
    Ambiguous,
    /// The frames do not agree on one person.
    Inconsistent,
    /// The face is too small, too blurred or turned too far.
    PoorView,
    /// The frame that decided is older than the limit.
    Stale,
    /// The person is enrolled and disabled.
    Disabled,
    /// The person's first day has not come yet.
    NotYetValid,
    /// The person's last day is over.
    Expired,
    /// It depends on the day or the hour, and the device does not know the time.
    ClockUnknown,
    /// No permit lets any of the person's groups through this door.
    NotPermitted,
    /// A permit lets them through, but not at this time.
    OutsideSchedule,
    /// Somebody of the group that opens the day has to come first.
    FirstPerson,
    /// A second person has to be recognised too.
    SecondPerson,
    /// By the record they are on the other side already.
    Passback,
    /// Too many refusals before this; to be tried again later.
    Backoff,
    /// The door is locked down.
    Lockdown,
    /// Another door of the same interlock is unlocked or open.
    Interlock,
}

impl Reason {
    /// All of them, in the order in which the questions are asked.
    pub const ALL: [Reason; 17] = [
        Reason::PoorView,
        Reason::Unknown,
        Reason::Ambiguous,
        Reason::Inconsistent,
        Reason::Stale,
        Reason::Lockdown,
        Reason::Disabled,
        Reason::NotYetValid,
        Reason::Expired,
        Reason::ClockUnknown,
        Reason::NotPermitted,
        Reason::OutsideSchedule,
        Reason::Backoff,
        Reason::Passback,
        Reason::FirstPerson,
        Reason::Interlock,
        Reason::SecondPerson,
    ];

    /// Whether somebody was recognised and refused; else nobody was recognised, and the nearest is somebody else.
    pub fn is_about_the_person(self) -> bool {
        use Reason::{Ambiguous, Inconsistent, PoorView, Stale, Unknown};
        !matches!(self, PoorView | Unknown | Ambiguous | Inconsistent | Stale)
    }

    /// The word that journals, logs and hubs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Unknown => "unknown",
            Reason::Ambiguous => "ambiguous",
            Reason::Inconsistent => "inconsistent",
            Reason::PoorView => "poor_view",
            Reason::Stale => "stale",
            Reason::Disabled => "disabled",
            Reason::NotYetValid => "not_yet_valid",
            Reason::Expired => "expired",
            Reason::ClockUnknown => "clock_unknown",
            Reason::NotPermitted => "not_permitted",
            Reason::OutsideSchedule => "outside_schedule",
            Reason::FirstPerson => "first_person",
            Reason::SecondPerson => "second_person",
            Reason::Passback => "passback",
            Reason::Backoff => "backoff",
            Reason::Lockdown => "lockdown",
            Reason::Interlock => "interlock",
        }
    }
}

/// What the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Grant { person: PersonId },
    Deny { reason: Reason },
}

/// One question that a decision had to answer, in the order they were asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// Its name: `quality`, `distance`, `margin`, `agreement`, `age`; for a face that is known also `mode`, `person`, `permit`,
    /// `backoff`, `passback`, `first_person`, `interlock`, `second_person`.
    pub name: &'static str,
    /// What was measured, in words with units.
    pub input: String,
    /// What it was held against.
    pub limit: String,
    pub passed: bool,
}

/// A verdict with everything it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub verdict: Verdict,
    pub camera: Arc<str>,
    pub track: TrackId,
    /// The number of the frame that decided.
    pub frame: u64,
    /// When that frame was captured.
    pub captured_at: Moment,
    /// When the rules spoke.
    pub decided_at: Moment,
    /// The nearest person in that frame, whatever the verdict.
    pub nearest: Option<Match>,
    /// Distinct frames of the track that speak for the verdict, and how many were looked at.
    pub frames: (u32, u32),
    pub gates: Vec<Gate>,
}

#[cfg(test)]
impl Decision {
    /// One about a face before the camera `porch`, seen in a single frame that was captured and decided at `captured_at`.
    pub(crate) fn at_porch(verdict: Verdict, frame: u64, captured_at: Moment, track: TrackId) -> Decision {
        Decision {
            verdict,
            camera: "porch".into(),
            track,
            frame,
            captured_at,
            decided_at: captured_at,
            nearest: None,
            frames: (1, 1),
            gates: Vec::new(),
        }
    }
}

/// An order to a relay. Orders that energise it carry the last moment at which they may still be carried out: the relay checks it when it
/// moves, whatever had held the order up on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorCommand {
    /// Unlock for `duration`. With `evidence`, the capture time of the frame behind a grant, evidence that is too old is refused.
    Pulse { evidence: Option<Moment>, duration: Duration, not_after: Moment },
    /// Unlock until the next order, or until the relay's longest time for that.
    Hold { not_after: Moment },
    /// Relay to its safe level, now.
    Safe,
}

/// What a door lets through, set by an operator and kept over a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// By the rules.
    #[default]
    Normal,
    /// Nobody, or only people of a group, whatever the rules say.
    Lockdown { group: Option<String> },
    /// Unlocked for everybody, for an evacuation.
    Release,
}

impl Mode {
    /// The word that journals, logs and hubs use.
    pub fn as_str(&self) -> &'static str {
        match self {
            Mode::Normal => "normal",
            Mode::Lockdown { .. } => "lockdown",
            Mode::Release => "release",
        }
    }
}

//! What the access rules weigh and what they decide; modes and orders of doors.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Distance, Face, Match, Moment, Passive, PersonId, Quality};

/// The number of a face while it stays in view of a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TrackId(pub u64);

/// A face in a frame with its match in the gallery: everything that a decision may rest on.
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
    /// `None` while the gallery is empty.
    pub nearest: Option<Match>,
    /// To the nearest person's nearest negative reference, a face that was said not to be theirs; `None` if they have none.
    pub not_them: Option<Distance>,
    /// `None` where the networks were not asked.
    pub passive: Option<Passive>,
}

/// How often a door needs a new sighting of a face.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// In every frame: a decision is due, or may become due.
    #[default]
    Always,
    /// In every second frame: it was just refused, still looks the same, and is not refused again before `until`.
    Often { until: Moment },
    /// Now and then: the person was let in, and no decision about the person is due before `until`. Then `frames` sightings are needed.
    Seldom { until: Moment, frames: u32 },
}

/// The direction through a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    In,
    Out,
}

impl Direction {
    /// As journals, logs and hubs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::In => "in",
            Direction::Out => "out",
        }
    }
}

/// Why access is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nobody enrolled is near enough.
    Unknown,
    /// Two people are nearly as near, or a face that was said not to be the person's is.
    Ambiguous,
    /// The frames do not agree on one person.
    Inconsistent,
    /// The face is too small, too blurred or turned too far away, or its embedding is too weak.
    PoorView,
    /// The frame that decided is older than the limit.
    Stale,
    /// The person is enrolled and disabled.
    Disabled,
    /// Before the person's first day.
    NotYetValid,
    /// After the person's last day.
    Expired,
    /// The rules depend on the day or the hour, and the time is not known.
    ClockUnknown,
    /// None of the person's groups has a permit for this door.
    NotPermitted,
    /// A permit exists, but not for this time.
    OutsideSchedule,
    /// Somebody of the group that opens the day has to come first.
    FirstPerson,
    /// A second person has to be recognised too.
    SecondPerson,
    /// The face looks like a print or a screen.
    Presentation,
    /// The head did not turn as asked.
    Challenge,
    /// The person's PIN or tag is missing or wrong.
    SecondFactor,
    /// They are recorded as being on the other side already.
    Passback,
    /// Too many near misses before; wait and try again.
    Backoff,
    /// The door is locked down.
    Lockdown,
    /// Another door of the same interlock is unlocked or open.
    Interlock,
    /// The fleet's office was not heard for too long.
    FleetStale,
}

impl Reason {
    /// All reasons, in the order of the gates.
    pub const ALL: [Reason; 21] = [
        Reason::PoorView,
        Reason::Unknown,
        Reason::Ambiguous,
        Reason::Inconsistent,
        Reason::Stale,
        Reason::Lockdown,
        Reason::FleetStale,
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
        Reason::Presentation,
        Reason::Challenge,
        Reason::SecondFactor,
    ];

    /// Whether a person was recognised and denied access; otherwise nobody was recognised, and the nearest person is somebody else.
    pub fn is_about_the_person(self) -> bool {
        use Reason::{Ambiguous, Inconsistent, PoorView, Stale, Unknown};
        !matches!(self, PoorView | Unknown | Ambiguous | Inconsistent | Stale)
    }

    /// As journals, logs and hubs write it.
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
            Reason::FleetStale => "fleet_stale",
            Reason::Presentation => "presentation",
            Reason::Challenge => "challenge",
            Reason::SecondFactor => "second_factor",
        }
    }
}

/// The outcome of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Grant { person: PersonId },
    Deny { reason: Reason },
}

/// A condition that a decision checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// `quality`, `embedding`, `distance`, `margin`, `lookalike`, `agreement`, `age`; for a face that is known also `mode`, `fleet`, `person`, `permit`,
    /// `backoff`, `passback`, `first_person`, `interlock`, `second_person`, and what was asked beyond that: `assurance`, `passive`, `challenge`,
    /// `infrared`, `tag`, `pin`.
    pub name: Cow<'static, str>,
    /// What was measured, in words with units.
    pub input: String,
    /// The limit, in words.
    pub limit: String,
    pub passed: bool,
    /// It could not be known whether the limit was kept. Such a gate has not passed. Records of usher 0.1.0 have no such gates.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cannot_judge: bool,
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Gate {
    /// A gate that was judged. `input` and `limit` are in words.
    pub fn new(name: &'static str, input: impl Into<String>, limit: impl Into<String>, passed: bool) -> Gate {
        Gate { name: Cow::Borrowed(name), input: input.into(), limit: limit.into(), passed, cannot_judge: false }
    }

    /// `passed`, `failed` or `unsure`, as receipts show it.
    pub fn answer(&self) -> &'static str {
        match (self.passed, self.cannot_judge) {
            (true, _) => "passed",
            (false, true) => "unsure",
            (false, false) => "failed",
        }
    }
}

/// A verdict with its evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub verdict: Verdict,
    pub camera: Arc<str>,
    pub track: TrackId,
    /// The number of the frame that decided.
    pub frame: u64,
    /// When that frame was captured.
    pub captured_at: Moment,
    /// When the rules decided.
    pub decided_at: Moment,
    /// The nearest person in that frame, whatever the verdict.
    pub nearest: Option<Match>,
    /// Distinct frames of the track that support the verdict, and how many were looked at.
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

/// An order to a relay. Orders that energise it carry the last moment at which they may be carried out; the relay checks it when it moves,
/// however long the order was delayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorCommand {
    /// Unlock for `duration`. With `evidence`, the capture time of the frame behind a grant, evidence that is too old is refused.
    Pulse { evidence: Option<Moment>, duration: Duration, not_after: Moment },
    /// Unlock until the next order, or for the relay's longest time.
    Hold { not_after: Moment },
    /// Relay to its safe level, now.
    Safe,
}

/// Whom a door lets through; set by an operator and kept across a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ModeForm", into = "ModeForm")]
pub enum Mode {
    /// By the rules.
    #[default]
    Normal,
    /// Nobody, or only people of a group, regardless of the rules.
    Lockdown { group: Option<String> },
    /// Unlocked for everybody, for an evacuation.
    Release,
}

impl Mode {
    /// As journals, logs and hubs write it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Mode::Normal => "normal",
            Mode::Lockdown { .. } => "lockdown",
            Mode::Release => "release",
        }
    }
}

/// A [`Mode`] in JSON.
#[derive(Serialize, Deserialize)]
struct ModeForm {
    mode: ModeWord,
    /// Whom a lockdown lets through.
    group: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ModeWord {
    Normal,
    Lockdown,
    Release,
}

impl From<Mode> for ModeForm {
    fn from(mode: Mode) -> ModeForm {
        match mode {
            Mode::Normal => ModeForm { mode: ModeWord::Normal, group: None },
            Mode::Lockdown { group } => ModeForm { mode: ModeWord::Lockdown, group },
            Mode::Release => ModeForm { mode: ModeWord::Release, group: None },
        }
    }
}

impl TryFrom<ModeForm> for Mode {
    type Error = &'static str;

    fn try_from(form: ModeForm) -> Result<Mode, &'static str> {
        match form {
            ModeForm { mode: ModeWord::Normal, group: None } => Ok(Mode::Normal),
            ModeForm { mode: ModeWord::Lockdown, group } => Ok(Mode::Lockdown { group }),
            ModeForm { mode: ModeWord::Release, group: None } => Ok(Mode::Release),
            _ => Err("only a lockdown has a group"),
        }
    }
}

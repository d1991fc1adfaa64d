//! Events about people at doors: decisions, passages, where people are, and the distance limit.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::form;
use super::person::{Named, Personal, RunnerUp};
use super::{Part, PersonalData};
use crate::domain::{Actor, Decision, Direction, Distance, Gate, Moment, PersonId, Reason, TrackId, Verdict};

/// People at doors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessEvent {
    /// The rules decided about a face before a door. Of the kind `granted` or `denied`, by its outcome.
    #[serde(rename = "granted", alias = "denied")]
    Decided(Box<Decided>),
    /// Denials of one kind beyond the first, which were counted and not recorded one by one, since the first of them or the last such
    /// event.
    DenialsRepeated {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        #[serde(with = "form::shared")]
        camera: Arc<str>,
        direction: Option<Direction>,
        reason: Reason,
        /// Who was recognised and refused; `None` for faces that were not recognised.
        person: Option<Personal<Named>>,
        count: u64,
        /// How many faces the tracker distinguished.
        faces: u64,
        #[serde(rename = "span_ms", with = "form::ms")]
        span: Duration,
    },
    /// Somebody went through: the door was opened after their grant or, where it has no sensor, unlocked for them.
    Passed {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        person: Personal<Named>,
        direction: Option<Direction>,
        /// Where they are now; `None` where no zones are configured.
        zone: Option<String>,
        /// The sequence number of the grant.
        record: u64,
    },
    /// An operator lets somebody in whose face and second factor are not asked. The rules about the person and the door were.
    Admitted {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        person: Personal<Named>,
        direction: Option<Direction>,
        /// In the operator's words.
        reason: Personal<String>,
        by: Actor,
        /// The rules that were asked.
        gates: Vec<Gate>,
    },
    /// Somebody whose face was recognised entered one of their PINs.
    PinEntered {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        person: Personal<Named>,
        /// Whether it was the duress PIN, sealed for operators: hexadecimal digits, as many for either answer. `None` where nothing is
        /// sealed, and so nobody can have a duress PIN.
        note: Option<String>,
    },
    /// An operator forgets where one person is, or where everybody is.
    Amnesty { person: Option<Personal<Named>>, by: Actor },
    /// The distance limit follows the number of people and templates enrolled.
    CutMoved {
        people: usize,
        /// `None` in a record of usher 0.1.0.
        #[serde(skip_serializing_if = "Option::is_none")]
        templates: Option<usize>,
        #[serde(with = "form::distance")]
        before: Distance,
        #[serde(with = "form::distance")]
        after: Distance,
        /// The share of strangers' visits, 0 to 1, in which the whole gallery may mistake one for somebody.
        false_identification_rate: f64,
        /// The distance lies beyond what was measured.
        extrapolated: bool,
    },
}

/// What came of a decision: `"verdict": "grant", "reason": null`, or `"verdict": "deny"` with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OutcomeForm", into = "OutcomeForm")]
pub enum Outcome {
    Granted,
    Denied(Reason),
}

/// A decision as it is recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    #[serde(with = "form::shared")]
    pub door: Arc<str>,
    #[serde(with = "form::shared")]
    pub camera: Arc<str>,
    /// The side of the camera; `None` where no side is configured.
    pub direction: Option<Direction>,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Who was granted access, or the nearest person whatever the outcome; `None` in an empty gallery.
    pub person: Option<Personal<Named>>,
    /// To the nearest person.
    #[serde(with = "form::optional_distance")]
    pub distance: Option<Distance>,
    pub runner_up: Option<RunnerUp>,
    pub frames: Frames,
    pub track: TrackId,
    /// The number of the frame that decided.
    pub frame: u64,
    #[serde(rename = "capture_to_verdict_ms", with = "form::ms")]
    pub capture_to_verdict: Duration,
    pub gates: Vec<Gate>,
    /// When that frame was captured. Not recorded: it means something to this process only.
    #[serde(skip)]
    pub captured_at: Option<Moment>,
}

/// Distinct frames of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    /// Those that support the outcome.
    pub agree: u32,
    /// Those that were looked at.
    pub of: u32,
}

impl Decided {
    /// What is recorded of `decision`. A name is recorded only for the person it belongs to: the one who was granted access, else the nearest
    /// for `person`, and the second nearest for `runner_up`.
    pub fn new(
        door: Arc<str>,
        direction: Option<Direction>,
        person: Option<Named>,
        runner_up: Option<Named>,
        decision: Decision,
    ) -> Decided {
        let (outcome, granted) = match decision.verdict {
            Verdict::Grant { person } => (Outcome::Granted, Some(person)),
            Verdict::Deny { reason } => (Outcome::Denied(reason), None),
        };
        let named = |id: PersonId, known: Option<Named>| {
            known.filter(|person| person.id == id).unwrap_or(Named { id, name: None, card: None })
        };
        let id = granted.or(decision.nearest.map(|nearest| nearest.person));
        let second = decision.nearest.and_then(|nearest| nearest.runner_up);
        let runner_up = second.map(|(id, distance)| {
            let person = Personal::Known(Named { card: None, ..named(id, runner_up) });
            RunnerUp { person, distance }
        });
        let (agree, of) = decision.frames;
        Decided {
            door,
            camera: decision.camera,
            direction,
            outcome,
            person: id.map(|id| named(id, person).into()),
            distance: decision.nearest.map(|nearest| nearest.distance),
            runner_up,
            frames: Frames { agree, of },
            track: decision.track,
            frame: decision.frame,
            capture_to_verdict: decision.decided_at.since(decision.captured_at),
            gates: decision.gates,
            captured_at: Some(decision.captured_at),
        }
    }

    /// Whether access was granted.
    pub fn is_grant(&self) -> bool {
        self.outcome == Outcome::Granted
    }

    /// Why access was denied.
    pub fn reason(&self) -> Option<Reason> {
        match self.outcome {
            Outcome::Granted => None,
            Outcome::Denied(reason) => Some(reason),
        }
    }

    /// The number of `person`, unless they were erased.
    pub fn person_id(&self) -> Option<PersonId> {
        Some(self.person.as_ref()?.known()?.id)
    }
}

/// An [`Outcome`] in JSON.
#[derive(Serialize, Deserialize)]
struct OutcomeForm {
    verdict: Word,
    reason: Option<Reason>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Grant,
    Deny,
}

impl From<Outcome> for OutcomeForm {
    fn from(outcome: Outcome) -> OutcomeForm {
        match outcome {
            Outcome::Granted => OutcomeForm { verdict: Word::Grant, reason: None },
            Outcome::Denied(reason) => OutcomeForm { verdict: Word::Deny, reason: Some(reason) },
        }
    }
}

impl TryFrom<OutcomeForm> for Outcome {
    type Error = &'static str;

    fn try_from(form: OutcomeForm) -> Result<Outcome, &'static str> {
        match form {
            OutcomeForm { verdict: Word::Grant, reason: None } => Ok(Outcome::Granted),
            OutcomeForm { verdict: Word::Deny, reason: Some(reason) } => Ok(Outcome::Denied(reason)),
            _ => Err("a grant has no reason, and a denial has one"),
        }
    }
}

#[cfg(test)]
impl Decided {
    /// About a face before the camera `porch` of the door `front`, seen in a single frame that was captured and decided at `captured_at`.
    pub(crate) fn at_porch(outcome: Outcome, frame: u64, captured_at: Moment, track: TrackId) -> Decided {
        Decided {
            door: "front".into(),
            camera: "porch".into(),
            direction: None,
            outcome,
            person: None,
            distance: None,
            runner_up: None,
            frames: Frames { agree: 1, of: 1 },
            track,
            frame,
            capture_to_verdict: Duration::ZERO,
            gates: Vec::new(),
            captured_at: Some(captured_at),
        }
    }
}

impl AccessEvent {
    /// The kinds of these events.
    pub const KINDS: &[&str] =
        &["granted", "denied", "denials_repeated", "passed", "admitted", "pin_entered", "amnesty", "cut_moved"];

    /// The event's kind.
    pub fn kind(&self) -> &'static str {
        match self {
            AccessEvent::Decided(decided) if decided.is_grant() => "granted",
            AccessEvent::Decided(_) => "denied",
            AccessEvent::DenialsRepeated { .. } => "denials_repeated",
            AccessEvent::Passed { .. } => "passed",
            AccessEvent::Admitted { .. } => "admitted",
            AccessEvent::PinEntered { .. } => "pin_entered",
            AccessEvent::Amnesty { .. } => "amnesty",
            AccessEvent::CutMoved { .. } => "cut_moved",
        }
    }
}

impl PersonalData for AccessEvent {
    fn each_part(&mut self, visit: &mut dyn FnMut(Part<'_>)) {
        match self {
            AccessEvent::Decided(decided) => decided.each_part(visit),
            AccessEvent::DenialsRepeated {
                door: _,
                camera: _,
                direction: _,
                reason: _,
                person,
                count: _,
                faces: _,
                span: _,
            } => person.iter_mut().for_each(|person| visit(Part::Person(person))),
            AccessEvent::Passed { door: _, person, direction: _, zone: _, record: _ }
            | AccessEvent::PinEntered { door: _, person, note: _ } => visit(Part::Person(person)),
            AccessEvent::Admitted { door: _, person, direction: _, reason, by: _, gates } => {
                visit(Part::Person(person));
                visit(Part::Text(reason));
                each_gate(gates, visit);
            }
            AccessEvent::CutMoved {
                people: _,
                templates: _,
                before: _,
                after: _,
                false_identification_rate: _,
                extrapolated: _,
            } => {}
            AccessEvent::Amnesty { person, by: _ } => person.iter_mut().for_each(|person| visit(Part::Person(person))),
        }
    }
}

impl PersonalData for Decided {
    fn each_part(&mut self, visit: &mut dyn FnMut(Part<'_>)) {
        let Decided {
            door: _,
            camera: _,
            direction: _,
            outcome: _,
            person,
            distance: _,
            runner_up,
            frames: _,
            track: _,
            frame: _,
            capture_to_verdict: _,
            gates,
            captured_at: _,
        } = self;
        person.iter_mut().for_each(|person| visit(Part::Person(person)));
        runner_up.iter_mut().for_each(|runner_up| visit(Part::Other(&mut runner_up.person)));
        each_gate(gates, visit);
    }
}

fn each_gate(gates: &mut [Gate], visit: &mut dyn FnMut(Part<'_>)) {
    for Gate { name: _, input, limit, passed: _, cannot_judge: _ } in gates {
        visit(Part::Words(input));
        visit(Part::Words(limit));
    }
}

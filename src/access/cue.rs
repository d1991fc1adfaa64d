//! What a door has learned about one cue, as a receipt shows it, and where a referee asks about the cues that it does not see itself.

use super::person::Shown;
use crate::domain::{Cue, Gate, Moment, Sighting};

/// Whether what was asked was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CueState {
    Passed,
    /// Something else was shown: a reason to refuse.
    Failed,
    /// Not enough has been shown yet.
    Waiting,
    /// It cannot be known: the face is too small or the camera sees no colour, for instance. Counts as not passed.
    CannotJudge,
}

/// How the text of a gate begins that cannot be judged.
const UNSURE: &str = "cannot judge";

/// A cue with what was measured and the limit, both in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CueReport {
    pub cue: Cue,
    pub state: CueState,
    pub input: String,
    pub limit: String,
}

/// The cues of a door that its referee does not see in its sightings: tag, PIN, infra-red. Passive evidence and challenges are the referee's own.
pub trait DoorCues {
    /// What is known of `cue` for the person that a track shows, whose newest frame of evidence is `sighting`.
    fn report(&mut self, cue: Cue, shown: &Shown, sighting: &Sighting, now: Moment) -> CueReport;
}

/// A door without such devices.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCues;

impl DoorCues for NoCues {
    fn report(&mut self, cue: Cue, _: &Shown, _: &Sighting, _: Moment) -> CueReport {
        CueReport::cannot_judge(cue, missing_device(cue), "shown")
    }
}

/// Says that a door lacks what a cue needs.
pub fn missing_device(cue: Cue) -> &'static str {
    match cue {
        Cue::Passive => "no liveness networks are configured",
        Cue::Challenge => "no challenge is configured",
        Cue::Infrared => "this door has no infra-red camera",
        Cue::Tag => "this door has no tag reader",
        Cue::Pin => "this door has no keypad",
    }
}

impl CueReport {
    /// Reports that a cue cannot be judged, and why, in words.
    pub fn cannot_judge(cue: Cue, why: impl Into<String>, limit: impl Into<String>) -> CueReport {
        CueReport { cue, state: CueState::CannotJudge, input: why.into(), limit: limit.into() }
    }

    /// Its gate in a receipt.
    pub fn gate(&self) -> Gate {
        let input = match self.state {
            CueState::CannotJudge if !self.input.starts_with(UNSURE) => format!("{UNSURE}: {}", self.input),
            CueState::CannotJudge | CueState::Passed | CueState::Failed | CueState::Waiting => self.input.clone(),
        };
        let gate = Gate::new(self.cue.gate(), input, self.limit.clone(), self.state == CueState::Passed);
        Gate { cannot_judge: self.state == CueState::CannotJudge, ..gate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_judged_has_not_passed_and_says_so() {
        let report = CueReport::cannot_judge(Cue::Passive, "too small", "more than 0.50");
        let gate = report.gate();
        assert_eq!((&*gate.name, gate.input.as_str(), gate.answer()), ("passive", "cannot judge: too small", "unsure"));
        for (state, answer) in
            [(CueState::Passed, "passed"), (CueState::Failed, "failed"), (CueState::Waiting, "failed")]
        {
            let gate = CueReport { state, ..report.clone() }.gate();
            assert_eq!((gate.input.as_str(), gate.answer()), ("too small", answer));
        }
    }

    #[test]
    fn a_gate_that_was_judged_is_written_as_before() {
        let gate = Gate::new("tag", "none", "a tag", false);
        let text = serde_json::to_string(&gate).unwrap();
        assert_eq!(text, r#"{"name":"tag","input":"none","limit":"a tag","passed":false}"#);
        let unsure = Gate { cannot_judge: true, ..gate };
        let text = serde_json::to_string(&unsure).unwrap();
        assert!(text.ends_with(r#""passed":false,"cannot_judge":true}"#), "{text}");
        assert_eq!(serde_json::from_str::<Gate>(&text).unwrap(), unsure);
    }
}

//! What a door has learned about one cue, as a receipt shows it.

use crate::domain::{Cue, Gate};

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

/// A cue with what was measured and the limit, both in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CueReport {
    pub cue: Cue,
    pub state: CueState,
    pub input: String,
    pub limit: String,
}

impl CueReport {
    /// Its gate in a receipt.
    pub fn gate(&self) -> Gate {
        Gate {
            name: self.cue.gate().into(),
            input: self.input.clone(),
            limit: self.limit.clone(),
            passed: self.state == CueState::Passed,
        }
    }
}

//! How far a switch of models is: what is stored of it, which model is in force, and when it is due. Pure.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::domain::ModelId;

/// The version of the stored form.
const VERSION: u8 = 1;

/// One of the two models of a switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// Its name in the manifest.
    pub name: String,
    /// The id of its embeddings.
    pub model: ModelId,
}

/// When the daemon goes over to the new model, at its next start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum After {
    /// Not before an operator says when.
    Asked,
    /// Once everybody who may enter has templates of the new model.
    #[default]
    All,
    /// After this moment, with those who have moved by then.
    At(Timestamp),
    /// At the next start in any case, with those who have moved by then: the fleet has gone over.
    Now,
}

impl After {
    /// As the journal and the API write it: `all`, a time in RFC 3339, or nothing until an operator says when.
    pub fn as_text(&self) -> Option<String> {
        match self {
            After::Asked => None,
            After::All => Some("all".to_owned()),
            After::At(at) => Some(at.to_string()),
            After::Now => Some("now".to_owned()),
        }
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The old model is in force, and both sets of templates are kept.
    Begun,
    /// The new model is in force, and both sets of templates are kept.
    Switched,
    /// The old model is in force; what there is of the new one is kept until the switch is finished or begun again.
    Cancelled,
    /// The new model stays; the templates of the old one are being erased.
    ErasingOld,
    /// The old model stays; the templates of the new one are being erased.
    ErasingNew,
}

/// Why the stored form of a switch cannot be read.
#[derive(Debug, Error)]
pub enum StateError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("it has version {found}; this usher reads version {VERSION}")]
    Version { found: u8 },
}

/// A switch of models, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchState {
    v: u8,
    pub from: Side,
    pub to: Side,
    /// When it was begun.
    pub begun: Timestamp,
    /// Whether templates of the new model are made from visits of people who were recognised.
    pub learn: bool,
    /// Whether visits of people who have moved are compared with both models.
    pub shadow: bool,
    pub after: After,
    pub phase: Phase,
}

impl SwitchState {
    /// A switch that begins now.
    pub fn begin(from: Side, to: Side, begun: Timestamp) -> SwitchState {
        let (learn, shadow, after, phase) = (false, false, After::default(), Phase::Begun);
        SwitchState { v: VERSION, from, to, begun, learn, shadow, after, phase }
    }

    /// The same switch in another phase.
    pub fn in_phase(self, phase: Phase) -> SwitchState {
        SwitchState { phase, ..self }
    }

    /// From its stored form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<SwitchState, StateError> {
        let state: SwitchState = serde_json::from_slice(bytes)?;
        match state.v {
            VERSION => Ok(state),
            found => Err(StateError::Version { found }),
        }
    }

    /// Its stored form.
    pub fn write(&self) -> Vec<u8> {
        // Names, numbers and words: this cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The model in force.
    pub fn in_force(&self) -> &Side {
        match self.phase {
            Phase::Begun | Phase::Cancelled | Phase::ErasingNew => &self.from,
            Phase::Switched | Phase::ErasingOld => &self.to,
        }
    }

    /// The model whose templates are kept and made beside those of the model in force.
    pub fn beside(&self) -> Option<&Side> {
        match self.phase {
            Phase::Begun => Some(&self.to),
            Phase::Switched => Some(&self.from),
            Phase::Cancelled | Phase::ErasingOld | Phase::ErasingNew => None,
        }
    }

    /// The model that stays and the one whose templates go, if the switch is finished now.
    pub fn outcome(&self) -> Option<(&Side, &Side)> {
        match self.phase {
            Phase::Begun => None,
            Phase::Switched | Phase::ErasingOld => Some((&self.to, &self.from)),
            Phase::Cancelled | Phase::ErasingNew => Some((&self.from, &self.to)),
        }
    }

    /// Whether the new model comes into force at the next start. `left` people who may enter have not moved. Before a moment, the wall clock
    /// counts only where it is `known` to be right: one that is ahead would switch too soon.
    pub fn is_due(&self, now: SystemTime, known: bool, left: usize) -> bool {
        let reached = match self.after {
            After::Asked => false,
            After::All => left == 0,
            After::Now => true,
            After::At(at) => known && Timestamp::try_from(now).is_ok_and(|now| now >= at),
        };
        self.phase == Phase::Begun && reached
    }
}

/// The embedder in force: that of a switch in the store, if the configuration names one of its two models, else the configured one.
pub fn embedder_in_force<'a>(state: Option<&'a SwitchState>, configured: &'a str) -> &'a str {
    let concerns = |state: &&SwitchState| [&state.from, &state.to].iter().any(|side| side.name == configured);
    state.filter(concerns).map_or(configured, |state| &state.in_force().name)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn side(name: &str) -> Side {
        Side { name: name.to_owned(), model: ModelId::new(&format!("{name}-1")) }
    }

    fn state(phase: Phase) -> SwitchState {
        SwitchState { phase, ..SwitchState::begin(side("old"), side("new"), Timestamp::UNIX_EPOCH) }
    }

    const PHASES: [Phase; 5] = [Phase::Begun, Phase::Switched, Phase::Cancelled, Phase::ErasingOld, Phase::ErasingNew];

    #[test]
    fn each_phase_has_one_model_in_force_and_never_erases_that_one() {
        for phase in PHASES {
            let state = state(phase);
            let in_force = state.in_force().clone();
            assert_ne!(state.beside(), Some(&in_force), "{phase:?}");
            if let Some((kept, removed)) = state.outcome() {
                assert_eq!(kept, &in_force, "{phase:?}");
                assert_ne!(removed, kept);
            }
        }
        assert_eq!(state(Phase::Begun).outcome(), None, "before the switch nothing can be erased");
    }

    #[test]
    fn the_stored_form_is_read_back_and_another_version_is_refused() {
        for phase in PHASES {
            for after in [After::Asked, After::All, After::At(Timestamp::UNIX_EPOCH), After::Now] {
                let state = SwitchState { after, learn: true, ..state(phase) };
                assert_eq!(SwitchState::read(&state.write()).unwrap(), state);
            }
        }
        let newer = String::from_utf8(state(Phase::Begun).write()).unwrap().replace("\"v\":1", "\"v\":9");
        assert!(SwitchState::read(newer.as_bytes()).unwrap_err().to_string().contains("version 9"));
        assert!(SwitchState::read(b"nothing").is_err());
    }

    #[test]
    fn it_is_due_once_everybody_has_moved_or_the_moment_is_reached_by_a_clock_that_is_known() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let due =
            |after, phase, now: SystemTime, known, left| SwitchState { after, ..state(phase) }.is_due(now, known, left);
        assert!(due(After::All, Phase::Begun, at, false, 0) && !due(After::All, Phase::Begun, at, true, 1));
        let moment = After::At(Timestamp::try_from(at).unwrap());
        assert!(due(moment, Phase::Begun, at, true, 9) && !due(moment, Phase::Begun, at, false, 0));
        assert!(!due(moment, Phase::Begun, at - Duration::from_secs(1), true, 0));
        assert!(!due(After::Asked, Phase::Begun, at, true, 0));
        assert!(due(After::Now, Phase::Begun, at, false, 9) && !due(After::Now, Phase::Cancelled, at, true, 0));
        for phase in PHASES.into_iter().filter(|phase| *phase != Phase::Begun) {
            assert!(!due(After::All, phase, at, true, 0), "{phase:?}");
        }
    }

    #[test]
    fn the_configuration_overrules_a_switch_between_two_other_models() {
        let switched = state(Phase::Switched);
        for (configured, in_force) in [("old", "new"), ("new", "new"), ("third", "third")] {
            assert_eq!(embedder_in_force(Some(&switched), configured), in_force);
            assert_eq!(embedder_in_force(None, configured), configured);
        }
        assert_eq!(embedder_in_force(Some(&state(Phase::Begun)), "new"), "old");
    }
}

//! What an operator sees of a switch: who has moved, who has not, and what would change.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::state::{Phase, SwitchState};
use super::{Switch, SwitchError};
use crate::domain::PersonId;
use crate::gallery::{ModelCount, Person};
use crate::office::tallies::Tally;

/// Where a person stands.
#[derive(Clone, Debug)]
pub struct Standing {
    pub person: Person,
    /// Templates of the old model.
    pub old: usize,
    /// Templates of the new model.
    pub new: usize,
    /// What the new model said of their visits.
    pub tally: Tally,
}

/// A switch at a moment.
#[derive(Clone, Debug)]
pub struct SwitchReport {
    pub state: SwitchState,
    /// People who may enter and have templates of the new model.
    pub moved: usize,
    /// People who may enter and have none.
    pub left: usize,
    /// Whether the next start of the daemon goes over to the new model, as far as the wall clock is right.
    pub due: bool,
    /// Whether the model in force is another than the one that is compared by: the daemon must be restarted.
    pub restart: bool,
    /// Everybody, by number.
    pub people: Vec<Standing>,
    /// All visits.
    pub tally: Tally,
}

impl SwitchReport {
    /// How far it is, in a line.
    pub fn in_words(&self) -> String {
        let SwitchState { from, to, phase, .. } = &self.state;
        let (from, to, moved, all) = (&from.name, &to.name, self.moved, self.moved + self.left);
        let next = match (self.restart, self.due) {
            (true, _) => format!("; restart the daemon to compare by {}", self.state.in_force().name),
            (false, true) => "; restart the daemon to switch".to_owned(),
            (false, false) => String::new(),
        };
        match phase {
            Phase::Begun => format!("from {from} to {to}: {moved} of {all} people have moved{next}"),
            Phase::Switched => format!("switched from {from} to {to}, not finished yet{next}"),
            Phase::Cancelled => format!("stays with {from} instead of {to}, not finished yet{next}"),
            Phase::ErasingOld | Phase::ErasingNew => format!("from {from} to {to}: templates are being erased"),
        }
    }
}

impl Switch {
    /// The switch under way, if there is one.
    pub fn report(&self, now: SystemTime) -> Result<Option<SwitchReport>, SwitchError> {
        let Some(state) = self.state() else { return Ok(None) };
        let tallies: BTreeMap<PersonId, Tally> = self.tallies.all()?;
        let gallery = self.register.gallery();
        let (moved, left) = self.moved(&state);
        let new_is_in_use = *gallery.model() == state.to.model;
        let standing = |person: Person| {
            let beside = gallery.next_templates(person.id);
            let (old, new) = if new_is_in_use { (beside, person.templates) } else { (person.templates, beside) };
            let tally = tallies.get(&person.id).copied().unwrap_or_default();
            Standing { person, old, new, tally }
        };
        Ok(Some(SwitchReport {
            due: state.is_due(now, true, left.len()),
            restart: *gallery.model() != state.in_force().model,
            moved: moved.len(),
            left: left.len(),
            people: gallery.people().into_iter().map(standing).collect(),
            tally: tallies.values().fold(Tally::default(), |sum, tally| sum.plus(*tally)),
            state,
        }))
    }

    /// How much is stored of each model.
    pub fn counts(&self) -> Result<Vec<ModelCount>, SwitchError> {
        Ok(self.register.gallery().models()?)
    }
}

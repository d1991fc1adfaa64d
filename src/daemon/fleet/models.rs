//! The board follows its site from one model to another: it keeps the records of the other model beside those in use, makes templates at its doors where
//! the office wants them, and goes over once the office has and the board holds everybody's record.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::board::{BoardError, BoardTask};
use super::leader::{Beside, FAILED};
use crate::daemon::threads::MainMessage;
use crate::domain::{Actor, ModelId};
use crate::fleet::{Reader, Replica, SiteModels};
use crate::office::fleet::protocol::BesideReport;
use crate::office::switch::state::{After, Phase, SwitchState};
use crate::office::switch::{Switch, SwitchError, SwitchOrder};
use crate::office::{FleetPeople, FleetPeopleError};

/// What the board is to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextStep {
    Nothing,
    /// Keep templates of another model beside those in use; make some at the doors, or not.
    Begin {
        to: String,
        learn: bool,
    },
    /// The site has gone over, and so can the board.
    GoOver {
        to: String,
    },
    /// Stay with the model in use, or go back to the one before.
    Cancel,
    /// Erase the templates of the model that is not in use.
    Finish,
}

/// What the board is to do, as its site has `models`, faces are compared by `in_use`, and `state` is stored. `whole` says whether all records of the
/// other model are here.
pub fn next_step(models: &SiteModels, in_use: &ModelId, state: Option<&SwitchState>, whole: bool) -> NextStep {
    let phase = state.map(|state| state.phase);
    let leads_to = |model: &ModelId| state.is_some_and(|state| state.to.model == *model);
    let open = matches!(phase, Some(Phase::Begun | Phase::Cancelled));
    // The model that the board is to have templates of besides, and whether the site is there already.
    let wanted = match models.current.model == *in_use {
        true => models.beside.as_ref().filter(|_| !models.switched).map(|beside| (beside, false)),
        false => Some((&models.current, true)),
    };
    let Some((to, there)) = wanted else {
        return match (phase, &models.beside) {
            (None, _) => NextStep::Nothing,
            (Some(Phase::Begun), _) => NextStep::Cancel,
            // The way back is kept until the office drops it.
            (Some(Phase::Switched | Phase::Cancelled), Some(_)) => NextStep::Nothing,
            (Some(_), _) => NextStep::Finish,
        };
    };
    match state {
        Some(state) if phase == Some(Phase::Switched) && state.from.model == to.model => {
            if whole {
                NextStep::Cancel
            } else {
                NextStep::Nothing
            }
        }
        None => NextStep::Begin { to: to.name.clone(), learn: models.learn },
        Some(state) if open && leads_to(&to.model) => {
            let is_set = phase == Some(Phase::Begun) && state.learn == models.learn;
            match (is_set, there && whole) {
                (false, _) => NextStep::Begin { to: to.name.clone(), learn: models.learn },
                (true, true) if state.after != After::Now => NextStep::GoOver { to: to.name.clone() },
                (true, _) => NextStep::Nothing,
            }
        }
        Some(_) if phase == Some(Phase::Begun) => NextStep::Cancel,
        Some(_) => NextStep::Finish,
    }
}

impl BoardTask {
    /// Does what the site's models ask for, if anything. Returns whether records of another model are to be read from now on.
    pub(super) async fn follow_models(&mut self) -> Result<bool, BoardError> {
        let Some(models) = self.rules.as_ref().and_then(|rules| rules.models.clone()) else { return Ok(false) };
        match self.leader.finishing.take() {
            Some(running) if !running.is_finished() => {
                self.leader.finishing = Some(running);
                return Ok(false);
            }
            Some(done) => drop(done.await?.map_err(|error| self.is_in_trouble(&error))),
            None => {}
        }
        // A few acts at most: each leads on to the next.
        for _ in 0..4 {
            let in_use = &self.identity.model;
            let state = self.leader.switch.state();
            let whole = self.beside.as_ref().is_some_and(|beside| beside.whole);
            let step = next_step(&models, in_use, state.as_ref(), whole);
            if models.current.model == *in_use && self.disk.model().as_ref() != Some(&models.current.name) {
                let (disk, name) = (self.disk.clone(), models.current.name.clone());
                spawn_blocking(move || disk.keep_model(&name)).await??;
            }
            if models.current.model == *in_use {
                self.leader.switch.set_configured(&models.current.name);
            }
            if step == NextStep::Nothing {
                break;
            }
            let restarts = matches!(step, NextStep::GoOver { .. }) || step == NextStep::Cancel && whole;
            let goes = models.current.model != *in_use && restarts;
            if goes && self.leader.failed {
                self.leader.trouble = Some(FAILED.to_owned());
                break;
            }
            if goes {
                let (disk, name) = (self.disk.clone(), models.current.name.clone());
                spawn_blocking(move || disk.keep_model(&name)).await??;
            }
            let (switch, by, clock) =
                (self.leader.switch.clone(), Actor::Fleet(models.by.clone()), self.state.clock.clone());
            let finishes = step == NextStep::Finish;
            let done = spawn_blocking(move || act(&switch, step, by, clock.wall()));
            if finishes {
                self.leader.finishing = Some(done);
                break;
            }
            if let Err(error) = done.await? {
                self.is_in_trouble(&error);
                break;
            }
            self.leader.trouble = None;
            self.leader.restart = None;
            if goes {
                tracing::info!(to = %models.current.name, "the board goes over to the site's model, and restarts for it");
                self.leader.restart = Some(Instant::now() + self.leader.share_of_spread(self.identity.board.as_str()));
                break;
            }
        }
        self.set_beside().await
    }

    fn is_in_trouble(&mut self, error: &SwitchError) {
        let why = error.to_string();
        if self.leader.trouble.as_ref() != Some(&why) {
            tracing::error!(%error, "the board does not follow its site to another model");
        }
        self.leader.trouble = Some(why);
    }

    /// Restarts the daemon: only at its start does it go over to another model.
    pub(super) fn restart(&mut self) {
        self.leader.restart = None;
        drop(self.leader.to_main.send(MainMessage::ModelChanged));
    }

    /// Keeps the records of the second model that the gallery has, or none.
    async fn set_beside(&mut self) -> Result<bool, BoardError> {
        let wanted = self.leader.register.gallery().next_model();
        if self.beside.as_ref().map(|beside| &beside.model) == wanted.as_ref() {
            return Ok(false);
        }
        let gone = self.beside.take();
        let still = self.leader.switch.state().is_some();
        let (register, reader) = (self.leader.register.clone(), self.reader());
        self.beside = spawn_blocking(move || {
            if let Some(gone) = gone.filter(|_| !still) {
                FleetPeople::clear(&register, &gone.model)?;
            }
            let Some(model) = wanted else { return Ok(None) };
            let people = FleetPeople::open(register, model.clone())?;
            let replica = Replica::open(Reader { model: model.clone(), ..reader }, people)?;
            Ok::<_, FleetPeopleError>(Some(Beside { model, replica: Arc::new(Mutex::new(replica)), whole: false }))
        })
        .await??;
        Ok(self.beside.is_some())
    }

    /// What the board says of the records beside those in use.
    pub(super) async fn report_beside(&self) -> Result<Option<BesideReport>, BoardError> {
        let Some(Beside { model, replica, whole }) = &self.beside else { return Ok(None) };
        let (model, replica, whole) = (model.to_string(), replica.clone(), *whole);
        let count = spawn_blocking(move || replica.lock().unwrap_or_else(PoisonError::into_inner).count()).await?;
        Ok(Some(BesideReport { model, count, whole }))
    }

    fn reader(&self) -> Reader {
        Reader {
            fleet: self.identity.fleet,
            gallery: self.identity.gallery.clone(),
            model: self.identity.model.clone(),
            office: self.identity.office,
        }
    }
}

fn act(switch: &Switch, step: NextStep, by: Actor, now: std::time::SystemTime) -> Result<(), SwitchError> {
    let order = |to, learn, after| SwitchOrder { to, learn, shadow: None, after: Some(after) };
    match step {
        NextStep::Nothing => Ok(()),
        NextStep::Begin { to, learn } => switch.begin(order(to, Some(learn), After::Asked), by, now).map(drop),
        NextStep::GoOver { to } => switch.begin(order(to, None, After::Now), by, now).map(drop),
        NextStep::Cancel => switch.cancel(by).map(drop),
        NextStep::Finish => switch.finish(by).map(drop),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::fleet::ModelName;
    use crate::office::switch::state::Side;

    fn name(name: &str) -> ModelName {
        ModelName { name: name.to_owned(), model: ModelId::new(name) }
    }

    fn models(current: &str, beside: Option<&str>, switched: bool) -> SiteModels {
        let (current, beside) = (name(current), beside.map(name));
        SiteModels { current, beside, switched, learn: true, by: "anna".into() }
    }

    fn state(from: &str, to: &str, phase: Phase, learn: bool, after: After) -> SwitchState {
        let side = |name: &str| Side { name: name.to_owned(), model: ModelId::new(name) };
        let mut state = SwitchState::begin(side(from), side(to), Timestamp::UNIX_EPOCH).in_phase(phase);
        (state.learn, state.after) = (learn, after);
        state
    }

    /// From the announcement to the end, and each act once.
    #[test]
    fn a_board_goes_over_with_its_site_and_back() {
        let (a, b) = (ModelId::new("a"), ModelId::new("b"));
        let begin = || NextStep::Begin { to: "b".into(), learn: true };
        let announced = models("a", Some("b"), false);
        assert_eq!(next_step(&announced, &a, None, false), begin());
        let begun = state("a", "b", Phase::Begun, true, After::Asked);
        assert_eq!(next_step(&announced, &a, Some(&begun), true), NextStep::Nothing, "the office has not gone over");
        let silent = state("a", "b", Phase::Begun, false, After::Asked);
        assert_eq!(next_step(&announced, &a, Some(&silent), true), begin());

        let switched = models("b", Some("a"), true);
        assert_eq!(next_step(&switched, &a, Some(&begun), false), NextStep::Nothing, "not everybody's record is here");
        assert_eq!(next_step(&switched, &a, Some(&begun), true), NextStep::GoOver { to: "b".into() });
        let due = state("a", "b", Phase::Begun, true, After::Now);
        assert_eq!(next_step(&switched, &a, Some(&due), true), NextStep::Nothing, "it waits for its restart");
        assert_eq!(next_step(&switched, &a, None, false), begin(), "a board that was away, or has just joined");
        let there = state("a", "b", Phase::Switched, true, After::Now);
        assert_eq!(next_step(&switched, &b, Some(&there), false), NextStep::Nothing, "the way back is kept");

        let over = models("b", None, true);
        assert_eq!(next_step(&over, &b, Some(&there), false), NextStep::Finish);
        assert_eq!(next_step(&over, &b, None, false), NextStep::Nothing);
        assert_eq!(
            next_step(&over, &a, Some(&begun), true),
            NextStep::GoOver { to: "b".into() },
            "a board that was away"
        );

        let back = models("a", Some("b"), true);
        assert_eq!(next_step(&back, &b, Some(&there), false), NextStep::Nothing, "it lacks records of the old model");
        assert_eq!(next_step(&back, &b, Some(&there), true), NextStep::Cancel);
        assert_eq!(next_step(&back, &a, Some(&begun), true), NextStep::Cancel, "it never went over");
        let cancelled = state("a", "b", Phase::Cancelled, true, After::Now);
        assert_eq!(next_step(&back, &a, Some(&cancelled), false), NextStep::Nothing);
        assert_eq!(next_step(&models("a", None, true), &a, Some(&cancelled), false), NextStep::Finish);
        assert_eq!(next_step(&announced, &a, Some(&cancelled), false), begin(), "begun again");
    }

    #[test]
    fn a_switch_that_somebody_else_began_gives_way() {
        let announced = models("a", Some("b"), false);
        let other = |phase| state("a", "c", phase, true, After::All);
        assert_eq!(next_step(&announced, &ModelId::new("a"), Some(&other(Phase::Begun)), false), NextStep::Cancel);
        assert_eq!(next_step(&announced, &ModelId::new("a"), Some(&other(Phase::Cancelled)), false), NextStep::Finish);
    }
}

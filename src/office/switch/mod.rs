//! The way from one model to another: begins, changes, carries out, cancels and finishes a switch. Each act is one commit with its record, so
//! that after a kill it is done or not. Nothing is erased before an operator finishes the switch.
//!
//! - `state`: how far it is, as stored, and which model is in force
//! - `report`: who has moved, and what would change

mod report;
pub mod state;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;

use jiff::Timestamp;
use thiserror::Error;

use super::moving::Move;
use super::register::{OfficeError, Register};
use super::tallies::{Opinion, TREE, Tallies};
use super::{Gates, Recorder};
use crate::access::NearEnough;
use crate::domain::{Actor, Distance, Embedding, Event, Match, ModelId, PersonId, Quality, StoreEvent, SystemAct};
use crate::gallery::{GalleryError, Person, Template};
use crate::ledger::LedgerError;
use crate::store::{Change, Store, StoreError, Tree};

pub use report::{Standing, SwitchReport};
use state::{After, Phase, Side, StateError, SwitchState};

/// The key of the switch's state.
const STATE: &[u8] = b"state";

/// What is known of a model of the manifest.
#[derive(Clone, Debug)]
pub struct ModelCard {
    /// Its name in the manifest.
    pub name: String,
    /// The id of its embeddings.
    pub model: ModelId,
    /// Numbers of an embedding.
    pub dimension: usize,
    /// How near is near enough.
    pub near_enough: NearEnough,
}

/// The embedders of the manifest.
pub trait Catalogue: Send + Sync {
    /// The embedder of that name, once its file is checked.
    ///
    /// # Errors
    /// There is none, its file is damaged, or it has no calibration.
    fn card(&self, name: &str) -> Result<ModelCard, CatalogueError>;

    /// The name of the embedder whose embeddings have that id.
    fn name_of(&self, model: &ModelId) -> Option<String>;
}

/// Why an embedder of the manifest cannot be used.
#[derive(Debug, Error)]
pub enum CatalogueError {
    /// In words, with the remedy.
    #[error("{0:#}")]
    Unusable(anyhow::Error),
    #[error("the file of {name} was replaced since the switch began: begin again")]
    Replaced { name: String },
}

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct SwitchOrder {
    /// The new model's name in the manifest.
    pub to: String,
    /// Whether to make templates from visits; `None` leaves it as it is, off at first.
    pub learn: Option<bool>,
    /// Whether to compare visits with both models; `None` leaves it as it is, off at first.
    pub shadow: Option<bool>,
    /// When to switch; `None` leaves it as it is, [`After::All`] at first.
    pub after: Option<After>,
}

/// What vision does for the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The new model.
    pub to: Side,
    pub learn: bool,
    pub shadow: bool,
}

/// Why a switch is refused or fails.
#[derive(Debug, Error)]
pub enum SwitchError {
    #[error(transparent)]
    Office(#[from] OfficeError),
    #[error("nothing was changed, because it could not be recorded: {0}")]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Model(#[from] CatalogueError),
    #[error(
        "{name} is in use already, and nobody is enrolled with another model of the manifest: there is nothing to switch"
    )]
    NothingToDo { name: String },
    #[error(
        "[access] distance fixes the distance {distance}, which has another meaning with {name}: remove the setting, restart the daemon, and \
         begin again"
    )]
    FixedDistance { distance: Distance, name: String },
    #[error("a switch from {from} to {to} is under way: cancel and finish it first")]
    UnderWay { from: String, to: String },
    #[error("{to} is in use since the switch: finish it, or cancel it to go back to {from}")]
    Switched { from: String, to: String },
    #[error("no switch is under way")]
    None,
    #[error(
        "the people here are a fleet's: its office switches the models of the site (usher fleet models switch, there)"
    )]
    OfFleet,
    #[error("faces are still compared by {from}: nothing is erased before the switch, or before it is cancelled")]
    NotSwitched { from: String },
    #[error(
        "the daemon still compares faces by {running}: restart it first, so that {kept} is in use (`systemctl restart usher`)"
    )]
    Restart { running: ModelId, kept: String },
    #[error(
        "[models] embedder is {configured}: set it to {kept} in the configuration and restart the daemon first, because after the switch the \
         configuration alone says which model is used"
    )]
    Configuration { configured: String, kept: String },
    #[error("the switch's entry in the store cannot be read ({why}): restore a backup")]
    Unreadable { why: StateError },
}

impl From<GalleryError> for SwitchError {
    fn from(error: GalleryError) -> SwitchError {
        SwitchError::Office(error.into())
    }
}

/// The switch of the open store.
pub struct Switch {
    register: Register,
    recorder: Arc<Recorder>,
    catalogue: Arc<dyn Catalogue>,
    /// `[models] embedder`, as read at the start, or the model that the fleet has gone over to.
    configured: RwLock<String>,
    tree: Tree,
    tallies: Tallies,
    state: RwLock<Option<SwitchState>>,
    /// Held during an act.
    acting: Mutex<()>,
}

/// The switch that is stored, if any.
///
/// # Errors
/// The store or the entry cannot be read.
pub fn stored(store: &Store) -> Result<Option<SwitchState>, SwitchError> {
    let entry = store.tree(TREE)?.get(STATE)?;
    entry.map(|bytes| SwitchState::read(&bytes).map_err(|why| SwitchError::Unreadable { why })).transpose()
}

impl Switch {
    /// Opens the switch, if there is one: `register` gets its second model, and an erasure that was interrupted is finished.
    pub fn open(
        register: Register,
        recorder: Arc<Recorder>,
        catalogue: Arc<dyn Catalogue>,
        configured: &str,
    ) -> Result<Switch, SwitchError> {
        let store = recorder.store();
        let switch = Switch {
            tree: store.tree(TREE)?,
            tallies: Tallies::open(store)?,
            state: RwLock::new(stored(store)?),
            register,
            recorder,
            catalogue,
            configured: RwLock::new(configured.to_owned()),
            acting: Mutex::new(()),
        };
        if let Err(error) = switch.set_beside() {
            tracing::error!(%error, "the other model of the switch cannot be used");
        }
        if let Some(state) = switch.state()
            && matches!(state.phase, Phase::ErasingOld | Phase::ErasingNew)
            && switch.recorder.store().standby_reason().is_none()
            && let Err(error) = switch.erase(&state)
        {
            tracing::warn!(%error, "templates of the other model will be erased at the next start, or when the switch is finished once more");
        }
        Ok(switch)
    }

    /// The state, if a switch is under way.
    pub fn state(&self) -> Option<SwitchState> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The name of the model whose templates are compared now.
    pub fn in_use(&self) -> String {
        let running = self.register.gallery().model().clone();
        let of_state =
            self.state().and_then(|state| [state.from, state.to].into_iter().find(|side| side.model == running));
        of_state.map(|side| side.name).or_else(|| self.catalogue.name_of(&running)).unwrap_or_else(|| self.configured())
    }

    /// The model that is used after the switch.
    fn configured(&self) -> String {
        self.configured.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets which model is used after the switch: the one that the fleet has gone over to counts more than the configuration.
    pub fn set_configured(&self, name: &str) {
        name.clone_into(&mut self.configured.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// In a fleet, its office alone leads people from one model to another.
    fn require_lead(&self, by: &Actor) -> Result<(), SwitchError> {
        let in_fleet = self.register.gallery().people_of_fleet() > 0 && !matches!(by, Actor::Fleet(_));
        if in_fleet { Err(SwitchError::OfFleet) } else { Ok(()) }
    }

    /// The model whose templates are kept and made beside those in use.
    pub fn beside(&self) -> Option<Side> {
        let (state, next) = (self.state()?, self.register.gallery().next_model()?);
        [state.from, state.to].into_iter().find(|side| side.model == next)
    }

    /// What vision does now; `None` for nothing: also while the daemon compares by another model than the old one.
    pub fn plan(&self) -> Option<Plan> {
        let state = self.state()?;
        let (learn, shadow) = (state.learn, state.shadow);
        let runs = state.phase == Phase::Begun
            && state.from.model == *self.register.gallery().model()
            && self.register.gallery().next_model().as_ref() == Some(&state.to.model);
        (runs && (learn || shadow)).then_some(Plan { to: state.to, learn, shadow })
    }

    /// Begins a switch, or changes the settings of the one that is under way.
    pub fn begin(&self, order: SwitchOrder, by: Actor, now: SystemTime) -> Result<SwitchState, SwitchError> {
        let _acting = self.acting();
        self.require_lead(&by)?;
        let card = self.catalogue.card(&order.to)?;
        if let NearEnough::Fixed(distance) = card.near_enough {
            return Err(SwitchError::FixedDistance { distance, name: card.name });
        }
        let to = Side { name: card.name.clone(), model: card.model.clone() };
        let mut state = match self.state() {
            None => SwitchState::begin(self.from(&to)?, to.clone(), Timestamp::try_from(now).unwrap_or_default()),
            Some(state) => match state.phase {
                Phase::Begun | Phase::Cancelled if state.to.name == to.name => state,
                Phase::Switched if state.to.name == to.name => {
                    return Err(SwitchError::Switched { from: state.from.name, to: state.to.name });
                }
                _ => return Err(SwitchError::UnderWay { from: state.from.name, to: state.to.name }),
            },
        };
        // The file may have been replaced since.
        state.to = to;
        state.phase = Phase::Begun;
        state.learn = order.learn.unwrap_or(state.learn);
        state.shadow = order.shadow.unwrap_or(state.shadow);
        state.after = order.after.unwrap_or(state.after);
        if self.state().as_ref() == Some(&state) {
            return Ok(state);
        }
        let event = StoreEvent::ModelSwitchBegun {
            from: state.from.model.clone(),
            to: state.to.model.clone(),
            learn: state.learn,
            shadow: state.shadow,
            after: state.after.as_text(),
            by,
        };
        self.store(&event.into(), Some(state.clone()))?;
        self.set_beside()?;
        Ok(state)
    }

    /// Goes over to the new model if the switch is due at `now`, for a daemon that starts; whether it did. The gallery that is open still
    /// compares by the old one.
    pub fn switch_if_due(&self, now: SystemTime, clock_is_known: bool) -> Result<bool, SwitchError> {
        let _acting = self.acting();
        let Some(state) = self.state() else { return Ok(false) };
        let (moved, left) = self.moved(&state);
        if state.from.model != *self.register.gallery().model() || !state.is_due(now, clock_is_known, left.len()) {
            return Ok(false);
        }
        let event = StoreEvent::ModelSwitched {
            from: state.from.model.clone(),
            to: state.to.model.clone(),
            moved: moved.len(),
            left: left.len(),
            by: Actor::System(SystemAct::SwitchModel),
        };
        self.store(&event.into(), Some(state.in_phase(Phase::Switched)))?;
        Ok(true)
    }

    /// Stays with the old model, or goes back to it at the daemon's next start. Nothing is erased.
    pub fn cancel(&self, by: Actor) -> Result<SwitchState, SwitchError> {
        let _acting = self.acting();
        self.require_lead(&by)?;
        let state = self.state().ok_or(SwitchError::None)?;
        match state.phase {
            Phase::Begun | Phase::Switched => {}
            Phase::Cancelled => return Ok(state),
            Phase::ErasingOld | Phase::ErasingNew => {
                return Err(SwitchError::UnderWay { from: state.from.name, to: state.to.name });
            }
        }
        let event = StoreEvent::ModelSwitchCancelled { from: state.from.model.clone(), to: state.to.model.clone(), by };
        let state = state.in_phase(Phase::Cancelled);
        self.store(&event.into(), Some(state.clone()))?;
        self.set_beside()?;
        Ok(state)
    }

    /// Ends the switch: erases the templates of the model that is not in force, as those of a removed person. Returns how many.
    pub fn finish(&self, by: Actor) -> Result<usize, SwitchError> {
        let _acting = self.acting();
        self.require_lead(&by)?;
        let mut state = self.state().ok_or(SwitchError::None)?;
        let Some((kept, removed)) = state.outcome() else {
            return Err(SwitchError::NotSwitched { from: state.from.name });
        };
        let running = self.register.gallery().model();
        if *running != kept.model {
            return Err(SwitchError::Restart { running: running.clone(), kept: kept.name.clone() });
        }
        let configured = self.configured();
        if configured != kept.name {
            return Err(SwitchError::Configuration { configured, kept: kept.name.clone() });
        }
        if matches!(state.phase, Phase::Switched | Phase::Cancelled) {
            let counts = self.register.gallery().models()?;
            let (people, templates) = counts
                .iter()
                .find(|count| count.model == removed.model)
                .map_or((0, 0), |count| (count.people, count.templates));
            let (kept, removed) = (kept.model.clone(), removed.model.clone());
            let event = StoreEvent::ModelSwitchFinished { kept, removed, people, templates, by };
            state.phase = if state.phase == Phase::Switched { Phase::ErasingOld } else { Phase::ErasingNew };
            self.store(&event.into(), Some(state.clone()))?;
            self.set_beside()?;
        }
        self.erase(&state)
    }

    /// Gives a person templates of the other model; see [`Register::move_person`].
    pub fn move_person(&self, order: Move) -> Result<Person, SwitchError> {
        if self.beside().is_none() {
            return Err(SwitchError::None);
        }
        Ok(self.register.move_person(order)?)
    }

    /// Whether this view of a person who was let in may become one of their templates, or be compared with both models: it passes the `gates`
    /// of enrolment, and to the old model it is that person at the [strict distance](Register::strict).
    pub fn is_good_view(&self, person: PersonId, nearest: Option<&Match>, quality: &Quality, gates: &Gates) -> bool {
        let limit = self.register.strict().0;
        let is_them = |found: &Match| found.person == person && (0.0..=limit).contains(&found.distance.0);
        nearest.is_some_and(is_them) && gates.check(quality).is_ok()
    }

    /// Whether a person has templates of the new model.
    pub fn has_moved(&self, person: PersonId) -> bool {
        self.register.gallery().next_templates(person) > 0
    }

    /// Makes templates of the new model from views of one visit, which the grant of the record `record` began. `None` if the switch no longer
    /// asks for it, or the person has moved or been disabled meanwhile.
    pub fn learn(&self, person: PersonId, views: Vec<Template>, record: u64) -> Result<Option<Person>, SwitchError> {
        let _acting = self.acting();
        let wanted = self.plan().is_some_and(|plan| plan.learn) && !self.has_moved(person);
        if !wanted || !self.register.gallery().person(person)?.enabled {
            return Ok(None);
        }
        let by = Actor::System(SystemAct::LearnFromVisit);
        let order = Move { person, templates: views, labels: Vec::new(), force: false, record: Some(record), by };
        Ok(Some(self.register.move_person(order)?))
    }

    /// Counts what the new model says of a view of a person who was let in and has moved. `None` if the switch no longer asks for it.
    pub fn compare(&self, person: PersonId, view: &Embedding) -> Result<Option<Opinion>, SwitchError> {
        let _acting = self.acting();
        let Some(cut) = self.register.next_cut() else { return Ok(None) };
        if !self.plan().is_some_and(|plan| plan.shadow) || !self.has_moved(person) {
            return Ok(None);
        }
        let found = self.register.gallery().nearest_next(view)?;
        let opinion = match found.filter(|found| found.distance.0 <= cut.distance.0) {
            None => Opinion::Refuses,
            Some(found) if found.person == person => Opinion::Agrees,
            Some(_) => Opinion::Other,
        };
        self.recorder.store().commit(&[self.tallies.add(person, opinion)?])?;
        Ok(Some(opinion))
    }

    /// The model that people are led away from: the one in use; or, where that is the new one, the model of the manifest of which most people
    /// have templates.
    fn from(&self, to: &Side) -> Result<Side, SwitchError> {
        let gallery = self.register.gallery();
        if *gallery.model() != to.model {
            return Ok(Side { name: self.in_use(), model: gallery.model().clone() });
        }
        let mut counts = gallery.models()?;
        counts.sort_by_key(|count| std::cmp::Reverse(count.people));
        let others = counts.into_iter().filter(|count| count.model != to.model);
        let known =
            others.filter_map(|count| Some(Side { name: self.catalogue.name_of(&count.model)?, model: count.model }));
        known.into_iter().next().ok_or_else(|| SwitchError::NothingToDo { name: to.name.clone() })
    }

    /// Those who may enter and have templates of the old model: who has some of the new one, and who has none.
    fn moved(&self, state: &SwitchState) -> (Vec<Person>, Vec<Person>) {
        let gallery = self.register.gallery();
        let new_is_in_use = *gallery.model() == state.to.model;
        let has_moved = |person: &Person| match new_is_in_use {
            true => person.templates > 0,
            false => gallery.next_templates(person.id) > 0,
        };
        gallery.people().into_iter().filter(|person| person.enabled).partition(has_moved)
    }

    /// Commits the record of an act with the state after it, then remembers that.
    fn store(&self, event: &Event, state: Option<SwitchState>) -> Result<(), SwitchError> {
        self.recorder.record_change(event, &[self.entry(state.as_ref())])?;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        Ok(())
    }

    fn entry(&self, state: Option<&SwitchState>) -> Change {
        match state {
            Some(state) => self.tree.put(STATE, state.write()),
            None => self.tree.delete(STATE),
        }
    }

    /// Erases the templates of the model that goes, then the switch.
    fn erase(&self, state: &SwitchState) -> Result<usize, SwitchError> {
        let Some((_, removed)) = state.outcome() else { return Ok(0) };
        let erased = self.register.gallery().erase_model(&removed.model)?;
        let mut changes = self.tallies.clear()?;
        changes.push(self.entry(None));
        self.recorder.store().commit(&changes)?;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = None;
        tracing::info!(erased, model = %removed.model, "the switch of models is over");
        Ok(erased)
    }

    /// Gives the register the model of the switch that is not in use.
    fn set_beside(&self) -> Result<(), SwitchError> {
        let running = self.register.gallery().model().clone();
        let wanted = self.state().filter(|state| state.beside().is_some()).and_then(|state| {
            let sides = [state.from, state.to];
            // A model that is neither: the configuration names a third.
            let concerned = sides.iter().any(|side| side.model == running);
            sides.into_iter().find(|side| concerned && side.model != running)
        });
        let Some(side) = wanted else { return Ok(self.register.set_next(None)?) };
        let card = match self.catalogue.card(&side.name) {
            Ok(card) if card.model == side.model => card,
            other => {
                self.register.set_next(None)?;
                return Err(other.err().unwrap_or(CatalogueError::Replaced { name: side.name }).into());
            }
        };
        Ok(self.register.set_next(Some((card.model, card.dimension, card.near_enough)))?)
    }

    fn acting(&self) -> MutexGuard<'_, ()> {
        self.acting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

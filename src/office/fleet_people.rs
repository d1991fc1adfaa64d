//! The people of a fleet in a board's store: the person, the entry of their record, the position in the stream, and the journal's record of the change
//! are one commit.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use thiserror::Error;
use uuid::Uuid;

use super::register::{OfficeError, Register};
use super::tallies::Tallies;
use crate::domain::{Actor, Event, ModelId, Named, PeopleEvent, PersonId, Personal};
use crate::fleet::{Entry, Holding, PersonBody, Position, Step, StepChange, Taken};
use crate::gallery::{FleetChange, FleetPerson, GalleryError, NewPerson, Person, RecordError, Template, read_template};
use crate::ledger::LedgerError;
use crate::store::{Change, Store, StoreError, Tree};

/// The tree of entries, by uuid, and of the position.
const TREE: &str = "fleet";
/// The key of the position. No uuid has this length.
const POSITION: &[u8] = b"position";

/// Why a step could not be committed. Nothing of it was.
#[derive(Debug, Error)]
pub enum FleetPeopleError {
    #[error(transparent)]
    Gallery(#[from] GalleryError),
    #[error("nothing was changed, because it could not be recorded: {0}")]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("what is kept of the fleet's people cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// The people of a fleet, in a board's gallery and store.
pub struct FleetPeople {
    register: Register,
    store: Store,
    tree: Tree,
}

impl FleetPeople {
    /// In the store of the register. Local changes of these people are refused from now on.
    pub fn open(register: Register) -> Result<FleetPeople, FleetPeopleError> {
        let store = register.recorder.store().clone();
        let tree = store.tree(TREE)?;
        register.gallery.set_fleet(true);
        Ok(FleetPeople { register, store, tree })
    }

    /// How many people of the fleet are in the gallery.
    pub fn people(&self) -> usize {
        self.register.gallery.people_of_fleet()
    }

    /// Sleeps after a step that took `took`, so that records of doors get their turn at the store.
    pub fn yield_to_writers(&self, took: Duration) {
        self.store.yield_to_writers(took);
    }

    fn put(&self, uuid: Uuid, entry: &Entry) -> Result<Change, FleetPeopleError> {
        Ok(self.tree.put(uuid.as_bytes(), serde_json::to_vec(entry)?))
    }

    fn position_change(&self, position: Option<Position>) -> Result<Option<Change>, FleetPeopleError> {
        position.map(|position| Ok(self.tree.put(POSITION, serde_json::to_vec(&position)?))).transpose()
    }

    fn commit_plain(&self, changes: &[Change]) -> Result<Taken, FleetPeopleError> {
        self.store.commit(changes)?;
        Ok(Taken::Done { note: None })
    }

    fn put_person(&self, wanted: FleetPerson, by: Actor, mut changes: Vec<Change>) -> Result<Taken, FleetPeopleError> {
        let register = &self.register;
        let own = register.gallery.person_of_fleet(wanted.uuid);
        let alike = match register.require_stranger(&wanted.templates, own) {
            Err(OfficeError::Duplicate { person, name, .. }) => Some((person, name)),
            // What else is wrong with the templates shows below.
            _ => None,
        };
        let FleetChange { prepared, before, templates, id_taken, same_name } =
            match register.gallery.prepare_fleet(wanted) {
                Ok(change) => change,
                Err(error) if is_unfit(&error) => return Ok(Taken::Unfit(error.to_string())),
                Err(error) => return Err(error.into()),
            };
        let note = note(prepared.person(), id_taken, same_name, alike.as_ref());
        changes.extend_from_slice(prepared.changes());
        match event(before.as_ref(), prepared.person(), templates, by) {
            Some(event) => drop(register.recorder.record_change(&event, &changes)?),
            None => self.store.commit(&changes)?,
        }
        finished(prepared.finish());
        Ok(Taken::Done { note })
    }

    fn remove(&self, uuid: Uuid, mut changes: Vec<Change>) -> Result<Taken, FleetPeopleError> {
        let Some(prepared) = self.register.gallery.prepare_fleet_removal(uuid)? else {
            return self.commit_plain(&changes);
        };
        let by = Actor::Fleet(String::new());
        let event = Event::People(PeopleEvent::Removed { person: prepared.person().named().into(), by });
        changes.extend_from_slice(prepared.changes());
        changes.push(Tallies::open(&self.store)?.forget(prepared.person().id));
        self.register.recorder.record_change(&event, &changes)?;
        finished(prepared.finish());
        Ok(Taken::Done { note: None })
    }
}

impl Holding for FleetPeople {
    type Error = FleetPeopleError;

    fn entry(&self, uuid: Uuid) -> Result<Option<Entry>, FleetPeopleError> {
        Ok(self.tree.get(uuid.as_bytes())?.and_then(|bytes| read_entry(uuid, &bytes)))
    }

    fn entries(&self) -> Result<Vec<(Uuid, Entry)>, FleetPeopleError> {
        let mut entries = Vec::new();
        for found in self.tree.iter() {
            let (key, bytes) = found?;
            if let Ok(uuid) = Uuid::from_slice(&key)
                && let Some(entry) = read_entry(uuid, &bytes)
            {
                entries.push((uuid, entry));
            }
        }
        Ok(entries)
    }

    fn position(&self) -> Result<Option<Position>, FleetPeopleError> {
        // One that cannot be read means that everything is read anew.
        Ok(self.tree.get(POSITION)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    fn commit(&mut self, step: Step<'_>) -> Result<Taken, FleetPeopleError> {
        let mut changes = Vec::from_iter(self.position_change(step.position)?);
        match step.change {
            StepChange::Nothing => self.commit_plain(&changes),
            StepChange::Same { uuid, entry } => {
                changes.push(self.put(uuid, entry)?);
                self.commit_plain(&changes)
            }
            StepChange::Removed { uuid, entry } => {
                changes.push(self.put(uuid, entry)?);
                self.remove(uuid, changes)
            }
            StepChange::Person { uuid, entry, body, model, .. } => {
                let templates = match read_templates(body, model) {
                    Ok(templates) => templates,
                    Err(fault) => return Ok(Taken::Unfit(fault.to_string())),
                };
                let PersonBody { name, employee_id, groups, enabled, valid_from, valid_until, by, .. } = body.clone();
                let person = NewPerson { name, employee_id, groups };
                changes.push(self.put(uuid, entry)?);
                let wanted = FleetPerson { uuid, person, enabled, valid_from, valid_until, templates };
                self.put_person(wanted, Actor::Fleet(by), changes)
            }
        }
    }
}

fn read_entry(uuid: Uuid, bytes: &[u8]) -> Option<Entry> {
    serde_json::from_slice(bytes)
        .inspect_err(
            |error| tracing::warn!(%uuid, %error, "what was kept of a person of the fleet cannot be read; it is read anew"),
        )
        .ok()
}

/// Why a template of a record does not fit here.
#[derive(Debug, Error)]
enum TemplateFault {
    #[error("a template is of the model {0}")]
    OtherModel(ModelId),
    #[error("a template cannot be read: {0}")]
    Unreadable(#[from] RecordError),
}

fn read_templates(body: &PersonBody, model: &ModelId) -> Result<Vec<Template>, TemplateFault> {
    let read = |bytes: &[u8]| {
        let template = read_template(bytes)?;
        match template.embedding.model() {
            own if own == model => Ok(template),
            other => Err(TemplateFault::OtherModel(other.clone())),
        }
    };
    body.templates.iter().map(|bytes| read(bytes)).collect()
}

/// Whether the record is the cause, so that no later attempt succeeds.
fn is_unfit(error: &GalleryError) -> bool {
    matches!(
        error,
        GalleryError::BadText { .. }
            | GalleryError::BadName { .. }
            | GalleryError::BadValidity
            | GalleryError::TooManyTemplates { .. }
            | GalleryError::ForeignModel { .. }
    )
}

/// The change is on disk; what remains is done when the gallery is next opened.
fn finished(done: Result<Person, GalleryError>) {
    if let Err(error) = done {
        tracing::warn!(%error, "a person of the fleet was changed on disk, and will be known after the next start");
    }
}

/// What an operator should know about somebody who came from the fleet.
fn note(
    person: &Person,
    id_taken: Option<PersonId>,
    same_name: Option<PersonId>,
    alike: Option<&(PersonId, String)>,
) -> Option<String> {
    let Person { id, name, .. } = person;
    let mut notes = Vec::new();
    if let Some(other) = same_name {
        notes.push(format!(
            "#{other} is called {name}, too: name either of them by number, or remove #{other} if they are one person"
        ));
    }
    if let Some(other) = id_taken {
        notes.push(format!("#{other} has the employee id that the office gave to #{id}: change one of both"));
    }
    if let Some((other, theirs)) = alike {
        notes.push(format!("{name} (#{id}) has nearly the face of {theirs} (#{other}): doors may take neither for sure until one is removed"));
    }
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// What is recorded about a change; `None` if nothing about the person is new.
fn event(before: Option<&Person>, after: &Person, templates: Option<usize>, by: Actor) -> Option<Event> {
    let person: Personal<Named> = after.named().into();
    let Some(before) = before else {
        return Some(PeopleEvent::Enrolled { person, templates: templates.unwrap_or_default(), by }.into());
    };
    let mut what = Vec::new();
    if after.name != before.name {
        what.push(format!("name, before {}", before.name));
    }
    if after.employee_id != before.employee_id {
        what.push(format!("employee id {}", after.employee_id.as_deref().unwrap_or("none")));
    }
    if after.groups != before.groups {
        what.push(format!(
            "groups {}",
            if after.groups.is_empty() { "none".to_owned() } else { after.groups.join(", ") }
        ));
    }
    if (after.valid_from, after.valid_until) != (before.valid_from, before.valid_until) {
        what.push(format!("valid from {} until {}", shown(after.valid_from), shown(after.valid_until)));
    }
    if let Some(templates) = templates {
        what.push(format!("{templates} new templates"));
    }
    let enabled = (after.enabled != before.enabled).then_some(after.enabled);
    let event = match (enabled, &what[..]) {
        (None, []) => return None,
        (Some(true), []) => PeopleEvent::Enabled { person, by },
        (Some(false), []) => PeopleEvent::Disabled { person, by },
        (None, [_]) if after.name != before.name => {
            PeopleEvent::Renamed { person, before: before.name.clone().into(), by }
        }
        _ => {
            what.extend(enabled.map(|enabled| if enabled { "enabled" } else { "disabled" }.to_owned()));
            PeopleEvent::Changed { person, what: what.join("; ").into(), by }
        }
    };
    Some(event.into())
}

fn shown(time: Option<SystemTime>) -> String {
    time.and_then(|time| Timestamp::try_from(time).ok()).map_or_else(|| "any time".to_owned(), |at| at.to_string())
}

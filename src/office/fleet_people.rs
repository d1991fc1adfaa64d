//! The people of a fleet in a board's store: the person, the entry of their record, the position in the stream, and the journal's record of the change
//! are one commit, and so are many people who come together.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use thiserror::Error;
use uuid::Uuid;

use super::register::Register;
use super::requests::{AskError, Reception};
use super::tallies::Tallies;
use crate::domain::{Actor, Event, ModelId, Named, PeopleEvent, PersonId, Personal};
use crate::fleet::{Entry, Holding, PersonBody, Position, Step, Taken};
use crate::gallery::{
    FleetBatch, FleetChange, FleetPerson, GalleryError, Locals, NewPerson, Person, RecordError, Template, read_template,
};
use crate::ledger::LedgerError;
use crate::store::{Change, Store, StoreError, Tree};

/// What the name of the tree of entries, by uuid, and of the position begins with. Each model has its own.
const TREE: &str = "fleet";
/// Entries that are deleted in one commit.
const CLEARED_AT_ONCE: usize = 500;
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
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("what is kept of the fleet's people cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// The people of a fleet in a board's gallery and store, with their templates of one model.
pub struct FleetPeople {
    register: Register,
    model: ModelId,
    store: Store,
    tree: Tree,
}

impl FleetPeople {
    /// In the store of the register, with templates of the model in use, or of the second one. Local changes of these people are refused from now on.
    pub fn open(register: Register, model: ModelId) -> Result<FleetPeople, FleetPeopleError> {
        let store = register.recorder.store().clone();
        let tree = store.tree(&format!("{TREE} {model}"))?;
        register.gallery.set_fleet(true);
        Ok(FleetPeople { register, model, store, tree })
    }

    /// Forgets how far the records of a model were read, and what was held of them: its templates are being erased.
    pub fn clear(register: &Register, model: &ModelId) -> Result<(), FleetPeopleError> {
        let store = register.recorder.store();
        let tree = store.tree(&format!("{TREE} {model}"))?;
        let mut changes = Vec::new();
        for entry in tree.iter() {
            changes.push(tree.delete(&*entry?.0));
        }
        for part in changes.chunks(CLEARED_AT_ONCE) {
            store.commit_in_background(part)?;
        }
        Ok(())
    }

    /// How many people of the fleet are in the gallery.
    pub fn people(&self) -> usize {
        self.register.gallery.people_of_fleet()
    }

    fn put(&self, uuid: Uuid, entry: &Entry) -> Result<Change, FleetPeopleError> {
        Ok(self.tree.put(uuid.as_bytes(), serde_json::to_vec(entry)?))
    }

    fn position_change(&self, position: Option<Position>) -> Result<Option<Change>, FleetPeopleError> {
        position.map(|position| Ok(self.tree.put(POSITION, serde_json::to_vec(&position)?))).transpose()
    }

    /// Adds a step to a batch, and to `changes` what it ends of this board's requests. Returns what becomes of it, and what is recorded.
    fn take(
        &self,
        batch: &mut FleetBatch<'_>,
        step: &Step<'_>,
        locals: &Locals,
        changes: &mut Vec<Change>,
    ) -> Result<(Taken, Option<Event>), FleetPeopleError> {
        const DONE: Taken = Taken::Done { note: None };
        match step {
            Step::Same { .. } => Ok((DONE, None)),
            Step::Removed { uuid, .. } => {
                let reception = self.register.receive_removal(*uuid)?;
                let removed = batch.remove(*uuid, reception.adopt)?;
                changes.extend(reception.changes);
                let event = removed.map(|person| {
                    let by = Actor::Fleet(String::new());
                    Event::People(PeopleEvent::Removed { person: person.named().into(), by })
                });
                Ok((DONE, event))
            }
            Step::Person { uuid, body, model, .. } => {
                let templates = match read_templates(body, model) {
                    Ok(templates) => templates,
                    Err(fault) => return Ok((Taken::Unfit(fault.to_string()), None)),
                };
                let PersonBody { name, employee_id, groups, enabled, valid_from, valid_until, by, .. } =
                    (*body).clone();
                let person = NewPerson { name, employee_id, groups };
                let Reception { adopt, held, changes: received } = self.register.receive(*uuid, enabled)?;
                let own = self.register.gallery.person_of_fleet(*uuid).or(adopt);
                let alike = self.alike(&templates, locals, own);
                let enabled = enabled && !held;
                let model = self.model.clone();
                let wanted =
                    FleetPerson { uuid: *uuid, adopt, person, enabled, valid_from, valid_until, model, templates };
                match batch.put(wanted) {
                    Ok(change) => {
                        changes.extend(received);
                        let note = note(&change, alike.as_ref());
                        let FleetChange { person, before, templates, .. } = change;
                        let by = Actor::Fleet(by);
                        let event = match before.is_none() || self.model == *self.register.gallery.model() {
                            true => event(before.as_ref(), &person, templates, by),
                            false => self.event_beside(before.as_ref(), &person, templates, by),
                        };
                        Ok((Taken::Done { note }, event))
                    }
                    Err(error) if is_unfit(&error) => Ok((Taken::Unfit(error.to_string()), None)),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }

    /// What is recorded about a change with templates of the second model.
    fn event_beside(
        &self,
        before: Option<&Person>,
        after: &Person,
        templates: Option<usize>,
        by: Actor,
    ) -> Option<Event> {
        event(before, after, None, by.clone()).or_else(|| {
            let (templates, model) = (templates.filter(|count| *count > 0)?, self.model.clone());
            Some(PeopleEvent::TemplatesMade { person: after.named().into(), model, templates, record: None, by }.into())
        })
    }

    /// A person of this board alone, other than `own`, who has nearly one of these faces. Whether people of the fleet look alike, its office has asked.
    fn alike(&self, templates: &[Template], locals: &Locals, own: Option<PersonId>) -> Option<(PersonId, String)> {
        let gallery = &self.register.gallery;
        let limit = self.register.cut().distance;
        templates.iter().find_map(|template| {
            // What is wrong with a template is said where it is stored.
            let (person, distance) = gallery.nearest_of(locals, &template.embedding, own).ok()??;
            let name = gallery.person(person).ok()?.name;
            (distance.0 <= limit.0).then_some((person, name))
        })
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

    fn commit(&mut self, steps: &[Step<'_>], position: Option<Position>) -> Result<Vec<Taken>, FleetPeopleError> {
        let mut changes = Vec::from_iter(self.position_change(position)?);
        if steps.is_empty() {
            self.store.commit(&changes)?;
            return Ok(Vec::new());
        }
        let (tallies, locals) = (Tallies::open(&self.store)?, self.register.gallery.locals());
        let mut batch = self.register.gallery.fleet_batch();
        let (mut all, mut events) = (Vec::with_capacity(steps.len()), Vec::new());
        for step in steps {
            let (taken, event) = self.take(&mut batch, step, &locals, &mut changes)?;
            if let Taken::Done { .. } = taken {
                let (Step::Person { uuid, entry, .. } | Step::Same { uuid, entry } | Step::Removed { uuid, entry }) =
                    step;
                changes.push(self.put(*uuid, entry)?);
            }
            if let Some(Event::People(PeopleEvent::Removed { person, .. })) = &event {
                changes.extend(person.known().map(|person| tallies.forget(person.id)));
            }
            events.extend(event);
            all.push(taken);
        }
        changes.extend(batch.changes()?);
        match events.is_empty() {
            true => self.store.commit(&changes)?,
            false => drop(self.register.recorder.record_changes(&events, &changes)?),
        }
        if let Err(error) = batch.finish() {
            // The changes are on disk; what remains is done when the gallery is next opened.
            tracing::warn!(%error, "people of the fleet were changed on disk, and some will be known after the next start");
        }
        if all.len() > 1 {
            // Records of doors get their turn at the store before the next part.
            self.store.yield_to_writers(Duration::ZERO);
        }
        Ok(all)
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

/// What an operator should know about somebody who came from the fleet.
fn note(change: &FleetChange, alike: Option<&(PersonId, String)>) -> Option<String> {
    let FleetChange { person: Person { id, name, .. }, id_taken, same_name, .. } = change;
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
    if after.uuid != before.uuid {
        what.push("of the fleet now".to_owned());
    }
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

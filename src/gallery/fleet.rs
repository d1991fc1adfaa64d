//! People who came from the fleet: each has a uuid beside the number of this store. The office alone changes them; a person of this store alone stays
//! as they are, even if both have one name.

use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use uuid::Uuid;

use super::change::{Prepared, encode};
use super::leaving::Leaving;
use super::person::{NewPerson, Person, Template};
use super::record::{self, Kind, Stored};
use super::{Gallery, GalleryError, MAX_TEMPLATES};
use crate::domain::PersonId;
use crate::store::{Change, Entry};

/// A person as the fleet's office wants them.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetPerson {
    pub uuid: Uuid,
    pub person: NewPerson,
    pub enabled: bool,
    pub valid_from: Option<SystemTime>,
    pub valid_until: Option<SystemTime>,
    /// Of the model in use; may be empty. They replace the enrolled ones of that model. What was learned here stays.
    pub templates: Vec<Template>,
}

/// A change of a person of the fleet that has been checked.
#[must_use = "nothing is written yet"]
pub struct FleetChange<'g> {
    /// To be committed.
    pub prepared: Prepared<'g>,
    /// The person before; `None` for somebody new.
    pub before: Option<Person>,
    /// The number of templates, if those are new ones.
    pub templates: Option<usize>,
    /// Who has the employee id that the office gave to this person. They keep it, and this person is without.
    pub id_taken: Option<PersonId>,
    /// Somebody else with the same name: only the number or an employee id says which of both is meant.
    pub same_name: Option<PersonId>,
}

impl Gallery {
    /// Sets whether people of the fleet are changed and removed at its office alone. `false` lets a store that has left the fleet go on alone.
    pub fn set_fleet(&self, in_fleet: bool) {
        self.in_fleet.store(in_fleet, Relaxed);
    }

    /// The number of a person of the fleet.
    pub fn person_of_fleet(&self, uuid: Uuid) -> Option<PersonId> {
        self.cache().known.by_uuid(uuid)
    }

    /// The number of people of the fleet.
    pub fn people_of_fleet(&self) -> usize {
        self.cache().known.of_fleet()
    }

    /// Prepares what the fleet says of a person: they are enrolled, or changed to be the same.
    pub fn prepare_fleet(&self, wanted: FleetPerson) -> Result<FleetChange<'_>, GalleryError> {
        let FleetPerson { uuid, person, enabled, valid_from, valid_until, templates } = wanted;
        let mut person = person.tidy()?;
        self.check_fleet_templates(&templates)?;
        if let (Some(from), Some(until)) = (valid_from, valid_until)
            && from >= until
        {
            return Err(GalleryError::BadValidity);
        }
        let writing = self.writing();
        let own = self.person_of_fleet(uuid);
        let id_taken = match self.require_free_id(person.employee_id.as_deref(), own) {
            Err(GalleryError::EmployeeIdTaken { holder, .. }) => Some(holder),
            other => other.map(|()| None)?,
        };
        if id_taken.is_some() {
            person.employee_id = None;
        }
        let same_name = self.cache().known.other_named(&person.name, own);
        let mut stored =
            Stored { person, enabled, valid_from, valid_until, created: created(&templates), uuid: Some(uuid) };
        let Some(id) = own else {
            let (id, stored, mut changes) = self.new_person_as(stored)?;
            changes.extend(self.sealed_anew(id, &[], &templates)?);
            let prepared = self.prepared(writing, changes, id, stored, Vec::new(), false);
            return Ok(FleetChange { prepared, before: None, templates: Some(templates.len()), id_taken, same_name });
        };
        let before = self.person(id)?;
        let held = self.trees.templates_of(id)?;
        let (mut changes, mut gone) = (Vec::new(), Vec::new());
        let replaces = !self.has_enrolled(&held, &templates);
        if replaces {
            let mut leaving = Leaving::default();
            leaving.add(self, &held, |entry| self.is_enrolled_here(entry))?;
            changes.extend(leaving.changes(self));
            gone = leaving.gone;
            changes.extend(self.sealed_anew(id, &held, &templates)?);
        } else {
            stored.created = before.created;
        }
        changes.push(self.trees.people.put(record::person_key(id), encode(id, &stored)?));
        let prepared = self.prepared(writing, changes, id, stored, gone, replaces);
        let templates = replaces.then_some(templates.len());
        Ok(FleetChange { prepared, before: Some(before), templates, id_taken, same_name })
    }

    /// Prepares the removal of a person of the fleet, as [`prepare_removal`](Gallery::prepare_removal). `None` if they are not here.
    pub fn prepare_fleet_removal(&self, uuid: Uuid) -> Result<Option<Prepared<'_>>, GalleryError> {
        let writing = self.writing();
        self.person_of_fleet(uuid).map(|id| self.removal(writing, id)).transpose()
    }

    /// Fails for a person of the fleet, while that changes its people at its office alone.
    pub(super) fn require_local(&self, id: PersonId) -> Result<(), GalleryError> {
        if !self.in_fleet.load(Relaxed) {
            return Ok(());
        }
        match self.cache().people.get(&id) {
            Some(Person { uuid: Some(_), name, .. }) => Err(GalleryError::OfFleet { name: name.clone() }),
            _ => Ok(()),
        }
    }

    fn check_fleet_templates(&self, templates: &[Template]) -> Result<(), GalleryError> {
        if templates.len() > MAX_TEMPLATES {
            return Err(GalleryError::TooManyTemplates { count: templates.len() });
        }
        templates.iter().try_for_each(|template| self.check_model(&template.embedding))
    }

    /// The changes that store templates with a new sub-key of their own.
    fn sealed_anew(&self, id: PersonId, held: &[Entry], templates: &[Template]) -> Result<Vec<Change>, GalleryError> {
        if templates.is_empty() {
            return Ok(Vec::new());
        }
        let sub_key = self.ring().add(1)?.pop();
        self.trees.additions(id, held, templates.iter().map(|template| (sub_key, template)))
    }

    /// Whether the enrolled templates of the model in use are exactly these.
    fn has_enrolled(&self, held: &[Entry], templates: &[Template]) -> bool {
        let mut enrolled = held.iter().filter(|entry| self.is_enrolled_here(entry));
        let same = templates.iter().all(|template| {
            enrolled.next().is_some_and(|(key, value)| self.trees.read(key, value).is_ok_and(|kept| kept == *template))
        });
        same && enrolled.next().is_none()
    }

    /// Whether it is an enrolled template of the model in use, or one that cannot be read.
    fn is_enrolled_here(&self, (key, value): &Entry) -> bool {
        record::kind_of(key) == Kind::Enrolled
            && !record::is_erased(value)
            && self.trees.model_of(value).is_none_or(|model| model == self.model)
    }
}

/// When the newest of the templates was made.
fn created(templates: &[Template]) -> SystemTime {
    templates.iter().map(|template| template.created).max().unwrap_or(SystemTime::UNIX_EPOCH)
}

//! People who came from the fleet: each has a uuid beside the number of this store. The office alone changes them; a person of this store alone stays
//! as they are, even if both have one name.

use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use uuid::Uuid;

use super::index::Index;
use super::person::{NewPerson, Person, Template};
use super::{Gallery, GalleryError};
use crate::domain::{Distance, Embedding, ModelId, PersonId};

/// A person as the fleet's office wants them.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetPerson {
    pub uuid: Uuid,
    /// Somebody of this store alone who becomes that person: the number and what was learned stay.
    pub adopt: Option<PersonId>,
    pub person: NewPerson,
    pub enabled: bool,
    pub valid_from: Option<SystemTime>,
    pub valid_until: Option<SystemTime>,
    /// The model in use, or the second one.
    pub model: ModelId,
    /// Of that model; may be empty. They replace the enrolled ones of that model. What was learned here stays.
    pub templates: Vec<Template>,
}

/// The people of this store alone, to compare many others with them.
pub struct Locals(Index);

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

    /// The people of this store alone who can be recognised.
    pub fn locals(&self) -> Locals {
        let cache = self.cache();
        let is_local = |id| cache.people.get(&id).is_some_and(|person| person.uuid.is_none());
        match cache.known.of_fleet() == cache.people.len() {
            true => Locals(Index::new(self.dimension)),
            false => Locals(cache.index.only(is_local)),
        }
    }

    /// Who of some people is nearest to a probe, other than `own`.
    ///
    /// # Errors
    /// The probe is of another model.
    pub fn nearest_of(
        &self,
        locals: &Locals,
        probe: &Embedding,
        own: Option<PersonId>,
    ) -> Result<Option<(PersonId, Distance)>, GalleryError> {
        self.check_model(probe)?;
        if locals.0.is_empty() {
            return Ok(None);
        }
        let found = self.compared_as(probe).and_then(|probe| locals.0.nearest(probe.values(), self.threads));
        Ok(found.and_then(|found| match Some(found.person) == own {
            true => found.runner_up,
            false => Some((found.person, found.distance)),
        }))
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
}

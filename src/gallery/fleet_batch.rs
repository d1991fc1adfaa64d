//! Changes of people of the fleet that are committed together: many people come at once, and one commit for each would take minutes.

use std::collections::BTreeMap;
use std::sync::MutexGuard;
use std::time::SystemTime;

use uuid::Uuid;

use super::cache;
use super::change::{NEXT_PERSON, encode};
use super::fleet::FleetPerson;
use super::leaving::Leaving;
use super::person::{Person, Template, unreadable};
use super::record::{self, Kind, Stored};
use super::sub_keys::sub_keys;
use super::{Gallery, GalleryError, MAX_TEMPLATES};
use crate::domain::{ModelId, PersonId};
use crate::names;
use crate::store::{Bytes, Change, Entry};

/// Changes that have been checked and can be committed. While it exists, no other change can be prepared.
///
/// Add all of them, commit [`FleetBatch::changes`] in one commit, then call [`FleetBatch::finish`]. If it is dropped before the commit, nothing changes.
#[must_use = "nothing is written yet"]
pub struct FleetBatch<'g> {
    gallery: &'g Gallery,
    /// Held until memory is updated.
    _writing: MutexGuard<'g, ()>,
    /// The number after the last one that was given; `None` before the first new person.
    next: Option<PersonId>,
    changes: Vec<Change>,
    leaving: Leaving,
    /// Templates of whom, to be sealed with a new sub-key each.
    templates: Vec<(PersonId, Vec<Entry>, Vec<Template>)>,
    /// What becomes of people: what is stored, or that they go.
    after: BTreeMap<PersonId, Option<Stored>>,
    /// Keys of overwritten templates.
    gone: Vec<Bytes>,
    /// Whether something that was there leaves for good.
    erases: bool,
}

/// What a change makes of a person of the fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetChange {
    /// The person after it. The counts of templates are not part of it.
    pub person: Person,
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
    /// Begins changes of people of the fleet that are committed together.
    pub fn fleet_batch(&self) -> FleetBatch<'_> {
        FleetBatch {
            gallery: self,
            _writing: self.writing(),
            next: None,
            changes: Vec::new(),
            leaving: Leaving::default(),
            templates: Vec::new(),
            after: BTreeMap::new(),
            gone: Vec::new(),
            erases: false,
        }
    }

    fn check_fleet_templates(&self, model: &ModelId, templates: &[Template]) -> Result<(), GalleryError> {
        if *model != self.model {
            return self.check_next(templates);
        }
        if templates.len() > MAX_TEMPLATES {
            return Err(GalleryError::TooManyTemplates { count: templates.len() });
        }
        templates.iter().try_for_each(|template| self.check_model(&template.embedding))
    }

    /// Whether the enrolled templates of a model are exactly these.
    fn has_enrolled(&self, held: &[Entry], model: &ModelId, templates: &[Template]) -> bool {
        let mut enrolled = held.iter().filter(|entry| self.is_enrolled_as(model, entry));
        let same = templates.iter().all(|template| {
            enrolled.next().is_some_and(|(key, value)| self.trees.read(key, value).is_ok_and(|kept| kept == *template))
        });
        same && enrolled.next().is_none()
    }

    /// Whether it is an enrolled template of a model. One that cannot be read counts as of the model in use.
    fn is_enrolled_as(&self, model: &ModelId, (key, value): &Entry) -> bool {
        let of = self.trees.model_of(value);
        record::kind_of(key) == Kind::Enrolled
            && !record::is_erased(value)
            && of.map_or(*model == self.model, |of| of == *model)
    }
}

impl FleetBatch<'_> {
    /// Adds what the fleet says of a person: they are enrolled, or changed to be the same. Each person may be added once.
    ///
    /// # Errors
    /// What is wanted does not fit, or the store cannot be read. Nothing was added.
    pub fn put(&mut self, wanted: FleetPerson) -> Result<FleetChange, GalleryError> {
        let FleetPerson { uuid, adopt, person, enabled, valid_from, valid_until, model, templates } = wanted;
        let gallery = self.gallery;
        let mut person = person.tidy()?;
        gallery.check_fleet_templates(&model, &templates)?;
        if let (Some(from), Some(until)) = (valid_from, valid_until)
            && from >= until
        {
            return Err(GalleryError::BadValidity);
        }
        let own = gallery.person_of_fleet(uuid).or(adopt);
        let id_taken = person.employee_id.as_deref().and_then(|id| self.other_with_id(id, own));
        if id_taken.is_some() {
            person.employee_id = None;
        }
        let same_name = self.other_named(&person.name, own);
        let mut stored =
            Stored { person, enabled, valid_from, valid_until, created: created(&templates), uuid: Some(uuid) };
        let (id, before, new) = match own {
            None => {
                let id = self.next.map_or_else(|| gallery.trees.next_person(), Ok)?;
                let after = id.0.checked_add(1).ok_or(GalleryError::NoNumbersLeft)?;
                let encoded = encode(id, &stored)?;
                self.next = Some(PersonId(after));
                self.changes.push(gallery.trees.people.put(record::person_key(id), encoded));
                let count = templates.len();
                self.templates.push((id, Vec::new(), templates));
                (id, None, Some(count))
            }
            Some(id) => {
                let before = gallery.person(id)?;
                let held = gallery.trees.templates_of(id)?;
                let new = (!gallery.has_enrolled(&held, &model, &templates)).then_some(templates.len());
                if new.is_none() || model != gallery.model {
                    stored.created = before.created;
                }
                let encoded = encode(id, &stored)?;
                if new.is_some() {
                    self.erases |= self.leaving.add(gallery, &held, |entry| gallery.is_enrolled_as(&model, entry))? > 0;
                    self.templates.push((id, held, templates));
                }
                self.changes.push(gallery.trees.people.put(record::person_key(id), encoded));
                (id, Some(before), new)
            }
        };
        let person = cache::person(id, stored.clone());
        self.after.insert(id, Some(stored));
        Ok(FleetChange { person, before, templates: new, id_taken, same_name })
    }

    /// Adds the removal of a person, as [`prepare_removal`](Gallery::prepare_removal) does it: of the one with that uuid, or else of `adopt`, who was
    /// to become that person. `None` if they are not here.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn remove(&mut self, uuid: Uuid, adopt: Option<PersonId>) -> Result<Option<Person>, GalleryError> {
        let gallery = self.gallery;
        let Some(id) = gallery.person_of_fleet(uuid).or(adopt) else { return Ok(None) };
        let held = gallery.trees.templates_of(id)?;
        let credentials = gallery.trees.erase_credentials(id)?;
        let person = gallery.person(id).unwrap_or_else(|_| unreadable(id));
        let (people, templates) = (&gallery.trees.people, &gallery.trees.templates);
        // If the process is killed after the commit, the next start deletes the overwritten templates and removes the sub-keys.
        self.changes.push(people.delete(record::person_key(id)));
        self.changes.extend(held.iter().map(|(key, value)| templates.put(&**key, record::erased(value.len()))));
        self.changes.extend(gallery.trees.sub_keys.note_removal(&sub_keys(held.iter().map(|(_, value)| &**value))));
        self.changes.extend(credentials);
        self.gone.extend(held.into_iter().map(|(key, _)| key));
        self.erases = true;
        self.after.insert(id, None);
        Ok(Some(person))
    }

    /// The changes to commit. New templates are sealed here, each person's with a sub-key of their own, which is on disk before what it seals. If the
    /// process is killed in between, the sub-keys seal nothing.
    ///
    /// # Errors
    /// The key ring cannot be written, or is locked.
    pub fn changes(&mut self) -> Result<Vec<Change>, GalleryError> {
        let gallery = self.gallery;
        let sealed = self.templates.iter().filter(|(.., templates)| !templates.is_empty()).count();
        let mut keys = gallery.ring().add(sealed)?.into_iter();
        let mut changes = self.leaving.changes(gallery);
        for (id, held, templates) in std::mem::take(&mut self.templates) {
            if templates.is_empty() {
                continue;
            }
            let key = keys.next();
            changes.extend(gallery.trees.additions(id, &held, templates.iter().map(|template| (key, template)))?);
        }
        changes.append(&mut self.changes);
        changes.extend(self.next.map(|next| gallery.trees.counter.put(NEXT_PERSON, next.0.to_be_bytes())));
        Ok(changes)
    }

    /// Updates memory once the changes are on disk.
    ///
    /// # Errors
    /// An error does not undo the changes; the remaining work is done when the gallery is next opened.
    pub fn finish(self) -> Result<(), GalleryError> {
        let FleetBatch { gallery, after, mut gone, leaving, erases, .. } = self;
        let trees = &gallery.trees;
        // First of all, nobody is recognised who was removed.
        for id in after.iter().filter(|(_, stored)| stored.is_none()).map(|(id, _)| *id) {
            gallery.cache_mut().remove(id);
        }
        gone.extend(leaving.gone);
        trees.sweep_or_defer(gone);
        if erases {
            trees.sub_keys.settle_or_defer();
            after.keys().for_each(|id| trees.sweep_credentials(*id));
        }
        let mut done = Ok(());
        for (id, stored) in after {
            if let Some(stored) = stored
                && let Err(error) = gallery.cache_mut().put(id, stored, trees)
            {
                done = Err(error);
            }
        }
        if erases {
            trees.compact_or_defer();
        }
        done
    }

    /// Who, other than `own`, has an employee id once the changes are made.
    fn other_with_id(&self, employee_id: &str, own: Option<PersonId>) -> Option<PersonId> {
        let key = names::exact_key(employee_id);
        let has = |stored: &Stored| stored.person.employee_id.as_deref().is_some_and(|id| names::exact_key(id) == key);
        let in_memory = self.gallery.cache().known.all_with_id(employee_id);
        self.other(in_memory, has, own)
    }

    /// Who, other than `own`, has a name once the changes are made.
    fn other_named(&self, name: &str, own: Option<PersonId>) -> Option<PersonId> {
        let key = names::key(name);
        let in_memory = self.gallery.cache().known.all_named(name);
        self.other(in_memory, |stored| names::key(&stored.person.name) == key, own)
    }

    fn other(
        &self,
        in_memory: Vec<PersonId>,
        has: impl Fn(&Stored) -> bool,
        own: Option<PersonId>,
    ) -> Option<PersonId> {
        let unchanged = in_memory.into_iter().find(|id| Some(*id) != own && !self.after.contains_key(id));
        let changed = || self.after.iter().find(|(id, stored)| Some(**id) != own && stored.as_ref().is_some_and(&has));
        unchanged.or_else(|| changed().map(|(id, _)| *id))
    }
}

/// When the newest of the templates was made.
fn created(templates: &[Template]) -> SystemTime {
    templates.iter().map(|template| template.created).max().unwrap_or(SystemTime::UNIX_EPOCH)
}

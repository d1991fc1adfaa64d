//! Everything that writes: enrolment, changes, removal. Each is one commit, then the change in memory.
//!
//! A change comes in two steps, so that its record can be in the same commit: it is prepared, as a [`Prepared`]; somebody commits what it
//! holds, together with whatever else belongs there; then memory follows. The plain forms do all of that at once.
//!
//! Knows nothing of searching.

use std::sync::{MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::domain::PersonId;
use crate::names;
use crate::seal::SubKeyId;
use crate::store::{Change, Entry};

use super::person::{self, MAX_TEMPLATES, NewPerson, Person, Template};
use super::record::{self, Stored};
use super::sealed::Unread;
use super::seals::sub_keys;
use super::{Gallery, GalleryError, Trees, shelf};

/// The key of the next person's number.
const NEXT_PERSON: &[u8] = b"next_person";

/// A change of people that is checked and ready to be written. While it exists nobody else changes the gallery.
///
/// Commit [`Prepared::changes`], all of them in one commit, then call [`Prepared::written`]. Dropped before that, nothing has changed.
#[must_use = "nothing is written yet"]
pub struct Prepared<'g> {
    gallery: &'g Gallery,
    /// Held until memory has followed.
    _writing: MutexGuard<'g, ()>,
    changes: Vec<Change>,
    person: Person,
    after: After,
}

/// What follows in memory, and in the store, once a change is on disk.
enum After {
    /// The person is as stored here; templates that were written over are swept up.
    Put { stored: Stored, gone: Vec<sled::IVec>, settle: bool },
    /// The person is gone, and so are these templates.
    Taken { gone: Vec<sled::IVec> },
}

impl Prepared<'_> {
    /// What has to be committed.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The person as they will be; as they were, for a removal. Counts of templates are those of before.
    pub fn person(&self) -> &Person {
        &self.person
    }

    /// Commits it on its own.
    pub fn commit(self) -> Result<Person, GalleryError> {
        self.gallery.trees.store.commit(&self.changes)?;
        self.written()
    }

    /// The changes are on disk: memory follows. The person as they are now; as they were, for a removal.
    ///
    /// # Errors
    /// The change is made all the same; what is left to do is done when the gallery is next opened.
    pub fn written(self) -> Result<Person, GalleryError> {
        let Prepared { gallery, person, after, .. } = self;
        let trees = &gallery.trees;
        match after {
            After::Put { stored, gone, settle } => {
                trees.sweep_later_if_need_be(gone);
                if settle {
                    trees.seals.settle_later_if_need_be();
                }
                gallery.shelf_mut().put(person.id, stored, trees)?;
                gallery.person(person.id)
            }
            After::Taken { gone } => {
                gallery.shelf_mut().take(person.id);
                trees.seals.settle_later_if_need_be();
                trees.sweep_later_if_need_be(gone);
                // They are gone from the database; the copy is written anew when the store is next opened, if it cannot be now.
                if let Err(error) = trees.store.compact() {
                    tracing::warn!(%error, person = person.id.0, "the second copy of the store still holds the templates");
                }
                Ok(person)
            }
        }
    }
}

impl Gallery {
    /// Enrols somebody with their templates, 1 to [`MAX_TEMPLATES`]: all or nothing, and on the disk when this returns.
    pub fn enroll(&self, new: NewPerson, templates: Vec<Template>) -> Result<Person, GalleryError> {
        self.enrolling(new, &templates)?.commit()
    }

    /// As [`enroll`](Gallery::enroll), prepared.
    pub fn enrolling(&self, new: NewPerson, templates: &[Template]) -> Result<Prepared<'_>, GalleryError> {
        let new = new.tidy()?;
        self.check_templates(templates, 0)?;
        let writing = self.writing();
        self.expect_free_id(new.employee_id.as_deref(), None)?;
        let id = self.trees.next_person()?;
        let after = id.0.checked_add(1).ok_or(GalleryError::NoNumbersLeft)?;
        let created = templates.iter().map(|t| t.created).max().unwrap_or(SystemTime::UNIX_EPOCH);
        let stored = Stored { person: new, enabled: true, valid_from: None, valid_until: None, created };
        let value = encode(id, &stored)?;
        // On disk before what it seals; killed in between, it seals nothing.
        let sub_key = self.trees.seals.ring.add(1)?.pop();
        let Trees { people, templates: tree, counter, .. } = &self.trees;
        let mut changes =
            vec![counter.put(NEXT_PERSON, after.to_be_bytes()), people.put(record::person_key(id), value)];
        for (number, template) in (0..).zip(templates) {
            let key = record::template_key(id, number);
            changes.push(tree.put(key, self.trees.write(sub_key, &key, template)?));
        }
        Ok(self.prepared(writing, changes, id, stored, Vec::new(), false))
    }

    /// Adds templates to a person, all or none; at most [`MAX_TEMPLATES`] of the model in use together.
    pub fn add_templates(&self, id: PersonId, templates: Vec<Template>) -> Result<Person, GalleryError> {
        let writing = self.writing();
        let stored = self.trees.stored(id)?;
        self.check_templates(&templates, self.person(id)?.templates)?;
        let held = self.trees.held(id)?;
        let own =
            sub_keys(held.iter().map(|(_, value)| &**value)).into_iter().find(|id| self.ring().ids().contains(id));
        let sub_key = match own {
            Some(own) => Some(own),
            None => self.trees.seals.ring.add(1)?.pop(),
        };
        let changes = self.trees.added(id, &held, sub_key, &templates)?;
        self.prepared(writing, changes, id, stored, Vec::new(), false).commit()
    }

    /// Gives a person new templates in the place of those of other models and of locked ones, which are erased as in
    /// [`remove`](Gallery::remove); templates of the model in use stay. All or nothing.
    pub fn renew(&self, id: PersonId, templates: Vec<Template>) -> Result<Person, GalleryError> {
        self.renewing(id, &templates)?.commit()
    }

    /// As [`renew`](Gallery::renew), prepared.
    pub fn renewing(&self, id: PersonId, templates: &[Template]) -> Result<Prepared<'_>, GalleryError> {
        let writing = self.writing();
        let stored = self.trees.stored(id)?;
        self.check_templates(templates, self.person(id)?.templates)?;
        let held = self.trees.held(id)?;
        let is_gone = |(key, value): &&Entry| match self.trees.read(key, value) {
            Ok(template) => *template.embedding.model() != self.model,
            Err(Unread::Locked(_)) => true,
            Err(Unread::Damaged(_)) => false,
        };
        let (gone, stay): (Vec<&Entry>, Vec<&Entry>) = held.iter().partition(is_gone);
        let staying = sub_keys(stay.iter().map(|(_, value)| &**value));
        let mut leaving = sub_keys(gone.iter().map(|(_, value)| &**value));
        leaving.retain(|sub_key| !staying.contains(sub_key));
        let sub_key = self.trees.seals.ring.add(1)?.pop();
        let Trees { templates: tree, seals, .. } = &self.trees;
        let mut changes: Vec<_> =
            gone.iter().map(|(key, value)| tree.put(&**key, record::erased(value.len()))).collect();
        changes.extend(self.trees.added(id, &held, sub_key, templates)?);
        changes.extend(seals.taking_off(&leaving));
        // Killed after the commit, the next opening sweeps up what was written over, and takes the sub-keys off.
        let gone = gone.into_iter().map(|(key, _)| key.clone()).collect();
        Ok(self.prepared(writing, changes, id, stored, gone, true))
    }

    /// Gives a person another name.
    pub fn rename(&self, id: PersonId, name: &str) -> Result<Person, GalleryError> {
        self.renaming(id, name)?.commit()
    }

    /// As [`rename`](Gallery::rename), prepared.
    pub fn renaming(&self, id: PersonId, name: &str) -> Result<Prepared<'_>, GalleryError> {
        let name = person::tidy_name("name", name)?;
        self.changing(id, |stored| stored.person.name = name)
    }

    /// Gives a person another employee id, or takes it away, prepared. Nobody else may have it.
    pub fn setting_employee_id(&self, id: PersonId, employee_id: Option<&str>) -> Result<Prepared<'_>, GalleryError> {
        let employee_id = employee_id.map(|text| person::tidy_name("employee id", text)).transpose()?;
        self.changing_checked(
            id,
            |gallery| gallery.expect_free_id(employee_id.as_deref(), Some(id)),
            |stored| stored.person.employee_id = employee_id.clone(),
        )
    }

    /// Puts a person into these groups and no others.
    pub fn set_groups(&self, id: PersonId, groups: &[String]) -> Result<Person, GalleryError> {
        self.setting_groups(id, groups)?.commit()
    }

    /// As [`set_groups`](Gallery::set_groups), prepared.
    pub fn setting_groups(&self, id: PersonId, groups: &[String]) -> Result<Prepared<'_>, GalleryError> {
        let groups = person::tidy_groups(groups)?;
        self.changing(id, |stored| stored.person.groups = groups)
    }

    /// From when on and until when doors open for a person; `None`: without limit.
    pub fn set_validity(
        &self,
        id: PersonId,
        from: Option<SystemTime>,
        until: Option<SystemTime>,
    ) -> Result<Person, GalleryError> {
        self.setting_validity(id, from, until)?.commit()
    }

    /// As [`set_validity`](Gallery::set_validity), prepared.
    pub fn setting_validity(
        &self,
        id: PersonId,
        from: Option<SystemTime>,
        until: Option<SystemTime>,
    ) -> Result<Prepared<'_>, GalleryError> {
        if let (Some(from), Some(until)) = (from, until)
            && from >= until
        {
            return Err(GalleryError::BadValidity);
        }
        self.changing(id, |stored| (stored.valid_from, stored.valid_until) = (from, until))
    }

    /// Whether doors open for a person. Their templates are kept and compared with.
    pub fn set_enabled(&self, id: PersonId, enabled: bool) -> Result<Person, GalleryError> {
        self.setting_enabled(id, enabled)?.commit()
    }

    /// As [`set_enabled`](Gallery::set_enabled), prepared.
    pub fn setting_enabled(&self, id: PersonId, enabled: bool) -> Result<Prepared<'_>, GalleryError> {
        self.changing(id, |stored| stored.enabled = enabled)
    }

    /// Erases a person and their templates, readable or not; their number is not used again.
    ///
    /// The templates are written over first, then removed, so no page of the live tree holds them, and the store's second copy is
    /// written anew without them. sled appends: the segments of its log that held the pages before stay on the disk until sled
    /// reuses or truncates them, and that has no set time. Where templates are sealed that does not matter: their sub-key is taken off the
    /// ring, and neither old pages nor older backups give them back.
    pub fn remove(&self, id: PersonId) -> Result<(), GalleryError> {
        self.removing(id)?.commit().map(drop)
    }

    /// As [`remove`](Gallery::remove), prepared. Of a person whose record cannot be read only the number is known.
    pub fn removing(&self, id: PersonId) -> Result<Prepared<'_>, GalleryError> {
        let writing = self.writing();
        let key = record::person_key(id);
        let held = self.trees.held(id)?;
        let Trees { people, templates, seals, .. } = &self.trees;
        if held.is_empty() && !people.contains_key(key)? {
            return Err(GalleryError::NotFound { wanted: id.to_string() });
        }
        let person = self.person(id).unwrap_or_else(|_| person::unreadable(id));
        // Killed after the commit, the next opening sweeps up what was written over, and takes the sub-keys off.
        let mut changes = vec![people.delete(key)];
        changes.extend(held.iter().map(|(key, value)| templates.put(&**key, record::erased(value.len()))));
        changes.extend(seals.taking_off(&sub_keys(held.iter().map(|(_, value)| &**value))));
        let after = After::Taken { gone: held.into_iter().map(|(key, _)| key).collect() };
        Ok(Prepared { gallery: self, _writing: writing, changes, person, after })
    }

    fn changing(&self, id: PersonId, change: impl FnOnce(&mut Stored)) -> Result<Prepared<'_>, GalleryError> {
        self.changing_checked(id, |_| Ok(()), change)
    }

    /// `check` is asked when nobody else can write until the change is made.
    fn changing_checked(
        &self,
        id: PersonId,
        check: impl FnOnce(&Gallery) -> Result<(), GalleryError>,
        change: impl FnOnce(&mut Stored),
    ) -> Result<Prepared<'_>, GalleryError> {
        let writing = self.writing();
        check(self)?;
        let mut stored = self.trees.stored(id)?;
        change(&mut stored);
        let changes = vec![self.trees.people.put(record::person_key(id), encode(id, &stored)?)];
        Ok(self.prepared(writing, changes, id, stored, Vec::new(), false))
    }

    fn prepared<'g>(
        &'g self,
        writing: MutexGuard<'g, ()>,
        changes: Vec<Change>,
        id: PersonId,
        stored: Stored,
        gone: Vec<sled::IVec>,
        settle: bool,
    ) -> Prepared<'g> {
        let person = shelf::person(id, stored.clone());
        let after = After::Put { stored, gone, settle };
        Prepared { gallery: self, _writing: writing, changes, person, after }
    }

    /// Nobody but `own` may have that employee id, compared as people are found by it.
    fn expect_free_id(&self, employee_id: Option<&str>, own: Option<PersonId>) -> Result<(), GalleryError> {
        let Some(employee_id) = employee_id else { return Ok(()) };
        let key = names::exact_key(employee_id);
        let has_it =
            |p: &&Person| Some(p.id) != own && p.employee_id.as_deref().map(names::exact_key) == Some(key.clone());
        match self.shelf().people.values().find(has_it) {
            Some(Person { id: holder, name, .. }) => {
                let (holder, name) = (*holder, name.clone());
                Err(GalleryError::EmployeeIdTaken { employee_id: employee_id.to_owned(), holder, name })
            }
            None => Ok(()),
        }
    }

    fn check_templates(&self, templates: &[Template], held: usize) -> Result<(), GalleryError> {
        if templates.is_empty() {
            return Err(GalleryError::NoTemplates);
        }
        let count = held + templates.len();
        if count > MAX_TEMPLATES {
            return Err(GalleryError::TooManyTemplates { count });
        }
        templates.iter().try_for_each(|template| self.check_model(&template.embedding))
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trees {
    /// Removes templates that were written over.
    pub(super) fn sweep(&self, keys: impl IntoIterator<Item = sled::IVec>) -> Result<(), GalleryError> {
        let changes: Vec<_> = keys.into_iter().map(|key| self.templates.delete(&*key)).collect();
        if changes.is_empty() { Ok(()) } else { Ok(self.store.commit(&changes)?) }
    }

    /// As [`Trees::sweep`]; what cannot be removed now is removed when the gallery is next opened.
    pub(super) fn sweep_later_if_need_be(&self, keys: impl IntoIterator<Item = sled::IVec>) {
        if let Err(error) = self.sweep(keys) {
            tracing::warn!(%error, "templates that were written over are removed at the next start");
        }
    }

    /// All templates of a person, as they are stored.
    fn held(&self, id: PersonId) -> Result<Vec<Entry>, GalleryError> {
        Ok(self.templates.scan_prefix(record::person_key(id)).collect::<Result<_, _>>()?)
    }

    /// The changes that add `templates` to a person, after those that are `held`.
    fn added(
        &self,
        id: PersonId,
        held: &[Entry],
        sub_key: Option<SubKeyId>,
        templates: &[Template],
    ) -> Result<Vec<Change>, GalleryError> {
        let last = held.iter().filter_map(|(key, _)| record::read_template_key(key)).next_back();
        let first = last.map_or(Some(0), |(_, number)| number.checked_add(1));
        let numbers = first.ok_or(GalleryError::NoNumbersLeft)?..=u32::MAX;
        let put = |(number, template): (u32, &Template)| {
            let key = record::template_key(id, number);
            Ok(self.templates.put(key, self.write(sub_key, &key, template)?))
        };
        numbers.zip(templates).map(put).collect()
    }

    fn stored(&self, id: PersonId) -> Result<Stored, GalleryError> {
        let key = record::person_key(id);
        let value = self.people.get(key)?.ok_or_else(|| GalleryError::NotFound { wanted: id.to_string() })?;
        record::read_person(&value).map_err(|why| GalleryError::Damaged { key: record::describe(&key), why })
    }

    /// A number above everybody's, also where the counter is damaged.
    pub(super) fn end(&self) -> Result<PersonId, GalleryError> {
        match self.next_person() {
            Err(GalleryError::BadCounter) => self.after_last(),
            other => other,
        }
    }

    /// The number after the last one given, also to people since removed.
    fn next_person(&self) -> Result<PersonId, GalleryError> {
        match self.counter.get(NEXT_PERSON)? {
            Some(bytes) => record::read_person_key(&bytes).ok_or(GalleryError::BadCounter),
            None => self.after_last(),
        }
    }

    fn after_last(&self) -> Result<PersonId, GalleryError> {
        let last = self.people.last()?.and_then(|(key, _)| record::read_person_key(&key));
        last.map_or(Some(1), |id| id.0.checked_add(1)).map(PersonId).ok_or(GalleryError::NoNumbersLeft)
    }
}

fn encode(id: PersonId, stored: &Stored) -> Result<Vec<u8>, GalleryError> {
    record::write_person(stored)
        .map_err(|why| GalleryError::Damaged { key: record::describe(&record::person_key(id)), why })
}

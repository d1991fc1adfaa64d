//! Enrolment, removal and all other changes. Each is one commit, followed by the update in memory.
//!
//! A change has two steps, so that its journal record can be part of the same commit: it is checked and prepared as a [`Prepared`]; the
//! caller commits its changes together with the record; then [`Prepared::finish`] updates memory. The plain methods do all of that at once.

use std::sync::{MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::domain::PersonId;
use crate::seal::SubKeyId;
use crate::store::{Bytes, Change, Entry};

use super::envelope::Unread;
use super::person::{self, NewPerson, Person, Template};
use super::record::{self, Kind, Stored};
use super::sub_keys::sub_keys;
use super::{Gallery, GalleryError, MAX_TEMPLATES, Trees, cache};

/// The key under which the next person's number is stored.
pub(super) const NEXT_PERSON: &[u8] = b"next_person";

/// A change that has been checked and can be committed. While it exists, no other change can be prepared.
///
/// Commit all of [`Prepared::changes`] in one commit, then call [`Prepared::finish`]. If it is dropped before the commit, nothing changes.
#[must_use = "nothing is written yet"]
pub struct Prepared<'g> {
    gallery: &'g Gallery,
    /// Held until memory is updated.
    _writing: MutexGuard<'g, ()>,
    changes: Vec<Change>,
    person: Person,
    after: AfterCommit,
}

/// What remains to be done once a change is on disk.
enum AfterCommit {
    /// Cache the person as stored here, and delete the overwritten templates in `gone`. `settle`: remove sub-keys too.
    Put { stored: Stored, gone: Vec<Bytes>, settle: bool },
    /// Drop the person from the cache, and delete their overwritten templates.
    Removed { gone: Vec<Bytes> },
}

impl Prepared<'_> {
    /// The changes to commit.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The person after the change, or before it for a removal. The template counts are those before the change.
    pub fn person(&self) -> &Person {
        &self.person
    }

    /// Commits the change on its own.
    pub fn commit(self) -> Result<Person, GalleryError> {
        self.gallery.trees.store.commit(&self.changes)?;
        self.finish()
    }

    /// Updates memory once the changes are on disk. Returns the person after the change, or before it for a removal.
    ///
    /// # Errors
    /// An error does not undo the change; the remaining work is done when the gallery is next opened.
    pub fn finish(self) -> Result<Person, GalleryError> {
        let Prepared { gallery, person, after, .. } = self;
        let trees = &gallery.trees;
        match after {
            AfterCommit::Put { stored, gone, settle } => {
                let erased = settle && !gone.is_empty();
                trees.sweep_or_defer(gone);
                if settle {
                    trees.sub_keys.settle_or_defer();
                    trees.sweep_credentials(person.id);
                }
                if erased {
                    trees.compact_or_defer();
                }
                gallery.cache_mut().put(person.id, stored, trees)?;
                gallery.person(person.id)
            }
            AfterCommit::Removed { gone } => {
                gallery.cache_mut().remove(person.id);
                trees.sub_keys.settle_or_defer();
                trees.sweep_or_defer(gone);
                trees.sweep_credentials(person.id);
                trees.compact_or_defer();
                Ok(person)
            }
        }
    }
}

/// What a person has when more templates are given to them.
pub(super) struct Begun<'g> {
    pub writing: MutexGuard<'g, ()>,
    pub stored: Stored,
    pub held: Vec<Entry>,
}

/// The templates of the model in use and those of the second model, each with the sub-key of its set.
pub(super) fn both<'t>(
    [sub_key, of_next]: [Option<SubKeyId>; 2],
    templates: &'t [Template],
    next: &'t [Template],
) -> impl Iterator<Item = (Option<SubKeyId>, &'t Template)> {
    templates.iter().map(move |template| (sub_key, template)).chain(next.iter().map(move |next| (of_next, next)))
}

impl Gallery {
    /// Enrols a person with 1 to [`MAX_TEMPLATES`] templates.
    pub fn enroll(&self, new: NewPerson, templates: Vec<Template>) -> Result<Person, GalleryError> {
        self.prepare_enrolment(new, &templates, &[])?.commit()
    }

    /// Prepares [`enroll`](Gallery::enroll), with templates of the second model as well, if there are any.
    pub fn prepare_enrolment(
        &self,
        new: NewPerson,
        templates: &[Template],
        next: &[Template],
    ) -> Result<Prepared<'_>, GalleryError> {
        let new = new.tidy()?;
        self.check_templates(templates, 0)?;
        self.check_next(next)?;
        let writing = self.writing();
        let created = templates.iter().map(|t| t.created).max().unwrap_or(SystemTime::UNIX_EPOCH);
        let (id, stored, mut changes) = self.new_person(new, created)?;
        let tree = &self.trees.templates;
        let both = both(self.new_sub_keys(next)?, templates, next);
        for (number, (sub_key, template)) in (0..).zip(both) {
            let key = record::template_key(id, number);
            changes.push(tree.put(key, self.trees.write(sub_key, &key, template)?));
        }
        Ok(self.prepared(writing, changes, id, stored, Vec::new(), false))
    }

    /// Prepares somebody without a template: known by name, and recognised by no door until templates are added.
    pub fn prepare_without_face(&self, new: NewPerson, created: SystemTime) -> Result<Prepared<'_>, GalleryError> {
        let new = new.tidy()?;
        let writing = self.writing();
        let (id, stored, changes) = self.new_person(new, created)?;
        Ok(self.prepared(writing, changes, id, stored, Vec::new(), false))
    }

    /// The next number, what is stored under it, and the changes that store it. `new` is tidy, and the writer lock is held.
    fn new_person(&self, new: NewPerson, created: SystemTime) -> Result<(PersonId, Stored, Vec<Change>), GalleryError> {
        self.require_free_id(new.employee_id.as_deref(), None)?;
        let (valid_from, valid_until, uuid) = (None, None, None);
        let stored = Stored { person: new, enabled: true, valid_from, valid_until, created, uuid };
        let id = self.trees.next_person()?;
        let after = id.0.checked_add(1).ok_or(GalleryError::NoNumbersLeft)?;
        let Trees { people, counter, .. } = &self.trees;
        let changes = vec![
            counter.put(NEXT_PERSON, after.to_be_bytes()),
            people.put(record::person_key(id), encode(id, &stored)?),
        ];
        Ok((id, stored, changes))
    }

    /// Replaces a person's templates of other models and their locked ones with new ones; the old ones are erased as in
    /// [`remove`](Gallery::remove). Templates of the model in use stay. All or nothing.
    pub fn renew(&self, id: PersonId, templates: Vec<Template>) -> Result<Person, GalleryError> {
        self.prepare_renewal(id, &templates, &[])?.commit()
    }

    /// Prepares [`renew`](Gallery::renew), with templates of the second model as well, if there are any.
    pub fn prepare_renewal(
        &self,
        id: PersonId,
        templates: &[Template],
        next: &[Template],
    ) -> Result<Prepared<'_>, GalleryError> {
        let Begun { writing, stored, held } = self.begin_addition(id, templates, next)?;
        self.require_local(id)?;
        let is_replaced = |(key, value): &&Entry| match self.trees.read(key, value) {
            Ok(template) => *template.embedding.model() != self.model,
            Err(Unread::Locked(_)) => true,
            Err(Unread::Damaged(_)) => false,
        };
        let (gone, stay): (Vec<&Entry>, Vec<&Entry>) = held.iter().partition(is_replaced);
        let staying = sub_keys(stay.iter().map(|(_, value)| &**value));
        let mut leaving = sub_keys(gone.iter().map(|(_, value)| &**value));
        leaving.retain(|sub_key| !staying.contains(sub_key));
        let both = both(self.new_sub_keys(next)?, templates, next);
        let Trees { templates: tree, sub_keys: keys, .. } = &self.trees;
        let mut changes: Vec<_> =
            gone.iter().map(|(key, value)| tree.put(&**key, record::erased(value.len()))).collect();
        changes.extend(self.trees.additions(id, &held, both)?);
        changes.extend(keys.note_removal(&leaving));
        // If the process is killed after the commit, the next start deletes the overwritten templates and removes the sub-keys.
        let gone = gone.into_iter().map(|(key, _)| key.clone()).collect();
        Ok(self.prepared(writing, changes, id, stored, gone, true))
    }

    /// Begins to give a person more templates, under the writer's lock.
    ///
    /// # Errors
    /// There is no such person, the templates will not do, or they are too many beside those that the person has.
    pub(super) fn begin_addition(
        &self,
        id: PersonId,
        templates: &[Template],
        next: &[Template],
    ) -> Result<Begun<'_>, GalleryError> {
        let writing = self.writing();
        let stored = self.trees.stored(id)?;
        self.check_templates(templates, self.person(id)?.templates)?;
        self.check_next(next)?;
        Ok(Begun { writing, stored, held: self.trees.templates_of(id)? })
    }

    /// New sub-keys for the templates of the model in use and, if there are any, for those of the second model: each set has one of its own, so that
    /// either can be erased for good. They are on disk before what they seal. If the process is killed in between, they seal nothing.
    fn new_sub_keys(&self, next: &[Template]) -> Result<[Option<SubKeyId>; 2], GalleryError> {
        let ring = &self.trees.sub_keys.ring;
        let of_next = if next.is_empty() { None } else { ring.add(1)?.pop() };
        Ok([ring.add(1)?.pop(), of_next])
    }

    /// Renames a person.
    pub fn rename(&self, id: PersonId, name: &str) -> Result<Person, GalleryError> {
        self.prepare_rename(id, name)?.commit()
    }

    /// Prepares [`rename`](Gallery::rename).
    pub fn prepare_rename(&self, id: PersonId, name: &str) -> Result<Prepared<'_>, GalleryError> {
        let name = person::tidy_name("name", name)?;
        self.prepare_change(id, |stored| stored.person.name = name)
    }

    /// Prepares setting or clearing a person's employee id. It must be unique.
    pub fn prepare_employee_id(&self, id: PersonId, employee_id: Option<&str>) -> Result<Prepared<'_>, GalleryError> {
        let employee_id = employee_id.map(|text| person::tidy_name("employee id", text)).transpose()?;
        self.prepare_checked_change(
            id,
            |gallery| gallery.require_free_id(employee_id.as_deref(), Some(id)),
            |stored| stored.person.employee_id = employee_id.clone(),
        )
    }

    /// Replaces a person's groups.
    pub fn set_groups(&self, id: PersonId, groups: &[String]) -> Result<Person, GalleryError> {
        self.prepare_groups(id, groups)?.commit()
    }

    /// Prepares [`set_groups`](Gallery::set_groups).
    pub fn prepare_groups(&self, id: PersonId, groups: &[String]) -> Result<Prepared<'_>, GalleryError> {
        let groups = person::tidy_groups(groups)?;
        self.prepare_change(id, |stored| stored.person.groups = groups)
    }

    /// Sets from when and until when doors open for a person; `None` is unlimited.
    pub fn set_validity(
        &self,
        id: PersonId,
        from: Option<SystemTime>,
        until: Option<SystemTime>,
    ) -> Result<Person, GalleryError> {
        self.prepare_validity(id, from, until)?.commit()
    }

    /// Prepares [`set_validity`](Gallery::set_validity).
    pub fn prepare_validity(
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
        self.prepare_change(id, |stored| (stored.valid_from, stored.valid_until) = (from, until))
    }

    /// Sets whether doors open for a person. A disabled person's templates are kept and compared.
    pub fn set_enabled(&self, id: PersonId, enabled: bool) -> Result<Person, GalleryError> {
        self.prepare_enabled(id, enabled)?.commit()
    }

    /// Prepares [`set_enabled`](Gallery::set_enabled).
    pub fn prepare_enabled(&self, id: PersonId, enabled: bool) -> Result<Prepared<'_>, GalleryError> {
        self.prepare_change(id, |stored| stored.enabled = enabled)
    }

    /// Erases a person with their templates, PINs and tags, readable or not. Their number is not reused.
    ///
    /// The templates are overwritten, then deleted, so that no page of the live tree holds them, and the store's second copy is compacted.
    /// sled's file is append-only: segments that held the old pages stay on disk until sled reuses or truncates them, at an unspecified
    /// time. For sealed templates that does not matter: their sub-key is removed from the ring, so neither old pages nor older backups can be
    /// opened.
    pub fn remove(&self, id: PersonId) -> Result<(), GalleryError> {
        self.prepare_removal(id)?.commit().map(drop)
    }

    /// Prepares [`remove`](Gallery::remove). If the person's record is unreadable, only their number is known.
    pub fn prepare_removal(&self, id: PersonId) -> Result<Prepared<'_>, GalleryError> {
        let writing = self.writing();
        self.require_local(id)?;
        self.removal(writing, id)
    }

    fn removal<'g>(&'g self, writing: MutexGuard<'g, ()>, id: PersonId) -> Result<Prepared<'g>, GalleryError> {
        let key = record::person_key(id);
        let held = self.trees.templates_of(id)?;
        let Trees { people, templates, sub_keys: keys, .. } = &self.trees;
        if held.is_empty() && !people.contains_key(key)? {
            return Err(GalleryError::NotFound { wanted: id.to_string() });
        }
        let person = self.person(id).unwrap_or_else(|_| person::unreadable(id));
        // If the process is killed after the commit, the next start deletes the overwritten templates and removes the sub-keys.
        let mut changes = vec![people.delete(key)];
        changes.extend(held.iter().map(|(key, value)| templates.put(&**key, record::erased(value.len()))));
        changes.extend(keys.note_removal(&sub_keys(held.iter().map(|(_, value)| &**value))));
        changes.extend(self.trees.erase_credentials(id)?);
        let after = AfterCommit::Removed { gone: held.into_iter().map(|(key, _)| key).collect() };
        Ok(Prepared { gallery: self, _writing: writing, changes, person, after })
    }

    fn prepare_change(&self, id: PersonId, change: impl FnOnce(&mut Stored)) -> Result<Prepared<'_>, GalleryError> {
        self.prepare_checked_change(id, |_| Ok(()), change)
    }

    /// `check` runs under the writer lock.
    fn prepare_checked_change(
        &self,
        id: PersonId,
        check: impl FnOnce(&Gallery) -> Result<(), GalleryError>,
        change: impl FnOnce(&mut Stored),
    ) -> Result<Prepared<'_>, GalleryError> {
        let writing = self.writing();
        self.require_local(id)?;
        check(self)?;
        self.changed(writing, id, change)
    }

    /// As [`Gallery::prepare_enabled`], also for a person of the fleet: this store may disagree with its office until that has answered.
    pub fn prepare_enabled_here(&self, id: PersonId, enabled: bool) -> Result<Prepared<'_>, GalleryError> {
        self.changed(self.writing(), id, |stored| stored.enabled = enabled)
    }

    fn changed<'g>(
        &'g self,
        writing: MutexGuard<'g, ()>,
        id: PersonId,
        change: impl FnOnce(&mut Stored),
    ) -> Result<Prepared<'g>, GalleryError> {
        let mut stored = self.trees.stored(id)?;
        change(&mut stored);
        let changes = vec![self.trees.people.put(record::person_key(id), encode(id, &stored)?)];
        Ok(self.prepared(writing, changes, id, stored, Vec::new(), false))
    }

    pub(super) fn prepared<'g>(
        &'g self,
        writing: MutexGuard<'g, ()>,
        changes: Vec<Change>,
        id: PersonId,
        stored: Stored,
        gone: Vec<Bytes>,
        settle: bool,
    ) -> Prepared<'g> {
        let person = cache::person(id, stored.clone());
        let after = AfterCommit::Put { stored, gone, settle };
        Prepared { gallery: self, _writing: writing, changes, person, after }
    }

    /// Fails if anyone but `own` has this employee id, compared as in [`super::find_person`].
    pub(super) fn require_free_id(&self, employee_id: Option<&str>, own: Option<PersonId>) -> Result<(), GalleryError> {
        let Some(employee_id) = employee_id else { return Ok(()) };
        let cache = self.cache();
        let holder = cache.known.other_with_id(employee_id, own);
        match holder.and_then(|holder| cache.people.get(&holder)) {
            Some(Person { id: holder, name, .. }) => {
                let (holder, name) = (*holder, name.clone());
                Err(GalleryError::EmployeeIdTaken { employee_id: employee_id.to_owned(), holder, name })
            }
            None => Ok(()),
        }
    }

    pub(super) fn check_templates(&self, templates: &[Template], held: usize) -> Result<(), GalleryError> {
        if templates.is_empty() {
            return Err(GalleryError::NoTemplates);
        }
        let count = held + templates.len();
        if count > MAX_TEMPLATES {
            return Err(GalleryError::TooManyTemplates { count });
        }
        templates.iter().try_for_each(|template| self.check_model(&template.embedding))
    }

    pub(super) fn writing(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trees {
    /// Deletes overwritten templates.
    pub(super) fn sweep(&self, keys: impl IntoIterator<Item = Bytes>) -> Result<(), GalleryError> {
        let changes: Vec<_> = keys.into_iter().map(|key| self.templates.delete(&*key)).collect();
        if changes.is_empty() { Ok(()) } else { Ok(self.store.commit(&changes)?) }
    }

    /// As [`Trees::sweep`]; after a failure the gallery does it when it is next opened.
    pub(super) fn sweep_or_defer(&self, keys: impl IntoIterator<Item = Bytes>) {
        if let Err(error) = self.sweep(keys) {
            tracing::warn!(%error, "overwritten templates will be deleted at the next start");
        }
    }

    /// Compacts the store's second copy, which still holds what was erased from the database. After a failure, opening the store does it.
    pub(super) fn compact_or_defer(&self) {
        if let Err(error) = self.store.compact() {
            tracing::warn!(%error, "the second copy of the store still holds erased templates");
        }
    }

    /// All templates of a person, as stored.
    pub(super) fn templates_of(&self, id: PersonId) -> Result<Vec<Entry>, GalleryError> {
        Ok(self.templates.scan_prefix(record::person_key(id)).collect::<Result<_, _>>()?)
    }

    /// The changes that enrol `templates`, each with the sub-key that seals it, of a person who has the ones in `held`.
    pub(super) fn additions<'t>(
        &self,
        id: PersonId,
        held: &[Entry],
        templates: impl Iterator<Item = (Option<SubKeyId>, &'t Template)>,
    ) -> Result<Vec<Change>, GalleryError> {
        self.additions_of(Kind::Enrolled, id, held, templates)
    }

    /// As [`Trees::additions`], for templates of any kind.
    pub(super) fn additions_of<'t>(
        &self,
        kind: Kind,
        id: PersonId,
        held: &[Entry],
        templates: impl Iterator<Item = (Option<SubKeyId>, &'t Template)>,
    ) -> Result<Vec<Change>, GalleryError> {
        let mut numbers = held.iter().filter_map(|(key, _)| record::read_template_key(key)).map(|(_, number)| number);
        let last = numbers.rfind(|number| kind.numbers().contains(number));
        let first = last.map_or(Some(*kind.numbers().start()), |number| number.checked_add(1));
        let numbers = first.ok_or(GalleryError::NoNumbersLeft)?..=*kind.numbers().end();
        let put = |(number, (sub_key, template)): (u32, (_, &Template))| {
            let key = record::template_key(id, number);
            Ok(self.templates.put(key, self.write(sub_key, &key, template)?))
        };
        numbers.zip(templates).map(put).collect()
    }

    pub(super) fn stored(&self, id: PersonId) -> Result<Stored, GalleryError> {
        let key = record::person_key(id);
        let value = self.people.get(key)?.ok_or_else(|| GalleryError::NotFound { wanted: id.to_string() })?;
        record::read_person(&value).map_err(|why| GalleryError::Damaged { key: record::describe(&key), why })
    }

    /// A number above everybody's, even if the counter is damaged.
    pub(super) fn end(&self) -> Result<PersonId, GalleryError> {
        match self.next_person() {
            Err(GalleryError::BadCounter) => self.after_last(),
            other => other,
        }
    }

    /// The number after the last one assigned, also to people since removed.
    pub(super) fn next_person(&self) -> Result<PersonId, GalleryError> {
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

pub(super) fn encode(id: PersonId, stored: &Stored) -> Result<Vec<u8>, GalleryError> {
    record::write_person(stored)
        .map_err(|why| GalleryError::Damaged { key: record::describe(&record::person_key(id)), why })
}

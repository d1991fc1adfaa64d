//! The gallery in memory: all people, the index of their templates, and what had to be left out. Built from the store's trees.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use crate::domain::{Distance, ModelId, PersonId, SiteHead};
use crate::seal::SealError;
use crate::store::Bytes;

use super::envelope::Unread;
use super::error::RecordError;
use super::index::Index;
use super::known::Known;
use super::next_set::NextSet;
use super::person::{Held, Person};
use super::record::{self, Kind};
use super::walk::{Found, walk};
use super::{GalleryError, Template, Trees};

/// Templates of a model that is not in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    pub model: ModelId,
    pub templates: usize,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Foreign { model, templates } = self;
        write!(
            f,
            "{templates} templates of {model} are set aside: lead those people over with `usher models switch`, enrol them again, or configure \
             that model"
        )
    }
}

/// Counts people whose templates are sealed and cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// People with at least one such template.
    pub people: usize,
    pub templates: usize,
    /// Why the first of them cannot be opened.
    pub why: SealError,
}

impl fmt::Display for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Locked { people, templates, why } = self;
        write!(f, "{templates} sealed templates of {people} people cannot be opened: {why}")
    }
}

/// An unreadable record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Which record, for people: `template 2 of person 7`.
    pub key: String,
    pub why: RecordError,
    /// The person to remove and enrol again; `None` if the key itself is unreadable.
    pub person: Option<PersonId>,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is damaged ({}): remove that person and enrol them again, or restore a backup",
            self.key, self.why
        )
    }
}

/// The people and templates of a gallery, consistent with the trees after each change.
pub struct Cache {
    model: ModelId,
    dimension: usize,
    head: Option<SiteHead>,
    pub people: BTreeMap<PersonId, Person>,
    /// The same, found by what is theirs.
    pub known: Known,
    /// The templates of the model in use.
    pub index: Index,
    /// The templates of the second model, if there is one.
    pub next: Option<NextSet>,
    /// The number of people who have any of those.
    pub compared: usize,
    /// The unit vectors of negative references of the model in use.
    not_them: BTreeMap<PersonId, Vec<Zeroizing<Box<[f32]>>>>,
    /// Whose a tag is, by the hash of its number.
    pub tags: BTreeMap<[u8; 32], PersonId>,
    pub damaged: Vec<Damaged>,
    /// Why a person's templates are locked.
    locked: BTreeMap<PersonId, SealError>,
    /// Keys of overwritten templates that an interrupted removal left behind.
    pub leftovers: Vec<Bytes>,
}

impl Cache {
    /// Reads all people whose number is below `end`. Templates of `model` are projected by the head, if there is one.
    pub fn read(
        trees: &Trees,
        end: PersonId,
        model: &ModelId,
        dimension: usize,
        head: Option<&SiteHead>,
    ) -> Result<Cache, GalleryError> {
        let mut cache = Cache {
            model: model.clone(),
            dimension,
            head: head.cloned(),
            people: BTreeMap::new(),
            known: Known::default(),
            index: Index::new(dimension),
            next: None,
            compared: 0,
            not_them: BTreeMap::new(),
            tags: BTreeMap::new(),
            damaged: Vec::new(),
            locked: BTreeMap::new(),
            leftovers: Vec::new(),
        };
        for found in walk(&trees.people, end) {
            match found? {
                Found::Record(key, value) => cache.read_person(&key, &value),
                Found::Unreadable(id) => cache.report(&record::person_key(id), RecordError::Page),
            }
        }
        for found in walk(&trees.templates, end) {
            match found? {
                Found::Record(key, value) => cache.read_template(trees, &key, &value),
                Found::Unreadable(id) => cache.report_templates(id),
            }
        }
        Ok(cache)
    }

    /// The person with this number.
    pub fn person(&self, id: PersonId) -> Result<&Person, GalleryError> {
        self.people.get(&id).ok_or_else(|| GalleryError::NotFound { wanted: id.to_string() })
    }

    /// Caches a person, and the templates, PIN and tags that the trees hold of them, replacing what was cached.
    pub fn put(&mut self, id: PersonId, stored: record::Stored, trees: &Trees) -> Result<(), GalleryError> {
        self.remove(id);
        self.insert(id, stored);
        for entry in trees.templates.scan_prefix(record::person_key(id)) {
            let (key, value) = entry?;
            self.read_template(trees, &key, &value);
        }
        self.put_credentials(trees, id)
    }

    fn insert(&mut self, id: PersonId, stored: record::Stored) {
        let person = person(id, stored);
        self.known.insert(&person);
        self.people.insert(id, person);
    }

    /// Removes a person and everything reported about them.
    pub fn remove(&mut self, id: PersonId) {
        if let Some(person) = self.people.remove(&id) {
            self.known.remove(&person);
            self.index.remove(id);
            self.compared -= usize::from(person.templates > 0);
        }
        self.not_them.remove(&id);
        self.tags.retain(|_, owner| *owner != id);
        if let Some(next) = &mut self.next {
            next.remove(id);
        }
        self.damaged.retain(|damaged| damaged.person != Some(id));
        self.locked.remove(&id);
    }

    /// The distance of a unit vector to the nearest negative reference of a person; `None` without any.
    pub fn to_not_them(&self, id: PersonId, values: &[f32]) -> Option<Distance> {
        let references = self.not_them.get(&id)?.iter().map(|reference| Distance::between(reference, values));
        references.min_by(|a, b| a.0.total_cmp(&b.0))
    }

    /// Counts the locked templates; `None` if there are none.
    pub fn locked(&self) -> Option<Locked> {
        let why = self.locked.values().next()?.clone();
        let templates = self.people.values().map(|person| person.locked_templates).sum();
        Some(Locked { people: self.locked.len(), templates, why })
    }

    /// Counts the templates of other models.
    pub fn foreign(&self, trees: &Trees) -> Result<Vec<Foreign>, GalleryError> {
        let mut counts = BTreeMap::new();
        for id in self.people.values().filter(|p| p.foreign_templates > 0).map(|p| p.id) {
            for entry in trees.templates.scan_prefix(record::person_key(id)) {
                if let Some(model) = trees.model_of(&entry?.1).filter(|model| *model != self.model) {
                    *counts.entry(model).or_insert(0) += 1;
                }
            }
        }
        Ok(counts.into_iter().map(|(model, templates)| Foreign { model, templates }).collect())
    }

    fn read_person(&mut self, key: &[u8], value: &[u8]) {
        let Some(id) = record::read_person_key(key) else {
            return self.report(key, RecordError::Key);
        };
        match record::read_person(value) {
            Ok(stored) => self.insert(id, stored),
            Err(why) => self.report(key, why),
        }
    }

    fn read_template(&mut self, trees: &Trees, key: &[u8], value: &[u8]) {
        let Some((id, number)) = record::read_template_key(key) else {
            return self.report(key, RecordError::Key);
        };
        if record::is_erased(value) {
            self.leftovers.push(key.into());
            return;
        }
        match trees.read(key, value) {
            Ok(template) => self.place(id, Kind::of(number), key, &template),
            Err(Unread::Damaged(why)) => self.report(key, why),
            Err(Unread::Locked(why)) => match self.people.get_mut(&id) {
                Some(person) => {
                    person.locked_templates += 1;
                    self.locked.entry(id).or_insert(why);
                }
                None => self.report(key, RecordError::PersonUnreadable),
            },
        }
    }

    fn place(&mut self, id: PersonId, kind: Kind, key: &[u8], template: &Template) {
        let values = template.embedding.values();
        let Some(person) = self.people.get_mut(&id) else {
            return self.report(key, RecordError::PersonUnreadable);
        };
        if *template.embedding.model() != self.model {
            // A negative reference of another model waits until it is erased with the person or replaced with the templates.
            if kind != Kind::NotThem {
                person.foreign_templates += 1;
                if let Some(next) = &mut self.next {
                    next.push(id, template);
                }
            }
        } else if values.len() == self.dimension {
            let projected = match &self.head {
                None => Some(None),
                Some(head) => head.project(&template.embedding).map(Some),
            };
            let Some(projected) = projected else {
                return self.report(key, RecordError::ProjectedToZero);
            };
            let values = projected.as_ref().map_or(values, |projected| projected.values());
            if kind == Kind::NotThem {
                return self.not_them.entry(id).or_default().push(Zeroizing::new(values.into()));
            }
            self.compared += usize::from(person.templates == 0);
            person.templates += 1;
            person.learned_templates += usize::from(kind == Kind::Learned);
            self.index.push(id, values);
        } else {
            let why = RecordError::Dimension { found: values.len(), expected: self.dimension };
            self.report(key, why);
        }
    }

    /// Reports unreadable templates, unless the person is reported already.
    fn report_templates(&mut self, id: PersonId) {
        if self.people.contains_key(&id) {
            let key = format!("a template of person {id}");
            self.damaged.push(Damaged { key, why: RecordError::Page, person: Some(id) });
        }
    }

    fn report(&mut self, key: &[u8], why: RecordError) {
        let person = record::read_person_key(key).or_else(|| record::read_template_key(key).map(|(id, _)| id));
        self.damaged.push(Damaged { key: record::describe(key), why, person });
    }
}

/// The person of a stored record, with no templates counted yet.
pub fn person(id: PersonId, stored: record::Stored) -> Person {
    let record::Stored { person, enabled, valid_from, valid_until, created, uuid } = stored;
    Person {
        id,
        name: person.name,
        employee_id: person.employee_id,
        groups: person.groups,
        enabled,
        valid_from,
        valid_until,
        created,
        templates: 0,
        learned_templates: 0,
        foreign_templates: 0,
        locked_templates: 0,
        held: Held::default(),
        uuid,
    }
}

//! What of the gallery is in memory: everybody, the index of their templates, and what had to be left out.
//!
//! Reads the store's trees, never writes them.

use std::collections::BTreeMap;
use std::fmt;

use crate::domain::{ModelId, PersonId, SiteHead};
use crate::seal::SealError;

use super::index::Index;
use super::person::Person;
use super::record;
use super::sealed::Unread;
use super::walk::{Found, walk};
use super::{GalleryError, Template, Trees};

const BAD_PAGE: &str = "the disk gives back a page that is not what was written";

/// Templates of a model that is not in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    pub model: ModelId,
    pub templates: usize,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Foreign { model, templates } = self;
        write!(f, "{templates} templates of {model} are set aside: enrol those people again, or configure that model")
    }
}

/// People whose templates are sealed and cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// Each has one such template at least.
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

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Which one, in words: `template 2 of person 7`.
    pub key: String,
    pub why: String,
    /// Whom to remove and enrol again; `None` when the key itself is unreadable.
    pub person: Option<PersonId>,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is damaged ({}): remove that person and enrol again, or restore a backup", self.key, self.why)
    }
}

/// See the file's head.
pub struct Shelf {
    model: ModelId,
    dimension: usize,
    head: Option<SiteHead>,
    pub people: BTreeMap<PersonId, Person>,
    /// The templates of the model in use.
    pub index: Index,
    /// How many people have any of those.
    pub compared: usize,
    pub damaged: Vec<Damaged>,
    /// Why templates are locked, by person.
    locked: BTreeMap<PersonId, SealError>,
    /// Keys of templates that were written over when a removal was cut short.
    pub leftovers: Vec<sled::IVec>,
}

impl Shelf {
    /// Everybody in the trees whose number is below `end`; their templates of `model` as they lie behind the head, if there is one.
    pub fn read(
        trees: &Trees,
        end: PersonId,
        model: &ModelId,
        dimension: usize,
        head: Option<&SiteHead>,
    ) -> Result<Shelf, GalleryError> {
        let mut shelf = Shelf {
            model: model.clone(),
            dimension,
            head: head.cloned(),
            people: BTreeMap::new(),
            index: Index::new(dimension),
            compared: 0,
            damaged: Vec::new(),
            locked: BTreeMap::new(),
            leftovers: Vec::new(),
        };
        for found in walk(&trees.people, end) {
            match found? {
                Found::Record(key, value) => shelf.read_person(&key, &value),
                Found::Unreadable(id) => shelf.report(&record::person_key(id), BAD_PAGE.to_owned()),
            }
        }
        for found in walk(&trees.templates, end) {
            match found? {
                Found::Record(key, value) => shelf.read_template(trees, &key, &value),
                Found::Unreadable(id) => shelf.report_templates(id),
            }
        }
        Ok(shelf)
    }

    /// The person of that number, for reading.
    pub fn person(&self, id: PersonId) -> Result<&Person, GalleryError> {
        self.people.get(&id).ok_or_else(|| GalleryError::NotFound { wanted: id.to_string() })
    }

    /// Puts a person on the shelf, with all the templates that the tree holds of them; in place of what was there.
    pub fn put(&mut self, id: PersonId, stored: record::Stored, trees: &Trees) -> Result<(), GalleryError> {
        self.take(id);
        self.people.insert(id, person(id, stored));
        for entry in trees.templates.scan_prefix(record::person_key(id)) {
            let (key, value) = entry?;
            self.read_template(trees, &key, &value);
        }
        Ok(())
    }

    /// Takes a person off the shelf, with everything said of them.
    pub fn take(&mut self, id: PersonId) {
        if let Some(person) = self.people.remove(&id) {
            self.index.remove(id);
            self.compared -= usize::from(person.templates > 0);
        }
        self.damaged.retain(|damaged| damaged.person != Some(id));
        self.locked.remove(&id);
    }

    /// Whose templates are locked, and why.
    pub fn locked(&self) -> Option<Locked> {
        let why = self.locked.values().next()?.clone();
        let templates = self.people.values().map(|person| person.locked_templates).sum();
        Some(Locked { people: self.locked.len(), templates, why })
    }

    /// How many templates of which other models there are.
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
            return self.report(key, "it is no person's number".to_owned());
        };
        match record::read_person(value) {
            Ok(stored) => drop(self.people.insert(id, person(id, stored))),
            Err(why) => self.report(key, why),
        }
    }

    fn read_template(&mut self, trees: &Trees, key: &[u8], value: &[u8]) {
        let Some((id, _)) = record::read_template_key(key) else {
            return self.report(key, "it is no template's number".to_owned());
        };
        if record::is_erased(value) {
            self.leftovers.push(key.into());
            return;
        }
        match trees.read(key, value) {
            Ok(template) => self.place(id, key, &template),
            Err(Unread::Damaged(why)) => self.report(key, why),
            Err(Unread::Locked(why)) => match self.people.get_mut(&id) {
                Some(person) => {
                    person.locked_templates += 1;
                    self.locked.entry(id).or_insert(why);
                }
                None => self.report(key, "its person cannot be read".to_owned()),
            },
        }
    }

    fn place(&mut self, id: PersonId, key: &[u8], template: &Template) {
        let values = template.embedding.values();
        let Some(person) = self.people.get_mut(&id) else {
            return self.report(key, "its person cannot be read".to_owned());
        };
        if *template.embedding.model() != self.model {
            person.foreign_templates += 1;
        } else if values.len() == self.dimension {
            let projected = match &self.head {
                None => Some(None),
                Some(head) => head.project(&template.embedding).map(Some),
            };
            let Some(projected) = projected else {
                return self.report(key, "the site head takes it to nothing".to_owned());
            };
            self.compared += usize::from(person.templates == 0);
            person.templates += 1;
            self.index.push(id, projected.as_ref().map_or(values, |behind| behind.values()));
        } else {
            let why = format!("it holds {} numbers, its model makes {}", values.len(), self.dimension);
            self.report(key, why);
        }
    }

    /// Nobody is reported twice for pages that cannot be read.
    fn report_templates(&mut self, id: PersonId) {
        if self.people.contains_key(&id) {
            let key = format!("a template of person {id}");
            self.damaged.push(Damaged { key, why: BAD_PAGE.to_owned(), person: Some(id) });
        }
    }

    fn report(&mut self, key: &[u8], why: String) {
        let person = record::read_person_key(key).or_else(|| record::read_template_key(key).map(|(id, _)| id));
        self.damaged.push(Damaged { key: record::describe(key), why, person });
    }
}

/// A person as stored, with no templates counted yet.
pub fn person(id: PersonId, stored: record::Stored) -> Person {
    let record::Stored { person, enabled, valid_from, valid_until, created } = stored;
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
        foreign_templates: 0,
        locked_templates: 0,
    }
}

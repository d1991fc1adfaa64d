//! The templates of a second model in memory: those that a switch of models leads to, or leads away from. They are never compared with those
//! of the model in use.

use std::collections::BTreeMap;

use super::index::Index;
use super::person::Template;
use crate::domain::{GallerySize, ModelId, PersonId};

/// The set of the second model.
pub struct NextSet {
    pub model: ModelId,
    pub dimension: usize,
    pub index: Index,
    /// How many templates each person has in the index.
    pub counts: BTreeMap<PersonId, usize>,
}

impl NextSet {
    /// An empty set.
    pub fn new(model: ModelId, dimension: usize) -> NextSet {
        NextSet { model, dimension, index: Index::new(dimension), counts: BTreeMap::new() }
    }

    /// Whether a template belongs to the set.
    pub fn takes(&self, template: &Template) -> bool {
        *template.embedding.model() == self.model && template.embedding.values().len() == self.dimension
    }

    /// Adds a template, if it belongs to the set.
    pub fn push(&mut self, person: PersonId, template: &Template) {
        if self.takes(template) {
            self.index.push(person, template.embedding.values());
            *self.counts.entry(person).or_default() += 1;
        }
    }

    /// Removes all templates of a person.
    pub fn remove(&mut self, person: PersonId) {
        if self.counts.remove(&person).is_some() {
            self.index.remove(person);
        }
    }

    /// The number of people who have any of its templates, and of those templates.
    pub fn size(&self) -> GallerySize {
        GallerySize { people: self.counts.len(), templates: self.index.len() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::domain::{Embedding, Quality};

    fn template(model: &str, values: &[f32]) -> Template {
        let embedding = Embedding::normalised(ModelId::new(model), values.into()).unwrap();
        Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH }
    }

    #[test]
    fn only_templates_of_its_own_model_and_dimension_get_in() {
        let mut set = NextSet::new(ModelId::new("new-1"), 2);
        set.push(PersonId(1), &template("new-1", &[1.0, 0.0]));
        set.push(PersonId(1), &template("old-1", &[1.0, 0.0]));
        set.push(PersonId(2), &template("new-1", &[1.0, 0.0, 0.0]));
        assert_eq!(set.size(), GallerySize { people: 1, templates: 1 });
        set.remove(PersonId(2));
        set.remove(PersonId(1));
        assert_eq!((set.size(), set.index.is_empty()), (GallerySize::default(), true));
    }
}

//! Two sets of templates side by side, while a site is led from one model to another: the set of the model in use, and that of the second
//! model. Each person may have both; nothing ever compares one with the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::change::Prepared;
use super::leaving::Leaving;
use super::next_set::NextSet;
use super::person::Template;
use super::record;
use super::walk::{Found, walk};
use super::{Gallery, GalleryError, MAX_DIMENSION, MAX_TEMPLATES};
use crate::domain::{Distance, Embedding, GallerySize, Match, ModelId, PersonId};

/// The number of people whose templates of one model are erased in one commit.
const ERASED_AT_ONCE: usize = 25;

/// How much is stored of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelCount {
    pub model: ModelId,
    /// People who have any of its templates.
    pub people: usize,
    pub templates: usize,
}

impl Gallery {
    /// Sets the second model, with the number of values in its embeddings, 1 to [`MAX_DIMENSION`]; `None` for none. Reads its templates into
    /// memory. Damaged ones are left out, as are those that cannot be opened.
    pub fn set_next(&self, next: Option<(ModelId, usize)>) -> Result<(), GalleryError> {
        let _writing = self.writing();
        let Some((model, dimension)) = next.filter(|(model, _)| *model != self.model) else {
            self.cache_mut().next = None;
            return Ok(());
        };
        if !(1..=MAX_DIMENSION).contains(&dimension) {
            return Err(GalleryError::BadDimension { dimension });
        }
        let mut set = NextSet::new(model, dimension);
        let with_others: Vec<PersonId> = {
            let cache = self.cache();
            cache.people.values().filter(|person| person.foreign_templates > 0).map(|person| person.id).collect()
        };
        for id in with_others {
            for entry in self.trees.templates.scan_prefix(record::person_key(id)) {
                let (key, value) = entry?;
                if let Ok(template) = self.trees.read(&key, &value) {
                    set.push(id, &template);
                }
            }
        }
        self.cache_mut().next = Some(set);
        Ok(())
    }

    /// The second model.
    pub fn next_model(&self) -> Option<ModelId> {
        self.cache().next.as_ref().map(|set| set.model.clone())
    }

    /// The number of people who have templates of the second model, and of those templates.
    pub fn next_size(&self) -> GallerySize {
        self.cache().next.as_ref().map(NextSet::size).unwrap_or_default()
    }

    /// How many templates of the second model a person has.
    pub fn next_templates(&self, id: PersonId) -> usize {
        self.cache().next.as_ref().and_then(|set| set.counts.get(&id).copied()).unwrap_or_default()
    }

    /// As [`nearest`](Gallery::nearest), among the templates of the second model.
    pub fn nearest_next(&self, probe: &Embedding) -> Result<Option<Match>, GalleryError> {
        let cache = self.cache();
        let set = cache.next.as_ref().ok_or_else(|| self.of_no_next(probe))?;
        check(set, probe)?;
        Ok(set.index.nearest(probe.values(), self.threads))
    }

    /// The distance between two embeddings of the second model; `None` if one is of another.
    pub fn next_distance(&self, a: &Embedding, b: &Embedding) -> Option<Distance> {
        let of_next = self.cache().next.as_ref().is_some_and(|set| set.model == *a.model());
        if of_next { a.distance(b) } else { None }
    }

    /// Prepares the replacement of a person's templates of the second model. The earlier ones are erased as in [`remove`](Gallery::remove).
    pub fn prepare_next(&self, id: PersonId, templates: &[Template]) -> Result<Prepared<'_>, GalleryError> {
        let writing = self.writing();
        if templates.is_empty() {
            return Err(GalleryError::NoTemplates);
        }
        self.check_next(templates)?;
        let stored = self.trees.stored(id)?;
        let held = self.trees.templates_of(id)?;
        let model = self.next_model();
        let mut leaving = Leaving::default();
        leaving.add(self, &held, |(_, value)| model.is_some() && self.trees.model_of(value) == model)?;
        let sub_key = self.trees.sub_keys.ring.add(1)?.pop();
        let mut changes = leaving.changes(self);
        changes.extend(self.trees.additions(id, &held, templates.iter().map(|template| (sub_key, template)))?);
        Ok(self.prepared(writing, changes, id, stored, leaving.gone, true))
    }

    /// How much is stored of each model, by the model's name. Counts sealed templates that cannot be opened, too; damaged ones are left out.
    pub fn models(&self) -> Result<Vec<ModelCount>, GalleryError> {
        let mut found: BTreeMap<ModelId, (BTreeSet<PersonId>, usize)> = BTreeMap::new();
        for record in walk(&self.trees.templates, self.trees.end()?) {
            let Found::Record(key, value) = record? else { continue };
            if let Some((id, _)) = record::read_template_key(&key)
                && !record::is_erased(&value)
                && let Some(model) = self.trees.model_of(&value)
            {
                let (people, templates) = found.entry(model).or_default();
                people.insert(id);
                *templates += 1;
            }
        }
        let count =
            |(model, (people, templates)): (_, (BTreeSet<_>, _))| ModelCount { model, people: people.len(), templates };
        Ok(found.into_iter().map(count).collect())
    }

    /// Erases all templates of `model`, which is not the one in use, as in [`remove`](Gallery::remove); returns their number. Several commits
    /// with pauses between them: after a kill, the next call erases the rest. Templates of other models that were sealed together with them
    /// are sealed anew, so that old pages of the erased ones cannot be opened.
    pub fn erase_model(&self, model: &ModelId) -> Result<usize, GalleryError> {
        if *model == self.model {
            return Err(GalleryError::ModelInUse { model: model.clone() });
        }
        let everybody: Vec<PersonId> = self.cache().people.keys().copied().collect();
        let mut erased = 0;
        for part in everybody.chunks(ERASED_AT_ONCE) {
            let began = Instant::now();
            erased += self.erase_model_of(model, part)?;
            self.trees.store.yield_to_writers(began.elapsed());
        }
        if erased > 0
            && let Err(error) = self.trees.store.compact()
        {
            tracing::warn!(%error, "the second copy of the store still holds erased templates");
        }
        Ok(erased)
    }

    fn erase_model_of(&self, model: &ModelId, people: &[PersonId]) -> Result<usize, GalleryError> {
        let _writing = self.writing();
        let (mut leaving, mut touched) = (Leaving::default(), Vec::new());
        for &id in people {
            // Removed meanwhile, with their templates; or unreadable, and then only a removal helps.
            let Ok(stored) = self.trees.stored(id) else { continue };
            if leaving.add(self, &self.trees.templates_of(id)?, |(_, value)| {
                self.trees.model_of(value).as_ref() == Some(model)
            })? > 0
            {
                touched.push((id, stored));
            }
        }
        if touched.is_empty() {
            return Ok(0);
        }
        self.trees.store.commit(&leaving.changes(self))?;
        let erased = leaving.gone.len();
        self.trees.sweep_or_defer(leaving.gone);
        self.trees.sub_keys.settle_or_defer();
        for (id, stored) in touched {
            self.cache_mut().put(id, stored, &self.trees)?;
        }
        Ok(erased)
    }

    /// Checks templates of the second model; none are fine, too.
    pub(super) fn check_next(&self, templates: &[Template]) -> Result<(), GalleryError> {
        let count = templates.len();
        if count > MAX_TEMPLATES {
            return Err(GalleryError::TooManyTemplates { count });
        }
        let cache = self.cache();
        templates.iter().try_for_each(|template| {
            let set = cache.next.as_ref().ok_or_else(|| self.of_no_next(&template.embedding))?;
            check(set, &template.embedding)
        })
    }

    fn of_no_next(&self, found: &Embedding) -> GalleryError {
        GalleryError::ForeignModel {
            found: found.model().clone(),
            found_numbers: found.values().len(),
            wanted: self.model.clone(),
            wanted_numbers: self.dimension,
        }
    }
}

fn check(set: &NextSet, embedding: &Embedding) -> Result<(), GalleryError> {
    if *embedding.model() == set.model && embedding.values().len() == set.dimension {
        return Ok(());
    }
    Err(GalleryError::ForeignModel {
        found: embedding.model().clone(),
        found_numbers: embedding.values().len(),
        wanted: set.model.clone(),
        wanted_numbers: set.dimension,
    })
}

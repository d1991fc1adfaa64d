//! Templates of a second model, while the site is led from one model to another: who gets them, and what is checked first.

use std::sync::PoisonError;

use super::outliers::find_outliers;
use super::register::{OfficeError, Register};
use crate::access::{Cut, NearEnough};
use crate::domain::{Actor, Event, GallerySize, ModelId, PeopleEvent, PersonId};
use crate::gallery::{Person, Template};

/// Templates of the second model for somebody who is enrolled.
pub struct Move {
    pub person: PersonId,
    /// Of the second model. Others, of the model in use, show the same faces: they are compared with the person's own templates, and not kept.
    pub templates: Vec<Template>,
    /// What each was made from, for messages; may be shorter than `templates`.
    pub labels: Vec<String>,
    /// Whether to skip the checks that they show this person and nobody else.
    pub force: bool,
    /// The sequence number of the grant from whose visit they were made.
    pub record: Option<u64>,
    pub by: Actor,
}

impl Register {
    /// Sets the second model: its id, the number of values in its embeddings, and how near is near enough for it. `None` for none.
    pub fn set_next(&self, next: Option<(ModelId, usize, NearEnough)>) -> Result<(), OfficeError> {
        let _enrolling = self.enrolling.lock().unwrap_or_else(PoisonError::into_inner);
        let (model, rule) = next.map(|(model, dimension, rule)| ((model, dimension), rule)).unzip();
        self.gallery().set_next(model)?;
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = rule;
        Ok(())
    }

    /// The cut of the second model for the people who have templates of it; `None` without a second model.
    pub fn next_cut(&self) -> Option<Cut> {
        Some(self.next_rule()?.cut(self.gallery().next_size()))
    }

    /// Replaces a person's templates of the second model, all or nothing.
    ///
    /// # Errors
    /// [`OfficeError::NotThem`], [`OfficeError::Duplicate`] and [`OfficeError::Outliers`] unless forced; and the gallery's errors.
    pub fn move_person(&self, order: Move) -> Result<Person, OfficeError> {
        let Move { person, templates, labels, force, record, by } = order;
        let _enrolling = self.enrolling.lock().unwrap_or_else(PoisonError::into_inner);
        let model = self.gallery().next_model();
        let (proof, next): (Vec<Template>, Vec<Template>) =
            templates.into_iter().partition(|template| template.embedding.model() == self.gallery().model());
        if !force {
            self.require_them(person, &proof, &labels)?;
            self.check_next(&next, &labels, Some(person))?;
        }
        let count = next.len();
        let prepared = self.gallery().prepare_next(person, &next)?;
        let model = model.unwrap_or_else(|| self.gallery().model().clone());
        let asked = match record {
            Some(record) => self.ask_for_templates(prepared.person(), &model, record, &by)?,
            None => Vec::new(),
        };
        let person = prepared.person().named().into();
        let event = Event::People(PeopleEvent::TemplatesMade { person, model, templates: count, record, by });
        self.recorder.record_change(&event, &[prepared.changes(), &asked].concat())?;
        Ok(prepared.finish()?)
    }

    /// Separates templates of the second model from the others.
    pub(super) fn separate(&self, templates: Vec<Template>) -> (Vec<Template>, Vec<Template>) {
        let next = self.gallery().next_model();
        templates.into_iter().partition(|template| Some(template.embedding.model()) != next.as_ref())
    }

    /// Fails unless templates of the second model show one person, and nobody but `own`.
    pub(super) fn check_next(
        &self,
        templates: &[Template],
        labels: &[String],
        own: Option<PersonId>,
    ) -> Result<(), OfficeError> {
        let Some(rule) = self.next_rule() else { return Ok(()) };
        let alone = rule.cut(GallerySize::ONE).distance;
        let between = |i: usize, j: usize| {
            let (one, other) = (templates.get(i)?, templates.get(j)?);
            self.gallery().next_distance(&one.embedding, &other.embedding)
        };
        if let Some(outliers) = find_outliers(templates.len(), alone, between) {
            return Err(OfficeError::outliers(&outliers, labels, alone));
        }
        let limit = rule.cut(self.gallery().next_size()).distance;
        for template in templates {
            let found = self.gallery().nearest_next(&template.embedding)?;
            let somebody = found.and_then(|found| match Some(found.person) == own {
                true => found.runner_up,
                false => Some((found.person, found.distance)),
            });
            if let Some((person, distance)) = somebody.filter(|(_, distance)| distance.0 <= limit.0) {
                let name = self.gallery().person(person)?.name;
                return Err(OfficeError::Duplicate { person, name, distance, limit });
            }
        }
        Ok(())
    }

    /// Fails unless each of `proof`, of the model in use, is nearest to this person and near enough. People without templates of that model
    /// pass: there is nothing to compare with.
    pub(super) fn require_them(&self, id: PersonId, proof: &[Template], labels: &[String]) -> Result<(), OfficeError> {
        let person = self.gallery().person(id)?;
        if person.templates == 0 {
            return Ok(());
        }
        let limit = self.near_enough.cut(GallerySize::ONE).distance;
        for (at, template) in proof.iter().enumerate() {
            let found = self.gallery().nearest(&template.embedding)?;
            if !found.is_some_and(|found| found.person == id && found.distance.0 <= limit.0) {
                let which = labels.get(at).cloned().unwrap_or_else(|| format!("picture {}", at + 1));
                let own = found.map(|found| match found.person == id {
                    true => format!("at distance {}", found.distance),
                    false => format!("it is nearer to person {}", found.person),
                });
                let found = own.unwrap_or_else(|| "nobody can be compared".to_owned());
                return Err(OfficeError::NotThem { which, name: person.name, person: id, found, limit });
            }
        }
        Ok(())
    }

    fn next_rule(&self) -> Option<NearEnough> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

//! Leave-one-out checks: whether each person would be recognised by their own templates, and who is near to whom.

use super::person::{Person, Template};
use super::{Gallery, GalleryError};
use crate::domain::{Distance, PersonId};

/// The check of one person: each of their templates is searched for as if the others were enrolled without it.
#[derive(Clone, Debug)]
pub struct RecognitionCheck {
    pub person: Person,
    /// In the order of enrolment, without templates of other models. Empty if one of them is damaged or locked.
    pub templates: Vec<TemplateCheck>,
}

/// The distances from one template.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TemplateCheck {
    /// To the person's nearest other template; `None` if there is no other.
    pub own: Option<Distance>,
    /// To the nearest other person.
    pub other: Option<(PersonId, Distance)>,
}

impl Gallery {
    /// Checks all people, in order of number. One search per template: it takes seconds for thousands of people.
    pub fn check_recognition(&self) -> Result<Vec<RecognitionCheck>, GalleryError> {
        let mut checks = Vec::new();
        for person in self.people() {
            let templates = match self.templates(person.id) {
                Ok(templates) => templates,
                Err(GalleryError::Damaged { .. } | GalleryError::Locked { .. }) => Vec::new(),
                // Removed meanwhile.
                Err(GalleryError::NotFound { .. }) => continue,
                Err(error) => return Err(error),
            };
            let own: Vec<Template> = templates
                .into_iter()
                .filter(|t| t.embedding.model() == self.model() && t.embedding.values().len() == self.dimension)
                .collect();
            let mut templates = Vec::with_capacity(own.len());
            for (i, template) in own.iter().enumerate() {
                let others = own.iter().enumerate().filter(|(j, _)| *j != i);
                let distances = others.filter_map(|(_, other)| self.distance(&template.embedding, &other.embedding));
                templates.push(TemplateCheck {
                    own: distances.min_by(|a, b| a.0.total_cmp(&b.0)),
                    other: self.nearest_other(person.id, template)?,
                });
            }
            checks.push(RecognitionCheck { person, templates });
        }
        Ok(checks)
    }

    /// The nearest person other than `except`.
    fn nearest_other(
        &self,
        except: PersonId,
        template: &Template,
    ) -> Result<Option<(PersonId, Distance)>, GalleryError> {
        let found = self.nearest(&template.embedding)?;
        Ok(found.and_then(|found| match found.person == except {
            true => found.runner_up,
            false => Some((found.person, found.distance)),
        }))
    }
}

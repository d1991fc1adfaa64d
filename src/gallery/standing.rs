//! How each person's templates stand to each other and to everybody else's: whether they would be recognised by themselves.
//!
//! Knows nothing of how near is near enough.

use super::person::{Person, Template};
use super::{Gallery, GalleryError};
use crate::domain::{Distance, PersonId};

/// A person, and each of their templates left out once and searched for.
#[derive(Clone, Debug)]
pub struct Standing {
    pub person: Person,
    /// In the order of enrolment. Templates of other models are left out; empty also where one of them is damaged or locked.
    pub views: Vec<View>,
}

/// One template as if it were a face at the door.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// To the nearest other template of the same person; `None` where it is the only one.
    pub own: Option<Distance>,
    /// The nearest of the other people.
    pub other: Option<(PersonId, Distance)>,
}

impl Gallery {
    /// Everybody, by number. One search for each template: for thousands of people it takes seconds.
    pub fn standings(&self) -> Result<Vec<Standing>, GalleryError> {
        let mut standings = Vec::new();
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
            let mut views = Vec::with_capacity(own.len());
            for (i, template) in own.iter().enumerate() {
                let others = own.iter().enumerate().filter(|(j, _)| *j != i);
                let distances = others.filter_map(|(_, other)| self.distance(&template.embedding, &other.embedding));
                views.push(View {
                    own: distances.min_by(|a, b| a.0.total_cmp(&b.0)),
                    other: self.nearest_other(person.id, template)?,
                });
            }
            standings.push(Standing { person, views });
        }
        Ok(standings)
    }

    /// The nearest person but `but`.
    fn nearest_other(&self, but: PersonId, template: &Template) -> Result<Option<(PersonId, Distance)>, GalleryError> {
        let found = self.nearest(&template.embedding)?;
        Ok(found.and_then(|found| match found.person == but {
            true => found.runner_up,
            false => Some((found.person, found.distance)),
        }))
    }
}

//! People and templates, and the rules for names.

use std::time::SystemTime;

use uuid::Uuid;

use crate::domain::{Embedding, Named, PersonId, Quality};

use super::query::Candidate;
use super::{GalleryError, MAX_NAME_CHARS};
use crate::names;

/// An enrolled person.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    pub id: PersonId,
    pub name: String,
    /// Unique if given.
    pub employee_id: Option<String>,
    /// Sorted, each once.
    pub groups: Vec<String>,
    /// Whether doors may open for them. Disabled people are still recognised, so that a refusal can say why.
    pub enabled: bool,
    /// Doors open for them from this moment on.
    pub valid_from: Option<SystemTime>,
    /// Doors open for them before this moment.
    pub valid_until: Option<SystemTime>,
    /// When the newest of their first templates was made.
    pub created: SystemTime,
    /// The number of templates of the model in use.
    pub templates: usize,
    /// How many of those were learned from grants.
    pub learned_templates: usize,
    /// The number of templates of other models.
    pub foreign_templates: usize,
    /// The number of sealed templates that cannot be opened, of any model.
    pub locked_templates: usize,
    /// What they have besides the face.
    pub held: Held,
    /// Who they are in the fleet; `None` for a person of this store alone.
    pub uuid: Option<Uuid>,
}

/// What a person has besides the face.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub pin: bool,
    /// The number of tags.
    pub tags: usize,
    /// The record of both is damaged, or is sealed and cannot be opened.
    pub unreadable: bool,
}

/// A person to be enrolled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewPerson {
    pub name: String,
    pub employee_id: Option<String>,
    pub groups: Vec<String>,
}

/// One enrolled face of a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    pub embedding: Embedding,
    pub quality: Quality,
    pub created: SystemTime,
}

impl Person {
    /// Somebody of whom nothing is known yet.
    pub fn without_face(id: PersonId) -> Person {
        Person {
            id,
            name: String::new(),
            employee_id: None,
            groups: Vec::new(),
            enabled: true,
            valid_from: None,
            valid_until: None,
            created: SystemTime::UNIX_EPOCH,
            templates: 0,
            learned_templates: 0,
            foreign_templates: 0,
            locked_templates: 0,
            held: Held::default(),
            uuid: None,
        }
    }

    /// The person as journal records name them.
    pub fn named(&self) -> Named {
        Named::new(self.id, self.name.clone(), self.employee_id.clone(), self.groups.clone())
    }
}

impl NewPerson {
    /// Normalises all texts, as they are stored; an empty employee id becomes `None`.
    ///
    /// # Errors
    /// [`GalleryError::BadText`] and [`GalleryError::BadName`].
    pub fn tidy(self) -> Result<NewPerson, GalleryError> {
        let employee_id = match self.employee_id.as_deref().map(str::trim) {
            None | Some("") => None,
            Some(text) => Some(tidy_name("employee id", text)?),
        };
        Ok(NewPerson { name: tidy_name("name", &self.name)?, employee_id, groups: tidy_groups(&self.groups)? })
    }
}

impl From<&Person> for Candidate {
    fn from(person: &Person) -> Candidate {
        Candidate {
            id: person.id,
            names: vec![person.name.clone()],
            employee_ids: person.employee_id.iter().cloned().collect(),
            enrolled: true,
        }
    }
}

/// A person whose record is unreadable; only the number is known.
pub(super) fn unreadable(id: PersonId) -> Person {
    Person { name: format!("person {id}"), enabled: false, ..Person::without_face(id) }
}

/// Trims a text. Fails if nothing is left, or if it is too long or has control characters.
pub(super) fn tidy_text(field: &'static str, text: &str) -> Result<String, GalleryError> {
    let tidy = text.trim();
    let fits = (1..=MAX_NAME_CHARS).contains(&tidy.chars().count());
    if fits && !tidy.chars().any(char::is_control) {
        Ok(tidy.to_owned())
    } else {
        Err(GalleryError::BadText { field, text: text.chars().take(MAX_NAME_CHARS + 1).collect() })
    }
}

/// As [`tidy_text`], in the stored form of names and employee ids ([`names::tidy`]). Fails on invisible characters.
pub(super) fn tidy_name(field: &'static str, text: &str) -> Result<String, GalleryError> {
    let tidy = tidy_text(field, &names::tidy(&tidy_text(field, text)?))?;
    match names::check_visible(&tidy) {
        Ok(()) => Ok(tidy),
        Err(fault) => Err(GalleryError::BadName { field, text: tidy, fault }),
    }
}

/// Trims, sorts and deduplicates group names.
pub(super) fn tidy_groups(groups: &[String]) -> Result<Vec<String>, GalleryError> {
    let mut tidy = groups.iter().map(|g| tidy_text("group", g)).collect::<Result<Vec<_>, _>>()?;
    tidy.sort();
    tidy.dedup();
    Ok(tidy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_trimmed_and_bounded() {
        assert_eq!(tidy_text("name", "  Zoë Ångström ").unwrap(), "Zoë Ångström");
        assert_eq!(tidy_text("name", &"é".repeat(100)).unwrap().chars().count(), 100);
        for bad in ["", "  ", "a\u{7}b", "a\nb", &"x".repeat(101)] {
            assert!(matches!(tidy_text("name", bad), Err(GalleryError::BadText { .. })), "{bad:?}");
        }
        assert_eq!(tidy_name("name", "Zoe\u{308}  Mu\u{308}ller").unwrap(), "Zoë Müller");
        assert!(matches!(tidy_name("name", "Ada\u{200B}"), Err(GalleryError::BadName { .. })));
        let groups = ["staff".to_owned(), " night ".into(), "staff".into()];
        assert_eq!(tidy_groups(&groups).unwrap(), ["night", "staff"]);
        let new = NewPerson { name: "A".into(), employee_id: Some("  ".into()), groups: vec![] };
        assert_eq!(new.tidy().unwrap().employee_id, None);
    }
}

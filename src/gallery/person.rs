//! Who is enrolled, and what a name may look like.
//!
//! Knows nothing of how people are stored.

use std::time::SystemTime;

use crate::domain::{Embedding, Named, PersonId, Quality};

use super::GalleryError;

/// Templates a person may have. Ten good ones serve; the limit keeps one person from filling the gallery.
pub const MAX_TEMPLATES: usize = 64;
/// Characters (not bytes) of a name, an employee id or a group.
pub const MAX_NAME_CHARS: usize = 100;

/// Somebody enrolled.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    pub id: PersonId,
    pub name: String,
    /// Unique where it is given.
    pub employee_id: Option<String>,
    /// Sorted, each once.
    pub groups: Vec<String>,
    /// Whether doors may open for them. They are recognised all the same, so that a refusal can say why.
    pub enabled: bool,
    /// Doors open for them from this moment on.
    pub valid_from: Option<SystemTime>,
    /// Doors open for them before this moment.
    pub valid_until: Option<SystemTime>,
    /// When the newest of the templates they were enrolled with was made.
    pub created: SystemTime,
    /// How many templates of the model in use they have.
    pub templates: usize,
    /// How many templates of other models are set aside.
    pub foreign_templates: usize,
    /// How many are sealed and cannot be opened, of whatever model.
    pub locked_templates: usize,
}

/// Somebody to be enrolled.
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
    /// As records name them.
    pub fn named(&self) -> Named {
        Named {
            id: self.id,
            name: self.name.clone(),
            employee_id: self.employee_id.clone(),
            groups: self.groups.clone(),
        }
    }
}

impl NewPerson {
    /// The same, trimmed and sorted; an empty employee id becomes none.
    pub(super) fn tidy(self) -> Result<NewPerson, GalleryError> {
        let employee_id = match self.employee_id.as_deref().map(str::trim) {
            None | Some("") => None,
            Some(text) => Some(tidy_text("employee id", text)?),
        };
        Ok(NewPerson { name: tidy_text("name", &self.name)?, employee_id, groups: tidy_groups(&self.groups)? })
    }
}

/// Somebody of whom nothing but the number can be read.
pub(super) fn unreadable(id: PersonId) -> Person {
    Person {
        id,
        name: format!("person {id}"),
        employee_id: None,
        groups: Vec::new(),
        enabled: false,
        valid_from: None,
        valid_until: None,
        created: SystemTime::UNIX_EPOCH,
        templates: 0,
        foreign_templates: 0,
        locked_templates: 0,
    }
}

/// Trimmed; an error when nothing is left, when it is too long or holds control characters.
pub(super) fn tidy_text(field: &'static str, text: &str) -> Result<String, GalleryError> {
    let tidy = text.trim();
    let fits = (1..=MAX_NAME_CHARS).contains(&tidy.chars().count());
    if fits && !tidy.chars().any(char::is_control) {
        Ok(tidy.to_owned())
    } else {
        Err(GalleryError::BadText { field, text: text.chars().take(MAX_NAME_CHARS + 1).collect() })
    }
}

/// Each trimmed, sorted, once.
pub(super) fn tidy_groups(groups: &[String]) -> Result<Vec<String>, GalleryError> {
    let mut tidy = groups.iter().map(|g| tidy_text("group", g)).collect::<Result<Vec<_>, _>>()?;
    tidy.sort();
    tidy.dedup();
    Ok(tidy)
}

/// Whom `wanted` means: `#7` the person of that number; else whoever has that number, that employee id or that name
/// (whatever its case), as long as it is one person.
pub(super) fn find<'a>(people: impl Iterator<Item = &'a Person>, wanted: &str) -> Result<&'a Person, GalleryError> {
    let wanted = wanted.trim();
    let number = wanted.strip_prefix('#');
    let id = number.unwrap_or(wanted).parse().ok().map(PersonId);
    let lower = wanted.to_lowercase();
    let mut found = people.filter(|p| {
        Some(p.id) == id
            || number.is_none() && (p.employee_id.as_deref() == Some(wanted) || p.name.to_lowercase() == lower)
    });
    let Some(first) = found.next() else { return Err(GalleryError::NotFound { wanted: wanted.to_owned() }) };
    let others: Vec<PersonId> = found.map(|p| p.id).collect();
    if others.is_empty() {
        Ok(first)
    } else {
        let mut ids = vec![first.id];
        ids.extend(others);
        Err(GalleryError::Ambiguous { wanted: wanted.to_owned(), ids })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: u32, name: &str, employee_id: Option<&str>) -> Person {
        Person {
            id: PersonId(id),
            name: name.into(),
            employee_id: employee_id.map(Into::into),
            groups: vec![],
            enabled: true,
            valid_from: None,
            valid_until: None,
            created: SystemTime::UNIX_EPOCH,
            templates: 1,
            foreign_templates: 0,
            locked_templates: 0,
        }
    }

    #[test]
    fn texts_are_trimmed_and_bounded() {
        assert_eq!(tidy_text("name", "  Zoë Ångström ").unwrap(), "Zoë Ångström");
        assert_eq!(tidy_text("name", &"é".repeat(100)).unwrap().chars().count(), 100);
        for bad in ["", "  ", "a\u{7}b", "a\nb", &"x".repeat(101)] {
            assert!(matches!(tidy_text("name", bad), Err(GalleryError::BadText { .. })), "{bad:?}");
        }
        let groups = ["staff".to_owned(), " night ".into(), "staff".into()];
        assert_eq!(tidy_groups(&groups).unwrap(), ["night", "staff"]);
        let new = NewPerson { name: "A".into(), employee_id: Some("  ".into()), groups: vec![] };
        assert_eq!(new.tidy().unwrap().employee_id, None);
    }

    #[test]
    fn finds_one_person_or_says_why_not() {
        let people = [person(1, "Ada", Some("E7")), person(2, "Bob", Some("1")), person(3, "ADA", None)];
        let find = |wanted| find(people.iter(), wanted).map(|p| p.id.0);
        assert_eq!(find("bob").unwrap(), 2);
        assert_eq!(find(" E7 ").unwrap(), 1);
        assert_eq!(find("3").unwrap(), 3);
        assert_eq!(find("#1").unwrap(), 1);
        assert!(matches!(find("e7"), Err(GalleryError::NotFound { .. })));
        let error = find("ada").unwrap_err();
        assert!(error.to_string().contains("1, 3"), "{error}");
        // The number of one and the employee id of another.
        assert!(matches!(find("1"), Err(GalleryError::Ambiguous { ids, .. }) if ids == [PersonId(1), PersonId(2)]));
    }
}

//! Whom somebody means by a word: the one rule for every command, for the control API and for old records.
//!
//! - `#7` is the person of that number, and a number is written in no other way.
//! - `id:7` is the person of that employee id.
//! - Anything else is an employee id or a whole name. Names are compared as [`names::key`] does, employee ids with their case.
//!
//! A word that could mean two people is an error that lists them; so is a bare number that is the employee id of one and the number of
//! another, because either may be meant. Knows nothing of where the people come from.

use std::fmt;

use thiserror::Error;

use super::Person;
use crate::domain::PersonId;
use crate::names;

/// Somebody who can be meant: enrolled, or known from records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub id: PersonId,
    /// What they are or were called, the present or last name first.
    pub names: Vec<String>,
    /// Their present or last employee id first.
    pub employee_ids: Vec<String>,
    pub enrolled: bool,
}

/// Why a word means nobody, or not one person.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WhomError {
    #[error("nobody is enrolled as `{wanted}`{hint}; `usher people list` shows who is")]
    Nobody { wanted: String, hint: String },
    #[error("`{wanted}` could be any of {}: write the number with its sign, as in '#{}'", list(candidates), candidates.first().map_or(1, |c| c.id.0))]
    Several { wanted: String, candidates: Vec<Known> },
}

/// The numbers of the person whom `wanted` means among `known`. They are several only where records give several numbers the same
/// employee id: somebody who was removed and enrolled again.
///
/// # Errors
/// [`WhomError`]. A number that is not among `known` means nobody.
pub fn whom(known: &[Known], wanted: &str) -> Result<Vec<PersonId>, WhomError> {
    let word = wanted.trim();
    if let Some(number) = word.strip_prefix('#') {
        let id = number.parse().ok().map(PersonId);
        let found = known.iter().find(|one| Some(one.id) == id);
        return found.map(|one| vec![one.id]).ok_or_else(|| nobody(word, String::new()));
    }
    let (word, only_id) = match word.strip_prefix("id:") {
        Some(rest) => (rest.trim(), true),
        None => (word, false),
    };
    let (id_key, name_key) = (names::exact_key(word), names::key(word));
    if id_key.is_empty() {
        return Err(nobody(wanted, String::new()));
    }
    let has_id = |one: &Known| one.employee_ids.iter().any(|id| names::exact_key(id) == id_key);
    let has_name = |one: &Known| !only_id && one.names.iter().any(|name| names::key(name) == name_key);
    let has_number = |one: &Known| !only_id && is_number(word, one.id);
    let found: Vec<&Known> = known.iter().filter(|one| has_id(one) || has_name(one)).collect();
    let number = known.iter().find(|one| has_number(one));
    let all_one = found.iter().filter(|one| one.enrolled).count() <= 1
        && found.first().is_some_and(|one| one.employee_ids.iter().any(|id| shared_by(&found, id)));
    let other = number.filter(|one| found.iter().all(|other| other.id != one.id));
    match (&found[..], other) {
        ([], _) => Err(nobody(wanted, hint(known, word, number))),
        ([_], None) => Ok(found.iter().map(|one| one.id).collect()),
        (_, None) if all_one => Ok(found.iter().map(|one| one.id).collect()),
        _ => {
            let mut candidates: Vec<Known> = found.into_iter().chain(other).cloned().collect();
            candidates.sort_by_key(|one| one.id);
            Err(WhomError::Several { wanted: wanted.to_owned(), candidates })
        }
    }
}

/// Whether everybody in `found` has that employee id.
fn shared_by(found: &[&Known], id: &str) -> bool {
    let key = names::exact_key(id);
    found.iter().all(|one| one.employee_ids.iter().any(|own| names::exact_key(own) == key))
}

fn is_number(word: &str, id: PersonId) -> bool {
    word.parse() == Ok(id.0)
}

fn nobody(wanted: &str, hint: String) -> WhomError {
    WhomError::Nobody { wanted: wanted.to_owned(), hint }
}

/// Who may have been meant.
fn hint(known: &[Known], word: &str, number: Option<&Known>) -> String {
    if let Some(one) = number {
        return format!(" (the person with the number {} is {one}: write '#{}' for the number)", one.id, one.id);
    }
    let bare = |id: &str| id.trim_start_matches('0').to_lowercase();
    let alike_id = |one: &&Known| one.employee_ids.iter().any(|id| bare(id) == bare(word));
    if let Some(one) = known.iter().find(alike_id) {
        return format!(" (there is {one}: an employee id is written with all its zeros and in its case)");
    }
    match known.iter().find(|one| one.names.iter().any(|name| names::look_alike(name, word))) {
        Some(one) => format!(" ({one} looks the same, but is written with other letters)"),
        None => String::new(),
    }
}

fn list(candidates: &[Known]) -> String {
    candidates.iter().map(Known::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.id)?;
        if let Some(name) = self.names.first() {
            write!(f, " {name}")?;
        }
        match (self.employee_ids.first(), self.enrolled) {
            (Some(id), true) => write!(f, " (employee id {id})"),
            (Some(id), false) => write!(f, " (employee id {id}, removed)"),
            (None, true) => Ok(()),
            (None, false) => write!(f, " (removed)"),
        }
    }
}

impl From<&Person> for Known {
    fn from(person: &Person) -> Known {
        Known {
            id: person.id,
            names: vec![person.name.clone()],
            employee_ids: person.employee_id.iter().cloned().collect(),
            enrolled: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: u32, name: &str, employee_id: Option<&str>) -> Known {
        let employee_ids = employee_id.map(str::to_owned).into_iter().collect();
        Known { id: PersonId(id), names: vec![name.into()], employee_ids, enrolled: true }
    }

    fn ids(found: Result<Vec<PersonId>, WhomError>) -> Vec<u32> {
        found.unwrap().into_iter().map(|id| id.0).collect()
    }

    #[test]
    fn a_word_is_an_employee_id_or_a_whole_name_and_a_number_has_its_sign() {
        let people = [known(1, "Ada", Some("E7")), known(2, "Bob Cole", Some("0042")), known(3, "Zoë", None)];
        for (wanted, id) in [
            ("ada", 1),
            (" E7 ", 1),
            ("#1", 1),
            ("BOB  COLE", 2),
            ("0042", 2),
            ("id:0042", 2),
            ("zoe\u{308}", 3),
            ("#3", 3),
        ] {
            assert_eq!(ids(whom(&people, wanted)), [id], "{wanted}");
        }
        for (wanted, hint) in [
            ("3", "write '#3'"),
            ("e7", "in its case"),
            ("42", "all its zeros"),
            ("#9", "nobody"),
            ("#E7", "nobody"),
            ("", "nobody"),
            ("id:", "nobody"),
            ("id:Ada", "nobody"),
            ("Bob", "nobody"),
            ("\u{410}da", "looks the same"),
        ] {
            let error = whom(&people, wanted).unwrap_err();
            assert!(matches!(error, WhomError::Nobody { .. }) && error.to_string().contains(hint), "{wanted}: {error}");
        }
    }

    #[test]
    fn a_word_for_two_people_is_an_error_that_lists_them() {
        let people =
            [known(1, "Ada", Some("2")), known(2, "Bob", Some("3")), known(3, "ADA", None), known(4, "E9", None)];
        let several = |wanted: &str| match whom(&people, wanted).unwrap_err() {
            error @ WhomError::Several { .. } => error.to_string(),
            other => panic!("{other}"),
        };
        // The employee id of one, the number of another.
        let error = several("2");
        assert!(error.contains("#1 Ada (employee id 2), #2 Bob (employee id 3)") && error.contains("'#1'"), "{error}");
        assert!(several("3").contains("#2 Bob (employee id 3), #3 ADA"));
        assert!(several("ada").contains("#1 Ada (employee id 2), #3 ADA"));
        assert_eq!((ids(whom(&people, "id:2")), ids(whom(&people, "#2"))), (vec![1], vec![2]));
        // The employee id of one, the name of another.
        let people = [known(1, "Ada", Some("E9")), people[3].clone()];
        assert!(matches!(whom(&people, "E9"), Err(WhomError::Several { .. })));
        // Their own number is nobody else's.
        assert_eq!(ids(whom(&[known(5, "Eve", Some("5"))], "5")), [5]);
    }

    #[test]
    fn removed_people_are_told_apart_but_for_those_who_were_enrolled_again() {
        let gone = |id, name, employee_id| Known { enrolled: false, ..known(id, name, employee_id) };
        let all =
            [gone(1, "Ada", None), gone(2, "Bob", Some("E2")), known(3, "Ada", None), known(4, "Bob", Some("E2"))];
        let error = whom(&all, "Ada").unwrap_err().to_string();
        assert!(error.contains("#1 Ada (removed), #3 Ada"), "{error}");
        assert_eq!(ids(whom(&all, "#1")), [1]);
        assert_eq!((ids(whom(&all, "E2")), ids(whom(&all, "bob"))), (vec![2, 4], vec![2, 4]));
    }
}

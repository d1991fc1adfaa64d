//! Finding people by what an operator types: the one rule for every command, for the control API, and for old records.
//!
//! - `#7` is the person with that number. This is the only way to write a number.
//! - `id:7` is the person with that employee id.
//! - Anything else is an employee id or a whole name. Names are compared by [`names::key`]; employee ids are case-sensitive.
//!
//! A query that matches two people is an error that lists them. So is a bare number that is one person's employee id and another's number,
//! because either may be meant.

use std::fmt;

use thiserror::Error;

use crate::domain::PersonId;
use crate::names;

/// Someone a query can refer to: enrolled, or known from records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub id: PersonId,
    /// Their present and former names, the latest first.
    pub names: Vec<String>,
    /// Their present and former employee ids, the latest first.
    pub employee_ids: Vec<String>,
    pub enrolled: bool,
}

/// Why a query does not refer to one person.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueryError {
    #[error("nobody is enrolled as `{wanted}`{hint}")]
    Nobody { wanted: String, hint: String },
    #[error("`{wanted}` matches {}: use the number with its sign, as in '#{}'", list(candidates), candidates.first().map_or(1, |c| c.id.0))]
    Several { wanted: String, candidates: Vec<Candidate> },
}

/// The numbers of the person that `wanted` refers to among `known`. There are several only if records give the same employee id to several
/// numbers: someone who was removed and enrolled again.
///
/// # Errors
/// [`QueryError`], also for a number that is not among `known`.
pub fn find_person(known: &[Candidate], wanted: &str) -> Result<Vec<PersonId>, QueryError> {
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
    let has_id = |one: &Candidate| one.employee_ids.iter().any(|id| names::exact_key(id) == id_key);
    let has_name = |one: &Candidate| !only_id && one.names.iter().any(|name| names::key(name) == name_key);
    let has_number = |one: &Candidate| !only_id && is_number(word, one.id);
    let found: Vec<&Candidate> = known.iter().filter(|one| has_id(one) || has_name(one)).collect();
    let number = known.iter().find(|one| has_number(one));
    let all_one = found.iter().filter(|one| one.enrolled).count() <= 1
        && found.first().is_some_and(|one| one.employee_ids.iter().any(|id| shared_by(&found, id)));
    let other = number.filter(|one| found.iter().all(|other| other.id != one.id));
    match (&found[..], other) {
        ([], _) => Err(nobody(wanted, hint(known, word, number))),
        ([_], None) => Ok(found.iter().map(|one| one.id).collect()),
        (_, None) if all_one => Ok(found.iter().map(|one| one.id).collect()),
        _ => {
            let mut candidates: Vec<Candidate> = found.into_iter().chain(other).cloned().collect();
            candidates.sort_by_key(|one| one.id);
            Err(QueryError::Several { wanted: wanted.to_owned(), candidates })
        }
    }
}

/// Whether everyone in `found` has this employee id.
fn shared_by(found: &[&Candidate], id: &str) -> bool {
    let key = names::exact_key(id);
    found.iter().all(|one| one.employee_ids.iter().any(|own| names::exact_key(own) == key))
}

fn is_number(word: &str, id: PersonId) -> bool {
    word.parse() == Ok(id.0)
}

fn nobody(wanted: &str, hint: String) -> QueryError {
    QueryError::Nobody { wanted: wanted.to_owned(), hint }
}

/// Suggests who may have been meant.
fn hint(known: &[Candidate], word: &str, number: Option<&Candidate>) -> String {
    if let Some(one) = number {
        return format!(" (the person with number {} is {one}: write '#{}' for the number)", one.id, one.id);
    }
    let bare = |id: &str| id.trim_start_matches('0').to_lowercase();
    let alike_id = |one: &&Candidate| one.employee_ids.iter().any(|id| bare(id) == bare(word));
    if let Some(one) = known.iter().find(alike_id) {
        return format!(" (there is {one}: employee ids include leading zeros and are case-sensitive)");
    }
    match known.iter().find(|one| one.names.iter().any(|name| names::look_alike(name, word))) {
        Some(one) => format!(" ({one} looks the same but has other characters)"),
        None => String::new(),
    }
}

fn list(candidates: &[Candidate]) -> String {
    candidates.iter().map(Candidate::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Candidate {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: u32, name: &str, employee_id: Option<&str>) -> Candidate {
        let employee_ids = employee_id.map(str::to_owned).into_iter().collect();
        Candidate { id: PersonId(id), names: vec![name.into()], employee_ids, enrolled: true }
    }

    fn ids(found: Result<Vec<PersonId>, QueryError>) -> Vec<u32> {
        found.unwrap().into_iter().map(|id| id.0).collect()
    }

    #[test]
    fn a_query_is_an_employee_id_or_a_whole_name_and_a_number_needs_its_sign() {
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
            assert_eq!(ids(find_person(&people, wanted)), [id], "{wanted}");
        }
        for (wanted, hint) in [
            ("3", "write '#3'"),
            ("e7", "case-sensitive"),
            ("42", "leading zeros"),
            ("#9", "nobody"),
            ("#E7", "nobody"),
            ("", "nobody"),
            ("id:", "nobody"),
            ("id:Ada", "nobody"),
            ("Bob", "nobody"),
            ("\u{410}da", "looks the same"),
        ] {
            let error = find_person(&people, wanted).unwrap_err();
            assert!(
                matches!(error, QueryError::Nobody { .. }) && error.to_string().contains(hint),
                "{wanted}: {error}"
            );
        }
    }

    #[test]
    fn an_ambiguous_query_is_an_error_that_lists_the_people() {
        let people =
            [known(1, "Ada", Some("2")), known(2, "Bob", Some("3")), known(3, "ADA", None), known(4, "E9", None)];
        let several = |wanted: &str| match find_person(&people, wanted).unwrap_err() {
            error @ QueryError::Several { .. } => error.to_string(),
            other => panic!("{other}"),
        };
        // One person's employee id is another's number.
        let error = several("2");
        assert!(error.contains("#1 Ada (employee id 2), #2 Bob (employee id 3)") && error.contains("'#1'"), "{error}");
        assert!(several("3").contains("#2 Bob (employee id 3), #3 ADA"));
        assert!(several("ada").contains("#1 Ada (employee id 2), #3 ADA"));
        assert_eq!((ids(find_person(&people, "id:2")), ids(find_person(&people, "#2"))), (vec![1], vec![2]));
        // One person's employee id is another's name.
        let people = [known(1, "Ada", Some("E9")), people[3].clone()];
        assert!(matches!(find_person(&people, "E9"), Err(QueryError::Several { .. })));
        // Their own number does not make it ambiguous.
        assert_eq!(ids(find_person(&[known(5, "Eve", Some("5"))], "5")), [5]);
    }

    #[test]
    fn removed_people_are_distinct_unless_they_were_enrolled_again() {
        let gone = |id, name, employee_id| Candidate { enrolled: false, ..known(id, name, employee_id) };
        let all =
            [gone(1, "Ada", None), gone(2, "Bob", Some("E2")), known(3, "Ada", None), known(4, "Bob", Some("E2"))];
        let error = find_person(&all, "Ada").unwrap_err().to_string();
        assert!(error.contains("#1 Ada (removed), #3 Ada"), "{error}");
        assert_eq!(ids(find_person(&all, "#1")), [1]);
        assert_eq!((ids(find_person(&all, "E2")), ids(find_person(&all, "bob"))), (vec![2, 4], vec![2, 4]));
    }
}

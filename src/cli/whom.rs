//! Whom a command means: among the people enrolled, and among those whom records name. The rule is [`crate::gallery::find_person`]'s.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail};
use serde_json::Value;

use super::book::Book;
use crate::daemon::wire::PersonWire;
use crate::domain::PersonId;
use crate::gallery::{Candidate, QueryError, find_person};
use crate::ledger::Window;

/// The one of `people` whom `wanted` means.
///
/// # Errors
/// Nobody is meant, or it could be any of several, who are listed.
pub fn find(people: &[PersonWire], wanted: &str) -> Result<PersonWire> {
    let ids = find_person(&enrolled(people), wanted)?;
    match people.iter().find(|person| ids.iter().any(|id| id.0 == person.id)) {
        Some(person) => Ok(person.clone()),
        None => bail!("nobody is enrolled as `{wanted}`; `usher people list` shows who is"),
    }
}

/// The numbers whose records are to be read: those of somebody enrolled, else those of somebody whom records name.
pub fn to_read(book: &Book, wanted: &str) -> Result<Vec<u32>> {
    let people = book.people()?;
    match find_person(&enrolled(&people), wanted) {
        Ok(ids) => Ok(numbers(ids)),
        Err(QueryError::Nobody { .. }) => Ok(numbers(among_all(&everybody(book, &people)?, wanted)?)),
        Err(several) => Err(several.into()),
    }
}

/// The numbers that are to be erased from the records, and who that is, in words. Somebody who was removed counts as much as somebody enrolled.
pub fn to_erase(book: &Book, wanted: &str) -> Result<(String, Vec<u32>)> {
    let known = everybody(book, &book.people()?)?;
    let ids = among_all(&known, wanted)?;
    let shown = known.iter().filter(|one| ids.contains(&one.id)).map(Candidate::to_string);
    Ok((shown.collect::<Vec<_>>().join(", "), numbers(ids)))
}

/// As [`crate::gallery::find_person`], among people enrolled and people whom some records name (number, name, employee id).
pub fn among(
    people: &[PersonWire],
    named: impl IntoIterator<Item = (u32, String, Option<String>)>,
    wanted: &str,
) -> Result<Vec<u32>> {
    let mut records = Records::default();
    for (id, name, employee_id) in named {
        records.note(id, Some(&name), employee_id.as_deref());
    }
    Ok(numbers(among_all(&records.with(people), wanted)?))
}

fn among_all(known: &[Candidate], wanted: &str) -> Result<Vec<PersonId>> {
    find_person(known, wanted).map_err(|error| match error {
        QueryError::Nobody { hint, .. } => {
            anyhow!("no record names `{wanted}`, and nobody is enrolled so{hint}; give the number, as in '#7'")
        }
        several => several.into(),
    })
}

fn enrolled(people: &[PersonWire]) -> Vec<Candidate> {
    let known = |person: &PersonWire| Candidate {
        id: PersonId(person.id),
        names: vec![person.name.clone()],
        employee_ids: person.employee_id.iter().cloned().collect(),
        enrolled: true,
    };
    people.iter().map(known).collect()
}

fn numbers(ids: Vec<PersonId>) -> Vec<u32> {
    ids.into_iter().map(|id| id.0).collect()
}

/// Everybody who is enrolled or in a record.
fn everybody(book: &Book, people: &[PersonWire]) -> Result<Vec<Candidate>> {
    let mut records = Records::default();
    book.each(&Window::default(), |dated| {
        records.read(&dated.record.content);
        Ok(())
    })?;
    Ok(records.with(people))
}

/// What records call people: names and employee ids, each with the newest last.
#[derive(Default)]
struct Records(BTreeMap<u32, (Vec<String>, Vec<String>)>);

impl Records {
    fn read(&mut self, content: &Value) {
        match content {
            Value::Object(fields) => {
                let text = |field: &str| fields.get(field).and_then(Value::as_str);
                let id = fields.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
                if let (Some(id), Some(name)) = (id, text("name")) {
                    self.note(id, Some(name), text("employee_id"));
                }
                fields.values().for_each(|value| self.read(value));
            }
            Value::Array(values) => values.iter().for_each(|value| self.read(value)),
            _ => {}
        }
    }

    fn note(&mut self, id: u32, name: Option<&str>, employee_id: Option<&str>) {
        let (names, employee_ids) = self.0.entry(id).or_default();
        for (list, text) in [(names, name), (employee_ids, employee_id)] {
            let Some(text) = text.filter(|text| list.last().map(String::as_str) != Some(*text)) else { continue };
            list.retain(|known| known != text);
            list.push(text.to_owned());
        }
    }

    /// Everybody in them, and `people`, whose present name and employee id come first.
    fn with(mut self, people: &[PersonWire]) -> Vec<Candidate> {
        for person in people {
            self.note(person.id, Some(&person.name), person.employee_id.as_deref());
        }
        let known = |(id, (mut names, mut employee_ids)): (u32, (Vec<String>, Vec<String>))| {
            names.reverse();
            employee_ids.reverse();
            Candidate { id: PersonId(id), names, employee_ids, enrolled: people.iter().any(|person| person.id == id) }
        };
        self.0.into_iter().map(known).collect()
    }
}

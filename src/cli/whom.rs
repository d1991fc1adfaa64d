//! Finds the person whom a command names: among the enrolled people, and among those in records. [`crate::gallery::find_person`] has the rule.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail};

use super::client::{Client, with_remedy};
use crate::api::people::Person;
use crate::api::remedy::Remedy;
use crate::domain::{Event, Named, PersonId};
use crate::gallery::{Candidate, QueryError, find_person};
use crate::ledger::RecordFilter;

/// The person among `people` whom `wanted` names.
///
/// # Errors
/// Nobody matches, or several do, who are listed.
pub fn among_enrolled(people: &[Person], wanted: &str) -> Result<Person> {
    let ids = find_person(&enrolled(people), wanted).map_err(|error| match error {
        QueryError::Nobody { .. } => anyhow!("{}", with_remedy(&error, Some(Remedy::ListPeople))),
        several @ QueryError::Several { .. } => several.into(),
    })?;
    match people.iter().find(|person| ids.iter().any(|id| id.0 == person.id)) {
        Some(person) => Ok(person.clone()),
        None => bail!("nobody is enrolled as `{wanted}`; `usher people list` shows who is"),
    }
}

/// The enrolled person whom `wanted` names: a number (`#7`), an employee id, or a whole name.
///
/// # Errors
/// As [`among_enrolled`]; the people cannot be listed.
pub fn enrolled_person(client: &Client, wanted: &str) -> Result<Person> {
    among_enrolled(&client.people()?, wanted)
}

/// The numbers of a person whose records are wanted: somebody enrolled, else somebody in the records.
pub fn to_read(client: &Client, wanted: &str) -> Result<Vec<u32>> {
    let people = client.people()?;
    match find_person(&enrolled(&people), wanted) {
        Ok(ids) => Ok(numbers(ids)),
        Err(QueryError::Nobody { .. }) => Ok(numbers(among_all(&everybody(client, &people)?, wanted)?)),
        Err(several) => Err(several.into()),
    }
}

/// A person to erase from the records, enrolled or removed: a description, and the numbers.
pub fn to_erase(client: &Client, wanted: &str) -> Result<(String, Vec<u32>)> {
    let known = everybody(client, &client.people()?)?;
    let ids = among_all(&known, wanted)?;
    let shown = known.iter().filter(|one| ids.contains(&one.id)).map(Candidate::to_string);
    Ok((shown.collect::<Vec<_>>().join(", "), numbers(ids)))
}

/// The numbers of the person among `people` and those in records (number, name, employee id) whom `wanted` names.
pub fn among(
    people: &[Person],
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
            anyhow!(
                "no record names `{wanted}`, and nobody of that name is enrolled{hint}; give the number, as in '#7'"
            )
        }
        several => several.into(),
    })
}

fn enrolled(people: &[Person]) -> Vec<Candidate> {
    let known = |person: &Person| Candidate {
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
fn everybody(client: &Client, people: &[Person]) -> Result<Vec<Candidate>> {
    let mut records = Records::default();
    client.each(&RecordFilter::default(), |dated| {
        if let Some(event) = dated.record.content.event() {
            records.read(event);
        }
        Ok(())
    })?;
    Ok(records.with(people))
}

/// The names and employee ids that records give people, by number, the newest last.
#[derive(Default)]
struct Records(BTreeMap<u32, (Vec<String>, Vec<String>)>);

impl Records {
    fn read(&mut self, event: &Event) {
        for Named { id, name, card } in event.people() {
            if let Some(name) = name {
                self.note(id.0, Some(name), card.as_ref().and_then(|card| card.employee_id.as_deref()));
            }
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

    /// Everybody in the records and in `people`, each with the present or newest name and employee id first.
    fn with(mut self, people: &[Person]) -> Vec<Candidate> {
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

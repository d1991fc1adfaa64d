//! Whose attendance is asked for or amended: people in the days, enrolled people, and those who have left.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use crate::api::attendance::{AmendRequest, AttendanceDay};
use crate::api::people::Person;
use crate::cli::client::Client;
use crate::cli::when::Calendar;
use crate::cli::whom;
use crate::domain::{Card, Event, Named, PersonId, Personal};
use crate::ledger::RecordFilter;

/// The numbers of the one person whom `wanted` names, among `people` and those of `days`, who may have been removed since.
///
/// # Errors
/// Nobody is called so, or several are.
pub fn numbers_of(days: &[AttendanceDay], people: &[Person], wanted: &str) -> Result<Vec<u32>> {
    let named = days.iter().flat_map(|day| {
        let ids = std::iter::once(day.person.id).chain(day.numbers.iter().copied());
        ids.map(|id| (id, day.person.name.clone(), day.person.employee_id.clone()))
    });
    whom::among(people, named, wanted)
}

/// What is amended, as the command has it.
pub struct Amending {
    pub person: String,
    pub came: Option<String>,
    pub went: Option<String>,
    pub void: Option<String>,
    pub reason: String,
}

/// The request for it. What the API checks itself is not checked here.
///
/// # Errors
/// Nobody is called so, a time that is none, or nothing to amend.
pub fn amendment(client: &Client, calendar: &Calendar, what: Amending) -> Result<AmendRequest> {
    let Whom { id, name, employee_id, groups } = whom(client, &what.person)?;
    if what.reason.trim().is_empty() {
        bail!("say why with --reason: it is part of the record");
    }
    let add = match (what.came, what.went) {
        (Some(at), None) => Some(("in", at)),
        (None, Some(at)) => Some(("out", at)),
        _ => None,
    };
    let parse = |at: &str| calendar.parse(at).map_err(anyhow::Error::msg);
    let add = add.map(|(direction, at)| Ok::<_, anyhow::Error>((direction.to_owned(), parse(&at)?))).transpose()?;
    let void = what.void.map(|which| client.record(&which)).transpose()?.map(|record| record.seq);
    if add.is_none() && void.is_none() {
        bail!("say what happened: --in TIME, --out TIME, or --void RECORD");
    }
    Ok(AmendRequest { person: id, name, employee_id, groups, add, void, reason: what.reason })
}

/// The person whose attendance is amended.
struct Whom {
    id: u32,
    name: String,
    employee_id: Option<String>,
    groups: Vec<String>,
}

impl From<Person> for Whom {
    fn from(person: Person) -> Whom {
        let Person { id, name, employee_id, groups, .. } = person;
        Whom { id, name, employee_id, groups }
    }
}

/// Somebody who is enrolled, else somebody who was removed, as the record of the removal shows them: a leaver's last day may need a
/// correction.
fn whom(client: &Client, wanted: &str) -> Result<Whom> {
    let error = match whom::enrolled_person(client, wanted) {
        Ok(person) => return Ok(person.into()),
        Err(error) => error,
    };
    let number = wanted.strip_prefix('#').and_then(|number| number.parse::<u32>().ok());
    let mut found: BTreeMap<u32, Whom> = BTreeMap::new();
    let removed = RecordFilter { kinds: vec!["removed".into()], ..RecordFilter::default() };
    client.each(&removed, |dated| {
        let person = dated.record.content.event().and_then(Event::person).and_then(Personal::known).cloned();
        let Some(Named { id: PersonId(id), name: Some(name), card }) = person else { return Ok(()) };
        let Card { employee_id, groups } = card.unwrap_or_default();
        let meant = match number {
            Some(number) => number == id,
            None => employee_id.as_deref() == Some(wanted) || name.to_lowercase() == wanted.to_lowercase(),
        };
        if meant {
            found.insert(id, Whom { id, name, employee_id, groups });
        }
        Ok(())
    })?;
    // Of numbers with the same employee id, the newest is the person.
    let ids: BTreeSet<&Option<String>> = found.values().map(|whom| &whom.employee_id).collect();
    let one = found.len() == 1 || ids.len() == 1 && !ids.contains(&None);
    let Some((_, whom)) = found.pop_last().filter(|_| one) else { return Err(error) };
    // Enrolled again since: that number continues.
    let anew = |person: &Person| person.employee_id.is_some() && person.employee_id == whom.employee_id;
    Ok(client.people()?.into_iter().find(anew).map_or(whom, Whom::from))
}

//! Which numbers belong to the same person: somebody who was removed and enrolled again has one day, not two halves. Decided by the order
//! of the records, which no clock can disturb.

use std::collections::{BTreeMap, HashSet};

use super::Reading;
use crate::domain::PersonId;

/// The removal of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removal {
    pub person: PersonId,
    /// Its record.
    pub record: u64,
}

/// Who a number was, by its readings.
struct Life<'a> {
    person: PersonId,
    /// The numbers of the first and the last record.
    records: (u64, u64),
    /// The first and the last employee id, where there was one.
    employee: (Option<&'a str>, Option<&'a str>),
    /// Names, in lower case.
    names: (String, String),
}

/// For each number that was given up, the newest number of the same person. A number succeeds one that was removed before if all its
/// records come later and its first employee id is the last one of the other; without an employee id on either side, its name. Numbers are
/// never reused, and everybody who is enrolled has one, so two people who were enrolled at the same time stay two.
pub fn successors(readings: &[&Reading], removals: &[Removal]) -> BTreeMap<PersonId, PersonId> {
    let mut lives = lives(readings);
    lives.sort_by_key(|life| life.records.0);
    let mut next: BTreeMap<PersonId, PersonId> = BTreeMap::new();
    let mut followed: HashSet<PersonId> = HashSet::new();
    for (place, later) in lives.iter().enumerate() {
        let before = lives
            .iter()
            .take(place)
            .filter(|earlier| !followed.contains(&earlier.person) && follows(earlier, later, removals))
            .max_by_key(|earlier| earlier.records.1);
        if let Some(before) = before {
            followed.insert(before.person);
            next.insert(before.person, later.person);
        }
    }
    let newest = |person: &PersonId| {
        let mut newest = *person;
        // Each step leads to a later beginning, so this ends.
        while let Some(later) = next.get(&newest) {
            newest = *later;
        }
        newest
    };
    next.keys().map(|person| (*person, newest(person))).collect()
}

fn follows(earlier: &Life<'_>, later: &Life<'_>, removals: &[Removal]) -> bool {
    let removed = || removals.iter().any(|r| r.person == earlier.person && r.record < later.records.0);
    let same = match (earlier.employee.1, later.employee.0) {
        (Some(before), Some(after)) => before == after,
        (None, None) => earlier.names.1 == later.names.0,
        _ => false,
    };
    same && earlier.records.1 < later.records.0 && removed()
}

fn lives<'r>(readings: &[&'r Reading]) -> Vec<Life<'r>> {
    let mut by_person: BTreeMap<PersonId, Vec<&Reading>> = BTreeMap::new();
    for &reading in readings {
        by_person.entry(reading.person).or_default().push(reading);
    }
    by_person.into_iter().filter_map(|(person, its)| life(person, its)).collect()
}

fn life(person: PersonId, mut its: Vec<&Reading>) -> Option<Life<'_>> {
    its.sort_by_key(|reading| reading.record);
    let (first, last) = (*its.first()?, *its.last()?);
    let mut ids = its.iter().filter_map(|reading| reading.card.as_ref()?.employee_id.as_deref());
    let first_id = ids.next();
    Some(Life {
        person,
        records: (first.record, last.record),
        employee: (first_id, ids.next_back().or(first_id)),
        names: (first.name.to_lowercase(), last.name.to_lowercase()),
    })
}

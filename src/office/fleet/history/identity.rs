//! Which numbers are one person. The office gives somebody a uuid at each site, and a board may know people whom the office does not know. By agreement, one
//! employee id is one person everywhere; without one, so is one name of the fleet at different sites, as long as it is nobody else's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use uuid::Uuid;

use super::note::{Note, stored};
use super::{History, lock};
use crate::domain::PersonId;
use crate::names;
use crate::office::fleet::kept::KeptError;

/// Somebody who is enrolled at a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    pub site: String,
    pub name: String,
    pub employee_id: Option<String>,
}

/// For each number, the one under which the person is shown.
#[derive(Clone, Debug, Default)]
pub struct Identities {
    shown: BTreeMap<u32, u32>,
    of_uuids: BTreeMap<Uuid, u32>,
    /// When records first mention the person who is shown under a number, in microseconds since 1970.
    first: BTreeMap<u32, i64>,
}

/// Identities with the changes of the book and of the people that they are computed from.
pub(super) type Cached = ((u64, u64), Arc<Identities>);

impl Identities {
    /// The number under which the person of a number is shown.
    pub fn shown(&self, person: PersonId) -> PersonId {
        PersonId(self.shown.get(&person.0).copied().unwrap_or(person.0))
    }

    /// The number under which somebody of the fleet is shown.
    pub fn of(&self, uuid: Uuid) -> Option<PersonId> {
        self.of_uuids.get(&uuid).map(|number| self.shown(PersonId(*number)))
    }

    /// When records first mention somebody, in microseconds since 1970.
    pub fn first_us(&self, person: PersonId) -> Option<i64> {
        self.first.get(&person.0).copied()
    }

    fn new(notes: &BTreeMap<u32, Note>, enrolled: &BTreeMap<Uuid, Enrolled>) -> Identities {
        let of_uuids: BTreeMap<Uuid, u32> =
            notes.iter().filter_map(|(number, note)| Some((note.uuid?, *number))).collect();
        let mut same: BTreeMap<(bool, String), Vec<u32>> = BTreeMap::new();
        // Of the fleet's people without an employee id: how often each site has a name.
        let mut taken: BTreeSet<(String, &str)> = BTreeSet::new();
        let mut ambiguous: BTreeSet<String> = BTreeSet::new();
        for (number, note) in notes {
            let now = note.uuid.and_then(|uuid| enrolled.get(&uuid));
            let employee_id = now.map_or(note.employee_id.as_ref(), |now| now.employee_id.as_ref());
            match (employee_id, now) {
                (Some(employee_id), _) => same.entry((true, employee_id.clone())).or_default().push(*number),
                (None, Some(now)) => {
                    let name = names::key(&now.name);
                    if !taken.insert((name.clone(), &now.site)) {
                        ambiguous.insert(name.clone());
                    }
                    same.entry((false, name)).or_default().push(*number);
                }
                (None, None) => {}
            }
        }
        let mut shown = BTreeMap::new();
        let agreed = same.iter().filter(|((by_id, name), _)| *by_id || !ambiguous.contains(name));
        for numbers in agreed.map(|(_, numbers)| numbers) {
            let Some(first) = numbers.first() else { continue };
            shown.extend(numbers.iter().map(|number| (*number, *first)));
        }
        let mut first: BTreeMap<u32, i64> = BTreeMap::new();
        for (number, note) in notes.iter().filter(|(_, note)| note.first_us > 0) {
            let of = first.entry(shown.get(number).copied().unwrap_or(*number)).or_insert(note.first_us);
            *of = (*of).min(note.first_us);
        }
        Identities { shown, of_uuids, first }
    }
}

impl History {
    /// Which numbers are one person, by who is enrolled now. `changes` counts the changes of who is enrolled. Whoever has no number yet gets one.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn identities(
        &self,
        changes: u64,
        enrolled: impl FnOnce() -> BTreeMap<Uuid, Enrolled>,
    ) -> Result<Arc<Identities>, KeptError> {
        let mut cached = lock(&self.identities);
        let version = (changes, self.people_changes.load(Relaxed));
        if let Some((of, identities)) = &*cached
            && *of == version
        {
            return Ok(identities.clone());
        }
        let enrolled = enrolled();
        let mut notes = BTreeMap::new();
        for entry in self.notes.iter() {
            let (key, value) = entry?;
            if let (Some(number), Ok(note)) = (stored(&key), serde_json::from_slice::<Note>(&value)) {
                notes.insert(number, note);
            }
        }
        let known: BTreeSet<Uuid> = notes.values().filter_map(|note| note.uuid).collect();
        if let Some((_, missing)) = enrolled.iter().find(|(uuid, _)| !known.contains(uuid)) {
            tracing::debug!(site = missing.site, "people get numbers before a record mentions them");
            let mut batch = self.batch();
            for (uuid, who) in enrolled.iter().filter(|(uuid, _)| !known.contains(uuid)) {
                let number = batch.enrolled(*uuid, &who.site)?;
                notes.insert(number, Note { uuid: Some(*uuid), site: who.site.clone(), ..Note::default() });
            }
            self.store.commit(&batch.people_changes())?;
        }
        let identities = Arc::new(Identities::new(&notes, &enrolled));
        *cached = Some((version, identities.clone()));
        Ok(identities)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(site: &str, uuid: Option<u128>, name: &str, employee_id: Option<&str>) -> Note {
        Note {
            uuid: uuid.map(Uuid::from_u128),
            site: site.into(),
            name: Some(name.into()),
            employee_id: employee_id.map(str::to_owned),
            ..Note::default()
        }
    }

    fn shown(notes: &[Note]) -> Vec<u32> {
        let notes: BTreeMap<u32, Note> = (1..).zip(notes.iter().cloned()).collect();
        let enrolled = notes.values().filter_map(|note| {
            let (site, employee_id) = (note.site.clone(), note.employee_id.clone());
            Some((note.uuid?, Enrolled { site, name: note.name.clone().unwrap(), employee_id }))
        });
        let identities = Identities::new(&notes, &enrolled.collect());
        notes.keys().map(|number| identities.shown(PersonId(*number)).0).collect()
    }

    #[test]
    fn an_employee_id_or_else_a_name_of_the_fleet_is_one_person_over_sites() {
        let by_name = [note("berlin", Some(1), "Ada", None), note("rome", Some(2), "ADA", None)];
        assert_eq!(shown(&by_name), [1, 1]);
        let by_id = [
            note("berlin", Some(1), "Ada", Some("E1")),
            note("rome", Some(2), "Augusta", Some("E1")),
            note("rome", None, "Ada", Some("E1")),
            note("rome", Some(3), "Ada", Some("E2")),
        ];
        assert_eq!(shown(&by_id), [1, 1, 1, 4]);
    }

    #[test]
    fn a_name_that_two_people_have_is_nobody() {
        let twice = [
            note("berlin", Some(1), "Ada", None),
            note("berlin", Some(2), "Ada", None),
            note("rome", Some(3), "Ada", None),
        ];
        assert_eq!(shown(&twice), [1, 2, 3]);
        // Nor is the name of somebody whom only a board knows.
        let local = [note("berlin", Some(1), "Ada", None), note("berlin", None, "Ada", None)];
        assert_eq!(shown(&local), [1, 2]);
    }
}

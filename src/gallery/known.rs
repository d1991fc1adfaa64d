//! Finding people in memory by what is theirs: the uuid in the fleet, the name, the employee id. Ten thousand people who come from a fleet are each
//! compared with all others.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::person::Person;
use crate::domain::PersonId;
use crate::names;

/// Who has what. Names and employee ids are found as they are compared, whatever their spelling.
#[derive(Default)]
pub struct Known {
    uuids: BTreeMap<Uuid, PersonId>,
    names: Owners,
    employee_ids: Owners,
}

/// The people by a key; a store may hold several with one.
type Owners = BTreeMap<String, BTreeSet<PersonId>>;

impl Known {
    /// Notes a person.
    pub fn insert(&mut self, person: &Person) {
        if let Some(uuid) = person.uuid {
            self.uuids.insert(uuid, person.id);
        }
        self.names.entry(names::key(&person.name)).or_default().insert(person.id);
        if let Some(employee_id) = &person.employee_id {
            self.employee_ids.entry(names::exact_key(employee_id)).or_default().insert(person.id);
        }
    }

    /// Forgets a person as they were noted.
    pub fn remove(&mut self, person: &Person) {
        if let Some(uuid) = &person.uuid {
            self.uuids.remove(uuid);
        }
        take(&mut self.names, &names::key(&person.name), person.id);
        if let Some(employee_id) = &person.employee_id {
            take(&mut self.employee_ids, &names::exact_key(employee_id), person.id);
        }
    }

    /// The number of a person of the fleet.
    pub fn by_uuid(&self, uuid: Uuid) -> Option<PersonId> {
        self.uuids.get(&uuid).copied()
    }

    /// How many came from the fleet.
    pub fn of_fleet(&self) -> usize {
        self.uuids.len()
    }

    /// Everybody of that name.
    pub fn all_named(&self, name: &str) -> Vec<PersonId> {
        all(&self.names, &names::key(name))
    }

    /// Everybody with that employee id.
    pub fn all_with_id(&self, employee_id: &str) -> Vec<PersonId> {
        all(&self.employee_ids, &names::exact_key(employee_id))
    }

    /// Somebody with that employee id who is not `own`.
    pub fn other_with_id(&self, employee_id: &str, own: Option<PersonId>) -> Option<PersonId> {
        self.all_with_id(employee_id).into_iter().find(|id| Some(*id) != own)
    }
}

fn all(owners: &Owners, key: &str) -> Vec<PersonId> {
    owners.get(key).into_iter().flatten().copied().collect()
}

fn take(owners: &mut Owners, key: &str, id: PersonId) {
    if let Some(those) = owners.get_mut(key) {
        those.remove(&id);
        if those.is_empty() {
            owners.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_found_by_what_is_theirs_until_they_go() {
        let person = |id: u32, name: &str, employee_id: Option<&str>| Person {
            name: name.into(),
            employee_id: employee_id.map(Into::into),
            uuid: (id == 1).then(|| Uuid::from_u128(9)),
            ..Person::without_face(PersonId(id))
        };
        let people = [person(1, "Zoë", Some("E1")), person(2, "ZOE\u{308}", None), person(3, "Bob", Some("e1"))];
        let mut known = Known::default();
        people.iter().for_each(|person| known.insert(person));
        let ids = |known: &Known| {
            let named: Vec<u32> = known.all_named("zoë").iter().map(|id| id.0).collect();
            let with_id = ["E1", "e1", "E2"].map(|id| known.other_with_id(id, None).map(|id| id.0));
            (known.by_uuid(Uuid::from_u128(9)).map(|id| id.0), known.of_fleet(), named, with_id)
        };
        assert_eq!(ids(&known), (Some(1), 1, vec![1, 2], [Some(1), Some(3), None]));
        known.remove(&people[0]);
        assert_eq!(ids(&known), (None, 0, vec![2], [None, Some(3), None]));
        people.iter().for_each(|person| known.remove(person));
        assert_eq!(ids(&known), (None, 0, Vec::new(), [None; 3]));
        assert!(known.names.is_empty() && known.employee_ids.is_empty());
    }
}

//! What the new model would have said of people whom the old one let in, counted by person while a switch of models runs. Kept with the switch
//! in the store: one small entry a person, erased with the person and at the end of the switch.

use std::collections::BTreeMap;

use crate::domain::PersonId;
use crate::store::{Change, Store, StoreError, Tree};

/// The tree of the switch.
pub const TREE: &str = "switch";
/// The prefix of a tally's key; the person's number follows, big-endian.
const PREFIX: &[u8] = b"seen ";

/// What the new model says of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opinion {
    /// The same person.
    Agrees,
    /// Nobody near enough.
    Refuses,
    /// Somebody else.
    Other,
}

/// Visits of one person, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub agrees: u32,
    pub refuses: u32,
    pub other: u32,
}

impl Tally {
    /// All visits.
    pub fn visits(&self) -> u32 {
        self.agrees.saturating_add(self.refuses).saturating_add(self.other)
    }

    /// Both together.
    pub fn plus(self, more: Tally) -> Tally {
        Tally {
            agrees: self.agrees.saturating_add(more.agrees),
            refuses: self.refuses.saturating_add(more.refuses),
            other: self.other.saturating_add(more.other),
        }
    }

    fn of(opinion: Opinion) -> Tally {
        let count = |which: Opinion| u32::from(opinion == which);
        Tally { agrees: count(Opinion::Agrees), refuses: count(Opinion::Refuses), other: count(Opinion::Other) }
    }

    fn write(self) -> Vec<u8> {
        [self.agrees, self.refuses, self.other].iter().flat_map(|count| count.to_le_bytes()).collect()
    }

    fn read(bytes: &[u8]) -> Option<Tally> {
        let (counts, []) = bytes.as_chunks::<4>() else { return None };
        let [agrees, refuses, other] = <[[u8; 4]; 3]>::try_from(counts).ok()?.map(u32::from_le_bytes);
        Some(Tally { agrees, refuses, other })
    }
}

/// The tallies in the store.
#[derive(Clone)]
pub struct Tallies(Tree);

impl Tallies {
    /// Those of a store.
    pub fn open(store: &Store) -> Result<Tallies, StoreError> {
        store.tree(TREE).map(Tallies)
    }

    /// The change that counts a visit. An entry that cannot be read begins anew.
    pub fn add(&self, person: PersonId, opinion: Opinion) -> Result<Change, StoreError> {
        let before = self.0.get(key(person))?.and_then(|bytes| Tally::read(&bytes)).unwrap_or_default();
        Ok(self.0.put(key(person), before.plus(Tally::of(opinion)).write()))
    }

    /// The change that forgets a person.
    pub fn forget(&self, person: PersonId) -> Change {
        self.0.delete(key(person))
    }

    /// All tallies.
    pub fn all(&self) -> Result<BTreeMap<PersonId, Tally>, StoreError> {
        let mut all = BTreeMap::new();
        for entry in self.0.scan_prefix(PREFIX) {
            let (key, value) = entry?;
            let id = key.get(PREFIX.len()..).and_then(|id| Some(PersonId(u32::from_be_bytes(id.try_into().ok()?))));
            all.extend(id.zip(Tally::read(&value)));
        }
        Ok(all)
    }

    /// The changes that forget everybody.
    pub fn clear(&self) -> Result<Vec<Change>, StoreError> {
        self.0.scan_prefix(PREFIX).map(|entry| Ok(self.0.delete(&*entry?.0))).collect()
    }
}

fn key(person: PersonId) -> Vec<u8> {
    [PREFIX, &person.0.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visits_are_counted_by_person_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let tallies = Tallies::open(&store).unwrap();
        for (person, opinion) in
            [(1, Opinion::Agrees), (1, Opinion::Other), (2, Opinion::Refuses), (1, Opinion::Agrees)]
        {
            store.commit(&[tallies.add(PersonId(person), opinion).unwrap()]).unwrap();
        }
        let all = tallies.all().unwrap();
        assert_eq!(all.get(&PersonId(1)), Some(&Tally { agrees: 2, refuses: 0, other: 1 }));
        assert_eq!(all.get(&PersonId(2)), Some(&Tally { agrees: 0, refuses: 1, other: 0 }));
        assert_eq!(all.values().map(Tally::visits).sum::<u32>(), 4);
        store.commit(&[tallies.forget(PersonId(1))]).unwrap();
        assert_eq!(tallies.all().unwrap().len(), 1);
        store.commit(&tallies.clear().unwrap()).unwrap();
        assert!(tallies.all().unwrap().is_empty());
        assert_eq!(Tally::read(&[0; 11]), None, "a damaged entry is no count");
    }
}

//! What a board keeps of each record, how far it has read, and the place where both are kept.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::encoding;
use super::person::PersonBody;
use crate::domain::ModelId;

/// One life of a stream: the time of its creation in nanoseconds since 1970. A stream that was deleted and made again has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Birth(pub u64);

/// How far a board has read. It is committed together with the change that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub birth: Birth,
    /// The sequence number of the last record that was read.
    pub sequence: u64,
    /// The newest form of records that was known meanwhile.
    pub schema: u16,
    /// How many records were set aside because their form was not known. They are read again once a newer one is.
    pub set_aside: u64,
}

/// What is held of one uuid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub version: u64,
    /// BLAKE3 of the signed record.
    #[serde(with = "encoding")]
    pub hash: [u8; 32],
    /// BLAKE3 of the sealed body; of nothing for somebody who was forgotten.
    #[serde(with = "encoding")]
    pub content: [u8; 32],
    pub state: EntryState,
}

/// Whether somebody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// The record was missing when everything was read anew. The entry keeps older records from coming back, and is not part of the digest.
    Gone,
    /// The person is in the gallery.
    Person,
    /// The office said that the person was forgotten.
    Forgotten,
}

impl Entry {
    /// Whether this replaces what is held. Somebody who was forgotten does not come back, whatever the version: an office that was restored from a backup may
    /// not know that they were. Of two records of one version, which an honest office does not make, the same one counts at every board.
    pub fn replaces(&self, held: Option<&Entry>) -> bool {
        let is_forgotten = |entry: &Entry| entry.state == EntryState::Forgotten;
        let rank = |entry: &Entry| (is_forgotten(entry), entry.version, entry.state, entry.hash);
        held.is_none_or(|held| rank(self) > rank(held))
    }

    /// Whether it is part of the digest.
    pub fn counts(&self) -> bool {
        self.state != EntryState::Gone
    }
}

/// What a commit changes about one uuid.
#[derive(Clone, Debug)]
pub enum Step<'a> {
    /// Somebody new, or something new about somebody. `before` is what was held.
    Person { uuid: Uuid, before: Option<&'a Entry>, entry: &'a Entry, body: &'a PersonBody, model: &'a ModelId },
    /// A new record that says the same of the person.
    Same { uuid: Uuid, entry: &'a Entry },
    /// Somebody who was forgotten, or whose record is missing: the person is erased if they are there.
    Removed { uuid: Uuid, entry: &'a Entry },
}

/// Whether a step was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was; with what an operator should know, such as a name that two people have.
    Done { note: Option<String> },
    /// It was not, and never will be: what the record says does not fit here. In words.
    Unfit(String),
}

/// Where a board keeps its people, their entries, and its position.
pub trait Holding {
    /// Why it could not read or write; the same step may succeed later.
    type Error;

    /// What is held of a uuid.
    fn entry(&self, uuid: Uuid) -> Result<Option<Entry>, Self::Error>;

    /// Everything that is held.
    fn entries(&self) -> Result<Vec<(Uuid, Entry)>, Self::Error>;

    /// How far was read; `None` before the first time.
    fn position(&self) -> Result<Option<Position>, Self::Error>;

    /// Commits steps about different uuids in one commit, and with them how far was read; `None` leaves what is kept. All steps that fit are in it, and
    /// after an error none is. Returns what became of each, in their order.
    fn commit(&mut self, steps: &[Step<'_>], position: Option<Position>) -> Result<Vec<Taken>, Self::Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_entries_exactly_one_replaces_the_other() {
        let entry = |version, state, hash| Entry { version, hash: [hash; 32], content: [0; 32], state };
        let rising = [
            entry(1, EntryState::Person, 9),
            entry(2, EntryState::Gone, 9),
            entry(2, EntryState::Person, 1),
            entry(2, EntryState::Person, 2),
            entry(3, EntryState::Person, 0),
            entry(1, EntryState::Forgotten, 1),
            entry(2, EntryState::Forgotten, 0),
        ];
        for (i, one) in rising.iter().enumerate() {
            assert!(one.replaces(None));
            for (j, other) in rising.iter().enumerate() {
                assert_eq!(one.replaces(Some(other)), i > j, "{one:?} {other:?}");
            }
        }
        assert!(!rising[1].counts() && rising[2].counts() && rising[6].counts());
    }
}

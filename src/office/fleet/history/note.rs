//! What is noted of a person, and how people are found in the store.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::{Named, PersonId};
use crate::names;

/// What records last said of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::office::fleet) struct Note {
    pub uuid: Option<Uuid>,
    pub site: String,
    pub name: Option<String>,
    pub employee_id: Option<String>,
    /// The times of the first and of the newest record about them, in microseconds since 1970.
    pub first_us: i64,
    pub newest_us: i64,
}

impl Note {
    /// Whether somebody of that name and id can be the same person.
    pub(super) fn is(&self, person: &Named) -> bool {
        let name = person.name.as_deref().map(names::key);
        let employee_id = person.card.as_ref().and_then(|card| card.employee_id.as_ref());
        self.name.as_deref().map(names::key) == name && self.employee_id.as_ref() == employee_id
    }
}

/// The key of a person's number at a board.
pub(super) fn at_board(chain: u64, local: PersonId) -> Vec<u8> {
    [&chain.to_be_bytes()[..], &local.0.to_be_bytes()].concat()
}

/// A number as it is stored.
pub(super) fn stored(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.first_chunk()?))
}

//! Whose key sealed what came under a board's name.

use serde::{Deserialize, Serialize};

/// Who sealed a record: the first bytes of the BLAKE3 of a board's public key. Zero for the office itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Author(u64);

impl Author {
    /// The holder of a key.
    pub fn of(public: &[u8; 32]) -> Author {
        Author(blake3::hash(public).as_bytes().first_chunk().map_or(0, |half| u64::from_be_bytes(*half)))
    }
}

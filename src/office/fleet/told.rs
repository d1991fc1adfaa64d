//! What boards tell the office: the records of their journals, and how they stand.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// The most doors that a board names.
pub const MOST_DOORS: usize = 64;

/// What a board says of itself, on its own subject. Nothing in it is trusted further than to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BoardReport {
    pub version: String,
    pub model: String,
    /// The digest of the people that it holds, in hexadecimal digits.
    pub digest: String,
    pub people: u64,
    pub epoch: Option<u64>,
    /// The oldest epoch whose key it still holds.
    #[serde(default)]
    pub oldest_epoch: Option<u64>,
    /// The version of the rules that its doors follow, and BLAKE3 of them as they were signed, in hexadecimal digits.
    pub rules: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_hash: Option<String>,
    /// These rules as they were signed, while the servers have others of the same or of an older version.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "crate::fleet::encoding")]
    #[schemars(with = "String")]
    pub rules_held: Vec<u8>,
    /// The newest head that it has heard, as it was signed. It proves that the report is no older.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "crate::fleet::encoding")]
    #[schemars(with = "String")]
    pub head: Vec<u8>,
    /// Rises with each report that is made after the same head.
    #[serde(default)]
    pub number: u64,
    /// The last sequence of the people's stream that it has read, with the birth of that stream; 0 before the first one.
    pub position: u64,
    #[serde(default)]
    pub birth: u64,
    /// Records of its journal that wait.
    pub waiting: u64,
    /// The newest record of its journal that the servers have acknowledged, and its id.
    pub sent: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub sent_id: Option<Uuid>,
    /// The first record that it was to send, since it joined.
    #[serde(default)]
    pub first: u64,
    pub set_aside: u64,
    pub refused: u64,
    /// The version in which the rules were pushed that its doors go by for people; 0 for its own.
    #[serde(default)]
    pub access: u64,
    /// Why its doors do not go by the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_trouble: Option<String>,
    /// The names of its doors; at most [`MOST_DOORS`].
    #[serde(default)]
    pub doors: Vec<String>,
    /// Its clock when it said so, in milliseconds since 1970.
    pub at_ms: i64,
    pub clock_ahead_ms: Option<i64>,
    /// Chosen at random when it joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The records of the other model, while the site goes over from one to another.
    #[serde(default)]
    pub beside: Option<BesideReport>,
    /// Why the board does not follow its site to another model, in words.
    #[serde(default)]
    pub models_trouble: Option<String>,
}

/// What a board holds of the other model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BesideReport {
    pub model: String,
    /// The number of records.
    pub count: u64,
    /// Whether the newest head says that they are all.
    pub whole: bool,
}

/// A record of a board's journal on its way to the office.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalMessage {
    /// The number of the record before it in the board's journal: nothing that can be read lies between.
    pub after: u64,
    /// The number of the first record that the board was to send, since it joined; 0 if that is not known.
    #[serde(default)]
    pub first: u64,
    /// As `usher journal --json` prints it.
    pub record: Value,
    /// The uuids of the fleet's people in it, by the number that each has at the board.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub people: BTreeMap<u32, Uuid>,
}

impl JournalMessage {
    /// A record in which nobody of the fleet is.
    pub fn new(after: u64, record: Value) -> JournalMessage {
        JournalMessage { after, first: 0, record, people: BTreeMap::new() }
    }
}

//! The journal as the API shows it: records, checking and erasing them, and noting a site head.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ApiError;
use super::limit;
use super::people::{listed, numbers};
use crate::domain::{Actor, Event, ModelId, StoreEvent};
use crate::ledger::{Dated, Gap, RecordFilter, Verified};
use crate::office::fleet::history::NUMBERS;

/// A record of the journal.
#[derive(Clone, Debug)]
pub struct Record(pub Dated);

/// The number that a record has in the journal of its board. At the office of a fleet, records have numbers that hold over all boards.
pub fn number_in_journal(number: u64) -> u64 {
    number % NUMBERS
}

/// The fields of a [`Record`], as docs/journal.md explains them.
#[derive(JsonSchema)]
#[schemars(rename = "Record")]
#[expect(dead_code, reason = "the schema is derived from it; the bytes come from the ledger")]
struct RecordFields {
    /// The record's number, from 1 on.
    seq: u64,
    /// A UUID.
    id: String,
    /// What the wall clock showed. RFC 3339, UTC.
    time: String,
    /// The time that a later record of the same boot gives; absent where `time` is right.
    #[schemars(default)]
    dated: Option<String>,
    /// The local time's offset.
    utc_offset_s: i32,
    /// Which boot of the machine. A UUID.
    boot: String,
    since_boot_ms: u64,
    /// Whether a time source kept the wall clock in step; null where that is unknown.
    synchronised: Option<bool>,
    /// What happened: `granted`, `denied`, `enrolled` …
    kind: String,
    /// The event's fields, by kind.
    content: Value,
    /// A person was erased from the content.
    erased: bool,
    /// The hash of the record before, in hexadecimal digits.
    previous: String,
    /// In hexadecimal digits.
    hash: String,
    /// At the office of a fleet: the board that wrote it. `seq`, and what its content says of people and records, are numbers over all boards then.
    #[schemars(default)]
    board: Option<String>,
    /// The board's site.
    #[schemars(default)]
    site: Option<String>,
}

impl JsonSchema for Record {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        RecordFields::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        RecordFields::json_schema(generator)
    }
}

impl Serialize for Record {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Record, D::Error> {
        let json = Value::deserialize(deserializer)?;
        let malformed = || serde::de::Error::custom("a field of a record is missing or malformed");
        Dated::from_json(&json).map(Record).ok_or_else(malformed)
    }
}

/// Addresses a record in a path.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RecordPath {
    /// The record's number, its id, or the beginning of its id.
    pub which: String,
}

/// Selects records: those after a number, oldest first; or the newest, newest first, of all or of those before a number.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordQuery {
    /// At most this many; 100 by default, 10000 at most.
    pub limit: Option<usize>,
    /// Records after this number, oldest first.
    pub after: Option<u64>,
    /// Records before this number, newest first.
    pub before: Option<u64>,
    /// Not before this time. RFC 3339.
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// Before this time. RFC 3339.
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
    /// Only these kinds, separated by commas.
    pub kinds: Option<String>,
    /// Only at this door.
    pub door: Option<String>,
    /// Only about the person with this number, or those with these numbers, separated by commas.
    pub person: Option<String>,
}

impl RecordQuery {
    /// What is wanted, as the ledger takes it.
    ///
    /// # Errors
    /// A time that the clock cannot show, or people that are no numbers.
    pub fn filter(&self) -> Result<RecordFilter, ApiError> {
        Ok(RecordFilter {
            since: limit(self.since)?,
            until: limit(self.until)?,
            ..wanted(self.kinds.as_deref(), self.door.as_deref(), self.person.as_deref())?
        })
    }
}

/// Selects the records that are followed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FollowQuery {
    /// First the records after this number, then each new one. Without it: new ones alone.
    pub after: Option<u64>,
    /// Only these kinds, separated by commas.
    pub kinds: Option<String>,
    /// Only at this door.
    pub door: Option<String>,
    /// Only about the person with this number, or those with these numbers, separated by commas.
    pub person: Option<String>,
}

impl FollowQuery {
    /// What is wanted, as the ledger takes it.
    ///
    /// # Errors
    /// People that are no numbers.
    pub fn filter(&self) -> Result<RecordFilter, ApiError> {
        wanted(self.kinds.as_deref(), self.door.as_deref(), self.person.as_deref())
    }
}

fn wanted(kinds: Option<&str>, door: Option<&str>, people: Option<&str>) -> Result<RecordFilter, ApiError> {
    Ok(RecordFilter {
        kinds: listed(kinds).map(str::to_owned).collect(),
        door: door.filter(|door| !door.is_empty()).map(str::to_owned),
        people: numbers(people)?,
        ..RecordFilter::default()
    })
}

/// The outcome of checking the journal's chain.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    pub records: u64,
    /// Records up to this number were deleted by age or size; 0 when none were.
    pub pruned_through: u64,
    /// Records from which a person was erased.
    pub erased: u64,
    /// Records that report events which could not be written down.
    #[serde(default)]
    pub gaps: u64,
    /// Events that those records report.
    #[serde(default)]
    pub lost: u64,
    /// Events that could not be written down and that no record reports yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untold: Option<JournalGap>,
}

impl Verification {
    /// What was checked, and what no record reports yet.
    pub fn new(checked: Verified, unreported: Option<&Gap>) -> Verification {
        let Verified { records, pruned_through, erased, gaps, lost } = checked;
        Verification { records, pruned_through, erased, gaps, lost, untold: unreported.map(JournalGap::from) }
    }
}

/// Events that no record reports yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JournalGap {
    pub lost: u64,
    /// How many of them unlocked a door.
    pub unlocked: u64,
    /// When the first of them happened. RFC 3339.
    pub since: String,
    pub reason: String,
}

impl From<&Gap> for JournalGap {
    fn from(Gap { lost, unlocked, since, reason, .. }: &Gap) -> JournalGap {
        let since = Timestamp::try_from(*since).map_or_else(|_| String::new(), |at| at.to_string());
        JournalGap { lost: *lost, unlocked: *unlocked, since, reason: reason.clone() }
    }
}

/// Erases a person from the journal.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseRequest {
    /// The person's number.
    pub person: u32,
    /// Only from records before this time. RFC 3339.
    #[schemars(with = "Option<String>")]
    pub before: Option<Timestamp>,
}

/// How many records an [`EraseRequest`] changed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Erased {
    pub records: u64,
}

/// Records that a site head was put in place or removed. The caller writes the head's file; the daemon reads it at its next start.
/// `sha256` is that of the file, in hexadecimal digits.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HeadRequest {
    /// Put in place. `missed_without` and `missed_behind` are false non-match rates, 0 to 1, at `false_match_rate`.
    Kept {
        head: String,
        sha256: String,
        people: usize,
        photographs: usize,
        false_match_rate: f64,
        missed_without: f64,
        missed_behind: f64,
    },
    /// Removed. `head` is null where the file could not be read.
    Removed { head: Option<String>, sha256: String },
}

impl HeadRequest {
    /// The event to record.
    pub fn event(self, by: Actor) -> Event {
        match self {
            HeadRequest::Kept {
                head,
                sha256,
                people,
                photographs,
                false_match_rate,
                missed_without,
                missed_behind,
            } => Event::Store(StoreEvent::HeadKept {
                head: ModelId::new(&head),
                sha256,
                people,
                photographs,
                false_match_rate,
                missed_without,
                missed_behind,
                by,
            }),
            HeadRequest::Removed { head, sha256 } => {
                Event::Store(StoreEvent::HeadRemoved { head: head.as_deref().map(ModelId::new), sha256, by })
            }
        }
    }
}

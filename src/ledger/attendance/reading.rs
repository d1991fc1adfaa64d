//! Readings: each time that the journal has somebody going through a door, after all amendments.
//!
//! Knows nothing of days and hours.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::domain::{Direction, PersonId};
use crate::ledger::Record;

/// Somebody at a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub person: PersonId,
    /// As they were called then.
    pub name: String,
    pub at: Timestamp,
    /// `None` where the camera has no side.
    pub direction: Option<Direction>,
    /// The door; empty for an amendment.
    pub door: String,
    /// The record's id: the same reading has the same id in every export.
    pub id: Uuid,
    /// The record's number.
    pub record: u64,
    /// It was added by an operator.
    pub amended: bool,
    /// The wall clock was not set when it was written.
    pub doubtful: bool,
}

/// The readings that `records` (in any order) tell of, by time. Where a door tells who passed, a grant alone counts for nothing: they may
/// have turned round. Before a door's first `passed`, and at a door without one, the grant is what there is.
pub fn readings(records: &[Record]) -> Vec<Reading> {
    let number = |value: &Value| value.as_u64();
    let mut first_passed: HashMap<&str, u64> = HashMap::new();
    let mut passed: HashSet<u64> = HashSet::new();
    let mut void: HashSet<u64> = HashSet::new();
    for record in records {
        match record.kind.as_str() {
            "passed" => {
                if let Some(door) = record.content["door"].as_str() {
                    let first = first_passed.entry(door).or_insert(record.seq);
                    *first = record.seq.min(*first);
                }
                passed.extend(number(&record.content["record"]));
            }
            "attendance_amended" => void.extend(number(&record.content["void"])),
            _ => {}
        }
    }
    let mut found: Vec<Reading> = records
        .iter()
        .filter(|record| !void.contains(&record.seq))
        .filter_map(|record| {
            let content = &record.content;
            let door = content["door"].as_str().unwrap_or_default();
            match record.kind.as_str() {
                "passed" => reading(record, &content["direction"], timestamp(record.at)?, door),
                "granted" => {
                    let told = first_passed.get(door).is_some_and(|first| record.seq >= *first);
                    let counts = !told && !passed.contains(&record.seq);
                    if counts { reading(record, &content["direction"], timestamp(record.at)?, door) } else { None }
                }
                "attendance_amended" => {
                    let add = &content["add"];
                    let at = add["at"].as_str()?.parse().ok()?;
                    let added = reading(record, &add["direction"], at, "")?;
                    Some(Reading { amended: true, doubtful: false, ..added })
                }
                _ => None,
            }
        })
        .collect();
    found.sort_by_key(|reading| (reading.at, reading.record));
    found
}

fn timestamp(at: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(at).ok()
}

/// `None` when the record does not say who it was, as after an erasure.
fn reading(record: &Record, direction: &Value, at: Timestamp, door: &str) -> Option<Reading> {
    let person = &record.content["person"];
    Some(Reading {
        person: PersonId(u32::try_from(person["id"].as_u64()?).ok()?),
        name: person["name"].as_str().unwrap_or_default().to_owned(),
        at,
        direction: [Direction::In, Direction::Out].into_iter().find(|way| direction == way.as_str()),
        door: door.to_owned(),
        id: record.id,
        record: record.seq,
        amended: false,
        doubtful: record.synchronised == Some(false),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(seq: u64, kind: &str, content: Value) -> Record {
        Record {
            seq,
            id: Uuid::from_u128(u128::from(seq)),
            at: SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_767_349_927 + seq * 60),
            offset_s: 0,
            since_boot: std::time::Duration::ZERO,
            boot: Uuid::nil(),
            synchronised: Some(true),
            kind: kind.to_owned(),
            content,
            erased: false,
            previous: [0; 32],
            hash: [0; 32],
        }
    }

    fn granted(seq: u64, door: &str) -> Record {
        let content = json!({ "door": door, "direction": "in", "person": { "id": 7, "name": "Ada" } });
        record(seq, "granted", content)
    }

    fn passed(seq: u64, door: &str, grant: u64) -> Record {
        let content = json!({ "door": door, "direction": "in", "person": { "id": 7, "name": "Ada" }, "record": grant });
        record(seq, "passed", content)
    }

    fn numbers(records: &[Record]) -> Vec<u64> {
        readings(records).iter().map(|reading| reading.record).collect()
    }

    #[test]
    fn a_grant_counts_only_where_nothing_better_is_known() {
        assert_eq!(numbers(&[granted(1, "front"), granted(2, "front")]), [1, 2]);
        // Granted at 3, but nobody went through; the sensor of the other door says nothing about this one.
        let records = [granted(1, "front"), passed(2, "front", 1), granted(3, "front"), granted(4, "back")];
        assert_eq!(numbers(&records), [2, 4]);
        // Before the sensor was there.
        assert_eq!(numbers(&[granted(1, "front"), granted(2, "front"), passed(3, "front", 2)]), [1, 3]);
    }

    #[test]
    fn amendments_add_and_void_and_an_amendment_can_be_voided() {
        let person = json!({ "id": 7, "name": "Ada" });
        let add =
            json!({ "person": person, "add": { "direction": "out", "at": "2026-01-02T16:30:00Z" }, "void": null });
        let void = |seq: u64| json!({ "person": person, "add": null, "void": seq });
        let mut records =
            vec![granted(1, "front"), record(2, "attendance_amended", add), record(3, "attendance_amended", void(1))];
        let found = readings(&records);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].direction, found[0].amended, found[0].at.to_string().as_str()),
            (Some(Direction::Out), true, "2026-01-02T16:30:00Z")
        );
        records.push(record(4, "attendance_amended", void(2)));
        assert_eq!(numbers(&records), [0; 0]);
    }

    #[test]
    fn who_was_erased_was_not_there_and_a_wrong_clock_is_told() {
        let erased = json!({ "door": "front", "direction": "in", "person": { "erased": true } });
        assert_eq!(numbers(&[record(1, "granted", erased), record(2, "denied", json!({}))]), [0; 0]);
        let mut early = granted(3, "front");
        early.synchronised = Some(false);
        assert!(readings(&[early])[0].doubtful);
    }
}

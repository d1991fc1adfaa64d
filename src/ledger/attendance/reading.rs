//! Readings: each time that the journal has somebody going through a door, after all amendments, and who that was.
//!
//! Knows nothing of days and hours.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::identity::{Removal, successors};
use crate::domain::{Direction, PersonId};
use crate::ledger::{Dated, Record};

/// Somebody at a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub person: PersonId,
    /// The newest number of the same person: another one than `person` when they were removed and enrolled anew.
    pub newest: PersonId,
    /// As they were called then.
    pub name: String,
    /// What else was known of them then. `None`: a record of 0.1.0, and nothing else tells.
    pub card: Option<Card>,
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
    /// The wall clock was not set when it was written, and nothing tells what it should have shown.
    pub doubtful: bool,
}

/// What payroll asks of somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// `None` for somebody without one.
    pub employee_id: Option<String>,
    pub groups: Vec<String>,
}

/// The kinds of record that attendance is reckoned from. The last five tell who somebody was.
pub const KINDS: [&str; 8] =
    ["granted", "passed", "attendance_amended", "removed", "enrolled", "renamed", "changed", "enabled"];

/// The readings that `records` (in any order) tell of, by time. Where a door tells who passed, a grant alone counts for nothing: they may
/// have turned round. Before a door's first `passed`, and at a door without one, the grant is what there is.
///
/// Records of 0.1.0 do not say which employee id and groups somebody had. Then `today` is asked, who is enrolled now, and after that
/// the newest record of the same number that says it.
pub fn readings(records: &[Dated], today: &dyn Fn(PersonId) -> Option<Card>) -> Vec<Reading> {
    let number = |value: &Value| value.as_u64();
    let mut first_passed: HashMap<&str, u64> = HashMap::new();
    let mut passed: HashSet<u64> = HashSet::new();
    let mut void: HashSet<u64> = HashSet::new();
    let mut cards: BTreeMap<PersonId, (u64, Card)> = BTreeMap::new();
    let mut removals: Vec<Removal> = Vec::new();
    for record in records.iter().map(|dated| &dated.record) {
        if let (Some(person), Some(card)) = (person(record), card(record)) {
            let newest = cards.entry(person).or_insert((0, Card::default()));
            if record.seq > newest.0 {
                *newest = (record.seq, card);
            }
        }
        match record.kind.as_str() {
            "removed" => removals.extend(person(record).map(|person| Removal { person, record: record.seq })),
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
        .filter(|dated| !void.contains(&dated.record.seq))
        .filter_map(|dated| {
            let Dated { record, at, .. } = dated;
            let content = &record.content;
            let door = content["door"].as_str().unwrap_or_default();
            match record.kind.as_str() {
                "passed" => reading(record, &content["direction"], timestamp(*at)?, door).map(|r| doubted(r, dated)),
                "granted" => {
                    let told = first_passed.get(door).is_some_and(|first| record.seq >= *first);
                    let counts = !told && !passed.contains(&record.seq);
                    let found = counts.then(|| reading(record, &content["direction"], timestamp(*at)?, door)).flatten();
                    found.map(|r| doubted(r, dated))
                }
                "attendance_amended" => {
                    let add = &content["add"];
                    let at = add["at"].as_str()?.parse().ok()?;
                    let added = reading(record, &add["direction"], at, "")?;
                    Some(Reading { amended: true, ..added })
                }
                _ => None,
            }
        })
        .collect();
    for reading in found.iter_mut().filter(|reading| reading.card.is_none()) {
        reading.card = today(reading.person).or_else(|| cards.get(&reading.person).map(|(_, card)| card.clone()));
    }
    let successors = successors(&found, &removals);
    for reading in &mut found {
        reading.newest = successors.get(&reading.person).copied().unwrap_or(reading.person);
    }
    found.sort_by_key(|reading| (reading.at, reading.record));
    found
}

/// A time that was told by a clock which was not set, and that nothing corrected, is doubtful.
fn doubted(reading: Reading, dated: &Dated) -> Reading {
    Reading { doubtful: dated.record.synchronised == Some(false) && !dated.is_corrected(), ..reading }
}

fn person(record: &Record) -> Option<PersonId> {
    Some(PersonId(u32::try_from(record.content["person"]["id"].as_u64()?).ok()?))
}

/// `None` for a record of 0.1.0.
fn card(record: &Record) -> Option<Card> {
    let person = record.content["person"].as_object()?;
    let groups = person.get("groups")?.as_array()?;
    Some(Card {
        employee_id: person.get("employee_id")?.as_str().map(str::to_owned),
        groups: groups.iter().filter_map(|group| group.as_str().map(str::to_owned)).collect(),
    })
}

fn timestamp(at: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(at).ok()
}

/// `None` when the record does not say who it was, as after an erasure.
fn reading(record: &Record, direction: &Value, at: Timestamp, door: &str) -> Option<Reading> {
    let number = person(record)?;
    Some(Reading {
        person: number,
        newest: number,
        name: record.content["person"]["name"].as_str().unwrap_or_default().to_owned(),
        card: card(record),
        at,
        direction: [Direction::In, Direction::Out].into_iter().find(|way| direction == way.as_str()),
        door: door.to_owned(),
        id: record.id,
        record: record.seq,
        amended: false,
        doubtful: false,
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

    fn read(records: &[Record]) -> Vec<Reading> {
        let dated: Vec<Dated> = records.iter().cloned().map(Dated::plainly).collect();
        readings(&dated, &|_| None)
    }

    fn numbers(records: &[Record]) -> Vec<u64> {
        read(records).iter().map(|reading| reading.record).collect()
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
        let found = read(&records);
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
        assert!(read(&[early])[0].doubtful);
    }

    fn about(seq: u64, kind: &str, id: u32, employee_id: Option<&str>) -> Record {
        let person = json!({ "id": id, "name": "Ada", "employee_id": employee_id, "groups": ["staff"] });
        record(seq, kind, json!({ "door": "back", "direction": "in", "person": person }))
    }

    fn ids(readings: &[Reading]) -> Vec<Option<&str>> {
        readings.iter().map(|reading| reading.card.as_ref()?.employee_id.as_deref()).collect()
    }

    #[test]
    fn who_somebody_was_is_what_the_record_says_and_else_what_is_known_today() {
        let dated: Vec<Dated> = [
            granted(1, "front"),
            about(2, "granted", 7, Some("E042")),
            // The old record of somebody who has left, whose removal says who that was.
            record(3, "granted", json!({ "door": "back", "direction": "in", "person": { "id": 8, "name": "Bob" } })),
            about(4, "removed", 8, Some("E077")),
        ]
        .map(Dated::plainly)
        .to_vec();
        let card = |id: &str| Some(Card { employee_id: Some(id.into()), groups: Vec::new() });
        let today = |person: PersonId| if person == PersonId(7) { card("E142") } else { None };
        let found = readings(&dated, &today);
        assert_eq!(ids(&found), [Some("E142"), Some("E042"), Some("E077")]);
        assert_eq!(ids(&readings(&dated, &|_| None))[0], Some("E042"));
        assert_eq!(found[1].card.as_ref().unwrap().groups, ["staff"]);
    }

    fn newest(records: &[Record]) -> Vec<u32> {
        read(records).iter().map(|reading| reading.newest.0).collect()
    }

    #[test]
    fn who_is_enrolled_anew_is_the_same_person() {
        let removed = |seq, id| about(seq, "removed", id, None);
        let anew = [about(1, "granted", 1, Some("E042")), removed(2, 1), about(3, "granted", 5, Some("E042"))];
        assert_eq!(newest(&anew), [5, 5]);
        // Twice, and the employee id was given in between; after the first removal a leaver's day was amended.
        let twice = [
            about(1, "granted", 1, None),
            about(2, "granted", 1, Some("E042")),
            removed(3, 1),
            about(4, "granted", 1, Some("E042")),
            about(5, "granted", 5, Some("E042")),
            removed(6, 5),
            about(7, "granted", 9, Some("E042")),
        ];
        assert_eq!(newest(&twice), [9, 9, 9, 9, 9]);
        // Without an employee id the name says so.
        let [first, second] = [about(1, "granted", 1, None), about(3, "granted", 5, None)];
        assert_eq!(newest(&[first.clone(), second.clone()]), [1, 5]);
        assert_eq!(newest(&[first, removed(2, 1), second]), [5, 5]);
    }

    #[test]
    fn two_people_stay_two() {
        // Their ids were exchanged, and put right.
        let exchanged = [
            about(1, "granted", 1, Some("E077")),
            about(2, "granted", 2, Some("E042")),
            about(3, "granted", 1, Some("E042")),
            about(4, "granted", 2, Some("E077")),
        ];
        assert_eq!(newest(&exchanged), [1, 2, 1, 2]);
        // An id went from one to the other, and both are enrolled.
        assert_eq!(newest(&[about(1, "granted", 1, Some("E042")), about(2, "granted", 2, Some("E042"))]), [1, 2]);
        // Their records are mixed.
        let mixed =
            [about(1, "granted", 1, Some("E1")), about(2, "granted", 2, None), about(3, "granted", 1, Some("E1"))];
        assert_eq!(newest(&mixed), [1, 2, 1]);
    }
}

//! Readings: each time that somebody went through a door by the journal, after all amendments, and who that was.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::SystemTime;

use jiff::Timestamp;

use super::Reading;
use super::identity::{Removal, successors};
use crate::domain::{AccessEvent, Amendment, Card, Direction, Event, Named, PeopleEvent, PersonId, Personal};
use crate::ledger::{Dated, Record};

/// The kinds of record that say who came and went.
pub const PASSAGES: [&str; 2] = ["granted", "passed"];
/// The kinds of record that change what the passages mean: amendments, and what was known of a person.
pub const CORRECTIONS: [&str; 7] =
    ["attendance_amended", "removed", "enrolled", "renamed", "changed", "enabled", "disabled"];

/// The readings in `records` (in any order), by time. Where a door records who passed, a grant alone counts for nothing: the person may
/// have turned round. Before a door's first `passed`, and at a door without one, the grant counts.
///
/// Records of 0.1.0 do not say which employee id and groups somebody had. Then `today` is asked, who is enrolled now, and after that
/// the newest record of the same number that says it.
pub fn readings(records: &[Dated], today: &dyn Fn(PersonId) -> Option<Card>) -> Vec<Reading> {
    readings_of(records, today, &|_| 0)
}

/// The same of the records of several journals, whose numbers of people and records hold over all of them, and whose names of doors are different.
/// `journal` says in which journal the record of a number is: only within one does the order of numbers say what came first.
pub fn readings_of(
    records: &[Dated],
    today: &dyn Fn(PersonId) -> Option<Card>,
    journal: &dyn Fn(u64) -> u64,
) -> Vec<Reading> {
    let known = Known::of(records);
    let mut found: Vec<Reading> = records
        .iter()
        .filter(|dated| !known.void.contains(&dated.record.seq))
        .filter_map(|dated| known.reading(dated))
        .collect();
    for reading in found.iter_mut().filter(|reading| reading.card.is_none()) {
        let newest = || known.cards.get(&reading.person).map(|(_, card)| card.clone());
        reading.card = today(reading.person).or_else(newest);
    }
    let successors = successors_of(&found, &known.removals, journal);
    for reading in &mut found {
        reading.newest = successors.get(&reading.person).copied().unwrap_or(reading.person);
    }
    found.sort_by_key(|reading| (reading.at, reading.record));
    found
}

/// Who succeeds whom, in any of the journals.
fn successors_of(
    found: &[Reading],
    removals: &[Removal],
    journal: &dyn Fn(u64) -> u64,
) -> BTreeMap<PersonId, PersonId> {
    let mut parts: BTreeMap<u64, (Vec<&Reading>, Vec<Removal>)> = BTreeMap::new();
    for reading in found {
        parts.entry(journal(reading.record)).or_default().0.push(reading);
    }
    for removal in removals {
        parts.entry(journal(removal.record)).or_default().1.push(*removal);
    }
    let mut all = BTreeMap::new();
    for (readings, removals) in parts.values() {
        all.extend(successors(readings, removals));
    }
    // What one journal says of a person's newest number, another may carry on.
    let newest = |person: PersonId| {
        let (mut newest, mut seen) = (person, HashSet::from([person]));
        while let Some(later) = all.get(&newest).filter(|later| seen.insert(**later)) {
            newest = *later;
        }
        newest
    };
    all.keys().map(|person| (*person, newest(*person))).collect()
}

/// What all records together say.
#[derive(Default)]
struct Known<'a> {
    /// The first record of each door that says who passed.
    first_passed: HashMap<&'a str, u64>,
    /// Grants whose person passed.
    passed: HashSet<u64>,
    /// Records that do not count.
    void: HashSet<u64>,
    /// The newest card of each person, and its record.
    cards: BTreeMap<PersonId, (u64, Card)>,
    removals: Vec<Removal>,
}

impl<'a> Known<'a> {
    fn of(records: &'a [Dated]) -> Known<'a> {
        let mut known = Known::default();
        for record in records.iter().map(|dated| &dated.record) {
            if let Some(event) = record.content.event() {
                known.add(record.seq, event);
            }
        }
        known
    }

    fn add(&mut self, seq: u64, event: &'a Event) {
        let person = event.person().and_then(Personal::known);
        if let Some(Named { id, name: _, card: Some(card) }) = person {
            let newest = self.cards.entry(*id).or_default();
            if seq > newest.0 {
                *newest = (seq, card.clone());
            }
        }
        match event {
            Event::Access(AccessEvent::Passed { door, record, .. }) => {
                let first = self.first_passed.entry(door).or_insert(seq);
                *first = seq.min(*first);
                self.passed.insert(*record);
            }
            Event::People(PeopleEvent::Removed { .. }) => {
                self.removals.extend(person.map(|person| Removal { person: person.id, record: seq }));
            }
            Event::People(PeopleEvent::AttendanceAmended { amendment: Amendment::Void { record }, .. }) => {
                self.void.insert(*record);
            }
            Event::Access(
                AccessEvent::Decided(_)
                | AccessEvent::DenialsRepeated { .. }
                | AccessEvent::Admitted { .. }
                | AccessEvent::PinEntered { .. }
                | AccessEvent::Amnesty { .. }
                | AccessEvent::CutMoved { .. },
            )
            | Event::People(
                PeopleEvent::AttendanceAmended { amendment: Amendment::Add { .. }, .. }
                | PeopleEvent::Enrolled { .. }
                | PeopleEvent::Renamed { .. }
                | PeopleEvent::Changed { .. }
                | PeopleEvent::Enabled { .. }
                | PeopleEvent::Disabled { .. }
                | PeopleEvent::TemplateLearned { .. }
                | PeopleEvent::LookalikeNoted { .. }
                | PeopleEvent::TemplatesForgotten { .. }
                | PeopleEvent::TemplatesAdded { .. }
                | PeopleEvent::TemplateRemoved { .. }
                | PeopleEvent::Exported { .. }
                | PeopleEvent::TemplatesMade { .. }
                | PeopleEvent::VisitorsForgotten { .. },
            )
            | Event::Door(_)
            | Event::Store(_)
            | Event::Daemon(_) => {}
        }
    }

    /// `None` for a record that is not a reading, or does not say who it was, as after an erasure.
    fn reading(&self, dated: &Dated) -> Option<Reading> {
        let Dated { record, at, .. } = dated;
        match record.content.event()? {
            Event::Access(AccessEvent::Passed { door, person, direction, .. }) => {
                let reading = reading(record, person, *direction, timestamp(*at)?, door)?;
                Some(Reading { doubtful: is_doubtful(dated), ..reading })
            }
            Event::Access(AccessEvent::Decided(decided)) if decided.is_grant() => {
                let says_who_passed = self.first_passed.get(&*decided.door).is_some_and(|first| record.seq >= *first);
                if says_who_passed || self.passed.contains(&record.seq) {
                    return None;
                }
                let person = decided.person.as_ref()?;
                let reading = reading(record, person, decided.direction, timestamp(*at)?, &decided.door)?;
                Some(Reading { doubtful: is_doubtful(dated), ..reading })
            }
            Event::People(PeopleEvent::AttendanceAmended {
                person,
                amendment: Amendment::Add { direction, at },
                ..
            }) => {
                let added = reading(record, person, Some(*direction), timestamp(*at)?, "")?;
                Some(Reading { amended: true, ..added })
            }
            Event::Access(
                AccessEvent::Decided(_)
                | AccessEvent::DenialsRepeated { .. }
                | AccessEvent::Admitted { .. }
                | AccessEvent::PinEntered { .. }
                | AccessEvent::Amnesty { .. }
                | AccessEvent::CutMoved { .. },
            )
            | Event::People(_)
            | Event::Door(_)
            | Event::Store(_)
            | Event::Daemon(_) => None,
        }
    }
}

/// The time is doubtful when the clock was not set, and no record corrects it.
fn is_doubtful(dated: &Dated) -> bool {
    dated.record.synchronised == Some(false) && !dated.is_corrected()
}

fn timestamp(at: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(at).ok()
}

fn reading(
    record: &Record,
    person: &Personal<Named>,
    direction: Option<Direction>,
    at: Timestamp,
    door: &str,
) -> Option<Reading> {
    let Named { id, name, card } = person.known()?.clone();
    Some(Reading {
        person: id,
        newest: id,
        name: name.unwrap_or_default(),
        card,
        at,
        direction,
        door: door.to_owned(),
        id: record.id,
        record: record.seq,
        amended: false,
        doubtful: false,
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{Content, Decided, Moment, Outcome, Reason, TrackId};

    fn record(seq: u64, event: impl Into<Event>) -> Record {
        let event = event.into();
        Record {
            seq,
            id: Uuid::from_u128(u128::from(seq)),
            at: SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_767_349_927 + seq * 60),
            offset_s: 0,
            since_boot: std::time::Duration::ZERO,
            boot: Uuid::nil(),
            synchronised: Some(true),
            kind: event.kind().to_owned(),
            content: Content::from(&event),
            erased: false,
            previous: [0; 32],
            hash: [0; 32],
        }
    }

    /// Without a card, as in records of 0.1.0.
    fn ada() -> Personal<Named> {
        Named { id: PersonId(7), name: Some("Ada".into()), card: None }.into()
    }

    fn granted_to(seq: u64, door: &str, person: Personal<Named>) -> Record {
        let decided = Decided::at_porch(Outcome::Granted, 1, Moment::default(), TrackId(1));
        let direction = Some(Direction::In);
        record(seq, Decided { door: door.into(), direction, person: Some(person), ..decided })
    }

    fn granted(seq: u64, door: &str) -> Record {
        granted_to(seq, door, ada())
    }

    fn passed(seq: u64, door: &str, grant: u64) -> Record {
        let (door, direction) = (door.into(), Some(Direction::In));
        record(seq, AccessEvent::Passed { door, person: ada(), direction, zone: None, record: grant })
    }

    fn amended(seq: u64, amendment: Amendment) -> Record {
        let (reason, by) = ("because".into(), "anna".into());
        record(seq, PeopleEvent::AttendanceAmended { person: ada(), amendment, reason, by })
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
        let at = SystemTime::try_from("2026-01-02T16:30:00Z".parse::<Timestamp>().unwrap()).unwrap();
        let add = amended(2, Amendment::Add { direction: Direction::Out, at });
        let void = |seq: u64, record: u64| amended(seq, Amendment::Void { record });
        let mut records = vec![granted(1, "front"), add, void(3, 1)];
        let found = read(&records);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].direction, found[0].amended, found[0].at.to_string().as_str()),
            (Some(Direction::Out), true, "2026-01-02T16:30:00Z")
        );
        records.push(void(4, 2));
        assert_eq!(numbers(&records), [0; 0]);
    }

    #[test]
    fn who_was_erased_was_not_there_and_a_wrong_clock_is_told() {
        let denied = record(2, Decided::at_porch(Outcome::Denied(Reason::Unknown), 1, Moment::default(), TrackId(1)));
        assert_eq!(numbers(&[granted_to(1, "front", Personal::Erased), denied]), [0; 0]);
        let mut early = granted(3, "front");
        early.synchronised = Some(false);
        assert!(read(&[early])[0].doubtful);
    }

    fn about(seq: u64, id: u32, employee_id: Option<&str>) -> Record {
        granted_to(seq, "back", somebody(id, employee_id))
    }

    fn removed(seq: u64, id: u32, employee_id: Option<&str>) -> Record {
        record(seq, PeopleEvent::Removed { person: somebody(id, employee_id), by: "anna".into() })
    }

    fn somebody(id: u32, employee_id: Option<&str>) -> Personal<Named> {
        Named::new(PersonId(id), "Ada", employee_id.map(str::to_owned), vec!["staff".into()]).into()
    }

    fn ids(readings: &[Reading]) -> Vec<Option<&str>> {
        readings.iter().map(|reading| reading.card.as_ref()?.employee_id.as_deref()).collect()
    }

    #[test]
    fn who_somebody_was_is_what_the_record_says_and_else_what_is_known_today() {
        let dated: Vec<Dated> = [
            granted(1, "front"),
            about(2, 7, Some("E042")),
            // The old record of somebody who has left, whose removal says who that was.
            granted_to(3, "back", Named { id: PersonId(8), name: Some("Bob".into()), card: None }.into()),
            removed(4, 8, Some("E077")),
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
        let anew = [about(1, 1, Some("E042")), removed(2, 1, None), about(3, 5, Some("E042"))];
        assert_eq!(newest(&anew), [5, 5]);
        // Twice, and the employee id was given in between; after the first removal a leaver's day was amended.
        let twice = [
            about(1, 1, None),
            about(2, 1, Some("E042")),
            removed(3, 1, None),
            about(4, 1, Some("E042")),
            about(5, 5, Some("E042")),
            removed(6, 5, None),
            about(7, 9, Some("E042")),
        ];
        assert_eq!(newest(&twice), [9, 9, 9, 9, 9]);
        // Without an employee id the name says so.
        let [first, second] = [about(1, 1, None), about(3, 5, None)];
        assert_eq!(newest(&[first.clone(), second.clone()]), [1, 5]);
        assert_eq!(newest(&[first, removed(2, 1, None), second]), [5, 5]);
    }

    #[test]
    fn two_people_stay_two() {
        // Their ids were exchanged, and put right.
        let exchanged = [
            about(1, 1, Some("E077")),
            about(2, 2, Some("E042")),
            about(3, 1, Some("E042")),
            about(4, 2, Some("E077")),
        ];
        assert_eq!(newest(&exchanged), [1, 2, 1, 2]);
        // An id went from one to the other, and both are enrolled.
        assert_eq!(newest(&[about(1, 1, Some("E042")), about(2, 2, Some("E042"))]), [1, 2]);
        // Their records are mixed.
        let mixed = [about(1, 1, Some("E1")), about(2, 2, None), about(3, 1, Some("E1"))];
        assert_eq!(newest(&mixed), [1, 2, 1]);
    }
}

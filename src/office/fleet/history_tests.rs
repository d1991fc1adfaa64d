//! The history of several boards: numbers, times and people, in whatever order records come.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use uuid::Uuid;

use super::history::*;
use crate::domain::{AccessEvent, Actor, Direction, DoorEvent, Event, Named, PeopleEvent, PersonId, Stamp};
use crate::fleet::{Board, Site};
use crate::ledger::{Dated, Journal, ReadOrder, RecordFilter};
use crate::office::fleet::author::Author;
use crate::office::fleet::erase::tests::erase;
use crate::office::fleet::protocol::JournalMessage;
use crate::office::fleet::{Arrived, Collected, StreamPlace};
use crate::store::Store;

/// 2026-05-04T06:00:00Z.
pub const MORNING: u64 = 1_777_874_400;

/// A board with its journal.
pub struct OneBoard {
    dir: tempfile::TempDir,
    pub journal: Journal,
    board: Board,
    site: Site,
    /// The fleet's people, by their number here.
    pub people: BTreeMap<u32, Uuid>,
}

impl OneBoard {
    pub fn new(board: &str, site: &str) -> OneBoard {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&Store::open(dir.path()).unwrap()).unwrap();
        OneBoard { dir, journal, board: board.parse().unwrap(), site: site.parse().unwrap(), people: BTreeMap::new() }
    }

    /// Writes an event some seconds after that morning, in a boot that began then, with a clock that was set.
    pub fn writes(&self, second: u64, event: impl Into<Event>) {
        self.writes_at(Some(true), MORNING + second, second, event);
    }

    pub fn writes_at(&self, synchronised: Option<bool>, wall: u64, since_boot: u64, event: impl Into<Event>) {
        let stamp = Stamp {
            since_boot: Duration::from_secs(since_boot),
            boot: [7; 16],
            synchronised,
            ..Stamp::at(SystemTime::UNIX_EPOCH + Duration::from_secs(wall))
        };
        self.journal.append(&event.into(), &stamp).unwrap();
    }

    /// All records, as they travel.
    pub fn sends(&self) -> Vec<Arrived> {
        let records = self.journal.list(.., ReadOrder::OldestFirst, 10_000).unwrap();
        let message = |record: &crate::ledger::Record| Arrived {
            board: self.board.clone(),
            site: self.site.clone(),
            author: Author::default(),
            is_current: true,
            message: JournalMessage {
                people: self.people.clone(),
                ..JournalMessage::new(record.seq - 1, record.to_json())
            },
        };
        records.iter().map(message).collect()
    }

    /// As it was when a backup was made: a copy of the store, to go on from.
    pub fn restored(self) -> OneBoard {
        self.copied()
    }

    /// Another one that goes on from here.
    pub fn copied(&self) -> OneBoard {
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(self.dir.path()).unwrap() {
            let from = entry.unwrap().path();
            let copied = std::process::Command::new("cp").arg("-r").arg(&from).arg(copy.path()).status().unwrap();
            assert!(copied.success());
        }
        let journal = Journal::open(&Store::open(copy.path()).unwrap()).unwrap();
        let (board, site, people) = (self.board.clone(), self.site.clone(), self.people.clone());
        OneBoard { dir: copy, journal, board, site, people }
    }
}

pub fn named(id: u32, name: &str) -> Named {
    Named::new(PersonId(id), name, None, vec!["staff".into()])
}

pub fn passed(door: &str, person: Named, direction: Direction, record: u64) -> Event {
    let (door, person) = (door.into(), person.into());
    AccessEvent::Passed { door, person, direction: Some(direction), zone: None, record }.into()
}

fn opened(door: &str) -> Event {
    DoorEvent::DoorOpened { door: door.into() }.into()
}

pub fn collected() -> (tempfile::TempDir, Collected) {
    let dir = tempfile::tempdir().unwrap();
    let collected = Collected::open(&Store::open(dir.path()).unwrap()).unwrap();
    (dir, collected)
}

pub fn keep(collected: &Collected, arrived: &[Arrived]) {
    collected.keep(arrived, StreamPlace { birth: 1, sequence: 1 }).unwrap();
}

fn nobody(collected: &Collected) -> std::sync::Arc<Identities> {
    collected.history.identities(0, BTreeMap::new).unwrap()
}

fn all(collected: &Collected) -> Vec<Dated> {
    let who = nobody(collected);
    collected.select(&who, Page::After(0), 10_000, &RecordFilter::default()).unwrap()
}

fn seconds(records: &[Dated]) -> Vec<i64> {
    let second = |dated: &Dated| microseconds(dated.at) / 1_000_000 - i64::try_from(MORNING).unwrap();
    records.iter().map(second).collect()
}

#[test]
fn records_of_all_boards_are_one_list_in_the_order_of_time() {
    let (front, back) = (OneBoard::new("front", "berlin"), OneBoard::new("back", "berlin"));
    for second in [10, 30, 50] {
        front.writes(second, opened("front"));
        back.writes(second + 10, opened("yard"));
    }
    let (dir, office) = collected();
    // The second board is late.
    keep(&office, &front.sends());
    keep(&office, &back.sends());
    let records = all(&office);
    assert_eq!(seconds(&records), [10, 20, 30, 40, 50, 60]);
    let doors: Vec<_> = records.iter().map(|dated| dated.record.content.event().unwrap().door().unwrap()).collect();
    assert_eq!(doors, ["front", "back/yard", "front", "back/yard", "front", "back/yard"]);
    assert_eq!(records[1].origin, Some(crate::ledger::Origin { board: "back".into(), site: "berlin".into() }));
    assert_eq!(records[1].record.seq, 2 * NUMBERS + 1);
    // In parts, from either end, and from a record on.
    let who = nobody(&office);
    let any = RecordFilter::default();
    let page = |page, limit| seconds(&office.select(&who, page, limit, &any).unwrap());
    assert_eq!(page(Page::Newest, 2), [60, 50]);
    assert_eq!(page(Page::Before(records[4].record.seq), 2), [40, 30]);
    assert_eq!(page(Page::After(records[1].record.seq), 3), [30, 40, 50]);
    assert!(matches!(office.select(&who, Page::After(7), 1, &any), Err(HistoryError::NoRecord(7))));
    let at = |second: u64| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(MORNING + second));
    let between = RecordFilter { since: at(20), until: at(50), ..RecordFilter::default() };
    assert_eq!(seconds(&office.select(&who, Page::Newest, 9, &between).unwrap()), [40, 30, 20]);
    let at_back = RecordFilter { door: Some("back/yard".into()), ..RecordFilter::default() };
    assert_eq!(seconds(&office.select(&who, Page::After(0), 2, &at_back).unwrap()), [20, 40]);
    // By number and id; the same over a restart.
    let id = records[3].record.id.to_string();
    for which in [id.as_str(), &records[3].record.seq.to_string()] {
        assert_eq!(office.find(&who, which).unwrap().as_ref(), Some(&records[3]), "{which}");
    }
    assert!(office.find(&who, "12345").unwrap().is_none());
    assert!(matches!(office.find(&who, "no id"), Err(HistoryError::NotAnId(_))));
    drop(office);
    let office = Collected::open(&Store::open(dir.path()).unwrap()).unwrap();
    assert_eq!(all(&office), records);
    keep(&office, &front.sends());
    assert_eq!(all(&office).len(), 6, "what comes twice is there once");
}

#[test]
fn a_clock_that_was_not_set_is_corrected_by_later_records_of_the_boot() {
    let front = OneBoard::new("front", "berlin");
    front.writes_at(Some(false), 5, 5, opened("front"));
    front.writes_at(Some(false), 8, 8, opened("front"));
    front.writes_at(Some(true), MORNING + 20, 20, opened("front"));
    front.writes_at(Some(true), MORNING + 30, 30, opened("front"));
    let sent = front.sends();
    let (_dir, office) = collected();
    keep(&office, &sent[..2]);
    assert_eq!(all(&office).iter().map(Dated::is_corrected).collect::<Vec<_>>(), [false, false]);
    keep(&office, &sent[2..]);
    assert_eq!(seconds(&all(&office)), [5, 8, 20, 30]);
    assert_eq!(all(&office).iter().map(Dated::is_corrected).collect::<Vec<_>>(), [true, true, false, false]);
    // As the board itself says.
    let own = front.journal.select(.., ReadOrder::OldestFirst, 9, &RecordFilter::default()).unwrap();
    assert_eq!(seconds(&own), [5, 8, 20, 30]);
}

#[test]
fn many_records_are_dated_anew_in_parts() {
    let front = OneBoard::new("front", "berlin");
    for second in 0..1200 {
        front.writes_at(Some(false), second, second, opened("front"));
    }
    front.writes_at(Some(true), MORNING + 1200, 1200, opened("front"));
    let (_dir, office) = collected();
    keep(&office, &front.sends());
    let records = all(&office);
    assert_eq!((seconds(&records), records.len()), ((0..=1200).collect(), 1201));
    assert!(records[0].is_corrected() && office.history.redating.first().unwrap().is_none());
}

#[test]
fn a_restored_board_has_another_journal_and_the_same_people() {
    let mut front = OneBoard::new("front", "berlin");
    let ada = Uuid::from_u128(7);
    front.people.insert(1, ada);
    front.writes(10, passed("front", named(1, "Ada"), Direction::In, 9));
    front.writes(20, passed("front", named(2, "Bob"), Direction::In, 9));
    let (_dir, office) = collected();
    let restored = {
        keep(&office, &front.sends());
        let other = OneBoard { people: front.people.clone(), ..OneBoard::new("front", "berlin") };
        let backup = std::mem::replace(&mut front, other).restored();
        // What happened after the backup is in the office's list alone.
        let lost = backup.restored();
        let again = lost;
        again.writes(30, passed("front", named(1, "Ada"), Direction::Out, 1));
        keep(&office, &again.sends());
        again
    };
    let whole = all(&office);
    assert_eq!((seconds(&whole), whole[2].record.seq), (vec![10, 20, 30], NUMBERS + 3), "it goes on");
    // From a backup that lacks the third record: another one takes its number.
    let fresh = OneBoard { people: restored.people.clone(), ..OneBoard::new("front", "berlin") };
    fresh.writes(10, opened("front"));
    fresh.writes(40, passed("front", named(2, "Bob"), Direction::Out, 1));
    fresh.writes(50, passed("front", named(1, "Cleo"), Direction::Out, 1));
    let fresh = OneBoard { people: BTreeMap::new(), ..fresh };
    keep(&office, &fresh.sends());
    let records = all(&office);
    assert_eq!(records.len(), 6, "nothing took the place of anything");
    let persons = |records: &[Dated]| -> Vec<(u32, String)> {
        let people = records.iter().flat_map(|dated| dated.record.content.event().unwrap().people());
        people.map(|named| (named.id.0, named.name.clone().unwrap())).collect()
    };
    let shown = persons(&records);
    let of = |name: &str| shown.iter().filter(|(_, of)| of == name).map(|(id, _)| *id).collect::<Vec<_>>();
    assert_eq!(of("Ada").windows(2).filter(|pair| pair[0] != pair[1]).count(), 0, "{shown:?}");
    assert!(of("Bob").windows(2).all(|pair| pair[0] == pair[1]), "the same number and name: {shown:?}");
    assert!(!of("Ada").contains(&of("Cleo")[0]), "the number of somebody else: {shown:?}");
}

#[test]
fn one_person_at_two_boards_is_one_and_a_local_person_becomes_the_fleets() {
    let (mut front, mut back) = (OneBoard::new("front", "berlin"), OneBoard::new("back", "berlin"));
    front.writes(10, passed("front", named(1, "Ada"), Direction::In, 9));
    let (_dir, office) = collected();
    keep(&office, &front.sends());
    // The office has taken her over: same number at the board, and a uuid from then on.
    let ada = Uuid::from_u128(7);
    front.people.insert(1, ada);
    front.writes(20, passed("front", named(1, "Ada"), Direction::Out, 9));
    back.people.insert(4, ada);
    back.writes(30, passed("yard", named(4, "Ada"), Direction::In, 9));
    back.writes(40, passed("yard", named(5, "Bob"), Direction::In, 3));
    keep(&office, &back.sends());
    keep(&office, &front.sends()[1..]);
    let records = all(&office);
    let ids: Vec<u32> =
        records.iter().map(|dated| dated.record.content.event().unwrap().people().next().unwrap().id.0).collect();
    assert_eq!((ids[0], ids[1] == ids[2], ids[0] == ids[3]), (ids[1], true, false), "{ids:?}");
    // What a record says of another one holds over all, too.
    assert_eq!(records[3].record.content.event().unwrap().allowed_by(), Some(records[2].record.seq - 1 + 3));
    let who = nobody(&office);
    let of = |person: u32| RecordFilter { people: vec![PersonId(person)], ..RecordFilter::default() };
    assert_eq!(seconds(&office.select(&who, Page::Newest, 9, &of(ids[1])).unwrap()), [30, 20, 10]);
}

#[test]
fn who_is_forgotten_is_in_no_note_and_in_no_record() {
    let mut front = OneBoard::new("front", "berlin");
    front.people.insert(1, Uuid::from_u128(7));
    front.writes(10, passed("front", named(1, "Ada Lovelace"), Direction::In, 9));
    front.writes(20, passed("front", named(2, "Bob"), Direction::In, 9));
    let (_dir, office) = collected();
    keep(&office, &front.sends());
    let notes = || -> String {
        let texts = office.history.notes.iter().map(|entry| String::from_utf8_lossy(&entry.unwrap().1).into_owned());
        texts.collect()
    };
    assert!(notes().contains("Ada"));
    erase(&office, "berlin", "Ada Lovelace");
    assert!(!notes().contains("Ada") && notes().contains("Bob"));
    let records = all(&office);
    assert_eq!(records.len(), 2, "the record stays");
    assert!(records[0].record.erased && records[0].record.content.event().unwrap().people().next().is_none());
    // A board that was away still names her.
    front.writes(30, PeopleEvent::Removed { person: named(1, "Ada Lovelace").into(), by: Actor::Fleet("x".into()) });
    keep(&office, &front.sends()[2..]);
    assert!(!notes().contains("Ada"));
    assert!(!format!("{:?}", all(&office)).contains("Ada"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the order and the parts in which they come, records have the same places and times, as the board's own journal says.
    #[test]
    fn the_order_of_arrival_changes_nothing(
        order in Just((0..24usize).collect::<Vec<_>>()).prop_shuffle(), part in 1usize..9, wrong in 0u64..20, twice in 0usize..24,
    ) {
        let front = OneBoard::new("front", "berlin");
        for n in 0..24 {
            match n < wrong {
                true => front.writes_at(Some(false), n, n, opened("front")),
                false => front.writes(n, opened("front")),
            }
        }
        let sent = front.sends();
        let (_dir, office) = collected();
        let shuffled: Vec<Arrived> = order.iter().chain([&twice]).map(|at| {
            let Arrived { board, site, author, is_current, message } = &sent[*at];
            let (board, site, message) = (board.clone(), site.clone(), message.clone());
            Arrived { board, site, author: *author, is_current: *is_current, message }
        }).collect();
        for part in shuffled.chunks(part) {
            keep(&office, part);
        }
        let found = all(&office);
        let own = front.journal.select(.., ReadOrder::OldestFirst, 99, &RecordFilter::default()).unwrap();
        prop_assert_eq!(seconds(&found), seconds(&own));
        prop_assert_eq!(found.len(), 24);
        let numbers: Vec<u64> = found.iter().map(|dated| dated.record.seq % NUMBERS).collect();
        prop_assert_eq!(numbers, (1..=24).collect::<Vec<_>>());
        prop_assert_eq!(office.history.known().of("front").len(), 1);
    }
}

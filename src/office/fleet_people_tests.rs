//! People of the fleet in a board's store: the person, what is kept of their record, the position and the journal agree, also after a kill.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use uuid::Uuid;
use zeroize::Zeroizing;

use super::crash::kill_in_a_round;
use super::{FleetPeople, Recorder, Register};
use crate::access::NearEnough;
use crate::clock::SystemClock;
use crate::domain::{Distance, Embedding, Event, ModelId, PeopleEvent, Personal, Quality};
use crate::fleet::{
    Birth, EntryState, EpochKey, Epochs, FleetId, Holding, Incoming, OfficeKey, Outcome, PeopleRecord, PersonBody,
    PersonRecord, Place, Reader, Replica, Tombstone, Why,
};
use crate::gallery::{Gallery, NewPerson, Template, write_template};
use crate::ledger::{Journal, ReadOrder};
use crate::seal::Ring;
use crate::store::Store;

const FOLDER: &str = "USHER_TEST_FLEET_PEOPLE";

/// An office that always has the same keys.
struct Office {
    key: OfficeKey,
    epochs: Epochs,
}

impl Office {
    fn new() -> Office {
        let mut epochs = Epochs::default();
        epochs.insert(1, EpochKey::from_bytes(&[2; 32]));
        Office { key: OfficeKey::from_bytes(&[1; 32]), epochs }
    }

    fn place(uuid: u128) -> Place {
        let (gallery, model) = ("berlin".parse().unwrap(), ModelId::new("net"));
        Place { fleet: FleetId(Uuid::from_u128(9)), gallery, uuid: Uuid::from_u128(uuid), model }
    }

    fn reader(&self) -> Reader {
        let Place { fleet, gallery, model, .. } = Office::place(0);
        Reader { fleet, gallery, model, office: self.key.public() }
    }

    fn person(&self, uuid: u128, version: u64, body: &PersonBody) -> Vec<u8> {
        let record = PersonRecord::seal(&Office::place(uuid), version, body, 1, self.epochs.get(1).unwrap()).unwrap();
        self.key.sign(Office::place(uuid).fleet, &PeopleRecord::Person(record)).unwrap().into()
    }

    fn forgotten(&self, uuid: u128, version: u64) -> Vec<u8> {
        let Place { fleet, gallery, uuid, model } = Office::place(uuid);
        self.key.sign(fleet, &PeopleRecord::Forgotten(Tombstone { gallery, uuid, model, version })).unwrap().into()
    }
}

fn template(degrees: f32) -> Template {
    let values = Box::new([degrees.to_radians().cos(), degrees.to_radians().sin()]);
    let embedding = Embedding::normalised(ModelId::new("net"), values).unwrap();
    Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH }
}

fn body(name: &str, degrees: f32) -> PersonBody {
    PersonBody {
        name: name.into(),
        enabled: true,
        by: "anna".into(),
        templates: vec![Zeroizing::new(write_template(&template(degrees)))],
        ..PersonBody::default()
    }
}

struct Board {
    store: Store,
    gallery: Arc<Gallery>,
    register: Register,
    replica: Replica<FleetPeople>,
    sequence: u64,
}

impl Board {
    fn open(folder: &Path, office: &Office) -> Board {
        let store = Store::open(folder).unwrap();
        let gallery = Arc::new(Gallery::open(&store, &Arc::new(Ring::plain()), ModelId::new("net"), 2).unwrap());
        let recorder = Arc::new(Recorder::new(&store, Journal::open(&store).unwrap(), Arc::new(SystemClock::new())));
        let register = Register::new(gallery.clone(), recorder, NearEnough::Fixed(Distance(0.1)));
        let mut replica =
            Replica::open(office.reader(), FleetPeople::open(register.clone(), ModelId::new("net")).unwrap()).unwrap();
        if replica.position().is_none() {
            replica.begin(Birth(1), 0);
            replica.caught_up(None).unwrap();
        }
        let sequence = replica.begin(Birth(1), u64::MAX) - 1;
        Board { store, gallery, register, replica, sequence }
    }

    fn apply(&mut self, office: &Office, uuid: u128, record: &[u8]) -> Outcome {
        self.sequence += 1;
        let incoming = Incoming { sequence: self.sequence, uuid: Uuid::from_u128(uuid), record };
        self.replica.apply(&incoming, &office.epochs).unwrap()
    }

    fn apply_all(&mut self, office: &Office, records: &[(u128, Vec<u8>)]) -> Vec<Outcome> {
        let first = self.sequence + 1;
        let incoming =
            |(sequence, (uuid, record)): (u64, &'_ (u128, Vec<u8>))| (sequence, Uuid::from_u128(*uuid), record.clone());
        let part: Vec<(u64, Uuid, Vec<u8>)> = (first..).zip(records).map(incoming).collect();
        let part: Vec<Incoming<'_>> =
            part.iter().map(|(sequence, uuid, record)| Incoming { sequence: *sequence, uuid: *uuid, record }).collect();
        self.sequence += records.len() as u64;
        self.replica.apply_all(&part, &office.epochs).unwrap()
    }

    fn recorded(&self) -> Vec<Event> {
        let records = Journal::open(&self.store).unwrap().list(.., ReadOrder::OldestFirst, usize::MAX).unwrap();
        records.iter().map(|record| record.content.event().unwrap().clone()).collect()
    }
}

fn said(event: &Event) -> String {
    let Event::People(event) = event else { panic!("{event:?}") };
    let name = event.person().and_then(Personal::known).and_then(|known| known.name.clone()).unwrap_or_default();
    let more = match event {
        PeopleEvent::Changed { what, .. } => format!(": {}", what.known().unwrap()),
        PeopleEvent::Renamed { before, .. } => format!(", before {}", before.known().unwrap()),
        PeopleEvent::Enrolled { templates, .. } => format!(" with {templates}"),
        _ => String::new(),
    };
    format!("{} {name}{more} by {}", event.kind(), event.by())
}

const CHANGED: Outcome = Outcome::Changed { removed: false, note: None };

#[test]
fn what_the_office_says_is_done_and_recorded() {
    let (dir, office) = (tempfile::tempdir().unwrap(), Office::new());
    let mut board = Board::open(dir.path(), &office);
    let steps = [
        body("Ada", 0.0),
        PersonBody { enabled: false, ..body("Ada", 0.0) },
        PersonBody { enabled: false, by: String::new(), ..body("Ada Lovelace", 0.0) },
        PersonBody {
            groups: vec!["staff".into()],
            valid_until: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400)),
            ..body("Ada Lovelace", 50.0)
        },
    ];
    for (version, body) in (1..).zip(&steps) {
        assert_eq!(board.apply(&office, 5, &office.person(5, version, body)), CHANGED);
    }
    // Sealed anew, and the same all over.
    assert_eq!(board.apply(&office, 5, &office.person(5, 5, &steps[3])), CHANGED);
    let person = board.gallery.people().pop().unwrap();
    assert_eq!((person.name.as_str(), person.enabled, person.templates), ("Ada Lovelace", true, 1));
    assert_eq!(board.apply(&office, 5, &office.forgotten(5, 6)), Outcome::Changed { removed: true, note: None });
    assert!(board.gallery.people().is_empty());
    let recorded: Vec<String> = board.recorded().iter().map(said).collect();
    assert_eq!(
        recorded,
        [
            "enrolled Ada with 1 by fleet/anna",
            "disabled Ada by fleet/anna",
            "renamed Ada Lovelace, before Ada by fleet",
            "changed Ada Lovelace: groups staff; valid from any time until 1970-01-02T00:00:00Z; 1 new templates; enabled by fleet/anna",
            "removed Ada Lovelace by fleet",
        ]
    );
    assert_eq!(board.replica.position().unwrap().sequence, 6);
    let entry = board.replica.holding().entry(Uuid::from_u128(5)).unwrap().unwrap();
    assert_eq!((entry.version, entry.state), (6, EntryState::Forgotten));
}

#[test]
fn a_local_person_stays_and_the_operator_is_told() {
    let (dir, office) = (tempfile::tempdir().unwrap(), Office::new());
    let mut board = Board::open(dir.path(), &office);
    let new = NewPerson { name: "Ada".into(), employee_id: Some("E1".into()), ..NewPerson::default() };
    let local = board.gallery.enroll(new, vec![template(0.0)]).unwrap();
    let wanted = PersonBody { employee_id: Some("E1".into()), ..body("Ada", 1.0) };
    let Outcome::Changed { note: Some(note), removed: false } = board.apply(&office, 5, &office.person(5, 1, &wanted))
    else {
        panic!()
    };
    for part in ["#1 is called Ada, too", "#1 has the employee id", "nearly the face of Ada (#1)"] {
        assert!(note.contains(part), "{note}");
    }
    assert_eq!(board.gallery.person(local.id).unwrap(), local);
    let other = board.gallery.person_of_fleet(Uuid::from_u128(5)).unwrap();
    let refused = board.register.remove(other, "anna".into()).unwrap_err().to_string();
    assert!(refused.contains("changed and removed at its office"), "{refused}");
    board.apply(&office, 5, &office.forgotten(5, 2));
    assert_eq!(board.gallery.people(), [local]);
}

#[test]
fn what_does_not_fit_is_refused_and_the_rest_goes_on() {
    let (dir, office) = (tempfile::tempdir().unwrap(), Office::new());
    let mut board = Board::open(dir.path(), &office);
    let mut broken = body("Ada", 0.0);
    broken.templates = vec![Zeroizing::new(vec![1, 2, 3])];
    for (version, wrong) in (1..).zip([broken, body("", 0.0), body("A\u{200B}da", 0.0)]) {
        let outcome = board.apply(&office, 5, &office.person(5, version, &wrong));
        assert!(matches!(outcome, Outcome::Refused(Why::Unfit(_))), "{outcome:?}");
    }
    assert_eq!(board.apply(&office, 6, &office.person(6, 1, &body("Bob", 0.0))), CHANGED);
    assert_eq!(board.replica.position().unwrap().sequence, 4);
    assert_eq!(board.recorded().len(), 1);
}

#[test]
fn a_change_that_cannot_be_written_is_not_made_and_succeeds_later() {
    let (dir, office) = (tempfile::tempdir().unwrap(), Office::new());
    let mut board = Board::open(dir.path(), &office);
    let record = office.person(5, 1, &body("Ada", 0.0));
    let incoming = Incoming { sequence: 1, uuid: Uuid::from_u128(5), record: &record };
    board.store.spare(u64::MAX);
    assert!(board.replica.apply(&incoming, &office.epochs).is_err());
    assert!(board.gallery.people().is_empty() && board.replica.count() == 0);
    assert_eq!(board.replica.position().unwrap().sequence, 0);
    board.store.spare(0);
    assert_eq!(board.replica.apply(&incoming, &office.epochs).unwrap(), CHANGED);
    assert_eq!((board.gallery.people().len(), board.recorded().len()), (1, 1));
}

#[test]
fn many_people_are_one_commit_with_a_record_each() {
    let (dir, office) = (tempfile::tempdir().unwrap(), Office::new());
    let mut board = Board::open(dir.path(), &office);
    let mut records: Vec<(u128, Vec<u8>)> = (1..=40)
        .map(|uuid| (uuid, office.person(uuid, 1, &body(&format!("person {uuid}"), uuid as f32 * 8.0))))
        .collect();
    records.insert(20, (50, office.person(50, 1, &body("", 0.0))));
    board.store.spare(u64::MAX);
    let sequence = board.sequence;
    let incoming: Vec<Incoming<'_>> = (sequence + 1..)
        .zip(&records)
        .map(|(sequence, (uuid, record))| Incoming { sequence, uuid: Uuid::from_u128(*uuid), record })
        .collect();
    assert!(board.replica.apply_all(&incoming, &office.epochs).is_err());
    assert!(board.gallery.people().is_empty() && board.replica.count() == 0);
    board.store.spare(0);
    let outcomes = board.apply_all(&office, &records);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == CHANGED).count(), 40);
    assert!(matches!(outcomes[20], Outcome::Refused(Why::Unfit(_))));
    let board = {
        drop((board.replica, board.register, board.gallery, board.store));
        Board::open(dir.path(), &office)
    };
    assert_eq!((board.gallery.people().len(), board.replica.count(), board.sequence), (40, 40, 41));
    let recorded: Vec<String> = board.recorded().iter().map(said).collect();
    assert_eq!((recorded.len(), recorded[39].as_str()), (40, "enrolled person 40 with 1 by fleet/anna"));
    let journal = Journal::open(&board.store).unwrap();
    assert_eq!(journal.verify().map(|sound| sound.records), Ok(40));
}

/// The child process of the next test: applies records until it is killed.
#[test]
#[ignore = "runs as a child of another test"]
fn applies_records_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let office = Office::new();
    let mut board = Board::open(Path::new(&folder), &office);
    for round in 0_u64.. {
        // Whoever was forgotten does not come back: somebody else does.
        let next = |first: u128| {
            let entry = |uuid: u128| board.replica.holding().entry(Uuid::from_u128(uuid)).unwrap();
            let is_there = |uuid: &u128| entry(*uuid).is_none_or(|held| held.state != EntryState::Forgotten);
            let uuid = (first..).step_by(7).find(is_there).unwrap();
            let version = entry(uuid).map_or(1, |held| held.version + 1);
            let record = match version % 4 {
                0 => office.forgotten(uuid, version),
                _ => office.person(uuid, version, &body(&format!("version {version}"), first as f32 * 20.0)),
            };
            (uuid, record)
        };
        let records: Vec<(u128, Vec<u8>)> = (0..7).map(next).collect();
        // By themselves, and in one commit.
        let outcomes = match round % 2 {
            0 => records.iter().map(|(uuid, record)| board.apply(&office, *uuid, record)).collect(),
            _ => board.apply_all(&office, &records),
        };
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Changed { .. })), "{outcomes:?}");
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nround {round}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn people_entries_position_and_journal_agree_after_a_kill() {
    let (dir, office) = (tempfile::tempdir().unwrap(), Office::new());
    for round in 0_u64..8 {
        let after = Duration::from_micros(round * 1900);
        kill_in_a_round("office::fleet_people_tests::applies_records_until_killed", FOLDER, dir.path(), after);
        let board = Board::open(dir.path(), &office);
        let mut versions = 0;
        for (uuid, entry) in board.replica.holding().entries().unwrap() {
            versions += entry.version;
            let person = board.gallery.person_of_fleet(uuid).map(|id| board.gallery.person(id).unwrap());
            let name = (entry.state == EntryState::Person).then(|| format!("version {}", entry.version));
            assert_eq!(person.map(|person| person.name), name, "round {round}");
        }
        assert!(versions > 7);
        assert_eq!(board.replica.position().unwrap().sequence, versions, "round {round}");
        assert_eq!(board.recorded().len() as u64, versions, "round {round}");
    }
}

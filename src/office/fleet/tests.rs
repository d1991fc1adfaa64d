//! Tests of the office's book.

use std::path::Path;
use std::time::SystemTime;

use super::protocol::{Enrolment, JournalMessage};
use super::{Book, BookError};
use crate::access::NearEnough;
use crate::domain::{DaemonEvent, Distance, Embedding, Event, ModelId, Quality, Stamp};
use crate::fleet::{
    AccessText, Board, BoardKey, FleetId, Gallery, GalleryKey, Lockdown, OfficeKey, Opened, PeopleRecord, Site,
};
use crate::gallery::{Template, write_template};
use crate::ledger::{Journal, ReadOrder};
use crate::store::Store;

const MODEL: &str = "net";

pub(crate) fn fleet() -> FleetId {
    FleetId(uuid::Uuid::from_u128(5))
}

pub(crate) fn key() -> OfficeKey {
    OfficeKey::from_bytes(&[7; 32])
}

pub(crate) fn berlin() -> Site {
    "berlin".parse().unwrap()
}

pub(crate) fn gallery() -> Gallery {
    Gallery::from(&berlin())
}

pub(crate) fn board(name: &str) -> Board {
    name.parse().unwrap()
}

/// A template at an angle on a circle.
pub(crate) fn template(degrees: f32) -> Vec<u8> {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let embedding = Embedding::normalised(ModelId::new(MODEL), vec![cos, sin, 0.0, 0.0].into()).unwrap();
    write_template(&Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH })
}

pub(crate) fn somebody(name: &str, degrees: f32) -> Enrolment {
    Enrolment {
        site: berlin(),
        name: name.into(),
        employee_id: None,
        groups: vec!["staff".into()],
        model: MODEL.into(),
        templates: vec![template(degrees)],
        beside: Vec::new(),
        labels: vec![format!("{name}.jpg")],
        force: false,
    }
}

/// The records of a board's new journal, as they travel.
pub(crate) fn messages(count: usize) -> Vec<JournalMessage> {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&Store::open(dir.path()).unwrap()).unwrap();
    for _ in 0..count {
        let event = Event::Daemon(DaemonEvent::Stopped { reason: "because".into() });
        journal.append(&event, &Stamp::at(SystemTime::now())).unwrap();
    }
    let records = journal.list(.., ReadOrder::OldestFirst, count).unwrap();
    records.iter().map(|record| JournalMessage::new(record.seq - 1, record.to_json())).collect()
}

pub(crate) fn open(dir: &Path) -> Result<Book, BookError> {
    let store = Store::open(&dir.join("store")).unwrap();
    Book::open(&store, &dir.join("keys"), fleet(), key(), NearEnough::Fixed(Distance(0.2)))
}

/// A book with a board at Berlin.
fn book(dir: &Path) -> Book {
    let mut book = open(dir).unwrap();
    let key = BoardKey::from_bytes(&[3; 32]);
    book.add_board(&board("front"), &berlin(), key.public(), "credential".into(), 0).unwrap();
    book
}

fn refused<T>(result: Result<T, BookError>) -> String {
    result.err().unwrap().to_string()
}

#[test]
fn who_may_pass_is_said_without_ordering_a_lockdown_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path());
    let rules = |text: &str| Some(AccessText { text: text.to_owned(), holidays: Default::default() });
    let unknown = refused(book.say_who_passes(&"paris".parse().unwrap(), rules("[[permit]]"), "anna", 1));
    assert!(unknown.contains("there is no site paris"), "{unknown}");
    assert!(refused(book.say_who_passes(&berlin(), None, "anna", 2)).contains("no rules of its own"));
    book.lockdown(&berlin(), Lockdown { group: None, by: "bob".into() }, 5).unwrap();
    let before = book.rules[&berlin()].body.clone();
    let version = book.say_who_passes(&berlin(), rules("[[permit]]"), "anna", 9).unwrap();
    let after = book.rules[&berlin()].body.clone();
    assert_eq!((after.version, after.since_ms, &after.lockdown), (version, before.since_ms, &before.lockdown));
    assert!(!after.orders_anew(Some(&before)) && after.replace(Some(&before)));
    let access = after.access.clone().unwrap();
    assert_eq!((access.version, access.since_ms, &*access.by), (version, 9, "anna"));
    // A lockdown that ends later leaves them alone, and a restart, too.
    book.end_lockdown(&berlin(), "eve", 12).unwrap();
    assert_eq!(book.rules[&berlin()].body.lockdown_ended_by.as_deref(), Some("eve"));
    drop(book);
    let mut book = open(dir.path()).unwrap();
    assert_eq!(book.rules[&berlin()].body.access, Some(access));
    book.say_who_passes(&berlin(), None, "bob", 20).unwrap();
    let cleared = book.rules[&berlin()].body.access.clone().unwrap();
    assert_eq!((cleared.rules, &*cleared.by), (None, "bob"));
}

#[test]
fn what_the_office_did_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let digest = {
        let mut book = book(dir.path());
        book.enroll(somebody("Ada", 0.0), "anna").unwrap();
        book.enroll(somebody("Bob", 90.0), "anna").unwrap();
        book.forget(&berlin(), "Bob", 0).unwrap();
        book.end_epochs(&gallery()).unwrap();
        book.lockdown(&berlin(), Lockdown { group: None, by: "anna".into() }, 5).unwrap();
        book.galleries[&gallery()].digest.value()
    };
    let book = open(dir.path()).unwrap();
    let people = &book.galleries[&gallery()];
    assert_eq!((people.digest.value(), people.entries.len(), people.enrolled().count()), (digest, 2, 1));
    assert!(book.rules[&berlin()].body.lockdown.is_some());
    assert_eq!(book.boards[&board("front")].site, berlin());
}

#[test]
fn forgetting_destroys_the_key_and_keeps_all_others_readable() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path());
    book.enroll(somebody("Ada", 0.0), "anna").unwrap();
    let bob = book.enroll(somebody("Bob", 90.0), "anna").unwrap();
    let before = book.galleries[&gallery()].entries[&bob].signed.clone();
    let old = book.keys.get(&gallery(), 1).unwrap().clone();
    book.forget(&berlin(), "Bob", 0).unwrap();
    while book.end_some().unwrap() {}
    // Only the new key is left, in memory and on disk.
    assert_eq!(book.keys.epochs(&gallery()), [2]);
    let digits = super::key_file::hex(&*old.to_bytes());
    assert!(!std::fs::read_to_string(dir.path().join("keys")).unwrap().contains(&digits));
    let Ok(Opened::Body(PeopleRecord::Person(bob))) = key().public().open(fleet(), &before) else { panic!() };
    assert!(bob.open(fleet(), &old).is_ok(), "the record itself was sound");
    assert!(bob.open(fleet(), book.keys.get(&gallery(), 2).unwrap()).is_err());
    // The board gets the new key, and Ada's record opens with it.
    let Ok(Opened::Body(sealed)) = key().public().open::<GalleryKey>(fleet(), &book.board_keys[&board("front")]) else {
        panic!()
    };
    let new = sealed.open(fleet(), &BoardKey::from_bytes(&[3; 32])).unwrap();
    assert_eq!(sealed.epoch, 2);
    let people = &book.galleries[&gallery()];
    let ada = people.entries.values().find_map(|entry| match &entry.record {
        PeopleRecord::Person(person) => Some(person),
        PeopleRecord::Forgotten(_) => None,
    });
    let ada = ada.unwrap();
    assert_eq!((ada.open(fleet(), &new).unwrap().name, ada.version, ada.epoch), ("Ada".into(), 2, 2));
}

#[test]
fn a_stop_in_the_middle_of_a_new_epoch_is_ended_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    {
        let mut book = book(dir.path());
        book.enroll(somebody("Ada", 0.0), "anna").unwrap();
        book.begin_epoch(&gallery(), Vec::new()).unwrap();
        assert_eq!(book.keys.epochs(&gallery()), [1, 2]);
    }
    let book = open(dir.path()).unwrap();
    assert_eq!(book.keys.epochs(&gallery()), [2]);
    assert!(book.galleries[&gallery()].entries.values().all(|entry| entry.record.version() == 2));
}

#[test]
fn a_face_or_a_name_that_is_somebodys_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path());
    book.enroll(somebody("Ada", 0.0), "anna").unwrap();
    assert!(refused(book.enroll(somebody("Ada", 90.0), "anna")).contains("already enrolled"));
    assert!(refused(book.enroll(somebody("Bob", 2.0), "anna")).contains("this may be Ada"));
    assert!(book.enroll(Enrolment { force: true, ..somebody("Bob", 2.0) }, "anna").is_ok());
    let two = Enrolment { templates: vec![template(180.0), template(270.0)], ..somebody("Eve", 0.0) };
    assert!(refused(book.enroll(two, "anna")).contains("does not look like"));
    assert!(
        refused(book.enroll(Enrolment { templates: vec![vec![1, 2]], ..somebody("Eve", 0.0) }, "anna"))
            .contains("read")
    );
    assert!(
        refused(book.enroll(Enrolment { model: "other".into(), ..somebody("Eve", 180.0) }, "anna")).contains("model")
    );
    assert!(
        refused(book.enroll(Enrolment { site: "bonn".parse().unwrap(), ..somebody("Eve", 180.0) }, "anna"))
            .contains("invite")
    );
    assert!(refused(book.forget(&berlin(), "Eve", 0)).contains("nobody"));
}

#[test]
fn an_invitation_that_is_not_used_is_over_after_an_hour() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path());
    let hour = super::INVITATION_MS;
    assert!(book.overdue(hour).is_empty());
    assert_eq!(book.overdue(hour + 1), [board("front")]);
    book.board_heard(&board("front")).unwrap();
    assert!(book.overdue(hour + 1).is_empty());
}

#[test]
fn a_uuid_names_one_person_whatever_somebody_else_is_called() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path());
    let ada = book.enroll(somebody("Ada", 0.0), "anna").unwrap();
    book.enroll(somebody(&ada.to_string(), 90.0), "anna").unwrap();
    for query in [ada.to_string(), ada.to_string().to_uppercase(), format!(" {} ", ada.simple())] {
        assert_eq!(book.meant(&gallery(), &query).unwrap(), ada, "{query}");
    }
}

//! Tests of what boards ask of the office.

use std::path::Path;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::requests::Decision;
use super::tests::{berlin, board, fleet, gallery, key, open, somebody, template};
use super::{Book, BookError};
use crate::domain::ModelId;
use crate::fleet::{
    Answered, Ask, BoardKey, BoardRequest, Gallery, Opened, PersonBody, RequestKey, RequestKind, RequestPlace, Site,
    Verdict,
};

const ADA: Uuid = Uuid::from_u128(100);

fn front() -> BoardKey {
    BoardKey::from_bytes(&[3; 32])
}

/// A book with two boards at Berlin and one in Rome.
fn book(dir: &Path) -> Book {
    let mut book = open(dir).unwrap();
    for (name, site, secret) in [("front", berlin(), 3), ("side", berlin(), 4), ("gate", rome(), 5)] {
        let key = BoardKey::from_bytes(&[secret; 32]);
        book.add_board(&board(name), &site, key.public(), "credential".into(), 0).unwrap();
    }
    book
}

fn rome() -> Site {
    "rome".parse().unwrap()
}

fn place(name: &str, uuid: Uuid) -> RequestPlace {
    RequestPlace { site: berlin(), board: board(name), kind: RequestKind::Person, uuid }
}

fn enroll(name: &str, degrees: f32) -> Ask {
    let templates = vec![Zeroizing::new(template(degrees))];
    let person = PersonBody { name: name.into(), enabled: true, templates, ..PersonBody::default() };
    Ask::Enroll { model: ModelId::new("net"), person }
}

/// Of the board at the front.
fn sealed(uuid: Uuid, number: u64, ask: Ask) -> Vec<u8> {
    let request = BoardRequest { number, by: "otto".into(), ask };
    request.seal(fleet(), &place("front", uuid), &front(), &RequestKey::of(&key()).public()).unwrap()
}

fn take(book: &mut Book, uuid: Uuid, number: u64, ask: Ask) -> bool {
    book.take_request(&place("front", uuid), &sealed(uuid, number, ask), number).unwrap()
}

/// What the board hears about somebody.
fn verdict(book: &Book, uuid: Uuid) -> Option<Verdict> {
    let answers = book.answers.get(&board("front"))?;
    let Ok(Opened::Body(read)) = key().public().open::<crate::fleet::Answers>(fleet(), &answers.signed) else {
        panic!("not signed by the office")
    };
    let all: Vec<Answered> = read.open(fleet(), &front()).unwrap();
    all.into_iter().find(|answer| answer.uuid == uuid).map(|answer| answer.verdict)
}

fn enabled(book: &Book, uuid: Uuid) -> Option<bool> {
    book.galleries[&gallery()].entries.get(&uuid)?.who.as_ref().map(|who| who.body.enabled)
}

fn refusal(book: &Book, uuid: Uuid) -> String {
    match verdict(book, uuid) {
        Some(Verdict::Refused { why }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn somebody_new_is_taken_in_once_by_the_uuid_that_the_board_chose() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path());
    assert!(take(&mut book, ADA, 10, enroll("Ada", 0.0)));
    assert_eq!(verdict(&book, ADA), Some(Verdict::Done));
    let digest = book.galleries[&gallery()].digest.value();
    let by = &book.galleries[&gallery()].entries[&ADA].who.as_ref().unwrap().body.by;
    assert_eq!(by, "otto at front");
    // Repeated, late, and with a higher number.
    assert!(!take(&mut book, ADA, 10, enroll("Ada", 0.0)));
    assert!(!take(&mut book, ADA, 9, enroll("Eve", 90.0)));
    assert!(take(&mut book, ADA, 11, enroll("Ada", 0.0)));
    assert_eq!(book.galleries[&gallery()].digest.value(), digest);
    // After a restart, too.
    drop(book);
    let mut book = open(dir.path()).unwrap();
    assert!(!take(&mut book, ADA, 11, enroll("Eve", 90.0)));
    assert_eq!((book.galleries[&gallery()].digest.value(), verdict(&book, ADA)), (digest, Some(Verdict::Done)));
}

#[test]
fn requests_in_any_order_come_to_one_end() {
    let asks = [(10, enroll("Ada", 0.0)), (11, Ask::Disable), (12, Ask::Enable), (13, Ask::Disable)];
    for order in [[0, 1, 2, 3], [0, 3, 2, 1], [0, 3, 0, 3], [0, 2, 3, 1]] {
        let dir = tempfile::tempdir().unwrap();
        let mut book = book(dir.path());
        for at in order {
            let (number, ask) = asks[at].clone();
            take(&mut book, ADA, number, ask);
        }
        assert_eq!(enabled(&book, ADA), Some(false), "{order:?}");
    }
}

#[test]
fn a_possible_duplicate_is_refused_until_somebody_insists() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path());
    book.enroll(somebody("Ada", 0.0), "anna").unwrap();
    let roman = super::protocol::Enrolment { site: rome(), ..somebody("Cleo", 180.0) };
    book.enroll(roman, "anna").unwrap();
    let (bob, eve) = (Uuid::from_u128(1), Uuid::from_u128(2));
    take(&mut book, bob, 10, enroll("Bob", 1.0));
    assert!(refusal(&book, bob).contains("this may be Ada"), "{}", refusal(&book, bob));
    // A board does not hear who is enrolled elsewhere; the office does.
    take(&mut book, eve, 10, enroll("Eve", 181.0));
    assert!(refusal(&book, eve).contains("another site") && !refusal(&book, eve).contains("Cleo"));
    let rows = book.open_requests();
    assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["Bob", "Eve"]);
    assert!(rows[1].why.contains("Cleo") && !rows[1].waits && rows[1].board == "front");

    let mut decide = |who: &str, force| book.decide_request(who, Decision::Accept { force }, "anna", 20);
    let may_force = decide("Bob", false).unwrap_err();
    assert!(may_force.may_force(), "{may_force}");
    assert!(matches!(decide("Zoe", true), Err(BookError::Refused(_))));
    decide("Bob", true).unwrap();
    assert_eq!((verdict(&book, bob), enabled(&book, bob)), (Some(Verdict::Done), Some(true)));
    book.decide_request(&eve.to_string(), Decision::Refuse { why: "not ours" }, "anna", 21).unwrap();
    assert_eq!(refusal(&book, eve), "not ours");
    assert!(book.open_requests().is_empty());
}

#[test]
fn where_the_office_decides_nobody_is_taken_in_before_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path());
    book.decides = true;
    take(&mut book, ADA, 10, enroll("Ada", 0.0));
    assert_eq!((verdict(&book, ADA), enabled(&book, ADA)), (Some(Verdict::Waits), None));
    assert!(book.open_requests()[0].waits);
    book.decide_request("Ada", Decision::Accept { force: false }, "anna", 20).unwrap();
    assert_eq!((verdict(&book, ADA), enabled(&book, ADA)), (Some(Verdict::Done), Some(true)));
    // One that nobody decides is deleted.
    let eve = Uuid::from_u128(2);
    take(&mut book, eve, 30, enroll("Eve", 90.0));
    book.let_requests_expire(30 + super::requests::OPEN_FOR_MS).unwrap();
    assert_eq!(book.open_requests().len(), 1);
    book.let_requests_expire(31 + super::requests::OPEN_FOR_MS).unwrap();
    assert!(book.open_requests().is_empty() && refusal(&book, eve).contains("30 days"));
}

#[test]
fn a_board_disables_anybody_of_its_site_and_enables_only_whom_it_has_disabled() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path());
    let ada = book.enroll(somebody("Ada", 0.0), "anna").unwrap();
    take(&mut book, ada, 10, Ask::Disable);
    assert_eq!((enabled(&book, ada), verdict(&book, ada)), (Some(false), Some(Verdict::Done)));
    take(&mut book, ada, 11, Ask::Enable);
    assert_eq!(enabled(&book, ada), Some(true));
    book.set_enabled(&berlin(), "Ada", false, "anna").unwrap();
    take(&mut book, ada, 12, Ask::Enable);
    assert_eq!(enabled(&book, ada), Some(false));
    assert!(refusal(&book, ada).contains("usher fleet enable"));
    // Somebody who was removed at the door before the board knew that they were taken in.
    let eve = Uuid::from_u128(2);
    take(&mut book, eve, 10, enroll("Eve", 90.0));
    take(&mut book, eve, 11, Ask::Withdraw);
    assert_eq!((enabled(&book, eve), verdict(&book, eve)), (Some(false), Some(Verdict::Done)));
    // Of another site.
    let roman = super::protocol::Enrolment { site: rome(), ..somebody("Cleo", 180.0) };
    let cleo = book.enroll(roman, "anna").unwrap();
    take(&mut book, cleo, 10, Ask::Disable);
    assert!(refusal(&book, cleo).contains("another site"));
    assert!(book.galleries[&Gallery::from(&rome())].entries[&cleo].who.as_ref().unwrap().body.enabled);
}

#[test]
fn only_the_board_itself_asks_and_a_forgotten_person_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path());
    let bytes = sealed(ADA, 10, enroll("Ada", 0.0));
    // The server, or another board, puts it where it does not belong.
    assert!(!book.take_request(&place("side", ADA), &bytes, 10).unwrap());
    assert!(!book.take_request(&place("front", Uuid::from_u128(9)), &bytes, 10).unwrap());
    assert!(!book.take_request(&place("front", ADA), &bytes[..bytes.len() - 1], 10).unwrap());
    assert!(!book.take_request(&place("front", ADA), b"noise", 10).unwrap());
    assert_eq!(enabled(&book, ADA), None);

    take(&mut book, ADA, 10, enroll("Ada", 0.0));
    take(&mut book, Uuid::from_u128(2), 10, enroll("Adam", 1.0));
    assert!(refusal(&book, Uuid::from_u128(2)).contains("Ada,"));
    book.forget(&berlin(), "Ada", 11).unwrap();
    assert!(!refusal(&book, Uuid::from_u128(2)).contains("Ada"));
    take(&mut book, ADA, 12, enroll("Ada", 0.0));
    assert_eq!(enabled(&book, ADA), None);
    assert!(refusal(&book, ADA).contains("forgotten"));

    book.revoke(&board("front")).unwrap();
    assert!(!take(&mut book, Uuid::from_u128(3), 20, enroll("Eve", 90.0)));
    assert!(book.requests.is_empty() && book.answers.is_empty());
    assert!(open_again(book, dir.path()).requests.is_empty());
}

fn open_again(book: Book, dir: &Path) -> Book {
    drop(book);
    open(dir).unwrap()
}

#[test]
fn an_answer_that_gave_way_is_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path());
    take(&mut book, ADA, 1, Ask::Disable);
    for n in 0..crate::fleet::MAX_ANSWERS as u128 {
        take(&mut book, Uuid::from_u128(1000 + n), 2, Ask::Withdraw);
    }
    assert_eq!(verdict(&book, ADA), None);
    assert!(book.take_request(&place("front", ADA), &sealed(ADA, 1, Ask::Disable), 3).unwrap());
    assert!(refusal(&book, ADA).contains("nobody"));
    assert!(!book.take_request(&place("front", ADA), &sealed(ADA, 1, Ask::Disable), 4).unwrap());
}

#[test]
fn a_request_with_texts_of_any_length_keeps_no_other_from_being_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path());
    let request = BoardRequest { number: 10, by: "o".repeat(380 * 1024), ask: enroll("Ada", 0.0) };
    let sealed = request.seal(fleet(), &place("front", ADA), &front(), &RequestKey::of(&key()).public()).unwrap();
    assert!(book.take_request(&place("front", ADA), &sealed, 10).unwrap());
    assert_eq!(verdict(&book, ADA), Some(Verdict::Done));
    let by = book.galleries[&gallery()].entries[&ADA].who.as_ref().unwrap().body.by.clone();
    assert!(by.len() < 1000 && by.ends_with(" at front"), "{by}");
    book.forget(&berlin(), "Ada", 11).unwrap();
    // A model with such a name, where there is none yet.
    let bob = Uuid::from_u128(2);
    let Ask::Enroll { person, .. } = enroll("Bob", 90.0) else { panic!() };
    assert!(!take(&mut book, bob, 10, Ask::Enroll { model: ModelId::new(&"m".repeat(130_000)), person }));
    assert_eq!((enabled(&book, bob), verdict(&book, bob)), (None, None));
    assert!(take(&mut book, Uuid::from_u128(3), 10, enroll("Eve", 180.0)));
}

#[test]
fn what_waits_for_a_decision_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path());
    book.decides = true;
    let kept = |book: &Book| book.requests.values().filter(|kept| !kept.sealed.is_empty()).count();
    // Nobody could ever decide for it.
    let Ask::Enroll { model, person } = enroll("Ada", 0.0) else { panic!() };
    let empty = PersonBody { templates: Vec::new(), ..person.clone() };
    assert!(take(&mut book, ADA, 10, Ask::Enroll { model: model.clone(), person: empty }));
    assert!(refusal(&book, ADA).contains("photographs") && kept(&book) == 0);
    // A quarter of a megabyte each: of a few dozen, the last ones are refused.
    let large = PersonBody { groups: vec!["g".repeat(20); 11_000], ..person };
    for number in 0..40 {
        take(
            &mut book,
            Uuid::from_u128(1000 + number),
            10,
            Ask::Enroll { model: model.clone(), person: large.clone() },
        );
    }
    assert!((20..40).contains(&kept(&book)), "{}", kept(&book));
    assert!(refusal(&book, Uuid::from_u128(1039)).contains("too many requests"));
}

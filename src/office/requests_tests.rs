//! Tests of a board that asks its fleet's office, with a real book at the other end: what is enrolled and disabled at the board, lost and repeated
//! messages, and what is left on both sides.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tempfile::TempDir;
use uuid::Uuid;

use super::fleet::tests::{berlin, board, fleet, gallery as of_berlin, key, open, somebody};
use super::fleet::{Book, Decision};
use super::{Asked, Enrolment, FleetPeople, OfficeError, Recorder, Register, Requests, Which, Wish};
use crate::access::NearEnough;
use crate::clock::SystemClock;
use crate::domain::{Actor, Distance, Embedding, Event, ModelId, PersonId, Quality};
use crate::fleet::{
    Answers, Birth, BoardKey, BoardRequest, Epochs, Incoming, Opened, Outcome, Reader, Replica, RequestKey,
    RequestPlace, Verdict,
};
use crate::gallery::{Gallery, NewPerson, Template};
use crate::ledger::{Journal, ReadOrder};
use crate::seal::Ring;
use crate::store::Store;

/// A board and an office, and what lies between them.
struct Both {
    book: Book,
    register: Register,
    replica: Replica<FleetPeople>,
    gallery: Arc<Gallery>,
    store: Store,
    sequence: u64,
    _folders: [TempDir; 2],
}

/// What the board has sent.
type Sent = Vec<(RequestPlace, Vec<u8>)>;

fn secret() -> BoardKey {
    BoardKey::from_bytes(&[3; 32])
}

fn template(degrees: f32) -> Template {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let embedding = Embedding::normalised(ModelId::new("net"), vec![cos, sin, 0.0, 0.0].into()).unwrap();
    Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH }
}

fn by() -> Actor {
    Actor::Operator("otto".into())
}

fn register(folder: &Path, enrolls: bool) -> (Store, Arc<Gallery>, Register) {
    let store = Store::open(folder).unwrap();
    let gallery = Arc::new(Gallery::open(&store, &Arc::new(Ring::plain()), ModelId::new("net"), 4).unwrap());
    let recorder = Arc::new(Recorder::new(&store, Journal::open(&store).unwrap(), Arc::new(SystemClock::new())));
    let register = Register::new(gallery.clone(), recorder, NearEnough::Fixed(Distance(0.2)));
    let register = register.in_fleet(Requests::open(&store).unwrap(), enrolls);
    (store, gallery, register)
}

impl Both {
    fn new() -> Both {
        Both::with(true)
    }

    fn with(enrolls: bool) -> Both {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let mut book = open(folders[0].path()).unwrap();
        book.add_board(&board("front"), &berlin(), secret().public(), "credential".into(), 0).unwrap();
        let (store, gallery, register) = register(folders[1].path(), enrolls);
        let reader =
            Reader { fleet: fleet(), gallery: of_berlin(), model: ModelId::new("net"), office: key().public() };
        let mut replica =
            Replica::open(reader, FleetPeople::open(register.clone(), ModelId::new("net")).unwrap()).unwrap();
        replica.begin(Birth(1), 0);
        replica.caught_up(None).unwrap();
        replica.begin(Birth(1), u64::MAX);
        Both { book, register, replica, gallery, store, sequence: 0, _folders: folders }
    }

    fn enroll(&self, name: &str, degrees: f32) -> PersonId {
        let person = NewPerson { name: name.into(), groups: vec!["staff".into()], ..NewPerson::default() };
        let templates = vec![template(degrees)];
        self.register.enroll(Enrolment { person, templates, labels: Vec::new(), force: false, by: by() }).unwrap().id
    }

    /// Puts what the board sends on its way.
    fn sent(&self, which: Which) -> Sent {
        let seal = |(id, asked, ask): (super::AskedId, Asked, crate::fleet::Ask)| {
            let place = RequestPlace { site: berlin(), board: board("front"), kind: id.kind, uuid: id.uuid };
            let request = BoardRequest { number: asked.number, by: asked.by.to_string(), ask };
            let sealed = request.seal(fleet(), &place, &secret(), &RequestKey::of(&key()).public()).unwrap();
            (place, sealed)
        };
        self.register.requests_due(which).unwrap().into_iter().map(seal).collect()
    }

    fn arrives(&mut self, sent: &Sent) {
        for (place, bytes) in sent {
            self.book.take_request(place, bytes, 1).unwrap();
        }
    }

    /// The board reads the office's answers.
    fn answered(&self) -> u64 {
        let Some(answers) = self.book.answers.get(&board("front")) else { return 0 };
        let Ok(Opened::Body(answers)) = key().public().open::<Answers>(fleet(), &answers.signed) else { panic!() };
        self.register.take_answers(&answers.open(fleet(), &secret()).unwrap()).unwrap()
    }

    /// The board reads the records of everybody.
    fn read(&mut self) {
        let mut epochs = Epochs::default();
        for epoch in self.book.keys.epochs(&of_berlin()) {
            epochs.insert(epoch, self.book.keys.get(&of_berlin(), epoch).unwrap().clone());
        }
        let all: Vec<(Uuid, Vec<u8>)> = self.book.galleries[&of_berlin()]
            .entries
            .iter()
            .map(|(uuid, entry)| (*uuid, entry.signed.clone()))
            .collect();
        for (uuid, record) in all {
            self.sequence += 1;
            let incoming = Incoming { sequence: self.sequence, uuid, record: &record };
            let outcome = self.replica.apply(&incoming, &epochs).unwrap();
            assert!(!matches!(outcome, Outcome::Refused(_) | Outcome::Waits { .. }), "{outcome:?}");
        }
    }

    /// Everything goes to and fro.
    fn talk(&mut self) {
        let sent = self.sent(Which::All);
        self.arrives(&sent);
        self.answered();
        self.read();
    }

    fn agree(&self) -> bool {
        self.replica.digest() == self.book.galleries[&of_berlin()].digest.value()
    }

    fn asked(&self) -> Vec<Asked> {
        Requests::open(&self.store).unwrap().all().unwrap().into_iter().map(|(_, asked)| asked).collect()
    }

    fn kinds(&self) -> Vec<String> {
        let records = Journal::open(&self.store).unwrap().list(.., ReadOrder::OldestFirst, usize::MAX).unwrap();
        let kind = |event: &Event| match event {
            Event::People(event) => format!("{} by {}", event.kind(), event.by()),
            other => panic!("{other:?}"),
        };
        records.iter().map(|record| kind(record.content.event().unwrap())).collect()
    }

    fn enabled_at_office(&self, uuid: Uuid) -> bool {
        self.book.galleries[&of_berlin()].entries[&uuid].who.as_ref().unwrap().body.enabled
    }

    fn set_enabled(&self, id: PersonId, enabled: bool) -> Result<bool, OfficeError> {
        self.register.set_enabled(id, enabled, by()).map(|person| person.enabled)
    }
}

#[test]
fn who_is_enrolled_at_a_door_becomes_the_fleets_with_number_and_templates() {
    let mut both = Both::new();
    let ada = both.enroll("Ada", 0.0);
    let person = both.gallery.person(ada).unwrap();
    assert!(person.enabled && person.uuid.is_none() && both.gallery.people_of_fleet() == 0, "here alone at once");
    assert_eq!(both.register.asked().unwrap()[&ada].wish, Wish::Enroll { person: ada });
    // The first message is lost, the second comes twice.
    let lost = both.sent(Which::New);
    assert_eq!((lost.len(), both.sent(Which::New).len(), both.sent(Which::Changed).len()), (1, 0, 0));
    let again = both.sent(Which::All);
    both.arrives(&again);
    both.arrives(&again);
    both.arrives(&lost);
    assert_eq!(both.answered(), 0);
    both.read();
    let person = both.gallery.person(ada).unwrap();
    assert_eq!((person.name.as_str(), person.templates, &person.groups[..]), ("Ada", 1, &["staff".to_owned()][..]));
    assert_eq!((person.uuid, both.gallery.people().len()), (Some(again[0].0.uuid), 1));
    assert!(both.agree() && both.asked().is_empty() && both.sent(Which::All).is_empty());
    assert_eq!(both.kinds(), ["enrolled by otto", "changed by fleet/otto at front"]);
    assert_eq!(both.gallery.nearest(&template(0.0).embedding).unwrap().unwrap().person, ada);
    // From now on the office alone changes them.
    assert!(both.register.rename(ada, "Eve", by()).is_err());
    both.talk();
    assert!(both.agree());
}

#[test]
fn an_edit_before_the_answer_is_sent_and_a_refusal_is_told() {
    let mut both = Both::new();
    both.book.enroll(somebody("Ada", 0.0), "anna").unwrap();
    let (bob, first) = (both.enroll("Bob", 2.0), both.sent(Which::New));
    both.arrives(&first);
    assert_eq!((both.answered(), both.answered()), (1, 0));
    let Some(Verdict::Refused { why }) = &both.register.asked().unwrap()[&bob].verdict else { panic!() };
    assert!(why.contains("this may be Ada"), "{why}");
    assert!(both.sent(Which::All).is_empty(), "a refusal is final");
    both.read();
    assert_eq!(both.gallery.people().len(), 2, "Bob stays a person of this board");
    // It is asked again when something about Bob has changed.
    both.register.rename(bob, "Robert", by()).unwrap();
    let second = both.sent(Which::Changed);
    assert_eq!(second.len(), 1);
    both.arrives(&second);
    // Repeated and late messages change nothing.
    both.arrives(&first);
    assert_eq!(both.book.open_requests()[0].name, "Robert");
    both.book.decide_request("Robert", Decision::Accept { force: true }, "anna", 9).unwrap();
    both.answered();
    both.read();
    assert!(both.agree() && both.asked().is_empty());
    assert_eq!(both.gallery.person(bob).unwrap().uuid, Some(first[0].0.uuid));
    assert_eq!(both.kinds().last().unwrap(), "changed by fleet/anna, asked by otto at front");
}

#[test]
fn disabling_somebody_of_the_fleet_works_at_once_and_travels() {
    let mut both = Both::new();
    let uuid = both.book.enroll(somebody("Ada", 0.0), "anna").unwrap();
    both.read();
    let ada = both.gallery.person_of_fleet(uuid).unwrap();
    assert!(!both.set_enabled(ada, false).unwrap());
    // The office says something else of Ada meanwhile: she stays disabled here.
    both.book.change_person(&of_berlin(), uuid, "anna", Vec::new(), |body| body.groups.clear()).unwrap();
    both.read();
    let person = both.gallery.person(ada).unwrap();
    assert!(!person.enabled && person.groups.is_empty() && both.agree());
    assert!(both.enabled_at_office(uuid));
    // A mistake is taken back before the office has heard of it.
    assert!(both.set_enabled(ada, true).unwrap());
    both.talk();
    assert!(both.enabled_at_office(uuid) && both.gallery.person(ada).unwrap().enabled && both.asked().is_empty());

    assert!(!both.set_enabled(ada, false).unwrap());
    both.talk();
    assert!(!both.enabled_at_office(uuid) && !both.gallery.person(ada).unwrap().enabled && both.asked().is_empty());
    assert!(both.set_enabled(ada, true).is_err(), "the office has disabled her: only it lets doors open again");
    both.book.set_enabled(&berlin(), "Ada", true, "anna").unwrap();
    both.read();
    assert!(both.gallery.person(ada).unwrap().enabled && both.agree());
    let expected = ["enrolled", "disabled", "changed", "enabled", "disabled", "enabled"];
    let kinds: Vec<String> = both.kinds().iter().map(|kind| kind.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(kinds, expected);
}

#[test]
fn who_was_disabled_or_removed_before_the_answer_came_passes_nowhere() {
    let mut both = Both::new();
    let (ada, eve) = (both.enroll("Ada", 0.0), both.enroll("Eve", 90.0));
    let sent = both.sent(Which::New);
    both.arrives(&sent);
    // The office has taken both; the board does not know it yet.
    both.set_enabled(ada, false).unwrap();
    both.register.remove(eve, by()).unwrap();
    both.answered();
    both.read();
    assert!(both.gallery.people().iter().all(|person| !person.enabled), "{:?}", both.gallery.people());
    assert_eq!(both.gallery.people().len(), 2);
    both.talk();
    both.talk();
    for entry in both.book.galleries[&of_berlin()].entries.values() {
        assert!(!entry.who.as_ref().unwrap().body.enabled);
    }
    assert!(both.agree() && both.asked().is_empty(), "{:?}", both.asked());
    // Removed before anything was sent: the office never hears of them.
    let mut both = Both::new();
    let eve = both.enroll("Eve", 90.0);
    both.register.remove(eve, by()).unwrap();
    both.talk();
    both.talk();
    assert!(both.book.galleries[&of_berlin()].entries.is_empty() && both.asked().is_empty());
}

#[test]
fn who_was_forgotten_before_the_board_knew_of_it_is_erased_there() {
    let mut both = Both::new();
    let ada = both.enroll("Ada", 0.0);
    let sent = both.sent(Which::New);
    both.arrives(&sent);
    both.book.forget(&berlin(), "Ada", 0).unwrap();
    both.read();
    assert!(both.gallery.person(ada).is_err() && both.asked().is_empty() && both.agree());
    assert_eq!(both.kinds(), ["enrolled by otto", "removed by fleet"]);
}

#[test]
fn a_board_that_does_not_ask_keeps_its_people() {
    let mut both = Both::with(false);
    both.enroll("Ada", 0.0);
    both.talk();
    assert!(both.asked().is_empty() && both.book.galleries[&of_berlin()].entries.is_empty());
    assert_eq!(both.gallery.people_of_fleet(), 0);
}

#[test]
fn what_waits_is_bounded_and_numbers_rise_although_the_clock_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let requests = Requests::open(&store).unwrap();
    let id = |n: u128| super::AskedId { kind: crate::fleet::RequestKind::Person, uuid: Uuid::from_u128(n) };
    let ask = |n: u128, at: SystemTime| {
        let changes = requests.ask(id(n), Wish::Disable { person: PersonId(1) }, &by(), at)?;
        store.commit(&changes).unwrap();
        Ok::<u64, super::AskError>(requests.get(id(n)).unwrap().unwrap().number)
    };
    let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(5000);
    assert_eq!((ask(1, now).unwrap(), ask(1, SystemTime::UNIX_EPOCH).unwrap()), (5000, 5001));
    for n in 2..=1000 {
        ask(n, now).unwrap();
    }
    assert!(matches!(ask(1001, now), Err(super::AskError::TooMany)));
    assert!(ask(1, now).is_ok(), "what is asked already can be asked anew");
}

//! Tests of the office, with servers in memory.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use tokio::time::timeout;

use super::answers::answer;
use super::book::{Book, BookError};
use super::collected::Collected;
use super::desk::{Invitation, Issuer, IssuerError, LinkState, Office, Revoked, Revoking};
use super::link::{self, LinkError};
use super::protocol::{Answer, BoardReport, Done, Enrolment, JournalMessage, Request};
use super::term::TermError;
use crate::access::NearEnough;
use crate::clock::SystemClock;
use crate::domain::{DaemonEvent, Distance, Embedding, Event, ModelId, Quality, Stamp};
use crate::fleet::carrier::{Carrier, MAX_READ, MemoryServer, Message, Stream, Subject};
use crate::fleet::{
    Board, BoardKey, FleetId, Gallery, GalleryKey, Head, Lockdown, OfficeKey, Opened, PeopleRecord, Site, SiteRules,
};
use crate::gallery::{Template, write_template};
use crate::ledger::{Journal, ReadOrder};
use crate::store::Store;

const MODEL: &str = "net";

fn fleet() -> FleetId {
    FleetId(uuid::Uuid::from_u128(5))
}

fn key() -> OfficeKey {
    OfficeKey::from_bytes(&[7; 32])
}

fn berlin() -> Site {
    "berlin".parse().unwrap()
}

fn gallery() -> Gallery {
    Gallery::from(&berlin())
}

fn board(name: &str) -> Board {
    name.parse().unwrap()
}

/// A template at an angle on a circle.
fn template(degrees: f32) -> Vec<u8> {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let embedding = Embedding::normalised(ModelId::new(MODEL), vec![cos, sin, 0.0, 0.0].into()).unwrap();
    write_template(&Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH })
}

fn somebody(name: &str, degrees: f32) -> Enrolment {
    Enrolment {
        site: berlin(),
        name: name.into(),
        employee_id: None,
        groups: vec!["staff".into()],
        model: MODEL.into(),
        templates: vec![template(degrees)],
        labels: vec![format!("{name}.jpg")],
        force: false,
    }
}

fn open(dir: &Path) -> Result<Book, BookError> {
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

fn refused(result: Result<uuid::Uuid, BookError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn what_the_office_did_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let digest = {
        let mut book = book(dir.path());
        book.enroll(somebody("Ada", 0.0), "anna").unwrap();
        book.enroll(somebody("Bob", 90.0), "anna").unwrap();
        book.forget(&berlin(), "Bob").unwrap();
        book.lockdown(&berlin(), Some(Lockdown { group: None, by: "anna".into() }), 5).unwrap();
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
    book.forget(&berlin(), "Bob").unwrap();
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
    assert!(refused(book.forget(&berlin(), "Eve")).contains("nobody"));
}

/// Credentials that are names.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<Vec<String>>>);

impl Issuer for Names {
    fn invite(&self, _: &Site, board: &Board, key: &BoardKey) -> Result<Invitation, IssuerError> {
        let token = super::key_file::hex(&*key.to_bytes());
        Ok(Invitation { token, credential: format!("credential of {board}") })
    }

    fn revoke<'a>(&'a self, credential: &'a str) -> Revoking<'a> {
        self.0.lock().unwrap().push(credential.to_owned());
        Box::pin(std::future::ready(Ok(Revoked::AtServers)))
    }
}

fn office(dir: &TempDir, revoked: &Names) -> Arc<Office> {
    let book = open(dir.path()).unwrap();
    let collected = Collected::open(&book.trees.store).unwrap();
    Arc::new(Office::new(book, collected, Box::new(revoked.clone()), Arc::new(SystemClock::new())))
}

fn at_the_servers(office: &Arc<Office>, server: &MemoryServer) -> tokio::task::JoinHandle<LinkError> {
    let carrier: Arc<dyn Carrier> = Arc::new(server.carrier());
    tokio::spawn(link::keep(office.clone(), carrier, false))
}

async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), found).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

async fn ask(office: &Arc<Office>, request: Request) -> Answer {
    answer(office, request, "anna".into()).await
}

/// The people in the stream, by what it says of them.
async fn published(server: &MemoryServer) -> (usize, usize) {
    let stored = server.carrier().read(&Stream::People(gallery()), 1, MAX_READ).await.unwrap_or_default();
    let record = |payload: &[u8]| match key().public().open::<PeopleRecord>(fleet(), payload).unwrap() {
        Opened::Body(record) => record,
        Opened::SetAside { .. } => panic!("another form"),
    };
    let forgotten = stored.iter().filter(|s| matches!(record(&s.payload), PeopleRecord::Forgotten(_))).count();
    (stored.len() - forgotten, forgotten)
}

/// Answers for a board: says that it holds what the newest head says, and follows the rules.
async fn confirm(server: &MemoryServer, name: &str) {
    let carrier = server.carrier();
    loop {
        let head = carrier.newest(&Subject::head(&gallery())).await.ok().flatten();
        let rules = carrier.newest(&Subject::rules(&berlin())).await.ok().flatten();
        if let Some((head, rules)) = head.zip(rules) {
            let (Ok(Opened::Body(head)), Ok(Opened::Body(rules))) = (
                key().public().open::<Head>(fleet(), &head.payload),
                key().public().open::<SiteRules>(fleet(), &rules.payload),
            ) else {
                panic!("not signed by the office")
            };
            let said = BoardReport { digest: head.digest.to_string(), rules: rules.version, ..BoardReport::default() };
            let payload = serde_json::to_vec(&said).unwrap();
            carrier.publish(Message::new(Subject::board(&board(name)), payload)).await.ok();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_reach_the_servers_and_are_confirmed() {
    let (dir, server, names) = (tempfile::tempdir().unwrap(), MemoryServer::default(), Names::default());
    let office = office(&dir, &names);
    let link = at_the_servers(&office, &server);
    let token = ask(&office, Request::Invite { site: berlin(), board: board("front") }).await;
    assert!(matches!(token, Answer::Token { .. }), "{token:?}");
    let answers = tokio::spawn({
        let server = server.clone();
        async move { confirm(&server, "front").await }
    });
    let done = |answer: Answer| match answer {
        Answer::Done(done) => done,
        other => panic!("{other:?}"),
    };
    let Done { sent, confirmed, missing, .. } = done(ask(&office, Request::Enroll(somebody("Ada", 0.0))).await);
    assert_eq!((sent, confirmed, missing), (true, vec!["front".to_owned()], vec![]));
    done(ask(&office, Request::Enroll(somebody("Bob", 90.0))).await);
    assert_eq!(published(&server).await, (2, 0));
    let forget = Request::Forget { site: berlin(), name: "Bob".into() };
    assert_eq!(done(ask(&office, forget).await).confirmed, ["front"]);
    assert_eq!(published(&server).await, (1, 1));
    let lockdown = Request::Lockdown { site: berlin(), on: true, group: None };
    assert_eq!(done(ask(&office, lockdown).await).confirmed, ["front"]);
    let Answer::Status(status) = ask(&office, Request::Status).await else { panic!() };
    assert_eq!((status.state.as_str(), status.unsent, status.sites[0].people), ("online", 0, 1));
    assert!(status.boards[0].whole && status.sites[0].lockdown.as_deref() == Some("nobody passes, by anna"));
    // Shut out: it needs no confirmation, and its credential is taken back.
    let revoked = done(ask(&office, Request::Revoke { board: board("front") }).await);
    assert_eq!((revoked.missing.len(), names.0.lock().unwrap().clone()), (0, vec!["credential of front".to_owned()]));
    answers.abort();
    link.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emptied_servers_get_everything_again() {
    let (dir, server) = (tempfile::tempdir().unwrap(), MemoryServer::default());
    let office = office(&dir, &Names::default());
    let link = at_the_servers(&office, &server);
    ask(&office, Request::Invite { site: berlin(), board: board("front") }).await;
    office.change(|book| book.enroll(somebody("Ada", 0.0), "anna")).await.unwrap().unwrap();
    eventually("Ada", async || (published(&server).await == (1, 0)).then_some(())).await;
    server.wipe();
    assert_eq!(published(&server).await, (0, 0));
    office.change(|book| book.enroll(somebody("Bob", 90.0), "anna")).await.unwrap().unwrap();
    eventually("both", async || (published(&server).await == (2, 0)).then_some(())).await;
    let carrier = server.carrier();
    for subject in [Subject::rules(&berlin()), Subject::key(&gallery(), &board("front")), Subject::head(&gallery())] {
        eventually("rules, key and head", async || carrier.newest(&subject).await.ok().flatten()).await;
    }
    link.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_collected_and_lost_ones_asked_for() {
    let (dir, server) = (tempfile::tempdir().unwrap(), MemoryServer::default());
    let office = office(&dir, &Names::default());
    let link = at_the_servers(&office, &server);
    ask(&office, Request::Invite { site: berlin(), board: board("front") }).await;
    let messages = {
        let of_board = tempfile::tempdir().unwrap();
        let journal = Journal::open(&Store::open(of_board.path()).unwrap()).unwrap();
        for _ in 0..4 {
            let event = Event::Daemon(DaemonEvent::Stopped { reason: "because".into() });
            journal.append(&event, &Stamp::at(SystemTime::now())).unwrap();
        }
        let records = journal.list(.., ReadOrder::OldestFirst, 9).unwrap();
        records.iter().map(|r| JournalMessage { after: r.seq - 1, record: r.to_json() }).collect::<Vec<_>>()
    };
    let (carrier, subject) = (server.carrier(), Subject::journal(&berlin(), &board("front")));
    let send = async |at: usize| {
        let payload = serde_json::to_vec(&messages[at]).unwrap();
        carrier.publish(Message::new(subject.clone(), payload)).await.unwrap();
    };
    let asked = async || {
        let rules = carrier.newest(&Subject::rules(&berlin())).await.unwrap().unwrap();
        let Ok(Opened::Body(rules)) = key().public().open::<SiteRules>(fleet(), &rules.payload) else { panic!() };
        rules.resend.get(&board("front")).copied()
    };
    send(0).await;
    send(3).await;
    eventually("the request", async || (asked().await == Some(2)).then_some(())).await;
    send(1).await;
    send(2).await;
    eventually("the end of the request", async || asked().await.is_none().then_some(())).await;
    let Answer::Records { records } = ask(&office, Request::Journal { board: None, after: None }).await else {
        panic!()
    };
    assert_eq!(records.len(), 4);
    link.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_office_is_refused_and_one_that_is_taken_over_stops() {
    let (one, other, server) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), MemoryServer::default());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    server.set_time(i64::try_from(now.as_millis()).unwrap());
    let (first, second) = (office(&one, &Names::default()), office(&other, &Names::default()));
    let link = at_the_servers(&first, &server);
    eventually("the first", async || (first.state() == LinkState::Online).then_some(())).await;
    let carrier: Arc<dyn Carrier> = Arc::new(server.carrier());
    let refused = link::keep(second.clone(), carrier.clone(), false).await;
    assert!(matches!(refused, LinkError::Term(TermError::Another { .. })), "{refused}");
    let taken = tokio::spawn(link::keep(second.clone(), carrier, true));
    eventually("the second", async || (second.state() == LinkState::Online).then_some(())).await;
    // The first learns of it at its next word.
    link.abort();
    let again = timeout(Duration::from_secs(20), at_the_servers(&first, &server)).await.unwrap().unwrap();
    assert!(matches!(again, LinkError::Term(TermError::Another { .. })), "{again}");
    taken.abort();
}

#[test]
fn an_invitation_that_is_not_used_is_over_after_an_hour() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path());
    let hour = super::changes::INVITATION_MS;
    assert!(book.overdue(hour).is_empty());
    assert_eq!(book.overdue(hour + 1), [board("front")]);
    book.board_heard(&board("front")).unwrap();
    assert!(book.overdue(hour + 1).is_empty());
}

//! Tests of the office's process, with servers in memory.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use tokio::time::timeout;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::answers::answer;
use super::away::LinkError;
use super::desk::{Invitation, Issuer, IssuerError, Leaf, LinkState, Office, Revoked, Revoking};
use super::link;
use super::term::TermError;
use crate::clock::SystemClock;
use crate::domain::ModelId;
use crate::fleet::carrier::{Carrier, MAX_READ, MemoryServer, Message, Stream, Subject};
use crate::fleet::{
    Answers, Ask, Board, BoardKey, BoardRequest, Head, Opened, PeopleRecord, PersonBody, RequestKey, RequestKind,
    RequestPlace, Site, SiteRules, Verdict, mail,
};
use crate::office::fleet::key_file::hex;
use crate::office::fleet::protocol::{Answer, BoardReport, Done, Enrolment, Request};
use crate::office::fleet::tests::{berlin, board, fleet, gallery, key, messages, open, somebody};
use crate::office::fleet::{Collected, Decision};

/// Credentials that are names.
#[derive(Clone, Default)]
pub(super) struct Names(Arc<Mutex<Vec<String>>>);

impl Names {
    /// The credentials that were taken back.
    pub(super) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Issuer for Names {
    fn invite(&self, _: &Site, board: &Board, key: &BoardKey) -> Result<Invitation, IssuerError> {
        let token = crate::office::fleet::key_file::hex(&*key.to_bytes());
        Ok(Invitation { token, credential: format!("credential of {board}") })
    }

    fn leaf(&self, site: &Site, _: &str, replace: bool) -> Result<Leaf, IssuerError> {
        let replaced = replace.then(|| format!("leaf of {site}"));
        Ok(Leaf { folder: format!("servers/{site}").into(), replaced })
    }

    fn revoke<'a>(&'a self, credential: &'a str) -> Revoking<'a> {
        self.0.lock().unwrap().push(credential.to_owned());
        Box::pin(std::future::ready(Ok(Revoked::AtServers)))
    }

    fn revoked(&self) -> BTreeSet<String> {
        self.0.lock().unwrap().iter().cloned().collect()
    }

    fn take_over(&self, credentials: &BTreeSet<String>) -> Result<(), IssuerError> {
        self.0.lock().unwrap().extend(credentials.iter().cloned());
        Ok(())
    }
}

pub(super) fn office(dir: &TempDir, revoked: &Names) -> Arc<Office> {
    let book = open(dir.path()).unwrap();
    let collected = Collected::open(&book.trees.store).unwrap();
    Arc::new(Office::new(book, collected, Box::new(revoked.clone()), Arc::new(SystemClock::new())))
}

pub(super) fn at_the_servers(office: &Arc<Office>, server: &MemoryServer) -> tokio::task::JoinHandle<LinkError> {
    let carrier: Arc<dyn Carrier> = Arc::new(server.carrier());
    tokio::spawn(link::keep(office.clone(), carrier, false))
}

pub(super) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
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

pub(super) async fn ask(office: &Arc<Office>, request: Request) -> Answer {
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

/// Invites a board to Berlin; its key.
pub(super) async fn invited(office: &Arc<Office>, name: &str) -> BoardKey {
    let Answer::Token { token, .. } = ask(office, Request::Invite { site: berlin(), board: board(name) }).await else {
        panic!("no token")
    };
    let byte = |at: usize| u8::from_str_radix(&token[2 * at..2 * at + 2], 16).unwrap();
    BoardKey::from_bytes(&std::array::from_fn(byte))
}

/// What a board says under a subject.
pub(super) fn said(of: &BoardKey, subject: &Subject, what: &impl serde::Serialize) -> Message {
    let (plain, office) = (serde_json::to_vec(what).unwrap(), RequestKey::of(&key()).public());
    Message::new(subject.clone(), mail::seal(fleet(), subject.as_str(), &plain, of, &office).unwrap())
}

/// Answers for a board: says that it holds what the newest head says, and follows the rules.
pub(super) async fn confirm(server: &MemoryServer, name: &str, own: &BoardKey) {
    let (carrier, subject, mut number) = (server.carrier(), Subject::board(&berlin(), &board(name)), 0);
    loop {
        let head = carrier.newest(&Subject::head(&gallery())).await.ok().flatten();
        let rules = carrier.newest(&Subject::rules(&berlin())).await.ok().flatten();
        if let Some((head, rules)) = head.zip(rules) {
            let (signed, hash) = (head.payload.to_vec(), hex(blake3::hash(&rules.payload).as_bytes()));
            number += 1;
            let (Ok(Opened::Body(head)), Ok(Opened::Body(rules))) = (
                key().public().open::<Head>(fleet(), &head.payload),
                key().public().open::<SiteRules>(fleet(), &rules.payload),
            ) else {
                panic!("not signed by the office")
            };
            let report = BoardReport {
                model: head.model.to_string(),
                digest: head.digest.to_string(),
                oldest_epoch: Some(head.epoch),
                rules: rules.version,
                rules_hash: Some(hash),
                head: signed,
                number,
                ..BoardReport::default()
            };
            carrier.publish(said(own, &subject, &report)).await.ok();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_reach_the_servers_and_are_confirmed() {
    let (dir, server, names) = (tempfile::tempdir().unwrap(), MemoryServer::default(), Names::default());
    let office = office(&dir, &names);
    let link = at_the_servers(&office, &server);
    let front = invited(&office, "front").await;
    let answers = tokio::spawn({
        let server = server.clone();
        async move { confirm(&server, "front", &front).await }
    });
    let done = |answer: Answer| match answer {
        Answer::Done(done) => done,
        other => panic!("{other:?}"),
    };
    // A board that was never heard is not waited for.
    let first = done(ask(&office, Request::Enroll(somebody("Ada", 0.0))).await);
    assert!(first.sent && first.missing.is_empty());
    eventually("the board", async || office.reports().contains_key(&board("front")).then_some(())).await;
    let Done { sent, confirmed, missing, unheard, .. } =
        done(ask(&office, Request::Enroll(somebody("Bob", 90.0))).await);
    assert_eq!((sent, confirmed, missing, unheard), (true, vec!["front".to_owned()], vec![], vec![]));
    assert_eq!(published(&server).await, (2, 0));
    let forget = Request::Forget { site: berlin(), name: "Bob".into() };
    let forgotten = done(ask(&office, forget).await);
    let proof = forgotten.proof.unwrap();
    assert_eq!((forgotten.confirmed, proof.destroyed_epoch, proof.epoch), (vec!["front".to_owned()], 1, 2));
    assert_eq!(published(&server).await, (1, 1));
    let lockdown = Request::Lockdown { site: berlin(), on: true, group: None };
    let locked = done(ask(&office, lockdown).await);
    assert_eq!((locked.confirmed, locked.in_force), (vec!["front".to_owned()], true));
    let Answer::Status(status) = ask(&office, Request::Status).await else { panic!() };
    assert_eq!((status.state.as_str(), status.unsent, status.sites[0].people), ("online", 0, 1));
    assert!(status.boards[0].whole && status.sites[0].lockdown.as_deref() == Some("nobody passes, by anna"));
    // Shut out: it needs no confirmation, and its credential is taken back.
    let revoked = done(ask(&office, Request::Revoke { board: board("front") }).await);
    assert_eq!((revoked.missing.len(), names.all()), (0, vec!["credential of front".to_owned()]));
    answers.abort();
    link.abort();
}

/// A board that reads everything, and is never at rest: others are enrolled all the time, so its digest is that of another moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_board_that_is_never_at_rest_confirms_by_how_far_it_has_read() {
    let (dir, server) = (tempfile::tempdir().unwrap(), MemoryServer::default());
    let office = office(&dir, &Names::default());
    let link = at_the_servers(&office, &server);
    let front = invited(&office, "front").await;
    let (carrier, subject) = (server.carrier(), Subject::board(&berlin(), &board("front")));
    let reads = tokio::spawn(async move {
        for number in 1.. {
            if let Ok(state) = carrier.state(&Stream::People(gallery())).await {
                let digest = "of another moment".to_owned();
                let (birth, position) = (state.birth, state.last);
                let report = BoardReport { digest, birth, position, number, ..BoardReport::default() };
                carrier.publish(said(&front, &subject, &report)).await.ok();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    eventually("the board", async || office.reports().contains_key(&board("front")).then_some(())).await;
    for (name, degrees) in [("Ada", 0.0), ("Bob", 90.0)] {
        let Answer::Done(done) = ask(&office, Request::Enroll(somebody(name, degrees))).await else { panic!("{name}") };
        assert_eq!((done.confirmed, done.missing), (vec!["front".to_owned()], vec![]), "{name}");
    }
    let Answer::Status(status) = ask(&office, Request::Status).await else { panic!() };
    assert!(!status.boards[0].whole);
    reads.abort();
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
    let front = invited(&office, "front").await;
    let messages = messages(4);
    let (carrier, subject) = (server.carrier(), Subject::journal(&berlin(), &board("front")));
    let send = async |at: usize| {
        carrier.publish(said(&front, &subject, &messages[at])).await.unwrap();
    };
    let asked = async || {
        let rules = carrier.newest(&Subject::rules(&berlin())).await.unwrap().unwrap();
        let Ok(Opened::Body(rules)) = key().public().open::<SiteRules>(fleet(), &rules.payload) else { panic!() };
        rules.resend.get(&board("front")).map(|resend| resend.from)
    };
    send(0).await;
    // A record that another board, or a server, makes up.
    carrier.publish(said(&BoardKey::from_bytes(&[9; 32]), &subject, &messages[1])).await.unwrap();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_read_carried_out_and_answered_also_by_emptied_servers() {
    let (dir, server) = (tempfile::tempdir().unwrap(), MemoryServer::default());
    let office = office(&dir, &Names::default());
    let link = at_the_servers(&office, &server);
    let Answer::Token { token, .. } = ask(&office, Request::Invite { site: berlin(), board: board("front") }).await
    else {
        panic!()
    };
    let digit = |at: usize| u8::from_str_radix(&token[2 * at..2 * at + 2], 16).unwrap();
    let secret = BoardKey::from_bytes(&std::array::from_fn(digit));
    let carrier = server.carrier();
    let send = async |uuid: u128, name: &str, degrees: f32| {
        let Enrolment { templates, model, .. } = somebody(name, degrees);
        let templates = templates.into_iter().map(Zeroizing::new).collect();
        let person = PersonBody { name: name.into(), enabled: true, templates, ..PersonBody::default() };
        let ask = Ask::Enroll { model: ModelId::new(&model), person };
        let uuid = Uuid::from_u128(uuid);
        let place = RequestPlace { site: berlin(), board: board("front"), kind: RequestKind::Person, uuid };
        let to = RequestKey::of(&key()).public();
        let sealed = BoardRequest { number: 7, by: "otto".into(), ask }.seal(fleet(), &place, &secret, &to).unwrap();
        carrier.publish(Message::new(Subject::request(&place), sealed)).await.unwrap();
    };
    let verdicts = async || {
        let stored = carrier.newest(&Subject::answers(&berlin(), &board("front"))).await.ok().flatten()?;
        let Ok(Opened::Body(answers)) = key().public().open::<Answers>(fleet(), &stored.payload) else { panic!() };
        let answered = answers.open(fleet(), &secret).unwrap();
        Some(answered.into_iter().map(|answer| answer.verdict == Verdict::Done).collect::<Vec<_>>())
    };
    send(1, "Ada", 0.0).await;
    eventually("Ada", async || (published(&server).await == (1, 0)).then_some(())).await;
    send(2, "Adam", 1.0).await;
    eventually("the answers", async || (verdicts().await? == [true, false]).then_some(())).await;
    let Answer::Requests { requests } = ask(&office, Request::Requests).await else { panic!() };
    assert_eq!((requests.len(), requests[0].name.as_str(), requests[0].waits), (1, "Adam", false));
    let accept = |force| Request::Accept { who: "Adam".into(), force };
    assert!(matches!(ask(&office, accept(false)).await, Answer::Refused { may_force: true, .. }));
    server.wipe();
    office
        .change(|book| book.decide_request("Adam", Decision::Accept { force: true }, "anna", 9))
        .await
        .unwrap()
        .unwrap();
    eventually("both", async || (published(&server).await == (2, 0)).then_some(())).await;
    eventually("the answers", async || (verdicts().await? == [true, true]).then_some(())).await;
    link.abort();
}

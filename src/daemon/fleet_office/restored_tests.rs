//! Tests of an office that was restored from a backup, copied, taken over, and of what it proves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::away::LinkError;
use super::desk::{Issuer, LinkState, Office, Report};
use super::link;
use super::term::{Term, TermError};
use super::tests::{Names, ask, at_the_servers, confirm, eventually, invited, office};
use crate::clock::SimulatedClock;
use crate::fleet::carrier::{Carrier, MAX_READ, MemoryServer, Message, Stream, Subject, person_of};
use crate::fleet::{BoardKey, Head, Opened, RequestKey, mail};
use crate::office::fleet::protocol::{Answer, BoardReport, Request};
use crate::office::fleet::tests::{berlin, board, fleet, gallery, key, open, somebody};
use crate::office::fleet::{Author, Collected};
use crate::store::Store;

/// A copy of an office's folder, as a backup has it.
fn copied(from: &TempDir) -> TempDir {
    fn copy(from: &std::path::Path, to: &std::path::Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => copy(&entry.path(), &to.join(entry.file_name())),
                false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
            }
        }
    }
    let to = tempfile::tempdir().unwrap();
    copy(from.path(), to.path());
    to
}

/// Stops an office as a power cut would, and waits until nobody has its store.
async fn stopped(office: Arc<Office>, link: tokio::task::JoinHandle<LinkError>) {
    link.abort();
    drop(link.await);
    eventually("the end of its tasks", async || (Arc::strong_count(&office) == 1).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_office_learns_at_the_servers_whom_it_has_shut_out() {
    let (dir, server) = (tempfile::tempdir().unwrap(), MemoryServer::default());
    let invite = |name: &str| Request::Invite { site: berlin(), board: board(name) };
    let first = office(&dir, &Names::default());
    for name in ["front", "back"] {
        let public = BoardKey::from_bytes(&[3; 32]).public();
        let credential = format!("credential of {name}");
        first.with(|book| book.add_board(&board(name), &berlin(), public, credential, 0)).unwrap();
    }
    drop(first);
    let backup = copied(&dir);
    let first = office(&dir, &Names::default());
    let link = at_the_servers(&first, &server);
    ask(&first, Request::Revoke { board: board("back") }).await;
    eventually("the list of the revoked", async || server.carrier().newest(&Subject::revoked()).await.ok().flatten())
        .await;
    stopped(first, link).await;

    let (names, carrier) = (Names::default(), server.carrier());
    let restored = office(&backup, &names);
    assert!(!restored.with(|book| book.boards[&board("back")].revoked));
    let link = tokio::spawn(link::keep(restored.clone(), Arc::new(carrier), true));
    eventually("the restored office", async || (restored.state() == LinkState::Online).then_some(())).await;
    assert_eq!(names.revoked(), BTreeSet::from(["credential of back".to_owned()]));
    let revoked = |name: &str| restored.with(|book| book.boards[&board(name)].revoked);
    assert!(revoked("back") && !revoked("front"));
    // The name is free again, for a board with another key and another credential.
    assert!(matches!(ask(&restored, invite("front")).await, Answer::Refused { .. }));
    assert!(matches!(ask(&restored, invite("back")).await, Answer::Token { .. }));
    assert!(!revoked("back"));
    link.abort();
}

/// Disk and servers are lost; a board alone still holds what the office had signed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_office_whose_servers_are_empty_goes_on_above_what_a_board_proves() {
    let (dir, server, subject) = (tempfile::tempdir().unwrap(), MemoryServer::default(), "usher.board.berlin.front");
    let (own, carrier) = (BoardKey::from_bytes(&[3; 32]), server.carrier());
    let first = office(&dir, &Names::default());
    let added = first.with(|book| book.add_board(&board("front"), &berlin(), own.public(), "front".into(), 0));
    added.unwrap();
    first.with(|book| book.enroll(somebody("Ada", 0.0), "anna")).unwrap();
    drop(first);
    let backup = copied(&dir);
    let first = office(&dir, &Names::default());
    let link = at_the_servers(&first, &server);
    ask(&first, Request::Lockdown { site: berlin(), on: true, group: None }).await;
    first.change(|book| book.enroll(somebody("Bob", 90.0), "anna")).await.unwrap().unwrap();
    let newest = async |subject: Subject| carrier.newest(&subject).await.ok().flatten().map(|stored| stored.payload);
    let head = async || {
        let signed = newest(Subject::head(&gallery())).await?;
        let Ok(Opened::Body(head)) = key().public().open::<Head>(fleet(), &signed) else { panic!() };
        (head.count == 2).then(|| (head, signed.to_vec()))
    };
    let (lost, signed) = eventually("the head with both", head).await;
    let rules = newest(Subject::rules(&berlin())).await.unwrap().to_vec();
    stopped(first, link).await;
    server.wipe();

    let restored = office(&backup, &Names::default());
    let link = tokio::spawn(link::keep(restored.clone(), Arc::new(server.carrier()), true));
    eventually("the restored office", async || (restored.state() == LinkState::Online).then_some(())).await;
    let now = |restored: &Office| {
        restored.with(|book| {
            let rules = &book.rules[&berlin()].body;
            let people = &book.galleries[&gallery()];
            (rules.version, rules.lockdown.is_some(), people.kept.epoch, people.highest())
        })
    };
    assert!(!now(&restored).1, "it does not know of the lockdown");
    // A report that holds nothing but lies of the board changes nothing.
    let says = async |number: u64, head: Vec<u8>, rules_held: Vec<u8>| {
        let said =
            BoardReport { number, head, rules_held, rules: u64::MAX, epoch: Some(u64::MAX), ..BoardReport::default() };
        let (plain, to) = (serde_json::to_vec(&said).unwrap(), RequestKey::of(&key()).public());
        let sealed = mail::seal(fleet(), subject, &plain, &own, &to).unwrap();
        carrier.publish(Message::new(Subject::board(&berlin(), &board("front")), sealed)).await.unwrap();
        eventually("the report", async || {
            restored.reports().get(&board("front")).is_some_and(|report| report.said.number == number).then_some(())
        })
        .await;
    };
    let before = now(&restored);
    let forged = |signed: &[u8]| [&signed[..signed.len() - 1], &[signed[signed.len() - 1] ^ 1]].concat();
    says(1, forged(&signed), forged(&rules)).await;
    assert_eq!(now(&restored), before);
    says(2, signed.clone(), rules.clone()).await;
    let (version, locked, epoch, highest) = eventually("what the board proves", async || {
        let now = now(&restored);
        (now.1 && now.2 > lost.epoch && now.3 > lost.highest).then_some(now)
    })
    .await;
    assert!(locked && version > lost.rules[&berlin()]);
    // The same again lifts nothing.
    says(3, signed.clone(), rules).await;
    says(4, signed, Vec::new()).await;
    assert_eq!(now(&restored), (version, locked, epoch, highest));
    link.abort();
}

/// A server repeats what a board said before it died.
#[tokio::test]
async fn a_repeated_report_makes_no_board_younger() {
    let dir = tempfile::tempdir().unwrap();
    let office = office(&dir, &Names::default());
    let report = |of: u8, head_ms: u64, number: u64, at_ms: i64| Report {
        author: Author::of(&[of; 32]),
        said: BoardReport { number, ..BoardReport::default() },
        at_ms,
        head_ms,
    };
    let heard = |report: Report| office.note_report(&board("front"), report);
    assert!(heard(report(1, 60_000, 5, 60_100)) && heard(report(1, 120_000, 3, 120_100)), "its clock was set back");
    assert!(!heard(report(1, 60_000, 5, 900_000)) && !heard(report(1, 120_000, 3, 900_000)));
    assert!(heard(report(1, 120_000, 4, 150_000)));
    let heard_ms = || office.reports()[&board("front")].heard_ms();
    assert_eq!(heard_ms(), Some(150_000));
    // After the office was started again, all that there is may be old.
    assert_eq!(report(1, 120_000, 4, 900_000).heard_ms(), Some(240_000));
    assert_eq!(report(1, 0, 9, 900_000).heard_ms(), None);
    // The next board of that name.
    assert!(heard(report(2, 60_000, 1, 160_000)));
    assert_eq!(heard_ms(), Some(160_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_running_offices_folder_is_told_apart_and_the_office_itself_goes_on_at_once() {
    let (dir, server) = (tempfile::tempdir().unwrap(), MemoryServer::default());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    server.set_time(i64::try_from(now.as_millis()).unwrap());
    let first = office(&dir, &Names::default());
    let link = at_the_servers(&first, &server);
    eventually("the first", async || (first.state() == LinkState::Online).then_some(())).await;
    stopped(first, link).await;
    let folder = copied(&dir);
    let copy = office(&folder, &Names::default());
    let refused = link::keep(copy, Arc::new(server.carrier()), false).await;
    assert!(matches!(refused, LinkError::Term(TermError::Another { .. })), "{refused}");
    let again = office(&dir, &Names::default());
    let link = at_the_servers(&again, &server);
    eventually("the same office", async || (again.state() == LinkState::Online).then_some(())).await;
    link.abort();
}

#[tokio::test]
async fn an_office_that_was_taken_over_says_so_at_its_next_word() {
    let (one, other, server) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), MemoryServer::default());
    let stores = [&one, &other].map(|dir| Store::open(dir.path()).unwrap());
    let (carrier, office_key) = (server.carrier(), key());
    carrier.prepare(&Stream::Office).await.unwrap();
    let who = (fleet(), &office_key);
    let mut first = Term::begin(&carrier, &stores[0], who, false, None, 1000).await.unwrap();
    first.go_on(&carrier, who, 2000).await.unwrap();
    Term::begin(&carrier, &stores[1], who, true, None, 3000).await.unwrap();
    assert!(matches!(first.go_on(&carrier, who, 4000).await, Err(TermError::Carrier(_))));
    let over = Term::begin(&carrier, &stores[0], who, false, Some(first), 5000).await.err().unwrap();
    assert!(matches!(over, TermError::TakenOver), "{over}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proof_of_forgetting_names_what_the_servers_had_and_have() {
    let (dir, server) = (tempfile::tempdir().unwrap(), MemoryServer::default());
    let office = office(&dir, &Names::default());
    let link = at_the_servers(&office, &server);
    let front = invited(&office, "front").await;
    let answers = tokio::spawn({
        let server = server.clone();
        async move { confirm(&server, "front", &front).await }
    });
    ask(&office, Request::Enroll(somebody("Ada", 0.0))).await;
    ask(&office, Request::Enroll(somebody("Bob", 90.0))).await;
    let stored = async || {
        let stored = server.carrier().read(&Stream::People(gallery()), 1, MAX_READ).await.unwrap();
        let hash = |payload: &[u8]| crate::office::fleet::key_file::hex(blake3::hash(payload).as_bytes());
        let text = |stored: &crate::fleet::carrier::Stored| {
            (person_of(&stored.subject).unwrap().to_string(), hash(&stored.payload))
        };
        stored.iter().map(text).collect::<std::collections::BTreeMap<_, _>>()
    };
    let before = stored().await;
    let Answer::Done(done) = ask(&office, Request::Forget { site: berlin(), name: "Bob".into() }).await else {
        panic!()
    };
    let (proof, after) = (done.proof.unwrap(), stored().await);
    assert_eq!((&before[&proof.uuid], &after[&proof.uuid]), (&proof.record, &proof.mark));
    // Everybody else has one new record, of the new key, and no more than that.
    assert_eq!((before.len(), after.len()), (2, 2));
    let state = server.carrier().state(&Stream::People(gallery())).await.unwrap();
    assert_eq!(state.last, 4, "two enrolments, the mark, and Ada once again");
    answers.abort();
    link.abort();
}

/// An office whose clock is so far ahead; the newest head at its servers.
async fn head_of(dir: &TempDir, ahead: Duration, server: &MemoryServer) -> u64 {
    let (book, clock) = (open(dir.path()).unwrap(), SimulatedClock::new(SystemTime::now() + ahead));
    let collected = Collected::open(&book.trees.store).unwrap();
    let office = Arc::new(Office::new(book, collected, Box::new(Names::default()), Arc::new(clock)));
    if office.with(|book| book.epoch(&gallery())).is_none() {
        let public = BoardKey::from_bytes(&[3; 32]).public();
        office
            .with(|book| book.add_board(&board("front"), &berlin(), public, "credential of front".into(), 0))
            .unwrap();
        office.change(|book| book.enroll(somebody("Ada", 0.0), "anna")).await.unwrap().unwrap();
    }
    let link = at_the_servers(&office, server);
    let newest = async || server.carrier().newest(&Subject::head(&gallery())).await.ok().flatten();
    let head = eventually("a head", newest).await;
    let Ok(Opened::Body(head)) = key().public().open::<Head>(fleet(), &head.payload) else { panic!("no head") };
    stopped(office, link).await;
    head.at_ms
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_are_newer_than_before_also_after_a_clock_that_was_ahead_and_without_what_the_servers_had() {
    let (dir, day) = (tempfile::tempdir().unwrap(), Duration::from_secs(86_400));
    let wrong = head_of(&dir, day, &MemoryServer::default()).await;
    let right = head_of(&dir, Duration::ZERO, &MemoryServer::default()).await;
    assert!(right > wrong && right < wrong + 60_000, "{right} after {wrong}");
}

//! Tests of the office at servers that refuse something, and of what waits for what.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::desk::Office;
use super::link;
use super::tests::{Names, ask, eventually, invited, office, said};
use crate::fleet::carrier::{
    Answer as Later, Carrier, CarrierError, Link, MemoryCarrier, MemoryServer, Message, Stored, Stream, StreamState,
    Subject, Watch,
};
use crate::fleet::{BoardKey, Head, Opened, Site, SiteRules};
use crate::office::fleet::protocol::{Answer, BoardReport, Done, Enrolment, OfficeStatus, Request};
use crate::office::fleet::tests::{berlin, board, fleet, gallery, key, somebody};

/// A carrier to servers that refuse some subjects. It notes what is read of the boards' reports.
struct Picky {
    carrier: MemoryCarrier,
    /// What the refused subjects begin with.
    refused: Mutex<Option<String>>,
    refusals: AtomicUsize,
    reports_read_from: Mutex<Vec<u64>>,
}

impl Picky {
    fn new(server: &MemoryServer) -> Arc<Picky> {
        Arc::new(Picky {
            carrier: server.carrier(),
            refused: Mutex::default(),
            refusals: AtomicUsize::new(0),
            reports_read_from: Mutex::default(),
        })
    }

    fn refuse(&self, begin: Option<&str>) {
        *self.refused.lock().unwrap() = begin.map(str::to_owned);
    }
}

impl Carrier for Picky {
    fn publish(&self, message: Message) -> Later<'_, u64> {
        let subject = message.subject.to_string();
        if self.refused.lock().unwrap().as_ref().is_some_and(|begin| subject.starts_with(begin)) {
            self.refusals.fetch_add(1, Relaxed);
            let error = CarrierError::Refused { what: subject, why: "maximum bytes exceeded".into() };
            return Box::pin(std::future::ready(Err(error)));
        }
        self.carrier.publish(message)
    }

    fn read<'a>(&'a self, stream: &'a Stream, from: u64, limit: usize) -> Later<'a, Vec<Stored>> {
        if *stream == Stream::Boards {
            self.reports_read_from.lock().unwrap().push(from);
        }
        self.carrier.read(stream, from, limit)
    }

    fn newest<'a>(&'a self, subject: &'a Subject) -> Later<'a, Option<Stored>> {
        self.carrier.newest(subject)
    }

    fn state<'a>(&'a self, stream: &'a Stream) -> Later<'a, StreamState> {
        self.carrier.state(stream)
    }

    fn prepare<'a>(&'a self, stream: &'a Stream) -> Later<'a, StreamState> {
        self.carrier.prepare(stream)
    }

    fn purge<'a>(&'a self, subject: &'a Subject) -> Later<'a, ()> {
        self.carrier.purge(subject)
    }

    fn watch<'a>(&'a self, subject: &'a Subject) -> Later<'a, Watch> {
        self.carrier.watch(subject)
    }

    fn link(&self) -> watch::Receiver<Link> {
        self.carrier.link()
    }
}

fn rome() -> Site {
    "rome".parse().unwrap()
}

async fn status(office: &Arc<Office>) -> OfficeStatus {
    let Answer::Status(status) = ask(office, Request::Status).await else { panic!() };
    status
}

async fn lockdown(office: &Arc<Office>, site: Site) -> Done {
    let Answer::Done(done) = ask(office, Request::Lockdown { site, on: true, group: None }).await else { panic!() };
    done
}

/// A site with a board that nobody waits for: it is shut out.
async fn begun(office: &Arc<Office>, site: Site, name: &str) {
    ask(office, Request::Invite { site, board: board(name) }).await;
    ask(office, Request::Revoke { board: board(name) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_stream_of_one_site_keeps_nothing_else_from_the_boards() {
    let (dir, server) = (tempfile::tempdir().unwrap(), MemoryServer::default());
    let (office, carrier) = (office(&dir, &Names::default()), Picky::new(&server));
    let link = tokio::spawn(link::keep(office.clone(), carrier.clone(), false));
    begun(&office, berlin(), "front").await;
    begun(&office, rome(), "gate").await;
    eventually("the streams", async || server.carrier().state(&Stream::People(gallery())).await.ok()).await;
    carrier.refuse(Some("usher.people.berlin."));
    for number in 0..8_u8 {
        let enrolment = Enrolment { force: true, ..somebody(&format!("Ada {number}"), f32::from(number) * 40.0) };
        office.change(move |book| book.enroll(enrolment, "anna")).await.unwrap().unwrap();
    }
    // The other site, the rules of this one, and the heads of both go out.
    let eve = Enrolment { site: rome(), force: true, ..somebody("Eve", 330.0) };
    let Answer::Done(Done { sent, notes, .. }) = ask(&office, Request::Enroll(eve)).await else { panic!() };
    assert!(sent && notes.is_empty(), "{notes:?}");
    let Done { sent, notes, .. } = lockdown(&office, berlin()).await;
    assert!(sent && notes.len() == 1 && notes[0].contains("maximum bytes exceeded"), "{notes:?}");
    let rules = server.carrier().newest(&Subject::rules(&berlin())).await.unwrap().unwrap();
    let Ok(Opened::Body(rules)) = key().public().open::<SiteRules>(fleet(), &rules.payload) else { panic!() };
    assert!(rules.lockdown.is_some());
    eventually("the head", async || {
        let head = server.carrier().newest(&Subject::head(&gallery())).await.ok()??;
        let Ok(Opened::Body(head)) = key().public().open::<Head>(fleet(), &head.payload) else { panic!() };
        (head.rules.get(&berlin()) == Some(&rules.version)).then_some(())
    })
    .await;
    let told = status(&office).await;
    assert_eq!((told.state.as_str(), told.unsent, told.refused.len()), ("online", 8, 1));
    let row = &told.refused[0];
    assert_eq!((row.site.as_str(), row.what.as_str(), row.count), ("berlin", "people", 8));
    // A full stream is not asked about each of its records: each time, three at most.
    assert!(carrier.refusals.load(Relaxed) <= 8 * 3, "{}", carrier.refusals.load(Relaxed));
    // There is room again: all of it goes out when it is tried again.
    carrier.refuse(None);
    office
        .change(|book| {
            book.try_refused_again();
            book.changes += 1;
        })
        .await
        .unwrap();
    eventually("the others", async || (status(&office).await.unsent == 0).then_some(())).await;
    assert!(status(&office).await.refused.is_empty());
    link.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lockdown_does_not_wait_until_a_gallery_is_sealed_anew() {
    let (dir, server) = (tempfile::tempdir().unwrap(), MemoryServer::default());
    let office = office(&dir, &Names::default());
    office.with(|book| {
        let public = BoardKey::from_bytes(&[3; 32]).public();
        book.add_board(&board("front"), &berlin(), public, "credential".into(), 0).unwrap();
        for number in 0..1200 {
            let enrolment = Enrolment { force: true, ..somebody(&format!("person number {number}"), 0.0) };
            book.enroll(enrolment, "anna").unwrap();
        }
        book.forget(&berlin(), "person number 7", 0).unwrap();
    });
    let epochs = || office.with(|book| book.keys.epochs(&gallery()));
    let sealing = tokio::spawn({
        let office = office.clone();
        async move { office.end_epochs().await }
    });
    let new = |office: &Office| {
        office.with(|book| {
            book.galleries[&gallery()].entries.values().any(|entry| entry.record.version() == 2 && entry.who.is_some())
        })
    };
    eventually("the first part", async || new(&office).then_some(())).await;
    let rules = |office: &Office| office.with(|book| book.rules[&berlin()].body.version);
    let before = rules(&office);
    office
        .change(|book| book.lockdown(&berlin(), crate::fleet::Lockdown { group: None, by: "anna".into() }, 1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((rules(&office), epochs()), (before + 1, vec![1, 2]), "the old key is still needed");
    sealing.await.unwrap().unwrap();
    assert_eq!(epochs(), [2]);
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_are_read_on_from_the_last_one() {
    let (dir, server) = (tempfile::tempdir().unwrap(), MemoryServer::default());
    let (office, carrier) = (office(&dir, &Names::default()), Picky::new(&server));
    let link = tokio::spawn(link::keep(office.clone(), carrier.clone(), false));
    let front = invited(&office, "front").await;
    let subject = Subject::board(&berlin(), &board("front"));
    for people in 1..=4 {
        let (number, at_ms) = (people, i64::try_from(people).unwrap());
        let report = BoardReport { people, number, at_ms, ..BoardReport::default() };
        server.carrier().publish(said(&front, &subject, &report)).await.unwrap();
        eventually("the report", async || {
            let reports = office.reports();
            (reports.get(&board("front"))?.said.people == people).then_some(())
        })
        .await;
    }
    // The link begins anew for the new site; otherwise it reads on.
    let read = carrier.reports_read_from.lock().unwrap().clone();
    assert!(read.iter().any(|from| *from > 4) && read.iter().filter(|from| **from == 1).count() <= 3, "{read:?}");
    link.abort();
}

//! A site with a leaf server: what passes it, what stays there, and whom it shuts out.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::{sleep, timeout};
use usher::fleet::Site;
use usher::fleet::carrier::{Carrier, CarrierError, Link, Message, NatsCarrier, Stored, Stream, Subject};
use usher::setup::fleet::{Membership, Pushed};
use uuid::Uuid;

use crate::attacker::{Attacker, pem};
use crate::raw::{Raw, Shown};
use crate::server::{PATIENCE, Program, Servers, now};

/// The fleet's server and the leaf, by number.
const HUB: usize = 0;
const LEAF: usize = 1;
/// How far a server's port for leaves is from its port for boards.
const TO_LEAVES: u16 = 3200;

fn berlin() -> Site {
    "berlin".parse().unwrap()
}

fn places() -> Stream {
    Stream::Places(berlin())
}

async fn connected(servers: &Servers, membership: &Membership) -> NatsCarrier {
    let carrier = membership.connect().await.unwrap();
    servers.online(&carrier).await;
    carrier
}

/// The newest message of a subject, as soon as the fleet's servers can be reached through the leaf.
async fn newest(board: &NatsCarrier, subject: &Subject) -> Option<Stored> {
    let all = async {
        loop {
            match board.newest(subject).await {
                Ok(found) => return found,
                Err(CarrierError::Away { .. } | CarrierError::NoStream { .. }) => {
                    sleep(Duration::from_millis(50)).await
                }
                Err(error) => panic!("{error}"),
            }
        }
    };
    timeout(PATIENCE, all).await.unwrap()
}

async fn a_site_reads_through_its_leaf_and_keeps_places_there(program: Program) {
    let Some(mut servers) = Servers::start_with(program, 1, "127.0.0.1", &["berlin"]) else { return };
    let office = servers.office(&["berlin", "rome"]).await;
    let (_, membership) = servers.board("berlin", "hall");
    assert!(membership.leaf && membership.servers.len() == 1);
    assert_ne!(membership.servers, servers.office.servers());
    let (_, elsewhere) = servers.board("rome", "gate");
    assert!(!elsewhere.leaf && elsewhere.servers == servers.office.servers());
    let board = connected(&servers, &membership).await;

    let rules = Subject::rules(&berlin());
    office.publish(Message::new(rules.clone(), "1")).await.unwrap();
    assert_eq!(&newest(&board, &rules).await.unwrap().payload[..], b"1");
    let person = Subject::person(&"berlin".parse().unwrap(), "sface", Uuid::from_u128(7));
    office.publish(Message::new(person.clone(), "Ada")).await.unwrap();
    let people = Stream::People("berlin".parse().unwrap());
    let read = board.read(&people, 1, 10).await.unwrap();
    assert_eq!((read.len(), &read[0].payload[..]), (1, &b"Ada"[..]));
    assert_eq!(board.state(&people).await.unwrap(), office.state(&people).await.unwrap());
    // A change is heard through it.
    let mut watch = board.watch(&rules).await.unwrap();
    for _ in 0..6 {
        timeout(Duration::from_secs(4), watch.changed()).await.ok();
    }
    let asked = Instant::now();
    office.publish(Message::new(rules.clone(), "2")).await.unwrap();
    while newest(&board, &rules).await.unwrap().payload != "2" {
        watch.changed().await;
    }
    println!("rules were read through the leaf {:?} after they were published", asked.elapsed());
    let record = Subject::journal(&berlin(), &"hall".parse().unwrap());
    board.publish(Message::new(record.clone(), "record")).await.unwrap();
    assert_eq!(office.newest(&record).await.unwrap().unwrap().payload, "record");

    // Where people are stays at the site.
    servers.prepared(&office, &places()).await;
    let place = Subject::place(&berlin(), Uuid::from_u128(7));
    board.publish(Message::new(place.clone(), "inside")).await.unwrap();
    assert_eq!(board.read(&places(), 1, 10).await.unwrap().len(), 1);
    assert_eq!(office.state(&places()).await.unwrap().messages, 1, "the office asks the leaf");
    let hub = Attacker::office(&servers).await;
    assert_eq!(hub.ask("$JS.API.STREAM.INFO.PLACES-berlin", "").await["error"]["err_code"], 10059);

    servers.kill(HUB);
    let away = timeout(PATIENCE, async { while board.newest(&rules).await.is_ok() {} }).await;
    assert!(away.is_ok(), "the fleet's server is gone");
    let told = timeout(PATIENCE, async {
        while !board
            .newest(&rules)
            .await
            .err()
            .is_some_and(|error| error.to_string().contains("leaf server does not reach"))
        {
            sleep(Duration::from_millis(50)).await;
        }
    });
    told.await.expect("the board says that the leaf does not reach the fleet's servers");
    board.publish(Message::new(place, "outside")).await.unwrap();
    let read = board.read(&places(), 1, 10).await.unwrap();
    assert_eq!(read.last().unwrap().payload, "outside");
    assert_eq!(*board.link().borrow(), Link::Online, "the site goes on");
    servers.run(HUB);
    assert_eq!(newest(&board, &rules).await.unwrap().payload, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_reads_through_its_leaf_at_a_newer_server() {
    a_site_reads_through_its_leaf_and_keeps_places_there(Program::Newer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_reads_through_its_leaf_at_debians_server() {
    a_site_reads_through_its_leaf_and_keeps_places_there(Program::Debian).await;
}

/// Waits until a membership is refused, and says how long that took.
async fn refused(membership: &Membership) -> Duration {
    let start = Instant::now();
    let all = async {
        loop {
            match membership.check().await {
                Err(error) if error.to_string().contains("refuse the credential") => return,
                _ => sleep(Duration::from_millis(100)).await,
            }
        }
    };
    timeout(PATIENCE, all).await.unwrap();
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaf_hears_who_is_revoked() {
    let Some(mut servers) = Servers::start_with(Program::Newer, 1, "127.0.0.1", &["berlin"]) else { return };
    let office = servers.office(&["berlin"]).await;
    office.publish(Message::new(Subject::rules(&berlin()), "1")).await.unwrap();
    let ((one, first), (other, second)) = (servers.board("berlin", "one"), servers.board("berlin", "other"));
    let board = connected(&servers, &first).await;
    // The leaf is at the fleet's server.
    newest(&board, &Subject::rules(&berlin())).await;
    second.check().await.unwrap();

    let pushed = servers.office.revoke(one.credential.as_str(), now()).await.unwrap();
    assert!(matches!(pushed, Pushed::Now(_)), "{pushed:?}");
    let mut link = board.link();
    let start = Instant::now();
    timeout(PATIENCE, link.wait_for(|link| *link != Link::Online)).await.unwrap().unwrap();
    println!("the leaf shut a board out {:?} after the servers had said so", start.elapsed());
    // At once, or where its connection for that was not there yet, when it asks.
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
    refused(&first).await;

    // One that was off asks for the list when it is back, without the office's help.
    drop(office);
    servers.kill(LEAF);
    servers.office.revoke(other.credential.as_str(), now()).await.unwrap();
    servers.run(LEAF);
    println!("a leaf that came back refused a revoked board after {:?}", refused(&second).await);
}

/// A claim and a seed from the file of a leaf.
fn credential(file: &str) -> (String, String) {
    let mut lines = file.lines().filter(|line| !line.starts_with('-') && !line.is_empty());
    (lines.next().unwrap().to_owned(), lines.next().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_leaf_speaks_for_its_site_alone() {
    let Some(servers) = Servers::start_with(Program::Newer, 1, "127.0.0.1", &["berlin"]) else { return };
    let office = servers.office(&["berlin", "rome"]).await;
    let hub: u16 = servers.office.servers()[0].rsplit(':').next().unwrap().parse().unwrap();
    let (authority, certificate, key) =
        (servers.file(LEAF, "authority.pem"), servers.file(LEAF, "server.pem"), servers.file(LEAF, "server.key"));
    let (claim, seed) = credential(&servers.file(LEAF, "leaf.creds"));
    let leaf = || {
        let mut raw = Raw::connect(hub + TO_LEAVES, &authority, Some(Shown(&certificate, &key)));
        let said = raw.log_in(&claim, &seed);
        assert!(said.contains("PONG"), "{said}");
        raw
    };
    let journal = Subject::journal(&"rome".parse().unwrap(), &"gate".parse().unwrap());
    for subject in [
        journal.as_str(),
        "usher.board.rome.gate",
        "usher.rules.berlin",
        "usher.people.berlin.sface.x",
        "usher.places.rome.x",
        "usher.office",
        "$JS.API.STREAM.DELETE.JOURNAL",
        "$JS.hub.API.STREAM.DELETE.JOURNAL",
        "$JS.API.STREAM.PURGE.PEOPLE-berlin",
        "_INBOX.rome.UX.1",
    ] {
        let said = leaf().say(&format!("LMSG {subject} 2\r\n{{}}\r\n"));
        assert!(said.contains("Permissions Violation for Publish"), "{subject}: {said}");
    }
    assert_eq!(office.state(&Stream::Journal).await.unwrap().messages, 0);
    // What its site's boards write passes.
    let own = Subject::journal(&berlin(), &"hall".parse().unwrap());
    let said = leaf().say(&format!("LMSG {own} 2\r\n{{}}\r\n"));
    assert!(!said.contains("Violation"), "{said}");
    assert_eq!(office.newest(&own).await.unwrap().unwrap().payload, "{}");

    // Its credential is of no use to a client, a board's is of none to a leaf, and nothing is without a certificate.
    let mut client = Raw::connect(hub, &authority, Some(Shown(&certificate, &key)));
    assert!(client.log_in(&claim, &seed).contains("Authorization Violation"));
    let (_, board) = servers.board("rome", "gate");
    let own_key = pem(&board.credential.tls_key());
    let mut other = Raw::connect(hub + TO_LEAVES, &authority, Some(Shown(&board.certificate, &own_key)));
    let said = other.log_in(&board.credential.claim, &board.credential.seed);
    assert!(said.contains("Authorization Violation"), "{said}");
    let said = Raw::connect(hub + TO_LEAVES, &authority, None).log_in(&claim, &seed);
    assert!(said.is_empty(), "{said}");
}

/// The office makes a leaf later, and shuts the one before out.
#[tokio::test(flavor = "multi_thread")]
async fn a_leaf_that_is_replaced_is_shut_out() {
    let Some(servers) = Servers::start_with(Program::Newer, 1, "127.0.0.1", &["berlin"]) else { return };
    let office = servers.office(&["berlin"]).await;
    office.publish(Message::new(Subject::rules(&berlin()), "1")).await.unwrap();
    let (_, membership) = servers.board("berlin", "hall");
    let board = connected(&servers, &membership).await;
    newest(&board, &Subject::rules(&berlin())).await;
    let address = membership.servers[0].parse().unwrap();
    let twice = servers.office.leaf(&berlin(), &address, false, now()).err().unwrap().to_string();
    assert!(twice.contains("--replace"), "{twice}");
    let before: Value =
        serde_json::from_str(&std::fs::read_to_string(servers.folder.join("leaves.json")).unwrap()).unwrap();
    let new = servers.office.leaf(&berlin(), &address, true, now()).unwrap();
    let old = new.replaced.unwrap();
    assert_eq!(before["berlin"]["credential"], old.as_str());
    servers.office.revoke(old.as_str(), now()).await.unwrap();
    let all = async { while board.newest(&Subject::rules(&berlin())).await.is_ok() {} };
    timeout(PATIENCE, all).await.expect("the old leaf is at the fleet's server no more");
}

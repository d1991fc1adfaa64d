//! Whom servers admit, and to what: TLS, credentials, exact subjects, revocation.

use std::time::Duration;

use tokio::time::timeout;
use usher::fleet::carrier::{Carrier, CarrierError, Link, Message, NatsCarrier, Stream, Subject};
use usher::fleet::{Board, Gallery, Site};
use usher::setup::fleet::{Membership, OfficeFiles, Pushed};
use uuid::Uuid;

use crate::attacker::{Attacker, pem};
use crate::raw::{Raw, Shown};
use crate::server::{PATIENCE, Program, Servers, now};

fn person(gallery: &str) -> Subject {
    Subject::person(&gallery.parse().unwrap(), "sface", Uuid::from_u128(7))
}

fn key(gallery: &str, board: &str) -> Subject {
    Subject::key(&gallery.parse::<Gallery>().unwrap(), &board.parse().unwrap())
}

fn rules(site: &str) -> Subject {
    Subject::rules(&site.parse::<Site>().unwrap())
}

fn head(site: &str) -> Subject {
    Subject::head(&site.parse().unwrap())
}

fn journal(site: &str, board: &str) -> Subject {
    Subject::journal(&site.parse().unwrap(), &board.parse().unwrap())
}

fn state(board: &str) -> Subject {
    Subject::board(&"berlin".parse().unwrap(), &board.parse::<Board>().unwrap())
}

async fn connected(servers: &Servers, membership: &Membership) -> NatsCarrier {
    let carrier = membership.connect().await.unwrap();
    servers.online(&carrier).await;
    carrier
}

fn is_refused<T: std::fmt::Debug>(result: Result<T, CarrierError>, what: &str) {
    assert!(matches!(result, Err(CarrierError::Refused { .. })), "{what}: {result:?}");
}

async fn a_board_is_held_to_its_subjects(program: Program) {
    let Some(servers) = Servers::start(program, 1) else { return };
    let office = servers.office(&["berlin", "rome"]).await;
    for subject in [
        person("berlin"),
        person("rome"),
        rules("berlin"),
        rules("rome"),
        key("berlin", "hall"),
        key("berlin", "side"),
        head("berlin"),
    ] {
        office.publish(Message::new(subject.clone(), subject.to_string())).await.unwrap();
    }
    let (_, membership) = servers.board("berlin", "hall");
    let board = connected(&servers, &membership).await;

    let people = Stream::People("berlin".parse().unwrap());
    assert_eq!(board.state(&people).await.unwrap().messages, 1);
    assert_eq!(board.read(&people, 1, 10).await.unwrap()[0].subject, person("berlin").as_str());
    for subject in [rules("berlin"), key("berlin", "hall"), head("berlin")] {
        let newest = board.newest(&subject).await.unwrap().unwrap();
        assert_eq!(&newest.payload[..], subject.to_string().as_bytes());
    }
    board.publish(Message::new(journal("berlin", "hall"), "1")).await.unwrap();
    board.publish(Message::new(state("hall"), "1")).await.unwrap();

    let rome = Stream::People("rome".parse().unwrap());
    is_refused(board.state(&rome).await, "the state of another gallery");
    is_refused(board.read(&rome, 1, 10).await, "people of another gallery");
    for subject in [rules("rome"), key("berlin", "side"), journal("berlin", "hall"), state("hall"), person("rome")] {
        is_refused(board.newest(&subject).await.map(|_| ()), subject.as_str());
    }
    for subject in [
        person("berlin"),
        rules("berlin"),
        key("berlin", "hall"),
        head("berlin"),
        Subject::office(),
        journal("berlin", "side"),
        journal("rome", "hall"),
        state("side"),
    ] {
        is_refused(board.publish(Message::new(subject.clone(), "forged")).await, subject.as_str());
    }
    is_refused(board.prepare(&Stream::Rules).await, "making a stream");
    let untouched = office.newest(&rules("berlin")).await.unwrap().unwrap();
    assert_eq!(untouched.sequence, 1);

    let mut attacker = Attacker::with(&servers, &membership).await;
    for subject in [
        "$JS.API.CONSUMER.CREATE.PEOPLE-berlin",
        "$JS.API.CONSUMER.CREATE.PEOPLE-berlin.x.usher.people.berlin.>",
        "$JS.API.CONSUMER.DURABLE.CREATE.PEOPLE-berlin.x",
        "$JS.API.STREAM.PURGE.PEOPLE-berlin",
        "$JS.API.STREAM.DELETE.JOURNAL",
        "$JS.API.STREAM.MSG.DELETE.PEOPLE-berlin",
        "$JS.API.STREAM.MSG.GET.RULES",
        "$JS.API.DIRECT.GET.RULES",
        "$JS.API.STREAM.SNAPSHOT.PEOPLE-berlin",
        "$JS.API.STREAM.NAMES",
        "$JS.API.INFO",
        "$SYS.REQ.CLAIMS.UPDATE",
        "usher.anything",
    ] {
        attacker.is_forbidden(subject, "{}").await;
    }
    for subject in [">", "usher.>", "usher.journal.berlin.hall", "usher.people.rome.>", "_INBOX.>", "$SYS.>", "$JS.>"] {
        attacker.may_not_hear(subject).await;
    }
    // A header that would delete all other boards' records is refused.
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Rollup", "all");
    let answer = attacker.client.request_with_headers(journal("berlin", "hall").to_string(), headers, "x".into()).await;
    assert!(String::from_utf8_lossy(&answer.unwrap().payload).contains("rollup"));
    assert_eq!(office.state(&Stream::Journal).await.unwrap().messages, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_board_is_held_to_its_subjects_by_debians_server() {
    a_board_is_held_to_its_subjects(Program::Debian).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_board_is_held_to_its_subjects_by_a_newer_server() {
    a_board_is_held_to_its_subjects(Program::Newer).await;
}

/// Waits until a carrier is shut out, and says how long it took.
async fn shut_out(carrier: &NatsCarrier) -> Duration {
    let (start, mut link) = (std::time::Instant::now(), carrier.link());
    timeout(PATIENCE, link.wait_for(|link| *link != Link::Online)).await.unwrap().unwrap();
    start.elapsed()
}

async fn a_revoked_board_is_out_at_once(program: Program, count: usize) {
    let Some(mut servers) = Servers::start(program, count) else { return };
    let _office = servers.office(&["berlin"]).await;
    let (lost, membership) = servers.board("berlin", "lost");
    let (_, other) = servers.board("berlin", "other");
    let (thief, honest) = (connected(&servers, &membership).await, connected(&servers, &other).await);
    thief.publish(Message::new(state("lost"), "1")).await.unwrap();
    let processes: Vec<u32> = (0..count).map(|server| servers.process(server)).collect();

    let pushed = servers.office.revoke(lost.credential.as_str(), now()).await.unwrap();
    assert_eq!(pushed, Pushed::Now(count));
    println!("shut out {:?} after the servers had said so", shut_out(&thief).await);
    assert!(thief.publish(Message::new(state("lost"), "2")).await.is_err());
    let error = membership.check().await.unwrap_err().to_string();
    assert!(error.contains("refuse the credential") && error.contains("new token"), "{error}");
    honest.publish(Message::new(state("other"), "1")).await.unwrap();
    assert_eq!((0..count).map(|server| servers.process(server)).collect::<Vec<_>>(), processes);

    // The servers know it after a restart, too, although their configuration is from before.
    for server in 0..count {
        servers.kill(server);
        servers.run(server);
    }
    servers.online(&honest).await;
    timeout(PATIENCE, async { while other.check().await.is_err() {} }).await.unwrap();
    assert!(membership.check().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_board_is_out_at_once_at_debians_server() {
    a_revoked_board_is_out_at_once(Program::Debian, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_board_is_out_at_once_at_three_servers() {
    a_revoked_board_is_out_at_once(Program::Newer, 3).await;
}

/// Who was revoked while no server was there is shut out as soon as the office reaches one.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_without_servers_is_made_up_for() {
    let Some(mut servers) = Servers::start(Program::Newer, 1) else { return };
    let (lost, membership) = servers.board("berlin", "lost");
    let thief = connected(&servers, &membership).await;
    servers.kill(0);
    let pushed = servers.office.revoke(lost.credential.as_str(), now()).await.unwrap();
    assert!(matches!(pushed, Pushed::Later(_)), "{pushed:?}");
    servers.run(0);
    servers.online(&thief).await;
    let _office = servers.office(&[]).await;
    shut_out(&thief).await;
    // Also where all that the server knew is lost.
    servers.kill(0);
    servers.wipe(0);
    servers.run(0);
    timeout(PATIENCE, async { while membership.check().await.is_ok() {} }).await.unwrap();
}

/// An office that was restored from a backup knows of fewer revocations than the servers. Its list is newer by its date: a server would take it, and admit the others again.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_office_that_revokes_before_it_has_compared_readmits_nobody() {
    let Some(servers) = Servers::start(Program::Newer, 1) else { return };
    let _office = servers.office(&["berlin"]).await;
    let (lost, membership) = servers.board("berlin", "lost");
    let (later, _) = servers.board("berlin", "later");
    let restored = OfficeFiles::load(&servers.folder).unwrap();
    restored.hold_back();
    assert_eq!(servers.office.revoke(lost.credential.as_str(), now()).await.unwrap(), Pushed::Now(1));
    assert!(membership.check().await.is_err());
    let pushed = restored.revoke(later.credential.as_str(), now() + 1).await.unwrap();
    assert!(matches!(pushed, Pushed::Later(_)), "{pushed:?}");
    assert!(membership.check().await.is_err(), "it is still shut out");
    assert!(restored.is_revoked(&later.credential), "and this one is on the office's list");
}

/// NATS does not check where an answer goes. A board that is in wrong hands can have an answer sent to a subject of another; it cannot choose what the
/// answer says, so it is refused there. The office's next word is the newest again.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_at_another_subject_is_noise() {
    let Some(servers) = Servers::start(Program::Newer, 1) else { return };
    let office = servers.office(&["berlin"]).await;
    office.publish(Message::new(rules("berlin"), "rules")).await.unwrap();
    let (_, membership) = servers.board("berlin", "hall");
    let thief = Attacker::with(&servers, &membership).await;
    let ask = "$JS.API.STREAM.INFO.PEOPLE-berlin";
    thief.client.publish_with_reply(ask, rules("berlin").to_string(), "".into()).await.unwrap();
    thief.client.flush().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let newest = office.newest(&rules("berlin")).await.unwrap().unwrap();
    println!("newest after an answer was sent there: {:?}", String::from_utf8_lossy(&newest.payload));
    office.publish(Message::new(rules("berlin"), "rules again")).await.unwrap();
    assert_eq!(&office.newest(&rules("berlin")).await.unwrap().unwrap().payload[..], b"rules again");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_tls_with_the_fleets_own_authority_and_accounts_is_spoken() {
    let Some(servers) = Servers::start(Program::Newer, 1) else { return };
    let Some(foreign) = Servers::start(Program::Newer, 1) else { return };
    let (_, membership) = servers.board("berlin", "hall");
    drop(connected(&servers, &membership).await);

    // A client without TLS: the server tells it that TLS is needed, and takes nothing.
    let mut plain = std::net::TcpStream::connect(&membership.servers[0]).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    std::io::Write::write_all(&mut plain, b"CONNECT {\"verbose\":true}\r\nPING\r\n").unwrap();
    let mut said = Vec::new();
    std::io::Read::read_to_end(&mut plain, &mut said).ok();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("\"tls_required\":true") && !said.contains("+OK") && !said.contains("PONG"), "{said}");

    // A server that is not the fleet's, at the address of one that is.
    let (_, theirs) = foreign.board("berlin", "hall");
    let misled = Membership { servers: theirs.servers.clone(), ..membership.clone() };
    let error = misled.check().await.unwrap_err().to_string();
    assert!(error.to_lowercase().contains("certificate"), "{error}");
    // A certificate and a credential of another fleet, and such a credential with a certificate of this one.
    let stranger = Membership {
        credential: theirs.credential.clone(),
        certificate: theirs.certificate.clone(),
        ..membership.clone()
    };
    stranger.check().await.unwrap_err();
    let port: u16 = membership.servers[0].rsplit(':').next().unwrap().parse().unwrap();
    let key = pem(&membership.credential.tls_key());
    let mut raw = Raw::connect(port, &membership.authority, Some(Shown(&membership.certificate, &key)));
    let said = raw.log_in(&theirs.credential.claim, &theirs.credential.seed);
    assert!(said.contains("Authorization Violation"), "{said}");
}

/// A credential alone is not enough: without a certificate nobody gets as far as to show it. And a board's certificate makes no server.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_heard_without_a_certificate() {
    for program in [Program::Debian, Program::Newer] {
        let Some(servers) = Servers::start(program, 3) else { return };
        let _office = servers.office(&[]).await;
        let (_, board) = servers.board("berlin", "hall");
        let port: u16 = board.servers[0].rsplit(':').next().unwrap().parse().unwrap();
        let (authority, key) = (servers.file(0, "authority.pem"), pem(&board.credential.tls_key()));
        let log_in = |shown: Option<Shown>| {
            let mut raw = Raw::connect(port, &authority, shown);
            raw.log_in(&board.credential.claim, &board.credential.seed)
        };
        assert_eq!(log_in(None), "", "{program:?}");
        let foreign = rcgen::KeyPair::generate().unwrap();
        let own = rcgen::CertificateParams::default().self_signed(&foreign).unwrap().pem();
        assert_eq!(log_in(Some(Shown(&own, &foreign.serialize_pem()))), "", "{program:?}");
        let said = log_in(Some(Shown(&board.certificate, &key)));
        assert!(said.contains("PONG"), "{program:?}: {said}");

        let route = |certificate: &str, key: &str| {
            Raw::as_server(port + 2000, &authority, Shown(certificate, key)).say("PING\r\n")
        };
        assert_eq!(route(&board.certificate, &key), "", "{program:?}");
        let said = route(&servers.file(1, "server.pem"), &servers.file(1, "server.key"));
        assert!(!said.is_empty(), "{program:?}: a server is heard there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_reached_by_ipv6() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("SKIPPED: this machine has no IPv6");
        return;
    }
    let Some(servers) = Servers::start_with(Program::Newer, 1, "[::1]", &[]) else { return };
    let office = servers.office(&["berlin"]).await;
    office.publish(Message::new(rules("berlin"), "1")).await.unwrap();
    let (_, membership) = servers.board("berlin", "hall");
    assert!(membership.servers[0].starts_with("[::1]:"));
    let board = connected(&servers, &membership).await;
    assert_eq!(board.newest(&rules("berlin")).await.unwrap().unwrap().payload, "1");
}

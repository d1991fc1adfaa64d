//! The streams at a real server: the newest of each subject, cursors, births, two writers, and being told of changes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::time::timeout;
use usher::fleet::carrier::{Carrier, CarrierError, MAX_PAYLOAD, Message, NatsCarrier, Stored, Stream, Subject};
use uuid::Uuid;

use crate::server::{PATIENCE, Program, Servers};

fn people() -> Stream {
    Stream::People("berlin".parse().unwrap())
}

fn person(number: u128) -> Subject {
    Subject::person(&"berlin".parse().unwrap(), "sface", Uuid::from_u128(number))
}

/// Reads a whole stream, some messages at a time.
async fn whole(carrier: &NatsCarrier, at_once: usize) -> Vec<Stored> {
    let (mut all, mut from): (Vec<Stored>, u64) = (Vec::new(), 1);
    loop {
        let part = carrier.read(&people(), from, at_once).await.unwrap();
        assert!(part.len() <= at_once);
        let Some(last) = part.last() else { return all };
        from = last.sequence + 1;
        all.extend(part);
    }
}

async fn a_stream_is_read_whole_whatever_its_gaps(program: Program) {
    let Some(servers) = Servers::start(program, 1) else { return };
    let office = servers.office(&["berlin"]).await;
    assert!(office.read(&people(), 1, 10).await.unwrap().is_empty());
    // 60 people, changed in an order with long and short gaps between what remains.
    let changes: Vec<u128> = (0..60).chain((0..60).filter(|n| n % 7 < 4)).chain([3; 40]).chain([59, 0]).collect();
    for (at, number) in changes.iter().enumerate() {
        let sequence = office.publish(Message::new(person(*number), format!("{number} {at}"))).await.unwrap();
        assert_eq!(sequence, at as u64 + 1);
    }
    let newest: BTreeSet<String> = (0..60)
        .map(|number| format!("{number} {}", changes.iter().rposition(|change| *change == number).unwrap()))
        .collect();
    for at_once in [1, 7, 1000] {
        let all = whole(&office, at_once).await;
        assert!(all.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
        let texts: BTreeSet<String> =
            all.iter().map(|stored| String::from_utf8(stored.payload.to_vec()).unwrap()).collect();
        assert_eq!((all.len(), texts), (60, newest.clone()), "{at_once} at once");
    }
    let state = office.state(&people()).await.unwrap();
    assert_eq!((state.messages, state.last), (60, changes.len() as u64));
    assert!(office.read(&people(), state.last + 1, 10).await.unwrap().is_empty());
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    let stored = office.newest(&person(0)).await.unwrap().unwrap();
    assert_eq!(stored.sequence, state.last);
    assert!((now - stored.at_ms).abs() < 60_000, "{now} {}", stored.at_ms);
    assert_eq!(office.newest(&person(1000)).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_read_whole_from_debians_server() {
    a_stream_is_read_whole_whatever_its_gaps(Program::Debian).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_read_whole_from_a_newer_server() {
    a_stream_is_read_whole_whatever_its_gaps(Program::Newer).await;
}

async fn messages_are_stored_once_and_a_second_writer_is_noticed(program: Program) {
    let Some(servers) = Servers::start(program, 1) else { return };
    let office = servers.office(&["berlin"]).await;
    let claim = |expected: u64| Message { expected: Some(expected), ..Message::new(Subject::office(), "me") };
    assert_eq!(office.publish(claim(0)).await, Ok(1));
    let conflict = office.publish(claim(0)).await;
    assert_eq!(conflict, Err(CarrierError::Conflict { subject: "usher.office".to_owned() }));
    assert_eq!(office.publish(claim(1)).await, Ok(2));

    let journal = Subject::journal(&"berlin".parse().unwrap(), &"hall".parse().unwrap());
    let record = |id: &str| Message { id: Some(id.to_owned()), ..Message::new(journal.clone(), "record") };
    for id in ["a", "b", "a", "a"] {
        office.publish(record(id)).await.unwrap();
    }
    assert_eq!(office.state(&Stream::Journal).await.unwrap().messages, 2);

    let large = Message::new(person(1), vec![0_u8; MAX_PAYLOAD]);
    office.publish(large).await.unwrap();
    assert_eq!(office.newest(&person(1)).await.unwrap().unwrap().payload.len(), MAX_PAYLOAD);
    assert_eq!(office.read(&people(), 1, 10).await.unwrap().len(), 1);
    let larger = office.publish(Message::new(person(1), vec![0_u8; MAX_PAYLOAD + 1])).await;
    assert_eq!(larger, Err(CarrierError::TooLarge { bytes: MAX_PAYLOAD + 1 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_stored_once_by_debians_server() {
    messages_are_stored_once_and_a_second_writer_is_noticed(Program::Debian).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_stored_once_by_a_newer_server() {
    messages_are_stored_once_and_a_second_writer_is_noticed(Program::Newer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_survive_a_kill_and_lost_ones_are_born_again() {
    let Some(mut servers) = Servers::start(Program::Newer, 1) else { return };
    let office = servers.office(&["berlin"]).await;
    office.publish(Message::new(person(1), "1")).await.unwrap();
    let before = office.state(&people()).await.unwrap();
    let unknown = Stream::People("paris".parse().unwrap());
    assert!(matches!(office.state(&unknown).await, Err(CarrierError::NoStream { .. })));

    servers.kill(0);
    let away = office.state(&people()).await;
    assert!(matches!(away, Err(CarrierError::Away { .. })), "{away:?}");
    servers.run(0);
    servers.online(&office).await;
    servers.prepared(&office, &people()).await;
    assert_eq!(office.state(&people()).await.unwrap(), before);

    servers.kill(0);
    servers.wipe(0);
    servers.run(0);
    servers.online(&office).await;
    let published = timeout(PATIENCE, async {
        loop {
            match office.publish(Message::new(person(1), "1")).await {
                Err(CarrierError::Away { .. }) => {}
                result => return result,
            }
        }
    });
    assert!(matches!(published.await.unwrap(), Err(CarrierError::NoStream { .. })));
    servers.prepared(&office, &people()).await;
    let after = office.state(&people()).await.unwrap();
    assert_eq!((after.messages, after.last), (0, 0));
    assert!(after.birth > before.birth);
}

/// A watch is told at once, also after the server was away.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_heard_at_once() {
    let Some(mut servers) = Servers::start(Program::Newer, 1) else { return };
    let office = servers.office(&["berlin"]).await;
    let (_, membership) = servers.board("berlin", "hall");
    let board = membership.connect().await.unwrap();
    servers.online(&board).await;
    let rules = Subject::rules(&"berlin".parse().unwrap());
    let mut watch = board.watch(&rules).await.unwrap();
    let mut took = Vec::new();
    for round in 0..6_u64 {
        if round == 3 {
            servers.kill(0);
            servers.run(0);
            servers.online(&office).await;
            servers.online(&board).await;
            servers.prepared(&office, &Stream::Rules).await;
        }
        // Quiet: only a message can end the next wait early.
        for _ in 0..6 {
            timeout(Duration::from_secs(4), watch.changed()).await.ok();
        }
        let start = Instant::now();
        let sequence = office.publish(Message::new(rules.clone(), "new")).await.unwrap();
        loop {
            timeout(Duration::from_secs(9), watch.changed()).await.expect("no hint");
            if board.newest(&rules).await.unwrap().is_some_and(|newest| newest.sequence >= sequence) {
                break;
            }
        }
        took.push(start.elapsed());
    }
    println!("from publishing to having read it: {took:?}");
    assert!(took.iter().all(|took| *took < Duration::from_secs(5)), "{took:?}");
}

/// Somebody reads on while somebody writes, as fast as both can: whoever asks for several messages at once may be told of a later one first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_passes_nothing_over_while_somebody_writes() {
    const MESSAGES: u64 = 3000;
    let Some(servers) = Servers::start(Program::Newer, 1) else { return };
    let (writer, reader) = (servers.office(&["berlin"]).await, servers.office(&["berlin"]).await);
    let writing = tokio::spawn(async move {
        for number in 0..u128::from(MESSAGES) {
            writer.publish(Message::new(person(number), "a record")).await.unwrap();
        }
    });
    let (mut read, mut from) = (0, 1);
    while read < MESSAGES {
        for stored in reader.read(&people(), from, 100).await.unwrap() {
            assert_eq!(stored.sequence, from, "something was passed over");
            (read, from) = (read + 1, from + 1);
        }
    }
    writing.await.unwrap();
}

/// A full stream refuses what is new, and the server is there all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_stream_refuses_and_is_no_absence() {
    for program in [Program::Newer, Program::Debian] {
        let Some(servers) = Servers::start(program, 1) else { return };
        let office = servers.office(&["berlin"]).await;
        let rules = |site: usize| Subject::rules(&format!("site-{site}").parse().unwrap());
        let publish = |site: usize| office.publish(Message::new(rules(site), "rules"));
        // The stream takes ten thousand messages, one a site.
        let published = futures_util::stream::iter(0..10_000).map(publish).buffer_unordered(100);
        published.for_each(|result| async move { assert!(result.is_ok(), "{result:?}") }).await;
        let full = publish(10_000).await;
        assert!(matches!(full, Err(CarrierError::Refused { .. })), "{full:?}");
        // What takes the place of something has room, and so has another stream.
        publish(7).await.unwrap();
        office.publish(Message::new(person(1), "somebody")).await.unwrap();
    }
}

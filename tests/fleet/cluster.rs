//! Three servers: one may be killed at any time, and nothing that was acknowledged is lost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use usher::fleet::carrier::{Carrier, CarrierError, Message, NatsCarrier, Stream, Subject};
use uuid::Uuid;

use crate::attacker::Attacker;
use crate::server::{PATIENCE, Program, Servers};

fn people() -> Stream {
    Stream::People("berlin".parse().unwrap())
}

fn person(number: u128) -> Subject {
    Subject::person(&"berlin".parse().unwrap(), "sface", Uuid::from_u128(number))
}

/// The server that leads the stream of people.
async fn leader(servers: &Servers) -> usize {
    let office = Attacker::office(servers).await;
    let info = office.ask("$JS.API.STREAM.INFO.PEOPLE-berlin", "").await;
    assert_eq!(info["config"]["num_replicas"], 3);
    let name = info["cluster"]["leader"].as_str().unwrap().to_owned();
    name.strip_prefix("usher-").unwrap().parse::<usize>().unwrap() - 1
}

/// Publishes until it is acknowledged, and says how long that took.
async fn written(office: &NatsCarrier, number: u128, text: &str) -> Duration {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE, "nobody takes {text}");
        match office.publish(Message::new(person(number), text.to_owned())).await {
            Ok(_) => return start.elapsed(),
            Err(CarrierError::Away { .. } | CarrierError::NoStream { .. }) => sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// What a board reads, by subject.
async fn read(board: &NatsCarrier) -> Result<BTreeMap<String, String>, CarrierError> {
    let (mut all, mut from) = (BTreeMap::new(), 1);
    loop {
        let part = board.read(&people(), from, 500).await?;
        let Some(last) = part.last() else { return Ok(all) };
        from = last.sequence + 1;
        all.extend(part.iter().map(|stored| (stored.subject.clone(), String::from_utf8_lossy(&stored.payload).into())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_killed_under_writes() {
    let Some(mut servers) = Servers::start(Program::Newer, 3) else { return };
    let office = servers.office(&["berlin"]).await;
    let (_, membership) = servers.board("berlin", "hall");
    let board = membership.connect().await.unwrap();
    servers.online(&board).await;

    let mut expected = BTreeMap::new();
    let mut longest = Duration::ZERO;
    for change in 0..400_u32 {
        if change == 150 {
            let leader = leader(&servers).await;
            servers.kill(leader);
        }
        if change == 300 {
            // It comes back while others are written, and another leader goes.
            let gone = (0..3).find(|server| !servers.runs(*server)).unwrap();
            servers.run(gone);
            sleep(Duration::from_secs(5)).await;
            let leader = leader(&servers).await;
            assert_ne!(leader, gone, "it has just come back");
            servers.kill(leader);
        }
        let number = u128::from(change % 100);
        longest = longest.max(written(&office, number, &change.to_string()).await);
        expected.insert(person(number).to_string(), change.to_string());
    }
    println!("longest wait of a writer: {longest:?}");

    let start = Instant::now();
    loop {
        match read(&board).await {
            Ok(found) if found == expected => break,
            other => assert!(start.elapsed() < PATIENCE, "{:?} of {}", other.map(|found| found.len()), expected.len()),
        }
        sleep(Duration::from_millis(200)).await;
    }
}

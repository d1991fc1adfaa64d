//! How fast news travels: figures for docs/fleet.md, not checks. `cargo test --test fleet measure -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::time::sleep;
use usher::fleet::carrier::{Carrier, Message, NatsCarrier, Stream, Subject};
use uuid::Uuid;

use crate::server::{Program, Servers};

/// About what the record of a person with two templates takes.
const RECORD: usize = 1020;
const PEOPLE: u128 = 10_000;

fn people() -> Stream {
    Stream::People("berlin".parse().unwrap())
}

fn person(number: u128) -> Subject {
    Subject::person(&"berlin".parse().unwrap(), "sface", Uuid::from_u128(number))
}

async fn boards(servers: &Servers, count: usize) -> Vec<Arc<NatsCarrier>> {
    let mut all = Vec::new();
    for number in 0..count {
        let (_, membership) = servers.board("berlin", &format!("board-{number}"));
        all.push(Arc::new(membership.connect().await.unwrap()));
    }
    for board in &all {
        servers.online(board).await;
    }
    all
}

/// The resident memory of all servers, in MB.
fn memory(servers: &Servers, count: usize) -> u64 {
    let pages = |server: usize| {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", servers.process(server))).unwrap();
        text.split(' ').nth(1).unwrap().parse::<u64>().unwrap()
    };
    (0..count).map(pages).sum::<u64>() * 4096 / 1_000_000
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn ten_thousand_people_and_five_boards() {
    for count in [1, 3] {
        let servers = Servers::start(Program::Newer, count).unwrap();
        let office = servers.office(&["berlin"]).await;
        let start = Instant::now();
        let published: Vec<u64> = futures_util::stream::iter(0..PEOPLE)
            .map(|number| {
                let office = &office;
                async move { office.publish(Message::new(person(number), vec![7_u8; RECORD])).await.unwrap() }
            })
            .buffer_unordered(64)
            .collect()
            .await;
        println!("{count} servers took {} people in {:?}", published.len(), start.elapsed());
        let boards = boards(&servers, 5).await;
        let start = Instant::now();
        let read = boards.iter().cloned().map(|board| {
            tokio::spawn(async move {
                let (mut from, mut read) = (1, 0);
                loop {
                    let part = board.read(&people(), from, 1000).await.unwrap();
                    let Some(last) = part.last() else { return read };
                    from = last.sequence + 1;
                    read += part.len();
                }
            })
        });
        let read: Vec<usize> = join_all(read).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(read, [PEOPLE as usize; 5]);
        println!("5 boards read all of them in {:?}; servers use {} MB", start.elapsed(), memory(&servers, count));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn a_lockdown_and_two_hundred_boards() {
    let servers = Servers::start(Program::Newer, 3).unwrap();
    let office = servers.office(&["berlin"]).await;
    let rules = Subject::rules(&"berlin".parse().unwrap());
    office.publish(Message::new(rules.clone(), "0")).await.unwrap();
    let start = Instant::now();
    let boards = boards(&servers, 200).await;
    println!("200 boards were connected in {:?}; servers use {} MB", start.elapsed(), memory(&servers, 3));
    let mut waiting = Vec::new();
    for board in boards {
        let mut watch = board.watch(&rules).await.unwrap();
        let rules = rules.clone();
        waiting.push(tokio::spawn(async move {
            loop {
                watch.changed().await;
                if board.newest(&rules).await.unwrap().is_some_and(|newest| newest.payload == "lockdown") {
                    return Instant::now();
                }
            }
        }));
    }
    sleep(Duration::from_secs(5)).await;
    let start = Instant::now();
    office.publish(Message::new(rules.clone(), "lockdown")).await.unwrap();
    let mut took: Vec<Duration> = join_all(waiting).await.into_iter().map(|at| at.unwrap() - start).collect();
    took.sort();
    println!("a lockdown: median {:?}, last of 200 {:?}", took[100], took[199]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn a_place_and_another_board() {
    let servers = Servers::start(Program::Newer, 1).unwrap();
    let office = servers.office(&["berlin"]).await;
    let places = Stream::Places("berlin".parse().unwrap());
    servers.prepared(&office, &places).await;
    let all = boards(&servers, 2).await;
    let mut news = all[1].watch(&Subject::places(&"berlin".parse().unwrap())).await.unwrap();
    let (mut took, mut next) = (Vec::new(), 1);
    for number in 0..200_u128 {
        let subject = Subject::place(&"berlin".parse().unwrap(), Uuid::from_u128(number));
        let start = Instant::now();
        let (from, message) = (all[0].clone(), Message { expected: Some(0), ..Message::new(subject, vec![7_u8; 70]) });
        let published = tokio::spawn(async move { from.publish(message).await.unwrap() });
        loop {
            news.changed().await;
            if let Some(last) = all[1].read(&places, next, 10).await.unwrap().last() {
                next = last.sequence + 1;
                break;
            }
        }
        took.push(start.elapsed());
        published.await.unwrap();
        sleep(Duration::from_millis(20)).await;
    }
    took.sort();
    println!(
        "a place was read by another board after {:?} (median), {:?} (last of {})",
        took[100],
        took[199],
        took.len()
    );
}

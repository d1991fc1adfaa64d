//! Messages that a broker refuses are given up, named and counted, and nothing else is affected.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use usher::hub::home_assistant::{HomeAssistantSettings, PeopleAs};
use usher::hub::{CommandSettings, DeviceLayout, HubSettings, LockState, MessageRefusal, Version};

use crate::support::*;

fn with_everything(port: u16, version: Version) -> HubSettings {
    let home_assistant = HomeAssistantSettings {
        discovery_prefix: "homeassistant".into(),
        people: PeopleAs::DeviceTracker,
        nearest: false,
        page: None,
    };
    let commands = CommandSettings { max_age: Duration::from_secs(10), per_minute: 5 };
    HubSettings { version, home_assistant: Some(home_assistant), commands: Some(commands), ..settings(port) }
}

/// Publishes a command that locks the front door.
async fn command_lock(observer: &Observer) {
    let payload = json!({ "act": "lock", "at": "2026-01-02T10:32:07Z" }).to_string();
    observer.says("house/door/command/front", payload, false, None).await;
}

async fn next_refusal(house: &mut House) -> MessageRefusal {
    tokio::time::timeout(PATIENCE, house.refused.recv()).await.expect("a refusal").expect("the hub lives")
}

/// A door whose name makes the event long.
fn long(seq: u64) -> usher::domain::Recorded {
    entry(seq, "locked", json!({ "door": "front", "reason": "x".repeat(6000) }))
}

/// How a broker refuses a message.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// DISCONNECT with a reason.
    Disconnects,
    HangsUp,
    /// Carries on without acknowledging it.
    Ignores,
    /// DISCONNECT, because another client has come with the same id.
    Replaces,
}

/// A minimal broker that refuses messages above `most` bytes without announcing it, and topics that contain `never`.
async fn refusing_broker(manner: Manner, version: Version, most: usize, never: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, manner, version, most, never));
        }
    });
    port
}

/// Ends the connection by returning.
async fn serve(mut stream: TcpStream, manner: Manner, version: Version, most: usize, never: &str) -> io::Result<()> {
    loop {
        let kind = stream.read_u8().await?;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = stream.read_u8().await?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let answer = match kind >> 4 {
            1 if version == Version::V5 => vec![0x20, 3, 0, 0, 0],
            1 => vec![0x20, 2, 0, 0],
            3 => {
                let name = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let topic = String::from_utf8_lossy(&body[2..2 + name]).into_owned();
                let refuses = length > most || (!never.is_empty() && topic.contains(never));
                match manner {
                    Manner::Disconnects if refuses => {
                        stream.write_all(&[0xe0, 2, if length > most { 0x95 } else { 0x87 }, 0]).await?;
                        return Ok(());
                    }
                    Manner::Replaces => {
                        stream.write_all(&[0xe0, 2, 0x8e, 0]).await?;
                        return Ok(());
                    }
                    Manner::HangsUp if refuses => return Ok(()),
                    Manner::Ignores if refuses => Vec::new(),
                    _ => vec![0x40, 2, body[2 + name], body[3 + name]],
                }
            }
            12 => vec![0xd0, 0],
            _ => Vec::new(),
        };
        stream.write_all(&answer).await?;
    }
}

#[tokio::test]
async fn a_message_that_makes_the_broker_disconnect_is_found_and_given_up() {
    for (manner, version) in
        [(Manner::Disconnects, Version::V5), (Manner::HangsUp, Version::V5), (Manner::HangsUp, Version::V311)]
    {
        let port = refusing_broker(manner, version, 4000, "").await;
        let mut house = House::start(HubSettings { version, ..settings(port) });
        house.online().await;
        house.locks(1);
        house.happens(long(2));
        (3..=40).for_each(|seq| house.locks(seq));
        let refusal = next_refusal(&mut house).await;
        assert!(
            refusal.topic == "house/door/event/locked" || refusal.topic == "house/door/replay/locked",
            "{refusal:?}"
        );
        assert!(refusal.bytes > 6000 && refusal.reason.contains("given up"), "{refusal:?}");
        eventually("an empty outbox", || house.outbox.is_empty()).await;
        house.online().await;
        assert_eq!(house.hub.refusals().len(), 1);
        assert!(house.hub.counts().dropped >= 1);
        // From now on the connection lasts.
        let connections = house.hub.counts().connections;
        house.locks(41);
        eventually("an empty outbox", || house.outbox.is_empty()).await;
        assert_eq!(house.hub.counts().connections, connections);
        house.hub.stop().await;
    }
}

#[tokio::test]
async fn another_client_with_the_same_id_is_named_and_no_message_is_blamed() {
    let port = refusing_broker(Manner::Replaces, Version::V5, 0, "").await;
    let house = House::start(settings(port));
    let why = house.offline().await;
    assert!(why.contains("same client id") && why.contains("client_id"), "{why}");
    eventually("more connections", || house.hub.counts().connections >= 3).await;
    assert!(house.hub.refusals().is_empty());
}

#[tokio::test]
async fn a_forbidden_topic_is_given_up_and_the_others_arrive() {
    for manner in [Manner::Disconnects, Manner::HangsUp] {
        let port = refusing_broker(manner, Version::V5, usize::MAX, "/vitals").await;
        let mut house = House::start(settings(port));
        let refusal = next_refusal(&mut house).await;
        assert_eq!(refusal.topic, "house/door/vitals");
        house.online().await;
        house.locks(1);
        eventually("an empty outbox", || house.outbox.is_empty()).await;
        assert_eq!(house.hub.refusals().len(), 1, "{:?}", house.hub.refusals());
        house.hub.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_never_acknowledged_does_not_block_the_others_for_ever() {
    let port = refusing_broker(Manner::Ignores, Version::V5, 4000, "").await;
    let mut house = House::start(HubSettings { keep_alive: Duration::from_secs(20), ..settings(port) });
    house.online().await;
    house.happens(long(1));
    house.locks(2);
    let refusal = tokio::time::timeout(Duration::from_secs(1200), house.refused.recv()).await.unwrap().unwrap();
    assert!(refusal.bytes > 6000, "{refusal:?}");
    tokio::time::timeout(Duration::from_secs(1200), async {
        while !house.outbox.is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("the rest arrives");
}

#[tokio::test]
async fn mosquitto_s_unannounced_size_limit_is_found_and_the_announcement_gets_smaller() {
    // Its answer to a larger message is not in the protocol.
    let limited = Mosquitto::made("message_size_limit 3000", |_| "allow_anonymous true".to_owned()).await;
    let mut house = House::start(with_everything(limited.own_port, Version::V5));
    let first = next_refusal(&mut house).await;
    assert_eq!(first.topic, "homeassistant/device/usher_door/config");
    let mut observer = Observer::listening_to(limited.port, "observer", "#").await;
    // In pieces that fit, in the end with everything.
    let mut heard = std::collections::BTreeSet::new();
    while !["front_lock", "porch_fps", "problem", "person_7"].iter().all(|key| heard.contains(*key)) {
        let publish = observer.next().await;
        if text(&publish.topic).starts_with("homeassistant/device/usher_door/") && !publish.payload.is_empty() {
            assert!(publish.payload.len() <= 3000);
            heard.extend(value(&publish)["cmps"].as_object().unwrap().keys().cloned());
        }
    }
    house.online().await;
    house.locks(1);
    eventually("an empty outbox", || house.outbox.is_empty()).await;
    command_lock(&observer).await;
    assert!(tokio::time::timeout(PATIENCE, house.commands.recv()).await.unwrap().is_some());
}

#[tokio::test]
async fn the_reason_in_an_acknowledgement_is_reported_and_other_messages_continue() {
    // With 0, which means no limit, this broker disconnects clients that it refuses something.
    let mosquitto = Mosquitto::made("max_queued_messages 1000", |folder| {
        let acl = folder.join("acl");
        std::fs::write(&acl, "topic write house/door/#\ntopic deny house/door/event/locked\n").unwrap();
        format!("allow_anonymous true\nacl_file {}", acl.display())
    })
    .await;
    let mut house = House::start(settings(mosquitto.own_port));
    (1..=3).for_each(|seq| house.locks(seq));
    let refusal = next_refusal(&mut house).await;
    assert_eq!(refusal.topic, "house/door/event/locked");
    assert!(refusal.reason.contains("NotAuthorized"), "{refusal:?}");
    eventually("an empty outbox", || house.outbox.is_empty()).await;
    // Counted each time, and reported once.
    assert_eq!((house.hub.refusals()[0].times, house.hub.counts().refused, house.hub.counts().connections), (3, 3, 1));
    assert!(house.refused.try_recv().is_err());
    // A refused message about a refusal is not another refusal.
    house.happens(entry(4, "hub_message_refused", json!({ "topic": "x" })));
    eventually("an empty outbox", || house.outbox.is_empty()).await;
    assert!(house.refused.try_recv().is_err());
}

#[tokio::test]
async fn a_long_retained_message_on_a_subscribed_topic_costs_no_connection() {
    let mosquitto = Mosquitto::start().await;
    let topics = ["house/door/command/front", "homeassistant/device/usher_door/config", "homeassistant/status"];
    for version in [Version::V311, Version::V5] {
        let observer = Observer::of(mosquitto.port, "somebody").await;
        for topic in topics {
            observer.says(topic, vec![b'x'; 300_000], true, None).await;
        }
        let mut house = House::start(with_everything(mosquitto.own_port, version));
        house.online().await;
        house.locks(1);
        eventually("an empty outbox", || house.outbox.is_empty()).await;
        command_lock(&observer).await;
        assert!(tokio::time::timeout(PATIENCE, house.commands.recv()).await.unwrap().is_some());
        assert_eq!((house.hub.counts().connections, house.hub.counts().commands_malformed), (1, 1));
        house.hub.stop().await;
    }
}

#[tokio::test]
async fn with_3_1_1_an_oversized_message_does_not_end_every_connection() {
    let mosquitto = Mosquitto::start().await;
    let somebody = Observer::listening_to(mosquitto.port, "somebody", "nothing").await;
    somebody.says("house/door/command/front", vec![b'x'; 17 << 20], true, None).await;
    let commands = CommandSettings { max_age: Duration::from_secs(10), per_minute: 5 };
    // With a session the broker would deliver it without a subscription.
    let base = HubSettings { version: Version::V311, clean_start: false, ..settings(mosquitto.own_port) };
    let mut house = House::start(HubSettings { commands: Some(commands), ..base });
    let refusal = next_refusal(&mut house).await;
    assert!(refusal.topic.contains("house/door/command/+") && refusal.reason.contains("10 minutes"), "{refusal:?}");
    house.locks(1);
    eventually("an empty outbox", || house.outbox.is_empty()).await;
    house.online().await;
}

#[tokio::test]
async fn hundreds_of_people_are_announced_in_pieces_that_any_broker_accepts() {
    const PEOPLE: u32 = 746;
    let mosquitto = Mosquitto::start().await;
    let people = || (1..=PEOPLE).map(|id| (id, format!("Somebody with a longer name {id}"))).collect::<Vec<_>>();
    let mut places = Vec::new();
    for _ in 0..2 {
        let mut observer = Observer::listening_to(mosquitto.port, "observer", "homeassistant/#").await;
        let crowd = DeviceLayout { people: people(), ..layout() };
        let house = House::with(with_everything(mosquitto.own_port, Version::V311), crowd, Default::default(), 0);
        house.online().await;
        house.hub.doors(front(LockState::Locked));
        let mut place = std::collections::BTreeMap::new();
        while place.len() < PEOPLE as usize {
            let publish = observer.next().await;
            assert!(publish.payload.len() <= 16 << 10, "{}", publish.payload.len());
            let announced: Value = value(&publish);
            assert_eq!(announced["dev"]["ids"], json!(["usher_door"]));
            let keys = announced["cmps"].as_object().unwrap().keys().filter(|key| key.starts_with("person_"));
            place.extend(keys.map(|key| (key.clone(), text(&publish.topic).to_owned())));
        }
        eventually("a quiet hub", || house.outbox.is_empty()).await;
        assert_eq!(house.hub.counts().connections, 1);
        house.hub.stop().await;
        places.push(place);
    }
    assert_eq!(places[0], places[1], "everybody stays in their piece");
    assert!(places[0].values().collect::<std::collections::BTreeSet<_>>().len() > 10);
}

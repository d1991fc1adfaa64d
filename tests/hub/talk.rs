//! Publishing in normal operation.

use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use serde_json::json;
use tokio::time::{Instant, timeout};
use usher::hub::{ConnectionState, HubSettings, LockState, Version};

use crate::support::*;

#[tokio::test]
async fn events_arrive_with_qos_1_and_status_and_states_are_retained() {
    let port = broker(None).await;
    let mut early = Observer::of(port, "early").await;
    let house = House::start(settings(port));
    early.expect_status("online").await;

    house.locks(8);
    let event = early.event().await;
    assert_eq!(event.topic, "house/door/event/locked");
    assert_eq!((event.qos, event.retain), (QoS::AtLeastOnce, false));
    let expected = json!({
        "seq": 8,
        "id": "019b7e3c-1153-7a10-8b1e-000000000008",
        "time": "2026-01-02T10:32:07.123456Z",
        "kind": "locked",
        "replayed": false,
        "content": { "door": "front", "reason": "time is over" },
        "previous": format!("{:064x}", 7),
        "hash": format!("{:064x}", 8),
    });
    assert_eq!(value(&event), expected);
    eventually("an empty outbox", || house.outbox.is_empty()).await;

    house.happens(entry(9, "unlocked", json!({ "door": "front", "capture_to_door_ms": 232 })));
    house.hub.doors(front(LockState::Unlocked));
    early.wait_until("house/door/door/front", |state| state["lock"] == "unlocked").await;
    let mut late = Observer::of(port, "late").await;
    assert!(late.wait_until("house/door/door/front", |state| state["lock"] == "unlocked").await.retain);
    assert!(Observer::of(port, "later").await.expect_status("online").await.retain);
    assert_eq!(
        (house.hub.state(), house.hub.counts().dropped, house.hub.counts().live),
        (ConnectionState::Online, 0, 2)
    );
}

#[tokio::test]
async fn both_versions_publish_the_same_to_mosquitto() {
    let mosquitto = Mosquitto::start().await;
    for version in [Version::V5, Version::V311] {
        let mut observer = Observer::of(mosquitto.port, "observer").await;
        let house = House::start(HubSettings { version, ..settings(mosquitto.own_port) });
        observer.expect_status("online").await;
        (1..=100).for_each(|seq| house.locks(seq));
        for expected in 1..=100 {
            assert_eq!(seq(&observer.event().await), expected);
        }
        eventually("an empty outbox", || house.outbox.is_empty()).await;
        house.hub.stop().await;
        observer.expect_status("offline").await;
    }
}

#[tokio::test]
async fn stopping_sends_waiting_events_and_then_offline() {
    let port = broker(None).await;
    let mut observer = Observer::of(port, "observer").await;
    let house = House::start(settings(port));
    observer.expect_status("online").await;
    (1..=100).for_each(|seq| house.locks(seq));
    house.hub.stop().await;
    for expected in 1..=100 {
        assert_eq!(seq(&observer.event().await), expected);
    }
    observer.expect_status("offline").await;
    assert!(house.outbox.is_empty());
}

#[tokio::test]
async fn after_a_dropped_hub_the_broker_publishes_offline() {
    let port = broker(None).await;
    let mut observer = Observer::of(port, "observer").await;
    let house = House::start(settings(port));
    observer.expect_status("online").await;
    drop(house);
    observer.expect_status("offline").await;
}

#[tokio::test]
async fn a_wrong_password_is_named() {
    let port = broker(Some(("usher", "right"))).await;
    let with = |password: &str| {
        let (username, password) = (Some("usher".to_owned()), Some(password.to_owned()));
        HubSettings { username, password, ..settings(port) }
    };
    let house = House::start(with("wrong"));
    let why = house.offline().await;
    assert!(why.contains("password"), "{why}");
    house.hub.stop().await;
    House::start(with("right")).online().await;
}

#[tokio::test]
async fn a_topic_that_mqtt_forbids_is_dropped_and_nothing_else() {
    let port = broker(None).await;
    let mut observer = Observer::of(port, "observer").await;
    let house = House::start(settings(port));
    observer.expect_status("online").await;
    house.happens(entry(1, "a/#", json!({})));
    house.locks(2);
    assert_eq!(seq(&observer.event().await), 2);
    assert_eq!(house.hub.counts().dropped, 1);
    eventually("an empty outbox", || house.outbox.is_empty()).await;
}

#[tokio::test]
async fn an_event_larger_than_the_broker_accepts_is_counted_and_does_not_block_the_others() {
    let mosquitto = Mosquitto::with(|_| "allow_anonymous true\nmax_packet_size 2000".to_owned()).await;
    let mut observer = Observer::of(mosquitto.port, "observer").await;
    let house = House::start(settings(mosquitto.own_port));
    observer.expect_status("online").await;
    house.happens(entry(1, "locked", json!({ "door": "front", "reason": "x".repeat(4000) })));
    house.locks(2);
    assert_eq!(seq(&observer.event().await), 2);
    eventually("an empty outbox", || house.outbox.is_empty()).await;
    assert_eq!((house.hub.counts().dropped, house.hub.counts().connections), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_wait_for_a_silent_broker() {
    let house = House::start(settings(mute_broker().await));
    house.online().await;
    house.locks(1);
    let asked = Instant::now();
    house.hub.stop().await;
    assert!(asked.elapsed() < Duration::from_millis(2100), "{:?}", asked.elapsed());
    assert_eq!(house.outbox.len(), 1, "it is sent another day");
}

#[tokio::test]
async fn a_host_without_address_is_an_outage() {
    let house = House::start(HubSettings { host: "no-such-host.invalid".to_owned(), ..settings(1883) });
    let why = house.offline().await;
    assert!(why.contains("no-such-host.invalid:1883"), "{why}");
    timeout(Duration::from_secs(3), house.hub.stop()).await.expect("stopping takes 2 seconds at most");
}

#[test]
fn the_password_is_not_printed() {
    let settings = HubSettings { password: Some("s3cret".to_owned()), ..settings(1883) };
    let printed = format!("{settings:?}");
    assert!(printed.contains("usher-test") && !printed.contains("s3cret"), "{printed}");
}

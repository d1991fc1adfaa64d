//! Brokers that are away, slow, silent or restarted: nothing is lost, late events are marked, and the log reports each outage once.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::time::{sleep, timeout};
use usher::clock::SimulatedClock;
use usher::hub::{ConnectionState, Hub, HubDeps, HubSettings, LockState, MemoryOutbox, MemoryTopics, Version};

use crate::support::*;

/// What an earlier run left.
fn left_over(count: u64) -> Arc<MemoryOutbox> {
    let outbox = MemoryOutbox::default();
    (1..=count).for_each(|seq| outbox.push(entry(seq, "locked", json!({ "door": "front", "reason": "time is over" }))));
    Arc::new(outbox)
}

#[tokio::test]
async fn ten_thousand_events_of_an_outage_arrive_in_order_and_once_by_their_ids() {
    const EVENTS: u64 = 10_000;
    let mosquitto = Mosquitto::start().await;
    let mut observer = Observer::of(mosquitto.port, "observer").await;
    let port = free_port().await;
    // Nobody listens there yet.
    let house = House::with(settings(port), layout(), left_over(EVENTS), EVENTS);
    house.offline().await;
    let proxy = Proxy::between(port, mosquitto.own_port).await;
    let (mut seen, mut order, mut heard) = (HashSet::new(), Vec::new(), 0);
    while order.len() < EVENTS as usize {
        let publish = observer.event().await;
        assert_eq!(text(&publish.topic), "house/door/replay/locked");
        let event = value(&publish);
        assert_eq!(event["replayed"], true);
        if seen.insert(event["id"].as_str().unwrap().to_owned()) {
            order.push(event["seq"].as_u64().unwrap());
        }
        heard += 1;
        // The connection breaks a few times on the way.
        if heard == 1000 || heard == 4000 {
            proxy.cut();
        }
    }
    assert!(order.iter().copied().eq(1..=EVENTS), "not in order");
    eventually("an empty outbox", || house.outbox.is_empty()).await;
    assert!(house.hub.counts().connections >= 3);
    // Events that were sent again were under way when the connection broke.
    assert!(heard - EVENTS <= 2 * 32, "{heard}");
}

#[tokio::test]
async fn events_of_this_run_are_late_after_an_outage_and_later_ones_are_not() {
    let mosquitto = Mosquitto::start().await;
    let mut observer = Observer::of(mosquitto.port, "observer").await;
    let port = free_port().await;
    let house = House::start(settings(port));
    house.locks(1);
    house.locks(2);
    // An event is late after five seconds.
    sleep(Duration::from_millis(5500)).await;
    let _proxy = Proxy::between(port, mosquitto.own_port).await;
    for expected in [1, 2] {
        let event = observer.event().await;
        assert_eq!((text(&event.topic), seq(&event)), ("house/door/replay/locked", expected));
    }
    house.online().await;
    house.locks(3);
    let event = observer.event().await;
    assert_eq!((text(&event.topic), seq(&event)), ("house/door/event/locked", 3));
    let counts = house.hub.counts();
    assert_eq!((counts.live, counts.replayed), (1, 2));
}

#[tokio::test]
async fn a_silent_alarm_is_sent_late_rather_than_not_at_all_and_once_for_its_event() {
    let mosquitto = Mosquitto::start().await;
    let mut observer = Observer::of(mosquitto.port, "observer").await;
    let outbox = std::sync::Arc::new(usher::hub::MemoryOutbox::default());
    let person = json!({ "id": 7, "name": "Barack Obama" });
    for seq in [1, 2] {
        outbox.push(entry(seq, "pin_entered", json!({ "door": "front", "person": person, "note": "5f3a" })));
    }
    outbox.mark_duress(2);
    let _house = House::with(settings(mosquitto.own_port), layout(), outbox, 2);
    let first = observer.event().await;
    assert_eq!((text(&first.topic), seq(&first)), ("house/door/replay/pin_entered", 1));
    let alarm = observer.wait_for("house/door/duress").await;
    assert!(!alarm.retain);
    let alarm = value(&alarm);
    assert_eq!((&alarm["seq"], &alarm["replayed"], &alarm["person"]), (&json!(2), &json!(true), &person));
    let second = observer.event().await;
    assert_eq!((text(&second.topic), seq(&second)), ("house/door/replay/pin_entered", 2));
}

#[tokio::test]
async fn after_a_restart_of_the_broker_the_hub_publishes_everything_again_and_logs_it_once() {
    let log = Log::begin();
    let mut mosquitto = Mosquitto::start().await;
    let port = mosquitto.own_port;
    let house = House::start(settings(port));
    house.online().await;
    house.happens(entry(1, "unlocked", json!({ "door": "front" })));
    house.hub.doors(front(LockState::Unlocked));
    eventually("an empty outbox", || house.outbox.is_empty()).await;

    mosquitto.kill();
    house.offline().await;
    house.locks(2);
    house.hub.doors(front(LockState::Locked));
    // Long enough for a second attempt, which fails too.
    sleep(Duration::from_millis(2500)).await;

    mosquitto.restart().await;
    let mut observer = Observer::of(mosquitto.port, "observer").await;
    observer.wait_until("house/door/door/front", |state| state["lock"] == "locked").await;
    eventually("an empty outbox", || house.outbox.is_empty()).await;
    assert_eq!(house.hub.state(), ConnectionState::Online);
    let address = format!("127.0.0.1:{port}");
    let logged = |what| log.count(what, &address);
    let counts = [logged("the broker is away"), logged("the broker is back")];
    assert_eq!(counts, [1, 1], "{:#?}", log.lines(&address));
}

#[tokio::test]
async fn a_broken_connection_makes_the_broker_publish_offline() {
    let port = broker(None).await;
    let mut observer = Observer::of(port, "observer").await;
    let proxy_port = free_port().await;
    let proxy = Proxy::between(proxy_port, port).await;
    let house = House::start(settings(proxy_port));
    observer.expect_status("online").await;

    drop(proxy);
    observer.expect_status("offline").await;
    assert!(house.offline().await.contains(&format!("127.0.0.1:{proxy_port}")));
    assert!(Observer::of(port, "late").await.expect_status("offline").await.retain);
}

#[tokio::test]
async fn with_a_session_a_short_break_is_not_published_as_offline() {
    let mosquitto = Mosquitto::start().await;
    let mut observer = Observer::of(mosquitto.port, "observer").await;
    let port = free_port().await;
    let proxy = Proxy::between(port, mosquitto.own_port).await;
    let session = HubSettings { clean_start: false, session_expiry: Duration::from_secs(60), ..settings(port) };
    let house = House::start(session);
    observer.expect_status("online").await;
    proxy.cut();
    house.offline().await;
    house.online().await;
    let status = observer.wait_for("house/door/status").await;
    assert_eq!(text(&status.payload), "online", "it was never offline");
    house.locks(1);
    assert_eq!(seq(&observer.event().await), 1);
}

#[tokio::test]
async fn two_devices_with_one_client_id_are_reported() {
    let mosquitto = Mosquitto::start().await;
    let log = Log::begin();
    // MQTT 3.1.1 has no reason code for it, and not every MQTT 5 broker sends one: it is recognised by repetition.
    for (version, client_id) in [(Version::V311, "twins"), (Version::V5, "triplets")] {
        let twin = |device: &str| {
            let (client_id, device) = (client_id.to_owned(), device.to_owned());
            House::start(HubSettings { version, client_id, device, ..settings(mosquitto.own_port) })
        };
        let houses = [twin("one"), twin("two")];
        let named = format!("client id {client_id}");
        eventually("the log's word", || log.count("short connections in a row", &named) > 0).await;
        assert!(houses.iter().all(|house| house.hub.refusals().is_empty()), "no message is to blame");
    }
}

#[tokio::test]
async fn a_wrong_port_blocks_nobody_and_nothing_is_dropped() {
    let port = free_port().await;
    let house = House::start(settings(port));
    let why = house.offline().await;
    assert!(why.contains(&format!("127.0.0.1:{port} cannot be reached")), "{why}");
    (1..=1000).for_each(|seq| house.locks(seq));
    assert_eq!((house.outbox.len(), house.hub.counts().dropped), (1000, 0));
    timeout(Duration::from_secs(3), house.hub.stop()).await.expect("stopping takes 2 seconds at most");
    assert_eq!(house.outbox.len(), 1000);
}

#[tokio::test]
async fn a_slow_broker_gets_everything_in_its_own_time() {
    let mosquitto = Mosquitto::start().await;
    let mut observer = Observer::of(mosquitto.port, "observer").await;
    let port = free_port().await;
    let _slow = Proxy::slow(port, mosquitto.own_port, 2000).await;
    let house = House::start(settings(port));
    house.online().await;
    // Giving an event to the hub only queues it, so it cannot block, whatever the connection does.
    (1..=300).for_each(|seq| house.locks(seq));
    assert!(house.outbox.len() > 200, "the line is slow");
    for expected in 1..=300 {
        assert_eq!(seq(&observer.event().await), expected);
    }
    assert_eq!((house.hub.counts().connections, house.hub.counts().dropped), (1, 0));
}

#[tokio::test]
async fn an_unreadable_outbox_is_logged_once_and_tried_again() {
    let log = Log::begin();
    let mosquitto = Mosquitto::start().await;
    let mut observer = Observer::of(mosquitto.port, "observer").await;
    let well = left_over(3);
    let outbox = Arc::new(SickOutbox { well: well.clone(), sick: AtomicBool::new(true) });
    let clock = Arc::new(SimulatedClock::new(wall()));
    let (refused, _) = tokio::sync::mpsc::channel(1);
    let (outbox_of_hub, retained_topics) = (outbox.clone(), Arc::default());
    let retained_topics: Arc<MemoryTopics> = retained_topics;
    let deps =
        HubDeps { layout: layout(), outbox: outbox_of_hub, earlier: 3, clock, retained_topics, refused, entries: None };
    let (hub, _commands) = Hub::start(settings(mosquitto.own_port), deps);
    observer.expect_status("online").await;
    eventually("the log's word", || log.count("outbox cannot be used", "the disk is on fire") == 1).await;
    outbox.sick.store(false, Ordering::Relaxed);
    for expected in 1..=3 {
        assert_eq!(seq(&observer.event().await), expected);
    }
    eventually("an empty outbox", || well.is_empty()).await;
    assert_eq!(log.count("outbox cannot be used", "the disk is on fire"), 1);
    hub.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_never_answers_is_given_up() {
    for version in [Version::V5, Version::V311] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let house = House::start(HubSettings { version, ..settings(port) });
        let why = house.offline().await;
        assert!(why.contains("did not answer within 5 s"), "{why}");
        house.hub.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_falls_silent_again_and_again_is_logged_once() {
    let log = Log::begin();
    let port = mute_broker().await;
    let house = House::start(HubSettings { keep_alive: Duration::from_secs(5), ..settings(port) });
    for _ in 0..5 {
        house.online().await;
        let why = house.offline().await;
        assert!(why.contains("stopped answering"), "{why}");
    }
    let logged = |what| log.count(what, &format!("127.0.0.1:{port}"));
    // It accepts each time, but it is not there.
    assert_eq!([logged("the broker is away"), logged("the broker is back"), logged("connected")], [1, 0, 0]);
}

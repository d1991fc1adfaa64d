//! What Home Assistant sees.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use usher::domain::Prompt;
use usher::hub::home_assistant::{HomeAssistantSettings, PeopleAs};
use usher::hub::{DeviceLayout, DoorState, HubSettings, LockState, Version, Vitals, remove};

use crate::support::*;

const DISCOVERY: &str = "homeassistant/device/usher_door/config";
const PAGE: &str = "https://door.example:8470/";

fn with(people: PeopleAs, port: u16) -> HubSettings {
    let home_assistant = HomeAssistantSettings {
        discovery_prefix: "homeassistant".into(),
        people,
        nearest: false,
        page: Some(PAGE.into()),
    };
    HubSettings { home_assistant: Some(home_assistant), ..settings(port) }
}

async fn discovered(observer: &mut Observer) -> Value {
    let publish = observer.wait_for(DISCOVERY).await;
    assert_eq!(publish.qos, rumqttc::v5::mqttbytes::QoS::AtLeastOnce);
    value(&publish)
}

fn keys(components: &Value) -> Vec<&str> {
    components.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn the_device_announces_itself_retained_and_again_when_home_assistant_has_started() {
    let mosquitto = Mosquitto::start().await;
    for version in [Version::V5, Version::V311] {
        let mut observer = Observer::listening_to(mosquitto.port, "observer", "#").await;
        let house = House::start(HubSettings { version, ..with(PeopleAs::Nobody, mosquitto.own_port) });
        let first = discovered(&mut observer).await;
        assert_eq!((&first["dev"]["ids"], &first["dev"]["cu"]), (&json!(["usher_door"]), &json!(PAGE)));
        assert!(first["cmps"]["front_lock"].is_object());
        let mut late = Observer::listening_to(mosquitto.port, "late", "homeassistant/#").await;
        assert!(late.wait_for(DISCOVERY).await.retain);
        house.hub.doors(front(LockState::Unlocked));
        observer.wait_until("house/door/door/front", |state| state["lock"] == "unlocked").await;

        observer.says("homeassistant/status", "online", false, None).await;
        let mut again = BTreeMap::new();
        while !["house/door/status", "house/door/door/front", DISCOVERY].iter().all(|topic| again.contains_key(*topic))
        {
            let publish = observer.next().await;
            again.insert(text(&publish.topic).to_owned(), publish.payload.clone());
        }
        assert_eq!(serde_json::from_slice::<Value>(&again[DISCOVERY]).unwrap(), first);
        house.hub.stop().await;
        remove(settings(mosquitto.own_port), "homeassistant", &[], Duration::from_secs(10)).await.unwrap();
    }
}

#[tokio::test]
async fn many_starts_of_home_assistant_cost_no_event() {
    let mosquitto = Mosquitto::start().await;
    let mut observer = Observer::of(mosquitto.port, "observer").await;
    let house = House::start(with(PeopleAs::Tag, mosquitto.own_port));
    observer.expect_status("online").await;
    for round in 0..100u64 {
        observer.says("homeassistant/status", "online", false, None).await;
        for seq in round * 5 + 1..=round * 5 + 5 {
            house.happens(entry(seq, "granted", json!({ "door": "front", "person": { "id": 7, "name": "x" } })));
        }
    }
    for expected in 1..=500 {
        assert_eq!(seq(&observer.event().await), expected);
    }
    eventually("an empty outbox", || house.outbox.is_empty()).await;
    assert_eq!((house.hub.counts().dropped, house.hub.counts().connections), (0, 1));
}

#[tokio::test]
async fn an_event_entity_gets_fresh_events_and_no_late_ones() {
    let mosquitto = Mosquitto::start().await;
    let mut observer = Observer::of(mosquitto.port, "observer").await;
    let outbox = std::sync::Arc::new(usher::hub::MemoryOutbox::default());
    let granted =
        |seq| entry(seq, "granted", json!({ "door": "front", "person": { "id": 7, "name": "Barack Obama" } }));
    outbox.push(granted(1));
    let house = House::with(with(PeopleAs::Tag, mosquitto.own_port), layout(), outbox, 1);
    let late = observer.event().await;
    assert_eq!(text(&late.topic), "house/door/replay/granted");
    house.happens(granted(2));
    let event = observer.wait_for("house/door/door/front/event").await;
    assert!(!event.retain);
    let expected = json!({
        "event_type": "granted", "id": "019b7e3c-1153-7a10-8b1e-000000000002",
        "time": "2026-01-02T10:32:07.123456Z", "person": "Barack Obama",
    });
    assert_eq!(value(&event), expected);
    assert_eq!(value(&observer.wait_for("house/door/tag").await), json!({ "tag": "usher-7" }));
    assert_eq!(text(&observer.event().await.topic), "house/door/event/granted");
}

#[tokio::test]
async fn people_are_trackers_that_come_and_go_with_the_gallery() {
    let mosquitto = Mosquitto::start().await;
    let mut observer = Observer::listening_to(mosquitto.port, "observer", "#").await;
    let house = House::start(with(PeopleAs::DeviceTracker, mosquitto.own_port));
    let first = discovered(&mut observer).await;
    assert_eq!(first["cmps"]["person_7"]["p"], "device_tracker");
    assert_eq!(first["cmps"]["person_7"]["name"], "Barack Obama");
    let passed = json!({ "door": "front", "person": { "id": 7, "name": "Barack Obama" }, "direction": "in" });
    house.happens(entry(1, "passed", passed));
    observer.wait_until("house/door/person/7", |state| state["presence"] == "home").await;
    house.happens(entry(2, "enrolled", json!({ "person": { "id": 9, "name": "Joe Biden" } })));
    assert_eq!(discovered(&mut observer).await["cmps"]["person_9"]["name"], "Joe Biden");
    house.happens(entry(3, "removed", json!({ "person": { "id": 7, "name": "Barack Obama" } })));
    let last = discovered(&mut observer).await;
    assert_eq!(last["cmps"]["person_7"], json!({ "p": "device_tracker" }), "this takes the entity away");
    assert_eq!(observer.wait_for("house/door/person/7").await.payload.len(), 0, "and this what the broker keeps");
}

#[tokio::test]
async fn entities_of_an_earlier_run_that_are_gone_are_withdrawn() {
    let mosquitto = Mosquitto::start().await;
    let old = House::start(with(PeopleAs::DeviceTracker, mosquitto.own_port));
    let mut observer = Observer::listening_to(mosquitto.port, "observer", "#").await;
    assert!(discovered(&mut observer).await["cmps"]["person_7"]["unique_id"].is_string());
    old.hub.stop().await;
    drop(old);

    let without_camera = DeviceLayout { cameras: Vec::new(), ..layout() };
    let new = with(PeopleAs::Nobody, mosquitto.own_port);
    let _house = House::with(new, without_camera, Default::default(), 0);
    loop {
        let components = &discovered(&mut observer).await["cmps"];
        if components["person_7"] == json!({ "p": "device_tracker" }) {
            assert_eq!(components["porch_fps"], json!({ "p": "sensor" }));
            assert_eq!(components["porch_connectivity"], json!({ "p": "binary_sensor" }));
            assert!(components["front_lock"]["unique_id"].is_string());
            break;
        }
    }
}

#[tokio::test]
async fn measurements_reach_the_sensors() {
    let mosquitto = Mosquitto::start().await;
    let mut observer = Observer::of(mosquitto.port, "observer").await;
    let house = House::start(with(PeopleAs::Nobody, mosquitto.own_port));
    let fps = BTreeMap::from([("porch".to_owned(), 14.96)]);
    house.hub.measured(Vitals {
        fps,
        queue_depth: 3,
        soc_temperature_c: Some(51.26),
        sealed: Some(false),
        trouble: Some("the disk is full".into()),
    });
    let state = observer.wait_until("house/door/state", |state| state["problem"] == "the disk is full").await;
    assert_eq!(value(&state)["templates_sealed"], false);
    let vitals = observer.wait_until("house/door/vitals", |vitals| vitals["queue_depth"] == 3).await;
    assert_eq!(value(&vitals), json!({ "fps": { "porch": 15.0 }, "queue_depth": 3, "soc_temperature_c": 51.3 }));
}

#[tokio::test]
async fn removal_leaves_nothing_behind() {
    let mosquitto = Mosquitto::start().await;
    let settings = with(PeopleAs::DeviceTracker, mosquitto.own_port);
    let house = House::start(settings.clone());
    let mut observer = Observer::listening_to(mosquitto.port, "observer", "#").await;
    discovered(&mut observer).await;
    house.hub.stop().await;
    drop(house);
    observer.says("house/other/status", "online", true, None).await;
    observer.wait_for("house/other/status").await;

    let cleared = remove(settings.clone(), "homeassistant", &[], Duration::from_secs(10)).await.unwrap();
    for topic in [DISCOVERY, "house/door/status", "house/door/door/front", "house/door/person/7", "house/door/vitals"] {
        assert!(cleared.iter().any(|cleared| cleared == topic), "{topic}: {cleared:?}");
    }
    let mut late = Observer::listening_to(mosquitto.port, "late", "#").await;
    // Another device's is the only one left.
    let left = late.next().await;
    assert_eq!(text(&left.topic), "house/other/status");
    late.says("end", "", false, None).await;
    assert_eq!(text(&late.next().await.topic), "end");
    assert_eq!(remove(settings, "homeassistant", &[], Duration::from_secs(10)).await.unwrap(), [DISCOVERY]);
}

#[tokio::test]
async fn every_entity_reads_a_topic_that_is_published() {
    let mosquitto = Mosquitto::start().await;
    let house = House::start(with(PeopleAs::DeviceTracker, mosquitto.own_port));
    house.online().await;
    let mut observer = Observer::listening_to(mosquitto.port, "observer", "#").await;
    let discovery = discovered(&mut observer).await;
    // A prompt is not retained: it is heard when it changes.
    house.hub.doors(vec![DoorState { prompt: Prompt::TurnLeft, ..front(LockState::Locked).remove(0) }]);
    house.happens(entry(1, "granted", json!({ "door": "front", "person": { "id": 7, "name": "x" } })));
    let mut published = std::collections::BTreeSet::new();
    while !published.contains("house/door/event/granted") {
        let publish = observer.next().await;
        published.insert(text(&publish.topic).to_owned());
    }
    let mut late = Observer::listening_to(mosquitto.port, "late", "#").await;
    late.says("end", "", false, None).await;
    loop {
        let publish = late.next().await;
        if publish.topic == b"end"[..] {
            break;
        }
        published.insert(text(&publish.topic).to_owned());
    }
    for key in keys(&discovery["cmps"]) {
        let entity = &discovery["cmps"][key];
        let availability = entity["availability"].as_array().into_iter().flatten().map(|one| &one["topic"]);
        for topic in std::iter::once(&entity["state_topic"]).chain(availability) {
            assert!(published.contains(topic.as_str().unwrap()), "{key}: {topic}");
        }
    }
}

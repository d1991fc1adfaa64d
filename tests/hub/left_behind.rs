//! Topics that an earlier run published and this one does not are cleared.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use usher::hub::home_assistant::{HomeAssistantSettings, PeopleAs};
use usher::hub::{DeviceLayout, DoorLayout, HubSettings, MemoryTopics, RetainedTopics, Version};

use crate::support::*;

fn with(port: u16, device: &str, people: Option<PeopleAs>) -> HubSettings {
    let home_assistant = people.map(|people| HomeAssistantSettings {
        discovery_prefix: "homeassistant".into(),
        people,
        nearest: false,
        page: None,
    });
    HubSettings { home_assistant, device: device.to_owned(), ..settings(port) }
}

/// With a back door and two people.
fn large() -> DeviceLayout {
    let mut layout = layout();
    layout.doors.push(DoorLayout {
        name: "back".into(),
        leaf_sensor: false,
        tamper_contact: false,
        mode: "normal".into(),
        prompts: false,
    });
    layout.cameras.push("yard".into());
    layout.people.push((9, "Joe Biden".into()));
    layout
}

/// Retained topics and payloads.
async fn kept(port: u16) -> BTreeMap<String, String> {
    let mut observer = Observer::listening_to(port, "late", "#").await;
    observer.says("end", "", false, None).await;
    let mut kept = BTreeMap::new();
    loop {
        let publish = observer.next().await;
        if publish.topic == b"end"[..] {
            return kept;
        }
        kept.insert(text(&publish.topic).to_owned(), text(&publish.payload).to_owned());
    }
}

/// Waits until the broker keeps what `is_it` wants.
async fn until(port: u16, what: &str, is_it: impl Fn(&BTreeMap<String, String>) -> bool) -> BTreeMap<String, String> {
    for _ in 0..200 {
        let kept = kept(port).await;
        if is_it(&kept) {
            return kept;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("waited in vain for {what}: {:#?}", kept(port).await);
}

fn past(retained_topics: &Arc<MemoryTopics>) -> Past {
    Past { retained_topics: retained_topics.clone(), ..Past::default() }
}

async fn runs(settings: HubSettings, layout: DeviceLayout, retained_topics: &Arc<MemoryTopics>) -> House {
    let house = House::after(settings, layout, past(retained_topics));
    house.online().await;
    house
}

#[tokio::test]
async fn removed_doors_cameras_and_people_leave_nothing() {
    let retained_topics = Arc::<MemoryTopics>::default();
    for version in [Version::V5, Version::V311] {
        let mosquitto = Mosquitto::start().await;
        let port = mosquitto.port;
        let of = |people| HubSettings { version, ..with(mosquitto.own_port, "door", people) };
        let trackers = Some(PeopleAs::DeviceTracker);
        let house = runs(of(trackers), large(), &retained_topics).await;
        until(port, "Joe", |kept| kept.contains_key("house/door/person/9")).await;
        house.hub.stop().await;
        assert!(kept(port).await.contains_key("house/door/door/back"));

        let house = runs(of(trackers), layout(), &retained_topics).await;
        let left = until(port, "a clean broker", |kept| {
            !["door/back", "camera/yard", "person/9"].iter().any(|of| kept.contains_key(&format!("house/door/{of}")))
        })
        .await;
        assert!(left.contains_key("house/door/door/front") && left.contains_key("house/door/person/7"));
        let clean = |kept: &BTreeMap<String, String>| !kept.values().any(|payload| payload.contains("Joe Biden"));
        until(port, "no name", clean).await;
        house.hub.stop().await;

        // Home Assistant off: neither the announcement nor people.
        let house = runs(of(None), layout(), &retained_topics).await;
        until(port, "no announcement", |kept| {
            !kept.keys().any(|topic| topic.starts_with("homeassistant/") || topic.contains("/person/"))
        })
        .await;
        house.hub.stop().await;
        assert!(retained_topics.topics().unwrap().contains_key("house/door/door/front"));
        assert!(!retained_topics.topics().unwrap().contains_key("house/door/door/back"));
    }
}

#[tokio::test]
async fn a_former_name_goes_unless_another_device_has_it_now() {
    let mosquitto = Mosquitto::start().await;
    let retained_topics = Arc::<MemoryTopics>::default();
    let own = mosquitto.own_port;
    let house = runs(with(own, "old", Some(PeopleAs::Tag)), layout(), &retained_topics).await;
    until(mosquitto.port, "the announcement", |kept| kept.contains_key("homeassistant/device/usher_old/config")).await;
    house.hub.stop().await;
    drop(house);

    let house = runs(with(own, "new", Some(PeopleAs::Tag)), layout(), &retained_topics).await;
    let left = until(mosquitto.port, "no old name", |kept| !kept.keys().any(|topic| topic.contains("old"))).await;
    assert!(left.contains_key("house/new/status"));
    eventually("a short list", || !retained_topics.topics().unwrap().keys().any(|topic| topic.contains("old"))).await;
    house.hub.stop().await;
    drop(house);

    // Another device has taken the name over and is online.
    let other = HubSettings { client_id: "other".into(), ..with(own, "new", None) };
    let other = runs(other, layout(), &Arc::default()).await;
    until(mosquitto.port, "the other", |kept| kept.get("house/new/status").is_some_and(|status| status == "online"))
        .await;
    let log = Log::begin();
    let house = runs(with(own, "third", None), layout(), &retained_topics).await;
    eventually("the log's word", || log.count("are left alone", "usher hub remove --device new") == 1).await;
    assert!(kept(mosquitto.port).await.contains_key("house/new/door/front"));
    house.hub.stop().await;
    other.hub.stop().await;
}

#[tokio::test]
async fn a_person_removed_or_erased_while_the_broker_is_away_is_on_no_topic_afterwards() {
    let mosquitto = Mosquitto::start().await;
    let port = free_port().await;
    let proxy = Proxy::between(port, mosquitto.own_port).await;
    let house = House::start(with(port, "door", Some(PeopleAs::DeviceTracker)));
    house.online().await;
    let person = json!({ "id": 7, "name": "Barack Obama" });
    house.happens(entry(1, "granted", json!({ "door": "front", "person": person })));
    let named = |kept: &BTreeMap<String, String>| {
        kept.iter().filter(|(_, payload)| payload.contains("Obama")).map(|(topic, _)| topic.clone()).collect::<Vec<_>>()
    };
    until(mosquitto.port, "the name", |kept| named(kept).len() == 3).await;
    drop(proxy);
    house.offline().await;
    house.happens(entry(2, "removed", json!({ "person": person })));
    let _proxy = Proxy::between(port, mosquitto.own_port).await;
    let left = until(mosquitto.port, "no name", |kept| named(kept).is_empty()).await;
    let state: Value = serde_json::from_str(&left["house/door/state"]).unwrap();
    assert_eq!(state["last_person"], Value::Null);

    let joe = json!({ "id": 9, "name": "Joe Biden" });
    house.happens(entry(3, "granted", json!({ "door": "front", "person": joe })));
    until(mosquitto.port, "the name", |kept| kept["house/door/state"].contains("Biden")).await;
    house.hub.forget(9);
    until(mosquitto.port, "no name", |kept| !kept["house/door/state"].contains("Biden")).await;
}

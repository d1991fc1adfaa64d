//! PINs and tags from the broker: off by default, never retained, limited, and never in the log.

use usher::domain::Entry;
use usher::hub::{HubEntry, HubSettings, Version};

use crate::support::*;

/// A house that takes PINs and tags, and a keypad.
async fn listening(mosquitto: &Mosquitto, version: Version) -> (House, Observer) {
    let mut keypad = Observer::of(mosquitto.port, "keypad").await;
    let settings = HubSettings { version, ..settings(mosquitto.own_port) };
    let house = House::after(settings, layout(), Past { takes_entries: true, ..Past::default() });
    keypad.expect_status("online").await;
    (house, keypad)
}

async fn next(house: &mut House) -> HubEntry {
    let entries = house.entries.as_mut().unwrap();
    tokio::time::timeout(PATIENCE, entries.recv()).await.expect("an entry arrives").expect("the hub lives")
}

fn at_front(entry: Entry) -> HubEntry {
    HubEntry { door: "front".into(), entry }
}

#[tokio::test]
async fn what_is_entered_arrives_and_what_is_retained_does_not() {
    let log = Log::begin();
    let mosquitto = Mosquitto::start().await;
    for version in [Version::V5, Version::V311] {
        let (mut house, keypad) = listening(&mosquitto, version).await;
        keypad.says("house/door/door/front/keypad", "739184", false, None).await;
        keypad.says("house/door/door/front/tag", r#"{"uid":"73:91:84:7F"}"#, false, None).await;
        assert_eq!(next(&mut house).await, at_front(Entry::Pin("739184".parse().unwrap())));
        assert_eq!(next(&mut house).await, at_front(Entry::Tag("7391847F".parse().unwrap())));
        house.hub.stop().await;

        // Retained by the broker until a client subscribes.
        keypad.says("house/door/door/front/keypad", "739184", true, None).await;
        let settings = HubSettings { version, ..settings(mosquitto.own_port) };
        let mut later = House::after(settings, layout(), Past { takes_entries: true, ..Past::default() });
        eventually("the refusal", || later.hub.counts().entries_retained == 1).await;
        keypad.says("house/door/door/front/keypad", "", true, None).await;
        keypad.says("house/door/door/front/keypad", "739184739184", false, None).await;
        keypad.says("house/door/door/front/keypad", "5555", false, None).await;
        assert_eq!(next(&mut later).await, at_front(Entry::Pin("5555".parse().unwrap())));
        assert_eq!((later.hub.counts().entries_malformed, later.hub.counts().entries_accepted), (1, 1));
        later.hub.stop().await;
    }
    assert!(log.count("the broker keeps an entry there", "front/keypad") >= 2);
    assert_eq!(log.count("739184", "") + log.count("7391847F", "") + log.count("73:91", ""), 0);
}

#[tokio::test]
async fn a_flood_is_cut_off_and_commands_go_on() {
    let mosquitto = Mosquitto::start().await;
    let (mut house, keypad) = listening(&mosquitto, Version::V5).await;
    for _ in 0..60 {
        keypad.says("house/door/door/front/keypad", "1234", false, None).await;
    }
    eventually("sixty entries", || {
        let counts = house.hub.counts();
        counts.entries_accepted + counts.entries_limited == 60
    })
    .await;
    // Twenty at once, and some of what a minute allows while this runs.
    let accepted = house.hub.counts().entries_accepted;
    assert!((20..50).contains(&accepted), "{accepted}");
    next(&mut house).await;
}

#[tokio::test]
async fn without_the_setting_there_are_no_subscriptions() {
    let mosquitto = Mosquitto::start().await;
    let mut keypad = Observer::of(mosquitto.port, "keypad").await;
    let house = House::start(settings(mosquitto.own_port));
    keypad.expect_status("online").await;
    keypad.says("house/door/door/front/keypad", "1234", false, None).await;
    keypad.says("house/door/command/front", "1234", false, None).await;
    house.locks(1);
    keypad.event().await;
    house.hub.stop().await;
    let counts = house.hub.counts();
    assert_eq!((counts.entries_accepted, counts.entries_malformed, counts.commands_malformed), (0, 0, 0));
}

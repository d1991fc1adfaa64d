//! Commands from the broker: off by default, and then only what is fresh, rare and for a door that is not locked down.

use std::time::Duration;

use serde_json::json;
use usher::hub::{CommandSettings, DoorState, HubAction, HubCommand, HubSettings, LockState, RefusedCommand, Version};

use crate::support::*;

const NOW: &str = "2026-01-02T10:32:07Z";

fn with_commands(port: u16) -> HubSettings {
    let commands = CommandSettings { max_age: Duration::from_secs(10), per_minute: 5 };
    HubSettings { commands: Some(commands), ..settings(port) }
}

fn command(act: &str, at: &str) -> String {
    json!({ "act": act, "at": at, "by": "anna" }).to_string()
}

async fn received(house: &mut House) -> Result<HubCommand, RefusedCommand> {
    tokio::time::timeout(PATIENCE, house.commands.recv()).await.expect("a command arrives").expect("the hub lives")
}

/// The next command, which is accepted.
async fn next(house: &mut House) -> HubCommand {
    received(house).await.expect("an accepted command")
}

/// Why the next command is refused.
async fn refusal(house: &mut House) -> String {
    received(house).await.expect_err("a refused command").reason
}

/// A house that accepts commands, and a client that gives them.
async fn listening(mosquitto: &Mosquitto, version: Version) -> (House, Observer) {
    let mut observer = Observer::of(mosquitto.port, "somebody").await;
    let house = House::start(HubSettings { version, ..with_commands(mosquitto.own_port) });
    observer.expect_status("online").await;
    (house, observer)
}

#[tokio::test]
async fn a_fresh_command_is_passed_on_and_a_stale_or_retained_one_is_refused() {
    let mosquitto = Mosquitto::start().await;
    for version in [Version::V5, Version::V311] {
        let (mut house, mut somebody) = listening(&mosquitto, version).await;
        somebody.says("house/door/command/front", command("unlock", NOW), false, None).await;
        let (by, door) = ("mqtt/anna".into(), "front".into());
        let taken = next(&mut house).await;
        let not_after = taken.not_after;
        let expected = HubCommand { door, action: HubAction::Unlock, group: None, by, not_after };
        assert_eq!(taken, expected);

        somebody.says("house/door/command/front", command("unlock", "2026-01-02T10:31:00Z"), false, None).await;
        assert_eq!(refusal(&mut house).await, "it is 67 s old");
        house.hub.stop().await;

        // Retained by the broker until a client subscribes.
        somebody.says("house/door/command/front", command("lockdown", NOW), true, None).await;
        somebody.wait_until("house/door/command/front", |command| command["act"] == "lockdown").await;
        let mut later = House::start(HubSettings { version, ..with_commands(mosquitto.own_port) });
        assert!(refusal(&mut later).await.contains("retained"));
        later.hub.stop().await;
        somebody.says("house/door/command/front", "", true, None).await;
        while !somebody.wait_for("house/door/command/front").await.payload.is_empty() {}
    }
}

#[tokio::test]
async fn a_short_expiry_replaces_a_time() {
    let mosquitto = Mosquitto::start().await;
    let (mut house, somebody) = listening(&mosquitto, Version::V5).await;
    let undated = json!({ "act": "lock" }).to_string();
    somebody.says("house/door/command/front", undated.clone(), false, Some(8)).await;
    next(&mut house).await;
    somebody.says("house/door/command/front", undated.clone(), false, Some(3600)).await;
    refusal(&mut house).await;
    somebody.says("house/door/command/front", undated, false, None).await;
    refusal(&mut house).await;
}

#[tokio::test]
async fn a_flood_is_refused_once_and_counted_and_a_lockdown_still_gets_through() {
    let mosquitto = Mosquitto::start().await;
    let (mut house, somebody) = listening(&mosquitto, Version::V5).await;
    for number in 0..50 {
        let at = format!("2026-01-02T10:32:07.{number:02}Z");
        somebody.says("house/door/command/front", command("unlock", &at), false, None).await;
    }
    somebody.says("house/door/command/front", command("lockdown", NOW), false, None).await;
    for _ in 0..5 {
        next(&mut house).await;
    }
    assert!(refusal(&mut house).await.contains("more than 5 commands a minute"));
    assert_eq!(next(&mut house).await.action, HubAction::Lockdown);
    let counts = house.hub.counts();
    assert_eq!((counts.commands_accepted, counts.commands_refused, counts.commands_limited), (6, 1, 44));
}

#[tokio::test]
async fn a_locked_down_door_is_not_unlocked() {
    let mosquitto = Mosquitto::start().await;
    let (mut house, somebody) = listening(&mosquitto, Version::V5).await;
    house.hub.doors(vec![DoorState { mode: "lockdown".into(), ..front(LockState::Locked).remove(0) }]);
    somebody.says("house/door/command/front", command("unlock", NOW), false, None).await;
    assert_eq!(refusal(&mut house).await, "the door is locked down");
    somebody.says("house/door/command/front", command("normal", NOW), false, None).await;
    next(&mut house).await;
}

#[tokio::test]
async fn a_repeated_command_counts_once_also_on_another_connection() {
    let mosquitto = Mosquitto::start().await;
    let mut observer = Observer::of(mosquitto.port, "somebody").await;
    for version in [Version::V5, Version::V311] {
        let port = free_port().await;
        let proxy = Proxy::between(port, mosquitto.own_port).await;
        let mut house = House::start(HubSettings { version, ..with_commands(port) });
        observer.expect_status("online").await;
        let stale = command("unlock", "2026-01-02T10:31:00Z");
        let by_id = |by: &str| json!({ "act": "lock", "id": "7", "by": by, "at": NOW }).to_string();
        for payload in [command("unlock", NOW), command("unlock", NOW), stale.clone(), stale, by_id("a"), by_id("b")] {
            observer.says("house/door/command/front", payload, false, None).await;
        }
        observer.says("house/door/command/front", command("lock", NOW), false, None).await;
        assert_eq!(next(&mut house).await.action, HubAction::Unlock);
        assert_eq!(refusal(&mut house).await, "it is 67 s old");
        assert_eq!(next(&mut house).await.by, "mqtt/a".into());
        assert_eq!(next(&mut house).await.by, "mqtt/anna".into());

        proxy.cut();
        eventually("another connection", || house.hub.counts().connections == 2).await;
        observer.expect_status("online").await;
        observer.says("house/door/command/front", command("unlock", NOW), false, None).await;
        observer.says("house/door/command/front", command("normal", NOW), false, None).await;
        assert_eq!(next(&mut house).await.action, HubAction::Normal, "after the lock it must not unlock again");
        assert_eq!((house.hub.counts().commands_repeated, house.hub.counts().commands_accepted), (4, 4));
        house.hub.stop().await;
        observer.expect_status("offline").await;
    }
}

#[tokio::test]
async fn malformed_messages_are_counted_logged_once_and_ignored() {
    let log = Log::begin();
    let mosquitto = Mosquitto::start().await;
    for version in [Version::V5, Version::V311] {
        let (mut house, somebody) = listening(&mosquitto, version).await;
        let before = log.count("this is no command", "command/front");
        for payload in
            [b"UNLOCK".to_vec(), vec![0xff; 300], Vec::new(), vec![b' '; 100_000], b"{\"act\":\"unlock\"".to_vec()]
        {
            somebody.says("house/door/command/front", payload, false, None).await;
        }
        somebody.says("house/door/command/back", command("unlock", NOW), false, None).await;
        somebody.says("house/door/command/front", command("lock", NOW), false, None).await;
        assert_eq!(next(&mut house).await.action, HubAction::Lock);
        assert_eq!(house.hub.counts().commands_malformed, 6);
        assert_eq!(log.count("this is no command", "command/front") - before, 1);
        assert_eq!(house.hub.counts().connections, 1);
        house.hub.stop().await;
    }
}

#[tokio::test]
async fn an_oversized_packet_does_not_fill_the_memory() {
    let mosquitto = Mosquitto::start().await;
    let (mut house, somebody) = listening(&mosquitto, Version::V5).await;
    somebody.says("house/door/command/front", vec![b'x'; 1 << 20], false, None).await;
    somebody.says("house/door/command/front", command("lock", NOW), false, None).await;
    assert_eq!(next(&mut house).await.action, HubAction::Lock);
    // The broker knows this client's packet limit and does not forward the large one.
    assert_eq!((house.hub.counts().connections, house.hub.counts().commands_malformed), (1, 0));
}

#[tokio::test]
async fn without_the_setting_there_are_no_subscriptions() {
    let mosquitto = Mosquitto::start().await;
    let mut observer = Observer::of(mosquitto.port, "somebody").await;
    let mut house = House::start(settings(mosquitto.own_port));
    observer.expect_status("online").await;
    observer.says("house/door/command/front", command("unlock", NOW), false, None).await;
    house.locks(1);
    observer.event().await;
    house.hub.stop().await;
    assert!(house.commands.try_recv().is_err());
    assert_eq!(house.hub.counts().commands_accepted, 0);
}

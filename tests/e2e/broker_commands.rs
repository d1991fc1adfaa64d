//! Commands from the broker.

use std::time::{Duration, SystemTime};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{Client, Event, MqttOptions};

use crate::support::{Daemon, House, Observer, broker, eventually, metrics};

/// Publishes a command for the front door.
fn command(port: u16, act: &str, at: SystemTime, retain: bool) {
    let (client, mut connection) = Client::new(MqttOptions::new("somebody", "127.0.0.1", port), 10);
    let at = jiff::Timestamp::try_from(at).unwrap();
    let group = if act == "lockdown" { ",\"group\":\"guards\"" } else { "" };
    let payload = format!("{{\"act\":\"{act}\",\"at\":\"{at}\",\"by\":\"anna\"{group}}}");
    client.publish("usher/house/command/front", QoS::AtLeastOnce, retain, payload).unwrap();
    let acknowledged = |event: &Result<Event, _>| matches!(event, Ok(Event::Incoming(Packet::PubAck(_))));
    assert!(connection.iter().any(|event| acknowledged(&event)), "the broker accepts the command");
}

#[test]
fn commands_from_the_broker_move_the_door_and_are_recorded_whatever_their_outcome() {
    let port = broker();
    let house = House::new().with(&format!(
        "[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n[mqtt.commands]\nenabled = true\nunlock_for = \"200ms\""
    ));
    let observer = Observer::of(port, "observer");
    let daemon = Daemon::start(&house);
    observer.wait_for_status("online");
    let now = SystemTime::now;

    let first = now();
    command(port, "unlock", first, false);
    let unlocked = observer.wait_for_event("unlocked");
    assert_eq!(unlocked["content"]["cause"], "operator");
    let operator = house.records("operator_unlocked").pop().unwrap();
    assert_eq!((&operator["content"]["by"], &operator["content"]["duration_ms"]), (&"mqtt/anna".into(), &200.into()));
    observer.wait_for_event("locked");
    // The same one again, as MQTT may deliver it: not a second command, least of all after a lock.
    command(port, "lock", now(), false);
    observer.wait_for_event("operator_locked");
    command(port, "unlock", first, false);
    eventually("the repeat", || {
        metrics(&house).contains("usher_commands_total{outcome=\"repeated\"} 1\n").then_some(())
    });
    assert_eq!(house.records("operator_unlocked").len(), 1);

    let refused = |reason: &str| {
        let content = observer.wait_for_event("command_refused")["content"].clone();
        assert_eq!((&content["by"], &content["command"]), (&"mqtt/anna".into(), &"unlock".into()));
        assert!(content["reason"].as_str().unwrap().contains(reason), "{content}");
    };
    command(port, "unlock", now() - Duration::from_secs(60), false);
    refused("s old");
    command(port, "lockdown", now(), false);
    let set = observer.wait_for_event("mode_set")["content"].clone();
    assert_eq!((&set["mode"], &set["group"]), (&"lockdown".into(), &"guards".into()));
    command(port, "unlock", now(), false);
    refused("locked down");
    daemon.stop();
    observer.wait_for_status("offline");

    // The mode is kept over a restart, also for the hub.
    let daemon = Daemon::start(&house);
    observer.wait_for_status("online");
    command(port, "unlock", now(), false);
    refused("locked down");
    assert_eq!(house.records("operator_unlocked").len(), 1);
    command(port, "normal", now(), false);
    assert_eq!(observer.wait_for_event("mode_set")["content"]["mode"], "normal");
    daemon.stop();
    house.usher(&["journal", "verify"]);
}

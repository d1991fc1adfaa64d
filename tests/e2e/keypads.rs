//! Keypads and readers in the running daemon: entries from the broker, and a device on USB that is not there.

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{Client, Event, MqttOptions};
use serde_json::Value;

use crate::support::{Daemon, House, Observer, broker, eventually, lines, metrics, status};

/// Publishes what a keypad or a reader of the front door does.
fn enter(port: u16, kind: &str, payload: &str) {
    let (client, mut connection) = Client::new(MqttOptions::new("keypad", "127.0.0.1", port), 10);
    client.publish(format!("usher/house/door/front/{kind}"), QoS::AtLeastOnce, false, payload.to_owned()).unwrap();
    let acknowledged = |event: &Result<Event, _>| matches!(event, Ok(Event::Incoming(Packet::PubAck(_))));
    assert!(connection.iter().any(|event| acknowledged(&event)), "the broker accepts it");
}

#[test]
fn entries_from_the_broker_reach_the_doors_and_are_nowhere_in_clear() {
    let port = broker();
    let mut house = House::new().with(&format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\nentries = true\n"));
    house.environment.insert("USHER__LOG__LEVEL".into(), "trace".into());
    let observer = Observer::of(port, "observer");
    let daemon = Daemon::start(&house);
    observer.wait_for_status("online");
    enter(port, "keypad", "7391840265");
    enter(port, "tag", r#"{"uid":"73:91:84:7F"}"#);
    enter(port, "keypad", "not a pin");
    eventually("the entries", || {
        let page = metrics(&house);
        let counted = |outcome: &str, count: u32| {
            page.contains(&format!("usher_broker_entries_total{{outcome=\"{outcome}\"}} {count}\n"))
        };
        (counted("accepted", 2) && counted("malformed", 1)).then_some(())
    });
    let said = house.usher(&["doctor"]);
    assert!(said.contains("front: PINs by MQTT; tags by MQTT"), "{said}");
    assert!(said.contains("mqtt.entries: PINs and tags come without TLS"), "{said}");
    let log = daemon.log();
    daemon.stop();
    assert!(log.contains("this is not a PIN of 4 to 10 digits"), "{log}");
    let journal = format!("{:?}", house.journal());
    for secret in ["7391840265", "7391847F", "73:91", "not a pin"] {
        assert!(!log.contains(secret) && !journal.contains(secret), "{secret}");
    }
    house.usher(&["journal", "verify"]);
}

#[test]
fn a_device_on_usb_that_is_not_there_is_trouble_and_keeps_no_door_from_working() {
    let house = House::new();
    let device = house.path("keypad").display().to_string();
    let house =
        house.with(&format!("[[door]]\nname = \"front\"\npulse = \"300ms\"\n[door.evdev]\ndevice = {device:?}\n"));
    let answer = house.ask(&["doctor", "--json"]);
    let broken = lines(&answer.out).into_iter().find(|check| check["check"] == "reader").unwrap();
    assert_eq!((answer.code, &broken["state"]), (Some(1), &Value::from("broken")));
    assert!(broken["text"].as_str().unwrap().contains("is it plugged in?"), "{broken}");

    let daemon = Daemon::start(&house);
    let reader = eventually("the reader's trouble", || {
        let stages = status(&house)["stages"].as_array().unwrap().clone();
        stages.into_iter().find(|stage| stage["role"] == "reader" && !stage["trouble"].is_null())
    });
    assert_eq!(reader["name"], "front usb");
    assert!(reader["trouble"].as_str().unwrap().contains(&device), "{reader}");
    house.usher(&["door", "unlock"]);
    let lost = eventually("the record of the loss", || house.records("reader_lost").pop());
    assert_eq!((&lost["content"]["door"], &lost["content"]["reader"]), (&"front".into(), &"usb".into()), "{lost}");
    // A file of another kind is another message.
    std::fs::write(&device, "1234\n").unwrap();
    eventually("another trouble", || {
        let stages = status(&house)["stages"].as_array().unwrap().clone();
        let of =
            |stage: &Value| stage["trouble"].as_str().is_some_and(|trouble| trouble.contains("is not an input device"));
        stages.iter().any(of).then_some(())
    });
    daemon.stop();
}

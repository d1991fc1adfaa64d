//! `[mqtt]`: the broker, and what is on its other side; `[metrics]`.
//!
//! Knows nothing of what is published.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::rules::{address, any, client_id, host, ms, seconds, topic};
use crate::config::reader::{Reader, Section};
use crate::config::settings::{
    HomeAssistant, Metrics, Mqtt, MqttCommands, MqttSnapshots, MqttTls, MqttVersion, PeopleAs, SnapshotShows,
};

pub(super) fn mqtt(mut section: Section<'_>, device: &str) -> Mqtt {
    let mut mqtt = Mqtt {
        host: section.required_text("host", host, "the broker's host name or address"),
        port: section.port("port", 1883),
        version: section.choice("version", [("5", MqttVersion::V5), ("3.1.1", MqttVersion::V311)]),
        client_id: section.text("client_id", client_id, &format!("usher-{device}")),
        username: section.optional_text("username", any),
        username_file: file(&mut section, "username_file"),
        password_file: file(&mut section, "password_file"),
        // MQTT counts keep-alive in 16 bits of seconds: 18 hours and a little.
        keep_alive: section.duration("keep_alive", seconds(5)..=seconds(18 * 3600), seconds(30)),
        clean_start: section.flag("clean_start", true),
        session_expiry: section.duration("session_expiry", seconds(0)..=seconds(7 * 24 * 3600), seconds(0)),
        prefix: section.text("prefix", topic, "usher"),
        outbox_max: section.size("outbox_max", 1 << 20..=4 << 30, 64 << 20),
        tls: None,
        home_assistant: None,
        commands: None,
        snapshots: None,
    };
    mqtt.tls = tls(section.table("tls"));
    mqtt.home_assistant = home_assistant(section.table("home_assistant"));
    mqtt.commands = commands(section.table("commands"));
    mqtt.snapshots = snapshots(section.table("snapshots"));
    section.close();
    mqtt
}

fn tls(mut section: Section<'_>) -> Option<MqttTls> {
    let enabled = section.flag("enabled", false);
    let tls = MqttTls {
        ca_file: file(&mut section, "ca_file"),
        client_cert_file: file(&mut section, "client_cert_file"),
        client_key_file: file(&mut section, "client_key_file"),
    };
    section.close();
    enabled.then_some(tls)
}

fn home_assistant(mut section: Section<'_>) -> Option<HomeAssistant> {
    let enabled = section.flag("enabled", false);
    let home_assistant = HomeAssistant {
        discovery_prefix: section.text("discovery_prefix", topic, "homeassistant"),
        people: section.choice(
            "people",
            [("none", PeopleAs::Nobody), ("device_tracker", PeopleAs::DeviceTracker), ("tag", PeopleAs::Tag)],
        ),
    };
    section.close();
    enabled.then_some(home_assistant)
}

fn commands(mut section: Section<'_>) -> Option<MqttCommands> {
    let enabled = section.flag("enabled", false);
    let commands = MqttCommands {
        max_age: section.duration("max_age", seconds(1)..=seconds(300), seconds(10)),
        per_minute: section.integer("per_minute", 1..=600, 10),
        unlock_for: section.duration("unlock_for", ms(100)..=seconds(3600), seconds(5)),
    };
    section.close();
    enabled.then_some(commands)
}

fn snapshots(mut section: Section<'_>) -> Option<MqttSnapshots> {
    let enabled = section.flag("enabled", false);
    let snapshots = MqttSnapshots {
        shows: section.choice("shows", [("face", SnapshotShows::Face), ("frame", SnapshotShows::Frame)]),
        max_side_px: section.integer("max_side_px", 64..=1920, 480),
        // Enough for 480 pixels at a good quality; brokers take as much unless they were told otherwise.
        max_size: section.size("max_size", 8 << 10..=1 << 20, 96 << 10),
    };
    section.close();
    enabled.then_some(snapshots)
}

fn file(section: &mut Section<'_>, key: &'static str) -> Option<PathBuf> {
    section.optional_text(key, any).map(PathBuf::from)
}

pub(super) fn metrics(mut section: Section<'_>) -> Metrics {
    // What cannot be read as an address is a problem already.
    let listen = section.optional_text("listen", address).and_then(|text| text.parse::<SocketAddr>().ok());
    section.close();
    Metrics { listen }
}

/// What one key cannot know alone.
pub(super) fn cross_check(reader: &mut Reader, mqtt: &Mqtt) {
    if mqtt.username.is_some() && mqtt.username_file.is_some() {
        reader.warn("mqtt.username", "is without effect: mqtt.username_file goes before it");
    }
    if mqtt.password_file.is_some() && mqtt.username.is_none() && mqtt.username_file.is_none() {
        reader.reject("mqtt.password_file", "a password needs a user: set mqtt.username too");
    }
    if mqtt.commands.is_some() {
        guard_commands(reader, mqtt);
    }
    let Some(tls) = &mqtt.tls else { return };
    match (&tls.client_cert_file, &tls.client_key_file) {
        (Some(_), None) => {
            reader.reject("mqtt.tls.client_cert_file", "it needs its private key: set client_key_file too")
        }
        (None, Some(_)) => {
            reader.reject("mqtt.tls.client_key_file", "it needs its certificate: set client_cert_file too")
        }
        _ => {}
    }
    if mqtt.port == 1883 {
        reader.warn("mqtt.port", "1883 is the port without TLS; brokers have 8883 with it");
    }
}

/// Commands open doors.
fn guard_commands(reader: &mut Reader, mqtt: &Mqtt) {
    let key = "mqtt.commands.enabled";
    if mqtt.tls.is_none() {
        reader.warn(
            key,
            "commands come without TLS: an attacker who can change what passes on the line, or who takes the broker's place, opens the doors. Set \
             [mqtt.tls] enabled = true and the broker's port with TLS, usually 8883; or turn commands off",
        );
    }
    let user = mqtt.username.is_some() || mqtt.username_file.is_some();
    let certificate = mqtt.tls.as_ref().is_some_and(|tls| tls.client_cert_file.is_some());
    if !(certificate || user && mqtt.password_file.is_some()) {
        reader.warn(
            key,
            "commands come from a broker that asks usher for no login, and then hardly asks others for one: anybody who reaches it opens the \
             doors. Give usher a user (mqtt.username, mqtt.password_file) or a certificate of its own, and let the broker take commands from \
             known users only (docs/mqtt.md, Security); or turn commands off",
        );
    }
}

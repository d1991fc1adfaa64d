//! `[mqtt]`: the broker.
//!
//! Knows nothing of what is published.

use std::path::PathBuf;

use super::rules::{any, client_id, host, seconds, topic};
use crate::config::reader::Section;
use crate::config::settings::Mqtt;

pub(super) fn mqtt(mut section: Section<'_>, device: &str) -> Mqtt {
    let mqtt = Mqtt {
        host: section.required_text("host", host, "the broker's host name or address"),
        port: section.port("port", 1883),
        client_id: section.text("client_id", client_id, &format!("usher-{device}")),
        username: section.optional_text("username", any),
        password_file: section.optional_text("password_file", any).map(PathBuf::from),
        // MQTT counts keep-alive in 16 bits of seconds: 18 hours and a little.
        keep_alive: section.duration("keep_alive", seconds(5)..=seconds(18 * 3600), seconds(30)),
        prefix: section.text("prefix", topic, "usher"),
        outbox_max: section.size("outbox_max", 1 << 20..=4 << 30, 64 << 20),
    };
    section.close();
    mqtt
}

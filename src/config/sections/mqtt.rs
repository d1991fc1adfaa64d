//! The broker, and what is published to it and taken from it.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{s, section};
use crate::config::rule::{self, DAY, GIB, HOUR, KIB, MIB, MINUTE, SECOND, size, span};
use crate::config::text::{bytes, span_text};
use crate::domain::{MqttVersion, PeopleAs};

section! {
    /// The broker. Without this section there is none. [mqtt.md](mqtt.md) describes what is published, and [home-assistant.md](home-assistant.md) the
    /// way to a lock card. A file that is named without a slash is a systemd credential, in `$CREDENTIALS_DIRECTORY`
    /// ([how to put one there](install.md#credentials)).
    #[schemars(extend("required" = ["host"]))]
    Mqtt {
        /// The broker's host name or address. With TLS, it must be in the broker's certificate.
        #[schemars(schema_with = "rule::host", example = &"broker.example")]
        host: String = String::new(),
        /// Its TCP port. Brokers usually offer TLS on 8883.
        #[schemars(range(min = 1, max = 65_535))]
        port: u16 = 1883,
        /// The version of MQTT.
        version: MqttVersion = MqttVersion::V5,
        /// The name of this client, unique on the broker.
        #[schemars(schema_with = "rule::client_id", extend("x-default" = "`usher-` and `device.name`"), example = &"usher-usher")]
        client_id: String = String::new(),
        /// The user to log in as.
        #[schemars(schema_with = "rule::any", example = &"usher")]
        username: Option<String> = None,
        /// A file whose first line is the user to log in as. It takes precedence over `username`.
        #[schemars(schema_with = "rule::any", example = &"usher.mqtt-username")]
        username_file: Option<PathBuf> = None,
        /// A file whose first line is the password. Needs a user. Keep it readable by usher alone.
        #[schemars(schema_with = "rule::any", example = &"/etc/usher/mqtt.password")]
        password_file: Option<PathBuf> = None,
        // MQTT counts the keep-alive in 16 bits of seconds: a little more than 18 hours.
        /// The longest silence before either side checks that the other is still there.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<{ 5 * SECOND }, { 18 * HOUR }>")]
        keep_alive: Duration = s(30),
        /// Whether the broker forgets the subscriptions and waiting commands of this client's last connection.
        clean_start: bool = true,
        /// How long the broker remembers them after a connection broke, with `clean_start = false`. A break shorter than that (and than 30 s) is then not
        /// published as `offline`. MQTT 5 only.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<0, { 7 * DAY }>")]
        session_expiry: Duration = Duration::ZERO,
        /// What every topic begins with.
        #[schemars(schema_with = "rule::topic")]
        prefix: String = "usher".to_owned(),
        /// How many bytes of events may wait while the broker is away. Beyond that, or beyond 100,000 events, the oldest are dropped, and the record
        /// `outbox_shed` says which.
        #[serde(with = "bytes")]
        #[schemars(schema_with = "size::<MIB, { 4 * GIB }>")]
        outbox_max: u64 = 64 * MIB,
        /// Whether PINs and tags are taken from the broker, for keypads and readers that speak MQTT: anybody who may publish there can try PINs. See
        /// [mqtt.md](mqtt.md#keypads-and-readers).
        entries: bool = false,
        tls: MqttTls = MqttTls::default(),
        home_assistant: HomeAssistant = HomeAssistant::default(),
        commands: MqttCommands = MqttCommands::default(),
        snapshots: MqttSnapshots = MqttSnapshots::default(),
    }
}

section! {
    /// An encrypted connection. The files are PEM; they are read anew for each connection.
    MqttTls {
        /// Whether the connection is encrypted.
        enabled: bool = false,
        /// The authorities that may sign the broker's certificate. Not set: those that the system trusts.
        #[schemars(schema_with = "rule::any", example = &"/etc/usher/ca.pem")]
        ca_file: Option<PathBuf> = None,
        /// This device's own certificate with its chain, for a broker that asks for one. Needs `client_key_file`.
        #[schemars(schema_with = "rule::any", example = &"/etc/usher/client.pem")]
        client_cert_file: Option<PathBuf> = None,
        /// The private key of that certificate.
        #[schemars(schema_with = "rule::any", example = &"/etc/usher/client.key")]
        client_key_file: Option<PathBuf> = None,
    }
}

section! {
    /// The device appears in Home Assistant by itself.
    HomeAssistant {
        /// Whether the device announces itself to Home Assistant.
        enabled: bool = false,
        /// What Home Assistant's discovery topics begin with.
        #[schemars(schema_with = "rule::topic")]
        discovery_prefix: String = "homeassistant".to_owned(),
        /// How people appear: not one by one; each at home or away; or each as a tag that a grant scans.
        people: PeopleAs = PeopleAs::Nobody,
        /// Whether the event of a refusal names, as `nearest`, whom a face was nearest to that was not recognised. That is somebody else most of
        /// the time.
        nearest: bool = false,
    }
}

section! {
    /// Whether the broker may move doors. While this is on, anybody who may publish to the command topics can unlock: see [mqtt.md](mqtt.md#commands).
    MqttCommands {
        /// Whether commands are accepted at all.
        enabled: bool = false,
        /// The oldest command that is still obeyed.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<SECOND, { 5 * MINUTE }>")]
        max_age: Duration = s(10),
        /// How many commands a minute are accepted: this many that unlock or end a lockdown, and as many others.
        #[schemars(range(min = 1, max = 600))]
        per_minute: u32 = 10,
        /// How long a door stays unlocked after the command to unlock it.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<100, HOUR>")]
        unlock_for: Duration = s(5),
    }
}

section! {
    /// A picture goes to the broker when a door refuses a person or raises an alarm. Off by default; never on disk. Read
    /// [privacy](privacy.md#snapshots) and [mqtt.md](mqtt.md#snapshots) before you turn it on.
    MqttSnapshots {
        /// Whether pictures are sent at all.
        enabled: bool = false,
        /// `"face"`: the face that was refused and a little around it, and no picture for an alarm. `"frame"`: all that the camera saw.
        shows: SnapshotShows = SnapshotShows::Face,
        /// The longest side in pixels; a larger picture is made smaller.
        #[schemars(range(min = 64, max = 1920))]
        max_side_px: u32 = 480,
        // Enough for 480 pixels at a good quality; brokers take as much unless they are configured otherwise.
        /// The largest file. The broker must accept as much.
        #[serde(with = "bytes")]
        #[schemars(schema_with = "size::<{ 8 * KIB }, MIB>")]
        max_size: u64 = 96 * KIB,
    }
}

/// What a snapshot shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotShows {
    Face,
    Frame,
}

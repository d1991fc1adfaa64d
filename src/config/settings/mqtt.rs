//! `[mqtt]`: the broker, and what is on its other side; `[metrics]`.
//!
//! Knows nothing of what is published.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// `[mqtt]`: the broker. Without this section there is none.
///
/// A file that is named without a slash is a credential of systemd: it lies in the folder `$CREDENTIALS_DIRECTORY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mqtt {
    /// The broker's host name or address; with TLS it has to stand in the broker's certificate.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// Which MQTT is spoken.
    pub version: MqttVersion,
    /// The name of this client, unique on the broker. By default `usher-` and the device's name.
    pub client_id: String,
    /// The user to log in as; without it there is no login.
    pub username: Option<String>,
    /// The file whose first line is the user to log in as; goes before `username`.
    pub username_file: Option<PathBuf>,
    /// The file whose first line is the password. The password itself never stands in the configuration.
    pub password_file: Option<PathBuf>,
    /// The longest silence before either side checks that the other is there.
    pub keep_alive: Duration,
    /// Whether the broker forgets this client's subscriptions and waiting commands of the connection before.
    pub clean_start: bool,
    /// How long the broker remembers them after a connection broke, with `clean_start = false`. MQTT 5 only.
    pub session_expiry: Duration,
    /// What every topic begins with.
    pub prefix: String,
    /// How many bytes of records may wait for the broker; beyond that, or beyond 100,000 records, the oldest are given up.
    pub outbox_max: u64,
    /// `[mqtt.tls]`: an encrypted line. `None` (in the file: `enabled = false`): in the open.
    pub tls: Option<MqttTls>,
    /// `[mqtt.home_assistant]`: the device appears there by itself. `None` (in the file: `enabled = false`): it does not.
    pub home_assistant: Option<HomeAssistant>,
    /// `[mqtt.commands]`: the broker may move doors. `None` (in the file: `enabled = false`): it may not.
    pub commands: Option<MqttCommands>,
    /// `[mqtt.snapshots]`: pictures of refusals and alarms. `None` (in the file: `enabled = false`): none is kept, made or sent.
    pub snapshots: Option<MqttSnapshots>,
}

/// Which MQTT is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MqttVersion {
    /// `"5"`
    V5,
    /// `"3.1.1"`
    V311,
}

/// `[mqtt.tls]`: an encrypted line. The files are PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MqttTls {
    /// The authorities that may sign the broker's certificate; without it those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// This device's own certificate with its chain, for a broker that asks for one.
    pub client_cert_file: Option<PathBuf>,
    /// The private key that belongs to it.
    pub client_key_file: Option<PathBuf>,
}

/// `[mqtt.home_assistant]`: the device appears there by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeAssistant {
    /// What its discovery topics begin with.
    pub discovery_prefix: String,
    /// How people appear.
    pub people: PeopleAs,
}

/// How people appear in Home Assistant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeopleAs {
    /// `"none"`: not one by one.
    Nobody,
    /// `"device_tracker"`: each is at home or not.
    DeviceTracker,
    /// `"tag"`: each is a tag that a grant scans.
    Tag,
}

/// `[mqtt.commands]`: the broker may move doors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MqttCommands {
    /// The oldest command that is still obeyed.
    pub max_age: Duration,
    /// How many commands a minute are taken: so many that unlock or end a lockdown, and as many others.
    pub per_minute: u32,
    /// How long a door stays unlocked after the command to unlock it.
    pub unlock_for: Duration,
}

/// `[mqtt.snapshots]`: a picture goes to the broker when somebody is refused, or when there is an alarm. Never to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MqttSnapshots {
    /// What they show.
    pub shows: SnapshotShows,
    /// The longest side; a larger picture is made smaller.
    pub max_side_px: u32,
    /// The largest file.
    pub max_size: u64,
}

/// What a snapshot shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotShows {
    /// `"face"`: the face that was refused, and a little around it. Alarms have none.
    Face,
    /// `"frame"`: all that the camera saw.
    Frame,
}

/// `[metrics]`: figures for Prometheus. They are always on the control socket, as `GET /metrics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Also here, for everybody who can reach it; no names of people are among them.
    pub listen: Option<SocketAddr>,
}

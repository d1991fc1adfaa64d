//! Settings of the connection to the broker.

use std::fmt;
use std::time::Duration;

use super::tls::TlsSettings;
pub use crate::domain::{MqttVersion as Version, PeopleAs};

/// Where the broker is, and how this device identifies itself.
#[derive(Clone)]
pub struct HubSettings {
    /// Name or address of the broker. With TLS the broker's certificate must contain it.
    pub host: String,
    /// 1883 for MQTT without TLS, 8883 with it.
    pub port: u16,
    pub version: Version,
    /// `None` connects without TLS.
    pub tls: Option<TlsSettings>,
    /// Must be unique: a broker disconnects the older of two clients with one id.
    pub client_id: String,
    /// `None` connects without credentials.
    pub username: Option<String>,
    /// Ignored without a user name.
    pub password: Option<String>,
    /// After this long without traffic the broker is pinged. Clamped to 5 seconds to 18 hours.
    pub keep_alive: Duration,
    /// Whether the broker forgets subscriptions and waiting commands of the last connection.
    pub clean_start: bool,
    /// How long the broker remembers them after a connection broke (MQTT 5 only).
    pub session_expiry: Duration,
    /// First part of every topic: `usher`. May contain slashes, but not `+`, `#` or NUL.
    pub prefix: String,
    /// Second part of every topic: `front-door`. As for the prefix.
    pub device: String,
    /// `None` does not announce the device to Home Assistant.
    pub home_assistant: Option<HomeAssistantSettings>,
    /// `None` accepts no commands.
    pub commands: Option<CommandSettings>,
    /// Whether snapshots will be published, so that they are announced to Home Assistant.
    pub snapshots: bool,
}

impl HubSettings {
    /// `host:port`
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for HubSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("version", &self.version)
            .field("tls", &self.tls)
            .field("client_id", &self.client_id)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("keep_alive", &self.keep_alive)
            .field("clean_start", &self.clean_start)
            .field("session_expiry", &self.session_expiry)
            .field("prefix", &self.prefix)
            .field("device", &self.device)
            .field("home_assistant", &self.home_assistant)
            .field("commands", &self.commands)
            .field("snapshots", &self.snapshots)
            .finish()
    }
}

/// How the device appears in Home Assistant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeAssistantSettings {
    /// `homeassistant`, unless that was changed in Home Assistant.
    pub discovery_prefix: String,
    pub people: PeopleAs,
    /// Whether the event of a refusal says whom an unknown face was nearest to.
    pub nearest: bool,
    /// The address of the device's page, `https://…`; `None` if it has none that others reach.
    pub page: Option<String>,
}

/// Which commands are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandSettings {
    /// The greatest age of a command. A sender's clock may be ahead by as much.
    pub max_age: Duration,
    /// The rate limit, a minute: for commands that unlock or end a lockdown, and the same for the others.
    pub per_minute: u32,
}

//! `[mqtt]`: the broker.
//!
//! Knows nothing of what is published.

use std::path::PathBuf;
use std::time::Duration;

/// `[mqtt]`: the broker. Without this section there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mqtt {
    /// The broker's host name or address.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// The name of this client, unique on the broker. By default `usher-` and the device's name.
    pub client_id: String,
    /// The user to log in as; without it there is no login.
    pub username: Option<String>,
    /// The file whose first line is the password. The password itself never stands in the configuration.
    pub password_file: Option<PathBuf>,
    /// The longest silence before either side checks that the other is there.
    pub keep_alive: Duration,
    /// What every topic begins with.
    pub prefix: String,
    /// How many bytes of records may wait for the broker; beyond that, or beyond 100,000 records, the oldest are given up.
    pub outbox_max: u64,
}

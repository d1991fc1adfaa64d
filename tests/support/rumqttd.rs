//! A broker for tests, in the test process.

use std::collections::HashMap;
use std::net::SocketAddr;

use rumqttd::{Config, ConnectionSettings, RouterConfig, ServerSettings};

/// Listens on `port` of this machine alone; for everybody, or for one user with a password.
pub fn rumqttd_config(port: u16, user: Option<(&str, &str)>) -> Config {
    let connections = ConnectionSettings {
        connection_timeout_ms: 5000,
        max_payload_size: 1 << 20,
        max_inflight_count: 100,
        auth: user.map(|(name, password)| HashMap::from([(name.to_owned(), password.to_owned())])),
        external_auth: None,
        dynamic_filters: true,
    };
    let server = ServerSettings {
        name: "test".to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], port)),
        tls: None,
        next_connection_delay_ms: 1,
        connections,
    };
    let router = RouterConfig {
        max_connections: 100,
        max_outgoing_packet_count: 200,
        max_segment_size: 1 << 20,
        max_segment_count: 10,
        ..RouterConfig::default()
    };
    Config { router, v5: Some(HashMap::from([("test".to_owned(), server)])), ..Config::default() }
}

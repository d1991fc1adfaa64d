//! The addresses of servers, and the files that each of them needs.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use url::Host;

use super::authority::Authority;
use super::files;
use crate::fleet::carrier::{AccountClaims, OperatorKeys};

/// Where boards connect.
const PORT: u16 = 4222;
/// How far a server's port for other servers is from its port for boards: NATS uses 4222 and 6222.
const TO_CLUSTER: u16 = 2000;

/// The address of a server: `host` or `host:port`. Its servers talk to each other at the port 2,000 above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    host: String,
    port: u16,
}

impl FromStr for ServerAddress {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<ServerAddress> {
        let wrong = || {
            format!("{text:?} is no address of a server; write a name or an address, and a port if it is not {PORT}")
        };
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().with_context(wrong)?),
            _ => (text, PORT),
        };
        // It is written into configuration files. With a second colon, it is an IPv6 address without brackets.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if Host::parse(host).is_err() || !(host.starts_with('[') || host.chars().all(plain)) {
            bail!(wrong());
        }
        if port == 0 || port.checked_add(TO_CLUSTER).is_none() {
            bail!("port {port} of {text:?} cannot be used; choose one from 1 to {}", u16::MAX - TO_CLUSTER);
        }
        Ok(ServerAddress { host: host.to_owned(), port })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl ServerAddress {
    /// The host for a certificate: an IPv6 address has no brackets there.
    fn bare(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    fn cluster_port(&self) -> u16 {
        self.port.saturating_add(TO_CLUSTER)
    }
}

/// Writes each server's files into a folder of its own under `folder`.
pub(super) fn write(
    folder: &Path,
    servers: &[ServerAddress],
    authority: &Authority,
    keys: &OperatorKeys,
    claims: &AccountClaims,
) -> Result<()> {
    for (number, server) in (1..).zip(servers) {
        let pair = authority.server(server.bare())?;
        let place = folder.join(format!("{number}-{}", server.bare().replace(':', "_")));
        files::make_folder(&place)?;
        let settings = settings(number, server, servers, keys, claims)?;
        for (name, text) in [
            ("nats-server.conf", settings.as_str()),
            ("server.pem", &pair.certificate),
            ("server.key", &pair.key),
            ("authority.pem", &authority.pair().certificate),
            ("usher-nats.service", UNIT),
            ("README", &readme(server)),
        ] {
            files::write(&place.join(name), text)?;
        }
    }
    Ok(())
}

/// A server's configuration. All paths are within the folder in which it runs.
fn settings(
    number: usize,
    server: &ServerAddress,
    servers: &[ServerAddress],
    keys: &OperatorKeys,
    claims: &AccountClaims,
) -> Result<String> {
    const TLS: &str = r#"cert_file: "server.pem", key_file: "server.key", ca_file: "authority.pem", timeout: 5"#;
    let (operator, account, system) = (keys.operator_claim(claims.issued)?, keys.account()?, keys.system_account()?);
    let mut text = format!(
        r#"# A server of usher's fleet, made by `usher fleet init`. README beside it says where it goes.
server_name: "usher-{number}"
listen: "0.0.0.0:{port}"
max_payload: 1MB
max_connections: 10000
# Boards show credentials; no certificates are asked of them.
tls {{ {TLS} }}
# What the office and the boards have can be published again: the servers are not the truth.
jetstream {{ store_dir: "jetstream", max_mem: 256MB, max_file: 64GB, domain: "hub" }}
operator: "{operator}"
system_account: "{system}"
# The newest word of who is revoked is kept here.
resolver {{ type: full, dir: "accounts", allow_delete: false, interval: "1m", limit: 16 }}
resolver_preload {{
  {account}: "{account_claim}"
  {system}: "{system_claim}"
}}
"#,
        port = server.port,
        account_claim = keys.account_claim(claims)?,
        system_claim = keys.system_claim(claims.issued)?,
    );
    if servers.len() > 1 {
        let routes: Vec<String> =
            servers.iter().map(|other| format!(r#""tls://{}:{}""#, other.host, other.cluster_port())).collect();
        text.push_str(&format!(
            r#"cluster {{
  name: "usher"
  listen: "0.0.0.0:{port}"
  routes: [{routes}]
  no_advertise: true
  tls {{ {TLS}, verify: true }}
}}
"#,
            port = server.cluster_port(),
            routes = routes.join(", "),
        ));
    }
    Ok(text)
}

/// The unit of a server. Its user exists while it runs and owns its folder.
const UNIT: &str = "\
[Unit]
Description=NATS server of usher's fleet
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=nats-server --config nats-server.conf
ExecReload=/bin/kill -HUP $MAINPID
DynamicUser=yes
StateDirectory=usher-nats
StateDirectoryMode=0700
WorkingDirectory=/var/lib/usher-nats
Restart=always
RestartSec=2
LimitNOFILE=65536
CapabilityBoundingSet=
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectHome=yes
ProtectSystem=strict
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX

[Install]
WantedBy=multi-user.target
";

fn readme(server: &ServerAddress) -> String {
    format!(
        "\
The files of the server {server}. They are secret: server.key proves that it is this server.

1. Install nats-server there, version 2.14.3 or later, from https://github.com/nats-io/nats-server/releases. If `systemctl status nats-server` finds
   a unit there, disable it: systemctl disable --now nats-server
2. Put all files of this folder into /var/lib/usher-nats there (mode 0700, root's), and usher-nats.service into /etc/systemd/system, too.
3. Let boards reach port {}, and the other servers, if there are any, port {}.
4. systemctl daemon-reload && systemctl enable --now usher-nats
",
        server.port,
        server.cluster_port()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        let read = |text: &str| text.parse::<ServerAddress>().map(|address| address.to_string());
        assert_eq!(read("hub").unwrap(), "hub:4222");
        assert_eq!(read("192.0.2.7:5000").unwrap(), "192.0.2.7:5000");
        assert_eq!(read("[2001:db8::1]").unwrap(), "[2001:db8::1]:4222");
        assert_eq!(read("[2001:db8::1]:99").unwrap(), "[2001:db8::1]:99");
        for bad in ["", ":4222", "hub:", "hub:x", "hub:0", "hub:65000", "a b", "2001:db8::1", "hub\"", "*.example"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn servers_of_three_know_each_other_and_one_needs_nobody() {
        let keys = OperatorKeys::generate().unwrap();
        let servers: Vec<ServerAddress> = ["a", "b", "c:5222"].iter().map(|text| text.parse().unwrap()).collect();
        let of =
            |servers: &[ServerAddress]| settings(1, &servers[0], servers, &keys, &AccountClaims::default()).unwrap();
        assert!(of(&servers).contains(r#"routes: ["tls://a:6222", "tls://b:6222", "tls://c:7222"]"#));
        assert!(!of(&servers[..1]).contains("cluster"));
    }
}

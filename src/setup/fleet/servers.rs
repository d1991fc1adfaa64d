//! The addresses of servers, and the files that each of them needs.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use url::Host;

use super::authority::{Authority, Pair};
use super::files;
use crate::fleet::carrier::{AccountClaims, Domain, OperatorKeys};

/// Where boards connect.
const PORT: u16 = 4222;
/// How far a server's port for other servers is from its port for boards: NATS uses 4222 and 6222.
const TO_CLUSTER: u16 = 2000;
/// How far its port for leaves is: NATS uses 7422.
const TO_LEAVES: u16 = 3200;

/// The address of a server: `host` or `host:port`. Servers talk to each other at the port 2,000 above, and with leaves at 3,200 above.
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
            format!(
                "{text:?} is not an address of a server; write a name or an address, and a port if it is not {PORT}"
            )
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
        if port == 0 || port.checked_add(TO_LEAVES).is_none() {
            bail!("port {port} of {text:?} cannot be used; choose one from 1 to {}", u16::MAX - TO_LEAVES);
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
    pub(super) fn bare(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// All addresses of a machine of this kind. A server that boards reach by IPv6 listens there, too.
    fn any(&self) -> &'static str {
        if self.host.starts_with('[') { "[::]" } else { "0.0.0.0" }
    }

    fn leaf_port(&self) -> u16 {
        self.port.saturating_add(TO_LEAVES)
    }

    /// The address for leaves.
    pub(super) fn for_leaves(&self) -> String {
        format!("{}:{}", self.host, self.leaf_port())
    }

    fn cluster_port(&self) -> u16 {
        self.port.saturating_add(TO_CLUSTER)
    }
}

/// A server's TLS. Whoever connects shows a certificate of the fleet's authority.
pub(super) const TLS: &str =
    r#"cert_file: "server.pem", key_file: "server.key", ca_file: "authority.pem", verify: true, timeout: 5"#;

/// Writes each server's files into a folder of its own under `folder`.
pub(super) fn write(
    folder: &Path,
    servers: &[ServerAddress],
    authority: &Authority,
    keys: &OperatorKeys,
    claims: &AccountClaims,
) -> Result<()> {
    let pairs = servers.iter().map(|server| authority.server(server.bare())).collect::<Result<Vec<_>>>()?;
    let pins: Vec<&str> = pairs.iter().map(|pair| pair.pin.as_str()).collect();
    for (number, (server, pair)) in (1..).zip(servers.iter().zip(&pairs)) {
        let place = folder.join(format!("{number}-{}", server.bare().replace(':', "_")));
        files::make_folder(&place)?;
        files::write(&place.join("nats-server.conf"), &settings(number, server, servers, &pins, (keys, claims))?)?;
        files::write(&place.join("README"), &readme(server))?;
        write_common(&place, pair, authority)?;
    }
    Ok(())
}

/// Writes the files that servers and leaves have alike.
pub(super) fn write_common(place: &Path, pair: &Pair, authority: &Authority) -> Result<()> {
    for (name, text) in [
        ("server.pem", pair.certificate.as_str()),
        ("server.key", &pair.key),
        ("authority.pem", &authority.certificate),
        ("usher-nats.service", UNIT),
    ] {
        files::write(&place.join(name), text)?;
    }
    Ok(())
}

/// The first part of the configuration of a server or a leaf. All paths are within the folder in which it runs.
pub(super) fn begin(
    name: &str,
    server: &ServerAddress,
    domain: &Domain,
    keys: &OperatorKeys,
    claims: &AccountClaims,
) -> Result<String> {
    let (operator, account, system) = (keys.operator_claim(claims.issued)?, keys.account()?, keys.system_account()?);
    // Of a leaf, the streams in memory are all.
    let most_on_disk = if *domain == Domain::Hub { "64GB" } else { "64MB" };
    Ok(format!(
        r#"# A server of usher's fleet. README beside it says where it goes.
server_name: "{name}"
listen: "{any}:{port}"
max_payload: 1MB
max_connections: 10000
# A connection that is silently gone is noticed within half a minute.
ping_interval: "10s"
ping_max: 2
tls {{ {TLS} }}
# What the office and the boards have can be published again: the servers are not the truth.
jetstream {{ store_dir: "jetstream", max_mem: 256MB, max_file: {most_on_disk}, domain: "{domain}" }}
operator: "{operator}"
system_account: "{system}"
# The newest word of who is revoked is kept here, and asked of the others.
resolver {{ type: full, dir: "accounts", allow_delete: false, interval: "5s", limit: 16 }}
resolver_preload {{
  {account}: "{account_claim}"
  {system}: "{system_claim}"
}}
"#,
        any = server.any(),
        port = server.port,
        account_claim = keys.account_claim(claims)?,
        system_claim = keys.system_claim(claims.issued)?,
    ))
}

/// A server's configuration. Its pins say which certificates the other servers have: a board has one of the same authority, and must not pass as a server.
fn settings(
    number: usize,
    server: &ServerAddress,
    servers: &[ServerAddress],
    pins: &[&str],
    (keys, claims): (&OperatorKeys, &AccountClaims),
) -> Result<String> {
    let mut text = begin(&format!("usher-{number}"), server, &Domain::Hub, keys, claims)?;
    let any = server.any();
    text.push_str(&format!(
        "leafnodes {{\n  listen: \"{any}:{}\"\n  no_advertise: true\n  tls {{ {TLS} }}\n}}\n",
        server.leaf_port()
    ));
    if servers.len() > 1 {
        let routes: Vec<String> =
            servers.iter().map(|other| format!(r#""tls://{}:{}""#, other.host, other.cluster_port())).collect();
        text.push_str(&format!(
            r#"cluster {{
  name: "usher"
  listen: "{any}:{port}"
  routes: [{routes}]
  no_advertise: true
  tls {{ {TLS}, pinned_certs: ["{pins}"] }}
}}
"#,
            port = server.cluster_port(),
            routes = routes.join(", "),
            pins = pins.join("\", \""),
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
3. Let boards reach port {}; the other servers, if there are any, port {}; and leaf servers of sites, if there are any, port {}.
4. systemctl daemon-reload && systemctl enable --now usher-nats
",
        server.port,
        server.cluster_port(),
        server.leaf_port()
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
        let of = |servers: &[ServerAddress]| {
            settings(1, &servers[0], servers, &["aa", "bb"], (&keys, &AccountClaims::default())).unwrap()
        };
        assert!(of(&servers).contains(r#"routes: ["tls://a:6222", "tls://b:6222", "tls://c:7222"]"#));
        assert!(of(&servers).contains(r#"pinned_certs: ["aa", "bb"]"#));
        assert!(!of(&servers[..1]).contains("cluster"));
        assert!(of(&servers).contains(r#"listen: "0.0.0.0:7422""#), "for leaves");
        let six: ServerAddress = "[2001:db8::1]".parse().unwrap();
        assert!(of(&[six]).contains(r#"listen: "[::]:4222""#));
    }
}

//! The page, and the API over the network.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{s, section};
use crate::config::rule::{self, DAY, MINUTE, span};
use crate::config::text::{span_text, unset_if_empty};

section! {
    /// The page that shows the doors, and the API for programs elsewhere. See [web.md](web.md).
    Web {
        /// Whether the page is served.
        enabled: bool = false,
        /// The address and port of the page. On a loopback address only this machine reaches it; on any other, it is served over TLS alone.
        #[schemars(schema_with = "rule::address")]
        listen: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8470),
        /// Where TLS comes from. `"auto"`: none on a loopback address, and usher's own certificate elsewhere. `"own"`: usher's own certificate, which
        /// browsers ask about once. `"files"`: `certificate` and `key`. `"proxy"`: a proxy in front of usher speaks TLS; usher takes plain HTTP, from the
        /// addresses in `proxies` alone.
        tls: WebTls = WebTls::Auto,
        /// With `tls = "files"`: the certificate and those that signed it, in PEM. Read at the start.
        #[serde(with = "unset_if_empty")]
        #[schemars(schema_with = "rule::path_or_empty")]
        certificate: Option<PathBuf> = None,
        /// With `tls = "files"`: the certificate's private key, in PEM.
        #[serde(with = "unset_if_empty")]
        #[schemars(schema_with = "rule::path_or_empty")]
        key: Option<PathBuf> = None,
        /// With `tls = "proxy"`: the addresses of the proxies. They must set `X-Forwarded-For`, by which failed logins are told apart.
        #[schemars(schema_with = "rule::ips")]
        proxies: Vec<IpAddr> = Vec::new(),
        /// The names by which browsers reach the page, besides this machine's own: `"usher.example.org"`. Requests by any other name are refused. They
        /// go into usher's own certificate.
        #[schemars(schema_with = "rule::host_names")]
        names: Vec<String> = Vec::new(),
        /// The page's address as others reach it, for the link in Home Assistant. Empty: no link.
        #[serde(with = "unset_if_empty")]
        #[schemars(schema_with = "rule::web_url_or_empty")]
        url: Option<String> = None,
        /// How long a login lasts.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<{ 5 * MINUTE }, { 30 * DAY }>")]
        session: Duration = s(12 * 3600),
        /// How long the picture of a face beside its record is kept. `"0s"`: none is kept, and those kept before are erased when the daemon starts.
        /// These are photographs of people: see [privacy.md](privacy.md).
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<0, { 30 * DAY }>")]
        keep_faces: Duration = Duration::ZERO,
    }
}

/// Where TLS comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WebTls {
    /// None on a loopback address, else [`WebTls::Own`].
    Auto,
    /// usher's own certificate.
    Own,
    /// The configured files.
    Files,
    /// A proxy speaks TLS.
    Proxy,
}

impl Web {
    /// Whether usher speaks TLS itself.
    pub fn speaks_tls(&self) -> bool {
        match self.tls {
            WebTls::Auto => !self.listen.ip().is_loopback(),
            WebTls::Own | WebTls::Files => true,
            WebTls::Proxy => false,
        }
    }
}

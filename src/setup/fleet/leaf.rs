//! The files of a site's leaf server. It stands at the site, connects to the fleet's servers by itself, and lets through what its site needs.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::authority::Authority;
use super::files;
use super::servers::{self, ServerAddress, TLS, begin};
use crate::fleet::carrier::{AccountClaims, Credential, Domain, OperatorKeys, Role, UserId};
use crate::fleet::{Gallery, Site};

/// What the files of a leaf are made from.
pub(super) struct LeafPlan<'a> {
    pub(super) site: &'a Site,
    /// Where the site's boards reach it.
    pub(super) server: &'a ServerAddress,
    /// The fleet's servers.
    pub(super) hub: &'a [ServerAddress],
    pub(super) authority: &'a Authority,
    pub(super) keys: &'a OperatorKeys,
    pub(super) claims: &'a AccountClaims,
    /// In seconds since 1970.
    pub(super) now: i64,
}

impl LeafPlan<'_> {
    /// Writes them into a folder of their own under `folder`. Returns that, and the credential by which the leaf is shut out.
    pub(super) fn write(&self, folder: &Path) -> Result<(PathBuf, UserId)> {
        let LeafPlan { site, server, authority, keys, now, .. } = self;
        let place = folder.join(Domain::Leaf((*site).clone()).to_string());
        let own = keys.credential(&Role::Leaf { site: (*site).clone(), gallery: Gallery::from(*site) }, *now)?;
        let system = keys.credential(&Role::LeafSystem, *now)?;
        let pair = authority.server(server.bare())?;
        files::make_folder(&place)?;
        for (name, text) in [
            ("nats-server.conf", self.settings()?.as_str()),
            ("leaf.creds", &own.to_file()),
            ("system.creds", &system.to_file()),
            ("README", &self.readme()),
        ] {
            files::write(&place.join(name), text)?;
        }
        servers::write_common(&place, &pair, authority)?;
        Ok((place, Credential::user(&own)?))
    }

    fn settings(&self) -> Result<String> {
        let LeafPlan { site, server, hub, keys, claims, .. } = self;
        let domain = Domain::Leaf((*site).clone());
        let mut text = begin(&format!("usher-{domain}"), server, &domain, keys, claims)?;
        let urls: Vec<String> = hub.iter().map(|hub| format!(r#""tls://{}""#, hub.for_leaves())).collect();
        let urls = urls.join(", ");
        text.push_str(&format!(
            r#"# It connects to the fleet's servers, never they to it. What may pass is in the credentials.
leafnodes {{
  reconnect: 2
  remotes: [
    {{ urls: [{urls}], account: "{account}", credentials: "leaf.creds", tls {{ {TLS} }} }}
    {{ urls: [{urls}], account: "{system}", credentials: "system.creds", tls {{ {TLS} }} }}
  ]
}}
"#,
            account = keys.account()?,
            system = keys.system_account()?,
        ));
        Ok(text)
    }

    fn readme(&self) -> String {
        let LeafPlan { site, server, hub, .. } = self;
        let hub: Vec<String> = hub.iter().map(ServerAddress::for_leaves).collect();
        format!(
            "\
The files of the leaf server of {site}, {server}. They are secret: who has them can be this server.

1. Install nats-server there, version 2.14.3 or later, from https://github.com/nats-io/nats-server/releases. The fleet's servers must be of that version,
   too: Debian's do not check what a leaf sends them. If `systemctl status nats-server` finds a unit there, disable it:
   systemctl disable --now nats-server
2. Put all files of this folder into /var/lib/usher-nats there (mode 0700, root's), and usher-nats.service into /etc/systemd/system, too.
3. Let boards of the site reach {server}, and let this server reach {}. Nobody need reach it from outside the site.
4. systemctl daemon-reload && systemctl enable --now usher-nats
",
            hub.join(" or ")
        )
    }
}

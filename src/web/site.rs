//! What all pages share.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use jiff::tz::TimeZone;

use super::sessions::Sessions;
use crate::accounts::{Account, Accounts};
use crate::clock::Clock;

/// What serves the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A daemon with its cameras and doors.
    Board,
    /// The office of a fleet: it has no doors, and the people of all sites.
    Office,
}

impl Place {
    /// What a command line has after `usher` to reach this place, with a space behind it.
    pub fn flag(self) -> &'static str {
        match self {
            Place::Board => "",
            Place::Office => "--office ",
        }
    }
}

/// What the daemon, or the office of a fleet, gives the page.
pub struct SiteSettings {
    pub place: Place,
    /// The device's name.
    pub device: String,
    pub zone: TimeZone,
    /// How long a login lasts.
    pub session: Duration,
    /// Whether browsers reach the page over TLS.
    pub secure: bool,
    pub hosts: Hosts,
    /// The addresses of proxies, which say whom they speak for.
    pub proxies: Vec<IpAddr>,
}

/// The names by which browsers may call the page. A page of a stranger whose name leads to this address is refused by them (DNS rebinding).
#[derive(Clone, Debug, Default)]
pub struct Hosts(BTreeSet<String>);

impl Hosts {
    /// `localhost`, and these names.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>) -> Hosts {
        Hosts(names.chain(["localhost"]).map(str::to_lowercase).collect())
    }

    /// Whether a `Host` header names this page: one of the names, or an address, with or without a port.
    pub fn accept(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        name.parse::<IpAddr>().is_ok() || self.0.contains(&name.trim_end_matches('.').to_lowercase())
    }

    /// The names, for an error message.
    pub fn names(&self) -> String {
        self.0.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// What all pages share.
pub struct Site {
    pub(super) api: Router,
    pub(super) accounts: Arc<Accounts>,
    pub(super) sessions: Sessions,
    pub(super) settings: SiteSettings,
    pub(super) clock: Arc<dyn Clock>,
}

impl Site {
    /// The page over the API `api`.
    pub fn new(api: Router, accounts: Arc<Accounts>, settings: SiteSettings, clock: Arc<dyn Clock>) -> Arc<Site> {
        Arc::new(Site { api, accounts, sessions: Sessions::new(settings.session), settings, clock })
    }

    /// The account of the session with that secret, and the token of its forms; `None` after a logout, once the session's time is over, and once the
    /// account was changed or removed.
    pub(super) fn logged_in(&self, secret: &str) -> Option<(Account, String)> {
        let found = self.sessions.find(secret, self.clock.now())?;
        let account = self.accounts.account(&found.name)?;
        (account.generation == found.generation).then_some((account, found.csrf))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_name_is_no_name_of_the_page() {
        let hosts = Hosts::new(["usher.local", "Door.example"].into_iter());
        for host in ["localhost", "localhost:8470", "usher.local", "door.example.:443", "192.0.2.7:8470", "[::1]:8470"]
        {
            assert!(hosts.accept(host), "{host}");
        }
        for host in ["evil.example", "usher.local.evil.example", "", ":8470", "192.0.2.7.evil.example", "[evil]"] {
            assert!(!hosts.accept(host), "{host:?}");
        }
    }
}

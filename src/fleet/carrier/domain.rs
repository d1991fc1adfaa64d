//! Which servers keep a stream: the fleet's own, or the leaf server of a site. NATS calls that a domain of JetStream.
//!
//! A server takes requests for its own domain under `$JS.API`, and hands those for another on under `$JS.<domain>.API`. It rewrites the second form of its
//! own domain to the first one before it looks at permissions. So each client uses the form of the servers that it is connected to, and permissions name that one.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::fleet::Site;

/// The most leaves of a fleet: as many as sites can be.
const MOST: usize = 10_000;

/// A domain of JetStream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Domain {
    /// The fleet's own servers.
    #[default]
    Hub,
    /// The leaf server of a site.
    Leaf(Site),
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Domain::Hub => f.write_str("hub"),
            // A site may be called hub.
            Domain::Leaf(site) => write!(f, "leaf-{site}"),
        }
    }
}

impl Domain {
    /// What the subjects of requests about streams of the domain `of` begin with, for a client of this one.
    pub fn api(&self, of: &Domain) -> String {
        match self == of {
            true => "$JS.API".to_owned(),
            false => format!("$JS.{of}.API"),
        }
    }

    /// The beginning of the subjects to which answers come for a client of this domain. `user` is its public key. A leaf lets the answers for its own site's
    /// clients through and no others.
    pub fn inbox(&self, user: &str) -> String {
        match self {
            Domain::Hub => format!("_INBOX.{user}"),
            Domain::Leaf(site) => format!("_INBOX.{site}.{user}"),
        }
    }
}

/// The sites that have a leaf server, and all that are known. Clones share the lists.
#[derive(Clone, Debug, Default)]
pub struct Leaves(Arc<RwLock<Sites>>);

#[derive(Debug, Default)]
struct Sites {
    leaves: BTreeSet<Site>,
    known: BTreeSet<Site>,
}

impl Leaves {
    /// Adds a site with a leaf. Returns whether there was room.
    pub fn add(&self, site: Site) -> bool {
        let mut sites = self.0.write().unwrap_or_else(PoisonError::into_inner);
        sites.leaves.contains(&site) || (sites.leaves.len() < MOST && sites.leaves.insert(site))
    }

    /// Whether a site has one.
    pub fn has(&self, site: &Site) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).leaves.contains(site)
    }

    /// Notes a site, with a leaf or without.
    pub(super) fn note(&self, site: Site) {
        let mut sites = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if sites.known.len() < MOST {
            sites.known.insert(site);
        }
    }

    /// All sites of a fleet with leaves, as far as they are known; none for a fleet without.
    pub(super) fn sites(&self) -> BTreeSet<Site> {
        let sites = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match sites.leaves.is_empty() {
            true => BTreeSet::new(),
            false => sites.leaves.union(&sites.known).cloned().collect(),
        }
    }
}

impl FromIterator<Site> for Leaves {
    fn from_iter<I: IntoIterator<Item = Site>>(sites: I) -> Leaves {
        let leaves = sites.into_iter().take(MOST).collect();
        Leaves(Arc::new(RwLock::new(Sites { leaves, known: BTreeSet::new() })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_name_the_domain_where_it_is_another() {
        let (hub, leaf) = (Domain::Hub, Domain::Leaf("hub".parse().unwrap()));
        assert_eq!((hub.api(&hub), leaf.api(&leaf)), ("$JS.API".to_owned(), "$JS.API".to_owned()));
        assert_eq!((hub.api(&leaf), leaf.api(&hub)), ("$JS.leaf-hub.API".to_owned(), "$JS.hub.API".to_owned()));
        assert_eq!((hub.inbox("UX"), leaf.inbox("UX")), ("_INBOX.UX".to_owned(), "_INBOX.hub.UX".to_owned()));
    }

    #[test]
    fn all_who_hold_the_list_see_a_new_leaf() {
        let (berlin, rome): (Site, Site) = ("berlin".parse().unwrap(), "rome".parse().unwrap());
        let leaves = Leaves::from_iter([rome.clone()]);
        let other = leaves.clone();
        assert!(!other.has(&berlin) && other.has(&rome));
        assert!(leaves.add(berlin.clone()) && leaves.add(berlin.clone()));
        assert!(other.has(&berlin));
        leaves.note("paris".parse().unwrap());
        assert_eq!(other.sites().len(), 3);
        let none = Leaves::default();
        none.note(berlin);
        assert!(none.sites().is_empty(), "without leaves nobody asks");
    }
}

//! What a board keeps of its fleet besides people: the newest rules and the newest head, as they were signed, and whom it believes. Doors act on them after a
//! restart without a network.

use super::known::KnownFleet;
use crate::fleet::{Body, FleetId, Heads, OfficePublic, Opened, SiteRules};
use crate::store::{Change, Store, StoreError, Tree};

const RULES: &str = "rules";
const ACCESS: &str = "access";
const HEAD: &str = "head";
const MODEL: &str = "model";
const ORDERED: &str = "ordered";
const KNOWN: &str = "known";

/// The tree of what is kept.
#[derive(Clone)]
pub struct Disk {
    store: Store,
    tree: Tree,
}

impl Disk {
    /// Opens it in the daemon's store.
    pub fn open(store: &Store) -> Result<Disk, StoreError> {
        Ok(Disk { tree: store.tree("fleet_board")?, store: store.clone() })
    }

    /// Keeps whom the board believes, for a start at which the membership cannot be read. What an office of another fleet said is forgotten.
    pub fn keep_known(&self, known: &KnownFleet) -> Result<(), StoreError> {
        let (json, before) = (known.to_json(), self.tree.get(KNOWN)?);
        if before.as_ref().is_some_and(|before| **before == *json) {
            return Ok(());
        }
        let left = self.known().is_some_and(|before| !before.is_of(known));
        let of_another = [RULES, ACCESS, HEAD, ORDERED].into_iter().filter(|_| left).map(|key| self.tree.delete(key));
        let changes: Vec<Change> = std::iter::once(self.tree.put(KNOWN, json)).chain(of_another).collect();
        self.store.commit(&changes)
    }

    /// Whom the board believed at the last start with a good membership.
    pub fn known(&self) -> Option<KnownFleet> {
        KnownFleet::from_json(&self.tree.get(KNOWN).unwrap_or_default()?)
    }

    /// Whether there are rules of a site, of this fleet as far as anybody can tell, whether they can be read or not.
    pub fn has_rules(&self, of: Option<&KnownFleet>) -> bool {
        let of_another = self.known().zip(of).is_some_and(|(before, now)| !before.is_of(now));
        let is_there = |key: &str| !matches!(self.tree.get(key), Ok(None));
        !of_another && (is_there(RULES) || is_there(ACCESS))
    }

    /// The rules that were in force before the restart. What cannot be read counts for nothing: the office has it.
    pub fn rules(&self, office: &OfficePublic, fleet: FleetId) -> Option<SiteRules> {
        self.read(RULES, office, fleet)
    }

    /// The rules whose access the doors went by. It is older than that of [`Disk::rules`] where the board could not use the newest.
    pub fn access(&self, office: &OfficePublic, fleet: FleetId) -> Option<SiteRules> {
        self.read(ACCESS, office, fleet)
    }

    /// The heads, with the newest one before the restart.
    pub fn heads(&self, office: &OfficePublic, fleet: FleetId) -> Heads {
        self.read(HEAD, office, fleet).map(Heads::kept).unwrap_or_default()
    }

    /// The newest rules as they were signed; none, if there are none.
    pub fn signed_rules(&self) -> Vec<u8> {
        self.tree.get(RULES).unwrap_or_default().map(|signed| signed.to_vec()).unwrap_or_default()
    }

    /// The newest head as it was signed; none, if there is none.
    pub fn signed_head(&self) -> Vec<u8> {
        self.tree.get(HEAD).unwrap_or_default().map(|signed| signed.to_vec()).unwrap_or_default()
    }

    /// Keeps the newest rules; `usable` says whether the doors go by their access, too.
    pub fn keep_rules(&self, signed: &[u8], usable: bool) -> Result<(), StoreError> {
        let access = usable.then(|| self.tree.put(ACCESS, signed));
        let changes: Vec<Change> = std::iter::once(self.tree.put(RULES, signed)).chain(access).collect();
        self.store.commit(&changes)
    }

    /// Keeps that the doors go by the newest rules, which they could not use before.
    pub fn settle_access(&self) -> Result<(), StoreError> {
        match self.tree.get(RULES)? {
            Some(signed) => self.store.commit(&[self.tree.put(ACCESS, &*signed)]),
            None => Ok(()),
        }
    }

    /// Keeps the newest head.
    pub fn keep_head(&self, signed: &[u8]) -> Result<(), StoreError> {
        self.store.commit(&[self.tree.put(HEAD, signed)])
    }

    /// Keeps the name of the embedder that the fleet has gone over to; it counts more than the configured one.
    pub fn keep_model(&self, name: &str) -> Result<(), StoreError> {
        self.store.commit(&[self.tree.put(MODEL, name)])
    }

    /// The embedder that the fleet has gone over to; `None` if it never did.
    pub fn model(&self) -> Option<String> {
        let name = self.tree.get(MODEL).unwrap_or_default()?;
        String::from_utf8(name.to_vec()).ok().filter(|name| !name.is_empty())
    }

    /// Keeps the names of the doors that were ordered into a lockdown or out of it.
    pub fn keep_ordered(&self, doors: &[String]) -> Result<(), StoreError> {
        self.store.commit(&[self.tree.put(ORDERED, serde_json::to_vec(doors).unwrap_or_default())])
    }

    /// The names of the doors that were ordered last. None, if that cannot be read: then all are ordered again.
    pub fn ordered(&self) -> Vec<String> {
        let kept = self.tree.get(ORDERED).unwrap_or_default();
        kept.and_then(|names| serde_json::from_slice(&names).ok()).unwrap_or_default()
    }

    fn read<T: Body>(&self, key: &str, office: &OfficePublic, fleet: FleetId) -> Option<T> {
        let signed = self.tree.get(key).unwrap_or_default()?;
        match office.open(fleet, &signed) {
            Ok(Opened::Body(body)) => Some(body),
            Ok(Opened::SetAside { .. }) | Err(_) => None,
        }
    }
}

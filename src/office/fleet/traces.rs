//! By what somebody who was forgotten is found in records, and whose erasing is not finished.
//!
//! A board numbers its people itself, so somebody is found by site, name and employee id. What is kept to find them later is a keyed hash of the three,
//! until somebody of that name is enrolled again. An erasing begins in the commit that forgets the person, so that no stop in between loses it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::domain::Erasure;
use crate::names;
use crate::store::{Change, Store, StoreError, Tree};

const SECRET: &str = "erasing";

/// Why it is not known who is erased.
#[derive(Debug, Error)]
pub enum TraceError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the erasing of person {uuid} cannot be read ({why}): restore the office's store from a backup")]
    Damaged { uuid: Uuid, why: serde_json::Error },
}

/// Somebody who is to be erased: a keyed hash of site, name and employee id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace([u8; 32]);

/// An erasing that is not finished.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Due {
    pub site: String,
    pub who: Trace,
    /// Who is erased from the records of each board, by their numbers there; empty until somebody has looked.
    pub found: BTreeMap<String, BTreeMap<u32, Erasure>>,
    /// The records are without them. The store's second copy may not be.
    pub erased: bool,
}

/// Those who are erased from what comes, and whose erasing from what is there is not finished.
pub struct Traces {
    secret: [u8; 32],
    erasing: Tree,
    due: Tree,
}

impl Traces {
    /// The traces in `store`. Makes their secret, if there is none yet.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn open(store: &Store) -> Result<Traces, TraceError> {
        let place = store.tree("fleet_place")?;
        let secret = match place.get(SECRET)?.and_then(|bytes| <[u8; 32]>::try_from(&*bytes).ok()) {
            Some(secret) => secret,
            None => {
                let secret = blake3::derive_key("usher fleet 1: traces of people", Uuid::new_v4().as_bytes());
                store.commit(&[place.put(SECRET, secret)])?;
                secret
            }
        };
        Ok(Traces { secret, erasing: store.tree("fleet_erasing")?, due: store.tree("fleet_erasings_due")? })
    }

    /// By what somebody is found.
    pub fn of(&self, site: &str, name: &str, employee_id: Option<&str>) -> Trace {
        let text = format!("{site}\0{}\0{}", names::key(name), employee_id.unwrap_or_default());
        Trace(*blake3::keyed_hash(&self.secret, text.as_bytes()).as_bytes())
    }

    /// The changes from which on somebody is erased.
    pub fn begin(&self, site: &str, uuid: Uuid, who: Trace) -> Vec<Change> {
        let due = Due { site: site.to_owned(), who, found: BTreeMap::new(), erased: false };
        vec![self.erasing.put(who.0, []), self.go_on(uuid, &due)]
    }

    /// The change from which on what boards send of that name is about somebody who was enrolled again.
    pub fn stop(&self, who: Trace) -> Change {
        self.erasing.delete(who.0)
    }

    /// Whether somebody is erased from what comes. What cannot be read is erased rather than kept.
    pub(super) fn is_erased(&self, who: Trace) -> bool {
        self.erasing.contains_key(who.0).unwrap_or(true)
    }

    /// Whether nobody is erased from what comes.
    pub(super) fn is_empty(&self) -> Result<bool, TraceError> {
        Ok(self.erasing.first()?.is_none())
    }

    /// Whose erasing is not finished.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn due(&self) -> Result<Vec<Uuid>, TraceError> {
        let mut due = Vec::new();
        for entry in self.due.iter() {
            due.extend(Uuid::from_slice(&entry?.0).ok());
        }
        Ok(due)
    }

    /// How far an erasing is; `None` once it is finished.
    pub(super) fn due_of(&self, uuid: Uuid) -> Result<Option<Due>, TraceError> {
        let Some(bytes) = self.due.get(uuid.as_bytes())? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|why| TraceError::Damaged { uuid, why })
    }

    pub(super) fn go_on(&self, uuid: Uuid, due: &Due) -> Change {
        self.due.put(uuid.as_bytes(), serde_json::to_vec(due).unwrap_or_default())
    }

    pub(super) fn finished(&self, uuid: Uuid) -> Change {
        self.due.delete(uuid.as_bytes())
    }
}

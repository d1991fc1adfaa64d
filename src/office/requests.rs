//! What a board asks of its fleet's office and has no final answer to yet. It is committed with the change that asks for it, and sent again until
//! the office has answered.
//!
//! What is asked is made anew from the gallery each time, so a request says what is true now, and nothing of a face is on the disk twice. If that has
//! changed since it was last sent, the request gets a new number.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::domain::{Actor, ModelId, PersonId};
use crate::fleet::{RequestError, RequestKind, Verdict};
use crate::store::{Change, Store, StoreError, Tree};

/// The tree of requests, by kind and uuid.
const TREE: &str = "fleet_asked";
/// The key of the highest number that was given. No request's key has this length.
const LAST: &[u8] = b"last";
/// The most requests that wait for an answer.
const MOST: usize = 1000;

/// Why something cannot be asked of the office.
#[derive(Debug, Error)]
pub enum AskError {
    #[error("{MOST} requests wait for the fleet's office already: see that the board reaches it (usher status)")]
    TooMany,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the request cannot be made: {0}")]
    Request(#[from] RequestError),
    #[error("what was asked cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the office has disabled {name} since: enable them there, with `usher fleet enable`")]
    DisabledThere { name: String },
}

/// Whom a request is about, and of which kind it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskedId {
    pub kind: RequestKind,
    pub uuid: Uuid,
}

/// A request of this board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub wish: Wish,
    /// Who asked.
    pub by: Actor,
    pub number: u64,
    /// What was sent under this number: BLAKE3 of what it asks.
    #[serde(default)]
    pub sent: Option<[u8; 32]>,
    /// What the office has answered to this number.
    #[serde(default)]
    pub verdict: Option<Verdict>,
}

/// What the board wishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// The office is to take a person of this board, or to forget about them if they are not here any more.
    Enroll { person: PersonId },
    /// Nobody is to open for a person of the fleet. This board does not, until the office has answered.
    Disable { person: PersonId },
    /// This board's wish to disable a person of the fleet is over.
    Enable { person: PersonId },
    /// The office is to take the templates of `model` that were made of a visit.
    Templates { person: PersonId, model: ModelId, record: u64 },
}

/// Which requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that were never sent.
    New,
    /// And those that say something else than when they were sent.
    Changed,
    /// And those that the office has not refused: after a new connection, for the servers may have lost them.
    All,
}

/// What the office's record of somebody means here, beside what it says.
#[derive(Debug, Default)]
pub struct Reception {
    /// The person of this board alone who becomes that person of the fleet.
    pub adopt: Option<PersonId>,
    /// Whether the person is disabled here whatever the record says.
    pub held: bool,
    /// What is committed with it.
    pub changes: Vec<Change>,
}

/// The requests in a board's store.
#[derive(Clone)]
pub struct Requests {
    tree: Tree,
}

impl Requests {
    /// In `store`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(store: &Store) -> Result<Requests, StoreError> {
        Ok(Requests { tree: store.tree(TREE)? })
    }

    /// All requests. One that cannot be read is left out.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn all(&self) -> Result<Vec<(AskedId, Asked)>, StoreError> {
        let mut all = Vec::new();
        for entry in self.tree.iter() {
            let (key, value) = entry?;
            if let (Some(id), Ok(asked)) = (read_key(&key), serde_json::from_slice(&value)) {
                all.push((id, asked));
            }
        }
        Ok(all)
    }

    /// What was asked.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn get(&self, id: AskedId) -> Result<Option<Asked>, StoreError> {
        Ok(self.tree.get(key(id))?.and_then(|value| serde_json::from_slice(&value).ok()))
    }

    /// The changes that ask for something: they belong into the commit of what is asked for.
    ///
    /// # Errors
    /// [`AskError::TooMany`], and what keeps the store from being read.
    pub fn ask(&self, id: AskedId, wish: Wish, by: &Actor, now: SystemTime) -> Result<Vec<Change>, AskError> {
        if self.get(id)?.is_none() && self.all()?.len() >= MOST {
            return Err(AskError::TooMany);
        }
        let number = self.next_number(now)?;
        let asked = Asked { wish, by: by.clone(), number, sent: None, verdict: None };
        Ok(vec![self.tree.put(LAST, number.to_be_bytes()), self.put(id, &asked)?])
    }

    /// The time in milliseconds, or one more than the number before: also after a restored store and a clock that was set back, the office has seen no
    /// higher one.
    fn next_number(&self, now: SystemTime) -> Result<u64, StoreError> {
        let last = self.tree.get(LAST)?.and_then(|bytes| <[u8; 8]>::try_from(&*bytes).ok()).map(u64::from_be_bytes);
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now_ms = u64::try_from(since.as_millis()).unwrap_or_default();
        Ok(now_ms.max(last.unwrap_or_default().saturating_add(1)))
    }

    pub(super) fn put(&self, id: AskedId, asked: &Asked) -> Result<Change, AskError> {
        Ok(self.tree.put(key(id), serde_json::to_vec(asked)?))
    }

    /// Notes what is sent now. Something else than before gets a new number.
    pub(super) fn note(
        &self,
        store: &Store,
        (id, asked): (AskedId, Asked),
        content: [u8; 32],
        now: SystemTime,
    ) -> Result<Asked, AskError> {
        let (mut changes, mut number) = (Vec::new(), asked.number);
        if asked.sent.is_some() {
            number = self.next_number(now)?;
            changes.push(self.tree.put(LAST, number.to_be_bytes()));
        }
        let asked = Asked { number, sent: Some(content), verdict: None, ..asked };
        changes.push(self.put(id, &asked)?);
        store.commit(&changes)?;
        Ok(asked)
    }

    pub(super) fn delete(&self, id: AskedId) -> Change {
        self.tree.delete(key(id))
    }
}

fn key(AskedId { kind, uuid }: AskedId) -> Vec<u8> {
    let kind = match kind {
        RequestKind::Person => 0,
        RequestKind::Templates => 1,
    };
    [&[kind], &uuid.as_bytes()[..]].concat()
}

fn read_key(key: &[u8]) -> Option<AskedId> {
    let (kind, uuid) = key.split_first_chunk::<1>()?;
    let kind = match kind {
        [0] => RequestKind::Person,
        [1] => RequestKind::Templates,
        _ => return None,
    };
    Some(AskedId { kind, uuid: Uuid::from_slice(uuid).ok()? })
}

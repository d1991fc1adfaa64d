//! What the office's store holds of people, boards, sites and keys, and reading it back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use super::author::Author;
use super::traces::{TraceError, Traces};
use crate::domain::ModelId;
use crate::fleet::{
    Answers, Board, BoardPublic, FleetId, Gallery, ModelName, OfficePublic, Opened, PeopleRecord, RequestKind, Site,
    SiteRules, Verdict,
};
use crate::ledger::LedgerError;
use crate::store::{Change, Store, StoreError, Tree};

/// Why the office's store cannot be used.
#[derive(Debug, Error)]
pub enum KeptError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Traces(#[from] TraceError),
    #[error("the office's own records: {0}")]
    Own(#[from] LedgerError),
    #[error("the office's store is damaged: {what} cannot be read ({why}). Restore it from a backup")]
    Damaged { what: String, why: String },
}

/// The trees of the office.
pub struct Trees {
    pub store: Store,
    /// 16 bytes of a uuid and the name of a model to the signed record.
    people: Tree,
    /// A site to its signed rules.
    rules: Tree,
    /// A board to its signed key.
    keys: Tree,
    boards: Tree,
    galleries: Tree,
    /// A board, a kind and a uuid to what became of that request.
    requests: Tree,
    /// A board to the signed answers to it.
    answers: Tree,
    /// Those who are erased from collected records.
    pub traces: Traces,
}

/// A gallery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptGallery {
    /// Which key seals its people now.
    pub epoch: u64,
    /// The model of its templates that is in force; `None` before the first person.
    pub model: Option<ModelId>,
    /// The way to another model, while its templates are kept beside those in force.
    #[serde(default)]
    pub roll: Option<Roll>,
    /// The last model that the gallery went over to, once that was over.
    #[serde(default)]
    pub named: Option<ModelName>,
    /// Models whose records were dropped: what servers still have of them is deleted there. The newest ones.
    #[serde(default)]
    pub dropped: Vec<ModelId>,
    /// Records of dropped sets, and those that were lost with a disk, had no higher version: new ones begin above it.
    #[serde(default)]
    pub floor: u64,
}

impl KeptGallery {
    /// A gallery that begins.
    pub fn begun(epoch: u64) -> KeptGallery {
        KeptGallery { epoch, model: None, roll: None, named: None, dropped: Vec::new(), floor: 0 }
    }

    /// The model whose records are kept beside those in force.
    pub fn beside(&self) -> Option<&ModelName> {
        let roll = self.roll.as_ref()?;
        Some(match roll.phase {
            RollPhase::Gathering => &roll.to,
            RollPhase::Switched => &roll.from,
        })
    }
}

/// The way of a gallery from one model to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roll {
    pub from: ModelName,
    pub to: ModelName,
    pub phase: RollPhase,
    /// The gallery goes over once this many of a hundred people have templates of the new model.
    pub share: u8,
    /// Or after this moment, in milliseconds since 1970.
    pub after_ms: Option<u64>,
    /// Whether doors make templates of the new model.
    pub learn: bool,
    /// Who ordered it.
    pub by: String,
    /// When the phase began, in milliseconds since 1970.
    pub since_ms: u64,
    /// Whether it leads back, after a switch that was cancelled.
    #[serde(default)]
    pub back: bool,
}

/// How far a gallery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollPhase {
    /// The old model is in force, and templates of the new one are made.
    Gathering,
    /// The new model is in force. Boards go over to it, and the old templates are kept until all have.
    Switched,
}

/// A board that was invited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptBoard {
    pub site: Site,
    /// The key that the gallery's key is sealed to.
    pub public: [u8; 32],
    /// The name of its credential at the servers.
    pub credential: String,
    pub revoked: bool,
    /// When it was invited, in milliseconds since 1970.
    pub invited_ms: u64,
    /// Whether it has joined and was heard since.
    pub heard: bool,
    /// The keys of boards of that name that were shut out before it, the oldest first: what they said may come late.
    #[serde(default)]
    pub earlier: Vec<EarlierKey>,
}

/// The key of a board that was shut out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierKey {
    pub site: Site,
    pub public: [u8; 32],
}

impl EarlierKey {
    /// The key.
    pub fn public(&self) -> BoardPublic {
        BoardPublic::from_bytes(&self.public)
    }
}

impl KeptBoard {
    /// Who it is in what it says.
    pub fn author(&self) -> Author {
        Author::of(&self.public)
    }

    /// The key that is sealed to.
    pub fn public(&self) -> BoardPublic {
        BoardPublic::from_bytes(&self.public)
    }
}

/// A board's request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRequest {
    pub site: Site,
    /// The highest number that came.
    pub number: u64,
    /// When it came or was decided, in milliseconds since 1970 by the office's clock.
    pub at_ms: u64,
    /// What the board hears.
    pub verdict: Verdict,
    /// Why it waits or was refused, in the office's words.
    #[serde(default)]
    pub why: String,
    /// Whether the person is disabled because this board asked for it.
    #[serde(default)]
    pub disabled: bool,
    /// The request as it came, sealed to the office, while somebody may still decide; else empty.
    #[serde(default, with = "crate::fleet::encoding")]
    pub sealed: Vec<u8>,
}

/// A request's key in memory.
pub type RequestId = (Board, RequestKind, Uuid);

/// A signed record with what it says.
#[derive(Clone, Debug)]
pub struct KeptRecord<T> {
    pub signed: Vec<u8>,
    pub body: T,
}

/// Everything that is kept, but for collected records.
#[derive(Default)]
pub struct Kept {
    pub people: Vec<KeptRecord<PeopleRecord>>,
    pub rules: BTreeMap<Site, KeptRecord<SiteRules>>,
    pub keys: BTreeMap<Board, Vec<u8>>,
    pub boards: BTreeMap<Board, KeptBoard>,
    pub galleries: BTreeMap<Gallery, KeptGallery>,
    pub requests: BTreeMap<RequestId, KeptRequest>,
    pub answers: BTreeMap<Board, KeptRecord<Answers>>,
}

impl Trees {
    /// The trees in `store`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(store: &Store) -> Result<Trees, KeptError> {
        Ok(Trees {
            people: store.tree("fleet_people")?,
            rules: store.tree("fleet_rules")?,
            keys: store.tree("fleet_keys")?,
            boards: store.tree("fleet_boards")?,
            galleries: store.tree("fleet_galleries")?,
            requests: store.tree("fleet_requests")?,
            answers: store.tree("fleet_answers")?,
            traces: Traces::open(store)?,
            store: store.clone(),
        })
    }

    /// Reads everything. A record that this office did not sign for this fleet is damage: nothing else writes here.
    ///
    /// # Errors
    /// The store cannot be read, or is damaged.
    pub fn read(&self, office: &OfficePublic, fleet: FleetId) -> Result<Kept, KeptError> {
        let mut kept = Kept::default();
        for entry in self.people.iter() {
            let (key, signed) = entry?;
            let what = || {
                let uuid = key.first_chunk().map(|uuid| Uuid::from_bytes(*uuid));
                format!("the record of person {}", uuid.unwrap_or_default())
            };
            let body = opened(office.open(fleet, &signed), what)?;
            kept.people.push(KeptRecord { signed: signed.to_vec(), body });
        }
        for entry in self.rules.iter() {
            let (key, signed) = entry?;
            let what = || format!("the rules of site {}", String::from_utf8_lossy(&key));
            let body: SiteRules = opened(office.open(fleet, &signed), what)?;
            kept.rules.insert(body.site.clone(), KeptRecord { signed: signed.to_vec(), body });
        }
        for entry in self.keys.iter() {
            let (key, signed) = entry?;
            kept.keys.insert(named(&key)?, signed.to_vec());
        }
        for entry in self.boards.iter() {
            let (key, value) = entry?;
            kept.boards.insert(named(&key)?, parsed(&key, &value)?);
        }
        for entry in self.galleries.iter() {
            let (key, value) = entry?;
            kept.galleries.insert(named(&key)?, parsed(&key, &value)?);
        }
        for entry in self.requests.iter() {
            let (key, value) = entry?;
            kept.requests.insert(request_id(&key)?, parsed(&key, &value)?);
        }
        for entry in self.answers.iter() {
            let (key, signed) = entry?;
            let what = || format!("the answers to board {}", String::from_utf8_lossy(&key));
            let body: Answers = opened(office.open(fleet, &signed), what)?;
            kept.answers.insert(body.board.clone(), KeptRecord { signed: signed.to_vec(), body });
        }
        Ok(kept)
    }

    /// Keeps somebody's record.
    pub fn put_person(&self, record: &PeopleRecord, signed: &[u8]) -> Change {
        self.people.put(person_key(record.uuid(), record.model()), signed)
    }

    /// Deletes somebody's record of a model.
    pub fn delete_person(&self, uuid: Uuid, model: &ModelId) -> Change {
        self.people.delete(person_key(uuid, model))
    }

    /// Keeps a site's rules.
    pub fn put_rules(&self, site: &Site, signed: &[u8]) -> Change {
        self.rules.put(site.as_str(), signed)
    }

    /// Keeps a board's key.
    pub fn put_key(&self, board: &Board, signed: &[u8]) -> Change {
        self.keys.put(board.as_str(), signed)
    }

    /// Keeps a board.
    pub fn put_board(&self, board: &Board, kept: &KeptBoard) -> Change {
        self.boards.put(board.as_str(), serde_json::to_vec(kept).unwrap_or_default())
    }

    /// Keeps what became of a request.
    pub fn put_request(&self, id: &RequestId, kept: &KeptRequest) -> Change {
        self.requests.put(request_key(id), serde_json::to_vec(kept).unwrap_or_default())
    }

    /// Keeps no request of that id.
    pub fn delete_request(&self, id: &RequestId) -> Change {
        self.requests.delete(request_key(id))
    }

    /// Keeps the answers to a board.
    pub fn put_answers(&self, board: &Board, signed: &[u8]) -> Change {
        self.answers.put(board.as_str(), signed)
    }

    /// Keeps no answers to a board.
    pub fn delete_answers(&self, board: &Board) -> Change {
        self.answers.delete(board.as_str())
    }

    /// Keeps a gallery.
    pub fn put_gallery(&self, gallery: &Gallery, kept: &KeptGallery) -> Change {
        self.galleries.put(gallery.as_str(), serde_json::to_vec(kept).unwrap_or_default())
    }
}

fn person_key(uuid: Uuid, model: &ModelId) -> Vec<u8> {
    [uuid.as_bytes(), model.as_str().as_bytes()].concat()
}

fn opened<T>(record: Result<Opened<T>, crate::fleet::Refusal>, what: impl Fn() -> String) -> Result<T, KeptError> {
    match record {
        Ok(Opened::Body(body)) => Ok(body),
        Ok(Opened::SetAside { schema }) => {
            let why = format!("a newer usher wrote it, in form {schema}: use that version");
            Err(KeptError::Damaged { what: what(), why })
        }
        Err(error) => Err(KeptError::Damaged { what: what(), why: error.to_string() }),
    }
}

fn request_key((board, kind, uuid): &RequestId) -> String {
    format!("{board}.{kind}.{uuid}")
}

fn request_id(key: &[u8]) -> Result<RequestId, KeptError> {
    let text = String::from_utf8_lossy(key);
    let read = || {
        let mut parts = text.split('.');
        let id = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        parts.next().is_none().then_some(id)
    };
    read().ok_or_else(|| KeptError::Damaged { what: format!("the entry {text:?}"), why: "it names no request".into() })
}

fn named<T: TryFrom<String>>(key: &[u8]) -> Result<T, KeptError> {
    let text = String::from_utf8_lossy(key).into_owned();
    let damaged = KeptError::Damaged { what: format!("the entry {text:?}"), why: "its name is not one".into() };
    T::try_from(text).map_err(|_| damaged)
}

fn parsed<T: serde::de::DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, KeptError> {
    let what = || format!("the entry {:?}", String::from_utf8_lossy(key));
    serde_json::from_slice(value).map_err(|error| KeptError::Damaged { what: what(), why: error.to_string() })
}

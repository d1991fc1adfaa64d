//! People, boards and rules as the office holds them in memory, and which of them the servers do not have yet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use thiserror::Error;
use uuid::Uuid;

use super::kept::{Kept, KeptBoard, KeptError, KeptGallery, KeptRecord, Trees};
use super::key_file::{KeyFile, KeyFileError};
use crate::access::NearEnough;
use crate::domain::{Embedding, ModelId};
use crate::fleet::{
    Board, Digest, FleetId, Gallery, Head, OfficeKey, PeopleRecord, PersonBody, Refusal, SealedError, Signed, Site,
    SiteRules,
};
use crate::gallery::{GalleryError, read_template};
use crate::store::{Store, StoreError};

/// Why the office cannot do what was asked.
#[derive(Debug, Error)]
pub enum BookError {
    #[error(transparent)]
    Kept(#[from] KeptError),
    #[error("nothing was changed, because it could not be stored: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    #[error("the record cannot be sealed: {0}")]
    Sealed(#[from] SealedError),
    #[error("the record cannot be signed: {0}")]
    Signed(#[from] Refusal),
    #[error(transparent)]
    Gallery(#[from] GalleryError),
    /// What was asked cannot be done, and what to do instead.
    #[error("{0}")]
    Refused(String),
    /// What was asked is done only if the operator insists.
    #[error("{0}")]
    MayForce(String),
}

/// Something that the servers hold under a subject of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    // In this order: what shuts doors first, keys before what they open.
    Rules(Site),
    Key(Gallery, Board),
    Person(Gallery, Uuid),
}

/// Somebody, or the mark that somebody was forgotten.
pub struct Entry {
    pub record: PeopleRecord,
    pub signed: Vec<u8>,
    /// BLAKE3 of the signed record.
    pub hash: [u8; 32],
    /// `None` for somebody who was forgotten.
    pub who: Option<Who>,
}

/// What the office knows of somebody.
pub struct Who {
    /// Without its templates.
    pub body: PersonBody,
    pub faces: Vec<Embedding>,
}

/// The people of one site.
pub struct People {
    pub kept: KeptGallery,
    pub entries: BTreeMap<Uuid, Entry>,
    pub digest: Digest,
}

/// The office's book.
pub struct Book {
    pub fleet: FleetId,
    pub key: OfficeKey,
    pub trees: Trees,
    pub keys: KeyFile,
    pub near_enough: NearEnough,
    pub galleries: BTreeMap<Gallery, People>,
    pub rules: BTreeMap<Site, KeptRecord<SiteRules>>,
    pub board_keys: BTreeMap<Board, Vec<u8>>,
    pub boards: BTreeMap<Board, KeptBoard>,
    /// What the servers do not have yet.
    pub unsent: BTreeSet<Item>,
    /// Counts changes.
    pub changes: u64,
}

impl Book {
    /// Reads the office's store and its keys, and ends what a stop left half done.
    ///
    /// # Errors
    /// They cannot be read, or are damaged.
    pub fn open(
        store: &Store,
        keys: &Path,
        fleet: FleetId,
        key: OfficeKey,
        near_enough: NearEnough,
    ) -> Result<Book, BookError> {
        let trees = Trees::open(store)?;
        let Kept { people, rules, keys: board_keys, boards, galleries } = trees.read(&key.public(), fleet)?;
        let mut book = Book {
            fleet,
            key,
            trees,
            keys: KeyFile::open(keys)?,
            near_enough,
            galleries: galleries.into_iter().map(|(gallery, kept)| (gallery, People::new(kept))).collect(),
            rules,
            board_keys,
            boards,
            unsent: BTreeSet::new(),
            changes: 0,
        };
        for KeptRecord { signed, body } in people {
            book.hold(body, signed)?;
        }
        for gallery in book.galleries.keys().cloned().collect::<Vec<_>>() {
            book.end_epochs(&gallery)?;
        }
        Ok(book)
    }

    /// Holds a record that is on disk, in the place of the one before.
    pub fn hold(&mut self, record: PeopleRecord, signed: Vec<u8>) -> Result<(), BookError> {
        let who = self.who(&record)?;
        let gallery = record.gallery().clone();
        let Some(people) = self.galleries.get_mut(&gallery) else {
            let (what, why) = (format!("the record of person {}", record.uuid()), "its site is not known".to_owned());
            return Err(KeptError::Damaged { what, why }.into());
        };
        let (uuid, version) = (record.uuid(), record.version());
        let hash = *blake3::hash(&signed).as_bytes();
        people.digest.add(uuid, version, &hash);
        if let Some(before) = people.entries.insert(uuid, Entry { record, signed, hash, who }) {
            people.digest.remove(uuid, before.record.version(), &before.hash);
        }
        self.unsent.insert(Item::Person(gallery, uuid));
        Ok(())
    }

    fn who(&self, record: &PeopleRecord) -> Result<Option<Who>, BookError> {
        let PeopleRecord::Person(person) = record else { return Ok(None) };
        let damaged = |why: String| KeptError::Damaged { what: format!("the record of person {}", person.uuid), why };
        let key = self.keys.get(&person.gallery, person.epoch);
        let key = key.ok_or_else(|| damaged(format!("the key of epoch {} is not in the key file", person.epoch)))?;
        let mut body = person.open(self.fleet, key).map_err(|error| damaged(error.to_string()))?;
        let faces = body.templates.iter().map(|template| read_template(template).map(|template| template.embedding));
        let faces = faces.collect::<Result<Vec<_>, _>>().map_err(|error| damaged(error.to_string()))?;
        // Held once, as faces.
        body.templates = Vec::new();
        Ok(Some(Who { body, faces }))
    }

    /// The bytes of an item; `None` if there is no such item any more.
    pub fn bytes(&self, item: &Item) -> Option<&[u8]> {
        match item {
            Item::Rules(site) => self.rules.get(site).map(|rules| &*rules.signed),
            Item::Key(_, board) => self.board_keys.get(board).map(|key| &**key),
            Item::Person(gallery, uuid) => self.galleries.get(gallery)?.entries.get(uuid).map(|entry| &*entry.signed),
        }
    }

    /// The model of an item's subject: for people, that of their gallery.
    pub fn model(&self, gallery: &Gallery) -> Option<&ModelId> {
        self.galleries.get(gallery)?.kept.model.as_ref()
    }

    /// Everything that the servers must hold.
    pub fn items(&self) -> BTreeSet<Item> {
        let rules = self.rules.keys().cloned().map(Item::Rules);
        let of_board = |board: &Board| self.boards.get(board).map(|kept| Gallery::from(&kept.site));
        let keys = self.board_keys.keys().filter_map(|board| Some(Item::Key(of_board(board)?, board.clone())));
        let people = self
            .galleries
            .iter()
            .flat_map(|(gallery, people)| people.entries.keys().map(move |uuid| Item::Person(gallery.clone(), *uuid)));
        rules.chain(keys).chain(people).collect()
    }

    /// The head of a gallery; `None` before somebody was enrolled there.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn head(&self, gallery: &Gallery, at_ms: u64) -> Result<Option<Signed>, BookError> {
        let Some(people) = self.galleries.get(gallery) else { return Ok(None) };
        let rules = self.rules.iter().filter(|(site, _)| Gallery::from(*site) == *gallery);
        let head = Head {
            gallery: gallery.clone(),
            model: people.kept.model.clone().unwrap_or_else(|| ModelId::new("none")),
            at_ms,
            count: people.entries.len() as u64,
            digest: people.digest.value(),
            epoch: people.kept.epoch,
            rules: rules.map(|(site, rules)| (site.clone(), rules.body.version)).collect(),
        };
        Ok(Some(self.key.sign(self.fleet, &head)?))
    }
}

impl People {
    /// A gallery without people.
    pub fn new(kept: KeptGallery) -> People {
        People { kept, entries: BTreeMap::new(), digest: Digest::default() }
    }

    /// Everybody who is enrolled.
    pub fn enrolled(&self) -> impl Iterator<Item = (&Uuid, &Who)> {
        self.entries.iter().filter_map(|(uuid, entry)| Some((uuid, entry.who.as_ref()?)))
    }
}

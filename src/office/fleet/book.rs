//! People, boards and rules as the office holds them in memory, and which of them the servers do not have yet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;
use uuid::Uuid;

use super::kept::{Kept, KeptBoard, KeptError, KeptGallery, KeptRecord, KeptRequest, RequestId, Trees};
use super::key_file::{KeyFile, KeyFileError};
use crate::access::NearEnough;
use crate::domain::{Embedding, ModelId};
use crate::fleet::{
    Answers, Board, Digest, FleetId, Gallery, Head, OfficeKey, PeopleRecord, PersonBody, Refusal, SealedError, SetHead,
    Signed, Site, SiteRules,
};
use crate::gallery::{GalleryError, read_template};
use crate::office::switch::{Catalogue, CatalogueError};
use crate::store::{Store, StoreError};

/// Records in one commit of many.
pub const COMMIT: usize = 200;

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
    #[error(transparent)]
    Model(#[from] CatalogueError),
    /// What was asked cannot be done, and what to do instead.
    #[error("{0}")]
    Refused(String),
    /// What was asked is done only if the operator insists.
    #[error("{0}")]
    MayForce(String),
    /// The same because of somebody at another site, whom a board of this one does not hear about.
    #[error("{0}")]
    AlikeElsewhere(String),
}

impl BookError {
    /// Whether the same is done if the operator insists.
    pub fn may_force(&self) -> bool {
        matches!(self, BookError::MayForce(_) | BookError::AlikeElsewhere(_))
    }
}

/// Something that the servers hold under a subject of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    // In this order: what shuts doors first, keys before what they open.
    Rules(Site),
    Key(Gallery, Board),
    /// What the servers still have of a model that was dropped: it is to be deleted there.
    Dropped(Gallery, ModelId),
    Person(Gallery, ModelId, Uuid),
    Answers(Site, Board),
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

/// The records of one model.
#[derive(Default)]
pub struct Set {
    pub entries: BTreeMap<Uuid, Entry>,
    pub digest: Digest,
}

/// The people of one site.
pub struct People {
    pub kept: KeptGallery,
    /// Of the model in force.
    pub entries: BTreeMap<Uuid, Entry>,
    pub digest: Digest,
    /// The records of the other model, while the gallery goes over. Empty otherwise.
    pub beside: Set,
}

/// The office's book.
pub struct Book {
    pub fleet: FleetId,
    pub key: OfficeKey,
    pub trees: Trees,
    pub keys: KeyFile,
    /// How near is near enough for the office's own model.
    pub near_enough: NearEnough,
    /// The embedders of the manifest; `None` where no gallery can go over to another one.
    pub catalogue: Option<Arc<dyn Catalogue>>,
    /// How near is near enough for the models that were asked for.
    pub measured: BTreeMap<ModelId, NearEnough>,
    pub galleries: BTreeMap<Gallery, People>,
    pub rules: BTreeMap<Site, KeptRecord<SiteRules>>,
    pub board_keys: BTreeMap<Board, Vec<u8>>,
    pub boards: BTreeMap<Board, KeptBoard>,
    pub requests: BTreeMap<RequestId, KeptRequest>,
    pub answers: BTreeMap<Board, KeptRecord<Answers>>,
    /// Whether somebody at the office decides about each enrolment at a door.
    pub decides: bool,
    /// What the servers do not have yet.
    pub unsent: BTreeSet<Item>,
    /// What they refused when it was last tried, and why.
    pub refused: BTreeMap<Item, Arc<str>>,
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
        let Kept { people, rules, keys: board_keys, boards, galleries, requests, answers } =
            trees.read(&key.public(), fleet)?;
        let mut book = Book {
            fleet,
            key,
            trees,
            keys: KeyFile::open(keys)?,
            near_enough,
            catalogue: None,
            measured: BTreeMap::new(),
            galleries: galleries.into_iter().map(|(gallery, kept)| (gallery, People::new(kept))).collect(),
            rules,
            board_keys,
            boards,
            requests,
            answers,
            decides: false,
            unsent: BTreeSet::new(),
            refused: BTreeMap::new(),
            changes: 0,
        };
        let mut left = Vec::new();
        for KeptRecord { signed, body } in people {
            match book.keeps(&body) {
                true => book.hold(body, signed)?,
                // The process was stopped while a model was dropped.
                false => left.push(book.trees.delete_person(body.uuid(), body.model())),
            }
        }
        for part in left.chunks(COMMIT) {
            book.trees.store.commit(part)?;
        }
        for gallery in book.galleries.keys().cloned().collect::<Vec<_>>() {
            book.end_epochs(&gallery)?;
            book.announce_models(&gallery, 0)?;
        }
        Ok(book)
    }

    /// Whether a record is of a model that its gallery keeps.
    pub fn keeps(&self, record: &PeopleRecord) -> bool {
        let kept = self.galleries.get(record.gallery()).map(|people| &people.kept);
        kept.is_none_or(|kept| {
            if kept.model.is_none() {
                return true;
            }
            let beside = kept.beside().map(|beside| &beside.model);
            [kept.model.as_ref(), beside].into_iter().flatten().any(|model| model == record.model())
        })
    }

    /// Holds a record that is on disk, in the place of the one before.
    pub fn hold(&mut self, record: PeopleRecord, signed: Vec<u8>) -> Result<(), BookError> {
        let who = self.who(&record)?;
        let gallery = record.gallery().clone();
        let Some(people) = self.galleries.get_mut(&gallery) else {
            let (what, why) = (format!("the record of person {}", record.uuid()), "its site is not known".to_owned());
            return Err(KeptError::Damaged { what, why }.into());
        };
        let (uuid, version, model) = (record.uuid(), record.version(), record.model().clone());
        let hash = *blake3::hash(&signed).as_bytes();
        let in_force = people.kept.model.as_ref() == Some(&model);
        let (entries, digest) = match in_force {
            true => (&mut people.entries, &mut people.digest),
            false => (&mut people.beside.entries, &mut people.beside.digest),
        };
        digest.add(uuid, version, &hash);
        if let Some(before) = entries.insert(uuid, Entry { record, signed, hash, who }) {
            digest.remove(uuid, before.record.version(), &before.hash);
        }
        self.unsent.insert(Item::Person(gallery, model, uuid));
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

    /// The epoch of a gallery.
    pub fn epoch(&self, gallery: &Gallery) -> Option<u64> {
        self.galleries.get(gallery).map(|people| people.kept.epoch)
    }

    /// The bytes of an item; `None` if there is no such item any more.
    pub fn bytes(&self, item: &Item) -> Option<&[u8]> {
        match item {
            Item::Rules(site) => self.rules.get(site).map(|rules| &*rules.signed),
            Item::Key(_, board) => self.board_keys.get(board).map(|key| &**key),
            Item::Dropped(..) => None,
            Item::Person(gallery, model, uuid) => {
                self.galleries.get(gallery)?.set(model)?.0.get(uuid).map(|entry| &*entry.signed)
            }
            Item::Answers(_, board) => self.answers.get(board).map(|answers| &*answers.signed),
        }
    }

    /// Everything that the servers must hold.
    pub fn items(&self) -> BTreeSet<Item> {
        let rules = self.rules.keys().cloned().map(Item::Rules);
        let of_board = |board: &Board| self.boards.get(board).map(|kept| Gallery::from(&kept.site));
        let keys = self.board_keys.keys().filter_map(|board| Some(Item::Key(of_board(board)?, board.clone())));
        let item = |gallery: &Gallery, entry: &Entry| {
            Item::Person(gallery.clone(), entry.record.model().clone(), entry.record.uuid())
        };
        let people = self.galleries.iter().flat_map(|(gallery, people)| {
            people.entries.values().chain(people.beside.entries.values()).map(move |entry| item(gallery, entry))
        });
        let answers = self.answers.values().map(|answers| &answers.body);
        let answers = answers.map(|answers| Item::Answers(answers.site.clone(), answers.board.clone()));
        rules.chain(keys).chain(people).chain(answers).collect()
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
            total: people.total(),
            highest: people.highest(),
            digest: people.digest.value(),
            epoch: people.kept.epoch,
            rules: rules.map(|(site, rules)| (site.clone(), rules.body.version)).collect(),
            beside: people.kept.beside().map(|beside| SetHead {
                model: beside.model.clone(),
                count: people.beside.entries.len() as u64,
                digest: people.beside.digest.value(),
            }),
        };
        Ok(Some(self.key.sign(self.fleet, &head)?))
    }
}

impl People {
    /// A gallery without people.
    pub fn new(kept: KeptGallery) -> People {
        People { kept, entries: BTreeMap::new(), digest: Digest::default(), beside: Set::default() }
    }

    /// The sum of the versions of the records of the model in force: it rises with every change.
    pub fn total(&self) -> u64 {
        self.entries.values().fold(0, |total, entry| total.saturating_add(entry.record.version()))
    }

    /// The highest version of a record.
    pub fn highest(&self) -> u64 {
        let all = self.entries.values().chain(self.beside.entries.values());
        all.map(|entry| entry.record.version()).max().unwrap_or_default()
    }

    /// The records of a model; `None` if none of it are kept.
    pub fn set(&self, model: &ModelId) -> Option<(&BTreeMap<Uuid, Entry>, &Digest)> {
        if self.kept.model.as_ref() == Some(model) {
            return Some((&self.entries, &self.digest));
        }
        let beside = self.kept.beside().is_some_and(|beside| beside.model == *model);
        beside.then_some((&self.beside.entries, &self.beside.digest))
    }

    /// Everybody who is enrolled.
    pub fn enrolled(&self) -> impl Iterator<Item = (&Uuid, &Who)> {
        self.entries.iter().filter_map(|(uuid, entry)| Some((uuid, entry.who.as_ref()?)))
    }
}

//! Who is enrolled, and who of them is nearest to a face: people and templates in the store, and an index of them in memory.
//!
//! Knows nothing of cameras, and nothing of how near is near enough.
//!
//! - `person`: a person, a template, what names may look like
//! - `whom`: the person that a word means
//! - `record`: both as bytes; `sealed`: those bytes as they are stored
//! - `seals`: taking sub-keys off, and sealing what lies plain; `sealing`: both for templates, and how it stands with them
//! - `walk`: all records of a tree, past damaged pages
//! - `shelf`: what is in memory, as read from the store
//! - `change`: enrolment and everything else that writes, one transaction and one flush each
//! - `standing`: how each person's templates stand to everybody's
//! - `visitors`: embeddings of people whom nobody knew, for a while
//! - `strangers`: an index of made-up people, to measure with
//! - `index`: the search; `scan`: its fast first look; `podium`: nearest and runner-up

mod change;
mod error;
mod index;
mod person;
mod podium;
mod record;
mod scan;
mod sealed;
mod sealing;
#[cfg(test)]
mod sealing_tests;
mod seals;
mod shelf;
mod standing;
mod strangers;
#[cfg(test)]
mod tests;
mod visitors;
mod walk;
mod whom;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::domain::{Distance, Embedding, GallerySize, Match, ModelId, PersonId, SiteHead};
use crate::seal::Ring;
use crate::store::{Store, Tree};

pub use change::Prepared;
pub use error::GalleryError;
pub use index::Index;
pub use person::{MAX_NAME_CHARS, MAX_TEMPLATES, NewPerson, Person, Template};
pub use record::{read_template, write_template};
pub use shelf::{Damaged, Foreign, Locked};
pub use standing::{Standing, View};
pub use strangers::strangers;
pub use visitors::{Keeping, Kept, Visit, Visitors};
pub use whom::{Known, WhomError, whom};

use sealed::Unread;
use sealing::TEMPLATES;
use seals::Seals;
use shelf::Shelf;

/// The longest embedding supported.
pub const MAX_DIMENSION: usize = 4096;

/// People and templates. Whatever changes them is on the disk before the call returns, all of it or nothing, also when the
/// process is killed or the power fails. Open it once for a store: a second one would not see what the first changes.
pub struct Gallery {
    trees: Trees,
    model: ModelId,
    dimension: usize,
    /// What all embeddings go through before they are compared.
    head: Option<SiteHead>,
    threads: usize,
    /// Held by whoever writes, from the first check to the last change in memory.
    writer: Mutex<()>,
    shelf: RwLock<Shelf>,
}

struct Trees {
    store: Store,
    people: Tree,
    templates: Tree,
    /// Holds the next person's number.
    counter: Tree,
    seals: Seals,
}

impl Gallery {
    /// Reads everybody into memory. Templates of other models than `model` stay in the store and are not compared with;
    /// [`foreign`](Gallery::foreign) counts them. Records that cannot be read are left out; [`damaged`](Gallery::damaged)
    /// lists them, and [`locked`](Gallery::locked) those that are sealed and cannot be opened with `ring`. With an open ring, templates
    /// that lie plain are sealed, one commit a person. `dimension` is how many numbers an embedding has, 1 to [`MAX_DIMENSION`].
    pub fn open(store: &Store, ring: &Arc<Ring>, model: ModelId, dimension: usize) -> Result<Gallery, GalleryError> {
        Gallery::open_with(store, ring, model, dimension, None)
    }

    /// As [`open`](Gallery::open), for the model that a site head was learned on: probes and templates are compared behind the head. What
    /// is kept stays as the model made it.
    pub fn open_behind(store: &Store, ring: &Arc<Ring>, head: SiteHead) -> Result<Gallery, GalleryError> {
        let (model, dimension) = (head.base().clone(), head.dimension());
        Gallery::open_with(store, ring, model, dimension, Some(head))
    }

    fn open_with(
        store: &Store,
        ring: &Arc<Ring>,
        model: ModelId,
        dimension: usize,
        head: Option<SiteHead>,
    ) -> Result<Gallery, GalleryError> {
        if !(1..=MAX_DIMENSION).contains(&dimension) {
            return Err(GalleryError::BadDimension { dimension });
        }
        let trees = Trees {
            people: store.tree("people")?,
            templates: store.tree(TEMPLATES)?,
            counter: store.tree("gallery")?,
            seals: Seals::open(store, ring)?,
            store: store.clone(),
        };
        let end = trees.end()?;
        if ring.is_open() && store.stands_by().is_none() {
            later_if_need_be(trees.seal_plain(end), "templates that lie plain are sealed")?;
        }
        let mut shelf = Shelf::read(&trees, end, &model, dimension, head.as_ref())?;
        trees.sweep_later_if_need_be(std::mem::take(&mut shelf.leftovers));
        let (writer, shelf) = (Mutex::new(()), RwLock::new(shelf));
        Ok(Gallery { trees, model, dimension, head, threads: 1, writer, shelf })
    }

    /// Lets `threads` threads share the search once there are tens of thousands of templates. Starts as 1.
    pub fn with_threads(self, threads: usize) -> Gallery {
        Gallery { threads: threads.max(1), ..self }
    }

    /// The person nearest to `probe`, and the nearest template of anybody else; of people as near the one with the lower number.
    /// Disabled people count too; `None` when nobody is enrolled. The answer is exact: as if every template were compared.
    pub fn nearest(&self, probe: &Embedding) -> Result<Option<Match>, GalleryError> {
        self.check_model(probe)?;
        Ok(self.compared_as(probe).and_then(|probe| self.shelf().index.nearest(probe.values(), self.threads)))
    }

    /// How far apart two embeddings of the model in use are, as everything is compared here: behind the head, if there is one. `None`
    /// when one is of another model, or nothing behind the head.
    pub fn distance(&self, a: &Embedding, b: &Embedding) -> Option<Distance> {
        self.compared_as(a)?.distance(&*self.compared_as(b)?)
    }

    /// An embedding of the model in use as it is compared: behind the head, if there is one. `None` when that takes it to nothing.
    fn compared_as<'e>(&self, embedding: &'e Embedding) -> Option<Cow<'e, Embedding>> {
        match &self.head {
            None => Some(Cow::Borrowed(embedding)),
            Some(head) => head.project(embedding).map(Cow::Owned),
        }
    }

    /// Everybody, by number.
    pub fn people(&self) -> Vec<Person> {
        self.shelf().people.values().cloned().collect()
    }

    /// The person of that number.
    pub fn person(&self, id: PersonId) -> Result<Person, GalleryError> {
        self.shelf().person(id).cloned()
    }

    /// The one person whom `wanted` means; see [`whom`].
    pub fn find(&self, wanted: &str) -> Result<Person, GalleryError> {
        let known: Vec<Known> = self.shelf().people.values().map(Known::from).collect();
        match whom(&known, wanted)?[..] {
            [id, ..] => self.person(id),
            [] => Err(GalleryError::NotFound { wanted: wanted.to_owned() }),
        }
    }

    /// All templates of a person, those of other models too, oldest first. An error when one of them is damaged or locked.
    pub fn templates(&self, id: PersonId) -> Result<Vec<Template>, GalleryError> {
        self.person(id)?;
        let mut templates = Vec::new();
        for entry in self.trees.templates.scan_prefix(record::person_key(id)) {
            let (key, value) = entry?;
            templates.push(self.trees.read(&key, &value).map_err(|unread| match unread {
                Unread::Locked(why) => GalleryError::Locked { key: record::describe(&key), why },
                Unread::Damaged(why) => GalleryError::Damaged { key: record::describe(&key), why },
            })?);
        }
        Ok(templates)
    }

    /// The model whose embeddings are compared.
    pub fn model(&self) -> &ModelId {
        &self.model
    }

    /// The tag of embeddings as they are compared: the site head's, if there is one, else the model's.
    pub fn compares_by(&self) -> &ModelId {
        self.head.as_ref().map_or(&self.model, SiteHead::id)
    }

    /// How many people a probe is compared with: those who have templates of the model in use.
    pub fn people_compared(&self) -> usize {
        self.size().people
    }

    /// What a probe is compared with: people who have templates of the model in use, and those templates.
    pub fn size(&self) -> GallerySize {
        let shelf = self.shelf();
        GallerySize { people: shelf.compared, templates: shelf.index.len() }
    }

    /// Templates that are compared with.
    pub fn templates_in_use(&self) -> usize {
        self.shelf().index.len()
    }

    /// Templates of other models, which are kept and not compared with; empty when all is well.
    pub fn foreign(&self) -> Result<Vec<Foreign>, GalleryError> {
        self.shelf().foreign(&self.trees)
    }

    /// Records that could not be read when the gallery was opened, or since.
    pub fn damaged(&self) -> Vec<Damaged> {
        self.shelf().damaged.clone()
    }

    fn check_model(&self, embedding: &Embedding) -> Result<(), GalleryError> {
        if *embedding.model() == self.model && embedding.values().len() == self.dimension {
            return Ok(());
        }
        Err(GalleryError::ForeignModel {
            found: embedding.model().clone(),
            found_numbers: embedding.values().len(),
            wanted: self.model.clone(),
            wanted_numbers: self.dimension,
        })
    }

    // A poisoned lock is taken all the same: a shelf left half changed lacks somebody, it never has anybody too much.
    fn shelf(&self) -> RwLockReadGuard<'_, Shelf> {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn shelf_mut(&self) -> RwLockWriteGuard<'_, Shelf> {
        self.shelf.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a disk that fails keeps from being done is done at the next start.
fn later_if_need_be(done: Result<(), GalleryError>, what: &str) -> Result<(), GalleryError> {
    match done {
        Err(error) if error.is_of_the_disk() => {
            tracing::warn!(%error, "{what} at the next start");
            Ok(())
        }
        other => other,
    }
}

//! Who is enrolled, and who of them is nearest to a face: people and templates in the store, with an index of them in memory.
//!
//! The gallery ranks people; it does not decide how near is near enough.
//!
//! - `person`: people, templates, and the rules for names
//! - `query`: finding the person that a name, an employee id or a number refers to
//! - `record`: people and templates as bytes; `envelope`: those bytes as stored, sealed or plain
//! - `sub_keys`: removing sub-keys, and sealing plain records; `sealed_templates`: both for templates, and their state
//! - `walk`: iterates over all records of a tree, past damaged pages
//! - `cache`: everything read from the store into memory
//! - `change`: enrolment and all other changes, one commit each
//! - `credentials`: PINs and tags of people; `credential_record`: those as bytes; `pin_note`: whether an entered PIN was the duress PIN,
//!   for operators
//! - `template_id`: the address of a template; `templates`: showing, adding and removing them one by one; `leaving`: erasing some for good
//! - `references`: templates that come after the enrolment: learned from grants, and negative references
//! - `next`: a second set of templates, while the site is led to another model; `next_set`: that set in memory
//! - `recognition`: whether each person would be recognised by their own templates
//! - `faces`: pictures of faces beside records, for a limited time and only on request
//! - `visitors`: embeddings of unknown visitors, kept for a limited time
//! - `fleet`: people who came from the fleet; `fleet_batch`: changing many of them in one commit
//! - `known`: people by uuid, name and employee id
//! - `index`: the search; `scan`: its fast first pass; `nearest_two`: the nearest person and the runner-up

mod cache;
mod change;
mod credential_error;
mod credential_record;
mod credentials;
#[cfg(test)]
mod credentials_tests;
mod envelope;
mod error;
mod faces;
mod fleet;
mod fleet_batch;
#[cfg(test)]
mod fleet_tests;
mod index;
mod known;
mod leaving;
mod nearest_two;
mod next;
mod next_set;
#[cfg(test)]
mod next_tests;
mod person;
mod pin_note;
mod query;
mod recognition;
mod record;
mod references;
mod scan;
mod sealed_templates;
#[cfg(test)]
mod sealed_templates_tests;
mod sub_keys;
mod template_id;
mod templates;
#[cfg(test)]
mod tests;
mod visitors;
mod walk;

use std::borrow::Cow;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::domain::{Distance, Embedding, GallerySize, Match, ModelId, PersonId, SiteHead};
use crate::seal::Ring;
use crate::store::{Store, Tree};

pub use cache::{Damaged, Foreign, Locked};
pub use change::Prepared;
pub use credential_error::CredentialError;
pub use credentials::{PinAnswer, PinKind, ShownTag};
pub use error::{GalleryError, RecordError};
pub use faces::{FacePictures, KeptFace};
pub use fleet::{FleetPerson, Locals};
pub use fleet_batch::{FleetBatch, FleetChange};
pub use index::{Index, strangers};
pub use next::ModelCount;
pub use person::{Held, NewPerson, Person, Template};
pub use query::{Candidate, QueryError, find_person};
pub use recognition::{RecognitionCheck, TemplateCheck};
pub use record::{Kind, read_template, write_template};
pub use references::{MAX_LEARNED, MAX_NOT_THEM};
pub use template_id::TemplateId;
pub use templates::KeptTemplate;
pub use visitors::{KeptVisit, KeptVisits, Retention, Visit, Visitors};

use cache::Cache;
use credential_record::CREDENTIALS;
use sealed_templates::TEMPLATES;
use sub_keys::SubKeys;

/// The most templates a person can have. Ten good ones are enough; the limit keeps one person from filling the gallery.
pub const MAX_TEMPLATES: usize = 64;
/// The most tags a person can have.
pub const MAX_TAGS: usize = 16;
/// The longest name, employee id or group name, in characters.
pub const MAX_NAME_CHARS: usize = 100;
/// The longest supported embedding, in numbers.
pub const MAX_DIMENSION: usize = 4096;

/// People and templates. Every change is on disk before the call returns, completely or not at all, even if the process is killed or the
/// power fails. Open one gallery per store: a second one would not see the changes of the first.
pub struct Gallery {
    trees: Trees,
    model: ModelId,
    dimension: usize,
    /// The site head that projects all embeddings before they are compared.
    head: Option<SiteHead>,
    threads: usize,
    /// Whether people of the fleet are changed at its office alone.
    in_fleet: AtomicBool,
    /// Held during a change, from the first check to the update in memory.
    writer: Mutex<()>,
    cache: RwLock<Cache>,
}

struct Trees {
    store: Store,
    people: Tree,
    templates: Tree,
    credentials: Tree,
    /// Holds the number for the next person.
    counter: Tree,
    sub_keys: SubKeys,
}

impl Gallery {
    /// Reads everybody into memory. `dimension` is the number of values in an embedding, 1 to [`MAX_DIMENSION`].
    ///
    /// Templates of models other than `model` stay in the store but are not compared; [`foreign`](Gallery::foreign) counts them. Unreadable
    /// records are left out and listed by [`damaged`](Gallery::damaged); sealed ones that `ring` cannot open are counted by
    /// [`locked`](Gallery::locked). If `ring` is open, plain templates are sealed, one commit for each person.
    pub fn open(store: &Store, ring: &Arc<Ring>, model: ModelId, dimension: usize) -> Result<Gallery, GalleryError> {
        Gallery::open_with(store, ring, model, dimension, None)
    }

    /// As [`open`](Gallery::open), for the model that a site head was trained on: probes and templates are compared after projection by the
    /// head. The store keeps them as the model made them.
    pub fn open_with_head(store: &Store, ring: &Arc<Ring>, head: SiteHead) -> Result<Gallery, GalleryError> {
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
            credentials: store.tree(CREDENTIALS)?,
            counter: store.tree("gallery")?,
            sub_keys: SubKeys::open(store, ring)?,
            store: store.clone(),
        };
        let end = trees.end()?;
        let seals = ring.is_open() && store.standby_reason().is_none();
        if seals {
            defer_on_disk_failure(trees.seal_plain(end), "plain templates will be sealed")?;
            defer_on_disk_failure(trees.seal_plain_credentials(end), "plain PINs and tags will be sealed")?;
        }
        let mut cache = Cache::read(&trees, end, &model, dimension, head.as_ref())?;
        trees.sweep_or_defer(std::mem::take(&mut cache.leftovers));
        let overwritten = cache.take_credentials(&trees, end)?;
        if let Err(error) = if overwritten.is_empty() { Ok(()) } else { store.commit(&overwritten) } {
            tracing::warn!(%error, "overwritten records of PINs will be deleted at the next start");
        }
        if seals && cache.people.values().any(|person| person.held.pin) {
            trees.renew_note_key()?;
        }
        let (writer, cache) = (Mutex::new(()), RwLock::new(cache));
        let in_fleet = AtomicBool::new(false);
        Ok(Gallery { trees, model, dimension, head, threads: 1, in_fleet, writer, cache })
    }

    /// Lets up to `threads` threads share the search in galleries of tens of thousands of templates. The default is 1.
    pub fn with_threads(self, threads: usize) -> Gallery {
        Gallery { threads: threads.max(1), ..self }
    }

    /// The person nearest to `probe`, and the nearest template of anyone else; at equal distance, the person with the lower number. Disabled
    /// people count too. `None` if nobody is enrolled. The answer is exact, as if every template were compared.
    pub fn nearest(&self, probe: &Embedding) -> Result<Option<Match>, GalleryError> {
        self.check_model(probe)?;
        Ok(self.compared_as(probe).and_then(|probe| self.cache().index.nearest(probe.values(), self.threads)))
    }

    /// The distance between two embeddings of the model in use, after projection by the head, if there is one. `None` if one is of another
    /// model, or is projected to zero.
    pub fn distance(&self, a: &Embedding, b: &Embedding) -> Option<Distance> {
        self.compared_as(a)?.distance(&*self.compared_as(b)?)
    }

    /// An embedding as it is compared: projected by the head, if there is one. `None` if it is projected to zero.
    fn compared_as<'e>(&self, embedding: &'e Embedding) -> Option<Cow<'e, Embedding>> {
        match &self.head {
            None => Some(Cow::Borrowed(embedding)),
            Some(head) => head.project(embedding).map(Cow::Owned),
        }
    }

    /// All people, in order of number.
    pub fn people(&self) -> Vec<Person> {
        self.cache().people.values().cloned().collect()
    }

    /// The person with this number.
    pub fn person(&self, id: PersonId) -> Result<Person, GalleryError> {
        self.cache().person(id).cloned()
    }

    /// The one person that `query` refers to; see [`find_person`].
    pub fn person_by_query(&self, query: &str) -> Result<Person, GalleryError> {
        let candidates: Vec<Candidate> = self.cache().people.values().map(Candidate::from).collect();
        match find_person(&candidates, query)?[..] {
            [id, ..] => self.person(id),
            [] => Err(GalleryError::NotFound { wanted: query.to_owned() }),
        }
    }

    /// All templates by which a person is recognised, including those of other models: the enrolled ones, then the learned ones, each oldest
    /// first. Fails if one of them is damaged or locked.
    pub fn templates(&self, id: PersonId) -> Result<Vec<Template>, GalleryError> {
        let kept = self.kept(id)?;
        Ok(kept.into_iter().filter(|(kind, _)| *kind != Kind::NotThem).map(|(_, template)| template).collect())
    }

    /// The distance of `probe` to the nearest negative reference of `person`: a face that was said not to be theirs. `None` if they have none.
    pub fn to_not_them(&self, person: PersonId, probe: &Embedding) -> Result<Option<Distance>, GalleryError> {
        self.check_model(probe)?;
        Ok(self.compared_as(probe).and_then(|probe| self.cache().to_not_them(person, probe.values())))
    }

    /// The model whose embeddings are compared.
    pub fn model(&self) -> &ModelId {
        &self.model
    }

    /// The id of the space in which embeddings are compared: the site head's, if there is one, else the model's.
    pub fn comparison_id(&self) -> &ModelId {
        self.head.as_ref().map_or(&self.model, SiteHead::id)
    }

    /// What a probe is compared with: the number of people who have templates of the model in use, and of those templates.
    pub fn size(&self) -> GallerySize {
        let cache = self.cache();
        GallerySize { people: cache.compared, templates: cache.index.len() }
    }

    /// Templates of other models, which are kept but not compared.
    pub fn foreign(&self) -> Result<Vec<Foreign>, GalleryError> {
        self.cache().foreign(&self.trees)
    }

    /// Records found unreadable when the gallery was opened, or since.
    pub fn damaged(&self) -> Vec<Damaged> {
        self.cache().damaged.clone()
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

    // A poisoned lock is ignored: a half-made change can leave a person out of the cache, but never adds one.
    fn cache(&self) -> RwLockReadGuard<'_, Cache> {
        self.cache.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn cache_mut(&self) -> RwLockWriteGuard<'_, Cache> {
        self.cache.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Turns a disk failure into a warning that `what` happens at the next start.
fn defer_on_disk_failure(done: Result<(), GalleryError>, what: &str) -> Result<(), GalleryError> {
    match done {
        Err(error) if error.is_disk_failure() => {
            tracing::warn!(%error, "{what} at the next start");
            Ok(())
        }
        other => other,
    }
}

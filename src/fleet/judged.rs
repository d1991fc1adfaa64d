//! What is to become of a record that came: nothing, or a step to be committed. Nothing is changed here.

use thiserror::Error;
use uuid::Uuid;

use super::holding::{Entry, EntryState, Holding, Step};
use super::key::Epochs;
use super::name::{FleetId, Gallery};
use super::person::{PeopleRecord, PersonBody, PersonRecord};
use super::sealed::SealedError;
use super::signed::{self, OfficePublic, Opened, Refusal};
use crate::domain::ModelId;

/// The most entries that a board holds, with those of people who were forgotten.
pub const MAX_ENTRIES: u64 = 4_000_000;

/// What a board reads.
#[derive(Clone, Debug)]
pub struct Reader {
    pub fleet: FleetId,
    pub gallery: Gallery,
    /// The model whose templates the board compares.
    pub model: ModelId,
    /// By whom records must be signed.
    pub office: OfficePublic,
}

/// A record from the stream.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// Its number in the stream.
    pub sequence: u64,
    /// Whom it is about, by its subject.
    pub uuid: Uuid,
    /// Its bytes.
    pub record: &'a [u8],
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Somebody is new or has changed, or was removed.
    Changed {
        /// Whether the person was removed.
        removed: bool,
        /// What an operator should know, such as a name that two people have.
        note: Option<String>,
    },
    /// A new record that says the same, such as one for a new epoch.
    Same,
    /// This or a newer one is held.
    Older,
    /// Its form is not known: this usher is too old for it.
    SetAside { schema: u16 },
    /// It is refused for good.
    Refused(Why),
    /// The key of its epoch is not there yet. Others may be applied meanwhile; the position stays before it. Call [`Replica::begin`] and read on
    /// from there once the key has come.
    Waits { epoch: u64 },
}

/// Why a record is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Why {
    #[error(transparent)]
    Record(#[from] Refusal),
    #[error("it is about another person than its subject says")]
    OtherPerson,
    #[error("it is of the gallery {0}, which is not this board's")]
    OtherGallery(Gallery),
    #[error("its templates are of the model {0}, which is not in use here")]
    OtherModel(ModelId),
    #[error("the key of epoch {0} was destroyed; the office has a newer record")]
    EpochGone(u64),
    #[error(transparent)]
    Sealed(#[from] SealedError),
    #[error("it does not fit here: {0}")]
    Unfit(String),
    #[error("{MAX_ENTRIES} records are held, and no more fit")]
    TooMany,
}

/// What is to become of a record.
pub struct Judged {
    /// Whether the record is one of this person that this board reads.
    pub is_heard: bool,
    pub then: Then,
}

impl Judged {
    fn heard(outcome: Outcome) -> Judged {
        Judged { is_heard: true, then: Then::Is(outcome) }
    }

    fn unheard(why: Why) -> Judged {
        Judged { is_heard: false, then: Then::Is(Outcome::Refused(why)) }
    }
}

/// What follows from a record.
pub enum Then {
    /// Nothing has to be committed.
    Is(Outcome),
    Take(Box<Planned>),
}

/// What is to be committed.
pub struct Planned {
    pub held: Option<Entry>,
    pub entry: Entry,
    pub what: What,
}

/// What a record says.
pub enum What {
    Person { body: PersonBody, model: ModelId },
    Same,
    Removed,
}

impl Then {
    /// The step that commits it.
    pub fn step(&self, uuid: Uuid) -> Option<Step<'_>> {
        let Then::Take(planned) = self else { return None };
        let Planned { held, entry, what } = &**planned;
        Some(match what {
            What::Person { body, model } => Step::Person { uuid, before: held.as_ref(), entry, body, model },
            What::Same => Step::Same { uuid, entry },
            What::Removed => Step::Removed { uuid, entry },
        })
    }
}

impl Reader {
    /// What is to become of a record. With `is_full`, nobody who is not held is taken.
    pub(super) fn judge<H: Holding>(
        &self,
        incoming: &Incoming<'_>,
        holding: &H,
        epochs: &Epochs,
        is_full: bool,
    ) -> Result<Judged, H::Error> {
        let Reader { fleet, gallery, model, office } = self;
        let record = match office.open::<PeopleRecord>(*fleet, incoming.record) {
            Ok(Opened::Body(record)) => record,
            Ok(Opened::SetAside { schema }) => return Ok(Judged::heard(Outcome::SetAside { schema })),
            Err(refusal) => return Ok(Judged::unheard(refusal.into())),
        };
        if record.uuid() != incoming.uuid {
            return Ok(Judged::unheard(Why::OtherPerson));
        }
        if record.gallery() != gallery {
            return Ok(Judged::unheard(Why::OtherGallery(record.gallery().clone())));
        }
        if record.model() != model {
            return Ok(Judged::unheard(Why::OtherModel(record.model().clone())));
        }
        let (state, content) = match &record {
            PeopleRecord::Person(person) => (EntryState::Person, person.content()),
            PeopleRecord::Forgotten(_) => (EntryState::Forgotten, [0; 32]),
        };
        let entry = Entry { version: record.version(), hash: signed::hash(incoming.record), content, state };
        let held = holding.entry(incoming.uuid)?;
        if !entry.replaces(held.as_ref()) {
            return Ok(Judged::heard(Outcome::Older));
        }
        if held.is_none() && is_full {
            return Ok(Judged::heard(Outcome::Refused(Why::TooMany)));
        }
        let what = match record {
            PeopleRecord::Person(person) => match self.what_of(person, held.as_ref(), &entry, epochs) {
                Ok(what) => what,
                Err(outcome) => return Ok(Judged::heard(outcome)),
            },
            PeopleRecord::Forgotten(_) => What::Removed,
        };
        Ok(Judged { is_heard: true, then: Then::Take(Box::new(Planned { held, entry, what })) })
    }

    /// What a record says of a person; or why it is not taken.
    fn what_of(
        &self,
        person: PersonRecord,
        held: Option<&Entry>,
        entry: &Entry,
        epochs: &Epochs,
    ) -> Result<What, Outcome> {
        if held.is_some_and(|held| held.state == EntryState::Person && held.content == entry.content) {
            return Ok(What::Same);
        }
        let Some(key) = epochs.get(person.epoch) else {
            // Older keys were destroyed; the office has wrapped or will wrap the record anew.
            return Err(match epochs.newest().is_some_and(|newest| newest > person.epoch) {
                true => Outcome::Refused(Why::EpochGone(person.epoch)),
                false => Outcome::Waits { epoch: person.epoch },
            });
        };
        match person.open(self.fleet, key) {
            Ok(body) => Ok(What::Person { body, model: person.model }),
            Err(error) => Err(Outcome::Refused(error.into())),
        }
    }
}

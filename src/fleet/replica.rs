//! The records that a board holds, kept the same as the office's.
//!
//! Records may come in any order, repeated, and from a stream that was made anew. For each uuid the highest version counts, so the end is always the
//! same. Each change is one commit with the position in the stream.
//!
//! A stream of another birth is read from its beginning. Until all of it was read, the position stays at the old birth: after a kill, reading
//! begins again, and finds most of it done. In the end those are removed whose records were missing; only if the office's signed head says that exactly
//! the others are there. So a server that hides records can make a board old, but cannot make it forget anybody.

use std::collections::HashSet;

use thiserror::Error;
use uuid::Uuid;

use super::digest::{Digest, DigestValue};
use super::head::Head;
use super::holding::{Birth, Entry, EntryState, Holding, Position, Step, StepChange, Taken};
use super::key::Epochs;
use super::name::{FleetId, Gallery};
use super::person::{PeopleRecord, PersonRecord};
use super::sealed::SealedError;
use super::signed::{self, Body, OfficePublic, Opened, Refusal};
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

/// How many records had which outcome since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub changed: u64,
    pub same: u64,
    pub older: u64,
    pub set_aside: u64,
    pub refused: u64,
    /// Removed because their records were missing after everything was read anew.
    pub swept: u64,
}

/// How far reading is when nothing more waits in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All of it is read and kept.
    Done {
        /// How many people were removed because their records were missing.
        swept: u64,
    },
    /// A record waits for the key of its epoch.
    WaitsForKey,
    /// Records of `missing` people are missing from a new stream, and the newest head does not say that they are to go. Call again with the next head.
    WaitsForHead {
        /// How many.
        missing: u64,
    },
}

/// The reading of a stream of another birth than that of the position.
#[derive(Debug)]
struct Anew {
    birth: Birth,
    /// The last record that was read.
    sequence: u64,
    /// Whose records were there.
    seen: HashSet<Uuid>,
    set_aside: u64,
}

/// What a board holds, and how it reads on.
#[derive(Debug)]
pub struct Replica<H> {
    reader: Reader,
    holding: H,
    digest: Digest,
    /// The number of entries that count.
    count: u64,
    /// The number of all entries.
    entries: u64,
    position: Option<Position>,
    /// Whether the position has moved since it was committed.
    moved: bool,
    anew: Option<Anew>,
    /// The first record that waits for a key.
    waits: Option<u64>,
    counts: Counts,
}

impl<H: Holding> Replica<H> {
    /// Reads what is held.
    pub fn open(reader: Reader, holding: H) -> Result<Replica<H>, H::Error> {
        let (mut digest, mut count, mut entries) = (Digest::default(), 0_u64, 0_u64);
        for (uuid, entry) in holding.entries()? {
            entries = entries.saturating_add(1);
            if entry.counts() {
                digest.add(uuid, entry.version, &entry.hash);
                count = count.saturating_add(1);
            }
        }
        let position = holding.position()?;
        let (anew, waits, counts) = (None, None, Counts::default());
        Ok(Replica { reader, holding, digest, count, entries, position, moved: false, anew, waits, counts })
    }

    /// Begins to read a stream, after each connection. `last` is the number of its last record. Returns the number of the first one to read.
    ///
    /// A stream is read from the beginning if it is of another birth, if it is shorter than what was read of it, or if it has records that an earlier
    /// usher could not read.
    pub fn begin(&mut self, birth: Birth, last: u64) -> u64 {
        self.waits = None;
        if let Some(anew) = &self.anew
            && anew.birth == birth
            && anew.sequence <= last
        {
            return anew.sequence.saturating_add(1);
        }
        let goes_on = |position: &Position| {
            let reads_more = position.set_aside > 0 && position.schema < PeopleRecord::SCHEMA;
            position.birth == birth && position.sequence <= last && !reads_more
        };
        match self.position.filter(goes_on) {
            Some(position) => {
                self.anew = None;
                position.sequence.saturating_add(1)
            }
            None => {
                self.anew = Some(Anew { birth, sequence: 0, seen: HashSet::new(), set_aside: 0 });
                1
            }
        }
    }

    /// Applies a record. What it changes is committed when this returns.
    ///
    /// # Errors
    /// Nothing was changed; apply the same record again later.
    pub fn apply(&mut self, incoming: &Incoming<'_>, epochs: &Epochs) -> Result<Outcome, H::Error> {
        let outcome = self.judge(incoming, epochs)?;
        match &outcome {
            Outcome::Waits { .. } => {
                let first = self.waits.map_or(incoming.sequence, |first| first.min(incoming.sequence));
                self.waits = Some(first);
            }
            // The position moved with the commit.
            Outcome::Changed { .. } | Outcome::Same => {}
            Outcome::Older | Outcome::Refused(_) => self.move_to(incoming.sequence, 0),
            Outcome::SetAside { .. } => self.move_to(incoming.sequence, 1),
        }
        let counts = &mut self.counts;
        let counted = match &outcome {
            Outcome::Changed { .. } => &mut counts.changed,
            Outcome::Same => &mut counts.same,
            Outcome::Older => &mut counts.older,
            Outcome::SetAside { .. } => &mut counts.set_aside,
            Outcome::Refused(_) => &mut counts.refused,
            Outcome::Waits { .. } => return Ok(outcome),
        };
        *counted = counted.saturating_add(1);
        Ok(outcome)
    }

    fn judge(&mut self, incoming: &Incoming<'_>, epochs: &Epochs) -> Result<Outcome, H::Error> {
        let Reader { fleet, gallery, model, office } = &self.reader;
        let record = match office.open::<PeopleRecord>(*fleet, incoming.record) {
            Ok(Opened::Body(record)) => record,
            Ok(Opened::SetAside { schema }) => {
                self.saw(incoming.uuid);
                return Ok(Outcome::SetAside { schema });
            }
            Err(refusal) => return Ok(Outcome::Refused(refusal.into())),
        };
        if record.uuid() != incoming.uuid {
            return Ok(Outcome::Refused(Why::OtherPerson));
        }
        if record.gallery() != gallery {
            return Ok(Outcome::Refused(Why::OtherGallery(record.gallery().clone())));
        }
        let (state, content) = match &record {
            PeopleRecord::Person(person) if person.model != *model => {
                return Ok(Outcome::Refused(Why::OtherModel(person.model.clone())));
            }
            PeopleRecord::Person(person) => (EntryState::Person, person.content()),
            PeopleRecord::Forgotten(_) => (EntryState::Forgotten, [0; 32]),
        };
        let entry = Entry { version: record.version(), hash: signed::hash(incoming.record), content, state };
        let held = self.holding.entry(incoming.uuid)?;
        self.saw(incoming.uuid);
        if !entry.replaces(held.as_ref()) {
            return Ok(Outcome::Older);
        }
        if held.is_none() && self.entries >= MAX_ENTRIES {
            return Ok(Outcome::Refused(Why::TooMany));
        }
        match &record {
            PeopleRecord::Person(person) => self.take_person(incoming, person, held.as_ref(), &entry, epochs),
            PeopleRecord::Forgotten(_) => {
                let change = StepChange::Removed { uuid: incoming.uuid, entry: &entry };
                self.commit(incoming, held.as_ref(), &entry, change, true)
            }
        }
    }

    fn take_person(
        &mut self,
        incoming: &Incoming<'_>,
        person: &PersonRecord,
        held: Option<&Entry>,
        entry: &Entry,
        epochs: &Epochs,
    ) -> Result<Outcome, H::Error> {
        let uuid = incoming.uuid;
        if held.is_some_and(|held| held.state == EntryState::Person && held.content == entry.content) {
            return Ok(match self.commit(incoming, held, entry, StepChange::Same { uuid, entry }, false)? {
                Outcome::Changed { .. } => Outcome::Same,
                other => other,
            });
        }
        let Some(key) = epochs.get(person.epoch) else {
            // Older keys were destroyed; the office has wrapped or will wrap the record anew.
            return Ok(match epochs.newest().is_some_and(|newest| newest > person.epoch) {
                true => Outcome::Refused(Why::EpochGone(person.epoch)),
                false => Outcome::Waits { epoch: person.epoch },
            });
        };
        let body = match person.open(self.reader.fleet, key) {
            Ok(body) => body,
            Err(error) => return Ok(Outcome::Refused(error.into())),
        };
        let change = StepChange::Person { uuid, before: held, entry, body: &body, model: &person.model };
        self.commit(incoming, held, entry, change, false)
    }

    fn commit(
        &mut self,
        incoming: &Incoming<'_>,
        held: Option<&Entry>,
        entry: &Entry,
        change: StepChange<'_>,
        removed: bool,
    ) -> Result<Outcome, H::Error> {
        let position = self.moved_to(incoming.sequence, 0);
        let kept = if self.anew.is_some() { None } else { position };
        match self.holding.commit(Step { change, position: kept })? {
            Taken::Unfit(why) => Ok(Outcome::Refused(Why::Unfit(why))),
            Taken::Done { note } => {
                self.replace(incoming.uuid, held, entry);
                self.move_to(incoming.sequence, 0);
                self.moved = self.moved && kept.is_none();
                Ok(Outcome::Changed { removed, note })
            }
        }
    }

    /// Where the position is once a record was read, and `aside` more were set aside. It stays before a record that waits.
    fn moved_to(&self, sequence: u64, aside: u64) -> Option<Position> {
        let position = self.position?;
        let limit = self.waits.map_or(u64::MAX, |first| first.saturating_sub(1));
        let sequence = position.sequence.max(sequence.min(limit));
        let set_aside = position.set_aside.saturating_add(aside);
        Some(Position { sequence, set_aside, schema: PeopleRecord::SCHEMA, ..position })
    }

    fn move_to(&mut self, sequence: u64, aside: u64) {
        let limit = self.waits.map_or(u64::MAX, |first| first.saturating_sub(1));
        match &mut self.anew {
            Some(anew) => {
                anew.sequence = anew.sequence.max(sequence.min(limit));
                anew.set_aside = anew.set_aside.saturating_add(aside);
            }
            None => {
                let position = self.moved_to(sequence, aside);
                self.moved = self.moved || position != self.position;
                self.position = position;
            }
        }
    }

    fn saw(&mut self, uuid: Uuid) {
        if let Some(anew) = &mut self.anew
            && (anew.seen.len() as u64) < MAX_ENTRIES
        {
            anew.seen.insert(uuid);
        }
    }

    fn replace(&mut self, uuid: Uuid, held: Option<&Entry>, entry: &Entry) {
        if held.is_none() {
            self.entries = self.entries.saturating_add(1);
        }
        if let Some(held) = held.filter(|held| held.counts()) {
            self.digest.remove(uuid, held.version, &held.hash);
            self.count = self.count.saturating_sub(1);
        }
        if entry.counts() {
            self.digest.add(uuid, entry.version, &entry.hash);
            self.count = self.count.saturating_add(1);
        }
    }

    /// Call it when nothing more waits in the stream, and after each new head: keeps the position, and after a new stream was read removes those whose
    /// records were missing, if `head`, the newest one, says so.
    ///
    /// # Errors
    /// Some may have been removed; call it again.
    pub fn caught_up(&mut self, head: Option<&Head>) -> Result<Progress, H::Error> {
        if self.waits.is_some() {
            return Ok(Progress::WaitsForKey);
        }
        let Some(anew) = &self.anew else {
            self.save()?;
            return Ok(Progress::Done { swept: 0 });
        };
        let mut missing = self.holding.entries()?;
        missing.retain(|(uuid, entry)| entry.counts() && !anew.seen.contains(uuid));
        if !missing.is_empty() {
            let mut without = self.digest.clone();
            missing.iter().for_each(|(uuid, entry)| without.remove(*uuid, entry.version, &entry.hash));
            if !head.is_some_and(|head| self.is_of(head) && head.digest == without.value()) {
                return Ok(Progress::WaitsForHead { missing: missing.len() as u64 });
            }
        }
        let Anew { birth, sequence, set_aside, .. } = *anew;
        let swept = missing.len() as u64;
        for (uuid, held) in missing {
            let entry = Entry { state: EntryState::Gone, ..held.clone() };
            let step = Step { change: StepChange::Removed { uuid, entry: &entry }, position: None };
            if let Taken::Done { .. } = self.holding.commit(step)? {
                self.replace(uuid, Some(&held), &entry);
                self.counts.swept = self.counts.swept.saturating_add(1);
            }
        }
        self.position = Some(Position { birth, sequence, schema: PeopleRecord::SCHEMA, set_aside });
        (self.anew, self.moved) = (None, true);
        self.save()?;
        Ok(Progress::Done { swept })
    }

    /// Commits the position if it has moved without a change.
    fn save(&mut self) -> Result<(), H::Error> {
        if self.moved {
            self.holding.commit(Step { change: StepChange::Nothing, position: self.position })?;
            self.moved = false;
        }
        Ok(())
    }

    /// Whether everything that the office had when it signed `head` is held, and nothing else.
    pub fn is_whole(&self, head: &Head) -> bool {
        self.is_of(head) && head.count == self.count && head.digest == self.digest()
    }

    fn is_of(&self, head: &Head) -> bool {
        head.gallery == self.reader.gallery && head.model == self.reader.model
    }

    /// The digest of what is held.
    pub fn digest(&self) -> DigestValue {
        self.digest.value()
    }

    /// The number of records held, with those of people who were forgotten.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How far was read, in the stream whose birth was last read whole.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// What became of records since the start.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Where it is kept.
    pub fn holding(&self) -> &H {
        &self.holding
    }
}

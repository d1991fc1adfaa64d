//! The records that a board holds, kept the same as the office's.
//!
//! Records may come in any order, repeated, and from a stream that was made anew. For each uuid the highest version counts, so the end is always the
//! same. Many changes are one commit, with the position in the stream.
//!
//! A stream of another birth is read from its beginning. Until all of it was read, the position stays at the old birth: after a kill, reading
//! begins again, and finds most of it done. In the end those are removed whose records were missing; only if the office's signed head says that exactly
//! the others are there. So a server that hides records can make a board old, but cannot make it forget anybody.

use std::collections::HashSet;

use uuid::Uuid;

use super::digest::{Digest, DigestValue};
use super::head::{Head, SetHead};
use super::holding::{Birth, Entry, EntryState, Holding, Position, Step, Taken};
use super::judged::{Incoming, Judged, MAX_ENTRIES, Outcome, Reader, Then, What, Why};
use super::key::Epochs;
use super::person::PeopleRecord;
use super::signed::Body;
use crate::domain::ModelId;

/// People who are removed in one commit because their records were missing.
const SWEPT_AT_ONCE: usize = 100;

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

    /// Has everything read again, from the beginning of the stream that was read last: something of it was withheld, or refused by mistake. What is held
    /// stays meanwhile. Call [`Replica::begin`] then.
    pub fn read_anew(&mut self) {
        if let (Some(position), None) = (self.position, &self.anew) {
            self.anew = Some(Anew { birth: position.birth, sequence: 0, seen: HashSet::new(), set_aside: 0 });
        }
    }

    /// Passes over the records up to a number: they are of another model, whose records are read elsewhere.
    pub fn pass(&mut self, sequence: u64) {
        self.move_to(sequence, 0);
    }

    /// Applies one record, as [`Replica::apply_all`].
    ///
    /// # Errors
    /// Nothing was changed; apply the same record again later.
    pub fn apply(&mut self, incoming: &Incoming<'_>, epochs: &Epochs) -> Result<Outcome, H::Error> {
        let judged = self.judge(incoming, epochs, 0)?;
        let outcome = self.settle(vec![(*incoming, judged)])?.pop();
        // One goes in and one comes out.
        Ok(outcome.unwrap_or(Outcome::Older))
    }

    /// Applies records in one commit, or in a few where somebody is in them twice. What they change is committed when this returns. Returns what became of
    /// each.
    ///
    /// # Errors
    /// Records from some point on were not applied; apply the same ones again later.
    pub fn apply_all(&mut self, part: &[Incoming<'_>], epochs: &Epochs) -> Result<Vec<Outcome>, H::Error> {
        let mut outcomes = Vec::with_capacity(part.len());
        let mut rest = part;
        while !rest.is_empty() {
            // A second record of somebody is judged by what the first one has become.
            let mut uuids = HashSet::new();
            let different = rest.iter().take_while(|incoming| uuids.insert(incoming.uuid)).count();
            let (now, later) = rest.split_at(different);
            let (mut judged, mut new) = (Vec::with_capacity(now.len()), 0_u64);
            for incoming in now {
                let verdict = self.judge(incoming, epochs, new)?;
                if matches!(&verdict.then, Then::Take(planned) if planned.held.is_none()) {
                    new = new.saturating_add(1);
                }
                judged.push((*incoming, verdict));
            }
            outcomes.extend(self.settle(judged)?);
            rest = later;
        }
        Ok(outcomes)
    }

    /// Commits what was judged, and counts it.
    fn settle(&mut self, judged: Vec<(Incoming<'_>, Judged)>) -> Result<Vec<Outcome>, H::Error> {
        let waiting = judged.iter().filter(|(_, verdict)| matches!(verdict.then, Then::Is(Outcome::Waits { .. })));
        self.waits = self.waits.into_iter().chain(waiting.map(|(incoming, _)| incoming.sequence)).min();
        let set_aside = judged.iter().filter(|(_, v)| matches!(v.then, Then::Is(Outcome::SetAside { .. }))).count();
        let (last, aside) = (judged.iter().map(|(incoming, _)| incoming.sequence).max(), set_aside as u64);
        let last = last.unwrap_or_default();
        let steps: Vec<Step<'_>> = judged.iter().filter_map(|(incoming, v)| v.then.step(incoming.uuid)).collect();
        let position = if self.anew.is_some() { None } else { self.moved_to(last, aside) };
        let taken = if steps.is_empty() { Vec::new() } else { self.holding.commit(&steps, position)? };
        let committed = !steps.is_empty() && position.is_some();
        let mut taken = taken.into_iter();
        let mut outcomes = Vec::with_capacity(judged.len());
        for (Incoming { uuid, .. }, Judged { is_heard, then }) in judged {
            if is_heard {
                self.saw(uuid);
            }
            let outcome = match then {
                Then::Is(outcome) => outcome,
                Then::Take(planned) => match taken.next() {
                    Some(Taken::Done { note }) => {
                        self.replace(uuid, planned.held.as_ref(), &planned.entry);
                        match planned.what {
                            What::Same => Outcome::Same,
                            What::Person { .. } => Outcome::Changed { removed: false, note },
                            What::Removed => Outcome::Changed { removed: true, note },
                        }
                    }
                    Some(Taken::Unfit(why)) => Outcome::Refused(Why::Unfit(why)),
                    None => Outcome::Refused(Why::Unfit("it was not stored".to_owned())),
                },
            };
            self.count_outcome(&outcome);
            outcomes.push(outcome);
        }
        self.move_to(last, aside);
        self.moved = self.moved && !committed;
        Ok(outcomes)
    }

    fn judge(&self, incoming: &Incoming<'_>, epochs: &Epochs, new: u64) -> Result<Judged, H::Error> {
        let is_full = self.entries.saturating_add(new) >= MAX_ENTRIES;
        self.reader.judge(incoming, &self.holding, epochs, is_full)
    }

    fn count_outcome(&mut self, outcome: &Outcome) {
        let counts = &mut self.counts;
        let counted = match outcome {
            Outcome::Changed { .. } => &mut counts.changed,
            Outcome::Same => &mut counts.same,
            Outcome::Older => &mut counts.older,
            Outcome::SetAside { .. } => &mut counts.set_aside,
            Outcome::Refused(_) => &mut counts.refused,
            Outcome::Waits { .. } => return,
        };
        *counted = counted.saturating_add(1);
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
            let told = head.and_then(|head| self.told_by(head));
            if !told.is_some_and(|set| set.digest == without.value()) {
                return Ok(Progress::WaitsForHead { missing: missing.len() as u64 });
            }
        }
        let Anew { birth, sequence, set_aside, .. } = *anew;
        let swept = missing.len() as u64;
        for part in missing.chunks(SWEPT_AT_ONCE) {
            let gone: Vec<Entry> =
                part.iter().map(|(_, held)| Entry { state: EntryState::Gone, ..held.clone() }).collect();
            let steps = part.iter().zip(&gone).map(|((uuid, _), entry)| Step::Removed { uuid: *uuid, entry });
            let taken = self.holding.commit(&steps.collect::<Vec<_>>(), None)?;
            for (((uuid, held), entry), taken) in part.iter().zip(&gone).zip(taken) {
                if let Taken::Done { .. } = taken {
                    self.replace(*uuid, Some(held), entry);
                    self.counts.swept = self.counts.swept.saturating_add(1);
                }
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
            self.holding.commit(&[], self.position)?;
            self.moved = false;
        }
        Ok(())
    }

    /// Whether everything that the office had when it signed `head` is held, and nothing else.
    pub fn is_whole(&self, head: &Head) -> bool {
        self.told_by(head).is_some_and(|set| set.count == self.count && set.digest == self.digest())
    }

    /// What a head says of the records of this model.
    fn told_by(&self, head: &Head) -> Option<SetHead> {
        (head.gallery == self.reader.gallery).then(|| head.set(&self.reader.model)).flatten()
    }

    /// The model whose records are held.
    pub fn model(&self) -> &ModelId {
        &self.reader.model
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

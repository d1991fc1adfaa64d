//! What a part of new records changes in the history. It is committed together with the records themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use uuid::Uuid;

use super::chain::{Chain, Chains};
use super::dating::{Trust, microseconds};
use super::note::Note;
use super::{Entry, History, NUMBERS, OWN, chain_of, lock, number_in, time_key};
use crate::domain::{Event, PeopleEvent};
use crate::ledger::Record;
use crate::office::fleet::author::Author;
use crate::office::fleet::kept::KeptError;
use crate::store::Change;

/// Earlier records that are dated anew in one commit.
const AT_ONCE: usize = 500;

/// A part of the history while it changes.
pub(in crate::office::fleet) struct Batch<'h> {
    pub(super) history: &'h History,
    touched: BTreeMap<u64, Touched>,
    chains: Chains,
    new_chains: BTreeMap<u64, Chain>,
    arrived: Vec<u64>,
    gone: Vec<Uuid>,
    /// New records that attendance needs whatever their time.
    always: BTreeSet<u64>,
    /// Records before which others have still to be dated anew, and those that are done.
    redating: BTreeMap<u64, bool>,
    pub(super) numbers: BTreeMap<Vec<u8>, u32>,
    pub(super) uuids: BTreeMap<Uuid, u32>,
    pub(super) notes: BTreeMap<u32, Note>,
}

/// An entry that changes.
struct Touched {
    /// As it will be; `None` for one that goes.
    entry: Option<Entry>,
    /// The time under which it is on disk.
    was_at_us: Option<i64>,
}

/// Where a record belongs.
enum Place {
    Known,
    Here(u64),
    /// The first of another journal of the board.
    Begins,
}

impl History {
    /// Begins a part.
    pub(in crate::office::fleet) fn batch(&self) -> Batch<'_> {
        Batch {
            history: self,
            touched: BTreeMap::new(),
            chains: self.known().clone(),
            new_chains: BTreeMap::new(),
            arrived: Vec::new(),
            gone: Vec::new(),
            always: BTreeSet::new(),
            redating: BTreeMap::new(),
            numbers: BTreeMap::new(),
            uuids: BTreeMap::new(),
            notes: BTreeMap::new(),
        }
    }

    /// The part is on disk.
    pub(in crate::office::fleet) fn committed(&self, batch: Batch<'_>) {
        let Batch { chains, arrived, notes, .. } = batch;
        *self.known() = chains;
        if !notes.is_empty() {
            self.people_changes.fetch_add(1, Relaxed);
            *lock(&self.identities) = None;
        }
        if let Some(wake) = self.wake.get() {
            arrived.into_iter().for_each(wake);
        }
    }

    /// Goes on with dating earlier records anew, until all are done.
    pub(in crate::office::fleet) fn redate(&self) -> Result<(), KeptError> {
        while let Some((key, _)) = self.redating.first()? {
            let Some(number) = number_in(&key) else { return Ok(()) };
            let mut batch = self.batch();
            batch.redating.insert(number, false);
            batch.spread(number)?;
            self.store.commit_in_background(&batch.changes())?;
            self.committed(batch);
        }
        Ok(())
    }
}

impl Batch<'_> {
    pub(super) fn chains(&self) -> &Chains {
        &self.chains
    }

    /// Adds a record of a board, which `author` has sealed, unless it is there already. `uuids` are those of the people of the fleet in it, by their number at the board.
    pub fn add(
        &mut self,
        (board, author): (&str, Author),
        site: &str,
        record: &Record,
        uuids: &BTreeMap<u32, Uuid>,
    ) -> Result<(), KeptError> {
        let mut entry = Entry {
            board: board.to_owned(),
            site: site.to_owned(),
            id: record.id,
            kind: record.kind.clone(),
            hash: first_half(&record.hash),
            previous: first_half(&record.previous),
            clock_us: microseconds(record.at),
            since_boot_ms: milliseconds(record.since_boot),
            boot: record.boot,
            at_us: 0,
            trust: Trust::Wrong,
            corrected: false,
        };
        let chain = match self.place((board, author), record.seq, &entry)? {
            Place::Known => return Ok(()),
            Place::Here(chain) => {
                let handed_over = self.chains.hand_over(chain, author);
                self.new_chains.extend(handed_over.map(|now| (chain, now)));
                chain
            }
            Place::Begins => {
                let Some(chain) = self.chains.next(board, author) else {
                    tracing::warn!(
                        board,
                        seq = record.seq,
                        "a board begins its journal anew too often; this record is in no report"
                    );
                    return Ok(());
                };
                let begun = Chain {
                    board: board.to_owned(),
                    first: if self.chains.of(board).is_empty() { 1 } else { record.seq },
                    author,
                };
                self.chains.insert(chain, begun.clone());
                self.new_chains.insert(chain, begun);
                chain
            }
        };
        let number = chain.saturating_mul(NUMBERS).saturating_add(record.seq);
        let before = self.before(number)?;
        entry.by_clock(record.synchronised, before.as_ref().map(|(_, before)| before));
        if let Some((_, next)) = self.next(number)? {
            entry.by_later(&next);
        }
        let at_us = entry.at_us;
        self.touch(number, Some(entry), None);
        self.arrived.push(number);
        self.spread(number)?;
        if board != OWN {
            for person in record.content.event().into_iter().flat_map(Event::people) {
                self.note_person((chain, site), person, uuids.get(&person.id.0).copied(), at_us)?;
            }
        }
        if self.is_needed_always(chain, record)? {
            self.always.insert(number);
        }
        Ok(())
    }

    /// Whether attendance of any day may depend on it: an amendment, or the removal of somebody whom a board alone knows, who may be enrolled there
    /// again. Somebody of the fleet is known by their uuid.
    fn is_needed_always(&self, chain: u64, record: &Record) -> Result<bool, KeptError> {
        match record.content.event() {
            Some(Event::People(PeopleEvent::AttendanceAmended { .. })) => Ok(true),
            Some(Event::People(PeopleEvent::Removed { person, .. })) => match person.known() {
                Some(person) => Ok(!self.is_of_fleet(chain, person.id)?),
                None => Ok(false),
            },
            _ => Ok(false),
        }
    }

    /// Takes a record out.
    pub fn remove(&mut self, board: &str, seq: u64, id: Uuid) -> Result<(), KeptError> {
        for chain in self.chains.of(board).to_vec() {
            let number = chain.saturating_mul(NUMBERS).saturating_add(seq);
            if let Some(entry) = self.entry(number)?.filter(|entry| entry.id == id) {
                self.touch(number, None, Some(entry.at_us));
                self.gone.push(id);
            }
        }
        Ok(())
    }

    /// To which journal a record belongs: one in which it is, else one whose records it follows or precedes, else the newest of the same key unless that
    /// says otherwise.
    fn place(&self, (board, author): (&str, Author), seq: u64, entry: &Entry) -> Result<Place, KeptError> {
        let mut linked = None;
        let mut newest = None;
        for chain in self.chains.of(board).iter().rev() {
            let number = chain.saturating_mul(NUMBERS).saturating_add(seq);
            let free = match self.entry(number)? {
                Some(there) if there.id == entry.id => return Ok(Place::Known),
                there => there.is_none(),
            };
            let before = self.entry(number.saturating_sub(1))?.map(|before| before.hash == entry.previous);
            let next = self.entry(number.saturating_add(1))?.map(|next| next.previous == entry.hash);
            if free && linked.is_none() && (before == Some(true) || next == Some(true)) {
                linked = Some(*chain);
            }
            let fits = free && before != Some(false) && next != Some(false);
            if self.chains.get(*chain).is_some_and(|chain| chain.author == author) {
                newest = newest.or(Some((*chain, fits)));
            }
        }
        Ok(match (linked, newest) {
            (Some(chain), _) | (None, Some((chain, true))) => Place::Here(chain),
            (None, Some((_, false)) | None) => Place::Begins,
        })
    }

    /// Dates records before this one anew, as far as it knows better. What is left for another commit is noted.
    fn spread(&mut self, number: u64) -> Result<(), KeptError> {
        let mut at = number;
        let Some(mut known) = self.entry(number)? else {
            self.done_redating(number);
            return Ok(());
        };
        for _ in 0..AT_ONCE {
            let Some((before, mut entry)) = self.before(at)? else { break };
            let was = entry.at_us;
            if !entry.by_later(&known) {
                self.done_redating(number);
                return Ok(());
            }
            known = entry.clone();
            self.touch(before, Some(entry), Some(was));
            at = before;
        }
        self.done_redating(number);
        if self.before(at)?.is_some() {
            self.redating.insert(at, true);
        }
        Ok(())
    }

    fn done_redating(&mut self, number: u64) {
        if let Some(waits) = self.redating.get_mut(&number) {
            *waits = false;
        }
    }

    fn touch(&mut self, number: u64, entry: Option<Entry>, was_at_us: Option<i64>) {
        match self.touched.get_mut(&number) {
            // What is on disk is as it was.
            Some(touched) => touched.entry = entry,
            None => drop(self.touched.insert(number, Touched { entry, was_at_us })),
        }
    }

    fn entry(&self, number: u64) -> Result<Option<Entry>, KeptError> {
        match self.touched.get(&number) {
            Some(touched) => Ok(touched.entry.clone()),
            None => self.history.entry(number),
        }
    }

    /// The record before this one in its journal that is here.
    fn before(&self, number: u64) -> Result<Option<(u64, Entry)>, KeptError> {
        let first = chain_of(number).saturating_mul(NUMBERS);
        let here = self.touched.range(first..number).rev().find(|(_, touched)| touched.entry.is_some());
        let here = here.map(|(number, _)| *number);
        let mut on_disk = None;
        for entry in self.history.entries.range(first.to_be_bytes()..number.to_be_bytes()).rev() {
            let (key, _) = entry?;
            on_disk = number_in(&key).filter(|number| !self.touched.contains_key(number));
            if on_disk.is_some() {
                break;
            }
        }
        self.found(here.max(on_disk))
    }

    /// The record after this one in its journal that is here.
    fn next(&self, number: u64) -> Result<Option<(u64, Entry)>, KeptError> {
        let (from, end) = (number.saturating_add(1), chain_of(number).saturating_add(1).saturating_mul(NUMBERS));
        let here = self.touched.range(from..end).find(|(_, touched)| touched.entry.is_some());
        let here = here.map(|(number, _)| *number);
        let mut on_disk = None;
        for entry in self.history.entries.range(from.to_be_bytes()..end.to_be_bytes()) {
            let (key, _) = entry?;
            on_disk = number_in(&key).filter(|number| !self.touched.contains_key(number));
            if on_disk.is_some() {
                break;
            }
        }
        self.found(match (here, on_disk) {
            (Some(here), Some(on_disk)) => Some(here.min(on_disk)),
            (here, on_disk) => here.or(on_disk),
        })
    }

    fn found(&self, number: Option<u64>) -> Result<Option<(u64, Entry)>, KeptError> {
        let Some(number) = number else { return Ok(None) };
        Ok(self.entry(number)?.map(|entry| (number, entry)))
    }

    /// Everything that changes, to be committed together with the records.
    pub fn changes(&self) -> Vec<Change> {
        let History { entries, times, corrections, ids, chains, redating, .. } = self.history;
        let mut changes = self.people_changes();
        for (number, Touched { entry, was_at_us }) in &self.touched {
            let key = number.to_be_bytes();
            if let Some(was) = was_at_us {
                changes.push(times.delete(time_key(*was, *number)));
            }
            match entry {
                Some(entry) => {
                    changes.push(entries.put(key, serde_json::to_vec(entry).unwrap_or_default()));
                    changes.push(times.put(time_key(entry.at_us, *number), entry.kind.as_bytes()));
                    if was_at_us.is_none() {
                        changes.push(ids.put(*entry.id.as_bytes(), key));
                    }
                }
                None => {
                    changes.extend([entries.delete(key), corrections.delete(key)]);
                }
            }
        }
        changes.extend(self.gone.iter().map(|id| ids.delete(*id.as_bytes())));
        changes.extend(self.always.iter().map(|number| corrections.put(number.to_be_bytes(), [])));
        changes.extend(
            self.new_chains
                .iter()
                .map(|(number, chain)| chains.put(number.to_be_bytes(), serde_json::to_vec(chain).unwrap_or_default())),
        );
        changes.extend(self.redating.iter().map(|(number, waits)| match waits {
            true => redating.put(number.to_be_bytes(), []),
            false => redating.delete(number.to_be_bytes()),
        }));
        changes
    }
}

fn first_half(hash: &[u8; 32]) -> u128 {
    hash.first_chunk().map_or(0, |half| u128::from_be_bytes(*half))
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

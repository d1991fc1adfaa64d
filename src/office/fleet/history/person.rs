//! The numbers of people over all boards. Somebody of the fleet has one for their uuid; somebody whom only one board knows has one for their number there.

use std::sync::atomic::Ordering::Relaxed;

use uuid::Uuid;

use super::batch::Batch;
use super::note::{Note, at_board, stored};
use super::{History, lock};
use crate::domain::{Named, PersonId};
use crate::office::fleet::kept::KeptError;
use crate::store::Change;

impl Batch<'_> {
    /// Notes somebody whom a record of a board mentions, and gives them a number.
    pub(super) fn note_person(
        &mut self,
        (chain, site): (u64, &str),
        person: &Named,
        uuid: Option<Uuid>,
        at_us: i64,
    ) -> Result<(), KeptError> {
        let known = self.number_at(chain, person.id)?;
        let number = match (uuid, known) {
            (Some(uuid), known) => match self.number_of(uuid)? {
                Some(number) => number,
                None => {
                    // The local person of that number has become the fleet's.
                    let local = known.map(|known| Ok::<_, KeptError>((known, self.note(known)?.uuid.is_none())));
                    let number = match local.transpose()?.filter(|(_, local)| *local) {
                        Some((known, _)) => known,
                        None => self.new_person()?,
                    };
                    self.uuids.insert(uuid, number);
                    number
                }
            },
            (None, Some(known)) => known,
            (None, None) => match self.same_before(chain, person)? {
                Some(same) => same,
                None => self.new_person()?,
            },
        };
        if known != Some(number) {
            self.numbers.insert(at_board(chain, person.id), number);
        }
        let mut note = self.note(number)?;
        note.uuid = note.uuid.or(uuid);
        note.first_us = if note.first_us == 0 { at_us } else { note.first_us.min(at_us) };
        if person.name.is_some() && person.card.is_some() && at_us >= note.newest_us {
            note.newest_us = at_us;
            note.site = site.to_owned();
            note.name.clone_from(&person.name);
            note.employee_id = person.card.as_ref().and_then(|card| card.employee_id.clone());
        }
        self.notes.insert(number, note);
        Ok(())
    }

    /// The same person in the journal that the board had before it was restored. One that was set up again gives the number to somebody else.
    fn same_before(&self, chain: u64, person: &Named) -> Result<Option<u32>, KeptError> {
        let Some(before) = self.chains().before(chain) else { return Ok(None) };
        let Some(number) = self.number_at(before, person.id)? else { return Ok(None) };
        Ok(Some(number)
            .filter(|_| person.name.is_some())
            .filter(|_| self.note(number).is_ok_and(|note| note.is(person))))
    }

    /// Whether somebody of a journal is of the fleet, as far as records have told.
    pub(super) fn is_of_fleet(&self, chain: u64, local: PersonId) -> Result<bool, KeptError> {
        match self.number_at(chain, local)? {
            Some(number) => Ok(self.note(number)?.uuid.is_some()),
            None => Ok(false),
        }
    }

    fn number_at(&self, chain: u64, local: PersonId) -> Result<Option<u32>, KeptError> {
        let key = at_board(chain, local);
        match self.numbers.get(&key) {
            Some(number) => Ok(Some(*number)),
            None => Ok(self.history.people.get(key)?.as_deref().and_then(stored)),
        }
    }

    /// The number of somebody of the fleet.
    pub fn number_of(&self, uuid: Uuid) -> Result<Option<u32>, KeptError> {
        match self.uuids.get(&uuid) {
            Some(number) => Ok(Some(*number)),
            None => Ok(self.history.uuids.get(uuid.as_bytes())?.as_deref().and_then(stored)),
        }
    }

    /// Gives somebody of the fleet a number.
    pub fn enrolled(&mut self, uuid: Uuid, site: &str) -> Result<u32, KeptError> {
        let number = self.new_person()?;
        self.uuids.insert(uuid, number);
        self.notes.insert(number, Note { uuid: Some(uuid), site: site.to_owned(), ..Note::default() });
        Ok(number)
    }

    fn note(&self, number: u32) -> Result<Note, KeptError> {
        match self.notes.get(&number) {
            Some(note) => Ok(note.clone()),
            None => {
                let bytes = self.history.notes.get(number.to_be_bytes())?;
                Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
            }
        }
    }

    /// The next number. It is taken even before something is noted, so that two people of one batch have two.
    fn new_person(&mut self) -> Result<u32, KeptError> {
        let last = match self.history.notes.last()? {
            Some((key, _)) => stored(&key).unwrap_or_default(),
            None => 0,
        };
        let here = self.notes.last_key_value().map_or(0, |(number, _)| *number);
        let next = last.max(here).saturating_add(1);
        self.notes.insert(next, Note::default());
        Ok(next)
    }

    /// The changes of people.
    pub(super) fn people_changes(&self) -> Vec<Change> {
        let History { people, uuids, notes, .. } = self.history;
        let mut changes: Vec<Change> = Vec::new();
        changes.extend(self.numbers.iter().map(|(key, number)| people.put(key.clone(), number.to_be_bytes())));
        changes.extend(self.uuids.iter().map(|(uuid, number)| uuids.put(*uuid.as_bytes(), number.to_be_bytes())));
        let note = |note: &Note| serde_json::to_vec(note).unwrap_or_default();
        changes.extend(self.notes.iter().map(|(number, of)| notes.put(number.to_be_bytes(), note(of))));
        changes
    }
}

impl History {
    /// Forgets the names of people by their numbers at a board, or at the office itself.
    pub(in crate::office::fleet) fn forget(
        &self,
        board: &str,
        numbers: &mut dyn Iterator<Item = u32>,
    ) -> Result<(), KeptError> {
        let chains = self.known().of(board).to_vec();
        let mut changes = Vec::new();
        for local in numbers {
            for chain in &chains {
                let Some(number) = self.people.get(at_board(*chain, PersonId(local)))?.as_deref().and_then(stored)
                else {
                    continue;
                };
                changes.extend(self.without_name(number)?);
            }
        }
        self.commit_people(&changes)
    }

    /// Forgets what is noted of somebody of the fleet.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn forget_uuid(&self, uuid: Uuid) -> Result<(), KeptError> {
        let number = self.uuids.get(uuid.as_bytes())?.as_deref().and_then(stored);
        let changes = number.map(|number| self.without_name(number)).transpose()?.flatten();
        self.commit_people(&changes.into_iter().collect::<Vec<_>>())
    }

    fn without_name(&self, number: u32) -> Result<Option<Change>, KeptError> {
        let Some(bytes) = self.notes.get(number.to_be_bytes())? else { return Ok(None) };
        let note: Note = serde_json::from_slice(&bytes).unwrap_or_default();
        let note = Note { name: None, employee_id: None, ..note };
        Ok(Some(self.notes.put(number.to_be_bytes(), serde_json::to_vec(&note).unwrap_or_default())))
    }

    pub(super) fn commit_people(&self, changes: &[Change]) -> Result<(), KeptError> {
        if !changes.is_empty() {
            self.store.commit(changes)?;
            self.people_changes.fetch_add(1, Relaxed);
            *lock(&self.identities) = None;
        }
        Ok(())
    }
}

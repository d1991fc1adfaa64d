//! Reading the history: numbers of records in the order of time, by id, and of people.

use std::ops::Bound;

use thiserror::Error;
use uuid::Uuid;

use super::dating::microseconds;
use super::note::{at_board, stored};
use super::{History, Identities, NUMBERS, number_in, time_key};
use crate::domain::PersonId;
use crate::ledger::RecordFilter;
use crate::office::fleet::author::Author;
use crate::office::fleet::kept::KeptError;
use crate::store::{Bytes, Entries, StoreError};

/// Hexadecimal digits of a record's id.
const ID_DIGITS: usize = 32;

/// Why records cannot be read.
#[derive(Debug, Error)]
pub enum HistoryError {
    #[error(transparent)]
    Kept(#[from] KeptError),
    #[error("the office has no record {0}")]
    NoRecord(u64),
    #[error("`{0}` is not an id: give the hexadecimal digits of a record's id, or the first few")]
    NotAnId(String),
    #[error("more than one record's id begins with `{0}`; give more digits")]
    Ambiguous(String),
}

impl From<StoreError> for HistoryError {
    fn from(error: StoreError) -> HistoryError {
        HistoryError::Kept(error.into())
    }
}

/// Which records of those that fit, in the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The first ones after the record of this number, the oldest first; 0 is before all.
    After(u64),
    /// The last ones before the record of this number, the newest first.
    Before(u64),
    /// The newest first.
    Newest,
}

/// Numbers of records with their kinds, in the order of a page.
pub(in crate::office::fleet) struct Numbers {
    entries: Entries,
    backwards: bool,
}

impl Iterator for Numbers {
    type Item = Result<(u64, Bytes), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = if self.backwards { self.entries.next_back() } else { self.entries.next() };
            match entry? {
                Ok((key, kind)) => {
                    if let Some(number) = number_in(&key) {
                        return Some(Ok((number, kind)));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// What a door of a board is called over all boards: as at the board, after the board's own name unless the door has it.
pub(in crate::office::fleet) fn door_of(board: &str, door: &str) -> String {
    if door == board { door.to_owned() } else { format!("{board}/{door}") }
}

impl History {
    /// The number under which a person of a journal is shown. One that no record has told yet stands for nobody else.
    pub(in crate::office::fleet) fn person(&self, chain: u64, local: PersonId, who: &Identities) -> PersonId {
        let number = self.people.get(at_board(chain, local)).ok().flatten().as_deref().and_then(stored);
        number.map_or(PersonId(u32::MAX), |number| who.shown(PersonId(number)))
    }

    /// The numbers of a page's records and their kinds, in its order.
    pub(in crate::office::fleet) fn between(&self, page: Page, filter: &RecordFilter) -> Result<Numbers, HistoryError> {
        let place = |number: u64| -> Result<Vec<u8>, HistoryError> {
            let entry = self.entry(number)?.ok_or(HistoryError::NoRecord(number))?;
            Ok(time_key(entry.at_us, number))
        };
        let since = filter.since.map(|since| time_key(microseconds(since), 0));
        let until = filter.until.map(|until| time_key(microseconds(until).saturating_add(1), 0));
        let mut from = since.map_or(Bound::Unbounded, Bound::Included);
        let mut to = until.map_or(Bound::Unbounded, Bound::Excluded);
        match page {
            Page::After(0) | Page::Newest => {}
            Page::After(number) => {
                let key = place(number)?;
                if !matches!(&from, Bound::Included(since) if *since > key) {
                    from = Bound::Excluded(key);
                }
            }
            Page::Before(number) => {
                let key = place(number)?;
                if !matches!(&to, Bound::Excluded(until) if *until < key) {
                    to = Bound::Excluded(key);
                }
            }
        }
        let entries = self.times.range::<Vec<u8>, _>((from, to));
        Ok(Numbers { entries, backwards: !matches!(page, Page::After(_)) })
    }

    /// The numbers of records that attendance needs whatever their time.
    pub(in crate::office::fleet) fn needed_always(&self) -> Result<Vec<u64>, HistoryError> {
        let numbers = self.corrections.iter().map(|entry| Ok(number_in(&entry?.0)));
        numbers.filter_map(Result::transpose).collect()
    }

    /// The number of the record whose id begins so.
    pub(in crate::office::fleet) fn by_id(&self, text: &str) -> Result<Option<u64>, HistoryError> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let whole = digits.len() <= ID_DIGITS && !digits.is_empty();
        let padded = |with: &str| {
            let missing = with.repeat(ID_DIGITS.saturating_sub(digits.len()));
            Uuid::try_parse(&format!("{digits}{missing}")).ok().filter(|_| whole)
        };
        let (Some(first), Some(last)) = (padded("0"), padded("f")) else {
            return Err(HistoryError::NotAnId(text.to_owned()));
        };
        let mut fitting = self.ids.range(*first.as_bytes()..=*last.as_bytes());
        let Some(found) = fitting.next() else { return Ok(None) };
        if fitting.next().is_some() {
            return Err(HistoryError::Ambiguous(text.to_owned()));
        }
        Ok(number_in(&found?.1))
    }

    /// The time of the newest record of a board that is here with all before it, in microseconds since 1970. `through` is that record's number in the board's
    /// newest journal of that key.
    pub fn until_us(&self, board: &str, author: Author, through: u64) -> Result<Option<i64>, KeptError> {
        let Some(chain) = self.known().newest(board, author) else { return Ok(None) };
        let number = chain.saturating_mul(NUMBERS).saturating_add(through);
        let first = chain.saturating_mul(NUMBERS);
        let newest = self.entries.range(first.to_be_bytes()..=number.to_be_bytes()).next_back();
        let Some(key) = newest.transpose()?.and_then(|(key, _)| number_in(&key)) else { return Ok(None) };
        Ok(self.entry(key)?.map(|entry| entry.at_us))
    }
}

//! How far a board's records are here. A board has one journal, until it is set up again (then it has another key) or restored from a backup (then it
//! uses numbers again): a mark is about the newest one, and what is missing of those before it cannot come any more.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::author::Author;
use super::kept::KeptError;
use crate::store::{Change, Tree};

/// The most records over which a mark moves at once.
const MOST_AT_ONCE: usize = 10_000;

/// A board's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Whose journal it is about.
    pub author: Author,
    /// Counts the journals of that board's name.
    pub journal: u64,
    /// The first number that the board was to send.
    pub first: u64,
    /// All that can be had from the first number to this one is here.
    pub complete: u64,
    /// The newest record that is here; 0 before the first one.
    pub newest: u64,
    /// Records up to this number may be the same as in the journal before.
    pub shared: u64,
    /// How many are kept, of all journals of that name, and the bytes that they take.
    pub kept: u64,
    pub bytes: u64,
    /// How many have ever come.
    pub arrived: u64,
}

impl Mark {
    /// From which number on records are missing; `None` if none is.
    pub fn missing(&self) -> Option<u64> {
        (self.newest > self.complete).then(|| self.complete.saturating_add(1))
    }

    /// The same for a board that says how far it has sent, and from where on: also before a record of it has come.
    pub fn missing_of(&self, sent: u64, first: u64) -> Option<u64> {
        match self.newest {
            0 => (first > 0 && sent >= first).then_some(first),
            _ if sent > self.newest => Some(self.complete.saturating_add(1)),
            _ => self.missing(),
        }
    }

    /// The mark for the journal of `author`: this one, or that of a journal that begins.
    pub fn of(self, author: Author) -> Mark {
        match self.author == author {
            true => self,
            false => Mark {
                author,
                journal: self.journal.saturating_add(1),
                first: 0,
                complete: 0,
                newest: 0,
                shared: 0,
                ..self
            },
        }
    }

    /// The first record of a journal has come. What was before the board's first number is not asked for.
    pub(super) fn begin(&mut self, first: u64, after: u64) {
        self.complete = match first.checked_sub(1) {
            Some(before) => before.min(after),
            None => after,
        };
        self.first = self.complete.saturating_add(1);
    }

    /// The board uses numbers again. `after` is the number before the record with which that was seen, and `is_linked` whether that one is here.
    pub(super) fn begin_again(&mut self, is_linked: bool, after: u64) {
        self.journal = self.journal.saturating_add(1);
        self.newest = 0;
        self.shared = after;
        self.complete = if is_linked { after } else { self.first.saturating_sub(1).min(after) };
    }

    /// Whether the number was used, as far as that is known without looking at records that came early.
    pub(super) fn has(&self, seq: u64) -> bool {
        (self.first..=self.complete).contains(&seq)
    }
}

/// Records that came before one that is missing: for each number the one before it in its journal.
pub(super) struct Links<'t> {
    tree: &'t Tree,
    changed: BTreeMap<Vec<u8>, Option<u64>>,
}

impl<'t> Links<'t> {
    /// Those in a tree.
    pub fn new(tree: &'t Tree) -> Links<'t> {
        Links { tree, changed: BTreeMap::new() }
    }

    /// Whether there is a record of that number.
    pub fn has(&self, board: &str, journal: u64, seq: u64) -> Result<bool, KeptError> {
        let key = key(board, journal, seq);
        match self.changed.get(&key) {
            Some(link) => Ok(link.is_some()),
            None => Ok(self.tree.contains_key(&key)?),
        }
    }

    /// A record is not here any more.
    pub fn remove(&mut self, board: &str, journal: u64, seq: u64) -> Result<(), KeptError> {
        if self.has(board, journal, seq)? {
            self.changed.insert(key(board, journal, seq), None);
        }
        Ok(())
    }

    /// A record of the mark's journal has come: moves the mark over all that follow each other.
    pub fn add(&mut self, board: &str, mark: &mut Mark, seq: u64, after: u64) -> Result<(), KeptError> {
        mark.newest = mark.newest.max(seq);
        if seq <= mark.complete {
            return Ok(());
        }
        if after > mark.complete {
            self.changed.insert(key(board, mark.journal, seq), Some(after));
            return Ok(());
        }
        mark.complete = seq;
        for _ in 0..MOST_AT_ONCE {
            if mark.newest <= mark.complete {
                break;
            }
            match self.next(board, mark.journal, mark.complete.saturating_add(1))? {
                Some((seq, after)) if after <= mark.complete => {
                    mark.complete = seq;
                    self.changed.insert(key(board, mark.journal, seq), None);
                }
                _ => break,
            }
        }
        Ok(())
    }

    /// The first record from a number on.
    fn next(&self, board: &str, journal: u64, from: u64) -> Result<Option<(u64, u64)>, KeptError> {
        let (from, end) = (key(board, journal, from), key(board, journal, u64::MAX));
        let here =
            self.changed.range(from.clone()..=end.clone()).find_map(|(key, link)| Some((number(key)?, (*link)?)));
        let mut on_disk = None;
        for entry in self.tree.range(from..=end) {
            let (key, value) = entry?;
            if self.changed.contains_key(&*key) {
                continue;
            }
            on_disk = number(&key).zip(number(&value));
            break;
        }
        Ok(here.into_iter().chain(on_disk).min())
    }

    /// What changes.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        self.changed.iter().map(|(key, link)| match link {
            Some(after) => self.tree.put(key.clone(), after.to_be_bytes()),
            None => self.tree.delete(key.clone()),
        })
    }
}

fn key(board: &str, journal: u64, seq: u64) -> Vec<u8> {
    [board.as_bytes(), &[0], &journal.to_be_bytes(), &seq.to_be_bytes()].concat()
}

fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.last_chunk()?))
}

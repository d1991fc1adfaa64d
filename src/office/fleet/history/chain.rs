//! Which journal a record is of. A board has one, until it is restored from a backup or set up again: then it uses numbers again, for other records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{NUMBERS, OWN};
use crate::office::fleet::author::Author;
use crate::office::fleet::kept::KeptError;
use crate::store::Tree;

/// The most journals of one key of a board: one that begins a new one again and again is out of order, or lies. The next board of that name has another
/// key.
const MOST_OF_AUTHOR: usize = 100;
/// The most journals of all: numbers of records stay below 2^53, which JSON can hold everywhere.
const MOST: u64 = 900_000;

/// A journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::office::fleet) struct Chain {
    pub board: String,
    /// The first number that is its own; lower ones are those of the board's journal before it.
    pub first: u64,
    /// Whose it is.
    #[serde(default)]
    pub author: Author,
}

/// All journals.
#[derive(Clone, Debug, Default)]
pub(in crate::office::fleet) struct Chains {
    by_number: BTreeMap<u64, Chain>,
    of_board: BTreeMap<String, Vec<u64>>,
}

impl Chains {
    /// Reads them.
    pub fn read(tree: &Tree) -> Result<Chains, KeptError> {
        let mut chains = Chains::default();
        for entry in tree.iter() {
            let (key, value) = entry?;
            let Some(number) = super::number_in(&key) else { continue };
            if let Ok(chain) = serde_json::from_slice(&value) {
                chains.insert(number, chain);
            }
        }
        Ok(chains)
    }

    /// Adds a journal.
    pub fn insert(&mut self, number: u64, chain: Chain) {
        self.of_board.entry(chain.board.clone()).or_default().push(number);
        self.by_number.insert(number, chain);
    }

    /// The journals of a board, the newest last.
    pub fn of(&self, board: &str) -> &[u64] {
        self.of_board.get(board).map_or(&[], Vec::as_slice)
    }

    /// A journal.
    pub fn get(&self, chain: u64) -> Option<&Chain> {
        self.by_number.get(&chain)
    }

    /// The newest journal of a board that is somebody's.
    pub fn newest(&self, board: &str, author: Author) -> Option<u64> {
        self.of(board).iter().rev().copied().find(|chain| self.is_of(*chain, author))
    }

    /// A journal is somebody else's from now on: the board has another key, and goes on with it.
    pub fn hand_over(&mut self, chain: u64, author: Author) -> Option<Chain> {
        let chain = self.by_number.get_mut(&chain).filter(|chain| chain.author != author)?;
        chain.author = author;
        Some(chain.clone())
    }

    fn is_of(&self, chain: u64, author: Author) -> bool {
        self.by_number.get(&chain).is_some_and(|chain| chain.author == author)
    }

    /// The number for a new journal of a board; `None` if there are too many.
    pub fn next(&self, board: &str, author: Author) -> Option<u64> {
        if board == OWN {
            return (!self.by_number.contains_key(&0)).then_some(0);
        }
        let next = self.by_number.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
        let of_author = self.of(board).iter().filter(|chain| self.is_of(**chain, author)).count();
        (of_author < MOST_OF_AUTHOR && next < MOST).then_some(next)
    }

    /// The journal before this one of the same board.
    pub fn before(&self, chain: u64) -> Option<u64> {
        let of_board = self.of(&self.by_number.get(&chain)?.board);
        let place = of_board.iter().position(|of| *of == chain)?;
        of_board.get(place.checked_sub(1)?).copied()
    }

    /// The number over all of a record that one of journal `chain` names by its number there.
    pub fn number(&self, chain: u64, seq: u64) -> u64 {
        let mut chain = chain;
        while self.by_number.get(&chain).is_some_and(|of| seq < of.first)
            && let Some(before) = self.before(chain)
        {
            chain = before;
        }
        chain.saturating_mul(NUMBERS).saturating_add(seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_from_before_a_restore_are_those_of_the_journal_before() {
        let (mut chains, one, other) = (Chains::default(), Author::of(&[1; 32]), Author::of(&[2; 32]));
        for (board, first) in [("front", 1), ("back", 5), ("front", 101)] {
            let number = chains.next(board, one).unwrap();
            chains.insert(number, Chain { board: board.into(), first, author: one });
        }
        assert_eq!((chains.of("front"), chains.of("back"), chains.of("side")), (&[1, 3][..], &[2][..], &[][..]));
        assert_eq!(chains.number(3, 150), 30_000_000_150);
        assert_eq!(chains.number(3, 100), 10_000_000_100, "a record that both journals have");
        assert_eq!(chains.number(2, 3), 20_000_000_003, "there is none before it");
        assert_eq!(chains.next(OWN, Author::default()), Some(0));
        for _ in chains.of("front").len()..MOST_OF_AUTHOR {
            let number = chains.next("front", one).unwrap();
            chains.insert(number, Chain { board: "front".into(), first: 1, author: one });
        }
        assert_eq!((chains.next("front", one), chains.next("side", one).is_some()), (None, true));
        // A board that was stolen and has begun a hundred journals leaves room for the next one of its name.
        let number = chains.next("front", other).unwrap();
        chains.insert(number, Chain { board: "front".into(), first: 1, author: other });
        assert_eq!((chains.newest("front", other), chains.newest("back", other)), (Some(number), None));
        assert!(chains.newest("front", one) < Some(number));
    }
}

//! Whether two boards speak by one name: a token that was used at both, within its hour. Each chose a number when it joined. A board that joined again has
//! another one from then on; two boards are heard in turn.

use std::collections::BTreeMap;

use crate::fleet::Board;

/// The most boards of which this is known.
const MOST_BOARDS: usize = 10_000;

/// What boards called themselves, since the start.
#[derive(Default)]
pub struct Instances(BTreeMap<Board, Heard>);

struct Heard {
    last: String,
    before: Option<String>,
    twice: bool,
}

impl Instances {
    /// Notes what a board calls itself. Returns whether that shows, for the first time, that there are two.
    pub fn note(&mut self, board: &Board, instance: &str) -> bool {
        let Some(heard) = self.0.get_mut(board) else {
            if self.0.len() < MOST_BOARDS {
                self.0.insert(board.clone(), Heard { last: instance.to_owned(), before: None, twice: false });
            }
            return false;
        };
        if heard.last == instance {
            return false;
        }
        let is_back = heard.before.as_deref() == Some(instance);
        heard.before = Some(std::mem::replace(&mut heard.last, instance.to_owned()));
        is_back && !std::mem::replace(&mut heard.twice, true)
    }

    /// Whether two boards were heard in turn.
    pub fn are_two(&self, board: &Board) -> bool {
        self.0.get(board).is_some_and(|heard| heard.twice)
    }

    /// Forgets a board that was shut out.
    pub fn forget(&mut self, board: &Board) {
        self.0.remove(board);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_boards_are_heard_in_turn_and_one_that_joined_again_is_not() {
        let board: Board = "front".parse().unwrap();
        let mut instances = Instances::default();
        let heard = |instances: &mut Instances, all: &[&str]| -> Vec<bool> {
            all.iter().map(|instance| instances.note(&board, instance)).collect()
        };
        assert_eq!(heard(&mut instances, &["a", "a", "b", "b", "c"]), [false; 5], "it joined twice more");
        assert!(!instances.are_two(&board));
        assert_eq!(heard(&mut instances, &["b", "c", "b"]), [true, false, false], "one alarm");
        assert!(instances.are_two(&board));
        instances.forget(&board);
        assert!(!instances.are_two(&board));
        assert_eq!(heard(&mut instances, &["a", "b"]), [false; 2]);
    }
}

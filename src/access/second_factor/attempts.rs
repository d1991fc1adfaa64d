//! Wrong PINs and tags in a row: after some of them a wait, each time twice as long.
//!
//! They are counted for the person whose face was seen, at all doors together, and for the door, for all people together. So neither one
//! person's PINs can be tried at one door after the other, nor one PIN on everybody's face.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::access::waits::{Backoff, Failures};
use crate::domain::Moment;

/// Wrong entries are forgotten this long after the last one.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What a wrong entry changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    before: Option<Failures>,
    after: Failures,
}

/// Wrong entries by key. Memory is bounded by the number of people or doors; old counts are dropped.
#[derive(Clone, Debug)]
pub(super) struct Attempts<K>(BTreeMap<K, Failures>);

impl<K> Default for Attempts<K> {
    fn default() -> Attempts<K> {
        Attempts(BTreeMap::new())
    }
}

impl<K: Ord + Copy> Attempts<K> {
    /// Counts a wrong entry. What it returns is for [`Attempts::take_back`].
    pub fn wrong(&mut self, backoff: &Backoff, key: K, now: Moment) -> Counted {
        self.0.retain(|_, count| count.idle(now) <= FORGOTTEN_AFTER);
        let before = self.0.get(&key).copied();
        let count = self.0.entry(key).or_insert(Failures::none(now));
        count.add(backoff, now);
        Counted { before, after: *count }
    }

    /// Takes back a wrong entry, which was somebody else's right one, unless another one has been counted since.
    pub fn take_back(&mut self, key: K, counted: Counted) {
        if self.0.get(&key) == Some(&counted.after) {
            match counted.before {
                Some(before) => drop(self.0.insert(key, before)),
                None => drop(self.0.remove(&key)),
            }
        }
    }

    /// Forgets the wrong entries, because a right one came.
    pub fn right(&mut self, key: K) {
        self.0.remove(&key);
    }

    /// How much is left of a wait.
    pub fn left(&self, key: K, now: Moment) -> Option<Duration> {
        Some(self.0.get(&key)?.until(now)?.since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::SETTINGS;
    use super::*;

    fn at(second: u64) -> Moment {
        Moment(Duration::from_secs(second))
    }

    #[test]
    fn waits_start_after_five_wrong_entries_and_double_up_to_the_longest() {
        let mut attempts: Attempts<u8> = Attempts::default();
        let mut now = 0;
        for wait in [60, 120, 240, 480, 900, 900] {
            for _ in 0..5 {
                assert_eq!(attempts.left(1, at(now)), None);
                attempts.wrong(&SETTINGS.backoff, 1, at(now));
            }
            assert_eq!(attempts.left(1, at(now)), Some(Duration::from_secs(wait)));
            assert_eq!(attempts.left(2, at(now)), None, "another one does not wait");
            now += wait;
        }
        attempts.right(1);
        assert!(attempts.0.is_empty());
    }

    #[test]
    fn what_is_taken_back_did_not_happen() {
        let mut attempts: Attempts<u8> = Attempts::default();
        for n in 0..4 {
            attempts.wrong(&SETTINGS.backoff, 1, at(n));
        }
        let known = attempts.0.clone();
        let counted = attempts.wrong(&SETTINGS.backoff, 1, at(5));
        assert!(attempts.left(1, at(5)).is_some());
        attempts.take_back(1, counted);
        assert_eq!(attempts.0, known);
        let counted = attempts.wrong(&SETTINGS.backoff, 2, at(6));
        attempts.take_back(2, counted);
        assert_eq!(attempts.0, known);
        // One that was counted since stays.
        let counted = attempts.wrong(&SETTINGS.backoff, 2, at(7));
        attempts.wrong(&SETTINGS.backoff, 2, at(8));
        attempts.take_back(2, counted);
        assert_eq!(attempts.0.get(&2).map(Failures::in_a_row), Some(2));
    }

    #[test]
    fn a_day_later_nothing_is_remembered() {
        let mut attempts: Attempts<u8> = Attempts::default();
        for _ in 0..4 {
            attempts.wrong(&SETTINGS.backoff, 1, at(0));
        }
        attempts.wrong(&SETTINGS.backoff, 2, at(86_401));
        assert_eq!(attempts.0.len(), 1);
        attempts.wrong(&SETTINGS.backoff, 1, at(86_401));
        assert_eq!(attempts.left(1, at(86_401)), None, "four of them are forgotten");
    }
}

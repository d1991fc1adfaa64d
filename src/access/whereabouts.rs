//! Where people are, as far as doors have told: each person is in one zone, or nowhere known. Anti-passback rests on it.
//!
//! A zone's count is the number of people in it, so it can never be negative. Knows nothing of who may pass.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::domain::PersonId;

/// A zone and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub zone: String,
    pub since: Timestamp,
}

/// Everybody's place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Whereabouts(BTreeMap<PersonId, Place>);

impl Whereabouts {
    /// Where a person is. `None` when it is not known, or has been longer than `trusted_for` ago. A place that lies in the future, because
    /// the clock was set back, counts as of now.
    pub fn of(&self, person: PersonId, now: Timestamp, trusted_for: Option<Duration>) -> Option<&Place> {
        let place = self.0.get(&person)?;
        let age = now.duration_since(place.since).max(SignedDuration::ZERO).unsigned_abs();
        trusted_for.is_none_or(|longest| age < longest).then_some(place)
    }

    /// A person is in `zone` now.
    pub fn enter(&mut self, person: PersonId, zone: &str, now: Timestamp) {
        self.0.insert(person, Place { zone: zone.to_owned(), since: now });
    }

    /// Where a person is, is not known any more; `false` when it was not before.
    pub fn forget(&mut self, person: PersonId) -> bool {
        self.0.remove(&person).is_some()
    }

    /// Where anybody is, is not known any more.
    pub fn forget_all(&mut self) {
        self.0.clear();
    }

    /// Places that lie in the future count as of now: the clock was set back.
    pub fn clock_was_set(&mut self, now: Timestamp) {
        for place in self.0.values_mut() {
            place.since = place.since.min(now);
        }
    }

    /// How many people are in each zone that anybody is in.
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        self.0.values().fold(BTreeMap::new(), |mut counts, place| {
            *counts.entry(place.zone.as_str()).or_default() += 1;
            counts
        })
    }

    /// Everybody whose place is known.
    pub fn iter(&self) -> impl Iterator<Item = (PersonId, &Place)> {
        self.0.iter().map(|(person, place)| (*person, place))
    }
}

impl FromIterator<(PersonId, Place)> for Whereabouts {
    fn from_iter<T: IntoIterator<Item = (PersonId, Place)>>(places: T) -> Whereabouts {
        Whereabouts(places.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: PersonId = PersonId(1);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_place_is_trusted_for_a_while() {
        let mut where_ = Whereabouts::default();
        where_.enter(ADA, "office", at(1000));
        let hour = Some(Duration::from_secs(3600));
        assert_eq!(where_.of(ADA, at(4599), hour).unwrap().zone, "office");
        assert_eq!(where_.of(ADA, at(4600), hour), None);
        assert!(where_.of(ADA, at(1_000_000), None).is_some());
    }

    #[test]
    fn a_clock_set_back_does_not_keep_a_place_for_ever() {
        let mut where_ = Whereabouts::default();
        where_.enter(ADA, "office", at(100_000_000));
        let hour = Some(Duration::from_secs(3600));
        assert!(where_.of(ADA, at(1000), hour).is_some());
        where_.clock_was_set(at(1000));
        assert!(where_.of(ADA, at(4600), hour).is_none());
    }

    #[test]
    fn counts_are_of_people() {
        let mut where_ = Whereabouts::default();
        for _ in 0..3 {
            where_.enter(ADA, "office", at(0));
        }
        where_.enter(PersonId(2), "yard", at(0));
        assert_eq!(where_.counts(), BTreeMap::from([("office", 1), ("yard", 1)]));
        assert!(where_.forget(ADA) && !where_.forget(ADA));
        assert_eq!(where_.counts(), BTreeMap::from([("yard", 1)]));
    }
}

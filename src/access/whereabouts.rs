//! Which zone each person is in, as far as is known. Anti-passback relies on it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::when::{Now, When};
use crate::domain::PersonId;

/// A zone and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub zone: String,
    pub since: When,
}

/// The known places of all people.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Whereabouts(BTreeMap<PersonId, Place>);

impl Whereabouts {
    /// Where a person is. `None` if it is not known, or was last known more than `trusted_for` ago. The age is measured by uptime within one boot,
    /// and by the wall clock across boots. If it cannot be determined, the place is trusted: a person who is inside stays inside.
    pub fn of(&self, person: PersonId, now: &Now, trusted_for: Option<Duration>) -> Option<&Place> {
        let place = self.0.get(&person)?;
        let too_old = trusted_for.zip(place.since.ago(now)).is_some_and(|(longest, age)| age >= longest);
        (!too_old).then_some(place)
    }

    /// Notes that a person is in `zone` now.
    pub fn enter(&mut self, person: PersonId, zone: &str, now: &Now) {
        self.0.insert(person, Place { zone: zone.to_owned(), since: When::of(now) });
    }

    /// Forgets where a person is; `false` if it was not known.
    pub fn forget(&mut self, person: PersonId) -> bool {
        self.0.remove(&person).is_some()
    }

    /// Forgets where everyone is.
    pub fn forget_all(&mut self) {
        self.0.clear();
    }

    /// Dates places whose age cannot be determined as of now, once the time is known; otherwise they would be trusted forever. These are places
    /// dated in the future, or during a boot that did not know the time. Returns those people; nobody while the time is not known.
    pub fn date(&mut self, now: &Now) -> Vec<PersonId> {
        let undated = self.0.iter_mut().filter(|(_, place)| now.is_known() && place.since.ago(now).is_none());
        undated
            .map(|(person, place)| {
                place.since = When::of(now);
                *person
            })
            .collect()
    }

    /// The number of people in each non-empty zone.
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        self.0.values().fold(BTreeMap::new(), |mut counts, place| {
            *counts.entry(place.zone.as_str()).or_default() += 1;
            counts
        })
    }

    /// All people whose place is known.
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
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{Moment, TimeQuality};

    const ADA: PersonId = PersonId(1);
    const HOUR: Option<Duration> = Some(Duration::from_secs(3600));

    fn at(second: i64) -> Now {
        Now::by_the_wall(Moment::default(), Timestamp::from_second(second).unwrap())
    }

    /// During boot `boot` of the machine.
    fn run(boot: u8, since_boot: u64, wall: Now, quality: TimeQuality) -> Now {
        Now { boot: [boot; 16], since_boot: Duration::from_secs(since_boot), quality, ..wall }
    }

    #[test]
    fn a_place_is_trusted_for_a_while() {
        let mut where_ = Whereabouts::default();
        where_.enter(ADA, "office", &at(1000));
        assert_eq!(where_.of(ADA, &at(4599), HOUR).unwrap().zone, "office");
        assert_eq!(where_.of(ADA, &at(4600), HOUR), None);
        assert!(where_.of(ADA, &at(1_000_000), None).is_some());
    }

    #[test]
    fn within_a_boot_setting_the_clock_changes_nothing() {
        let mut where_ = Whereabouts::default();
        where_.enter(ADA, "office", &run(1, 100, at(100_000_000), TimeQuality::Plausible));
        for (wall, quality) in [(0, TimeQuality::Unset), (900_000_000, TimeQuality::Synchronised)] {
            assert!(where_.of(ADA, &run(1, 3699, at(wall), quality), HOUR).is_some());
            assert!(where_.of(ADA, &run(1, 3700, at(wall), quality), HOUR).is_none());
        }
        assert_eq!(where_.date(&run(1, 3700, at(0), TimeQuality::Plausible)), []);
    }

    #[test]
    fn after_a_boot_without_the_time_people_inside_stay_inside() {
        let mut where_ = Whereabouts::default();
        where_.enter(ADA, "office", &run(1, 100, at(100_000_000), TimeQuality::Synchronised));
        for (wall, quality) in [(0, TimeQuality::Unset), (99_900_000, TimeQuality::Wrong)] {
            assert!(where_.of(ADA, &run(2, 500_000, at(wall), quality), HOUR).is_some());
            assert_eq!(where_.date(&run(2, 500_000, at(wall), quality)), [], "never clamped to a wrong now");
        }
        let set = run(2, 500_000, at(100_500_000), TimeQuality::Synchronised);
        assert!(where_.of(ADA, &set, HOUR).is_none(), "the time is known again, and it was long ago");
    }

    #[test]
    fn a_place_dated_in_the_future_is_not_trusted_forever() {
        let mut where_ = Whereabouts::default();
        where_.enter(ADA, "office", &run(1, 100, at(900_000_000), TimeQuality::Plausible));
        let now = run(2, 10, at(100_000_000), TimeQuality::Synchronised);
        assert_eq!(where_.date(&now), [ADA]);
        assert!(where_.of(ADA, &run(2, 3609, now, TimeQuality::Synchronised), HOUR).is_some());
        assert!(where_.of(ADA, &run(2, 3610, now, TimeQuality::Synchronised), HOUR).is_none());
    }

    #[test]
    fn counts_are_of_people() {
        let mut where_ = Whereabouts::default();
        for _ in 0..3 {
            where_.enter(ADA, "office", &at(0));
        }
        where_.enter(PersonId(2), "yard", &at(0));
        assert_eq!(where_.counts(), BTreeMap::from([("office", 1), ("yard", 1)]));
        assert!(where_.forget(ADA) && !where_.forget(ADA));
        assert_eq!(where_.counts(), BTreeMap::from([("yard", 1)]));
    }
}

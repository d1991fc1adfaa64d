//! Who failed the challenge at a door how often, and has to wait. Each wait is twice as long as the one before, up to [`LONGEST`] times the first.
//!
//! What fails is a face that was recognised, so a stranger makes nobody wait without a good picture of that person.

use std::collections::BTreeMap;

use super::settings::ChallengeSettings;
use crate::access::room::make_room;
use crate::access::waits::{Backoff, Failures};
use crate::domain::{Moment, PersonId};

/// The longest wait, as a multiple of the first.
const LONGEST: u32 = 32;
/// The most people whose failures are kept. Beyond it, the one who failed longest ago is forgotten.
const MOST_PEOPLE: usize = 256;

/// The failures of people in the challenge at one door.
#[derive(Clone, Debug)]
pub struct Attempts {
    backoff: Backoff,
    failures: BTreeMap<PersonId, Failures>,
}

impl Attempts {
    /// Nobody has failed yet.
    pub fn new(settings: &ChallengeSettings) -> Attempts {
        let (after, first) = (settings.attempts, settings.wait);
        let backoff = Backoff { after, first, longest: first.saturating_mul(LONGEST) };
        Attempts { backoff, failures: BTreeMap::new() }
    }

    /// Whether the person may be asked now.
    ///
    /// # Errors
    /// When the person may be asked again.
    pub fn may_begin(&self, person: PersonId, now: Moment) -> Result<(), Moment> {
        self.known(person, now).and_then(|failures| failures.until(now)).map_or(Ok(()), Err)
    }

    /// Whether the person's last attempt failed, so that the next one must begin with a steady look ahead.
    pub fn failed_last(&self, person: PersonId, now: Moment) -> bool {
        self.known(person, now).is_some()
    }

    /// Counts a failure.
    pub fn failed(&mut self, person: PersonId, now: Moment) {
        let longest = self.backoff.longest;
        self.failures.retain(|_, failures| failures.idle(now) <= longest);
        make_room(&mut self.failures, &person, MOST_PEOPLE, Failures::last);
        self.failures.entry(person).or_insert(Failures::none(now)).add(&self.backoff, now);
    }

    /// Forgets the failures of a person who passed.
    pub fn passed(&mut self, person: PersonId) {
        self.failures.remove(&person);
    }

    /// Failures further apart than the longest wait do not add up.
    fn known(&self, person: PersonId, now: Moment) -> Option<&Failures> {
        self.failures.get(&person).filter(|failures| failures.idle(now) <= self.backoff.longest)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ADA: PersonId = PersonId(1);

    fn at(second: u64) -> Moment {
        Moment(Duration::from_secs(second))
    }

    fn attempts() -> Attempts {
        Attempts::new(&ChallengeSettings { attempts: 3, wait: Duration::from_secs(10), ..ChallengeSettings::normal() })
    }

    #[test]
    fn after_three_failures_a_person_waits_and_each_wait_is_twice_as_long() {
        let mut attempts = attempts();
        let mut now = 0;
        for wait in [10, 20, 40, 80, 160, 320, 320] {
            for _ in 0..3 {
                assert_eq!(attempts.may_begin(ADA, at(now)), Ok(()));
                attempts.failed(ADA, at(now));
            }
            assert_eq!(attempts.may_begin(ADA, at(now)), Err(at(now + wait)));
            assert_eq!(attempts.may_begin(PersonId(2), at(now)), Ok(()), "nobody else waits");
            assert_eq!(attempts.may_begin(ADA, at(now + wait)), Ok(()));
            now += wait;
        }
    }

    #[test]
    fn who_passes_begins_anew_and_failures_far_apart_do_not_add_up() {
        let mut attempts = attempts();
        for second in [0, 1] {
            attempts.failed(ADA, at(second));
        }
        assert!(attempts.failed_last(ADA, at(2)));
        attempts.passed(ADA);
        assert!(!attempts.failed_last(ADA, at(2)));
        attempts.failed(ADA, at(2));
        attempts.failed(ADA, at(3));
        assert!(!attempts.failed_last(ADA, at(3 + 321)));
        attempts.failed(ADA, at(3 + 321));
        assert_eq!(attempts.may_begin(ADA, at(3 + 321)), Ok(()));
    }

    #[test]
    fn without_a_number_of_attempts_nobody_waits() {
        let mut attempts = Attempts::new(&ChallengeSettings { attempts: 0, ..ChallengeSettings::normal() });
        (0..99).for_each(|second| attempts.failed(ADA, at(second)));
        assert_eq!(attempts.may_begin(ADA, at(99)), Ok(()));
        assert!(attempts.failed_last(ADA, at(99)), "the next attempt still begins with a look ahead");
    }

    #[test]
    fn the_number_of_people_is_bounded_and_who_failed_longest_ago_goes_first() {
        let mut attempts = attempts();
        for person in 0..1000 {
            attempts.failed(PersonId(person), at(u64::from(person / 10)));
        }
        assert_eq!(attempts.failures.len(), MOST_PEOPLE);
        assert!(attempts.failed_last(PersonId(999), at(100)) && !attempts.failed_last(PersonId(0), at(100)));
    }
}

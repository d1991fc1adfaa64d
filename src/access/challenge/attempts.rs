//! Who failed the challenge at a door how often, and has to wait. Each wait is twice as long as the one before, up to [`LONGEST`] times the first.
//!
//! What fails is a face that was recognised, so a stranger makes nobody wait without a good picture of that person.

use std::collections::BTreeMap;
use std::time::Duration;

use super::settings::ChallengeSettings;
use crate::domain::{Moment, PersonId};

/// The longest wait, as a multiple of the first.
const LONGEST: u32 = 32;
/// The most people whose failures are kept. Beyond it, the one who failed longest ago is forgotten.
const MOST_PEOPLE: usize = 256;

/// The failures of people in the challenge at one door.
#[derive(Clone, Debug)]
pub struct Attempts {
    after: u32,
    first: Duration,
    failures: BTreeMap<PersonId, Failures>,
}

/// One person's failures.
#[derive(Clone, Copy, Debug)]
struct Failures {
    /// Since the last wait.
    in_a_row: u32,
    waits: u32,
    last: Moment,
    until: Moment,
}

impl Attempts {
    /// Nobody has failed yet.
    pub fn new(settings: &ChallengeSettings) -> Attempts {
        Attempts { after: settings.attempts, first: settings.wait, failures: BTreeMap::new() }
    }

    /// Whether the person may be asked now.
    ///
    /// # Errors
    /// When the person may be asked again.
    pub fn may_begin(&self, person: PersonId, now: Moment) -> Result<(), Moment> {
        match self.known(person, now) {
            Some(failures) if failures.until > now => Err(failures.until),
            _ => Ok(()),
        }
    }

    /// Whether the person's last attempt failed, so that the next one must begin with a steady look ahead.
    pub fn failed_last(&self, person: PersonId, now: Moment) -> bool {
        self.known(person, now).is_some()
    }

    /// Counts a failure.
    pub fn failed(&mut self, person: PersonId, now: Moment) {
        let longest = self.longest();
        self.failures.retain(|_, failures| !failures.forgotten(longest, now));
        if !self.failures.contains_key(&person) && self.failures.len() >= MOST_PEOPLE {
            let oldest = self.failures.iter().min_by_key(|(_, failures)| failures.last).map(|(person, _)| *person);
            oldest.and_then(|person| self.failures.remove(&person));
        }
        let (after, first) = (self.after, self.first);
        let entry = self.failures.entry(person);
        let failures = entry.or_insert(Failures { in_a_row: 0, waits: 0, last: now, until: now });
        failures.in_a_row = failures.in_a_row.saturating_add(1);
        failures.last = now;
        if after > 0 && failures.in_a_row >= after {
            let wait = first.saturating_mul(1_u32.checked_shl(failures.waits).unwrap_or(u32::MAX)).min(longest);
            *failures = Failures { in_a_row: 0, waits: failures.waits.saturating_add(1), last: now, until: now + wait };
        }
    }

    /// Forgets the failures of a person who passed.
    pub fn passed(&mut self, person: PersonId) {
        self.failures.remove(&person);
    }

    fn known(&self, person: PersonId, now: Moment) -> Option<&Failures> {
        self.failures.get(&person).filter(|failures| !failures.forgotten(self.longest(), now))
    }

    fn longest(&self) -> Duration {
        self.first.saturating_mul(LONGEST)
    }
}

impl Failures {
    /// Failures further apart than the longest wait do not add up.
    fn forgotten(&self, longest: Duration, now: Moment) -> bool {
        self.until <= now && now.since(self.last.max(self.until)) > longest
    }
}

#[cfg(test)]
mod tests {
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

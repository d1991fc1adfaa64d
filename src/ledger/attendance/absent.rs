//! Who was expected on a day and did not come. Knows no rules of access: whether a day is off for somebody is asked.

use jiff::Timestamp;
use jiff::civil::Date;

use super::{Day, Rules};
use crate::domain::{Card, DayOff, PersonId};

/// Somebody who is enrolled today, as far as it says when they are expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    pub person: PersonId,
    pub name: String,
    pub card: Card,
    pub enabled: bool,
    /// When the newest of their first templates was made: before that day no door could know them.
    pub enrolled: Timestamp,
    pub valid_from: Option<Timestamp>,
    pub valid_until: Option<Timestamp>,
}

/// Somebody without a reading on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    pub person: PersonId,
    pub name: String,
    pub card: Card,
    /// `None`: they were expected.
    pub off: Option<DayOff>,
}

/// Everybody of `people` who is enrolled, enabled and valid on `date` and has no reading on it; by name. `days` are those of `date` at least,
/// of everybody.
pub fn absent(
    people: &[Expected],
    days: &[Day],
    date: Date,
    rules: &Rules,
    off: &dyn Fn(&Expected, Date) -> Option<DayOff>,
) -> Vec<Absence> {
    let was_there = |person: PersonId| {
        days.iter().any(|day| day.date == date && (day.person == person || day.numbers.contains(&person)))
    };
    let expected = |one: &&Expected| {
        let from = [Some(one.enrolled), one.valid_from].into_iter().flatten().map(|at| rules.day_of(at)).max();
        // Valid before that moment: one at the very beginning of a day ends the day before.
        let last = one.valid_until.and_then(|until| until.checked_sub(jiff::SignedDuration::from_nanos(1)).ok());
        one.enabled
            && from.is_none_or(|from| from <= date)
            && (one.valid_until.is_none() || last.is_some_and(|last| date <= rules.day_of(last)))
    };
    let mut found: Vec<Absence> = people
        .iter()
        .filter(expected)
        .filter(|one| !was_there(one.person))
        .map(|one| Absence { person: one.person, name: one.name.clone(), card: one.card.clone(), off: off(one, date) })
        .collect();
    found.sort_by_key(|one| (one.name.to_lowercase(), one.person));
    found
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use jiff::civil::{date, time};
    use jiff::tz::TimeZone;

    use super::*;
    use crate::ledger::attendance::Method;

    fn rules() -> Rules {
        Rules {
            method: Method::Side,
            double_read: SignedDuration::from_mins(2),
            day_starts: time(4, 0, 0, 0),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            long_day: SignedDuration::from_hours(12),
            longest_stint: SignedDuration::from_hours(26),
        }
    }

    fn one(id: u32, name: &str) -> Expected {
        Expected {
            person: PersonId(id),
            name: name.into(),
            card: Card::default(),
            enabled: true,
            enrolled: "2026-01-05T09:00:00Z".parse().unwrap(),
            valid_from: None,
            valid_until: None,
        }
    }

    fn who(people: &[Expected], days: &[Day], date: Date) -> Vec<String> {
        absent(people, days, date, &rules(), &|_, _| None).into_iter().map(|absence| absence.name).collect()
    }

    fn day(person: u32, numbers: &[u32], date: Date) -> Day {
        Day {
            date,
            person: PersonId(person),
            numbers: numbers.iter().copied().map(PersonId).collect(),
            name: "x".into(),
            card: Card::default(),
            stints: Vec::new(),
            worked: SignedDuration::ZERO,
            gaps: SignedDuration::ZERO,
            open: false,
            anomalies: Vec::new(),
        }
    }

    #[test]
    fn absent_is_who_is_expected_and_has_no_reading() {
        let monday = date(2026, 5, 4);
        let people = [one(1, "Zoe"), one(2, "ada"), one(3, "Ben")];
        assert_eq!(who(&people, &[], monday), ["ada", "Ben", "Zoe"]);
        // A reading under an earlier number counts, one of another day does not.
        let days = [day(2, &[2], monday), day(9, &[3, 9], monday), day(1, &[1], date(2026, 5, 5))];
        assert_eq!(who(&people, &days, monday), ["Zoe"]);
    }

    #[test]
    fn nobody_is_missed_before_they_were_enrolled_or_outside_their_days() {
        let at = |text: &str| Some(text.parse().unwrap());
        let disabled = Expected { enabled: false, ..one(1, "Ada") };
        assert!(who(&[disabled], &[], date(2026, 5, 4)).is_empty());
        assert!(who(&[one(1, "Ada")], &[], date(2026, 1, 4)).is_empty());
        assert_eq!(who(&[one(1, "Ada")], &[], date(2026, 1, 5)), ["Ada"]);
        // From and until midnight in Berlin; the day begins at four.
        let visitor = Expected {
            valid_from: at("2026-05-03T22:00:00Z"),
            valid_until: at("2026-05-06T02:00:00Z"),
            ..one(1, "Ada")
        };
        let days: Vec<bool> =
            (2..8).map(|day| !who(std::slice::from_ref(&visitor), &[], date(2026, 5, day)).is_empty()).collect();
        assert_eq!(days, [false, true, true, true, false, false]);
    }

    #[test]
    fn a_day_off_is_told() {
        let off = |one: &Expected, _: Date| (one.name == "Ada").then(|| DayOff::Holiday("Easter".into()));
        let found = absent(&[one(1, "Ada"), one(2, "Ben")], &[], date(2026, 5, 4), &rules(), &off);
        assert_eq!(found[0].off, Some(DayOff::Holiday("Easter".into())));
        assert_eq!(found[1].off, None);
    }
}

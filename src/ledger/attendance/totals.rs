//! The hours of each person, by week and together.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use jiff::civil::{Date, Weekday};

use super::{Day, Period};
use crate::domain::{Card, PersonId};

/// Days added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Days with a reading.
    pub days: u32,
    pub worked: SignedDuration,
    pub gaps: SignedDuration,
    /// Days on which the person came in and may still be present.
    pub open: u32,
    /// Days with an anomaly: their hours may be wrong.
    pub anomalous: u32,
}

/// The days of a week, as far as they are within the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeekTotal {
    /// The week by ISO 8601: its year and its number.
    pub year: i16,
    pub week: i8,
    /// Monday to Sunday, cut to the period.
    pub days: Period,
    pub total: Total,
}

/// What one person's days come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// The newest number of the person.
    pub person: PersonId,
    /// As on the last of the days.
    pub name: String,
    /// As on the last of the days.
    pub card: Card,
    pub total: Total,
    /// In order; weeks without a reading are left out.
    pub weeks: Vec<WeekTotal>,
}

impl Total {
    fn add(&mut self, day: &Day) {
        self.days = self.days.saturating_add(1);
        self.worked = self.worked.saturating_add(day.worked);
        self.gaps = self.gaps.saturating_add(day.gaps);
        self.open = self.open.saturating_add(u32::from(day.open));
        self.anomalous = self.anomalous.saturating_add(u32::from(!day.anomalies.is_empty()));
    }
}

/// The totals of each person over `days` in any order, all of which are in `period`; by name.
pub fn totals(days: &[Day], period: Period) -> Vec<Totals> {
    let mut of_person: BTreeMap<PersonId, Vec<&Day>> = BTreeMap::new();
    for day in days {
        of_person.entry(day.person).or_default().push(day);
    }
    let mut found: Vec<Totals> =
        of_person.into_iter().filter_map(|(person, its)| of_one(person, its, period)).collect();
    found.sort_by_key(|one| (one.name.to_lowercase(), one.person));
    found
}

fn of_one(person: PersonId, mut its: Vec<&Day>, period: Period) -> Option<Totals> {
    its.sort_by_key(|day| day.date);
    let last = *its.last()?;
    let mut total = Total::default();
    let mut weeks: Vec<WeekTotal> = Vec::new();
    for day in its {
        total.add(day);
        let week = day.date.iso_week_date();
        let is_same = |known: &WeekTotal| (known.year, known.week) == (week.year(), week.week());
        if !weeks.last().is_some_and(is_same) {
            let days = week_of(day.date, period);
            weeks.push(WeekTotal { year: week.year(), week: week.week(), days, total: Total::default() });
        }
        if let Some(newest) = weeks.last_mut() {
            newest.total.add(day);
        }
    }
    Some(Totals { person, name: last.name.clone(), card: last.card.clone(), total, weeks })
}

/// The week of a date, from Monday to Sunday, cut to the period.
fn week_of(date: Date, period: Period) -> Period {
    let monday = match date.weekday() {
        Weekday::Monday => date,
        _ => date.nth_weekday(-1, Weekday::Monday).unwrap_or(date),
    };
    let sunday = match date.weekday() {
        Weekday::Sunday => date,
        _ => date.nth_weekday(1, Weekday::Sunday).unwrap_or(date),
    };
    Period { from: monday.max(period.from), to: sunday.min(period.to) }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::ledger::attendance::Anomaly;

    fn day(date: Date, person: u32, hours: i64) -> Day {
        Day {
            date,
            person: PersonId(person),
            numbers: vec![PersonId(person)],
            name: format!("person {person}"),
            card: Card::default(),
            stints: Vec::new(),
            worked: SignedDuration::from_hours(hours),
            gaps: SignedDuration::from_mins(30),
            open: false,
            anomalies: Vec::new(),
        }
    }

    #[test]
    fn weeks_are_cut_to_the_period_and_belong_to_their_iso_year() {
        // 2026-12-28 to 2027-01-03 is week 53 of 2026.
        let period = Period { from: date(2026, 12, 30), to: date(2027, 1, 31) };
        let odd = Day { anomalies: vec![Anomaly::NoOut], open: true, ..day(date(2027, 1, 4), 7, 0) };
        let days = [day(date(2027, 1, 2), 7, 8), odd, day(date(2026, 12, 31), 7, 7), day(date(2027, 1, 2), 3, 1)];
        let [third, seventh] = &totals(&days, period)[..] else { panic!("two people") };
        assert_eq!((third.person, third.total.worked), (PersonId(3), SignedDuration::from_hours(1)));
        let shown: Vec<_> = seventh
            .weeks
            .iter()
            .map(|week| (week.year, week.week, week.days, week.total.worked.as_hours(), week.total.days))
            .collect();
        let first = Period { from: date(2026, 12, 30), to: date(2027, 1, 3) };
        let second = Period { from: date(2027, 1, 4), to: date(2027, 1, 10) };
        assert_eq!(shown, [(2026, 53, first, 15, 2), (2027, 1, second, 0, 1)]);
        let Total { days, worked, gaps, open, anomalous } = seventh.total;
        assert_eq!((days, worked.as_hours(), gaps.as_mins(), open, anomalous), (3, 15, 90, 1, 1));
    }
}

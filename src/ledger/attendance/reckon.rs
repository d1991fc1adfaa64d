//! From readings to hours: stints, days, and their anomalies. A missing reading is never made up; the present time is an argument.

use std::collections::BTreeMap;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::Reading;
pub use crate::domain::AttendanceMethod as Method;
use crate::domain::{Card, Direction, PersonId};

/// How hours are computed.
#[derive(Clone, Debug)]
pub struct Rules {
    pub method: Method,
    /// Readings of one person in the same direction within this span of the one before count once.
    pub double_read: SignedDuration,
    /// When a day begins: what comes before belongs to the day before.
    pub day_starts: Time,
    pub zone: TimeZone,
    /// A longer day is marked as an anomaly; its hours stay.
    pub long_day: SignedDuration,
    /// The longest time from an in to the out that belongs to it, also across the end of the day. After a longer time an out and an in are
    /// taken to be missing in between.
    pub longest_stint: SignedDuration,
}

impl Rules {
    /// The day that a time belongs to.
    pub fn day_of(&self, at: Timestamp) -> Date {
        let local = at.to_zoned_datetime(self.zone.clone());
        match local.time() < self.day_starts {
            true => local.date().yesterday().unwrap_or(Date::MIN),
            false => local.date(),
        }
    }

    /// When the day of that date ends; `None` beyond the calendar's last day.
    pub fn end_of(&self, date: Date) -> Option<Timestamp> {
        let next = date.checked_add(1.day()).ok()?;
        Some(next.to_datetime(self.day_starts).to_zoned_datetime(self.zone.clone()).ok()?.timestamp())
    }
}

/// What is wrong with a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anomaly {
    /// An out without an in before it.
    OutWithoutIn,
    /// An in without an out before it.
    InTwice,
    /// The day is over, and the last in has no out.
    NoOut,
    /// More hours than the rules expect.
    LongDay,
    /// A reading without a direction, where directions come from the camera's side.
    NoDirection,
    /// The device's clock was not set at the time of a reading.
    ClockNotSet,
}

impl Anomaly {
    /// As exports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Anomaly::OutWithoutIn => "out_without_in",
            Anomaly::InTwice => "in_twice",
            Anomaly::NoOut => "no_out",
            Anomaly::LongDay => "long_day",
            Anomaly::NoDirection => "no_direction",
            Anomaly::ClockNotSet => "clock_not_set",
        }
    }
}

/// From an in to an out. Either may be missing; then the stint has no hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stint {
    pub came: Option<Reading>,
    pub went: Option<Reading>,
}

impl Stint {
    /// The time that passed between in and out, also across a change to or from summer time. `None` while one is missing.
    pub fn lasted(&self) -> Option<SignedDuration> {
        Some(self.came.as_ref()?.at.duration_until(self.went.as_ref()?.at))
    }
}

/// One person's day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    pub date: Date,
    /// The newest number of the person.
    pub person: PersonId,
    /// The numbers that the day's readings have; more than one when they were enrolled anew.
    pub numbers: Vec<PersonId>,
    /// Their last name on that day.
    pub name: String,
    /// Their last employee id and groups on that day.
    pub card: Card,
    /// By time.
    pub stints: Vec<Stint>,
    /// The sum of the stints that have both ends.
    pub worked: SignedDuration,
    /// The time between stints that have both ends, added up.
    pub gaps: SignedDuration,
    /// They came in and may still be present.
    pub open: bool,
    /// Each once.
    pub anomalies: Vec<Anomaly>,
}

impl Day {
    /// When they first came in.
    pub fn first_in(&self) -> Option<Timestamp> {
        self.stints.iter().find_map(|stint| Some(stint.came.as_ref()?.at))
    }

    /// How payroll identifies the person: by the employee id of that day, else by name.
    pub fn employee(&self) -> String {
        self.card.employee_id.clone().unwrap_or_else(|| self.name.clone())
    }

    /// `7:45`, whole minutes worked.
    pub fn hours_and_minutes(&self) -> String {
        hours_and_minutes(self.worked)
    }

    /// When they last went out.
    pub fn last_out(&self) -> Option<Timestamp> {
        self.stints.iter().rev().find_map(|stint| Some(stint.went.as_ref()?.at))
    }
}

/// The days of everybody with a reading, by date and person.
pub fn reckon(readings: &[Reading], rules: &Rules, now: Timestamp) -> Vec<Day> {
    let mut by_person: BTreeMap<PersonId, Vec<&Reading>> = BTreeMap::new();
    for reading in readings {
        by_person.entry(reading.newest).or_default().push(reading);
    }
    let mut days: Vec<Day> = Vec::new();
    for (person, mut its) in by_person {
        its.sort_by_key(|reading| (reading.at, reading.record));
        let mut of_person: BTreeMap<Date, Draft> = BTreeMap::new();
        let open = match rules.method {
            Method::Side => by_side(&its, rules, &mut of_person),
            Method::Alternate | Method::FirstLast => day_by_day(&its, rules, &mut of_person),
        };
        for (date, draft) in of_person {
            let moment = Moment { date, now, may_be_open: open == Some(date) };
            days.push(draft.finish(moment, Who::on(date, person, &its, rules), rules));
        }
    }
    days.sort_by_key(|day| (day.date, day.person));
    days
}

/// Which day it is, and what may still come.
struct Moment {
    date: Date,
    now: Timestamp,
    /// Nothing was read after the day's last in.
    may_be_open: bool,
}

/// Who it was on a day.
struct Who {
    person: PersonId,
    numbers: Vec<PersonId>,
    name: String,
    card: Card,
}

impl Who {
    fn on(date: Date, person: PersonId, readings: &[&Reading], rules: &Rules) -> Who {
        let on_that_day = || readings.iter().filter(|reading| rules.day_of(reading.at) == date);
        // By the order of the records: an amendment of the morning that was written in the evening is the newest.
        let newest = on_that_day().max_by_key(|reading| reading.record);
        let name = newest.map(|reading| reading.name.clone()).unwrap_or_default();
        let known = on_that_day().filter(|reading| reading.card.is_some()).max_by_key(|reading| reading.record);
        let with_id = on_that_day()
            .filter(|reading| reading.card.as_ref().is_some_and(|card| card.employee_id.is_some()))
            .max_by_key(|reading| reading.record);
        let card = known.and_then(|reading| reading.card.clone()).unwrap_or_default();
        let employee_id = with_id.and_then(|reading| reading.card.as_ref()?.employee_id.clone());
        let mut numbers: Vec<PersonId> = on_that_day().map(|reading| reading.person).collect();
        numbers.sort();
        numbers.dedup();
        Who { person, numbers, name, card: Card { employee_id, ..card } }
    }
}

/// A day under construction.
#[derive(Default)]
struct Draft {
    stints: Vec<Stint>,
    anomalies: Vec<Anomaly>,
}

impl Draft {
    fn note(&mut self, anomaly: Anomaly) {
        if !self.anomalies.contains(&anomaly) {
            self.anomalies.push(anomaly);
        }
    }

    fn finish(mut self, moment: Moment, who: Who, rules: &Rules) -> Day {
        let Moment { date, now, may_be_open } = moment;
        let over = rules.end_of(date).is_none_or(|end| end <= now);
        let mut open = false;
        let last = self.stints.len().saturating_sub(1);
        let mut unfinished = false;
        for (index, stint) in self.stints.iter().enumerate() {
            if let Stint { came: Some(came), went: None } = stint {
                let may_still_go = !over || came.at.duration_until(now) <= rules.longest_stint;
                match index == last && may_be_open && may_still_go && came.at <= now {
                    true => open = true,
                    false => unfinished = true,
                }
            }
        }
        let in_twice = self.anomalies.contains(&Anomaly::InTwice);
        if unfinished && !(in_twice && self.stints.last().is_some_and(|stint| stint.went.is_some())) {
            self.note(Anomaly::NoOut);
        }
        let whole: Vec<&Stint> = self.stints.iter().filter(|stint| stint.lasted().is_some()).collect();
        let worked = sum(whole.iter().filter_map(|stint| stint.lasted()));
        let gaps = sum(whole.windows(2).filter_map(|pair| {
            let [before, after] = pair else { return None };
            Some(before.went.as_ref()?.at.duration_until(after.came.as_ref()?.at)).filter(|gap| gap.is_positive())
        }));
        if worked > rules.long_day {
            self.note(Anomaly::LongDay);
        }
        let read = self.stints.iter().flat_map(|stint| [&stint.came, &stint.went]).flatten();
        if read.into_iter().any(|reading| reading.doubtful) {
            self.note(Anomaly::ClockNotSet);
        }
        self.anomalies.sort();
        let Who { person, numbers, name, card } = who;
        let Draft { stints, anomalies } = self;
        Day { date, person, numbers, name, card, stints, worked, gaps, open, anomalies }
    }
}

/// `7:45`, whole minutes.
pub fn hours_and_minutes(span: SignedDuration) -> String {
    let minutes = span.as_mins();
    format!("{}:{:02}", minutes / 60, minutes % 60)
}

fn sum(spans: impl Iterator<Item = SignedDuration>) -> SignedDuration {
    spans.fold(SignedDuration::ZERO, SignedDuration::saturating_add)
}

/// In the order of the readings: an out ends the open stint, also one of the day before, unless that began too long ago. Returns the day of
/// the stint that is open at the end.
fn by_side(readings: &[&Reading], rules: &Rules, days: &mut BTreeMap<Date, Draft>) -> Option<Date> {
    // The day and the place of the stint that is open.
    let mut open: Option<(Date, usize)> = None;
    // The newest reading in the one direction and in the other.
    let (mut last_in, mut last_out): (Option<Timestamp>, Option<Timestamp>) = (None, None);
    for reading in readings {
        let date = rules.day_of(reading.at);
        let Some(direction) = reading.direction else {
            days.entry(date).or_default().note(Anomaly::NoDirection);
            continue;
        };
        let (seen, other) = match direction {
            Direction::In => (&mut last_in, &mut last_out),
            Direction::Out => (&mut last_out, &mut last_in),
        };
        let double = seen.is_some_and(|before| before.duration_until(reading.at) <= rules.double_read);
        *seen = Some(reading.at);
        if double {
            continue;
        }
        // After a change of direction, the next reading in the other one is no double.
        *other = None;
        match direction {
            Direction::In => {
                if let Some((its_date, _)) = open
                    && its_date == date
                {
                    days.entry(date).or_default().note(Anomaly::InTwice);
                }
                let day = days.entry(date).or_default();
                open = Some((date, day.stints.len()));
                day.stints.push(Stint { came: Some((*reading).clone()), went: None });
            }
            Direction::Out => {
                let began = open.take().and_then(|(its_date, place)| {
                    let stint = days.get_mut(&its_date)?.stints.get_mut(place)?;
                    let lasted = stint.came.as_ref()?.at.duration_until(reading.at);
                    (its_date == date || lasted <= rules.longest_stint).then_some(stint)
                });
                match began {
                    Some(stint) => stint.went = Some((*reading).clone()),
                    None => {
                        let day = days.entry(date).or_default();
                        day.note(Anomaly::OutWithoutIn);
                        day.stints.push(Stint { came: None, went: Some((*reading).clone()) });
                    }
                }
            }
        }
    }
    open.map(|(date, _)| date)
}

/// Day by day, whatever the readings' directions. Returns the last day.
fn day_by_day(readings: &[&Reading], rules: &Rules, days: &mut BTreeMap<Date, Draft>) -> Option<Date> {
    let mut by_date: BTreeMap<Date, Vec<&Reading>> = BTreeMap::new();
    let mut last: Option<Timestamp> = None;
    for reading in readings {
        let double = last.is_some_and(|before| before.duration_until(reading.at) <= rules.double_read);
        last = Some(reading.at);
        if !double {
            by_date.entry(rules.day_of(reading.at)).or_default().push(reading);
        }
    }
    for (date, its) in by_date {
        let ends: Vec<&Reading> = match (rules.method, &its[..]) {
            (Method::FirstLast, [first, .., last]) => vec![first, last],
            _ => its,
        };
        let stint = |pair: &[&Reading]| Stint {
            came: pair.first().map(|reading| (*reading).clone()),
            went: pair.get(1).map(|reading| (*reading).clone()),
        };
        days.entry(date).or_default().stints = ends.chunks(2).map(stint).collect();
    }
    days.keys().next_back().copied()
}

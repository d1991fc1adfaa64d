//! Attendance as the API shows it: what is asked, days, totals, absentees, files, amendments.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::system_time;
use crate::access::HouseRules;
use crate::domain::{Actor, Amendment, Card, DayOff, Direction, Event, Named, PeopleEvent, PersonId};
use crate::ledger::attendance::{self, Period, Reading, Rules, export};
use crate::table;

/// What attendance is computed by.
#[derive(Clone, Debug)]
pub struct AttendanceSettings {
    pub rules: Rules,
    /// For holidays and days without hours.
    pub house: HouseRules,
    /// The names of the doors, in the order of the configuration.
    pub doors: Vec<String>,
}

/// Selects days: one day, a month, or the days from one to another, both included. Without a choice: today, and days that are still open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttendanceQuery {
    /// `2026-05-04`.
    #[schemars(with = "Option<String>")]
    pub day: Option<Date>,
    /// `2026-05`.
    pub month: Option<String>,
    /// The first day; the last one alone without it.
    #[schemars(with = "Option<String>")]
    pub from: Option<Date>,
    /// The last day; today without it.
    #[schemars(with = "Option<String>")]
    pub to: Option<Date>,
    /// Only the person with this number, whatever the number was on that day; several are separated by commas.
    pub person: Option<String>,
    /// Only people who were in this group on that day.
    pub group: Option<String>,
}

/// Which days a query chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub period: Period,
    /// Days before it that are still open count too.
    pub and_open: bool,
}

/// The most days of one answer.
const MOST_DAYS: usize = 1100;

impl AttendanceQuery {
    /// The days that it chooses.
    ///
    /// # Errors
    /// More than one choice, a month that is none, an end before the beginning, or too many days.
    pub fn chosen(&self, today: Date) -> Result<Chosen, ApiError> {
        let AttendanceQuery { day, month, from, to, .. } = self;
        let choices = [day.is_some(), month.is_some(), from.is_some() || to.is_some()];
        if choices.iter().filter(|chosen| **chosen).count() > 1 {
            return Err(ApiError::Invalid("give a day, a month, or from and to".to_owned()));
        }
        let period = match (day, month, from, to) {
            (Some(day), ..) => Period { from: *day, to: *day },
            (None, Some(month), ..) => month_of(month)?,
            (None, None, None, None) => {
                return Ok(Chosen { period: Period { from: today, to: today }, and_open: true });
            }
            (None, None, from, to) => Period { from: from.unwrap_or(to.unwrap_or(today)), to: to.unwrap_or(today) },
        };
        match period.days() {
            0 => Err(ApiError::Invalid(format!("{} is after {}", period.from, period.to))),
            1..=MOST_DAYS => Ok(Chosen { period, and_open: false }),
            _ => Err(ApiError::Invalid(format!("ask for at most {MOST_DAYS} days at once"))),
        }
    }
}

/// The days of a month written as `2026-05`.
fn month_of(text: &str) -> Result<Period, ApiError> {
    let first = format!("{text}-01").parse::<Date>().ok().filter(|_| text.len() == 7);
    let wrong = || ApiError::Invalid(format!("`{text}` is not a month: write it as in 2026-05"));
    first.map(Period::month_of).ok_or_else(wrong)
}

/// Days of people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attendance {
    #[schemars(with = "String")]
    pub from: Date,
    #[schemars(with = "String")]
    pub to: Date,
    /// The day that now belongs to.
    #[schemars(with = "String")]
    pub today: Date,
    /// The time zone of the days; null where it has no name.
    pub time_zone: Option<String>,
    /// By date and person.
    pub days: Vec<AttendanceDay>,
    /// Of each person over these days, by name.
    pub totals: Vec<PersonTotals>,
    /// At the office of a fleet: the boards that have not sent all records of these days.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<LateBoard>,
}

/// A board of a fleet whose records of the days that were asked for are not all at the office.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LateBoard {
    pub board: String,
    pub site: String,
    /// Up to when its records are there; null if none are.
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
}

/// Somebody as the records of the day name them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DayPerson {
    /// The newest number of the person.
    pub id: u32,
    pub name: String,
    pub employee_id: Option<String>,
    pub groups: Vec<String>,
}

/// One person's day. Times are UTC, spans whole seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttendanceDay {
    #[schemars(with = "String")]
    pub date: Date,
    pub person: DayPerson,
    /// The numbers that the day's records have; more than one when the person was enrolled anew.
    pub numbers: Vec<u32>,
    /// How payroll identifies the person: by the employee id of that day, else by name.
    pub employee: String,
    #[schemars(with = "Option<String>")]
    pub first_in: Option<Timestamp>,
    #[schemars(with = "Option<String>")]
    pub last_out: Option<Timestamp>,
    /// The stints that have both ends, added up.
    pub worked_seconds: i64,
    /// The time between those stints, added up.
    pub gap_seconds: i64,
    /// They came in and may still be present.
    pub open: bool,
    /// `out_without_in`, `in_twice`, `no_out`, `long_day`, `no_direction`, `clock_not_set`.
    pub anomalies: Vec<String>,
    pub stints: Vec<DayStint>,
}

/// From an in to an out. Either may be null; then the stint has no length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DayStint {
    #[serde(rename = "in")]
    pub came: Option<DayReading>,
    #[serde(rename = "out")]
    pub went: Option<DayReading>,
    pub seconds: Option<i64>,
}

/// Somebody at a door, or a time that an operator added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DayReading {
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The record's id.
    pub id: String,
    /// The record's number.
    pub record: u64,
    /// Empty for an amendment.
    pub door: String,
    pub amended: bool,
}

/// What one person's days come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PersonTotals {
    pub person: DayPerson,
    pub total: DaysTotal,
    /// Weeks by ISO 8601, cut to the days that were asked for.
    pub weeks: Vec<WeekTotals>,
}

/// Days added up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DaysTotal {
    /// Days with a reading.
    pub days: u32,
    pub worked_seconds: i64,
    pub gap_seconds: i64,
    /// Days on which the person came in and may still be present.
    pub open: u32,
    /// Days with an anomaly.
    pub anomalous: u32,
}

/// The days of a week.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WeekTotals {
    pub year: i16,
    pub week: i8,
    #[schemars(with = "String")]
    pub from: Date,
    #[schemars(with = "String")]
    pub to: Date,
    pub total: DaysTotal,
}

/// Selects a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DayQuery {
    /// `2026-05-04`; today without it.
    #[schemars(with = "Option<String>")]
    pub date: Option<Date>,
    /// Only people of this group.
    pub group: Option<String>,
}

/// A day of everybody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DaySheet {
    #[schemars(with = "String")]
    pub date: Date,
    /// The day that now belongs to.
    #[schemars(with = "String")]
    pub today: Date,
    /// The time zone of the days; null where it has no name.
    pub time_zone: Option<String>,
    /// Of those with a reading.
    pub days: Vec<AttendanceDay>,
    /// Those without.
    pub absent: Vec<Absent>,
    /// At the office of a fleet: the boards that have not sent all records of that day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<LateBoard>,
}

/// Somebody who is enrolled, enabled and valid on that day, and has no reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Absent {
    pub person: DayPerson,
    /// The name of the holiday, which may be empty; null where it is none by the person's schedules.
    pub holiday: Option<String>,
    /// No schedule that lets the person in has hours on that day.
    pub no_hours: bool,
}

/// Asks for a file of days.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportQuery {
    /// `csv`, `timesheet`, `frappe`, `odoo`, `orangehrm` or `zkteco`.
    pub format: String,
    /// As for the days.
    #[schemars(with = "Option<String>")]
    pub day: Option<Date>,
    pub month: Option<String>,
    #[schemars(with = "Option<String>")]
    pub from: Option<Date>,
    #[schemars(with = "Option<String>")]
    pub to: Option<Date>,
    pub person: Option<String>,
    pub group: Option<String>,
    /// Begin with a byte order mark, by which Excel recognises UTF-8.
    #[serde(default)]
    pub bom: bool,
    /// `comma`, `semicolon` or `tab`; comma without it.
    pub separator: Option<String>,
}

impl ExportQuery {
    /// The days of the file.
    pub fn days(&self) -> AttendanceQuery {
        let ExportQuery { day, month, from, to, person, group, .. } = self.clone();
        AttendanceQuery { day, month, from, to, person, group }
    }

    /// # Errors
    /// There is no such format.
    pub fn format(&self) -> Result<export::Format, ApiError> {
        let formats = export::Format::ALL;
        formats.into_iter().find(|format| format.as_str() == self.format).ok_or_else(|| {
            let all: Vec<&str> = formats.iter().map(|format| format.as_str()).collect();
            ApiError::Invalid(format!("there is no format `{}`; the formats are {}", self.format, all.join(", ")))
        })
    }

    /// # Errors
    /// There is no such separator.
    pub fn form(&self) -> Result<table::CsvForm, ApiError> {
        let separator = match self.separator.as_deref() {
            None | Some("comma") => table::Separator::Comma,
            Some("semicolon") => table::Separator::Semicolon,
            Some("tab") => table::Separator::Tab,
            Some(other) => {
                return Err(ApiError::Invalid(format!("`{other}` is not comma, semicolon or tab")));
            }
        };
        Ok(table::CsvForm { bom: self.bom, separator })
    }
}

/// A file of days.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExportFile {
    /// The name to save it under.
    pub name: String,
    pub media_type: String,
    pub text: String,
    /// What was left out because the program would refuse it, a sentence each.
    pub left_out: Vec<String>,
    /// What else to know of it, a sentence each.
    pub remarks: Vec<String>,
}

/// Amends attendance. Give one of `add` and `void`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AmendRequest {
    /// The person's number.
    pub person: u32,
    pub name: String,
    #[serde(default)]
    pub employee_id: Option<String>,
    #[serde(default)]
    pub groups: Vec<String>,
    /// `in` or `out`, and when (RFC 3339).
    #[schemars(with = "Option<(String, String)>")]
    pub add: Option<(String, Timestamp)>,
    /// The number of the record that does not count.
    pub void: Option<u64>,
    pub reason: String,
}

impl AmendRequest {
    /// The event to record; `None` unless the request gives exactly one of `add` and `void`.
    pub fn event(self, by: Actor) -> Option<Event> {
        let amendment = match (self.add, self.void) {
            (Some((direction, at)), None) => {
                let direction = [Direction::In, Direction::Out].into_iter().find(|d| d.as_str() == direction)?;
                Amendment::Add { direction, at: system_time(at).ok()? }
            }
            (None, Some(record)) => Amendment::Void { record },
            _ => return None,
        };
        let person = Named::new(PersonId(self.person), self.name, self.employee_id, self.groups).into();
        Some(Event::People(PeopleEvent::AttendanceAmended { person, amendment, reason: self.reason.into(), by }))
    }
}

impl DayPerson {
    fn new(id: PersonId, name: &str, card: &Card) -> DayPerson {
        let Card { employee_id, groups } = card.clone();
        DayPerson { id: id.0, name: name.to_owned(), employee_id, groups }
    }
}

impl From<&attendance::Day> for AttendanceDay {
    fn from(day: &attendance::Day) -> AttendanceDay {
        let stint = |stint: &attendance::Stint| DayStint {
            came: stint.came.as_ref().map(DayReading::from),
            went: stint.went.as_ref().map(DayReading::from),
            seconds: stint.lasted().map(|lasted| lasted.as_secs()),
        };
        AttendanceDay {
            date: day.date,
            person: DayPerson::new(day.person, &day.name, &day.card),
            numbers: day.numbers.iter().map(|number| number.0).collect(),
            employee: day.employee(),
            first_in: day.first_in(),
            last_out: day.last_out(),
            worked_seconds: day.worked.as_secs(),
            gap_seconds: day.gaps.as_secs(),
            open: day.open,
            anomalies: day.anomalies.iter().map(|anomaly| anomaly.as_str().to_owned()).collect(),
            stints: day.stints.iter().map(stint).collect(),
        }
    }
}

impl From<&Reading> for DayReading {
    fn from(reading: &Reading) -> DayReading {
        DayReading {
            at: reading.at,
            id: reading.id.to_string(),
            record: reading.record,
            door: reading.door.clone(),
            amended: reading.amended,
        }
    }
}

impl From<attendance::Total> for DaysTotal {
    fn from(total: attendance::Total) -> DaysTotal {
        let attendance::Total { days, worked, gaps, open, anomalous } = total;
        DaysTotal { days, worked_seconds: worked.as_secs(), gap_seconds: gaps.as_secs(), open, anomalous }
    }
}

impl From<&attendance::Totals> for PersonTotals {
    fn from(totals: &attendance::Totals) -> PersonTotals {
        let week = |week: &attendance::WeekTotal| WeekTotals {
            year: week.year,
            week: week.week,
            from: week.days.from,
            to: week.days.to,
            total: week.total.into(),
        };
        PersonTotals {
            person: DayPerson::new(totals.person, &totals.name, &totals.card),
            total: totals.total.into(),
            weeks: totals.weeks.iter().map(week).collect(),
        }
    }
}

impl From<attendance::Absence> for Absent {
    fn from(absence: attendance::Absence) -> Absent {
        let person = DayPerson::new(absence.person, &absence.name, &absence.card);
        let (holiday, no_hours) = match absence.off {
            None => (None, false),
            Some(DayOff::Holiday(name)) => (Some(name), false),
            Some(DayOff::NoHours) => (None, true),
        };
        Absent { person, holiday, no_hours }
    }
}

/// A moment of the gallery; `None` beyond the years that can be written.
pub fn timestamp(at: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(at).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn chosen(query: &AttendanceQuery) -> Result<(String, String, bool), String> {
        let chosen = query.chosen(date(2026, 5, 20)).map_err(|error| error.to_string())?;
        Ok((chosen.period.from.to_string(), chosen.period.to.to_string(), chosen.and_open))
    }

    #[test]
    fn days_are_chosen_in_one_way() {
        let usual = AttendanceQuery::default();
        let days = |from: &str, to: &str, open| Ok((from.to_owned(), to.to_owned(), open));
        assert_eq!(chosen(&usual), days("2026-05-20", "2026-05-20", true));
        let month = |text: &str| AttendanceQuery { month: Some(text.to_owned()), ..usual.clone() };
        assert_eq!(chosen(&month("2026-02")), days("2026-02-01", "2026-02-28", false));
        let from = AttendanceQuery { from: Some(date(2026, 5, 4)), ..usual.clone() };
        assert_eq!(chosen(&from), days("2026-05-04", "2026-05-20", false));
        let to = AttendanceQuery { to: Some(date(2026, 5, 4)), ..usual.clone() };
        assert_eq!(chosen(&to), days("2026-05-04", "2026-05-04", false));
        for wrong in ["2026", "2026-5", "2026-13", "May", "2026-02-01", ""] {
            assert!(chosen(&month(wrong)).unwrap_err().contains("not a month"), "{wrong}");
        }
        let late = AttendanceQuery { from: Some(date(2026, 5, 21)), ..usual.clone() };
        assert!(chosen(&late).unwrap_err().contains("is after"));
        let long = AttendanceQuery { from: Some(date(2020, 1, 1)), ..usual.clone() };
        assert!(chosen(&long).unwrap_err().contains("at most"));
        let both = AttendanceQuery { day: Some(date(2026, 5, 4)), ..month("2026-05") };
        assert!(chosen(&both).unwrap_err().contains("give a day"));
    }
}

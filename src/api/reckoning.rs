//! Answers about attendance, from the records of one device or from those of a fleet.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::attendance::{
    Absent, AmendRequest, Attendance, AttendanceDay, AttendanceQuery, AttendanceSettings, Chosen, DayQuery, DaySheet,
    ExportFile, ExportQuery, LateBoard, PersonTotals, timestamp,
};
use super::error::{ApiError, NoAttendance};
use super::people::numbers;
use crate::clock::Clock;
use crate::domain::{Event, Personal};
use crate::ledger::attendance::{Day, Expected, Period, Rules, absent, export, totals};
use crate::ledger::{self, Dated};

/// How far the clock of whoever amends may be ahead.
const AHEAD: SignedDuration = SignedDuration::from_mins(1);

/// Where records and people come from.
pub trait AttendanceSource {
    /// The days of everybody with a reading in `period`, and days around it.
    ///
    /// # Errors
    /// The records cannot be read.
    fn days(&self, rules: &Rules, period: Period, now: Timestamp) -> Result<Vec<Day>, ApiError>;

    /// Everybody who is enrolled.
    ///
    /// # Errors
    /// They cannot be read.
    fn expected(&self) -> Result<Vec<Expected>, ApiError>;

    /// The boards that have not sent all their records up to a moment.
    ///
    /// # Errors
    /// The records cannot be read.
    fn late(&self, until: Timestamp) -> Result<Vec<LateBoard>, ApiError>;
}

/// Days, with what they were computed by.
pub struct Reckoning<'a> {
    source: &'a dyn AttendanceSource,
    settings: &'a AttendanceSettings,
    now: Timestamp,
    today: Date,
}

impl<'a> Reckoning<'a> {
    /// At present.
    ///
    /// # Errors
    /// The settings cannot be used.
    pub fn new(
        settings: &'a Result<AttendanceSettings, NoAttendance>,
        clock: &dyn Clock,
        source: &'a dyn AttendanceSource,
    ) -> Result<Reckoning<'a>, ApiError> {
        let settings = settings.as_ref().map_err(|error| ApiError::NoAttendance(error.clone()))?;
        let now = timestamp(clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(Reckoning { source, settings, now, today: settings.rules.day_of(now) })
    }

    fn days(&self, query: &AttendanceQuery) -> Result<(Period, Vec<Day>), ApiError> {
        let Chosen { period, and_open } = query.chosen(self.today)?;
        let mut days = self.source.days(&self.settings.rules, period, self.now)?;
        days.retain(|day| period.contains(day.date) || and_open && day.open);
        if let Some(group) = &query.group {
            days.retain(|day| day.card.groups.contains(group));
        }
        let wanted = numbers(query.person.as_deref())?;
        if !wanted.is_empty() {
            days.retain(|day| wanted.iter().any(|person| day.person == *person || day.numbers.contains(person)));
        }
        Ok((period, days))
    }

    /// The boards that have not sent what belongs to days up to `last`, as far as those days are over.
    fn late(&self, last: Date) -> Result<Vec<LateBoard>, ApiError> {
        let end = self.settings.rules.end_of(last).unwrap_or(self.now);
        self.source.late(end.min(self.now))
    }

    /// Days, and totals of each person.
    ///
    /// # Errors
    /// A query that cannot be answered, or records that cannot be read.
    pub fn attendance(&self, query: &AttendanceQuery) -> Result<Attendance, ApiError> {
        let (period, days) = self.days(query)?;
        Ok(Attendance {
            from: period.from,
            to: period.to,
            today: self.today,
            time_zone: self.settings.rules.zone.iana_name().map(str::to_owned),
            totals: totals(&days, period).iter().map(PersonTotals::from).collect(),
            days: days.iter().map(AttendanceDay::from).collect(),
            late: self.late(period.to)?,
        })
    }

    /// A day of everybody, with those who were absent.
    ///
    /// # Errors
    /// As [`Reckoning::attendance`].
    pub fn sheet(&self, query: &DayQuery) -> Result<DaySheet, ApiError> {
        let date = query.date.unwrap_or(self.today);
        let of_the_day = AttendanceQuery { day: Some(date), ..AttendanceQuery::default() };
        let (_, mut days) = self.days(&of_the_day)?;
        let AttendanceSettings { rules, house, .. } = self.settings;
        let mut expected = self.source.expected()?;
        if let Some(group) = &query.group {
            expected.retain(|one| one.card.groups.contains(group));
        }
        let off = |one: &Expected, date: Date| house.day_off(&one.card.groups, date);
        // Before the day nobody is late.
        let missing = if date > self.today { Vec::new() } else { absent(&expected, &days, date, rules, &off) };
        if let Some(group) = &query.group {
            days.retain(|day| day.card.groups.contains(group));
        }
        Ok(DaySheet {
            date,
            today: self.today,
            time_zone: rules.zone.iana_name().map(str::to_owned),
            days: days.iter().map(AttendanceDay::from).collect(),
            absent: missing.into_iter().map(Absent::from).collect(),
            late: self.late(date)?,
        })
    }

    /// A file for another program.
    ///
    /// # Errors
    /// As [`Reckoning::attendance`]; there is no such format.
    pub fn file(&self, query: &ExportQuery) -> Result<ExportFile, ApiError> {
        let (format, form) = (query.format()?, query.form()?);
        let (period, days) = self.days(&query.days())?;
        let AttendanceSettings { rules, doors, .. } = self.settings;
        let made = export::make(format, &days, &rules.zone, doors, form)?;
        let mut remarks = made.remarks;
        remarks.extend(self.late(period.to)?.iter().map(|late| late.in_words(&rules.zone)));
        Ok(ExportFile {
            name: format.file_name(period),
            media_type: format.media_type().to_owned(),
            text: String::from_utf8(made.bytes).map_err(|error| ApiError::Failed(error.to_string()))?,
            left_out: made.left_out,
            remarks,
        })
    }
}

impl LateBoard {
    /// That its records are missing, in a sentence.
    pub fn in_words(&self, zone: &TimeZone) -> String {
        let LateBoard { board, site, until } = self;
        match until {
            Some(until) => {
                let until = until.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M");
                format!("{board} of {site} has sent its records up to {until}; later ones are missing")
            }
            None => format!("{board} of {site} has sent no records yet"),
        }
    }
}

/// Checks an amendment. `find` gives the record of a number.
///
/// # Errors
/// No reason, a time in the future, or a record that is not the person's at a door.
pub fn check(
    request: &AmendRequest,
    now: Timestamp,
    zone: &TimeZone,
    find: impl FnOnce(&str) -> Result<Option<Dated>, ApiError>,
) -> Result<(), ApiError> {
    let invalid = |why: &str| Err(ApiError::Invalid(why.to_owned()));
    if request.reason.trim().is_empty() {
        return invalid("say why: the reason is part of the record");
    }
    if let Some((_, at)) = &request.add
        && *at > now.saturating_add(AHEAD).unwrap_or(now)
    {
        return invalid("that is in the future; only the past can be amended");
    }
    let Some(which) = request.void else { return Ok(()) };
    let Some(dated) = find(&which.to_string())? else {
        return Err(ApiError::NoRecord { which: which.to_string() });
    };
    let record = &dated.record;
    let about = record.content.event().and_then(Event::person).and_then(Personal::known);
    // Somebody who was enrolled again has another number, and the same employee id.
    let same = about.is_some_and(|about| {
        let its_employee_id = about.card.as_ref().and_then(|card| card.employee_id.as_ref());
        about.id.0 == request.person || request.employee_id.is_some() && its_employee_id == request.employee_id.as_ref()
    });
    if same && ["granted", "passed", "attendance_amended"].contains(&record.kind.as_str()) {
        return Ok(());
    }
    let what = ledger::explain_in(record, zone);
    Err(ApiError::Invalid(format!("record {which} is not about {} at a door: {what}", request.name)))
}

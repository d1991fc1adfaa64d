//! Times as people write them on a command line.

use anyhow::{Context as _, Result};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, ZonedDateTime};
use thiserror::Error;

use crate::api::calendar as api;
use crate::domain::zone_named;
use crate::setup::house;

/// Why a text is not a time or a day.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TimeError {
    #[error("`{text}` is not a day: write it as in 2026-01-31, or `today`, `yesterday` or `tomorrow`{}", meant(text))]
    NotADay { text: String },
    #[error(
        "`{text}` is not a time: write 2026-01-31, 2026-01-31T08:00, 08:00, today, yesterday, tomorrow, or a span before now as in 2h or 7d{}",
        meant(text)
    )]
    NotATime { text: String },
}

/// What words such as `today` refer to: the time zone, and the time at which a day begins.
pub struct Calendar {
    now: ZonedDateTime,
    day_starts: Time,
}

/// A day as it was written. A [`Calendar`] resolves it to a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    Date(Date),
    Today,
    Yesterday,
    Tomorrow,
}

/// `2026-01-31`, `today`, `yesterday`, `tomorrow`.
pub fn parse_day(text: &str) -> Result<Day, TimeError> {
    match text {
        "today" => Ok(Day::Today),
        "yesterday" => Ok(Day::Yesterday),
        "tomorrow" => Ok(Day::Tomorrow),
        text => text.parse().map(Day::Date).map_err(|_| TimeError::NotADay { text: text.to_owned() }),
    }
}

/// `; did you mean 2026-01-31?` for a date as people write them: `31.1.2026`, `1/31/2026`, `2026/1/31`, `31 Jan 2026`. Both days where it could
/// be either.
fn meant(text: &str) -> String {
    let days: Vec<String> = readings(text).iter().map(Date::to_string).collect();
    if days.is_empty() { String::new() } else { format!("; did you mean {}?", days.join(" or ")) }
}

/// The dates that a text with a day, a month and a year can mean, in whatever order they are.
fn readings(text: &str) -> Vec<Date> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let parts: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let [one, two, three] = parts[..] else { return Vec::new() };
    let number = |part: &str| part.trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse::<i16>().ok();
    let month = |part: &str| {
        let part = part.to_lowercase();
        let place = MONTHS.iter().position(|name| part.starts_with(name))?;
        i16::try_from(place + 1).ok()
    };
    let year = |part: &str| number(part).map(|year| if part.len() <= 2 { year + 2000 } else { year });
    // Year, month and day, by the place that each has in the text.
    let mut orders = vec![(year(three), month(two).or_else(|| number(two)), number(one))];
    orders.push((year(three), month(one).or_else(|| number(one)), number(two)));
    orders.insert(0, (year(one).filter(|_| one.len() == 4), month(two).or_else(|| number(two)), number(three)));
    let mut found: Vec<Date> = Vec::new();
    for order in orders {
        let (Some(year), Some(month), Some(day)) = order else { continue };
        let (month, day) = (i8::try_from(month).unwrap_or_default(), i8::try_from(day).unwrap_or_default());
        let date = Date::new(year, month, day).ok().filter(|date| !found.contains(date));
        found.extend(date);
    }
    found
}

impl Calendar {
    /// That of attendance and of the journal, now.
    ///
    /// # Errors
    /// The time zone is not known on this machine.
    pub fn of_attendance(calendar: &api::Calendar) -> Result<Calendar> {
        let zone = zone(calendar.attendance_time_zone.as_deref())?;
        Ok(Calendar { day_starts: calendar.day_starts, ..Calendar::in_zone(zone) })
    }

    /// That of the device, now, in which days begin at midnight.
    ///
    /// # Errors
    /// The time zone is not known on this machine.
    pub fn of_device(calendar: &api::Calendar) -> Result<Calendar> {
        Ok(Calendar::in_zone(zone(calendar.time_zone.as_deref())?))
    }

    /// The calendar of a time zone, now, in which days begin at midnight.
    pub fn in_zone(zone: TimeZone) -> Calendar {
        Calendar { now: ZonedDateTime::now().with_time_zone(zone), day_starts: Time::midnight() }
    }

    /// The time zone.
    pub fn zone(&self) -> &TimeZone {
        self.now.time_zone()
    }

    /// The day that now belongs to: before the time at which days begin, the day before.
    pub fn today(&self) -> Date {
        match self.now.time() < self.day_starts {
            true => before(self.now.date()),
            false => self.now.date(),
        }
    }

    /// A day's date.
    pub fn date(&self, day: Day) -> Date {
        match day {
            Day::Date(date) => date,
            Day::Today => self.today(),
            Day::Yesterday => before(self.today()),
            Day::Tomorrow => after(self.today()),
        }
    }

    /// A time on a day that is named, as in `tomorrow 08:00`; `None` for anything else.
    pub fn on_a_day(&self, text: &str) -> Option<DateTime> {
        let (day, time) = text.split_once(' ')?;
        Some(self.date(parse_day(day).ok()?).to_datetime(time.trim().parse().ok()?))
    }

    /// `2026-01-31T08:00:00Z`, `2026-01-31T08:00`, `2026-01-31`, `08:00` (of today), `today`, `yesterday`, `tomorrow`, `yesterday 08:00`, `now`,
    /// or a span before now as in `2h` or `7d`. Local time where no offset is given; a day alone is its beginning.
    pub fn parse(&self, text: &str) -> Result<Timestamp, TimeError> {
        parse_at(text, self)
    }

    /// When a day begins.
    fn start_of(&self, day: Date) -> Result<Timestamp, jiff::Error> {
        self.local(day.to_datetime(self.day_starts))
    }

    fn local(&self, at: DateTime) -> Result<Timestamp, jiff::Error> {
        at.to_zoned_datetime(self.now.time_zone().clone()).map(|at| at.timestamp())
    }

    /// A time of today; it may be on the next date.
    fn time_of_today(&self, time: Time) -> Result<Timestamp, jiff::Error> {
        let date = match time < self.day_starts {
            true => self.today().checked_add(1.day())?,
            false => self.today(),
        };
        self.local(date.to_datetime(time))
    }
}

/// The zone of that name; the machine's without one.
fn zone(name: Option<&str>) -> Result<TimeZone> {
    match name {
        Some(name) => zone_named(name)
            .with_context(|| format!("the time zone {name} is not known on this machine: install the package tzdata")),
        None => house::system_zone(),
    }
}

fn after(date: Date) -> Date {
    date.tomorrow().unwrap_or(Date::MAX)
}

fn before(date: Date) -> Date {
    date.yesterday().unwrap_or(Date::MIN)
}

fn parse_at(text: &str, calendar: &Calendar) -> Result<Timestamp, TimeError> {
    let now = &calendar.now;
    let wrong = || TimeError::NotATime { text: text.to_owned() };
    match text {
        "now" => return Ok(now.timestamp()),
        "today" => return calendar.start_of(calendar.today()).map_err(|_| wrong()),
        "yesterday" => return calendar.start_of(before(calendar.today())).map_err(|_| wrong()),
        "tomorrow" => return calendar.start_of(after(calendar.today())).map_err(|_| wrong()),
        _ => {}
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Some(at) = calendar.on_a_day(text) {
        return calendar.local(at).map_err(|_| wrong());
    }
    // A date alone would also be read as a date with a time.
    if let (10, Ok(day)) = (text.len(), text.parse::<Date>()) {
        return calendar.start_of(day).map_err(|_| wrong());
    }
    if let Ok(at) = text.parse::<DateTime>() {
        return calendar.local(at).map_err(|_| wrong());
    }
    if let Ok(time) = text.parse::<Time>() {
        return calendar.time_of_today(time).map_err(|_| wrong());
    }
    let span: Span = text.parse().map_err(|_| wrong())?;
    let back = if span.is_negative() { span.negate() } else { span };
    now.checked_sub(back).map(|at| at.timestamp()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(now: &str, day_starts: i8) -> Calendar {
        Calendar { now: now.parse().unwrap(), day_starts: jiff::civil::time(day_starts, 0, 0, 0) }
    }

    #[test]
    fn today_depends_on_the_zone_and_on_when_days_begin() {
        // Eight in the evening in Los Angeles, three in the morning by UTC.
        let evening = calendar("2026-03-09T20:00:00[America/Los_Angeles]", 2);
        let shown = |calendar: &Calendar, text: &str| calendar.parse(text).unwrap().to_string();
        assert_eq!(evening.today().to_string(), "2026-03-09");
        assert_eq!(evening.date(parse_day("today").unwrap()), evening.today());
        assert_eq!(evening.date(parse_day("yesterday").unwrap()).to_string(), "2026-03-08");
        assert_eq!(shown(&evening, "today"), "2026-03-09T09:00:00Z");
        assert_eq!(shown(&evening, "2026-03-09"), shown(&evening, "today"));
        // After midnight, and before the day begins.
        let night = calendar("2026-03-10T01:00:00[America/Los_Angeles]", 2);
        assert_eq!(night.today(), evening.today());
        assert_eq!(shown(&night, "today"), shown(&evening, "today"));
        assert_eq!(shown(&night, "23:00"), "2026-03-10T06:00:00Z");
        assert_eq!(shown(&night, "01:30"), "2026-03-10T08:30:00Z");
        assert_eq!(calendar("2026-03-10T02:00:00[America/Los_Angeles]", 2).today().to_string(), "2026-03-10");
    }

    #[test]
    fn a_time_can_be_written_in_many_ways() {
        let calendar = calendar("2026-03-29T12:00:00[Europe/Berlin]", 0);
        let at = |text: &str| calendar.parse(text).map(|at| at.to_string());
        for (text, expected) in [
            ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00Z"),
            ("2026-01-31T08:00:00+02:00", "2026-01-31T06:00:00Z"),
            ("2026-01-31T08:00", "2026-01-31T07:00:00Z"),
            ("2026-01-31 08:00", "2026-01-31T07:00:00Z"),
            ("2026-01-31", "2026-01-30T23:00:00Z"),
            ("08:00", "2026-03-29T06:00:00Z"),
            ("today", "2026-03-28T23:00:00Z"),
            ("yesterday", "2026-03-27T23:00:00Z"),
            // The clock was put forward in that night.
            ("tomorrow", "2026-03-29T22:00:00Z"),
            ("yesterday 08:00", "2026-03-28T07:00:00Z"),
            ("tomorrow 08:00", "2026-03-30T06:00:00Z"),
            ("now", "2026-03-29T10:00:00Z"),
            ("2h", "2026-03-29T08:00:00Z"),
            // A day that had 23 hours.
            ("1d", "2026-03-28T11:00:00Z"),
        ] {
            assert_eq!(at(text), Ok(expected.to_owned()), "{text}");
        }
        for wrong in ["", "soon", "25:00", "2026-13-01", "7"] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_date_as_people_write_it_is_recognised_in_the_error() {
        for (text, days) in [
            ("31.1.2026", "2026-01-31"),
            ("31.01.26", "2026-01-31"),
            ("1/31/2026", "2026-01-31"),
            ("2026/1/31", "2026-01-31"),
            ("31 January 2026", "2026-01-31"),
            ("Jan 31st, 2026", "2026-01-31"),
            ("3/4/2026", "2026-04-03 or 2026-03-04"),
        ] {
            let error = parse_day(text).unwrap_err().to_string();
            assert!(error.ends_with(&format!("; did you mean {days}?")), "{error}");
            let error = calendar("2026-03-29T12:00:00[Europe/Berlin]", 0).parse(text).unwrap_err().to_string();
            assert!(error.ends_with(&format!("; did you mean {days}?")), "{error}");
        }
        for text in ["soon", "32.1.2026", "1.2", "", "9999999999.1.1"] {
            let error = parse_day(text).unwrap_err().to_string();
            assert!(!error.contains("did you mean"), "{error}");
        }
        assert_eq!(calendar("2026-03-29T12:00:00[Europe/Berlin]", 0).date(Day::Tomorrow).to_string(), "2026-03-30");
    }
}

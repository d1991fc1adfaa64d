//! Times as people write them on a command line.

use jiff::civil::{Date, DateTime, Time};
use jiff::{Span, Timestamp, ToSpan, ZonedDateTime};
use thiserror::Error;

use crate::ledger::attendance::Rules;

/// Why a text is not a time or a day.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TimeError {
    #[error("write a day as in 2026-01-31, or `today` or `yesterday`")]
    NotADay,
    #[error(
        "`{0}` is not a time: write 2026-01-31, 2026-01-31T08:00, 08:00, today, yesterday, or a span before now as in 2h or 7d"
    )]
    NotATime(String),
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
}

/// `2026-01-31`, `today`, `yesterday`.
pub fn parse_day(text: &str) -> Result<Day, TimeError> {
    match text {
        "today" => Ok(Day::Today),
        "yesterday" => Ok(Day::Yesterday),
        text => text.parse().map(Day::Date).map_err(|_| TimeError::NotADay),
    }
}

impl Calendar {
    /// The calendar of `[attendance]`, now.
    pub fn new(rules: &Rules) -> Calendar {
        Calendar { now: ZonedDateTime::now().with_time_zone(rules.zone.clone()), day_starts: rules.day_starts }
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
        }
    }

    /// `2026-01-31T08:00:00Z`, `2026-01-31T08:00`, `2026-01-31`, `08:00` (of today), `today`, `yesterday`, `now`, or a span before now as
    /// in `2h` or `7d`. Local time where no offset is given; a day alone is its beginning.
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

fn before(date: Date) -> Date {
    date.yesterday().unwrap_or(Date::MIN)
}

fn parse_at(text: &str, calendar: &Calendar) -> Result<Timestamp, TimeError> {
    let now = &calendar.now;
    let wrong = || TimeError::NotATime(text.to_owned());
    match text {
        "now" => return Ok(now.timestamp()),
        "today" => return calendar.start_of(calendar.today()).map_err(|_| wrong()),
        "yesterday" => return calendar.start_of(before(calendar.today())).map_err(|_| wrong()),
        _ => {}
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
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
}

//! Times as people write them on a command line.
//!
//! Knows nothing of what they are for.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ZonedDateTime};

/// `2026-01-31T08:00:00Z`, `2026-01-31T08:00`, `2026-01-31`, `08:00` (today), `today`, `yesterday`, `now`, or a span before now as in
/// `2h` or `7d`. Local time where no offset is given.
pub fn parse(text: &str) -> Result<Timestamp, String> {
    parse_at(text, &ZonedDateTime::now())
}

/// A day: `2026-01-31`, `today`, `yesterday`.
pub fn parse_day(text: &str) -> Result<Date, String> {
    let today = ZonedDateTime::now().date();
    match text {
        "today" => Ok(today),
        "yesterday" => today.yesterday().map_err(|e| e.to_string()),
        text => text.parse().map_err(|_| "a day as in 2026-01-31, or `today` or `yesterday`".to_owned()),
    }
}

/// As [`parse`], in a time zone.
pub fn parse_in(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    parse_at(text, &ZonedDateTime::now().with_time_zone(zone.clone()))
}

fn parse_at(text: &str, now: &ZonedDateTime) -> Result<Timestamp, String> {
    let zone = now.time_zone();
    let local = |at: DateTime| at.to_zoned_datetime(zone.clone()).map(|at| at.timestamp());
    let wrong = || {
        format!(
            "`{text}` is no time: write 2026-01-31, 2026-01-31T08:00, 08:00, today, yesterday, or a span before now as in 2h or 7d"
        )
    };
    let start_of = |day: Date| local(day.at(0, 0, 0, 0)).map_err(|_| wrong());
    match text {
        "now" => return Ok(now.timestamp()),
        "today" => return start_of(now.date()),
        "yesterday" => return start_of(now.date().yesterday().map_err(|_| wrong())?),
        _ => {}
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    // A date alone would also be read as a date with a time.
    if let (10, Ok(day)) = (text.len(), text.parse::<Date>()) {
        return start_of(day);
    }
    if let Ok(at) = text.parse::<DateTime>() {
        return local(at).map_err(|_| wrong());
    }
    if let Ok(time) = text.parse::<Time>() {
        return local(now.date().to_datetime(time)).map_err(|_| wrong());
    }
    let span: Span = text.parse().map_err(|_| wrong())?;
    let back = if span.is_negative() { span.negate() } else { span };
    now.checked_sub(back).map(|at| at.timestamp()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_s_ways_to_write_a_time() {
        let now: ZonedDateTime = "2026-03-29T12:00:00[Europe/Berlin]".parse().unwrap();
        let at = |text: &str| parse_at(text, &now).map(|at| at.to_string());
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
            assert_eq!(at(text).as_deref(), Ok(expected), "{text}");
        }
        for wrong in ["", "soon", "25:00", "2026-13-01", "7"] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }
}

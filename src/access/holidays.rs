//! Holidays: a list of dates with names, as people write them.
//!
//! ```text
//! # A comment. A date with a year is that day; without a year, that day of every year.
//! 2026-04-03 Good Friday
//! 12-25 Christmas Day
//! ```

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;

/// Dates and their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holidays {
    once: BTreeMap<Date, String>,
    /// Month and day.
    yearly: BTreeMap<(i8, i8), String>,
}

/// A line that is not a holiday.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    pub why: HolidayError,
}

/// What is wrong with a line.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum HolidayError {
    #[error("`{0}` is not a date; write 2026-12-25, or 12-25 for every year")]
    NotADate(String),
    #[error("{0} is listed twice")]
    Duplicate(String),
}

impl Holidays {
    /// Parses a list. The error lists all lines that are wrong.
    pub fn parse(text: &str) -> Result<Holidays, Vec<BadLine>> {
        let (mut holidays, mut bad) = (Holidays::default(), Vec::new());
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let (date, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            if let Err(why) = holidays.add(date, name.trim()) {
                bad.push(BadLine { line: index + 1, why });
            }
        }
        if bad.is_empty() { Ok(holidays) } else { Err(bad) }
    }

    /// The name of the holiday on `day`, which may be empty; `None` if it is not a holiday.
    pub fn name(&self, day: Date) -> Option<&str> {
        self.once.get(&day).or_else(|| self.yearly.get(&(day.month(), day.day()))).map(String::as_str)
    }

    /// The holidays from `day` on that lie within a year, in order.
    pub fn of_a_year(&self, day: Date) -> Vec<(Date, &str)> {
        let end = day.checked_add(1.year()).unwrap_or(Date::MAX);
        let once = self.once.iter().map(|(date, name)| (*date, name.as_str()));
        let in_year = |year: i16| {
            let dates = self.yearly.iter().filter_map(move |((month, day), _)| Date::new(year, *month, *day).ok());
            dates.filter_map(|date| Some((date, self.name(date)?)))
        };
        let yearly = in_year(day.year()).chain(in_year(end.year()));
        let within = once.chain(yearly).filter(|(date, _)| (day..end).contains(date));
        within.collect::<BTreeMap<Date, &str>>().into_iter().collect()
    }

    /// The number of dates.
    pub fn len(&self) -> usize {
        self.once.len() + self.yearly.len()
    }

    /// Whether there are no dates.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn add(&mut self, date: &str, name: &str) -> Result<(), HolidayError> {
        let shown: String = date.chars().take(20).collect();
        let wanted = || HolidayError::NotADate(shown.clone());
        let plain = date.chars().all(|c| c.is_ascii_digit() || c == '-');
        let before = match date.split('-').collect::<Vec<_>>()[..] {
            [_, _, _] if plain && date.len() == 10 => {
                let day: Date = date.parse().map_err(|_| wanted())?;
                self.once.insert(day, name.to_owned())
            }
            [month, day] if plain && date.len() == 5 => {
                let number = |text: &str| text.parse::<i8>().map_err(|_| wanted());
                let (month, day) = (number(month)?, number(day)?);
                // A leap year has every possible day.
                Date::new(2024, month, day).map_err(|_| wanted())?;
                self.yearly.insert((month, day), name.to_owned())
            }
            _ => return Err(wanted()),
        };
        match before {
            Some(_) => Err(HolidayError::Duplicate(shown)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    #[test]
    fn dates_are_once_or_every_year() {
        let text = "\u{feff}# ours\n2026-04-03 Good Friday\r\n\n12-25   Christmas Day # every year\n02-29\n";
        let holidays = Holidays::parse(text).unwrap();
        assert_eq!(holidays.len(), 3);
        assert_eq!(holidays.name(date(2026, 4, 3)), Some("Good Friday"));
        assert_eq!(holidays.name(date(2027, 4, 3)), None);
        assert_eq!(holidays.name(date(2031, 12, 25)), Some("Christmas Day"));
        assert_eq!(holidays.name(date(2028, 2, 29)), Some(""));
    }

    #[test]
    fn every_invalid_line_is_reported() {
        let text = "2026-12-25 fine\n2026-13-01\nChristmas\n12-32\n25.12.2026 so\n2026-12-25 again\n1-1\n+1-01\n";
        let lines: Vec<usize> = Holidays::parse(text).unwrap_err().iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8]);
        assert!(Holidays::parse(text).unwrap_err()[4].why.to_string().contains("listed twice"));
    }

    proptest! {
        #[test]
        fn parsing_any_text_never_panics(text in "\\PC{0,80}(\n[0-9-]{0,12} ?\\PC{0,5}){0,5}") {
            let _ = Holidays::parse(&text);
        }
    }
}

//! Values that are written as one text or number and read into more: spans of days, limits, times of day, hours of the week.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::text;
use crate::domain::{Assurance, UnknownAssurance};

/// The text is no such value; the rule of its key says what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a value of this kind")]
pub struct NotRead;

/// Reads and writes a type as text, by its `FromStr` and `Display`.
macro_rules! as_text {
    ($($type:ident),*) => {$(
        impl TryFrom<String> for $type {
            type Error = NotRead;

            fn try_from(text: String) -> Result<$type, NotRead> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.to_string()
            }
        }
    )*};
}
as_text!(Keep, MaxSize, DayStart, Hours, Window);

/// For how many days records are kept. `None`, written `off`: without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Keep(pub Option<u32>);

/// The units of a long span, in days, largest first.
const LONG_UNITS: [(&str, u32); 3] = [("y", 365), ("w", 7), ("d", 1)];

/// A hundred years.
const LONGEST_DAYS: u32 = 36_500;

impl FromStr for Keep {
    type Err = NotRead;

    fn from_str(text: &str) -> Result<Keep, NotRead> {
        if text == "off" {
            return Ok(Keep(None));
        }
        let (number, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
        let (_, unit) = LONG_UNITS.iter().find(|(name, _)| *name == unit.trim_start()).ok_or(NotRead)?;
        let days = number.parse::<u32>().ok().and_then(|number| number.checked_mul(*unit));
        days.filter(|days| (1..=LONGEST_DAYS).contains(days)).map(|days| Keep(Some(days))).ok_or(NotRead)
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(days) = self.0 else { return f.write_str("off") };
        let (name, unit) = LONG_UNITS.iter().find(|(_, unit)| days.is_multiple_of(*unit)).unwrap_or(&("d", 1));
        write!(f, "{}{name}", days / unit)
    }
}

/// How many bytes of records are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum MaxSize {
    /// 1 GiB, or a tenth of the file system where that is less.
    #[default]
    Auto,
    /// No limit. Written `off`.
    Any,
    Bytes(u64),
}

impl FromStr for MaxSize {
    type Err = NotRead;

    fn from_str(text: &str) -> Result<MaxSize, NotRead> {
        match text {
            "auto" => Ok(MaxSize::Auto),
            "off" => Ok(MaxSize::Any),
            // Below 64 MiB the store's own bookkeeping would be most of it.
            size => text::read_size(size)
                .filter(|bytes| (64 << 20..=1 << 40).contains(bytes))
                .map(MaxSize::Bytes)
                .ok_or(NotRead),
        }
    }
}

impl fmt::Display for MaxSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MaxSize::Auto => f.write_str("auto"),
            MaxSize::Any => f.write_str("off"),
            MaxSize::Bytes(bytes) => f.write_str(&text::size(*bytes)),
        }
    }
}

/// The largest distance at which a face is taken for a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "WordOrNumber", into = "WordOrNumber")]
pub enum DistanceLimit {
    /// From the model's calibration, `access.false_identification_rate` and the people enrolled.
    #[default]
    Auto,
    /// This distance, from 0 to 2. 64 bits keep it as it was written.
    Fixed(f64),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WordOrNumber {
    Number(f64),
    Word(String),
}

impl From<WordOrNumber> for DistanceLimit {
    fn from(written: WordOrNumber) -> DistanceLimit {
        match written {
            WordOrNumber::Number(distance) => DistanceLimit::Fixed(distance),
            WordOrNumber::Word(_) => DistanceLimit::Auto,
        }
    }
}

impl From<DistanceLimit> for WordOrNumber {
    fn from(limit: DistanceLimit) -> WordOrNumber {
        match limit {
            DistanceLimit::Fixed(distance) => WordOrNumber::Number(distance),
            DistanceLimit::Auto => WordOrNumber::Word("auto".to_owned()),
        }
    }
}

/// What a door asks of people beyond being recognised. Written as a word, or as a list of words of which any suffices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WordOrWords", into = "WordOrWords")]
pub enum Asked {
    /// By what drives the lock: [`Assurance::Challenge`] for a real one, [`Assurance::Recognised`] for a simulated one.
    #[default]
    Auto,
    /// Any of these, in the order in which people are told.
    Any(Tiers),
}

/// Tiers of which any suffices; at least one. Written as [`Asked`], without `auto`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WordOrWords", into = "WordOrWords")]
pub struct Tiers(pub Vec<Assurance>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WordOrWords {
    Word(String),
    Words(Vec<String>),
}

impl TryFrom<WordOrWords> for Tiers {
    type Error = UnknownAssurance;

    fn try_from(written: WordOrWords) -> Result<Tiers, UnknownAssurance> {
        let words = match written {
            WordOrWords::Word(word) => vec![word],
            WordOrWords::Words(words) => words,
        };
        let mut tiers = Vec::with_capacity(words.len());
        for word in words {
            let tier = word.parse()?;
            if !tiers.contains(&tier) {
                tiers.push(tier);
            }
        }
        Ok(Tiers(tiers))
    }
}

impl From<Tiers> for WordOrWords {
    fn from(Tiers(tiers): Tiers) -> WordOrWords {
        match tiers.as_slice() {
            [only] => WordOrWords::Word(only.to_string()),
            several => WordOrWords::Words(several.iter().map(Assurance::to_string).collect()),
        }
    }
}

impl TryFrom<WordOrWords> for Asked {
    type Error = UnknownAssurance;

    fn try_from(written: WordOrWords) -> Result<Asked, UnknownAssurance> {
        match written {
            WordOrWords::Word(word) if word == "auto" => Ok(Asked::Auto),
            other => Tiers::try_from(other).map(Asked::Any),
        }
    }
}

impl From<Asked> for WordOrWords {
    fn from(asked: Asked) -> WordOrWords {
        match asked {
            Asked::Auto => WordOrWords::Word("auto".to_owned()),
            Asked::Any(tiers) => tiers.into(),
        }
    }
}

/// The time of day at which a day of work begins, in minutes after midnight. Written `04:00`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DayStart(pub u16);

impl FromStr for DayStart {
    type Err = NotRead;

    fn from_str(text: &str) -> Result<DayStart, NotRead> {
        minutes(text).filter(|minutes| *minutes < DAY_MIN).map(DayStart).ok_or(NotRead)
    }
}

impl fmt::Display for DayStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&clock(self.0))
    }
}

const DAY_MIN: u16 = 24 * 60;

/// Minutes after midnight, from `00:00` to `24:00`.
fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| text.len() == 2 && !text.starts_with('+'));
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let all = hours.checked_mul(60)?.checked_add(minutes)?;
    (minutes < 60 && all <= DAY_MIN).then_some(all)
}

fn clock(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A part of a day. Written `08:00-18:00`; `22:00-06:00` ends on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    /// Minutes after midnight.
    pub from_min: u16,
    /// Minutes after the same midnight; above 1440 on the next day.
    pub to_min: u16,
}

impl FromStr for Window {
    type Err = NotRead;

    fn from_str(text: &str) -> Result<Window, NotRead> {
        let (from, to) = text.trim().split_once('-').ok_or(NotRead)?;
        let (from_min, to_min) = (minutes(from).ok_or(NotRead)?, minutes(to).ok_or(NotRead)?);
        let whole_day = to_min.checked_sub(from_min) == Some(DAY_MIN);
        // The same time at both ends could mean a whole day or no time at all; a whole day is 00:00-24:00.
        if from_min % DAY_MIN == to_min % DAY_MIN && !whole_day {
            return Err(NotRead);
        }
        let to_min = if to_min > from_min { to_min } else { to_min + DAY_MIN };
        Ok(Window { from_min, to_min })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = if self.to_min > DAY_MIN { self.to_min - DAY_MIN } else { self.to_min };
        write!(f, "{}-{}", clock(self.from_min), clock(to))
    }
}

/// A window on some days of the week. Written `mon-fri 08:00-18:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hours {
    /// Monday to Sunday.
    pub days: [bool; 7],
    pub window: Window,
}

impl FromStr for Hours {
    type Err = NotRead;

    fn from_str(text: &str) -> Result<Hours, NotRead> {
        let (days, window) = text.trim().split_once(char::is_whitespace).ok_or(NotRead)?;
        let days = read_days(&days.to_lowercase()).ok_or(NotRead)?;
        Ok(Hours { days, window: window.parse()? })
    }
}

fn read_days(text: &str) -> Option<[bool; 7]> {
    if text == "daily" {
        return Some([true; 7]);
    }
    let place = |day: &str| DAYS.iter().position(|name| *name == day);
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (place(first)?, place(last)?);
        // fri-mon spans the weekend.
        let count = (last + 7 - first) % 7 + 1;
        (0..7).cycle().skip(first).take(count).for_each(|day: usize| {
            if let Some(day) = days.get_mut(day) {
                *day = true;
            }
        });
    }
    Some(days)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<&str> = DAYS.iter().zip(self.days).filter(|(_, on)| *on).map(|(day, _)| *day).collect();
        let days = if days.len() == 7 { "daily".to_owned() } else { days.join(",") };
        write!(f, "{days} {}", self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_hours_are_read_as_people_write_them() {
        let week = |text: &str| text.chars().map(|c| c == 'x').collect::<Vec<_>>();
        let read = |text: &str| text.parse().map(|h: Hours| (h.days.to_vec(), h.window.from_min, h.window.to_min));
        assert_eq!(read("mon-fri 08:00-18:30"), Ok((week("xxxxx.."), 480, 1110)));
        assert_eq!(read("Sat,sun  22:00-06:00"), Ok((week(".....xx"), 1320, 1800)));
        assert_eq!(read("fri-mon 00:00-24:00"), Ok((week("x...xxx"), 0, 1440)));
        assert_eq!(read("daily 12:00-00:00"), Ok((week("xxxxxxx"), 720, 1440)));
        for wrong in [
            "",
            "mon",
            "08:00-18:00",
            "mon 8-18",
            "moon 08:00-18:00",
            "mon 08:00-25:00",
            "mon 08:60-09:00",
            "mon 08:00-08:00",
            "mon 24:00-00:00",
            "mon-fri-sat 01:00-02:00",
            "mon 1:00-02:00",
        ] {
            assert!(wrong.parse::<Hours>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        for text in ["mon,tue,wed,thu,fri 08:00-18:30", "sat,sun 22:00-06:00", "daily 00:00-24:00"] {
            assert_eq!(text.parse::<Hours>().unwrap().to_string(), text);
        }
        assert_eq!("12:00-00:00".parse::<Window>().unwrap().to_string(), "12:00-24:00");
        for text in ["off", "3d", "26w", "2y"] {
            assert_eq!(text.parse::<Keep>().unwrap().to_string(), text);
        }
        for text in ["auto", "off", "64MiB", "2GiB", "1TiB"] {
            assert_eq!(text.parse::<MaxSize>().unwrap().to_string(), text);
        }
        assert_eq!("04:30".parse::<DayStart>().unwrap().to_string(), "04:30");
        for wrong in ["0d", "36501d", "d", "1", "1 m"] {
            assert!(wrong.parse::<Keep>().is_err(), "{wrong}");
        }
        for wrong in ["63MiB", "2TiB", "5", "big"] {
            assert!(wrong.parse::<MaxSize>().is_err(), "{wrong}");
        }
        for wrong in ["24:00", "4:00", "04:60", "noon"] {
            assert!(wrong.parse::<DayStart>().is_err(), "{wrong}");
        }
    }
}

//! `[journal]` and `[attendance]`.
//!
//! Knows nothing of records.

use super::passing::time_zone;
use super::rules::seconds;
use crate::config::reader::Section;
use crate::config::settings::{Attendance, AttendanceMethod, Journal, MaxSize, OnJournalFailure};
use crate::config::text::{bytes, from_bytes, quote};
use crate::config::tree::Value;

pub(super) fn journal(mut section: Section<'_>) -> Journal {
    let journal = Journal {
        keep_days: keep(&mut section),
        max_size: max_size(&mut section),
        on_failure: section
            .choice("on_journal_failure", [("deny", OnJournalFailure::Deny), ("allow", OnJournalFailure::Allow)]),
        exit_on_failure: section
            .choice("exit_on_journal_failure", [("allow", OnJournalFailure::Allow), ("deny", OnJournalFailure::Deny)]),
        gap_path: section.path("gap_path", ""),
    };
    section.close();
    journal
}

/// The units of a long span, in days, largest first.
const UNITS: [(&str, u32); 3] = [("y", 365), ("w", 7), ("d", 1)];
/// A day, so that nothing is deleted that somebody may still look for; a century.
const KEEP_DAYS: std::ops::RangeInclusive<u32> = 1..=36_500;

fn keep(section: &mut Section<'_>) -> Option<u32> {
    let days = |text: &str| {
        let (number, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
        let (_, days) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
        number.parse::<u32>().ok()?.checked_mul(*days).filter(|days| KEEP_DAYS.contains(days))
    };
    let read = |value: &Value| match value.text() {
        Some("off") => Ok(None),
        text => text.and_then(days).map(Some).ok_or_else(|| {
            "\"off\", or a span from \"1d\" to \"100y\": a whole number and one of d, w, y, in quotes".to_string()
        }),
    };
    let write = |days: &Option<u32>| match days {
        None => quote("off"),
        Some(days) => {
            let (unit, size) = UNITS.iter().find(|(_, size)| days.is_multiple_of(*size)).unwrap_or(&UNITS[2]);
            quote(&format!("{}{unit}", days / size))
        }
    };
    section.ask("keep", None, read, write)
}

fn max_size(section: &mut Section<'_>) -> MaxSize {
    // Below this the store's own bookkeeping would be most of it.
    let range = 64u64 << 20..=1 << 40;
    let read = |value: &Value| match value.text() {
        Some("auto") => Ok(MaxSize::Auto),
        Some("off") => Ok(MaxSize::Any),
        text => text.and_then(bytes).filter(|bytes| range.contains(bytes)).map(MaxSize::Bytes).ok_or_else(|| {
            "\"auto\", \"off\", or a size from \"64MB\" to \"1024GB\": a whole number and one of KB, MB, GB, in quotes"
                .to_string()
        }),
    };
    let write = |size: &MaxSize| match size {
        MaxSize::Auto => quote("auto"),
        MaxSize::Any => quote("off"),
        MaxSize::Bytes(bytes) => quote(&from_bytes(*bytes)),
    };
    section.ask("max_size", MaxSize::Auto, read, write)
}

pub(super) fn attendance(mut section: Section<'_>) -> Attendance {
    let attendance = Attendance {
        method: section.choice(
            "method",
            [
                ("side", AttendanceMethod::Side),
                ("alternate", AttendanceMethod::Alternate),
                ("first-last", AttendanceMethod::FirstLast),
            ],
        ),
        double_read: section.duration("double_read", seconds(0)..=seconds(3600), seconds(120)),
        day_starts_min: day_starts(&mut section),
        time_zone: time_zone(&mut section),
        long_day: section.duration("long_day", seconds(3600)..=seconds(48 * 3600), seconds(12 * 3600)),
        longest_stint: section.duration("longest_stint", seconds(3600)..=seconds(72 * 3600), seconds(26 * 3600)),
    };
    section.close();
    attendance
}

fn day_starts(section: &mut Section<'_>) -> u16 {
    let minutes = |text: &str| {
        let (hours, minutes) = text.split_once(':')?;
        let plain = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
        (plain(text.split_once(':')?.0) && plain(text.split_once(':')?.1) && hours < 24 && minutes < 60)
            .then_some(hours * 60 + minutes)
    };
    let read = |value: &Value| {
        value.text().and_then(minutes).ok_or_else(|| "a time from \"00:00\" to \"23:59\", in quotes".to_string())
    };
    section.ask("day_starts", 0, read, |at| quote(&format!("{:02}:{:02}", at / 60, at % 60)))
}

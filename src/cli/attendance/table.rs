//! Attendance as tables, and as JSON.

use std::io::Write;

use anyhow::Result;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::api::attendance::{Absent, Attendance, AttendanceDay, DaySheet, DaysTotal};
use crate::cli::listing::Listing;
use crate::cli::print::Tone;
use crate::ledger::attendance::hours_and_minutes;

/// A table with a line for each day of each person.
pub fn print(out: &mut impl Write, days: &[AttendanceDay], zone: &TimeZone) -> Result<()> {
    if days.is_empty() {
        writeln!(out, "There are no readings for that time.")?;
        return Ok(());
    }
    let heads = ["DATE", "#", "NAME", "IN", "OUT", "HOURS", "GAPS", "REMARKS"];
    let mut table = Listing::new(heads).giving_way(&["GAPS", "#"]);
    for day in days {
        let at = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| clock(at, zone));
        let last = if day.open { "open".to_owned() } else { at(day.last_out) };
        let tone = if day.anomalies.is_empty() { Tone::Plain } else { Tone::Warning };
        let cells = [
            day.date.to_string(),
            day.person.id.to_string(),
            day.person.name.clone(),
            at(day.first_in),
            last,
            hours(day.worked_seconds),
            if day.gap_seconds == 0 { String::new() } else { hours(day.gap_seconds) },
            day.anomalies.iter().map(|anomaly| words(anomaly)).collect::<Vec<_>>().join(", "),
        ];
        table.row(tone, cells);
    }
    table.write(out)?;
    Ok(())
}

/// A line of JSON for each day of each person. Times are UTC, spans whole seconds.
pub fn json(out: &mut impl Write, days: &[AttendanceDay]) -> Result<()> {
    lines(out, days)
}

/// A line for each week of each person, and one for all days together.
pub fn totals(out: &mut impl Write, found: &Attendance) -> Result<()> {
    if found.totals.is_empty() {
        writeln!(out, "There are no readings for that time.")?;
        return Ok(());
    }
    let mut table = Listing::new(["#", "NAME", "WEEK", "DAYS", "HOURS", "GAPS", "REMARKS"]).giving_way(&["GAPS", "#"]);
    for of_one in &found.totals {
        let mut row = |week: String, total: &DaysTotal| {
            let DaysTotal { days, worked_seconds, gap_seconds, open, anomalous } = *total;
            let remarks = [(open, "open"), (anomalous, "with remarks")];
            let remarks = remarks.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
            let cells = [
                of_one.person.id.to_string(),
                of_one.person.name.clone(),
                week,
                days.to_string(),
                hours(worked_seconds),
                if gap_seconds == 0 { String::new() } else { hours(gap_seconds) },
                remarks.collect::<Vec<_>>().join(", "),
            ];
            table.row(if anomalous > 0 { Tone::Warning } else { Tone::Plain }, cells);
        };
        for week in &of_one.weeks {
            row(format!("{}-W{:02}", week.year, week.week), &week.total);
        }
        row(format!("{} to {}", found.from, found.to), &of_one.total);
    }
    Ok(table.write(out)?)
}

/// A line of JSON for each person.
pub fn totals_json(out: &mut impl Write, found: &Attendance) -> Result<()> {
    lines(out, &found.totals)
}

/// A line for each absentee.
pub fn absent(out: &mut impl Write, sheet: &DaySheet) -> Result<()> {
    if sheet.absent.is_empty() {
        writeln!(out, "Nobody was absent on {}.", sheet.date)?;
        return Ok(());
    }
    let mut table = Listing::new(["DATE", "#", "NAME", "GROUPS", "REMARKS"]).giving_way(&["GROUPS", "#"]);
    for Absent { person, holiday, no_hours } in &sheet.absent {
        let remark = match (holiday.as_deref(), no_hours) {
            (Some(""), _) => "a holiday",
            (Some(name), _) => name,
            (None, true) => "no hours on that day",
            (None, false) => "",
        };
        table.row(
            Tone::Plain,
            [
                sheet.date.to_string(),
                person.id.to_string(),
                person.name.clone(),
                person.groups.join(", "),
                remark.to_owned(),
            ],
        );
    }
    Ok(table.write(out)?)
}

/// A line of JSON for each absentee.
pub fn absent_json(out: &mut impl Write, sheet: &DaySheet) -> Result<()> {
    lines(out, &sheet.absent)
}

fn lines(out: &mut impl Write, items: &[impl Serialize]) -> Result<()> {
    for item in items {
        writeln!(out, "{}", serde_json::to_string(item)?)?;
    }
    Ok(())
}

/// `08:30`, in that zone.
pub fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned_datetime(zone.clone()).strftime("%H:%M").to_string()
}

/// `7:45`, whole minutes.
fn hours(seconds: i64) -> String {
    hours_and_minutes(SignedDuration::from_secs(seconds))
}

/// An anomaly as exports name it, in words.
fn words(anomaly: &str) -> &str {
    match anomaly {
        "out_without_in" => "out without in",
        "in_twice" => "in twice",
        "no_out" => "no out",
        "long_day" => "long day",
        "no_direction" => "a camera without a side",
        "clock_not_set" => "the clock was not set",
        other => other,
    }
}

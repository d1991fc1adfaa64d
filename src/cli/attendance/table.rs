//! Attendance as a table, and as JSON.

use std::io::Write;

use anyhow::Result;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Found;
use crate::cli::listing::Listing;
use crate::cli::print::Tone;
use crate::ledger::attendance::{Anomaly, Day, Reading, Stint};

/// A table with a line for each day of each person.
pub fn print(out: &mut impl Write, found: &Found, zone: &TimeZone) -> Result<()> {
    if found.days.is_empty() {
        writeln!(out, "There are no readings for that time.")?;
        return Ok(());
    }
    let heads = ["DATE", "#", "NAME", "IN", "OUT", "HOURS", "GAPS", "REMARKS"];
    let mut table = Listing::new(heads).giving_way(&["GAPS", "#"]);
    for day in &found.days {
        let at = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| clock(at, zone));
        let last = if day.open { "open".to_owned() } else { at(day.last_out()) };
        let tone = if day.anomalies.is_empty() { Tone::Plain } else { Tone::Warning };
        let cells = [
            day.date.to_string(),
            day.person.to_string(),
            day.name.clone(),
            at(day.first_in()),
            last,
            hours(day.worked),
            if day.gaps.is_zero() { String::new() } else { hours(day.gaps) },
            day.anomalies.iter().map(|anomaly| words(*anomaly)).collect::<Vec<_>>().join(", "),
        ];
        table.row(tone, cells);
    }
    table.write(out)?;
    Ok(())
}

/// A line of JSON for each day of each person. Times are UTC, spans whole seconds.
pub fn json(out: &mut impl Write, found: &Found) -> Result<()> {
    for day in &found.days {
        writeln!(out, "{}", object(day, &found.employee(day)))?;
    }
    Ok(())
}

fn object(day: &Day, employee: &str) -> Value {
    let reading = |reading: &Option<Reading>| {
        reading.as_ref().map(|reading| {
            json!({
                "at": reading.at.to_string(), "id": reading.id.to_string(), "record": reading.record,
                "door": reading.door, "amended": reading.amended,
            })
        })
    };
    let stint = |stint: &Stint| json!({ "in": reading(&stint.came), "out": reading(&stint.went), "seconds": stint.lasted().map(|l| l.as_secs()) });
    json!({
        "date": day.date.to_string(),
        "person": {
            "id": day.person.0, "name": day.name, "employee_id": day.card.employee_id, "groups": day.card.groups,
        },
        "employee": employee,
        "first_in": day.first_in().map(|at| at.to_string()),
        "last_out": day.last_out().map(|at| at.to_string()),
        "worked_seconds": day.worked.as_secs(),
        "gap_seconds": day.gaps.as_secs(),
        "open": day.open,
        "anomalies": day.anomalies.iter().map(|anomaly| anomaly.as_str()).collect::<Vec<_>>(),
        "stints": day.stints.iter().map(stint).collect::<Vec<_>>(),
    })
}

/// `08:30`, in that zone.
pub fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned_datetime(zone.clone()).strftime("%H:%M").to_string()
}

/// `7:45`, whole minutes.
pub fn hours(span: SignedDuration) -> String {
    let minutes = span.as_mins();
    format!("{}:{:02}", minutes / 60, minutes % 60)
}

fn words(anomaly: Anomaly) -> &'static str {
    match anomaly {
        Anomaly::OutWithoutIn => "out without in",
        Anomaly::InTwice => "in twice",
        Anomaly::NoOut => "no out",
        Anomaly::LongDay => "long day",
        Anomaly::NoDirection => "a camera without a side",
        Anomaly::ClockNotSet => "the clock was not set",
    }
}

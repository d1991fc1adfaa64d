//! The journal as a table for auditors: a row for each record, in words and in full.

use std::io::Write;
use std::time::SystemTime;

use anyhow::Result;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::cli::export::plain;
use crate::ledger::{Dated, explain_dated};

/// `time` is the local time with its offset, as the record is dated; `clock` what its own clock showed, in UTC.
const HEADINGS: [&str; 21] = [
    "seq",
    "id",
    "time",
    "clock",
    "synchronised",
    "boot",
    "since_boot_ms",
    "kind",
    "what",
    "door",
    "direction",
    "reason",
    "person",
    "employee_id",
    "name",
    "groups",
    "by",
    "erased",
    "content",
    "previous",
    "hash",
];

/// The table, as CSV.
pub struct Table<'a, W: Write> {
    csv: csv::Writer<W>,
    zone: &'a TimeZone,
}

impl<'a, W: Write> Table<'a, W> {
    /// Writes the headings.
    pub fn begin(mut csv: csv::Writer<W>, zone: &'a TimeZone) -> Result<Table<'a, W>> {
        csv.write_record(HEADINGS)?;
        Ok(Table { csv, zone })
    }

    /// Writes a row.
    pub fn write(&mut self, dated: &Dated) -> Result<()> {
        let json = dated.record.to_json();
        let content = &json["content"];
        let person = &content["person"];
        let groups = person["groups"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join("; ");
        // The line begins with the time of day, which has a column of its own.
        let line = explain_dated(dated, self.zone);
        let what = line.split_once(' ').map_or(line.as_str(), |(_, what)| what);
        self.csv.write_record([
            text(&json["seq"]),
            text(&json["id"]),
            local(dated.at, self.zone),
            text(&json["time"]),
            text(&json["synchronised"]),
            text(&json["boot"]),
            text(&json["since_boot_ms"]),
            text(&json["kind"]),
            plain(what),
            plain(&text(&content["door"])),
            text(&content["direction"]),
            plain(&text(&content["reason"])),
            text(&person["id"]),
            plain(&text(&person["employee_id"])),
            plain(&text(&person["name"])),
            plain(&groups),
            plain(&text(&content["by"])),
            text(&json["erased"]),
            content.to_string(),
            text(&json["previous"]),
            text(&json["hash"]),
        ])?;
        Ok(())
    }

    /// To be called in the end.
    pub fn finish(mut self) -> Result<()> {
        Ok(self.csv.flush()?)
    }
}

/// `2026-01-02T11:32:07.123456+01:00`
fn local(at: SystemTime, zone: &TimeZone) -> String {
    let shown = |at: Timestamp| at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.6f%:z").to_string();
    Timestamp::try_from(at).map_or_else(|_| String::new(), shown)
}

/// Without quotes; nothing for null.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

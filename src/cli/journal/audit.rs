//! The journal as a CSV table for auditors: a row for each record, in words and in full.

use std::io::Write;
use std::time::SystemTime;

use anyhow::Result;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::{Event, Personal};
use crate::ledger::{Dated, Record, explain_dated};
use crate::table::no_formula;

/// `time` is the corrected local time with its offset; `clock` is what the record's own clock showed, in UTC.
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

/// More columns where the records are those of a fleet's boards.
const OF_FLEET: [&str; 2] = ["board", "site"];

/// The table, as CSV.
pub struct Table<'a, W: Write> {
    csv: csv::Writer<W>,
    has_headings: bool,
    zone: &'a TimeZone,
}

impl<'a, W: Write> Table<'a, W> {
    /// A table without rows.
    pub fn begin(csv: csv::Writer<W>, zone: &'a TimeZone) -> Table<'a, W> {
        Table { csv, has_headings: false, zone }
    }

    fn headings(&mut self, of_fleet: bool) -> Result<()> {
        if !self.has_headings {
            self.csv.write_record(HEADINGS.iter().chain(OF_FLEET.iter().filter(|_| of_fleet)))?;
            self.has_headings = true;
        }
        Ok(())
    }

    /// Writes a row.
    pub fn write(&mut self, dated: &Dated) -> Result<()> {
        self.headings(dated.origin.is_some())?;
        let Record { seq, id, synchronised, boot, since_boot, kind, content, erased, .. } = &dated.record;
        let (previous, hash) = dated.record.hashes();
        let event = content.event();
        let person = event.and_then(Event::person).and_then(Personal::known);
        let card = person.and_then(|person| person.card.as_ref());
        let text = |text: Option<&String>| text.map(|text| no_formula(text)).unwrap_or_default();
        // The line begins with the time of day, which has a column of its own.
        let line = explain_dated(dated, self.zone);
        let what = line.split_once(' ').map_or(line.as_str(), |(_, what)| what);
        let origin = dated.origin.iter().flat_map(|origin| [origin.board.clone(), origin.site.clone()]);
        let fields = [
            seq.to_string(),
            id.to_string(),
            local(dated.at, self.zone),
            dated.record.time(),
            synchronised.map(|set| set.to_string()).unwrap_or_default(),
            boot.to_string(),
            since_boot.as_millis().to_string(),
            kind.clone(),
            no_formula(what),
            event.and_then(Event::door).map(no_formula).unwrap_or_default(),
            event.and_then(Event::direction).map(|way| way.as_str().to_owned()).unwrap_or_default(),
            text(event.and_then(Event::reason).as_ref()),
            person.map(|person| person.id.to_string()).unwrap_or_default(),
            text(card.and_then(|card| card.employee_id.as_ref())),
            text(person.and_then(|person| person.name.as_ref())),
            text(card.map(|card| card.groups.join("; ")).as_ref()),
            text(event.and_then(Event::by).map(ToString::to_string).as_ref()),
            erased.to_string(),
            content.to_json().to_string(),
            previous,
            hash,
        ];
        Ok(self.csv.write_record(fields.into_iter().chain(origin))?)
    }

    /// Flushes the table. One without rows has its headings.
    pub fn finish(mut self) -> Result<()> {
        self.headings(false)?;
        Ok(self.csv.flush()?)
    }
}

/// `2026-01-02T11:32:07.123456+01:00`
fn local(at: SystemTime, zone: &TimeZone) -> String {
    let shown = |at: Timestamp| at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.6f%:z").to_string();
    Timestamp::try_from(at).map_or_else(|_| String::new(), shown)
}

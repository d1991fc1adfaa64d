//! `usher journal`

use std::io::Write;

use anyhow::{Result, anyhow, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::book::Book;
use super::context::Context;
use crate::ledger::{self, Record};

/// Read the record of what happened.
///
/// Every decision with its reasons, every move of a door, every change of people. Times are local; with --json they are UTC.
#[derive(Args)]
pub struct Journal {
    #[command(subcommand)]
    action: Action,
    /// Print JSON, one record a line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// List the newest records, the newest last
    List {
        /// How many
        #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        last: u32,
    },
    /// Show one record whole; a decision with each of its gates
    Show {
        /// The record's number
        number: u64,
    },
    /// Check that no record was changed, taken out or put in
    Verify,
}

impl Journal {
    pub fn run(self, context: &Context) -> Result<()> {
        let book = Book::open(&context.config()?)?;
        let mut out = std::io::stdout().lock();
        match self.action {
            Action::List { last } => {
                let mut day = String::new();
                for record in book.journal(None, last as usize)?.iter().rev() {
                    if self.json {
                        writeln!(out, "{record}")?;
                        continue;
                    }
                    let record = read(record)?;
                    let its_day = local_day(&record);
                    if its_day != day {
                        writeln!(out, "{its_day}")?;
                        day = its_day;
                    }
                    writeln!(out, "{:>6}  {}", record.seq, ledger::explain(&record))?;
                }
            }
            Action::Show { number } => {
                let found = book.journal(Some(number.saturating_sub(1)), 1)?;
                match found.first().filter(|record| record["seq"] == number) {
                    Some(record) if self.json => writeln!(out, "{record}")?,
                    Some(record) => write!(out, "{}", ledger::receipt(&read(record)?))?,
                    None => bail!("there is no record {number}; `usher journal list` shows the newest"),
                }
            }
            Action::Verify => {
                let records = book.verify()?;
                match self.json {
                    true => writeln!(out, "{}", serde_json::json!({ "records": records, "sound": true }))?,
                    false => writeln!(out, "{records} records, the chain is sound")?,
                }
            }
        }
        Ok(())
    }
}

/// A record as the daemon or the store gives it.
pub fn read(record: &Value) -> Result<Record> {
    Record::from_json(record).ok_or_else(|| anyhow!("a record of another version: {record}"))
}

/// The record's day by the local calendar, as `2026-01-02`.
fn local_day(record: &Record) -> String {
    match Timestamp::try_from(record.at) {
        Ok(at) => at.to_zoned_datetime(TimeZone::system()).date().to_string(),
        Err(_) => record.time(),
    }
}

//! `usher why`

use std::io::Write;

use anyhow::{Result, bail};
use clap::Args;

use super::book::{Book, Page};
use super::context::Context;
use crate::ledger::{self, Record};

/// Say why a door opened or stayed shut, like a receipt.
///
/// Shows each question that was asked, in order, with what was measured, the limit, and the outcome. Asked about an unlocked or
/// failed door, or about somebody who passed, it shows the decision behind it.
#[derive(Args)]
pub struct Why {
    /// The record's number, or the beginning of its id [default: the newest decision]
    event: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Why {
    pub fn run(self, context: &Context) -> Result<()> {
        let book = Book::open(&context.config()?)?;
        let record = match &self.event {
            None => newest_decision(&book)?,
            Some(event) => cause(&book, book.record(event)?)?,
        };
        let mut out = std::io::stdout().lock();
        match self.json {
            true => writeln!(out, "{}", record.to_json())?,
            false => write!(out, "{}", ledger::receipt(&record))?,
        }
        Ok(())
    }
}

fn newest_decision(book: &Book) -> Result<Record> {
    let decided = |record: &Record| record.kind == "granted" || record.kind == "denied";
    match book.journal(Page::Newest, 10_000)?.into_iter().find(decided) {
        Some(record) => Ok(record),
        None => bail!("no decision stands among the newest records of the journal"),
    }
}

/// What unlocked a door, or let somebody pass, is told by the record it names.
fn cause(book: &Book, record: Record) -> Result<Record> {
    match (record.kind.as_str(), record.content["record"].as_u64()) {
        ("unlocked" | "passed", Some(number)) if number > 0 => book.record(&number.to_string()),
        _ => Ok(record),
    }
}

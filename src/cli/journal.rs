//! `usher journal`

use std::io::Write;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::Value;

use super::book::Book;
use super::context::Context;
use crate::ledger::{self, Record};

/// Read the record of what happened: every decision with its reasons, every move of a door, every change of people.
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
                for record in book.journal(None, last as usize)?.iter().rev() {
                    self.print(&mut out, record, ledger::explain)?;
                }
            }
            Action::Show { number } => {
                let found = book.journal(Some(number.saturating_sub(1)), 1)?;
                match found.first().filter(|record| record["seq"] == number) {
                    Some(record) => self.print(&mut out, record, ledger::receipt)?,
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

    fn print(&self, out: &mut impl Write, record: &Value, words: impl Fn(&Record) -> String) -> Result<()> {
        if self.json {
            writeln!(out, "{record}")?;
        } else {
            let Some(read) = Record::from_json(record) else { bail!("a record of another version: {record}") };
            writeln!(out, "{:>6}  {}", read.seq, words(&read).trim_end())?;
        }
        Ok(())
    }
}

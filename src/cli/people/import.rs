//! `usher people import`

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use jiff::tz::TimeZone;

use crate::api::import::{COLUMNS, Import as Outcome, ImportRequest, ImportedRow, rows_of};
use crate::cli::client::Client;
use crate::cli::listing::{self, Listing};
use crate::cli::print::Tone;
use crate::table::Table;

/// Change people by a list from a spreadsheet
///
/// A CSV file with a heading; of the columns number, employee_id, name, groups, enabled, valid_from and valid_until it needs one of the first
/// three. A row finds its person by number, else by employee id, else by name; nobody found is somebody new, whom doors recognise once they
/// have been enrolled (`usher enroll --add`). Several groups are separated by semicolons, days are written as 2026-12-31, and valid_until is the last
/// one. An empty cell leaves things as they are, `-` removes them. Nobody is removed by a list: `usher people remove --list` does that.
///
/// If a row cannot be carried out, none is.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  usher people import staff.csv --dry-run     show what would change\n  usher people import staff.csv"
)]
pub struct Import {
    /// The CSV file; comma, semicolon or tab may separate the columns
    list: PathBuf,
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
}

impl Import {
    pub fn run(&self, client: &Client, zone: &TimeZone, as_json: bool) -> Result<()> {
        let table = Table::read(&self.list)?;
        for note in table.notes.iter().chain(&table.unused(&COLUMNS)) {
            note!("usher: {note}");
        }
        let rows = rows_of(&table, zone)?;
        let outcome = client.import(&ImportRequest { rows, preview: self.dry_run })?;
        let mut out = std::io::stdout().lock();
        match as_json {
            true => {
                for row in &outcome.rows {
                    writeln!(out, "{}", serde_json::to_string(row)?)?;
                }
            }
            false => print(&mut out, &outcome, zone)?,
        }
        match outcome.problems {
            0 => Ok(()),
            1 => bail!("1 row cannot be carried out"),
            problems => bail!("{problems} rows cannot be carried out"),
        }
    }
}

fn print(out: &mut impl Write, outcome: &Outcome, zone: &TimeZone) -> Result<()> {
    let mut table = Listing::new(["LINE", "PERSON", "CHANGE"]);
    for row in outcome.rows.iter().filter(|row| row.problem.is_some() || !row.changes.is_empty()) {
        let tone = match (&row.problem, row.person) {
            (Some(_), _) => Tone::Bad,
            (None, None) => Tone::Good,
            (None, Some(_)) => Tone::Plain,
        };
        table.row(tone, [row.line.to_string(), person(row), change(row, zone)]);
    }
    if outcome.problems + outcome.changed + outcome.new > 0 {
        table.write(out)?;
    }
    let Outcome { done, changed, new, unchanged, problems, .. } = outcome;
    let would = if *done { "" } else { "would be " };
    write!(out, "{changed} people {would}changed, {new} {would}new, {unchanged} unchanged")?;
    match problems {
        0 => writeln!(out)?,
        problems => writeln!(out, ", {problems} rows with problems")?,
    }
    Ok(())
}

fn person(row: &ImportedRow) -> String {
    match row.person {
        Some(id) => format!("{} (#{id})", row.name),
        None => row.name.clone(),
    }
}

fn change(row: &ImportedRow, zone: &TimeZone) -> String {
    if let Some(problem) = &row.problem {
        return problem.clone();
    }
    let shown = |field: &str, value: &str| match value {
        "" => "-".to_owned(),
        moment if field.starts_with("valid_") => listing::local_minute(moment, zone),
        value => value.to_owned(),
    };
    let changes = row.changes.iter().map(|change| {
        let after = shown(&change.field, &change.after);
        match (row.person, change.before.as_str()) {
            (None, _) => format!("{}: {after}", change.field),
            (Some(_), before) => format!("{}: {} → {after}", change.field, shown(&change.field, before)),
        }
    });
    let changes: Vec<String> = changes.collect();
    let new = if row.person.is_none() { "new; " } else { "" };
    format!("{new}{}", changes.join(", "))
}

//! Several people at once: named one by one, or in a list.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use crate::api::people::Person;
use crate::cli::whom;
use crate::names;
use crate::table::{Row, Table};

/// The columns that identify a person, the most specific first.
const COLUMNS: [&str; 4] = ["number", "employee_id", "person", "name"];

/// Names several people.
#[derive(Args)]
pub struct Several {
    /// Employee id, whole name, or number as in '#7'; several may be given
    #[arg(required_unless_present = "list", value_name = "PERSON")]
    people: Vec<String>,
    /// A CSV file that lists the people, by a column employee_id, name, number or person; or one person a line
    ///
    /// Where a row has both employee id and name, both must match. Comma, semicolon or tab may separate the columns; other columns are ignored.
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// Only show who would be affected
    #[arg(long)]
    pub dry_run: bool,
}

impl Several {
    /// The named people, each once, in the order given.
    ///
    /// # Errors
    /// Lists all who cannot be found.
    pub fn among(&self, everybody: &[Person]) -> Result<Vec<Person>> {
        let mut found = Vec::new();
        let mut problems = Vec::new();
        let mut note = |result: Result<Person>| match result {
            Ok(person) => found.push(person),
            Err(error) => problems.push(error.to_string()),
        };
        for wanted in &self.people {
            note(whom::among_enrolled(everybody, wanted));
        }
        if let Some(path) = &self.list {
            for result in listed(path, everybody)? {
                note(result);
            }
        }
        match problems.len() {
            0 => {}
            1 => bail!("{}", problems.remove(0)),
            count => bail!("{count} people cannot be found, so nothing was done:\n{}", problems.join("\n")),
        }
        let mut seen = BTreeSet::new();
        found.retain(|person| seen.insert(person.id));
        match found.is_empty() {
            true => bail!("the list names nobody"),
            false => Ok(found),
        }
    }
}

/// Each row's person, or why it has none.
fn listed(path: &Path, everybody: &[Person]) -> Result<Vec<Result<Person>>> {
    let table = Table::read(path)?;
    for note in &table.notes {
        note!("usher: {note}");
    }
    let mut columns = Vec::new();
    for name in COLUMNS {
        if let Some(column) = table.column(name)? {
            columns.push((name, column));
        }
    }
    if columns.is_empty() {
        return one_a_line(&table, everybody);
    }
    let one = |row: &Row| {
        let given: Vec<_> = columns.iter().filter(|(_, column)| !row.get(*column).is_empty()).copied().collect();
        let Some((first, rest)) = given.split_first() else {
            return Err(table.row_error(row, "it names nobody").into());
        };
        let find = |(name, column): (&str, _)| {
            whom::among_enrolled(everybody, &word(name, row.get(column)))
                .map_err(|error| table.cell_error(row, column, error.to_string()))
        };
        let person = find(*first)?;
        for (name, column) in rest {
            let cell = row.get(*column);
            let fits = match *name {
                "name" => names::same(&person.name, cell),
                "employee_id" => {
                    person.employee_id.as_deref().is_some_and(|id| names::exact_key(id) == names::exact_key(cell))
                }
                _ => find((name, *column))?.id == person.id,
            };
            if !fits {
                let why = format!("`{cell}` does not match {} (#{}), whom the same row names", person.name, person.id);
                return Err(table.cell_error(row, *column, why).into());
            }
        }
        Ok(person)
    };
    Ok(table.rows().iter().map(one).collect())
}

/// A cell of a column as a word on the command line.
fn word(column: &str, cell: &str) -> String {
    match column {
        "number" => format!("#{}", cell.trim_start_matches('#')),
        "employee_id" => format!("id:{cell}"),
        _ => cell.to_owned(),
    }
}

/// A list without a heading: one person a line.
fn one_a_line(table: &Table, everybody: &[Person]) -> Result<Vec<Result<Person>>> {
    let first = table.first_row();
    let rows: Vec<&Row> = std::iter::once(&first).chain(table.rows()).collect();
    if rows.iter().any(|row| row.filled().count() > 1) {
        // Its error lists the columns.
        table.require_column("employee_id")?;
    }
    let one = |row: &&Row| {
        let wanted = row.filled().next().unwrap_or_default();
        whom::among_enrolled(everybody, wanted).map_err(|error| table.row_error(row, error.to_string()).into())
    };
    Ok(rows.iter().map(one).collect())
}

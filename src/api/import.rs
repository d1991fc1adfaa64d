//! Lists of people as the API takes them, and what they would change.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::limit;
use crate::domain::PersonId;
use crate::office::{ListedPerson, PlannedRow};
use crate::table::{Column, Row, Table, TableError};

/// The most rows of a list.
const MOST_ROWS: usize = 10_000;
/// What a cell says to remove what is there.
const NOTHING: &str = "-";

/// The columns of a list of people.
pub const COLUMNS: [&str; 7] = ["number", "employee_id", "name", "groups", "enabled", "valid_from", "valid_until"];

/// Changes people by a list, or shows what it would change.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    pub rows: Vec<ImportRow>,
    /// Only show what would change.
    #[serde(default)]
    pub preview: bool,
}

/// A row of a list. It finds its person by number, else by employee id, else by name; nobody found is somebody new. What is left out stays as
/// it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportRow {
    /// The row's line in its file, for messages.
    #[serde(default)]
    pub line: usize,
    #[serde(default)]
    pub number: Option<u32>,
    /// An empty text removes it.
    #[serde(default)]
    pub employee_id: Option<String>,
    #[serde(default)]
    pub name: Option<String>,
    /// Replaces all groups.
    #[serde(default)]
    pub groups: Option<Vec<String>>,
    #[serde(default)]
    pub enabled: Option<bool>,
    #[serde(default)]
    pub valid_from: Option<ListedLimit>,
    #[serde(default)]
    pub valid_until: Option<ListedLimit>,
}

/// A limit of the time in which doors open for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListedLimit {
    /// RFC 3339; null removes the limit.
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
}

impl ImportRow {
    fn listed(self) -> Result<ListedPerson, ApiError> {
        let moment = |at: Option<ListedLimit>| at.map(|ListedLimit { at }| limit(at)).transpose();
        Ok(ListedPerson {
            line: self.line,
            number: self.number.map(PersonId),
            employee_id: self.employee_id.map(|id| id.trim().to_owned()),
            name: self.name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
            groups: self.groups,
            enabled: self.enabled,
            valid_from: moment(self.valid_from)?,
            valid_until: moment(self.valid_until)?,
        })
    }
}

impl ImportRequest {
    /// The rows, as the office takes them.
    pub fn listed(self) -> Result<Vec<ListedPerson>, ApiError> {
        if self.rows.len() > MOST_ROWS {
            return Err(ApiError::Invalid(format!("a list may have at most {MOST_ROWS} rows")));
        }
        self.rows.into_iter().map(ImportRow::listed).collect()
    }
}

/// What a list changes, or would change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Import {
    /// It was carried out.
    pub done: bool,
    pub rows: Vec<ImportedRow>,
    /// People who change.
    pub changed: usize,
    /// People who are new; no door recognises them until they have a template.
    pub new: usize,
    /// People who are so already.
    pub unchanged: usize,
    /// Rows that cannot be carried out.
    pub problems: usize,
}

/// What a row changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImportedRow {
    pub line: usize,
    /// The person's number; null for somebody new.
    pub person: Option<u32>,
    pub name: String,
    /// Empty where everything is so already.
    pub changes: Vec<ImportedChange>,
    /// Why the row cannot be carried out.
    pub problem: Option<String>,
}

/// A field that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImportedChange {
    /// `name`, `employee_id`, `groups`, `enabled`, `valid_from` or `valid_until`.
    pub field: String,
    /// Empty where there is nothing.
    pub before: String,
    /// Empty where nothing is left.
    pub after: String,
}

impl Import {
    /// What `plan` changes.
    pub fn of(plan: &[PlannedRow]) -> Import {
        let mut import = Import::default();
        for row in plan {
            let count = match (&row.problem, row.changes.is_empty(), row.person) {
                (Some(_), ..) => &mut import.problems,
                (None, true, _) => &mut import.unchanged,
                (None, false, Some(_)) => &mut import.changed,
                (None, false, None) => &mut import.new,
            };
            *count += 1;
            let changes = row.changes.iter().map(|change| ImportedChange {
                field: change.field.to_string(),
                before: change.before.clone(),
                after: change.after.clone(),
            });
            import.rows.push(ImportedRow {
                line: row.line,
                person: row.person.map(|id| id.0),
                name: row.name.clone(),
                changes: changes.collect(),
                problem: row.problem.as_ref().map(ToString::to_string),
            });
        }
        import
    }

    /// The problems in words, at most ten of them.
    pub fn refusal(&self) -> String {
        const SHOWN: usize = 10;
        let problems = self.rows.iter().filter_map(|row| Some(format!("line {}: {}", row.line, row.problem.as_ref()?)));
        let mut lines: Vec<String> = problems.collect();
        let more = lines.len().saturating_sub(SHOWN);
        lines.truncate(SHOWN);
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        let rows = match self.problems {
            1 => "1 row".to_owned(),
            several => format!("{several} rows"),
        };
        format!("{rows} cannot be carried out, so nothing was changed:\n{}", lines.join("\n"))
    }
}

/// The rows of a list with the columns in [`COLUMNS`], of which it needs one that names people. Several groups are separated by semicolons; days
/// are those of `zone`, and `valid_until` is the last one. An empty cell leaves things as they are, `-` removes them.
///
/// # Errors
/// A column is missing or there twice, or a cell cannot be understood.
pub fn rows_of(table: &Table, zone: &TimeZone) -> Result<Vec<ImportRow>, TableError> {
    let column = |name: &str| table.column(name);
    let (number, employee_id, name) = (column("number")?, column("employee_id")?, column("name")?);
    if number.is_none() && employee_id.is_none() {
        table.require_column("name")?;
    }
    let (groups, enabled) = (column("groups")?, column("enabled")?);
    let (from, until) = (column("valid_from")?, column("valid_until")?);
    let mut rows = Vec::with_capacity(table.rows().len());
    for row in table.rows() {
        let text = |column: Option<Column>| row.get_non_empty(column);
        rows.push(ImportRow {
            line: row.line,
            number: read(table, row, number, "it is no number of a person", |cell| {
                cell.trim_start_matches('#').parse().ok()
            })?,
            employee_id: text(employee_id).map(|cell| if cell == NOTHING { "" } else { cell }.to_owned()),
            name: text(name).map(str::to_owned),
            groups: text(groups).map(split_groups),
            enabled: read(table, row, enabled, "write yes or no", yes_or_no)?,
            valid_from: read(table, row, from, DAY, |cell| moment(cell, zone, 0))?,
            valid_until: read(table, row, until, DAY, |cell| moment(cell, zone, 1))?,
        });
    }
    Ok(rows)
}

const DAY: &str = "write a day, as 2026-12-31, or `-` for no limit";

fn read<T>(
    table: &Table,
    row: &Row,
    column: Option<Column>,
    problem: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, TableError> {
    let Some((column, cell)) = column.zip(row.get_non_empty(column)) else { return Ok(None) };
    read(cell).map(Some).ok_or_else(|| table.cell_error(row, column, format!("`{cell}`: {problem}")))
}

/// The names of groups in a cell, separated by semicolons.
pub fn split_groups(cell: &str) -> Vec<String> {
    let groups = cell.split(';').map(str::trim).filter(|group| !group.is_empty() && *group != NOTHING);
    groups.map(str::to_owned).collect()
}

fn yes_or_no(cell: &str) -> Option<bool> {
    match cell.to_lowercase().as_str() {
        "yes" | "true" | "1" | "enabled" | "ja" | "wahr" | "是" => Some(true),
        "no" | "false" | "0" | "disabled" | "nein" | "falsch" | "否" => Some(false),
        _ => None,
    }
}

/// The beginning of a day, so many days later; or the moment that the cell names.
fn moment(cell: &str, zone: &TimeZone, days: i32) -> Option<ListedLimit> {
    if cell == NOTHING {
        return Some(ListedLimit { at: None });
    }
    if let Ok(day) = cell.parse::<Date>()
        && !cell.contains(['T', 't', ' '])
    {
        let day = day.checked_add(days.days()).ok()?;
        return Some(ListedLimit { at: Some(zone.to_timestamp(day.at(0, 0, 0, 0)).ok()?) });
    }
    cell.parse().ok().map(|at| ListedLimit { at: Some(at) })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn rows(text: &str) -> Result<Vec<ImportRow>, TableError> {
        let table = Table::parse(Path::new("people.csv"), text.as_bytes()).unwrap();
        rows_of(&table, &TimeZone::get("Europe/Berlin").unwrap())
    }

    fn limit(at: &str) -> Option<ListedLimit> {
        Some(ListedLimit { at: Some(at.parse().unwrap()) })
    }

    #[test]
    fn cells_become_fields_and_empty_ones_stay_open() {
        let found = rows(
            "Employee ID;Name;Groups;Enabled;Valid from;Valid until\nE1;Ada;\"staff; night\";ja;2026-07-01;2026-12-31\n\
             E2;;;;;\n-;Eve;-;no;-;2026-12-31T12:00:00Z\n",
        )
        .unwrap();
        assert_eq!(found[0].groups.as_deref().unwrap(), ["staff", "night"]);
        // By the local calendar, and the last day counts.
        let (from, until) = (limit("2026-06-30T22:00:00Z"), limit("2026-12-31T23:00:00Z"));
        assert_eq!((found[0].enabled, found[0].valid_from, found[0].valid_until), (Some(true), from, until));
        assert_eq!(found[1], ImportRow { line: 3, employee_id: Some("E2".into()), ..ImportRow::default() });
        assert_eq!((found[2].employee_id.as_deref(), found[2].groups.as_deref()), (Some(""), Some(&[][..])));
        assert_eq!((found[2].enabled, found[2].valid_from), (Some(false), Some(ListedLimit { at: None })));
        assert_eq!(found[2].valid_until, limit("2026-12-31T12:00:00Z"));
    }

    #[test]
    fn a_cell_that_cannot_be_understood_is_named() {
        for (text, problem) in [
            ("groups\nstaff\n", "there is no column \"name\""),
            ("number,name\nx,Ada\n", "line 2, column \"number\": `x`: it is no number"),
            ("name,enabled\nAda,perhaps\n", "write yes or no"),
            ("name,valid_until\nAda,31.12.2026\n", "write a day, as 2026-12-31"),
            ("name,valid_from\nAda,9999-99-99\n", "write a day"),
        ] {
            let error = rows(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        assert_eq!(rows("number\n#7\n").unwrap()[0].number, Some(7));
    }
}

//! Attendance as files: for spreadsheets (`sheets`), and for other programs, each in its own format (`programs`). docs/attendance.md says where
//! each format is documented and what was tested.

mod programs;
mod sheets;
#[cfg(test)]
mod tests;

use std::io;

use jiff::tz::TimeZone;
use thiserror::Error;

use super::{Day, Period};
use crate::table::CsvForm;

/// Why a file cannot be made.
#[derive(Debug, Error)]
pub enum ExportError {
    #[error("the file cannot be made: {0}")]
    Write(#[from] io::Error),
    #[error("the file cannot be made: {0}")]
    Csv(#[from] csv::Error),
    #[error(
        "a byte order mark or another separator is for the formats csv, frappe and timesheet: {format} has its own"
    )]
    OwnForm { format: &'static str },
}

type Result<T> = std::result::Result<T, ExportError>;

/// The formats of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A row for each day of each person.
    Csv,
    /// Frappe and ERPNext: "Employee Checkin".
    Frappe,
    /// Odoo: `hr.attendance`.
    Odoo,
    /// OrangeHRM: the fields of its attendance records.
    OrangeHrm,
    /// ZKTeco: attlog.dat, as its devices write it to a USB stick.
    ZkTeco,
    /// A row for each stint.
    Timesheet,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 6] =
        [Format::Csv, Format::Frappe, Format::Odoo, Format::OrangeHrm, Format::ZkTeco, Format::Timesheet];

    /// As commands and the API name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Frappe => "frappe",
            Format::Odoo => "odoo",
            Format::OrangeHrm => "orangehrm",
            Format::ZkTeco => "zkteco",
            Format::Timesheet => "timesheet",
        }
    }

    /// The name that a program expects, or one that says what is in the file: `attendance-2026-05.csv`.
    pub fn file_name(self, period: Period) -> String {
        let days = match period {
            whole if whole == Period::month_of(whole.from) => whole.from.strftime("%Y-%m").to_string(),
            Period { from, to } if from == to => from.to_string(),
            Period { from, to } => format!("{from}-{to}"),
        };
        match self {
            // Its readers look for the device's number in front.
            Format::ZkTeco => "1_attlog.dat".to_owned(),
            Format::Csv => format!("attendance-{days}.csv"),
            other => format!("attendance-{days}-{}.csv", other.as_str()),
        }
    }

    /// The media type of the file.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::ZkTeco => "text/plain; charset=utf-8",
            _ => "text/csv; charset=utf-8",
        }
    }

    /// Whether a byte order mark and another separator are possible.
    pub fn takes_form(self) -> bool {
        matches!(self, Format::Csv | Format::Frappe | Format::Timesheet)
    }
}

/// A file, and what is to be known of it.
#[derive(Debug, Default, PartialEq)]
pub struct Made {
    /// UTF-8.
    pub bytes: Vec<u8>,
    /// What was left out because the program would refuse it, a sentence each.
    pub left_out: Vec<String>,
    /// What else the person who imports the file should know, a sentence each.
    pub remarks: Vec<String>,
}

/// Makes the file of `days`. `doors` are the names in the order of the configuration.
///
/// # Errors
/// [`ExportError::OwnForm`].
pub fn make(format: Format, days: &[Day], zone: &TimeZone, doors: &[String], form: CsvForm) -> Result<Made> {
    if form != CsvForm::default() && !format.takes_form() {
        return Err(ExportError::OwnForm { format: format.as_str() });
    }
    let mut bytes = Vec::new();
    let mut remarks = Vec::new();
    let left_out = match format {
        Format::Csv => sheets::days(form.writer(&mut bytes)?, days, zone).map(|()| LeftOut::default()),
        Format::Frappe => {
            remarks = nameless(days);
            sheets::frappe(form.writer(&mut bytes)?, days, zone).map(|()| LeftOut::default())
        }
        Format::Timesheet => sheets::timesheet(form.writer(&mut bytes)?, days, zone).map(|()| LeftOut::default()),
        Format::Odoo => programs::odoo(&mut bytes, days, zone),
        Format::OrangeHrm => programs::orangehrm(&mut bytes, days, zone),
        Format::ZkTeco => programs::zkteco(&mut bytes, days, zone, doors),
    }?;
    Ok(Made { bytes, left_out: left_out.lines, remarks })
}

/// Who is identified by name because they had no employee id.
fn nameless(days: &[Day]) -> Vec<String> {
    let (mut found, mut seen) = (Vec::new(), Vec::new());
    for day in days.iter().filter(|day| day.card.employee_id.is_none()) {
        if !seen.contains(&day.person) {
            seen.push(day.person);
            let Day { name, person, .. } = day;
            found.push(format!("{name} (#{person}) has no employee id and is identified by name"));
        }
    }
    found
}

/// What was left out of a file, one line each.
#[derive(Debug, Default, PartialEq)]
struct LeftOut {
    lines: Vec<String>,
}

impl LeftOut {
    fn stint(&mut self, day: &Day, why: &str) {
        self.note(format!("{} of {}: {why}; amend that day", day.name, day.date));
    }

    fn person(&mut self, day: &Day, why: &str) {
        self.note(format!("{} ({}): {why}", day.name, day.person));
    }

    fn note(&mut self, line: String) {
        if !self.lines.contains(&line) {
            self.lines.push(line);
        }
    }
}

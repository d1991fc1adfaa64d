//! `usher attendance`

mod table;
mod whose;

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use thiserror::Error;

use super::client::{Asked, Client};
use super::context::Context;
use super::export::CsvForm;
use super::when::{self, Calendar};
use crate::api::attendance::{AttendanceDay, DaySheet, LateBoard};
use crate::ledger;
use crate::ledger::attendance::{Period, export};
use whose::{Amending, amendment, numbers_of};

/// How often `watch` looks again.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Show who was present, and when.
///
/// Computed from the journal as [attendance] says: in and out by the camera's side, by turns, or first and last. Hours are elapsed time, even
/// when the clocks change. A person who came and did not leave is shown as open; nothing is guessed. Amend a wrong record with `usher
/// attendance amend`; it is never changed.
///
/// Examples: `usher attendance`, `usher attendance --day yesterday`, `usher attendance --from 2026-05-01 --to 2026-05-31 --format csv`,
/// `usher attendance --from 2026-05-01 --template frappe`. Employee ids and groups are
/// those in the records of that time.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Attendance {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    query: Query,
    /// How to print the days
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Write a file for another program instead: one row for each reading (frappe, zkteco) or each stint (the others)
    #[arg(long, value_enum, conflicts_with = "format")]
    template: Option<Template>,
    #[command(flatten)]
    csv: CsvForm,
}

#[derive(Subcommand)]
enum Action {
    /// Show who is present now, and keep the table up to date
    ///
    /// Runs until Ctrl-C. Prints the table once where standard output is not a terminal.
    Watch {
        /// Only people of this group
        #[arg(long)]
        group: Option<String>,
    },
    /// List who was absent on a day
    ///
    /// Absent is who is enrolled, enabled and valid on that day and has no reading. Holidays of the person's schedules, and days without hours in
    /// them, are named.
    Absent {
        /// `2026-05-04`, `today`, `yesterday` [default: today]
        #[arg(long, value_parser = when::parse_day)]
        day: Option<when::Day>,
        /// Only people of this group
        #[arg(long)]
        group: Option<String>,
        /// Print JSON, one object a person
        #[arg(long)]
        json: bool,
    },
    /// Show the hours of each week, and of all days together
    ///
    /// Weeks are those of ISO 8601, cut to the days that are asked for. Examples: `usher attendance totals --month 2026-05`,
    /// `usher attendance totals --from 2026-05-01 --to 2026-05-31 --group night`.
    Totals {
        #[command(flatten)]
        query: Query,
        /// Print JSON, one object a person
        #[arg(long)]
        json: bool,
    },
    /// Correct attendance
    ///
    /// Writes a record with your user name and the reason. The record that it corrects stays; from then on, hours include the amendment. An
    /// amendment can be voided like any other record.
    ///
    /// Examples: `usher attendance amend --person Ada --out 2026-05-04T17:00 --reason "left by the yard"`,
    /// `usher attendance amend --person Ada --void 4711 --reason "that was her sister"`.
    Amend {
        /// Employee id, whole name, or number as in `#7`; removed people count too
        #[arg(long)]
        person: String,
        /// The person came in at this time
        #[arg(long = "in", value_name = "TIME", group = "change")]
        came: Option<String>,
        /// The person went out at this time
        #[arg(long = "out", value_name = "TIME", group = "change")]
        went: Option<String>,
        /// Do not count this record: its number or id
        #[arg(long, value_name = "RECORD", group = "change")]
        void: Option<String>,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// Which days, and of whom.
#[derive(Args, Default)]
struct Query {
    /// One day: `2026-05-04`, `today`, `yesterday` [default: today]
    #[arg(long, value_parser = when::parse_day, conflicts_with_all = ["from", "to", "month"])]
    day: Option<when::Day>,
    /// One month: `2026-05`
    #[arg(long, value_parser = month, conflicts_with_all = ["from", "to"])]
    month: Option<Period>,
    /// From this day on
    #[arg(long, value_parser = when::parse_day)]
    from: Option<when::Day>,
    /// Up to and including this day [default: today]
    #[arg(long, value_parser = when::parse_day)]
    to: Option<when::Day>,
    /// Only this person: employee id, whole name, or number as in `#7`; removed people count too
    #[arg(long)]
    person: Option<String>,
    /// Only people who were in this group
    #[arg(long)]
    group: Option<String>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
}

/// The days of a month.
fn month(text: &str) -> Result<Period, MonthError> {
    let first = format!("{text}-01").parse().ok().filter(|_| text.len() == 7);
    first.map(Period::month_of).ok_or_else(|| MonthError { text: text.to_owned() })
}

/// The text names no month.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is not a month: write it as in 2026-05")]
struct MonthError {
    text: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Template {
    /// Frappe and ERPNext: "Employee Checkin"
    Frappe,
    /// Odoo: `hr.attendance`
    Odoo,
    /// OrangeHRM: the fields of its attendance records
    #[value(name = "orangehrm")]
    OrangeHrm,
    /// ZKTeco: attlog.dat, as its devices write it to a USB stick
    #[value(name = "zkteco")]
    ZkTeco,
    /// A timesheet: one row for each stint
    Timesheet,
}

impl From<Template> for export::Format {
    fn from(template: Template) -> export::Format {
        match template {
            Template::Frappe => export::Format::Frappe,
            Template::Odoo => export::Format::Odoo,
            Template::OrangeHrm => export::Format::OrangeHrm,
            Template::ZkTeco => export::Format::ZkTeco,
            Template::Timesheet => export::Format::Timesheet,
        }
    }
}

impl Attendance {
    pub fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let calendar = Calendar::of_attendance(&client.calendar()?)?;
        let mut out = std::io::stdout().lock();
        match self.action {
            Some(Action::Watch { group }) => {
                drop(out);
                return watch(&client, &calendar, group);
            }
            Some(Action::Absent { day, group, json }) => {
                let date = day.map(|day| calendar.date(day));
                let sheet = client.attendance_sheet(date, group.as_deref())?;
                note_late(&sheet.late, &calendar);
                check_group(&client, group.as_deref(), sheet.days.is_empty() && sheet.absent.is_empty())?;
                return absent(&mut out, &sheet, json);
            }
            Some(Action::Totals { query, json }) => {
                let found = client.attendance(&query.asked(&client, &calendar)?)?;
                note_late(&found.late, &calendar);
                return if json { table::totals_json(&mut out, &found) } else { table::totals(&mut out, &found) };
            }
            Some(Action::Amend { person, came, went, void, reason }) => {
                let what = Amending { person, came, went, void, reason };
                let record = client.amend(&amendment(&client, &calendar, what)?)?;
                say!("{}  {}", record.seq, ledger::explain_in(&record, calendar.zone()))?;
                return Ok(());
            }
            None => {}
        }
        let format = self.template.map(export::Format::from);
        let format = format.or((self.format == Format::Csv).then_some(export::Format::Csv));
        if !format.is_some_and(export::Format::takes_form) && !self.csv.is_plain() {
            bail!("--bom and --separator are for --format csv, --template frappe and --template timesheet");
        }
        let Some(format) = format else {
            let days = days(&client, &calendar, &self.query)?;
            return match self.format {
                Format::Json => table::json(&mut out, &days),
                Format::Table | Format::Csv => table::print(&mut out, &days, calendar.zone()),
            };
        };
        let file = client.export_attendance(&self.query.asked(&client, &calendar)?, format, self.csv.into())?;
        for remark in &file.remarks {
            note!("{remark}");
        }
        for line in &file.left_out {
            note!("left out: {line}");
        }
        if !file.left_out.is_empty() {
            note!("`usher attendance amend` corrects a day");
        }
        Ok(out.write_all(file.text.as_bytes())?)
    }
}

impl Query {
    /// # Errors
    /// The days end before they begin, nobody is called so, or nobody is in the group.
    fn asked(&self, client: &Client, calendar: &Calendar) -> Result<Asked> {
        let date = |day: Option<when::Day>| day.map(|day| calendar.date(day));
        let period = match (date(self.day), self.month, date(self.from), date(self.to)) {
            (Some(day), ..) => Some(Period { from: day, to: day }),
            (None, Some(month), ..) => Some(month),
            (None, None, None, None) => None,
            (None, None, from, to) => {
                let today = calendar.today();
                Some(Period { from: from.unwrap_or(to.unwrap_or(today)), to: to.unwrap_or(today) })
            }
        };
        if let Some(Period { from, to }) = period
            && from > to
        {
            bail!("{from} is after {to}: swap --from and --to");
        }
        let asked = Asked { period, people: Vec::new(), group: self.group.clone() };
        let Some(wanted) = &self.person else { return Ok(asked) };
        let days = client.attendance(&asked)?.days;
        Ok(Asked { people: numbers_of(&days, &client.people()?, wanted)?, ..asked })
    }
}

/// The days that a query selects.
fn days(client: &Client, calendar: &Calendar, query: &Query) -> Result<Vec<AttendanceDay>> {
    let found = client.attendance(&query.asked(client, calendar)?)?;
    note_late(&found.late, calendar);
    check_group(client, query.group.as_deref(), found.days.is_empty())?;
    Ok(found.days)
}

/// Says which boards of a fleet have not sent all records of these days.
fn note_late(late: &[LateBoard], calendar: &Calendar) {
    for board in late {
        note!("usher: {}", board.in_words(calendar.zone()));
    }
}

/// # Errors
/// Nothing was found, and nobody is in the group.
fn check_group(client: &Client, group: Option<&str>, nothing: bool) -> Result<()> {
    let Some(group) = group.filter(|_| nothing) else { return Ok(()) };
    if client.people()?.iter().any(|person| person.groups.iter().any(|of| of == group)) {
        return Ok(());
    }
    bail!("nobody is in the group `{group}`; `usher people list` shows who is in which")
}

fn absent(out: &mut impl Write, sheet: &DaySheet, json: bool) -> Result<()> {
    match json {
        true => table::absent_json(out, sheet),
        false => table::absent(out, sheet),
    }
}

fn watch(client: &Client, calendar: &Calendar, group: Option<String>) -> Result<()> {
    let query = Query { group, ..Query::default() };
    let mut out = std::io::stdout();
    let live = out.is_terminal();
    loop {
        let days = days(client, calendar, &query)?;
        let mut text = Vec::new();
        if live {
            // Cursor home, and clear below it.
            write!(text, "\x1b[H\x1b[J")?;
        }
        let present = days.iter().filter(|day| day.open).count();
        writeln!(text, "{present} present at {}", table::clock(Timestamp::now(), calendar.zone()))?;
        table::print(&mut text, &days, calendar.zone())?;
        out.write_all(&text)?;
        out.flush()?;
        if !live {
            return Ok(());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

//! `usher attendance`

mod table;
mod template;

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::book::{Book, Page};
use super::context::Context;
use super::when;
use crate::daemon::wire::{AmendRequest, PersonWire};
use crate::ledger;
use crate::ledger::attendance::{Day, Rules, readings, reckon};
use crate::setup;

/// Records that are read at once.
const PAGE: usize = 1000;
/// How often `watch` looks again.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Who was there, from when to when.
///
/// Reckoned from the journal by [attendance] of the configuration: in and out by the camera's side, by turns, or first and last. Hours are
/// the time that really passed, also when the clocks change. Whoever came and did not go is shown as open; nothing is made up. A wrong
/// record is amended (`usher attendance amend`), never changed.
///
/// Examples: `usher attendance`, `usher attendance --day yesterday`, `usher attendance --from 2026-05-01 --to 2026-05-31 --format csv`,
/// `usher attendance --from 2026-05-01 --template frappe`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Attendance {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    query: Query,
    /// How the days are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// A file for another program instead, as CSV: one row for each reading (frappe) or each stint (timesheet), with the id of its record
    #[arg(long, value_enum, conflicts_with = "format")]
    template: Option<Template>,
}

#[derive(Subcommand)]
enum Action {
    /// Show who is there now, again and again
    ///
    /// Until Ctrl-C. Where standard output is no terminal, prints the table once.
    Watch {
        /// Only people of this group
        #[arg(long)]
        group: Option<String>,
    },
    /// Correct what attendance is reckoned from
    ///
    /// Writes a record with your name and the reason. The record that it corrects stays; hours are reckoned with the amendment from then
    /// on. An amendment is voided like any other record.
    ///
    /// Examples: `usher attendance amend --person Ada --out 2026-05-04T17:00 --reason "left by the yard"`,
    /// `usher attendance amend --person Ada --void 4711 --reason "that was her sister"`.
    Amend {
        /// Number, employee id or whole name
        #[arg(long)]
        person: String,
        /// They came in at this time
        #[arg(long = "in", value_name = "TIME", group = "change")]
        came: Option<String>,
        /// They went out at this time
        #[arg(long = "out", value_name = "TIME", group = "change")]
        went: Option<String>,
        /// This record does not count: its number or id
        #[arg(long, value_name = "RECORD", group = "change")]
        void: Option<String>,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// Which days of whom.
#[derive(Args, Default)]
struct Query {
    /// One day: `2026-05-04`, `today`, `yesterday` [default: today]
    #[arg(long, value_parser = when::parse_day, conflicts_with_all = ["from", "to"])]
    day: Option<Date>,
    /// From this day on
    #[arg(long, value_parser = when::parse_day)]
    from: Option<Date>,
    /// To this day, which is included [default: today]
    #[arg(long, value_parser = when::parse_day)]
    to: Option<Date>,
    /// Only this person: number, employee id or whole name
    #[arg(long)]
    person: Option<String>,
    /// Only people of this group
    #[arg(long)]
    group: Option<String>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum Template {
    /// Frappe and ERPNext: "Employee Checkin"
    Frappe,
    /// A timesheet: one row for each time somebody was there
    Timesheet,
}

impl Attendance {
    pub fn run(self, context: &Context) -> Result<()> {
        let config = context.config()?;
        let rules = setup::attendance(&config)?;
        let book = Book::open(&config)?;
        match self.action {
            Some(Action::Watch { group }) => return watch(&book, &rules, group),
            Some(Action::Amend { person, came, went, void, reason }) => {
                let request = amendment(&book, &rules, &person, [came, went], void, reason)?;
                let record = book.amend(request)?;
                println!("{}  {}", record.seq, ledger::explain(&record));
                return Ok(());
            }
            None => {}
        }
        let found = Found::look(&book, &rules, &self.query)?;
        let mut out = std::io::stdout().lock();
        match (self.template, self.format) {
            (Some(Template::Frappe), _) => template::frappe(&mut out, &found, &rules.zone),
            (Some(Template::Timesheet), _) => template::timesheet(&mut out, &found, &rules.zone),
            (None, Format::Csv) => template::days(&mut out, &found, &rules.zone),
            (None, Format::Json) => table::json(&mut out, &found),
            (None, Format::Table) => table::print(&mut out, &found, &rules.zone),
        }
    }
}

/// Days, and who the people are.
struct Found {
    days: Vec<Day>,
    people: Vec<PersonWire>,
}

impl Found {
    fn look(book: &Book, rules: &Rules, query: &Query) -> Result<Found> {
        let now = Timestamp::now();
        let today = rules.day_of(now);
        let (from, to) = match (query.day, query.from, query.to) {
            (Some(day), ..) => (day, day),
            (None, None, None) => (today, today),
            (None, from, to) => (from.unwrap_or(to.unwrap_or(today)), to.unwrap_or(today)),
        };
        if from > to {
            bail!("{from} is after {to}: exchange --from and --to");
        }
        let people = book.people()?;
        let records = records_since(book, &rules.zone, from)?;
        let mut days = reckon(&readings(&records), rules, now);
        // Unless days were asked for, whoever came yesterday and is still there belongs to now.
        let asked = query.day.or(query.from).or(query.to).is_some();
        days.retain(|day| (from..=to).contains(&day.date) || !asked && day.open);
        if let Some(group) = &query.group {
            let members: BTreeSet<u32> = people.iter().filter(|p| p.groups.contains(group)).map(|p| p.id).collect();
            if members.is_empty() {
                bail!("nobody is in the group `{group}`; `usher people list` shows who is in which");
            }
            days.retain(|day| members.contains(&day.person.0));
        }
        if let Some(wanted) = &query.person {
            // Somebody who was removed since is known by the name that the records have.
            match book.find(wanted) {
                Ok(person) => days.retain(|day| day.person.0 == person.id),
                Err(error) => {
                    let number = wanted.strip_prefix('#').unwrap_or(wanted).parse::<u32>().ok();
                    let named = |day: &Day| day.name.to_lowercase() == wanted.to_lowercase();
                    days.retain(|day| Some(day.person.0) == number || named(day));
                    if days.is_empty() {
                        return Err(error);
                    }
                }
            }
        }
        Ok(Found { days, people })
    }

    /// What payroll calls somebody: their employee id, or else their name.
    fn employee(&self, day: &Day) -> String {
        let known = self.people.iter().find(|person| person.id == day.person.0);
        known.and_then(|person| person.employee_id.clone()).unwrap_or_else(|| day.name.clone())
    }
}

/// The records from which the days from `from` on are reckoned: also those of two days before, for stints that began there.
fn records_since(book: &Book, zone: &TimeZone, from: Date) -> Result<Vec<ledger::Record>> {
    let begin = from.checked_sub(2.days()).unwrap_or(Date::MIN).at(0, 0, 0, 0).to_zoned_datetime(zone.clone());
    let begin = begin.map_or(Timestamp::MIN, |begin| begin.timestamp());
    let mut found = Vec::new();
    let mut page = Page::Newest;
    loop {
        let records = book.journal(page, PAGE)?;
        let Some(oldest) = records.last().map(|record| record.seq) else { return Ok(found) };
        let before = |record: &ledger::Record| Timestamp::try_from(record.at).is_ok_and(|at| at < begin);
        let all_before = records.iter().all(before);
        found.extend(
            records.into_iter().filter(|r| ["granted", "passed", "attendance_amended"].contains(&r.kind.as_str())),
        );
        // The wall clock may jump, but hardly over a whole page.
        if all_before {
            return Ok(found);
        }
        page = Page::Before(oldest);
    }
}

fn watch(book: &Book, rules: &Rules, group: Option<String>) -> Result<()> {
    let query = Query { group, ..Query::default() };
    let mut out = std::io::stdout();
    let live = out.is_terminal();
    loop {
        let found = Found::look(book, rules, &query)?;
        let mut text = Vec::new();
        if live {
            // Home, and clear what is below.
            write!(text, "\x1b[H\x1b[J")?;
        }
        let present = found.days.iter().filter(|day| day.open).count();
        writeln!(text, "{present} present at {}", table::clock(Timestamp::now(), &rules.zone))?;
        table::print(&mut text, &found, &rules.zone)?;
        out.write_all(&text)?;
        out.flush()?;
        if !live {
            return Ok(());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn amendment(
    book: &Book,
    rules: &Rules,
    person: &str,
    [came, went]: [Option<String>; 2],
    void: Option<String>,
    reason: String,
) -> Result<AmendRequest> {
    let PersonWire { id, name, .. } = book.find(person)?;
    if reason.trim().is_empty() {
        bail!("say why with --reason: it is part of the record");
    }
    let add = match (came, went) {
        (Some(at), None) => Some(("in", at)),
        (None, Some(at)) => Some(("out", at)),
        _ => None,
    };
    let add = match add {
        Some((direction, at)) => {
            let at = when::parse_in(&at, &rules.zone).map_err(anyhow::Error::msg)?;
            if at > Timestamp::now() + SignedDuration::from_mins(1) {
                bail!("that is in the future; amend what has happened");
            }
            Some((direction.to_owned(), at))
        }
        None => None,
    };
    let void = match void {
        Some(which) => {
            let record = book.record(&which)?;
            if record.content["person"]["id"] != id
                || !["granted", "passed", "attendance_amended"].contains(&&*record.kind)
            {
                bail!("record {} is not about {name} at a door: {}", record.seq, ledger::explain(&record));
            }
            Some(record.seq)
        }
        None => None,
    };
    if add.is_none() && void.is_none() {
        bail!("say what happened: --in TIME, --out TIME, or --void RECORD");
    }
    Ok(AmendRequest { person: id, name, add, void, reason })
}

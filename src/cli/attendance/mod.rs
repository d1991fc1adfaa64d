//! `usher attendance`

mod programs;
mod table;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::client::Client;
use super::context::Context;
use super::export::CsvForm;
use super::when::{self, Calendar};
use super::whom;
use crate::api::journal::AmendRequest;
use crate::api::people::Person;
use crate::domain::{Card, Event, Named, PersonId, Personal};
use crate::ledger::attendance::{self, Day, Rules, readings, reckon};
use crate::ledger::{self, Dated, RecordFilter};
use crate::setup;

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
    #[arg(long, value_parser = when::parse_day, conflicts_with_all = ["from", "to"])]
    day: Option<when::Day>,
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

impl Attendance {
    pub fn run(self, context: &Context) -> Result<()> {
        let config = context.config()?;
        let rules = setup::attendance(&config)?;
        let client = Client::open(&config)?;
        match self.action {
            Some(Action::Watch { group }) => return watch(&client, &rules, group),
            Some(Action::Amend { person, came, went, void, reason }) => {
                let request = amendment(&client, &rules, &person, [came, went], void, reason)?;
                let record = client.amend(&request)?;
                say!("{}  {}", record.seq, ledger::explain_in(&record, &rules.zone))?;
                return Ok(());
            }
            None => {}
        }
        let found = Found::look(&client, &rules, &self.query)?;
        let own_form = match self.template {
            None => self.format == Format::Csv,
            Some(template) => matches!(template, Template::Frappe | Template::Timesheet),
        };
        if !own_form && !self.csv.is_plain() {
            bail!("--bom and --separator are for --format csv, --template frappe and --template timesheet");
        }
        let mut out = std::io::stdout().lock();
        match (self.template, self.format) {
            (Some(Template::Frappe), _) => {
                found.print_nameless();
                template::frappe(self.csv.writer(&mut out)?, &found, &rules.zone)
            }
            (Some(Template::Odoo), _) => programs::odoo(&mut out, &found, &rules.zone).map(|left_out| left_out.print()),
            (Some(Template::OrangeHrm), _) => {
                programs::orangehrm(&mut out, &found, &rules.zone).map(|left_out| left_out.print())
            }
            (Some(Template::ZkTeco), _) => {
                let doors: Vec<String> = config.doors.iter().map(|door| door.name.clone()).collect();
                programs::zkteco(&mut out, &found, &rules.zone, &doors).map(|left_out| left_out.print())
            }
            (Some(Template::Timesheet), _) => template::timesheet(self.csv.writer(&mut out)?, &found, &rules.zone),
            (None, Format::Csv) => template::days(self.csv.writer(&mut out)?, &found, &rules.zone),
            (None, Format::Json) => table::json(&mut out, &found),
            (None, Format::Table) => table::print(&mut out, &found, &rules.zone),
        }
    }
}

/// The days that a query selects.
struct Found {
    days: Vec<Day>,
}

impl Found {
    fn look(client: &Client, rules: &Rules, query: &Query) -> Result<Found> {
        let now = Timestamp::now();
        let calendar = Calendar::new(rules);
        let today = calendar.today();
        let date = |day: Option<when::Day>| day.map(|day| calendar.date(day));
        let (from, to) = match (date(query.day), date(query.from), date(query.to)) {
            (Some(day), ..) => (day, day),
            (None, None, None) => (today, today),
            (None, from, to) => (from.unwrap_or(to.unwrap_or(today)), to.unwrap_or(today)),
        };
        if from > to {
            bail!("{from} is after {to}: swap --from and --to");
        }
        let people = client.people()?;
        let records = records_of(client, rules, from, (to < today).then_some(to))?;
        let today_s = |id: PersonId| {
            let person = people.iter().find(|person| person.id == id.0)?;
            Some(Card { employee_id: person.employee_id.clone(), groups: person.groups.clone() })
        };
        let mut days = reckon(&readings(&records, &today_s), rules, now);
        // Without a choice of days, people who came yesterday and are still present count too.
        let chosen = query.day.or(query.from).or(query.to).is_some();
        days.retain(|day| (from..=to).contains(&day.date) || !chosen && day.open);
        if let Some(group) = &query.group {
            days.retain(|day| day.card.groups.contains(group));
            if days.is_empty() && !people.iter().any(|person| person.groups.contains(group)) {
                bail!("nobody is in the group `{group}`; `usher people list` shows who is in which");
            }
        }
        if let Some(wanted) = &query.person {
            only(&mut days, &people, wanted)?;
        }
        Ok(Found { days })
    }

    /// How payroll identifies the person: by the employee id of that day, else by name.
    fn employee(&self, day: &Day) -> String {
        day.card.employee_id.clone().unwrap_or_else(|| day.name.clone())
    }

    /// Prints who is identified by name because they had no employee id.
    fn print_nameless(&self) {
        let mut printed = Vec::new();
        for day in self.days.iter().filter(|day| day.card.employee_id.is_none()) {
            if !printed.contains(&day.person) {
                note!(
                    "{} (#{}) has no employee id and is identified by name: `usher people list` shows who has one",
                    day.name,
                    day.person
                );
                printed.push(day.person);
            }
        }
    }
}

/// Keeps the days of one person, who may have been removed since.
fn only(days: &mut Vec<Day>, people: &[Person], wanted: &str) -> Result<()> {
    let named = days.iter().flat_map(|day| {
        let ids = std::iter::once(day.person).chain(day.numbers.iter().copied());
        ids.map(|id| (id.0, day.name.clone(), day.card.employee_id.clone()))
    });
    let ids = whom::among(people, named, wanted)?;
    let is = |day: &Day| ids.iter().any(|&id| day.person.0 == id || day.numbers.contains(&PersonId(id)));
    days.retain(is);
    Ok(())
}

/// The records from which the days from `from` on, or up to `to`, are computed. They include the days around, for stints that begin or end
/// there, and all corrections, whenever they were written.
fn records_of(client: &Client, rules: &Rules, from: Date, to: Option<Date>) -> Result<Vec<Dated>> {
    let midnight = |date: Date| date.at(0, 0, 0, 0).to_zoned_datetime(rules.zone.clone()).map(|at| at.timestamp());
    let wall = |at: Timestamp| SystemTime::try_from(at).ok();
    let begin = midnight(from.checked_sub(2.days()).unwrap_or(Date::MIN)).unwrap_or(Timestamp::MIN);
    let begin = begin.checked_sub(rules.longest_stint).unwrap_or(Timestamp::MIN);
    let end = to.and_then(|to| midnight(to.checked_add(3.days()).ok()?).ok()?.checked_add(rules.longest_stint).ok());
    let owned = |kinds: &[&str]| kinds.iter().map(|&kind| kind.to_owned()).collect();
    let seen = RecordFilter { since: wall(begin), until: end.and_then(wall), kinds: owned(&attendance::PASSAGES) };
    let corrections = RecordFilter { kinds: owned(&attendance::CORRECTIONS), ..RecordFilter::default() };
    let mut found = Vec::new();
    for filter in [seen, corrections] {
        client.each(&filter, |record| {
            found.push(record);
            Ok(())
        })?;
    }
    Ok(found)
}

fn watch(client: &Client, rules: &Rules, group: Option<String>) -> Result<()> {
    let query = Query { group, ..Query::default() };
    let mut out = std::io::stdout();
    let live = out.is_terminal();
    loop {
        let found = Found::look(client, rules, &query)?;
        let mut text = Vec::new();
        if live {
            // Cursor home, and clear below it.
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

/// The person whose attendance is amended.
struct Whom {
    id: u32,
    name: String,
    employee_id: Option<String>,
    groups: Vec<String>,
}

impl From<Person> for Whom {
    fn from(person: Person) -> Whom {
        let Person { id, name, employee_id, groups, .. } = person;
        Whom { id, name, employee_id, groups }
    }
}

/// Somebody who is enrolled, else somebody who was removed, as the record of the removal shows them: a leaver's last day may need a
/// correction.
fn whom(client: &Client, wanted: &str) -> Result<Whom> {
    let error = match whom::enrolled_person(client, wanted) {
        Ok(person) => return Ok(person.into()),
        Err(error) => error,
    };
    let number = wanted.strip_prefix('#').and_then(|number| number.parse::<u32>().ok());
    let mut found: BTreeMap<u32, Whom> = BTreeMap::new();
    let removed = RecordFilter { kinds: vec!["removed".into()], ..RecordFilter::default() };
    client.each(&removed, |dated| {
        let person = dated.record.content.event().and_then(Event::person).and_then(Personal::known).cloned();
        let Some(Named { id: PersonId(id), name: Some(name), card }) = person else { return Ok(()) };
        let Card { employee_id, groups } = card.unwrap_or_default();
        let meant = match number {
            Some(number) => number == id,
            None => employee_id.as_deref() == Some(wanted) || name.to_lowercase() == wanted.to_lowercase(),
        };
        if meant {
            found.insert(id, Whom { id, name, employee_id, groups });
        }
        Ok(())
    })?;
    // Of numbers with the same employee id, the newest is the person.
    let ids: BTreeSet<&Option<String>> = found.values().map(|whom| &whom.employee_id).collect();
    let one = found.len() == 1 || ids.len() == 1 && !ids.contains(&None);
    let Some((_, whom)) = found.pop_last().filter(|_| one) else { return Err(error) };
    // Enrolled again since: that number continues.
    let anew = |person: &Person| person.employee_id.is_some() && person.employee_id == whom.employee_id;
    Ok(client.people()?.into_iter().find(anew).map_or(whom, Whom::from))
}

fn amendment(
    client: &Client,
    rules: &Rules,
    person: &str,
    [came, went]: [Option<String>; 2],
    void: Option<String>,
    reason: String,
) -> Result<AmendRequest> {
    let Whom { id, name, employee_id, groups } = whom(client, person)?;
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
            let at = Calendar::new(rules).parse(&at).map_err(anyhow::Error::msg)?;
            if at > Timestamp::now() + SignedDuration::from_mins(1) {
                bail!("that is in the future; only the past can be amended");
            }
            Some((direction.to_owned(), at))
        }
        None => None,
    };
    let void = match void {
        Some(which) => {
            let record = client.record(&which)?;
            let about = record.content.event().and_then(Event::person).and_then(Personal::known);
            // Somebody who was enrolled again has another number, and the same employee id.
            let same = about.is_some_and(|about| {
                let its_employee_id = about.card.as_ref().and_then(|card| card.employee_id.as_ref());
                about.id.0 == id || (employee_id.is_some() && its_employee_id == employee_id.as_ref())
            });
            if !same || !["granted", "passed", "attendance_amended"].contains(&&*record.kind) {
                let what = ledger::explain_in(&record, &rules.zone);
                bail!("record {} is not about {name} at a door: {what}", record.seq);
            }
            Some(record.seq)
        }
        None => None,
    };
    if add.is_none() && void.is_none() {
        bail!("say what happened: --in TIME, --out TIME, or --void RECORD");
    }
    Ok(AmendRequest { person: id, name, employee_id, groups, add, void, reason })
}

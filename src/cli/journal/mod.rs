//! `usher journal`

mod against;
mod audit;
mod filter;

use std::collections::{HashSet, VecDeque};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::client::{Client, Page};
use super::context::Context;
use super::export::CsvForm;
use super::print::{Tone, ask, toned};
use super::when::Calendar;
use super::whom;
use crate::api::credentials::DuressList;
use crate::api::journal::JournalGap;
use crate::ledger::{self, Dated, RecordFilter, figures};
use crate::setup;
use filter::Filter;

/// Records that are read at once.
const PAGE: usize = 1000;

/// Read the record of what happened.
///
/// Every decision with its reasons, every move of a door, every change of people. Times are local, and days those of [attendance]; with
/// --json they are UTC, with the offset of local time beside them. A record that was written before the clock was set is shown at the time
/// that a later record of the same boot gives it.
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
    ///
    /// Examples: `usher journal list --since today --kind denied`, `usher journal list --person "Ada Lovelace" --since 7d -n 500`.
    List {
        /// How many
        #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        last: u32,
        #[command(flatten)]
        filter: Filter,
    },
    /// Show one record in full; a decision with each of its gates
    Show {
        /// The record's number, or its id or the beginning of it
        record: String,
    },
    /// Show the newest records, and with --follow each new one as it is written
    Tail {
        /// Go on until Ctrl-C
        #[arg(long, short)]
        follow: bool,
        /// How many to begin with
        #[arg(long, short = 'n', default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=10_000))]
        last: u32,
        #[command(flatten)]
        filter: Filter,
    },
    /// Check that no record was changed, taken out or put in
    ///
    /// Names the first record that is broken, and fails then. Records that were deleted by age or size, and those from which somebody was
    /// erased, are sound as long as a later record says so. Says how many events could not be written down, and whether some are in no record
    /// yet.
    ///
    /// With --against it also compares the records with events that somebody else has kept, which finds a journal whose end was cut off or
    /// that was written anew: `mosquitto_sub -t 'usher/front-door/event/#' -t 'usher/front-door/replay/#' >> events.jsonl`.
    Verify {
        /// Events as the broker sent them, one JSON object a line; `-` is standard input
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
    },
    /// Write records as lines of JSON or as CSV, the oldest first
    Export {
        /// The file; standard output when it is left out
        file: Option<PathBuf>,
        /// One JSON object a line, which is the default
        #[arg(long, conflicts_with = "csv")]
        jsonl: bool,
        /// A row for each record: its number, times, what happened in words, door, person, who asked for it, the content, the hashes
        #[arg(long)]
        csv: bool,
        #[command(flatten)]
        form: CsvForm,
        #[command(flatten)]
        filter: Filter,
    },
    /// List when somebody entered a duress PIN
    ///
    /// Each right PIN makes a record `pin_entered`, whose sealed note says which it was. This opens the notes, and needs the store's key. Do not
    /// look at it where somebody else may.
    Duress,
    /// Erase a person's name and number from the records
    ///
    /// The records stay and still show that a door opened, but no longer for whom, here and in later backups. The chain stays sound, and
    /// a record says how many were changed, and by whom. This cannot be undone. Backups made before still hold the name, and so may the
    /// database's file until its place is used again. Remove the person first, or new records will name them.
    Erase {
        /// Employee id or whole name, as now or as the records have it, or number as in `#7`
        ///
        /// Where a word could mean two people, nothing is erased, with --yes too.
        #[arg(long)]
        person: String,
        /// Only from records before this time: `2026-01-31`, `90d`
        #[arg(long, value_name = "TIME")]
        before: Option<String>,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

impl Journal {
    pub fn run(self, context: &Context) -> Result<()> {
        let client = context.client().inspect_err(|_| {
            // The mark is of use just where the store cannot be opened.
            let config = matches!(self.action, Action::Verify { .. }).then(|| context.config().ok()).flatten();
            if let Some(gap) = config.and_then(|config| setup::gap_marks(&config).read(|_| true)) {
                note!("{}", untold(&JournalGap::from(&gap)));
            }
        })?;
        let mut out = std::io::stdout().lock();
        match self.action {
            Action::Verify { against } => return verify(&client, &mut out, self.json, against.as_deref()),
            Action::Duress => return duress(&client, &mut out, self.json),
            _ => {}
        }
        // What follows tells days apart.
        let calendar = Calendar::of_attendance(&client.calendar()?)?;
        let zone = calendar.zone();
        match self.action {
            Action::Verify { .. } | Action::Duress => {}
            Action::List { last, filter } => {
                let filter = filter.settled(&client)?;
                let mut lines = Lines { json: self.json, zone, day: String::new() };
                for record in newest(&client, &filter.record_filter(&calendar)?, last as usize)? {
                    lines.write(&mut out, &record)?;
                }
            }
            Action::Show { record } => {
                let record = client.dated(&record)?;
                show(&mut out, &record, zone, self.json)?;
            }
            Action::Tail { follow, last, filter } => {
                let filter = filter.settled(&client)?;
                let mut lines = Lines { json: self.json, zone, day: String::new() };
                let wanted = filter.record_filter(&calendar)?;
                // From here on, so that nothing is missed between the list and the first look.
                let seen = client.journal(Page::Newest, 1)?.first().map_or(0, |record| record.seq);
                let mut shown = HashSet::new();
                for record in newest(&client, &wanted, last as usize)? {
                    shown.insert(record.record.seq);
                    lines.write(&mut out, &record)?;
                }
                out.flush()?;
                if !follow {
                    return Ok(());
                }
                if !client.is_daemon() {
                    bail!("no daemon runs, so nothing will come: start it with `usher run`");
                }
                client.follow(seen, &wanted, |record| {
                    if wanted.fits(&record) && !shown.remove(&record.record.seq) {
                        lines.write(&mut out, &record)?;
                        out.flush()?;
                    }
                    Ok(())
                })?;
            }
            Action::Export { file, filter, csv, form, .. } => {
                if !csv && !form.is_plain() {
                    bail!("--bom and --separator are for --csv");
                }
                let filter = filter.settled(&client)?;
                let wanted = filter.record_filter(&calendar)?;
                let mut out: Box<dyn Write> = match &file {
                    Some(path) => Box::new(std::io::BufWriter::new(std::fs::File::create_new(path)?)),
                    None => Box::new(out),
                };
                export(&client, &mut out, &wanted, csv.then_some((zone, form)))?;
            }
            Action::Erase { person, before, yes } => {
                let before = before.map(|text| calendar.parse(&text)).transpose().map_err(anyhow::Error::msg)?;
                let (known, ids) = whom::to_erase(&client, &person)?;
                if !yes && !confirmed(&known)? {
                    bail!("nothing was erased");
                }
                for id in ids {
                    let records = client.erase(id, before)?;
                    match self.json {
                        true => writeln!(out, "{}", serde_json::json!({ "person": id, "records": records }))?,
                        false => writeln!(out, "person {id} is erased from {records} records")?,
                    }
                }
            }
        }
        Ok(())
    }
}

/// A record as JSON, with the numbers of its gates.
fn in_json(dated: &Dated) -> Value {
    let mut json = dated.to_json();
    figures::add_to_record(&mut json);
    json
}

/// Prints a record in full: as JSON, or as a receipt in which what failed stands out.
pub fn show(out: &mut impl Write, dated: &Dated, zone: &TimeZone, json: bool) -> Result<()> {
    if json {
        writeln!(out, "{}", in_json(dated))?;
        return Ok(());
    }
    for line in ledger::receipt_dated(dated, zone).lines() {
        // The name of a gate's line, then its answer.
        let tone = match line.strip_prefix("gates").unwrap_or(line).split_whitespace().next() {
            Some("failed") => Tone::Bad,
            Some("unsure") => Tone::Warning,
            _ if line.starts_with("event ") => tone(&dated.record.kind),
            _ => Tone::Plain,
        };
        writeln!(out, "{}", toned(tone, line))?;
    }
    Ok(())
}

/// What stands out in a list: refusals, alarms and failures.
fn tone(kind: &str) -> Tone {
    match kind {
        "denied" | "denials_repeated" | "unlock_refused" | "command_refused" | "alarm_raised" | "door_failed"
        | "contacts_lost" | "camera_lost" | "stage_failed" | "templates_locked" | "journal_back" => Tone::Bad,
        "held_open_warning" | "contact_chattered" | "low_assurance" | "clock_jumped" | "hub_message_refused" => {
            Tone::Warning
        }
        "granted" | "admitted" => Tone::Good,
        _ => Tone::Plain,
    }
}

/// Lists when somebody entered a duress PIN.
fn duress(client: &Client, out: &mut impl Write, json: bool) -> Result<()> {
    let DuressList { duress, unreadable } = client.duress()?;
    for one in &duress {
        match json {
            true => writeln!(out, "{}", serde_json::to_string(one)?)?,
            false => {
                let person = one.person.as_deref().unwrap_or("somebody (erased)");
                writeln!(out, "{:>6}  {}  {person} at {}", one.record, one.time, one.door)?;
            }
        }
    }
    if duress.is_empty() && !json {
        writeln!(out, "no duress PIN was entered")?;
    }
    if unreadable > 0 {
        note!("usher: {unreadable} notes cannot be opened: their key is not on the key ring");
    }
    Ok(())
}

/// Checks the chain, and says how it is.
fn verify(client: &Client, out: &mut impl Write, json: bool, against: Option<&Path>) -> Result<()> {
    let found = client.verify()?;
    let compared = against.map(|file| against::compare(client, file)).transpose()?;
    if json {
        let events = compared.map(|found| {
            serde_json::json!({ "agree": found.agree, "deleted": found.deleted, "without_hash": found.without })
        });
        let found = serde_json::json!({
            "records": found.records, "pruned_through": found.pruned_through, "erased": found.erased, "sound": true,
            "gaps": found.gaps, "lost": found.lost, "untold": found.untold,
            "events": events,
        });
        writeln!(out, "{found}")?;
        return Ok(());
    }
    write!(out, "{} records, the chain is sound", found.records)?;
    if found.pruned_through > 0 {
        write!(out, "; those up to {} were deleted", found.pruned_through)?;
    }
    if found.erased > 0 {
        write!(out, "; somebody was erased from {}", found.erased)?;
    }
    writeln!(out)?;
    if found.gaps > 0 {
        let (lost, gaps) = (found.lost, found.gaps);
        writeln!(
            out,
            "{lost} events could not be written down, as {gaps} records say (usher journal list --kind journal_back)"
        )?;
    }
    if let Some(gap) = &found.untold {
        writeln!(out, "{}", untold(gap))?;
    }
    if let Some(found) = compared {
        write!(out, "{} events agree with their records", found.agree)?;
        if found.deleted > 0 {
            write!(out, "; the records of {} were deleted", found.deleted)?;
        }
        if found.without > 0 {
            write!(out, "; {} have no hash", found.without)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Writes the records that fit, oldest first: as a table with the local time of a zone, or as lines of JSON.
fn export(
    client: &Client,
    mut out: impl Write,
    wanted: &RecordFilter,
    table: Option<(&TimeZone, CsvForm)>,
) -> Result<()> {
    match table {
        Some((zone, form)) => {
            let mut table = audit::Table::begin(form.writer(&mut out)?, zone);
            client.each(wanted, |record| table.write(&record))?;
            table.finish()?;
        }
        None => client.each(wanted, |record| Ok(writeln!(out, "{}", in_json(&record))?))?,
    }
    Ok(out.flush()?)
}

/// That events are in no record.
fn untold(JournalGap { lost, unlocked, since, reason }: &JournalGap) -> String {
    format!("ALARM: {lost} events since {since} are in no record yet, {unlocked} of them openings of a door: {reason}")
}

/// The newest records that fit, the newest last.
fn newest(client: &Client, wanted: &RecordFilter, count: usize) -> Result<VecDeque<Dated>> {
    let mut found = VecDeque::new();
    let mut page = Page::Newest;
    while found.len() < count {
        let records = client.select(page, (count - found.len()).min(PAGE), wanted)?;
        let Some(oldest) = records.last().map(|dated| dated.record.seq) else { break };
        records.into_iter().for_each(|record| found.push_front(record));
        page = Page::Before(oldest);
    }
    Ok(found)
}

fn confirmed(person: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("pass --yes to erase {person} without being asked");
    }
    Ok(ask(&format!("Erase {person} from the journal? This cannot be undone."))?)
}

/// Records as lines, with a heading for each day.
struct Lines<'a> {
    json: bool,
    zone: &'a TimeZone,
    day: String,
}

impl Lines<'_> {
    fn write(&mut self, out: &mut impl Write, dated: &Dated) -> Result<()> {
        if self.json {
            writeln!(out, "{}", in_json(dated))?;
            return Ok(());
        }
        let day = self.day_of(dated);
        if day != self.day {
            writeln!(out, "{day}")?;
            self.day = day;
        }
        let line = ledger::explain_dated(dated, self.zone);
        let board = dated.origin.as_ref().map(|origin| format!("{}  ", origin.board)).unwrap_or_default();
        writeln!(out, "{:>6}  {board}{}", dated.record.seq, toned(tone(&dated.record.kind), &line))?;
        Ok(())
    }

    /// The record's date by the local calendar, as `2026-01-02`.
    fn day_of(&self, dated: &Dated) -> String {
        match Timestamp::try_from(dated.at) {
            Ok(at) => at.to_zoned_datetime(self.zone.clone()).date().to_string(),
            Err(_) => dated.record.time(),
        }
    }
}

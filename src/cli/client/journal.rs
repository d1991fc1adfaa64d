//! The client's acts on the journal and on the store as a whole.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use hyper::Method;
use jiff::Timestamp;
use jiff::civil::Date;

use super::Client;
use super::transport::encode;
use crate::api::attendance::{AmendRequest, Attendance, DaySheet, ExportFile};
use crate::api::journal::{EraseRequest, Erased, Record, Verification};
use crate::ledger::attendance::{Period, export};
use crate::ledger::{self, Dated, RecordFilter};
use crate::store::{Contents, verify_backup};
use crate::table::{CsvForm, Separator};

/// The part of a query that says which kinds, door and people are wanted.
fn wanted(filter: &RecordFilter) -> String {
    let mut query = String::new();
    if !filter.kinds.is_empty() {
        query += &format!("&kinds={}", encode(&filter.kinds.join(",")));
    }
    if let Some(door) = &filter.door {
        query += &format!("&door={}", encode(door));
    }
    if !filter.people.is_empty() {
        query += &format!("&person={}", encode(&numbers(filter.people.iter().map(|person| person.0))));
    }
    query
}

/// The query for days.
fn days(Asked { period, people, group }: &Asked) -> String {
    let mut query = String::new();
    if let Some(Period { from, to }) = period {
        query += &format!("&from={from}&to={to}");
    }
    if !people.is_empty() {
        query += &format!("&person={}", encode(&numbers(people.iter().copied())));
    }
    if let Some(group) = group {
        query += &format!("&group={}", encode(group));
    }
    query
}

fn numbers(people: impl Iterator<Item = u32>) -> String {
    people.map(|person| person.to_string()).collect::<Vec<_>>().join(",")
}

/// Which days of attendance are asked for, and of whom.
#[derive(Default)]
pub struct Asked {
    /// `None` is today, and what is still open.
    pub period: Option<Period>,
    /// The numbers of one person; empty is everybody.
    pub people: Vec<u32>,
    pub group: Option<String>,
}

/// Where a page of the journal begins.
#[derive(Clone, Copy)]
pub enum Page {
    /// The records after this number, oldest first.
    After(u64),
    /// The newest, newest first.
    Newest,
    /// Those before this number, newest first.
    Before(u64),
}

/// Records that are read at once.
const PAGE: usize = 1000;
/// Nobody follows the journal for longer.
const FOLLOWED: Duration = Duration::from_secs(365 * 24 * 3600);

impl Client {
    /// At most `limit` records of the journal.
    pub fn journal(&self, page: Page, limit: usize) -> Result<Vec<ledger::Record>> {
        let records = self.select(page, limit, &RecordFilter::default())?;
        Ok(records.into_iter().map(|dated| dated.record).collect())
    }

    /// At most `limit` records of the journal that fit `filter`, each with its time.
    pub fn select(&self, page: Page, limit: usize, filter: &RecordFilter) -> Result<Vec<Dated>> {
        let mut query = format!("limit={limit}");
        match page {
            Page::After(seq) => query += &format!("&after={seq}"),
            Page::Newest => {}
            Page::Before(seq) => query += &format!("&before={seq}"),
        }
        for (name, time) in [("since", filter.since), ("until", filter.until)] {
            if let Some(time) = time {
                query += &format!("&{name}={}", Timestamp::try_from(time)?);
            }
        }
        query += &wanted(filter);
        let records: Vec<Record> = self.get(&format!("/v1/journal?{query}"))?;
        Ok(records.into_iter().map(|Record(dated)| dated).collect())
    }

    /// Calls `show` with every record that fits `filter`, oldest first.
    pub fn each(&self, filter: &RecordFilter, mut show: impl FnMut(Dated) -> Result<()>) -> Result<()> {
        let mut after = 0;
        loop {
            let records = self.select(Page::After(after), PAGE, filter)?;
            let Some(last) = records.last() else { return Ok(()) };
            after = last.record.seq;
            records.into_iter().try_for_each(&mut show)?;
        }
    }

    /// Calls `show` with each record after a number that fits `filter` by kind, door and person: those that there are, then each new one as it is
    /// written.
    ///
    /// # Errors
    /// No daemon runs, it stops, or `show` fails.
    pub fn follow(&self, after: u64, filter: &RecordFilter, mut show: impl FnMut(Dated) -> Result<()>) -> Result<()> {
        let path = format!("/v1/journal/follow?after={after}{}", wanted(filter));
        self.lines(&path, Instant::now() + FOLLOWED, |line| {
            let Record(dated) =
                serde_json::from_slice(line).context("a record is of another version; restart the daemon")?;
            show(dated).map(|()| true)
        })
    }

    /// The days that are asked for.
    pub fn attendance(&self, asked: &Asked) -> Result<Attendance> {
        self.get(&format!("/v1/attendance?{}", days(asked)))
    }

    /// A day of everybody, with the absentees; today without a date.
    pub fn attendance_sheet(&self, date: Option<Date>, group: Option<&str>) -> Result<DaySheet> {
        let date = date.map(|date| format!("&date={date}")).unwrap_or_default();
        let group = group.map(|group| format!("&group={}", encode(group))).unwrap_or_default();
        self.get(&format!("/v1/attendance/day?{date}{group}"))
    }

    /// A file of the days that are asked for.
    pub fn export_attendance(&self, asked: &Asked, format: export::Format, form: CsvForm) -> Result<ExportFile> {
        let separator = match form.separator {
            Separator::Comma => "comma",
            Separator::Semicolon => "semicolon",
            Separator::Tab => "tab",
        };
        let form = format!("format={}&bom={}&separator={separator}", format.as_str(), form.bom);
        self.get(&format!("/v1/attendance/export?{form}{}", days(asked)))
    }

    /// The record of a number, of an id, or of the beginning of one.
    pub fn record(&self, which: &str) -> Result<ledger::Record> {
        Ok(self.dated(which)?.record)
    }

    /// As [`Client::record`], with its time.
    pub fn dated(&self, which: &str) -> Result<Dated> {
        let Record(dated) = self.get(&format!("/v1/journal/{}", encode(which)))?;
        Ok(dated)
    }

    /// Checks the journal's chain.
    pub fn verify(&self) -> Result<Verification> {
        self.get("/v1/journal/verify")
    }

    /// Erases a person from all records, or from those before a time; returns how many records changed.
    pub fn erase(&self, person: u32, before: Option<Timestamp>) -> Result<u64> {
        let erased: Erased = self.send(Method::POST, "/v1/journal/erase", &EraseRequest { person, before })?;
        Ok(erased.records)
    }

    /// Amends attendance; returns the record of it.
    pub fn amend(&self, request: &AmendRequest) -> Result<ledger::Record> {
        let Record(dated) = self.send(Method::POST, "/v1/attendance/amend", request)?;
        Ok(dated.record)
    }

    /// Writes the whole store into a file that only its owner can read. The file gets its name once it is complete and checked.
    pub fn back_up(&self, path: &Path, force: bool) -> Result<Contents> {
        if path.exists() && !force {
            bail!("{} exists already; pass --force to overwrite it", path.display());
        }
        let mut part = path.as_os_str().to_owned();
        // Two commands for one file must not write into each other's.
        part.push(format!(".part-{}", std::process::id()));
        let part = Path::new(&part);
        let done = self.download_into(part).and_then(|()| Ok(verify_backup(part)?)).and_then(|contents| {
            std::fs::rename(part, path).with_context(|| format!("{} cannot be written", path.display()))?;
            Ok(contents)
        });
        if done.is_err() {
            // An incomplete backup is of no use.
            drop(std::fs::remove_file(part));
        }
        done
    }

    fn download_into(&self, path: &Path) -> Result<()> {
        let cannot = || format!("{} cannot be written", path.display());
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path);
        let mut file = file.with_context(cannot)?;
        self.download("/v1/backup", |bytes| file.write_all(bytes).with_context(cannot))?;
        file.sync_all().with_context(cannot)
    }
}

//! The book's part about the record: pages of the journal, checking, erasing, amending, and the backup.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow, bail};
use hyper::Method;
use jiff::Timestamp;
use serde_json::Value;

use super::Book;
use crate::daemon::wire::{AmendRequest, EraseAnswer, EraseRequest, VerifiedWire};
use crate::domain::PersonId;
use crate::ledger::{Dated, Order, Record, Window};
use crate::store::{Contents, verify_backup};

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

impl Page {
    /// As the control API wants it.
    fn as_query(self) -> String {
        match self {
            Page::After(seq) => format!("after={seq}&"),
            Page::Newest => String::new(),
            Page::Before(seq) => format!("before={seq}&"),
        }
    }
}

impl Book {
    /// At most `limit` records of the journal.
    pub fn journal(&self, page: Page, limit: usize) -> Result<Vec<Record>> {
        match self {
            Book::Remote(client) => {
                let from = page.as_query();
                let records: Vec<Value> = client.get(&format!("/v1/journal?{from}limit={limit}"))?;
                records.iter().map(read).collect()
            }
            Book::Local(local) => {
                let journal = local.recorder.journal();
                Ok(match page {
                    Page::After(seq) => journal.list(seq.saturating_add(1).., Order::OldestFirst, limit)?,
                    Page::Newest => journal.list(.., Order::NewestFirst, limit)?,
                    Page::Before(seq) => journal.list(..seq, Order::NewestFirst, limit)?,
                })
            }
        }
    }

    /// At most `limit` records of the journal that fit `window`, each with its time.
    pub fn select(&self, page: Page, limit: usize, window: &Window) -> Result<Vec<Dated>> {
        match self {
            Book::Remote(client) => {
                let mut query = page.as_query();
                for (name, time) in [("since", window.since), ("until", window.until)] {
                    if let Some(time) = time {
                        query += &format!("{name}={}&", Timestamp::try_from(time)?);
                    }
                }
                if !window.kinds.is_empty() {
                    let plain = |kind: &String| kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                    // No kind has other characters, so one that has them is that of no record.
                    let kinds = window.kinds.iter().map(|kind| if plain(kind) { kind } else { "-" });
                    query += &format!("kinds={}&", kinds.collect::<Vec<_>>().join(","));
                }
                let records: Vec<Value> = client.get(&format!("/v1/journal?{query}limit={limit}"))?;
                records.iter().map(read_dated).collect()
            }
            Book::Local(local) => {
                let journal = local.recorder.journal();
                Ok(match page {
                    Page::After(seq) => journal.select(seq.saturating_add(1).., Order::OldestFirst, limit, window)?,
                    Page::Newest => journal.select(.., Order::NewestFirst, limit, window)?,
                    Page::Before(seq) => journal.select(..seq, Order::NewestFirst, limit, window)?,
                })
            }
        }
    }

    /// Every record that fits `window`, oldest first.
    pub fn each(&self, window: &Window, mut show: impl FnMut(Dated) -> Result<()>) -> Result<()> {
        let mut after = 0;
        loop {
            let records = self.select(Page::After(after), PAGE, window)?;
            let Some(last) = records.last() else { return Ok(()) };
            after = last.record.seq;
            records.into_iter().try_for_each(&mut show)?;
        }
    }

    /// The record of a number, or of an id or the beginning of one.
    pub fn record(&self, which: &str) -> Result<Record> {
        Ok(self.dated(which)?.record)
    }

    /// As [`Book::record`], with its time.
    pub fn dated(&self, which: &str) -> Result<Dated> {
        let missing = || anyhow!("there is no record {which}; `usher journal list` shows the newest");
        match self {
            Book::Remote(client) => {
                let plain = which.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') && !which.is_empty();
                if !plain {
                    return Err(missing());
                }
                read_dated(&client.get::<Value>(&format!("/v1/journal/{which}"))?)
            }
            Book::Local(local) => local.recorder.journal().look_up_dated(which)?.ok_or_else(missing),
        }
    }

    /// Checks the journal's chain.
    pub fn verify(&self) -> Result<VerifiedWire> {
        match self {
            Book::Remote(client) => client.get("/v1/journal/verify"),
            Book::Local(local) => match local.recorder.journal().verify() {
                Ok(verified) => Ok(VerifiedWire::new(verified, local.recorder.gap().as_ref())),
                Err(broken) => bail!(broken),
            },
        }
    }

    /// Erases a person from the records, all or those before a time; from how many.
    pub fn erase(&self, person: u32, before: Option<Timestamp>) -> Result<u64> {
        match self {
            Book::Remote(client) => {
                let answer: EraseAnswer =
                    client.send(Method::POST, "/v1/journal/erase", &EraseRequest { person, before })?;
                Ok(answer.records)
            }
            Book::Local(local) => {
                let before = before.map(SystemTime::try_from).transpose()?;
                Ok(local.recorder.erase(PersonId(person), before, &local.by)?)
            }
        }
    }

    /// Amends attendance; the record of it.
    pub fn amend(&self, request: AmendRequest) -> Result<Record> {
        match self {
            Book::Remote(client) => read(&client.send::<Value>(Method::POST, "/v1/attendance/amend", &request)?),
            Book::Local(local) => {
                let event = request.event(local.by.clone()).ok_or_else(|| anyhow!("add a time, or void a record"))?;
                Ok(local.recorder.record_change(&event, &[])?)
            }
        }
    }

    /// Writes the whole store into a file of its owner alone. It has its name only when it is whole and checked.
    pub fn back_up(&self, path: &Path, force: bool) -> Result<Contents> {
        if path.exists() && !force {
            bail!("{} exists already; pass --force to write over it", path.display());
        }
        let mut part = path.as_os_str().to_owned();
        // Two commands for one file must not write into each other's.
        part.push(format!(".part-{}", std::process::id()));
        let part = Path::new(&part);
        let written = match self {
            Book::Remote(client) => {
                let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(part);
                let mut file = file.with_context(|| format!("{} cannot be written", part.display()))?;
                client.download("/v1/backup", |bytes| Ok(file.write_all(bytes)?)).and_then(|()| Ok(file.sync_all()?))
            }
            Book::Local(local) => local.recorder.store().back_up(part).map(drop).map_err(Into::into),
        };
        let checked = written.and_then(|()| Ok(verify_backup(part)?));
        let done = checked.and_then(|contents| {
            std::fs::rename(part, path).with_context(|| format!("{} cannot be written", path.display()))?;
            Ok(contents)
        });
        if done.is_err() {
            // What is not whole is of no use to anybody.
            drop(std::fs::remove_file(part));
        }
        done
    }
}

fn read(record: &Value) -> Result<Record> {
    Record::from_json(record).ok_or_else(|| anyhow!("a record of another version: {record}"))
}

fn read_dated(record: &Value) -> Result<Dated> {
    Dated::from_json(record).ok_or_else(|| anyhow!("a record of another version: {record}"))
}

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
use crate::ledger::{Order, Record};
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

impl Book {
    /// At most `limit` records of the journal.
    pub fn journal(&self, page: Page, limit: usize) -> Result<Vec<Record>> {
        match self {
            Book::Remote(client) => {
                let from = match page {
                    Page::After(seq) => format!("after={seq}&"),
                    Page::Newest => String::new(),
                    Page::Before(seq) => format!("before={seq}&"),
                };
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

    /// The record of a number, or of an id or the beginning of one.
    pub fn record(&self, which: &str) -> Result<Record> {
        let missing = || anyhow!("there is no record {which}; `usher journal list` shows the newest");
        match self {
            Book::Remote(client) => {
                let plain = which.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') && !which.is_empty();
                if !plain {
                    return Err(missing());
                }
                read(&client.get::<Value>(&format!("/v1/journal/{which}"))?)
            }
            Book::Local(local) => local.recorder.journal().look_up(which)?.ok_or_else(missing),
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
                Ok(local.recorder.record_or_not_at_all(&event, &[])?)
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

//! Putting a head beside the store and taking it off, each with a record in the journal.
//!
//! The record is on disk before the head is in its place, and a head that cannot be written leaves none.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::super::super::client::note_head;
use super::super::super::context::Context;
use super::report::Report;
use crate::api::journal::HeadRequest;
use crate::config::Config;
use crate::setup;
use crate::vision::digest::sha256;
use crate::vision::head_file::{HeadFile, HeadFileError};

/// Writes the head of a report into its place beside the store.
pub fn keep(file: &HeadFile, path: &Path, report: &Report, config: &Config) -> Result<()> {
    file.save_once(path, |sha256| {
        let kept = HeadRequest::Kept {
            head: file.head.id().to_string(),
            sha256: sha256.to_owned(),
            people: report.people,
            photographs: report.photographs,
            false_match_rate: report.order.fmr,
            missed_without: report.judgement.before.value,
            missed_behind: report.judgement.after.value,
        };
        note_head(config, &kept).context("no head was kept")
    })
}

/// Takes the site's head off, whatever is in its file.
pub fn remove(context: &Context) -> Result<()> {
    let config = context.config()?;
    let path = setup::head::path(&config, &setup::embedder(&config)?);
    let content = match std::fs::read(&path) {
        Ok(content) => content,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("there is no site head: {} does not exist", path.display());
            return Ok(());
        }
        Err(why) => return Err(HeadFileError::Unreadable { path, why }.into()),
    };
    let head = HeadFile::parse(&content).ok().map(|file| file.head.id().to_string());
    // Out of its place first: who may not do that leaves no record of it.
    let aside = path.with_extension("removed");
    let cannot = || format!("cannot remove {}", path.display());
    std::fs::rename(&path, &aside).with_context(cannot)?;
    if let Err(error) = note_head(&config, &HeadRequest::Removed { head, sha256: sha256(&content) }) {
        std::fs::rename(&aside, &path).with_context(cannot)?;
        return Err(error.context("the head was not taken off"));
    }
    std::fs::remove_file(&aside).with_context(cannot)?;
    println!("removed {}; a running daemon compares without it from its next start on", path.display());
    Ok(())
}

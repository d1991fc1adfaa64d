//! `usher people export` and `usher people erase`

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::api::personal_data::ErasedPerson;
use crate::cli::client::Client;
use crate::cli::print::ask;
use crate::cli::whom;

/// Write everything that is kept of a person into one file
///
/// For the person, after articles 15 and 20 of the GDPR: name, groups and days, templates with their embeddings, kept faces, attendance, and every
/// record of the journal that says something about them. Other people are left out. The file is JSON, and only its owner can read it. The
/// journal records who exported it. Also finds people who were removed, by the name or employee id that the records have.
#[derive(Args)]
#[command(after_help = "Example:\n  usher people export \"Ada Lovelace\" --out ada.json")]
pub struct Export {
    /// Employee id or whole name, as now or as the records have it, or number as in '#7'
    person: String,
    /// The file, which must not exist yet; `-` is standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Erase everything that is kept of a person, in one act
///
/// After article 17 of the GDPR: removes the person with templates, PINs and tags, erases faces kept of grants, takes the person out of every
/// record of the journal, and clears what the broker retains. The records stay and still show that a door opened, but no longer for whom. This
/// cannot be undone. Backups made before still hold the name: delete them, or erase the person again after a restore. Save the key ring again
/// afterwards (usher store ring save).
#[derive(Args)]
pub struct Erase {
    /// Employee id or whole name, as now or as the records have it, or number as in '#7'
    ///
    /// Where a word could mean two people, nothing is erased, with --yes too.
    person: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Export {
    pub fn run(&self, client: &Client) -> Result<()> {
        let (known, ids) = whom::to_erase(client, &self.person)?;
        let [id] = ids[..] else {
            bail!("{known} were one person after the other: export each by number, as in '#7'");
        };
        let export = || -> Result<String> { Ok(serde_json::to_string_pretty(&client.export(id)?)? + "\n") };
        if self.out == Path::new("-") {
            std::io::stdout().lock().write_all(export()?.as_bytes())?;
            return Ok(());
        }
        // The file first: an export that cannot be kept is not asked for, and is in no record.
        let cannot = || format!("{} cannot be written", self.out.display());
        let file = File::options().write(true).create_new(true).mode(0o600).open(&self.out);
        let mut file = file.with_context(cannot)?;
        let written = export()
            .and_then(|text| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(cannot));
        if written.is_err() {
            // An incomplete file is of no use.
            drop(std::fs::remove_file(&self.out));
        }
        written?;
        note!("everything that is kept of {known} is in {}", self.out.display());
        Ok(())
    }
}

impl Erase {
    pub fn run(&self, client: &Client, as_json: bool) -> Result<()> {
        let (known, ids) = whom::to_erase(client, &self.person)?;
        if !self.yes {
            if !std::io::stdin().is_terminal() {
                bail!("pass --yes to erase {known} without being asked");
            }
            if !ask(&format!("Erase everything that is kept of {known}? This cannot be undone."))? {
                bail!("nothing was erased");
            }
        }
        let mut out = std::io::stdout().lock();
        for id in ids {
            let erased = client.erase_person(id)?;
            if as_json {
                let mut line = serde_json::to_value(erased)?;
                if let Some(fields) = line.as_object_mut() {
                    fields.insert("person".to_owned(), id.into());
                }
                writeln!(out, "{line}")?;
                continue;
            }
            let ErasedPerson { removed, templates, visits, records } = erased;
            let person = if removed { "removed" } else { "no longer enrolled" };
            writeln!(
                out,
                "person {id} is {person}: erased {templates} templates, {visits} kept faces, and the name from {records} records"
            )?;
        }
        Ok(())
    }
}

//! `usher fleet export`: the office's boards, people and collected records in a PostgreSQL database, for reports.
//!
//! - `database`: the connection, and what is written in it
//! - `schema`: the tables
//! - `row`: a collected record as a row

mod database;
mod row;
mod schema;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde_json::json;

use super::{client, unexpected};
use crate::fleet::Site;
use crate::office::fleet::protocol::{Answer, OfficeStatus, PersonRow, Request};
use database::{Copied, Database};
use schema::SchemaName;

/// Copy boards, people and collected records into a PostgreSQL database
///
/// Writes into tables of a schema of its own, which it makes. Run it as often as you like, for example every five minutes from a timer: it copies what is
/// new or was changed since. A run that was interrupted is taken up by the next one, and nothing is copied twice. Somebody who is forgotten is erased
/// there by the next run. Nothing in the database is ever read back.
///
/// A password on the command line can be seen by others: put it into the environment as PGPASSWORD. Connections to other machines are encrypted, and the
/// server's certificate is checked, unless the address says sslmode=disable.
#[derive(Args)]
pub struct Export {
    /// The database: postgres://user@host/database
    #[arg(long, value_name = "URL", env = "USHER_POSTGRES", hide_env_values = true, value_parser = NonEmptyStringValueParser::new())]
    postgres: String,
    /// The schema with the tables
    #[arg(long, value_name = "NAME", default_value = "usher")]
    schema: SchemaName,
    /// The authority that has signed the server's certificate, as PEM [default: those that the system trusts]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a run has copied.
#[derive(Debug, Default)]
struct Total {
    records: u64,
    people: usize,
    boards: usize,
}

impl Export {
    pub fn run(self, folder: &Path, out: &mut impl Write) -> Result<()> {
        let tokio = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the asynchronous runtime cannot be started")?;
        // Also where the connection does not need it.
        if let Some(file) = &self.ca_file {
            std::fs::File::open(file).with_context(|| format!("--ca-file {} cannot be read", file.display()))?;
        }
        let total = tokio.block_on(async {
            let mut database = Database::open(&self.postgres, self.ca_file.as_deref(), self.schema.clone()).await?;
            copy(folder, &mut database).await
        })?;
        let Total { records, people, boards } = total;
        match self.json {
            true => writeln!(out, "{}", json!({ "records": records, "people": people, "boards": boards }))?,
            false => writeln!(
                out,
                "records copied that are new or were changed: {records}; up to date: people {people}, boards {boards}"
            )?,
        }
        Ok(())
    }
}

/// The office is asked on this thread: nothing else runs on it.
async fn copy(folder: &Path, database: &mut Database) -> Result<Total> {
    let mut total = Total::default();
    let mut place = None;
    loop {
        let after = match place {
            None => database.place().await?,
            some => some,
        };
        let Answer::Changes { fleet, changes } = client::ask(folder, &Request::Changes { after })? else {
            return unexpected();
        };
        if changes.anew {
            note!(
                "usher: the office's store was restored from a backup, or it is long since it was read: all records are copied again"
            );
        }
        match database.keep(fleet, after, &changes).await? {
            // Another run was faster.
            Copied::ElsewhereMeanwhile => place = None,
            Copied::Records(records) => {
                total.records = total.records.saturating_add(records);
                place = Some(changes.place);
                if changes.records.is_empty() {
                    break;
                }
            }
        }
    }
    let Answer::Status(status) = client::ask(folder, &Request::Status)? else { return unexpected() };
    let people = people_of(folder, &status)?;
    database.replace(&status, &people).await?;
    Ok(Total { people: people.len(), boards: status.boards.len(), ..total })
}

/// Everybody who is enrolled, with their site.
fn people_of(folder: &Path, status: &OfficeStatus) -> Result<Vec<(String, PersonRow)>> {
    let mut all = Vec::new();
    for row in &status.sites {
        let site: Site = row.site.parse().context("the office names a site that cannot be")?;
        let Answer::People { people } = client::ask(folder, &Request::People { site })? else { return unexpected() };
        all.extend(people.into_iter().map(|person| (row.site.clone(), person)));
    }
    Ok(all)
}

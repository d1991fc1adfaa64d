//! `usher people unknown`

use std::io::Write;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::cli::book::Book;
use crate::cli::cluster::{default_limit, distance};
use crate::config::Config;
use crate::daemon::wire::StrangersWire;
use crate::domain::Distance;
use crate::setup;

/// Show the visitors whom nobody knew, sorted by who they are
///
/// While `[gallery] keep_unknown` says for how long, the daemon keeps the embedding of a face that a door refused as unknown, once
/// for each time that it comes into view; never a photograph. This command puts those into one group that look like one person, as
/// `usher cluster` does with photographs, and prints for each how often, when and where they came, and who of the people enrolled is
/// nearest. A group that is near somebody enrolled may be that person badly seen: better photographs help.
#[derive(Args)]
#[command(after_help = "Examples:\n  usher people unknown                  who came, the most frequent first\n  \
    usher people unknown --distance 0.7   stricter: splits people rather than mixes them\n  \
    usher people unknown --forget         erases them all")]
pub struct Unknown {
    /// The largest mean distance within a person. Smaller splits people, larger mixes them [default: what the model's manifest
    /// measured at a false match rate of 0.001 %]
    #[arg(long, value_name = "0..2", value_parser = distance)]
    distance: Option<Distance>,
    /// Erase all that is kept of them, now
    #[arg(long, conflicts_with = "distance")]
    forget: bool,
}

impl Unknown {
    pub fn run(&self, book: &Book, config: &Config, json: bool) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if self.forget {
            let forgotten = book.forget_strangers()?;
            match json {
                true => writeln!(out, "{}", json!({ "forgotten": forgotten }))?,
                false => writeln!(out, "{forgotten} visits of unknown visitors are erased")?,
            }
            return Ok(());
        }
        let limit = match self.distance {
            Some(limit) => limit,
            None => default_limit(&setup::embedder(config)?)?,
        };
        let found = book.strangers(limit)?;
        match json {
            true => writeln!(out, "{}", serde_json::to_string(&found)?)?,
            false => print(&mut out, &found)?,
        }
        Ok(())
    }
}

fn print(out: &mut impl Write, found: &StrangersWire) -> Result<()> {
    if !found.groups.is_empty() {
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_header(["VISITS", "FIRST", "LAST", "DOORS", "NEAREST", "DISTANCE"]);
        for group in &found.groups {
            let nearest = group.nearest.as_ref();
            table.add_row([
                group.visits.len().to_string(),
                group.first.clone(),
                group.last.clone(),
                group.doors.join(", "),
                nearest.map_or_else(|| "-".to_owned(), |nearest| format!("{} (#{})", nearest.name, nearest.id)),
                nearest.map_or_else(|| "-".to_owned(), |nearest| Distance(nearest.distance).to_string()),
            ]);
        }
        writeln!(out, "{}", table.trim_fmt())?;
    }
    let visits: usize = found.groups.iter().map(|group| group.visits.len()).sum();
    let groups = found.groups.len();
    writeln!(out, "{groups} unknown visitors in {visits} visits, up to distance {}", Distance(found.distance))?;
    if found.foreign > 0 {
        writeln!(out, "{} visits are left out: their embeddings are another model's", found.foreign)?;
    }
    if found.unreadable > 0 {
        writeln!(out, "{} records cannot be read; they expire like the others", found.unreadable)?;
    }
    if found.keep_s == 0 {
        writeln!(out, "Unknown visitors are not kept: [gallery] keep_unknown says for how long they are")?;
    }
    Ok(())
}

//! `usher people unknown`

use std::io::Write;

use anyhow::Result;
use clap::Args;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::api::visitors::UnknownVisitors;
use crate::cli::argument::distance;
use crate::cli::client::Client;
use crate::cli::cluster::default_limit;
use crate::cli::listing::{self, Listing};
use crate::cli::print::Tone;
use crate::config::Config;
use crate::domain::Distance;
use crate::setup;

/// Show unknown visitors, grouped by face
///
/// With `[gallery] keep_unknown`, the daemon keeps the embedding of each face that a door refused as unknown, once per visit; never a
/// photograph. This command groups visits that look like one person, as `usher cluster` does with photographs. For each group it prints how
/// often, when and where the visitor came, and the nearest enrolled person. A group near an enrolled person may be that person, poorly seen:
/// better photographs help.
#[derive(Args)]
#[command(after_help = "Examples:\n  usher people unknown                  the most frequent visitors first\n  \
    usher people unknown --distance 0.7   stricter: rather splits a person than merges two\n  \
    usher people unknown --forget         erase all")]
pub struct Unknown {
    /// The largest mean distance within a group. Smaller splits people, larger merges them [default: the model's measured distance at a
    /// false match rate of 0.001 %]
    #[arg(long, value_name = "0..2", value_parser = distance)]
    distance: Option<Distance>,
    /// Erase all visits now
    #[arg(long, conflicts_with = "distance")]
    forget: bool,
}

impl Unknown {
    pub fn run(&self, client: &Client, config: &Config, json: bool) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if self.forget {
            let forgotten = client.forget_visitors()?;
            match json {
                true => writeln!(out, "{}", json!({ "forgotten": forgotten }))?,
                false => writeln!(out, "{forgotten} visits of unknown visitors were erased")?,
            }
            return Ok(());
        }
        let limit = match self.distance {
            Some(limit) => limit,
            None => {
                let in_force = setup::models::with_embedder(config, &client.models()?.in_use);
                default_limit(&setup::embedder(&in_force)?)?
            }
        };
        let found = client.unknown_visitors(limit)?;
        match json {
            true => writeln!(out, "{}", serde_json::to_string(&found)?)?,
            false => print(&mut out, &found)?,
        }
        Ok(())
    }
}

fn print(out: &mut impl Write, found: &UnknownVisitors) -> Result<()> {
    if !found.groups.is_empty() {
        let heads = ["VISITS", "FIRST", "LAST", "DOORS", "NEAREST", "DISTANCE"];
        let mut table = Listing::new(heads).giving_way(&["FIRST", "DOORS"]);
        let local = |moment: &str| listing::local_minute(moment, &TimeZone::system());
        for group in &found.groups {
            let nearest = group.nearest.as_ref();
            let cells = [
                group.visits.len().to_string(),
                local(&group.first),
                local(&group.last),
                group.doors.join(", "),
                nearest.map_or_else(|| "-".to_owned(), |nearest| format!("{} (#{})", nearest.name, nearest.id)),
                nearest.map_or_else(|| "-".to_owned(), |nearest| Distance(nearest.distance).to_string()),
            ];
            table.row(Tone::Plain, cells);
        }
        table.write(out)?;
    }
    let visits: usize = found.groups.iter().map(|group| group.visits.len()).sum();
    let groups = found.groups.len();
    writeln!(out, "{groups} unknown visitors in {visits} visits, up to distance {}", Distance(found.distance))?;
    if found.foreign > 0 {
        writeln!(out, "{} visits are left out: another model made their embeddings", found.foreign)?;
    }
    if found.unreadable > 0 {
        writeln!(out, "{} records cannot be read; they expire like the others", found.unreadable)?;
    }
    if found.keep_s == 0 {
        writeln!(out, "Unknown visitors are not kept; set [gallery] keep_unknown to keep them")?;
    }
    Ok(())
}

//! `usher people unknown`

use std::io::Write;

use anyhow::{Result, bail};
use clap::Args;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::api::visitors::{UnknownVisitors, VisitorEnrolRequest, VisitorGroup};
use crate::cli::argument::distance;
use crate::cli::client::Client;
use crate::cli::enroll::templates;
use crate::cli::listing::{self, Listing};
use crate::cli::print::Tone;
use crate::cli::whom::enrolled_person;
use crate::domain::Distance;

/// Show unknown visitors, grouped by face
///
/// With `[gallery] keep_unknown`, the daemon keeps the embedding of each face that a door refused as unknown, once per visit; never a
/// photograph. This command groups visits that look like one person, as `usher cluster` does with photographs. For each group it prints how
/// often, when and where the visitor came, and the nearest enrolled person. A group near an enrolled person may be that person, poorly seen:
/// better photographs help.
#[derive(Args)]
#[command(after_help = "Examples:\n  usher people unknown                  the most frequent visitors first\n  \
    usher people unknown --distance 0.7   stricter: rather splits a person than merges two\n  \
    usher people unknown --forget         erase all\n  \
    usher people unknown --record 4711 --enroll \"Ada Lovelace\"    make a person of the visitor of that record\n  \
    usher people unknown --record 4711 --add \"Ada Lovelace\"       give her templates of those visits")]
pub struct Unknown {
    /// The largest mean distance within a group. Smaller splits people, larger merges them [default: the model's measured distance at a
    /// false match rate of 0.001 %]
    #[arg(long, value_name = "0..2", value_parser = distance)]
    distance: Option<Distance>,
    /// Erase all visits now, or with --record those of one visitor, and the faces that [web] keep_faces keeps of them
    #[arg(long)]
    forget: bool,
    /// One visitor: the number of the journal's record of any of the visits, as the list has it
    #[arg(long, value_name = "N")]
    record: Option<u64>,
    /// Make a person of that name of the visitor; the visits are erased then
    #[arg(long, value_name = "NAME", requires = "record", conflicts_with = "forget")]
    enroll: Option<String>,
    /// Give somebody who is enrolled templates of the visits
    #[arg(long, value_name = "PERSON", requires = "record", conflicts_with_all = ["forget", "enroll"])]
    add: Option<String>,
    /// The new person's employee id
    #[arg(long, value_name = "EMP", requires = "enroll")]
    id: Option<String>,
    /// A group of the new person; may be given several times
    #[arg(long = "group", value_name = "GROUP", requires = "enroll")]
    groups: Vec<String>,
    /// Even weak views, or somebody who may be enrolled already
    #[arg(long, requires = "record")]
    force: bool,
}

impl Unknown {
    pub fn run(&self, client: &Client, json: bool) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if self.forget && self.record.is_none() {
            let forgotten = client.forget_visitors()?;
            match json {
                true => writeln!(out, "{}", json!({ "forgotten": forgotten }))?,
                false => writeln!(out, "{forgotten} visits of unknown visitors were erased")?,
            }
            return Ok(());
        }
        let found = client.unknown_visitors(self.distance)?;
        if let Some(record) = self.record {
            return self.one(client, &found, record, json);
        }
        match json {
            true => writeln!(out, "{}", serde_json::to_string(&found)?)?,
            false => print(&mut out, &found)?,
        }
        Ok(())
    }
}

impl Unknown {
    /// Enrols, forgets or shows the visitor of a record.
    fn one(&self, client: &Client, found: &UnknownVisitors, record: u64, json: bool) -> Result<()> {
        let is_theirs = |group: &&VisitorGroup| group.visits.iter().any(|visit| visit.record == Some(record));
        let Some(group) = found.groups.iter().find(is_theirs) else {
            bail!("no visit of record {record} is kept; `usher people unknown` lists them");
        };
        let visits: Vec<String> = group.visits.iter().map(|visit| visit.id.clone()).collect();
        let mut out = std::io::stdout().lock();
        if self.forget {
            let forgotten = client.forget_visits(visits)?;
            match json {
                true => writeln!(out, "{}", json!({ "forgotten": forgotten }))?,
                false => writeln!(out, "{forgotten} visits of that visitor were erased")?,
            }
            return Ok(());
        }
        let person = match &self.add {
            Some(wanted) => Some(enrolled_person(client, wanted)?.id),
            None if self.enroll.is_none() => bail!("say what to do with that visitor: --enroll, --add or --forget"),
            None => None,
        };
        let request = VisitorEnrolRequest {
            visits,
            person,
            name: self.enroll.clone(),
            employee_id: self.id.clone(),
            groups: self.groups.clone(),
            force: self.force,
        };
        let person = client.enroll_visitor(&request)?;
        match json {
            true => writeln!(out, "{}", serde_json::to_string(&person)?)?,
            false => writeln!(out, "{} (#{}) has {}", person.name, person.id, templates(person.templates))?,
        }
        Ok(())
    }
}

fn print(out: &mut impl Write, found: &UnknownVisitors) -> Result<()> {
    if !found.groups.is_empty() {
        let heads = ["RECORD", "VISITS", "FIRST", "LAST", "DOORS", "NEAREST", "DISTANCE"];
        let mut table = Listing::new(heads).giving_way(&["FIRST", "DOORS"]);
        let local = |moment: &str| listing::local_minute(moment, &TimeZone::system());
        for group in &found.groups {
            let nearest = group.nearest.as_ref();
            let newest = group.visits.iter().rev().find_map(|visit| visit.record);
            let cells = [
                newest.map_or_else(|| "-".to_owned(), |record| record.to_string()),
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

//! `usher models`

mod photographs;
mod switch;

use std::io::Write;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use super::client::Client;
use super::context::Context;
use super::listing::Listing;
use super::print::Tone;
use crate::api::models::Models as Stored;
use crate::vision::manifest::{Manifest, ManifestError, Model, Role};
use switch::Switch;

/// List the models, and lead the enrolled people from one embedder to another.
///
/// Without a subcommand, lists the networks of the manifest: whether each file is the one that the manifest names, which embedder faces are
/// compared by, and how many people have templates of each. Templates of one embedder cannot be compared with those of another; `usher models
/// switch` leads a site over without a day on which nobody is recognised.
#[derive(Args)]
pub struct Models {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    Switch(Switch),
}

impl Models {
    pub fn run(self, context: &Context) -> Result<()> {
        match &self.action {
            Some(Action::Switch(switch)) => switch.run(context, self.json),
            None => {
                let config = context.config()?;
                list(&Manifest::load(&config.models.path)?, &Client::open(&config)?.models()?, self.json)
            }
        }
    }
}

/// A network of the manifest, as it is listed.
struct Row {
    name: String,
    role: &'static str,
    id: String,
    /// Numbers of an embedding; 0 for a detector's network.
    dimension: usize,
    /// Of the file.
    bytes: Option<u64>,
    /// Why the file cannot be used; `None` if it is the one that the manifest names.
    fault: Option<String>,
    people: usize,
    templates: usize,
}

fn row(manifest: &Manifest, model: &Model, stored: &Stored) -> Row {
    let id = model.id().to_string();
    let count = stored.templates.iter().find(|count| count.model == id);
    let fault = manifest.read(model).err().map(|error| match error {
        ManifestError::Changed { .. } => "not the manifest's file".to_owned(),
        ManifestError::File { why, .. } if model.optional => format!("not installed ({why})"),
        ManifestError::File { why, .. } => why.to_string(),
        other => other.to_string(),
    });
    Row {
        name: model.name.clone(),
        role: match model.role {
            Role::Pnet => "P-Net",
            Role::Rnet => "R-Net",
            Role::Onet => "O-Net",
            Role::Embedder => "embedder",
            Role::Liveness => "liveness",
        },
        dimension: model.dimension(),
        bytes: std::fs::metadata(manifest.folder().join(&model.file)).ok().map(|file| file.len()),
        fault,
        people: count.map_or(0, |count| count.people),
        templates: count.map_or(0, |count| count.templates),
        id,
    }
}

fn list(manifest: &Manifest, stored: &Stored, json: bool) -> Result<()> {
    let rows: Vec<Row> = manifest.models().map(|model| row(manifest, model, stored)).collect();
    let unknown = stored.templates.iter().filter(|count| !rows.iter().any(|row| row.id == count.model));
    let mut out = std::io::stdout().lock();
    if json {
        let models: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({
                    "name": row.name, "role": row.role, "model": row.id, "dimension": row.dimension, "bytes": row.bytes,
                    "fault": row.fault, "in_use": row.name == stored.in_use, "people": row.people, "templates": row.templates,
                })
            })
            .collect();
        let unknown: Vec<_> = unknown.collect();
        writeln!(out, "{}", json!({ "models": models, "not_in_the_manifest": unknown, "switch": stored.switch }))?;
        return Ok(());
    }
    let heads = ["NAME", "", "ROLE", "NUMBERS", "SIZE", "FILE", "PEOPLE", "TEMPLATES"];
    let mut table = Listing::new(heads).giving_way(&["NUMBERS", "SIZE"]);
    for row in &rows {
        let used = match row.role {
            "embedder" if row.name == stored.in_use => "in use",
            "embedder" if Some(&row.name) == stored.beside.as_ref() => "beside it",
            _ => "",
        };
        let number = |number: usize| if row.dimension == 0 { String::new() } else { number.to_string() };
        let tone = if row.fault.is_some() { Tone::Bad } else { Tone::Plain };
        let cells = [
            row.name.clone(),
            used.to_owned(),
            row.role.to_owned(),
            number(row.dimension),
            row.bytes.map_or_else(|| "-".to_owned(), kilobytes),
            row.fault.clone().unwrap_or_else(|| "ok".to_owned()),
            number(row.people),
            number(row.templates),
        ];
        table.row(tone, cells);
    }
    table.write(&mut out)?;
    for count in unknown {
        let (people, templates) = (count.people, count.templates);
        writeln!(out, "{templates} templates of {people} people are of {}, which is not in the manifest", count.model)?;
    }
    if let Some(switch) = &stored.switch {
        writeln!(out, "\n{}", switch::headline(switch))?;
    }
    Ok(())
}

fn kilobytes(bytes: u64) -> String {
    format!("{} kB", bytes.div_ceil(1000))
}

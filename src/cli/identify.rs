//! `usher identify`: who is in photographs.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::client::Client;
use super::context::Context;
use super::detect::{count, describe, face_json, label, refuse};
use super::marking::draw_faces;
use crate::domain::{Distance, Match, PersonId};
use crate::photo;

/// Identify the people in photographs.
///
/// Like `usher detect`, with the nearest person, the distance and the runner-up for each face. `near enough` means that the distance is
/// within the door's limit, `ambiguous` that the runner-up is nearly as near. A door also requires sufficient quality, and several
/// frames that agree.
#[derive(Args)]
pub struct Identify {
    /// JPEG, PNG, BMP or WebP files
    #[arg(required = true)]
    photos: Vec<PathBuf>,
    /// Print JSON, one object per line
    #[arg(long)]
    json: bool,
    /// Draw the faces of a single photograph, with their numbers in the list, into this picture (PNG or JPEG, by its name)
    #[arg(long, value_name = "OUT.png")]
    draw: Option<PathBuf>,
}

impl Identify {
    pub fn run(self, context: &Context) -> Result<()> {
        if self.draw.is_some() && self.photos.len() > 1 {
            bail!("--draw takes one photograph");
        }
        let config = context.config()?;
        let client = Client::open(&config)?;
        let mut vision = context.eyes_of(&client)?.vision;
        let limit = Distance(client.threshold()?.distance);
        let names: HashMap<u32, String> = client.people()?.into_iter().map(|p| (p.id, p.name)).collect();
        let mut out = std::io::stdout().lock();
        let mut failed = 0;
        for file in &self.photos {
            let image = match photo::load(file) {
                Ok(image) => image,
                Err(error) => {
                    failed += 1;
                    refuse(&mut out, self.json, file, &error.to_string())?;
                    continue;
                }
            };
            let seen = vision.see(&image)?;
            let matches = client.nearest(&seen)?;
            if self.json {
                let faces: Vec<Value> = seen
                    .iter()
                    .zip(&matches)
                    .map(|(seen, found)| {
                        let mut face = face_json(&seen.face, &seen.quality);
                        let identity = found.map_or(Value::Null, |m| identity(&m, limit, &names));
                        if let Value::Object(fields) = &mut face {
                            fields.insert("identity".to_owned(), identity);
                        }
                        face
                    })
                    .collect();
                writeln!(out, "{}", json!({ "file": file.display().to_string(), "faces": faces }))?;
            } else {
                writeln!(out, "{}: {}", file.display(), count(seen.len()))?;
                for (number, (seen, found)) in (1..).zip(seen.iter().zip(&matches)) {
                    let label = label(self.draw.is_some(), number);
                    writeln!(out, "  {label}{}", describe(&seen.face, &seen.quality))?;
                    writeln!(
                        out,
                        "    {}",
                        found.map_or("nobody is enrolled".into(), |m| describe_match(
                            &m,
                            limit,
                            config.access.margin as f32,
                            &names
                        ))
                    )?;
                }
            }
            if let Some(path) = &self.draw {
                draw_faces(image, seen.iter().map(|seen| &seen.face), path)?;
            }
        }
        match failed {
            0 => Ok(()),
            n => bail!("{n} of {} photographs could not be read", self.photos.len()),
        }
    }
}

fn name(names: &HashMap<u32, String>, id: PersonId) -> String {
    names.get(&id.0).cloned().unwrap_or_else(|| format!("person {id}"))
}

fn identity(found: &Match, limit: Distance, names: &HashMap<u32, String>) -> Value {
    json!({
        "person": { "id": found.person.0, "name": name(names, found.person) },
        "distance": found.distance.0,
        "near_enough": found.distance <= limit,
        "limit": limit.0,
        "runner_up": found.runner_up.map(|(id, distance)| json!({
            "id": id.0, "name": name(names, id), "distance": distance.0,
        })),
    })
}

fn describe_match(found: &Match, limit: Distance, margin: f32, names: &HashMap<u32, String>) -> String {
    let verdict = match found.runner_up {
        _ if found.distance > limit => "too far",
        Some((_, other)) if other.0 - found.distance.0 < margin => "near enough, but ambiguous",
        _ => "near enough",
    };
    let runner_up = found
        .runner_up
        .map_or("nobody else is enrolled".into(), |(id, d)| format!("runner-up {} at {d}", name(names, id)));
    format!(
        "{} (#{}) at distance {}, {verdict} (limit {limit}); {runner_up}",
        name(names, found.person),
        found.person,
        found.distance
    )
}

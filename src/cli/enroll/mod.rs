//! `usher enroll`

pub(super) mod batch;
mod camera;
pub(super) mod photos;

pub(super) use camera::{choose as choose_camera, turned};

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde_json::{Value, json};

use super::client::Client;
use super::context::Context;
use crate::api::people::Person;
use crate::config::Config;
use crate::gallery::NewPerson;
use crate::office::Gates;
use crate::setup;
use crate::setup::models::with_embedder;

/// Enrol a person from photographs or from the camera.
///
/// Two or three photographs in different light and with different expressions work best: sharp, frontal, one face. Each must pass the
/// limits of [enroll] in the configuration. Only embeddings are kept, no photographs. A person who looks like somebody enrolled is refused as
/// a possible duplicate.
#[derive(Args)]
#[command(override_usage = "usher enroll [OPTIONS] <NAME> <PHOTOS>...\n       \
    usher enroll [OPTIONS] <NAME> --camera [<CAMERA>]\n       usher enroll [OPTIONS] --batch <DIR> [--list <CSV>]")]
#[command(after_help = "Examples:\n  usher enroll \"Ada Lovelace\" --id E042 --group staff ada1.jpg ada2.jpg\n  \
    usher enroll \"Ada Lovelace\" --camera\n  usher enroll --batch people/ --list people.csv")]
pub struct Enroll {
    /// The person's name
    #[arg(required_unless_present = "batch", conflicts_with = "batch", value_parser = NonEmptyStringValueParser::new())]
    name: Option<String>,
    /// Photographs of the person: JPEG, PNG, BMP or WebP
    #[arg(required_unless_present_any = ["batch", "camera"], conflicts_with_all = ["batch", "camera"])]
    photos: Vec<PathBuf>,
    /// The employee id; it must be unique
    #[arg(long, value_name = "EMP", conflicts_with = "batch")]
    id: Option<String>,
    /// A group the person belongs to; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Take views from a camera instead: through the daemon while it runs, else this command opens the camera
    #[arg(long, value_name = "CAMERA", num_args = 0..=1, default_missing_value = "")]
    camera: Option<String>,
    /// How many good views to take from the camera
    #[arg(long, default_value_t = VIEWS, value_parser = clap::value_parser!(u32).range(1..=64), requires = "camera")]
    views: u32,
    /// Enrol everybody in a folder: one folder a person, named after them, with their photographs
    #[arg(long, value_name = "DIR", conflicts_with = "camera")]
    batch: Option<PathBuf>,
    /// With --batch: a CSV file with the columns folder, name, employee_id, groups (separated by `;`); only folder is needed
    #[arg(long, value_name = "CSV", requires = "batch")]
    list: Option<PathBuf>,
    /// In a photograph with several faces, take the largest
    #[arg(long)]
    largest: bool,
    /// Enrol even a possible duplicate, photographs that do not look like one person, or faces with weak embeddings
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The outcome of enrolling one person.
struct Report {
    person: Result<Person>,
    /// The files or views that were taken.
    taken: Vec<String>,
    /// The files that were not taken, and why.
    refused: Vec<(String, String)>,
}

/// Good views that enrolment takes from a camera.
const VIEWS: u32 = 5;

impl Enroll {
    /// The order to enrol a person from `photos`, or without any from the only camera.
    pub(super) fn of(name: &str, photos: Vec<PathBuf>) -> Enroll {
        let camera = photos.is_empty().then(String::new);
        Enroll {
            name: Some(name.to_owned()),
            photos,
            id: None,
            groups: Vec::new(),
            camera,
            views: VIEWS,
            batch: None,
            list: None,
            largest: false,
            force: false,
            json: false,
        }
    }

    pub fn run(self, context: &Context) -> Result<()> {
        let config = context.config()?;
        let client = Client::open(&config)?;
        if let Some(folder) = &self.batch {
            let mut eyes = context.eyes_of(&client)?;
            return batch::run(&self, folder, &client, &mut eyes, &self.gates(&config, &client)?);
        }
        let Some(name) = self.name.clone() else { bail!("a name is needed") };
        let person = NewPerson { name, employee_id: self.id.clone(), groups: self.groups.clone() };
        let report = match &self.camera {
            Some(camera) => camera::enroll(&self, camera, person, &config, &client, context)?,
            None => {
                let mut eyes = context.eyes_of(&client)?;
                photos::enroll(&self, &self.photos, person, &client, &mut eyes, &self.gates(&config, &client)?)?
            }
        };
        report.print(self.json)?;
        report.person.map(|_| ())
    }

    /// The limits for templates of the model in use. With --force, the embedding may be weak.
    fn gates(&self, config: &Config, client: &Client) -> Result<Gates> {
        let gates = setup::gates(&with_embedder(config, &client.models()?.in_use))?;
        Ok(if self.force { Gates { min_length: None, ..gates } } else { gates })
    }
}

/// `1 template`, `2 templates`.
pub(super) fn templates(count: usize) -> String {
    format!("{count} template{}", if count == 1 { "" } else { "s" })
}

impl Report {
    fn print(&self, json: bool) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if json {
            writeln!(out, "{}", self.json())?;
            return Ok(());
        }
        for (what, why) in &self.refused {
            note!("not taken: {what}: {why}");
        }
        if let Ok(person) = &self.person {
            writeln!(out, "{} is enrolled as #{} with {}", person.name, person.id, templates(self.taken.len()))?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let refused: Vec<Value> =
            self.refused.iter().map(|(what, why)| json!({ "file": what, "reason": why })).collect();
        match &self.person {
            Ok(person) => json!({ "person": person, "taken": self.taken, "refused": refused }),
            Err(error) => json!({ "error": format!("{error:#}"), "taken": [], "refused": refused }),
        }
    }
}

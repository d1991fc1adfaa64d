//! `usher enroll`

pub(super) mod batch;
mod camera;
pub(super) mod photos;

pub(super) use camera::choose as choose_camera;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde_json::{Value, json};

use super::client::Client;
use super::context::Context;
use super::whom::enrolled_person;
use crate::api::people::{FleetStanding, Person};
use crate::config::Config;
use crate::gallery::{NewPerson, Template};
use crate::office::Gates;
use crate::setup;
use crate::setup::models::with_embedder;

/// Enrol a person from photographs or from the camera, or give somebody more templates.
///
/// Two or three photographs in different light and with different expressions work best: sharp, frontal, one face. Each must pass the
/// limits of [enroll] in the configuration. Only embeddings are kept, no photographs. A person who looks like somebody enrolled is refused as
/// a possible duplicate.
#[derive(Args)]
#[command(override_usage = "usher enroll [OPTIONS] <NAME> <PHOTOS>...\n       \
    usher enroll [OPTIONS] <NAME> --camera [<CAMERA>]\n       usher enroll [OPTIONS] --add <PERSON> <PHOTOS>...\n       \
    usher enroll [OPTIONS] --add <PERSON> --camera [<CAMERA>]\n       usher enroll [OPTIONS] --batch <DIR> [--list <CSV>]")]
#[command(after_help = "Examples:\n  usher enroll \"Ada Lovelace\" --id E042 --group staff ada1.jpg ada2.jpg\n  \
    usher enroll \"Ada Lovelace\" --camera\n  usher enroll --add \"Ada Lovelace\" ada3.jpg\n  usher enroll --batch people/ --list people.csv")]
pub struct Enroll {
    /// The person's name
    #[arg(
        required_unless_present_any = ["batch", "add"],
        conflicts_with = "batch",
        value_parser = NonEmptyStringValueParser::new()
    )]
    name: Option<String>,
    /// Photographs of the person: JPEG, PNG, BMP or WebP
    #[arg(required_unless_present_any = ["batch", "camera", "add"], conflicts_with_all = ["batch", "camera"])]
    photos: Vec<PathBuf>,
    /// The employee id; it must be unique
    #[arg(long, value_name = "EMP", conflicts_with_all = ["batch", "add"])]
    id: Option<String>,
    /// A group the person belongs to; may be given several times
    #[arg(long = "group", value_name = "GROUP", conflicts_with = "add")]
    groups: Vec<String>,
    /// Give somebody who is enrolled more templates: employee id, whole name, or number as in '#7'
    ///
    /// They must look like that person, unless forced. `usher people templates` lists them, and erases single ones.
    #[arg(long, value_name = "PERSON", conflicts_with = "batch")]
    add: Option<String>,
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
    /// The person was enrolled before, and got more templates.
    added: bool,
}

/// Who gets the templates.
enum Whom {
    New(NewPerson),
    /// Somebody who is enrolled.
    Known(Person),
}

impl Whom {
    fn name(&self) -> &str {
        match self {
            Whom::New(person) => &person.name,
            Whom::Known(person) => &person.name,
        }
    }

    fn is_known(&self) -> bool {
        matches!(self, Whom::Known(_))
    }

    fn nothing_done(&self) -> &'static str {
        if self.is_known() { "no template was added" } else { "nobody was enrolled" }
    }

    /// Enrols them with the templates, or adds those.
    fn take(&self, client: &Client, templates: &[Template], labels: Vec<String>, force: bool) -> Result<Person> {
        match self {
            Whom::New(person) => client.enroll(person.clone(), templates, labels, force),
            Whom::Known(person) => client.add_templates(person.id, templates, labels, force),
        }
    }
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
            add: None,
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
        let (whom, photos) = self.whom(&client)?;
        let report = match &self.camera {
            Some(camera) => camera::enroll(&self, camera, &whom, &config, &client, context)?,
            None => {
                let mut eyes = context.eyes_of(&client)?;
                photos::enroll(&self, &photos, &whom, &client, &mut eyes, &self.gates(&config, &client)?)?
            }
        };
        report.print(self.json)?;
        report.person.map(|_| ())
    }

    /// Who gets the templates, and the photographs.
    fn whom(&self, client: &Client) -> Result<(Whom, Vec<PathBuf>)> {
        match (&self.add, &self.name) {
            (Some(wanted), first) => {
                // Nobody new is named, so the first word is a photograph, too.
                let photos: Vec<PathBuf> = first.iter().map(PathBuf::from).chain(self.photos.clone()).collect();
                match (photos.is_empty(), self.camera.is_some()) {
                    (true, false) => bail!("name photographs of {wanted}, or pass --camera"),
                    (false, true) => bail!("name photographs, or pass --camera, but not both"),
                    _ => Ok((Whom::Known(enrolled_person(client, wanted)?), photos)),
                }
            }
            (None, Some(name)) => {
                let (employee_id, groups) = (self.id.clone(), self.groups.clone());
                Ok((Whom::New(NewPerson { name: name.clone(), employee_id, groups }), self.photos.clone()))
            }
            (None, None) => bail!("a name is needed"),
        }
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
        if let (Ok(person), true) = (&self.person, self.added) {
            let (added, all) = (templates(self.taken.len()), person.templates);
            writeln!(out, "{} (#{}) has {added} more, {all} in all", person.name, person.id)?;
        } else if let Ok(person) = &self.person {
            writeln!(out, "{} is enrolled as #{} with {}", person.name, person.id, templates(self.taken.len()))?;
            if person.fleet == Some(FleetStanding::Asked) {
                writeln!(
                    out,
                    "for now at this board alone: the fleet's office was asked to take them for the whole site"
                )?;
            }
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

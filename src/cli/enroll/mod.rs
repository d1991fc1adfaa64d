//! `usher enroll`

mod batch;
mod camera;
mod photos;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde_json::{Value, json};

use super::book::Book;
use super::context::Context;
use crate::daemon::wire::PersonWire;
use crate::gallery::NewPerson;
use crate::setup;

/// Enrol a person from photographs or from the camera.
///
/// Two or three photographs with different light and expression serve best: sharp, from the front, one face. Each must pass the
/// limits of [enroll] in the configuration. Photographs are not kept, only the embeddings made from them. Whoever looks like somebody
/// who is enrolled already is refused as a possible duplicate.
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
    /// The employee id; no two people share one
    #[arg(long, value_name = "EMP", conflicts_with = "batch")]
    id: Option<String>,
    /// A group the person belongs to; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Take the views from a camera instead: the daemon's while it runs, else this command opens it
    #[arg(long, value_name = "CAMERA", num_args = 0..=1, default_missing_value = "")]
    camera: Option<String>,
    /// Good views to take from the camera
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=64), requires = "camera")]
    views: u32,
    /// Enrol everybody in a folder: one folder a person, named after them, with their photographs
    #[arg(long, value_name = "DIR", conflicts_with = "camera")]
    batch: Option<PathBuf>,
    /// With --batch: a CSV file with the columns folder, name, employee_id, groups (separated by `;`); only folder is needed
    #[arg(long, value_name = "CSV", requires = "batch")]
    list: Option<PathBuf>,
    /// Where several faces could be meant, take the largest
    #[arg(long)]
    largest: bool,
    /// Enrol even who looks like somebody else, or whose photographs do not look like one person
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What became of one person's pictures.
struct Report {
    person: Result<PersonWire>,
    /// What was taken, by file or view.
    taken: Vec<String>,
    /// What was not, and why.
    refused: Vec<(String, String)>,
}

impl Enroll {
    pub fn run(self, context: &Context) -> Result<()> {
        let config = context.config()?;
        let book = Book::open(&config)?;
        if let Some(folder) = &self.batch {
            let mut eyes = context.eyes(None)?;
            return batch::run(&self, folder, &book, &mut eyes, &setup::gates(&config));
        }
        let Some(name) = self.name.clone() else { bail!("a name is needed") };
        let person = NewPerson { name, employee_id: self.id.clone(), groups: self.groups.clone() };
        let report = match &self.camera {
            Some(camera) => camera::enroll(&self, camera, person, &config, &book, context)?,
            None => {
                let mut eyes = context.eyes(None)?;
                photos::enroll(&self, &self.photos, person, &book, &mut eyes, &setup::gates(&config))?
            }
        };
        report.print(self.json)?;
        report.person.map(|_| ())
    }
}

/// `1 template`, `2 templates`.
fn templates(count: usize) -> String {
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
            eprintln!("not taken: {what}: {why}");
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

//! `usher calibrate`

mod gallery;
mod photographs;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::context::Context;
use super::evaluate::looking::Eyes;
use super::evaluate::measuring::rate;

/// Measure which distances mean what, on your own people and camera.
///
/// With a folder of labelled photographs (one folder a person, as the door's camera sees them) every photograph is compared with every
/// other: how often two people are taken for one (false match rate, FMR) and one person for two (false non-match rate, FNMR) at each
/// distance, which people look most alike, and whose photographs do not look like one person. With --write the daemon uses what was
/// measured in place of what came with the model, from its next start on. Fifty people with five photographs each are a beginning;
/// rare mistakes need more.
///
/// With --gallery the enrolled people are checked instead: is each recognised by their own templates, and who is too near to whom?
/// The templates do not leave the store.
#[derive(Args)]
#[command(override_usage = "usher calibrate [OPTIONS] <DIR>\n       usher calibrate --gallery [--json]")]
#[command(
    after_help = "Examples:\n  usher calibrate staff/ --plot distances.svg\n  usher calibrate staff/ --same \"Ada Lovelace=Ada King\" --write\n  \
    usher calibrate --gallery"
)]
pub struct Calibrate {
    /// The labelled photographs: one folder a person
    #[arg(required_unless_present = "gallery", conflicts_with = "gallery", value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Check the enrolled people
    #[arg(long)]
    gallery: bool,
    /// Only the people named in this file: a folder's name in each line, or LFW's lists of pairs
    #[arg(long, value_name = "FILE", conflicts_with = "gallery")]
    only: Option<PathBuf>,
    /// Two folders that are one person, found out by an earlier run; may be given several times
    #[arg(long, value_name = "A=B", conflicts_with = "gallery")]
    same: Vec<String>,
    /// Put the result beside the store, where the daemon takes it from
    #[arg(long, conflicts_with = "gallery")]
    write: bool,
    /// Put the result into this file
    #[arg(long, value_name = "FILE.toml", conflicts_with_all = ["gallery", "write"])]
    out: Option<PathBuf>,
    /// What the photographs are, for the file [default: the folder's name]
    #[arg(long, value_name = "TEXT", conflicts_with = "gallery")]
    describe: Option<String>,
    /// The share of strangers' visits in which a gallery may take one for somebody, to tell the distance for
    #[arg(long, value_name = "RATE", default_value_t = 1e-3, value_parser = rate, conflicts_with = "gallery")]
    fpir: f64,
    /// Draw both distributions into this SVG file
    #[arg(long, value_name = "OUT.svg", conflicts_with = "gallery")]
    plot: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    eyes: Eyes,
}

impl Calibrate {
    pub fn run(self, context: &Context) -> Result<()> {
        match (&self.folder, self.gallery) {
            (Some(folder), false) => photographs::run(&self, folder, context),
            (None, true) => gallery::run(self.json, context),
            _ => bail!("name a folder of photographs, or pass --gallery"),
        }
    }
}

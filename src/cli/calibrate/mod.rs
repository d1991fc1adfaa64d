//! `usher calibrate`: what distances mean for a site's own people and camera.

mod gallery;
mod liveness;
mod photographs;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::argument::{frame_rate, rate};
use super::context::Context;
use super::evaluate::extraction::VisionOptions;

/// Measure the error rates of distances, on your own people and camera.
///
/// With a folder of labelled photographs (one folder per person, from the door's camera), every photograph is compared with every other.
/// Prints how often two people are taken for one (false match rate, FMR) and one person for two (false non-match rate, FNMR) at each
/// distance, which people look most alike, and whose photographs differ most. With --write the daemon uses this calibration instead of
/// the model's, from its next start on. Fifty people with five photographs each are a beginning; rare errors need more.
///
/// With --gallery, the enrolled people are checked instead: whether each is recognised by their own templates, and who is too near to
/// whom. Templates do not leave the store.
///
/// With --liveness, the folder is that of a liveness test (`usher liveness record`). Prints how many of your people pass the challenge at the
/// normal and at the strict setting, how far they turn their heads, and the strictest `turn` and `depth` that cost nobody anything.
#[derive(Args)]
#[command(
    override_usage = "usher calibrate [OPTIONS] <DIR>\n       usher calibrate --gallery [--json]\n       usher calibrate --liveness [--fps <N>] [--json] <DIR>"
)]
#[command(
    after_help = "Examples:\n  usher calibrate staff/ --plot distances.svg\n  usher calibrate staff/ --same \"Ada Lovelace=Ada King\" --write\n  \
    usher calibrate --gallery\n  usher calibrate --liveness test/"
)]
pub struct Calibrate {
    /// The labelled photographs: one folder per person
    #[arg(required_unless_present = "gallery", conflicts_with = "gallery", value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Check the enrolled people
    #[arg(long)]
    gallery: bool,
    /// Set the limits of the challenge by clips of your people
    #[arg(
        long,
        requires = "folder",
        conflicts_with_all = ["gallery", "only", "same", "write", "out", "describe", "plot"]
    )]
    liveness: bool,
    /// Frames a second of clips that do not say theirs
    #[arg(long, value_name = "N", requires = "liveness", value_parser = frame_rate)]
    fps: Option<f64>,
    /// Use only the people named in this file: a folder's name in each line, or a list of pairs in LFW's format
    #[arg(long, value_name = "FILE", conflicts_with = "gallery")]
    only: Option<PathBuf>,
    /// Two folders of the same person, as found by an earlier run; may be given several times
    #[arg(long, value_name = "A=B", conflicts_with = "gallery")]
    same: Vec<String>,
    /// Write the result beside the store, where the daemon reads it
    #[arg(long, conflicts_with = "gallery")]
    write: bool,
    /// Write the result into this file
    #[arg(long, value_name = "FILE.toml", conflicts_with_all = ["gallery", "write"])]
    out: Option<PathBuf>,
    /// A description of the photographs for the file [default: the folder's name]
    #[arg(long, value_name = "TEXT", conflicts_with = "gallery")]
    describe: Option<String>,
    /// The share of strangers' visits that may be identified as someone, for which to print the distance
    #[arg(long, value_name = "RATE", default_value_t = 1e-3, value_parser = rate, conflicts_with = "gallery")]
    fpir: f64,
    /// Draw both distributions into this SVG file
    #[arg(long, value_name = "OUT.svg", conflicts_with = "gallery")]
    plot: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    vision: VisionOptions,
}

impl Calibrate {
    pub fn run(self, context: &Context) -> Result<()> {
        match (&self.folder, self.gallery) {
            (Some(folder), false) if self.liveness => liveness::run(&self, folder, context),
            (Some(folder), false) => photographs::run(&self, folder, context),
            (None, true) => gallery::run(self.json, context),
            _ => bail!("give a folder of photographs, or --gallery"),
        }
    }
}

//! `usher evaluate pairs`

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use super::super::context::Context;
use super::lfw::{same, tell};
use super::looking::{Looking, listed};
use super::measuring::Measuring;
use crate::lab::pairs::read_csv;
use crate::lab::roc::balanced;

/// Measure on your own pairs of photographs.
///
/// The CSV file (comma, semicolon or tab; UTF-8, UTF-16 or Windows-1252) has the columns a, b and same: two photographs, and 1 when they show one person, 0 when not. The figures are those
/// of `usher evaluate lfw`; each fold gets its share of both kinds of pairs. Shares come with 95 % confidence intervals of Clopper
/// and Pearson: with 100 pairs they are wide.
#[derive(Args)]
#[command(after_help = "Example:\n  usher evaluate pairs --csv door.csv --folds 5\n\n\
    door.csv:\n  a,b,same\n  ada-badge.jpg,ada-door-1.jpg,1\n  ada-badge.jpg,bob-door-1.jpg,0")]
pub struct Pairs {
    /// The list of pairs
    #[arg(long, value_name = "FILE")]
    csv: PathBuf,
    /// The folder that the paths in the list are relative to [default: that of the list]
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Folds, each judged by the cuts of the others
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(2..))]
    folds: u16,
    /// Leave out pairs whose photographs are not there, and count them
    #[arg(long)]
    skip_missing: bool,
    #[command(flatten)]
    looking: Looking,
    #[command(flatten)]
    measuring: Measuring,
}

impl Pairs {
    pub fn run(self, context: &Context) -> Result<()> {
        let beside = || self.csv.parent().unwrap_or(Path::new("")).to_owned();
        let images = self.images.clone().unwrap_or_else(beside);
        let (pairs, notes) = read_csv(&self.csv, &images)?;
        for note in notes {
            eprintln!("usher: {note}");
        }
        let listed = listed(&pairs, self.skip_missing)?;
        let folds = balanced(&same(&listed.pairs), self.folds.into())?;
        tell(listed, &folds, format!("{} folds", self.folds), &self.looking, &self.measuring, context)
    }
}

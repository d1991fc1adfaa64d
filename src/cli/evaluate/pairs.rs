//! `usher evaluate lfw` and `usher evaluate pairs`: figures of pairs of photographs.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use super::super::context::Context;
use super::extraction::{Extraction, ExtractionOptions, Grey, IndexedPairs, extract, index_pairs};
use super::report::{PairFigures, PairOptions};
use crate::lab::faces::Extractor;
use crate::lab::pairs::{read_csv, read_lfw_list};
use crate::lab::roc::{Fold, balanced, in_order};
use crate::lab::verification::{Comparison, FaceVectors, measure};

/// Evaluate on Labeled Faces in the Wild, or on a list in its format.
///
/// Prints the four lines of the FaceNet project's validate_on_lfw, computed by its method: accuracy, validation rate at a false accept
/// rate, area under the ROC, equal error rate. The list may be from View 2 (`10 300` in its first line: ten folds in the order of the
/// list) or from View 1 (one count: each fold gets its share of both kinds of pairs, or --train names the list that chooses the cuts).
///
/// Pairs with a photograph without a face count as not recognised at any cut.
#[derive(Args)]
#[command(after_help = "Examples:\n  usher evaluate lfw --images lfw --pairs pairs.txt\n  \
    usher evaluate lfw --images lfw --train pairsDevTrain.txt --pairs pairsDevTest.txt --plot roc.svg\n  \
    usher evaluate lfw --images lfw-160 --aligned --pairs pairs.txt --embedder facenet --metric cosine --subtract-mean --flip")]
pub struct Lfw {
    /// The folder with one folder per person
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// The list of pairs to evaluate
    #[arg(long, value_name = "FILE")]
    pairs: PathBuf,
    /// A list of pairs that chooses the cuts, instead of folds (View 1's pairsDevTrain.txt)
    #[arg(long, value_name = "FILE", conflicts_with = "folds")]
    train: Option<PathBuf>,
    /// Folds, each evaluated at the cuts of the others
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(2..))]
    folds: u16,
    /// Leave out and count pairs with missing photographs
    #[arg(long)]
    skip_missing: bool,
    #[command(flatten)]
    extraction: ExtractionOptions,
    #[command(flatten)]
    options: PairOptions,
}

impl Lfw {
    pub fn run(self, context: &Context) -> Result<()> {
        let list = read_lfw_list(&self.pairs, &self.images)?;
        let evaluated = list.pairs.len();
        let mut all = list.pairs;
        if let Some(train) = &self.train {
            all.extend(read_lfw_list(train, &self.images)?.pairs);
        }
        let pairs = index_pairs(&all, self.skip_missing)?;
        // Pairs of the first list with missing files were left out.
        let evaluated = all.iter().take(evaluated).filter(|p| p.a.is_file() && p.b.is_file()).count();
        let (folds, cuts_from) = match &self.train {
            Some(train) => {
                let fold = Fold { train: (evaluated..pairs.pairs.len()).collect(), test: (0..evaluated).collect() };
                (vec![fold], format!("cuts from {}", train.display()))
            }
            None => {
                let folds = match list.sets {
                    1 => balanced(&same(&pairs.pairs), self.folds.into())?,
                    _ => in_order(pairs.pairs.len(), self.folds.into())?,
                };
                (folds, format!("{} folds", self.folds))
            }
        };
        evaluate(pairs, &folds, cuts_from, &self.extraction, &self.options, context)
    }
}

/// Evaluate on your own pairs of photographs.
///
/// The CSV file (comma, semicolon or tab; UTF-8, UTF-16 or Windows-1252) has the columns a, b and same: two photographs, and 1 if they
/// show one person, otherwise 0. The figures are those of `usher evaluate lfw`; each fold gets its share of both kinds of pairs. Shares
/// have 95 % confidence intervals by Clopper and Pearson, which are wide with 100 pairs.
#[derive(Args)]
#[command(after_help = "Example:\n  usher evaluate pairs --csv door.csv --folds 5\n\n\
    door.csv:\n  a,b,same\n  ada-badge.jpg,ada-door-1.jpg,1\n  ada-badge.jpg,bob-door-1.jpg,0")]
pub struct Pairs {
    /// The list of pairs
    #[arg(long, value_name = "FILE")]
    csv: PathBuf,
    /// The folder that paths in the list are relative to [default: the list's folder]
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Folds, each evaluated at the cuts of the others
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(2..))]
    folds: u16,
    /// Leave out and count pairs with missing photographs
    #[arg(long)]
    skip_missing: bool,
    #[command(flatten)]
    extraction: ExtractionOptions,
    #[command(flatten)]
    options: PairOptions,
}

impl Pairs {
    pub fn run(self, context: &Context) -> Result<()> {
        let list_folder = || self.csv.parent().unwrap_or(Path::new("")).to_owned();
        let images = self.images.clone().unwrap_or_else(list_folder);
        let (pairs, notes) = read_csv(&self.csv, &images)?;
        for note in notes {
            note!("usher: {note}");
        }
        let pairs = index_pairs(&pairs, self.skip_missing)?;
        let folds = balanced(&same(&pairs.pairs), self.folds.into())?;
        evaluate(pairs, &folds, format!("{} folds", self.folds), &self.extraction, &self.options, context)
    }
}

/// Whether each pair shows one person.
fn same(pairs: &[Comparison]) -> Vec<bool> {
    pairs.iter().map(|pair| pair.same).collect()
}

/// The vectors of a list's photographs; with `--grey second`, the second photographs of the pairs are grey, and have vectors of their own.
fn vectors(pairs: &mut IndexedPairs, options: &ExtractionOptions, context: &Context) -> Result<(Extraction, String)> {
    if options.grey != Some(Grey::Second) {
        let mut extractors = options.extractors(context)?;
        return Ok((extract(&pairs.files, &mut extractors)?, model_name(&extractors)));
    }
    let mut extractors = options.coloured_or_grey(false, context)?;
    let mut all = extract(&pairs.files, &mut extractors)?;
    let grey = extract(&pairs.files, &mut options.coloured_or_grey(true, context)?)?;
    all.faces.extend(grey.faces);
    all.failed.extend(grey.failed);
    for pair in &mut pairs.pairs {
        pair.b += pairs.files.len();
    }
    Ok((all, model_name(&extractors)))
}

/// Extracts all photographs of a list and prints its figures.
fn evaluate(
    mut pairs: IndexedPairs,
    folds: &[Fold],
    cuts_from: String,
    extraction: &ExtractionOptions,
    options: &PairOptions,
    context: &Context,
) -> Result<()> {
    let (extracted, model) = vectors(&mut pairs, extraction, context)?;
    let figures = measure(&extracted.faces, &pairs.pairs, folds, options.protocol())?;
    let evaluated = folds.iter().flat_map(|fold| &fold.test).filter_map(|&i| pairs.pairs.get(i).copied());
    options.report(&PairFigures {
        figures,
        model,
        cuts_from,
        images: pairs.files.len(),
        failed_detections: extracted.failed.len(),
        failed_pairs: failed_pairs(evaluated, &extracted.faces),
        not_taken: extracted.failed,
        missing_images: pairs.missing.len(),
        skipped_pairs: pairs.skipped,
    })
}

/// The name of the embedder.
pub fn model_name(extractors: &[Extractor]) -> String {
    extractors.first().map_or_else(String::new, |extractor| extractor.vision().model().to_string())
}

/// The number of pairs with a side that has no vector.
pub fn failed_pairs(pairs: impl Iterator<Item = Comparison>, faces: &[FaceVectors]) -> usize {
    let failed = |index: usize| faces.get(index).is_none_or(|vectors| vectors.0.is_empty());
    pairs.filter(|pair| failed(pair.a) || failed(pair.b)).count()
}

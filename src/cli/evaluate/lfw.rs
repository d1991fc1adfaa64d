//! `usher evaluate lfw`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::super::context::Context;
use super::looking::{Listed, Looking, listed, look};
use super::measuring::{Measured, Measuring};
use crate::lab::pairs::read_lfw_list;
use crate::lab::roc::{Fold, balanced, in_order};
use crate::lab::verification::{Comparison, Views, measure};

/// Measure on Labeled Faces in the Wild, or on a list of its form.
///
/// Prints the four lines of the FaceNet project's validate_on_lfw, made by its method: accuracy, validation rate at a false accept
/// rate, area under the ROC, equal error rate. The list may be of View 2 (`10 300` in its first line: ten folds in the order of the
/// list) or of View 1 (one count: each fold gets its share of both kinds of pairs, or --train names the list that chooses the cuts).
///
/// A photograph without a face does not stop anything: its pairs count as not recognised at any cut.
#[derive(Args)]
#[command(after_help = "Examples:\n  usher evaluate lfw --images lfw --pairs pairs.txt\n  \
    usher evaluate lfw --images lfw --train pairsDevTrain.txt --pairs pairsDevTest.txt --plot roc.svg\n  \
    usher evaluate lfw --images lfw-160 --aligned --pairs pairs.txt --embedder facenet --metric cosine --subtract-mean --flip")]
pub struct Lfw {
    /// The folder with one folder a person
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// The list of pairs to judge
    #[arg(long, value_name = "FILE")]
    pairs: PathBuf,
    /// A list of pairs that chooses the cuts, in place of folds (View 1's pairsDevTrain.txt)
    #[arg(long, value_name = "FILE", conflicts_with = "folds")]
    train: Option<PathBuf>,
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

impl Lfw {
    pub fn run(self, context: &Context) -> Result<()> {
        let list = read_lfw_list(&self.pairs, &self.images)?;
        let judged = list.pairs.len();
        let mut all = list.pairs;
        if let Some(train) = &self.train {
            all.extend(read_lfw_list(train, &self.images)?.pairs);
        }
        let listed = listed(&all, self.skip_missing)?;
        // What was left out of the first list is what is missing there.
        let judged = judged - all[..judged].iter().filter(|p| !p.a.is_file() || !p.b.is_file()).count();
        let (folds, cuts_from) = match &self.train {
            Some(train) => {
                let fold = Fold { train: (judged..listed.pairs.len()).collect(), test: (0..judged).collect() };
                (vec![fold], format!("cuts from {}", train.display()))
            }
            None => {
                let folds = match list.sets {
                    1 => balanced(&same(&listed.pairs), self.folds.into())?,
                    _ => in_order(listed.pairs.len(), self.folds.into())?,
                };
                (folds, format!("{} folds", self.folds))
            }
        };
        tell(listed, &folds, cuts_from, &self.looking, &self.measuring, context)
    }
}

/// Whether each pair shows one person.
pub fn same(pairs: &[Comparison]) -> Vec<bool> {
    pairs.iter().map(|pair| pair.same).collect()
}

/// Looks at all photographs of a list and tells its figures.
pub fn tell(
    listed: Listed,
    folds: &[Fold],
    cuts_from: String,
    looking: &Looking,
    measuring: &Measuring,
    context: &Context,
) -> Result<()> {
    let mut extractors = looking.extractors(context)?;
    let looked = look(&listed.files, &mut extractors)?;
    let figures = measure(&looked.views, &listed.pairs, folds, measuring.protocol())?;
    let judged = folds.iter().flat_map(|fold| &fold.test).map(|&i| listed.pairs[i]);
    measuring.tell(&Measured {
        figures,
        model: extractors[0].vision().model().to_string(),
        cuts_from,
        images: listed.files.len(),
        failed_detections: looked.failed.len(),
        not_taken: looked.failed,
        failed_pairs: failed_pairs(judged, &looked.views),
        missing_images: listed.missing.len(),
        skipped_pairs: listed.skipped,
    })
}

/// Pairs with a side that has no vector.
pub fn failed_pairs(pairs: impl Iterator<Item = Comparison>, views: &[Views]) -> usize {
    pairs.filter(|pair| views[pair.a].0.is_empty() || views[pair.b].0.is_empty()).count()
}

//! The options of evaluations on pairs, and the report of their figures.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::argument::rate;
use crate::lab::dataset::LeftOut;
use crate::lab::plot;
use crate::lab::roc::Figures;
use crate::lab::share::{CONFIDENCE, Share, clopper_pearson};
use crate::lab::verification::{Metric, Protocol};

/// Options of all evaluations on pairs.
#[derive(Args, Clone, Debug)]
pub struct PairOptions {
    /// The distance of a pair: squared Euclidean, or the angle divided by pi (cosine)
    #[arg(long, value_enum, default_value_t = MetricArg::Euclidean)]
    pub metric: MetricArg,
    /// Subtract the mean of the training folds' embeddings from every embedding (affects only the cosine metric)
    #[arg(long)]
    pub subtract_mean: bool,
    /// The false accept rate at which the validation rate is measured
    #[arg(long, value_name = "RATE", default_value_t = 1e-3, value_parser = rate)]
    pub far: f64,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Draw the mean ROC into this SVG file
    #[arg(long, value_name = "OUT.svg")]
    pub plot: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MetricArg {
    Euclidean,
    Cosine,
}

impl PairOptions {
    pub fn protocol(&self) -> Protocol {
        let metric = match self.metric {
            MetricArg::Euclidean => Metric::Euclidean,
            MetricArg::Cosine => Metric::Cosine,
        };
        Protocol { metric, subtract_mean: self.subtract_mean, far: self.far }
    }

    /// Prints the figures, and draws them if requested.
    pub fn report(&self, measured: &PairFigures) -> Result<()> {
        let mut out = std::io::stdout().lock();
        match self.json {
            true => writeln!(out, "{}", measured.json(self))?,
            false => write!(out, "{}", measured.text(self))?,
        }
        if let Some(path) = &self.plot {
            let title = format!("ROC of {}, {} pairs", measured.model, measured.figures.correct.whole);
            write_plot(path, plot::roc(&measured.figures.curve, &title))?;
        }
        Ok(())
    }
}

/// Writes a drawing to a file.
pub fn write_plot(path: &Path, svg: Result<String, plot::PlotError>) -> Result<()> {
    std::fs::write(path, svg?).with_context(|| format!("{} cannot be written", path.display()))
}

/// The figures of one list of pairs, and what they are based on.
pub struct PairFigures {
    pub figures: Figures,
    pub model: String,
    /// `10 folds`, `cuts from pairsDevTrain.txt`.
    pub cuts_from: String,
    pub images: usize,
    /// The number of photographs without a face, or unreadable.
    pub failed_detections: usize,
    /// The photographs that were not used, with the reason.
    pub not_taken: Vec<LeftOut>,
    /// The number of pairs with such a photograph.
    pub failed_pairs: usize,
    pub missing_images: usize,
    pub skipped_pairs: usize,
}

impl PairFigures {
    fn text(&self, asked: &PairOptions) -> String {
        let f = &self.figures;
        let mut text = format!(
            "Accuracy: {:.5}+-{:.5}\nValidation rate: {:.5}+-{:.5} @ FAR={:.5}\nArea Under Curve (AUC): {:.3}\n\
             Equal Error Rate (EER): {:.3}\n\n",
            f.accuracy.mean, f.accuracy.std, f.val.mean, f.val.std, f.far, f.auc, f.eer
        );
        text +=
            &format!("{}: {} pairs, {} photographs, {}\n", self.model, f.correct.whole, self.images, self.cuts_from);
        text += &match asked.metric {
            MetricArg::Euclidean => {
                format!("cut for the accuracy: {:.4} squared, a distance of {:.4}\n", f.threshold, f.threshold.sqrt())
            }
            MetricArg::Cosine => format!("cut for the accuracy: an angle of {:.4} pi\n", f.threshold),
        };
        text += &format!("classified correctly: {}\n", share_text(f.correct));
        text += &format!("pairs of one person accepted at FAR {}: {}\n", asked.far, share_text(f.accepted));
        text += &format!("pairs of two people accepted at the same cut: {}\n", share_text(f.false_accepts));
        text += "(95 % intervals by Clopper and Pearson, which assume independent pairs)\n";
        if self.failed_detections > 0 {
            text += &format!(
                "no face found in {} photographs (listed above with the reasons); {} pairs with them count as not recognised\n",
                self.failed_detections, self.failed_pairs
            );
        }
        if self.missing_images > 0 {
            text +=
                &format!("left out: {} pairs with {} missing photographs\n", self.skipped_pairs, self.missing_images);
        }
        text
    }

    fn json(&self, asked: &PairOptions) -> Value {
        let f = &self.figures;
        let interval = |share: Share| {
            let (low, high) = clopper_pearson(share, CONFIDENCE);
            [low, high]
        };
        json!({
            "accuracy": f.accuracy.mean,
            "accuracy_std": f.accuracy.std,
            "val": f.val.mean,
            "val_std": f.val.std,
            "far": f.far,
            "auc": f.auc,
            "eer": f.eer,
            "threshold": f.threshold,
            "pairs": f.correct.whole,
            "failed_detections": self.failed_detections,
            "not_taken": self.not_taken.iter().map(LeftOut::json).collect::<Vec<_>>(),
            "failed_pairs": self.failed_pairs,
            "images": self.images,
            "missing_images": self.missing_images,
            "skipped_pairs": self.skipped_pairs,
            "far_target": asked.far,
            "metric": match asked.metric {
                MetricArg::Euclidean => "squared euclidean",
                MetricArg::Cosine => "angle / pi",
            },
            "model": self.model,
            "accuracy_interval": interval(f.correct),
            "val_interval": interval(f.accepted),
            "far_interval": interval(f.false_accepts),
            "interval": "Clopper-Pearson 95 %",
        })
    }
}

/// `991 of 1000, 0.99100 (0.98302 to 0.99587)`
fn share_text(share: Share) -> String {
    let (low, high) = clopper_pearson(share, CONFIDENCE);
    format!("{} of {}, {:.5} ({low:.5} to {high:.5})", share.part, share.whole, share.rate())
}

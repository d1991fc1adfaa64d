//! What a list of pairs is measured by, and how its figures are told.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::lab::folder::LeftOut;
use crate::lab::interval::{CONFIDENCE, clopper_pearson};
use crate::lab::plot;
use crate::lab::roc::{Figures, Share};
use crate::lab::verification::{Metric, Protocol};

/// Options of every protocol of pairs.
#[derive(Args, Clone, Debug)]
pub struct Measuring {
    /// What pairs are compared by: the squared Euclidean distance, or the angle in parts of a half turn
    #[arg(long, value_enum, default_value_t = MetricArg::Euclidean)]
    pub metric: MetricArg,
    /// Take the mean of the training folds' embeddings from every embedding (changes only the cosine metric)
    #[arg(long)]
    pub subtract_mean: bool,
    /// The false accept rate at which the validation rate is told
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

/// A rate between 0 and 1, both excluded.
pub fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate < 1.0 => Ok(rate),
        _ => Err("a rate above 0 and below 1 is wanted, for example 0.001 or 1e-3".into()),
    }
}

impl Measuring {
    pub fn protocol(&self) -> Protocol {
        let metric = match self.metric {
            MetricArg::Euclidean => Metric::Euclidean,
            MetricArg::Cosine => Metric::Cosine,
        };
        Protocol { metric, subtract_mean: self.subtract_mean, far: self.far }
    }

    /// Prints what `measured` found, and draws it.
    pub fn tell(&self, measured: &Measured) -> Result<()> {
        let mut out = std::io::stdout().lock();
        match self.json {
            true => writeln!(out, "{}", measured.json(self))?,
            false => write!(out, "{}", measured.text(self))?,
        }
        if let Some(path) = &self.plot {
            let title = format!("ROC of {}, {} pairs", measured.model, measured.figures.right.whole);
            write_plot(path, plot::roc(&measured.figures.curve, &title))?;
        }
        Ok(())
    }
}

/// Writes a drawing that was made.
pub fn write_plot(path: &Path, svg: Result<String, plot::PlotError>) -> Result<()> {
    std::fs::write(path, svg?).with_context(|| format!("{} cannot be written", path.display()))
}

/// The figures of one list, with what they were made of.
pub struct Measured {
    pub figures: Figures,
    pub model: String,
    /// `10 folds`, `cuts from pairsDevTrain.txt`.
    pub cuts_from: String,
    pub images: usize,
    /// Photographs in which no face was found, or that could not be read.
    pub failed_detections: usize,
    /// Those and other files that were not used, each with its reason.
    pub not_taken: Vec<LeftOut>,
    /// Pairs with such a photograph.
    pub failed_pairs: usize,
    pub missing_images: usize,
    pub skipped_pairs: usize,
}

impl Measured {
    fn text(&self, asked: &Measuring) -> String {
        let f = &self.figures;
        let mut text = format!(
            "Accuracy: {:.5}+-{:.5}\nValidation rate: {:.5}+-{:.5} @ FAR={:.5}\nArea Under Curve (AUC): {:.3}\n\
             Equal Error Rate (EER): {:.3}\n\n",
            f.accuracy.mean, f.accuracy.std, f.val.mean, f.val.std, f.far, f.auc, f.eer
        );
        text += &format!("{}: {} pairs, {} photographs, {}\n", self.model, f.right.whole, self.images, self.cuts_from);
        text += &match asked.metric {
            MetricArg::Euclidean => {
                format!("cut for the accuracy: {:.4} squared, a distance of {:.4}\n", f.threshold, f.threshold.sqrt())
            }
            MetricArg::Cosine => format!("cut for the accuracy: {:.4} of a half turn\n", f.threshold),
        };
        text += &format!("sorted rightly: {}\n", told(f.right));
        text += &format!("pairs of one person accepted at FAR {}: {}\n", asked.far, told(f.accepted));
        text += &format!("pairs of two people accepted there: {}\n", told(f.let_in));
        text += "(95 % intervals of Clopper and Pearson; they take the pairs as independent)\n";
        if self.failed_detections > 0 {
            text += &format!(
                "no face found in {} photographs (named above with their reasons); {} pairs with them count as not recognised\n",
                self.failed_detections, self.failed_pairs
            );
        }
        if self.missing_images > 0 {
            text +=
                &format!("left out: {} pairs with {} missing photographs\n", self.skipped_pairs, self.missing_images);
        }
        text
    }

    fn json(&self, asked: &Measuring) -> Value {
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
            "pairs": f.right.whole,
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
            "accuracy_interval": interval(f.right),
            "val_interval": interval(f.accepted),
            "far_interval": interval(f.let_in),
            "interval": "Clopper-Pearson 95 %",
        })
    }
}

/// `991 of 1000, 0.99100 (0.98302 to 0.99587)`
pub fn told(share: Share) -> String {
    let (low, high) = clopper_pearson(share, CONFIDENCE);
    format!("{} of {}, {:.5} ({low:.5} to {high:.5})", share.part, share.whole, share.rate())
}

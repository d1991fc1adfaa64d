//! The report of `usher train head`: error rates with and without a head, and the result.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::TrainHead;
use crate::domain::ModelId;
use crate::train::head::evaluation::{Estimate, Evaluation, FOLDS};
use crate::vision::head_file::HeadFile;

/// The content of the report.
pub struct Report<'a> {
    pub command: &'a TrainHead,
    pub model: &'a ModelId,
    pub people: usize,
    pub photographs: usize,
    pub without_face: usize,
    pub evaluation: &'a Evaluation,
}

impl Report<'_> {
    /// Prints the report. `file` is the head if it is better; `written` is its path if it was written.
    pub fn print(&self, file: Option<&HeadFile>, written: Option<&Path>) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if self.command.json {
            writeln!(out, "{}", self.json(file, written))?;
            return Ok(());
        }
        let evaluation = self.evaluation;
        writeln!(
            out,
            "{}: {} people, {} photographs with a face, {} without",
            self.model, self.people, self.photographs, self.without_face
        )?;
        writeln!(
            out,
            "cross-validation in {FOLDS} folds: {} pairs of two people, {} of one\n",
            evaluation.impostor_pairs, evaluation.genuine_pairs
        )?;
        writeln!(out, "False non-match rate at a false match rate of {}, with its 95 % interval:", self.command.fmr)?;
        for (what, estimate) in [
            ("without a head", evaluation.before),
            ("behind a head", evaluation.after),
            ("difference", evaluation.difference),
        ] {
            let [value, low, high] = [estimate.value, estimate.low, estimate.high].map(|share| share * 100.0);
            writeln!(out, "  {what:16} {value:7.2} %  ({low:.2} to {high:.2})")?;
        }
        match (file, written) {
            (None, _) => writeln!(out, "\nThis is not a significant improvement: nothing was written.")?,
            (Some(_), None) => writeln!(out, "\nA head helps. Nothing was written (--dry-run).")?,
            (Some(file), Some(path)) => writeln!(
                out,
                "\nA head helps. {} was written to {}\nThe daemon uses it from its next start on; `usher doctor` then shows the distance limit.",
                file.head.id(),
                path.display()
            )?,
        }
        Ok(())
    }

    fn json(&self, file: Option<&HeadFile>, written: Option<&Path>) -> Value {
        let estimate =
            |estimate: Estimate| json!({ "value": estimate.value, "interval": [estimate.low, estimate.high] });
        let evaluation = self.evaluation;
        json!({
            "model": self.model.as_str(),
            "people": self.people,
            "photographs": self.photographs,
            "failed_detections": self.without_face,
            "impostor_pairs": evaluation.impostor_pairs,
            "genuine_pairs": evaluation.genuine_pairs,
            "fmr": self.command.fmr,
            "interval": "95 %, people resampled",
            "fnmr_before": estimate(evaluation.before),
            "fnmr_after": estimate(evaluation.after),
            "difference": estimate(evaluation.difference),
            "better": file.is_some(),
            "head": file.map(|file| file.head.id().as_str()),
            "written": written.map(|path| path.display().to_string()),
        })
    }
}

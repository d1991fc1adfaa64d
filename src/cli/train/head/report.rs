//! What `usher train head` says: how many are missed with and without a head, and what became of it.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::Head;
use crate::domain::ModelId;
use crate::train::head::judging::{Estimate, FOLDS, Judgement};
use crate::vision::head_file::HeadFile;

/// All that is told.
pub struct Report<'a> {
    pub order: &'a Head,
    pub model: &'a ModelId,
    pub people: usize,
    pub photographs: usize,
    pub without_face: usize,
    pub judgement: &'a Judgement,
}

impl Report<'_> {
    /// `written` is where the head lies now; `None` where it was not to be written.
    pub fn tell(&self, file: Option<&HeadFile>, written: Option<&Path>) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if self.order.json {
            writeln!(out, "{}", self.json(file, written))?;
            return Ok(());
        }
        let judgement = self.judgement;
        writeln!(
            out,
            "{}: {} people, {} photographs with a face, {} without",
            self.model, self.people, self.photographs, self.without_face
        )?;
        writeln!(
            out,
            "left out in {FOLDS} parts: {} pairs of two people, {} of one\n",
            judgement.impostor_pairs, judgement.genuine_pairs
        )?;
        writeln!(
            out,
            "Share of one person's pairs missed at a false match rate of {}, with its 95 % interval:",
            self.order.fmr
        )?;
        for (what, estimate) in [
            ("as the model is", judgement.before),
            ("behind a head", judgement.after),
            ("difference", judgement.difference),
        ] {
            let [value, low, high] = [estimate.value, estimate.low, estimate.high].map(|share| share * 100.0);
            writeln!(out, "  {what:16} {value:7.2} %  ({low:.2} to {high:.2})")?;
        }
        match (file, written) {
            (None, _) => {
                writeln!(out, "\nThat is no improvement beyond chance: no head is kept, nothing was written.")?
            }
            (Some(_), None) => writeln!(out, "\nA head helps here. Nothing was written (--dry-run).")?,
            (Some(file), Some(path)) => writeln!(
                out,
                "\nA head helps here. {} is written: {}\nThe daemon takes it at its next start; `usher doctor` tells the distance limit then.",
                file.head.id(),
                path.display()
            )?,
        }
        Ok(())
    }

    fn json(&self, file: Option<&HeadFile>, written: Option<&Path>) -> Value {
        let estimate =
            |estimate: Estimate| json!({ "value": estimate.value, "interval": [estimate.low, estimate.high] });
        let judgement = self.judgement;
        json!({
            "model": self.model.as_str(),
            "people": self.people,
            "photographs": self.photographs,
            "failed_detections": self.without_face,
            "impostor_pairs": judgement.impostor_pairs,
            "genuine_pairs": judgement.genuine_pairs,
            "fmr": self.order.fmr,
            "interval": "95 %, people drawn anew",
            "fnmr_before": estimate(judgement.before),
            "fnmr_after": estimate(judgement.after),
            "difference": estimate(judgement.difference),
            "better": file.is_some(),
            "head": file.map(|file| file.head.id().as_str()),
            "written": written.map(|path| path.display().to_string()),
        })
    }
}

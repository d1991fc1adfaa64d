//! The output of a training run, on the terminal and in TensorBoard.

use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use crate::lab::roc::Figures;
use crate::train::events::Events;
use crate::train::run::{Report, Run};

/// The number of suspected pictures that are listed on the terminal.
const SHOWN: usize = 10;

/// Reports the progress of a run.
pub struct Progress {
    bar: ProgressBar,
    batches: usize,
    epoch: Epoch,
}

/// Sums for the line of an epoch.
struct Epoch {
    begun: Instant,
    pictures: usize,
    loss: f64,
    /// Steps that updated the weights.
    updates: usize,
    /// Steps without triplets.
    empty: usize,
    active: f64,
}

impl Epoch {
    fn new() -> Self {
        Self { begun: Instant::now(), pictures: 0, loss: 0.0, updates: 0, empty: 0, active: 0.0 }
    }
}

impl Progress {
    pub fn new(run: &Run) -> Self {
        let all = u64::from(run.plan().epochs) * run.batches() as u64;
        let done = u64::from(run.state().epoch) * run.batches() as u64 + run.state().done as u64;
        let bar = ProgressBar::new(all).with_position(done).with_elapsed(Duration::ZERO);
        // The template is a constant; if it had a mistake, the default bar would be shown.
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {per_sec}, {eta} left  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, batches: run.batches(), epoch: Epoch::new() }
    }

    pub fn step(&mut self, report: &Report, events: &mut Events, seconds: f64) -> Result<()> {
        let epoch = &mut self.epoch;
        epoch.pictures += report.pictures;
        events.scalar(seconds, report.step, "rate", report.rate)?;
        match report.loss {
            Some(loss) => {
                epoch.loss += f64::from(loss);
                epoch.updates += 1;
                events.scalar(seconds, report.step, "loss", loss)?;
                events.scalar(seconds, report.step, "gradient/length", report.gradient)?;
            }
            None => epoch.empty += 1,
        }
        if let Some(stats) = &report.triplets {
            epoch.active += f64::from(stats.active_share());
            for (tag, scalar) in [
                ("triplets/taken", stats.triplets as f32),
                ("triplets/active", stats.active_share()),
                ("triplets/hard", stats.hard_share()),
                ("triplets/positive_distance", stats.positive),
                ("triplets/negative_distance", stats.negative),
            ] {
                events.scalar(seconds, report.step, tag, scalar)?;
            }
        }
        for (layer, share) in &report.sparsity {
            events.scalar(seconds, report.step, &format!("sparsity/{layer}"), *share)?;
        }
        self.bar.inc(1);
        self.bar.set_message(report.loss.map_or_else(|| "no triplets".to_owned(), |loss| format!("loss {loss:.4}")));
        if report.ends_epoch {
            self.end_epoch(report);
        }
        Ok(())
    }

    fn end_epoch(&mut self, report: &Report) {
        let epoch = std::mem::replace(&mut self.epoch, Epoch::new());
        let seconds = epoch.begun.elapsed().as_secs_f64();
        let mut line = format!(
            "epoch {}: loss {:.4}, rate {}, {:.0} pictures/s",
            report.epoch + 1,
            epoch.loss / epoch.updates.max(1) as f64,
            report.rate,
            epoch.pictures as f64 / seconds.max(1e-9)
        );
        if report.triplets.is_some() {
            line += &format!(
                ", {:.0} % of triplets active",
                100.0 * epoch.active / (epoch.updates + epoch.empty).max(1) as f64
            );
        }
        if epoch.empty > 0 {
            line += &format!(", {} of {} steps without triplets", epoch.empty, self.batches);
        }
        for (layer, share) in &report.sparsity {
            line += &format!(", {:.0} % of {layer} zero", 100.0 * share);
        }
        self.print(line);
    }

    /// Writes histograms of the weights and their gradients.
    pub fn histograms(&mut self, run: &Run, report: &Report, events: &mut Events, seconds: f64) -> Result<()> {
        for (name, array) in &run.state().weights {
            events.histogram(seconds, report.step, &format!("weights/{name}"), &array.values)?;
        }
        for (name, gradient) in &report.gradients {
            events.histogram(seconds, report.step, &format!("gradients/{name}"), gradient)?;
        }
        Ok(())
    }

    /// Reports a validation after `step` steps.
    pub fn validated(&mut self, step: u64, figures: &Figures, events: &mut Events, seconds: f64) -> Result<()> {
        for (tag, value) in
            [("accuracy", figures.accuracy.mean), ("val", figures.val.mean), ("auc", figures.auc), ("eer", figures.eer)]
        {
            events.scalar(seconds, step, &format!("pairs/{tag}"), value as f32)?;
        }
        self.print(format!(
            "  validation{}: accuracy {:.4}, AUC {:.4}, EER {:.4}, VAL {:.4} @ FAR {:.3}",
            if step == 0 { " before training" } else { "" },
            figures.accuracy.mean,
            figures.auc,
            figures.eer,
            figures.val.mean,
            figures.far
        ));
        Ok(())
    }

    /// Removes the bar, and lists the pictures that are probably labelled wrongly.
    pub fn finish(self, run: &Run) {
        self.bar.finish_and_clear();
        let suspects = run.state().suspects.listed();
        if suspects.is_empty() {
            return;
        }
        drop(say!("{} pictures are nearer to strangers than to their own person; check their labels:", suspects.len()));
        for &picture in suspects.iter().take(SHOWN) {
            drop(say!("  {}", run.faces().file(picture).display()));
        }
    }

    /// Prints a line above the bar, or plainly without a terminal.
    fn print(&self, line: String) {
        match self.bar.is_hidden() {
            true => drop(say!("{line}")),
            false => self.bar.println(line),
        }
    }
}

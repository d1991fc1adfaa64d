//! The doors' pen on a thread of its own, and what waits for a stalled disk marked outside the store: a process that is killed before the disk
//! answers leaves a trace of what it did.

use std::sync::Arc;

use anyhow::Result;

use super::crew::Crew;
use super::doors::pen::JournalPen;
use super::doors::scribe::{self, Backlog, Scribe, Waiting, scribe};
use crate::clock::Clock;
use crate::ledger::{Gap, GapMarks};
use crate::office::Recorder;

/// Why what waits is missing, if the process ends meanwhile.
const REASON: &str = "the disk had stalled, and usher ended before it answered";

/// A pen whose writer does not wait for a stalled disk. Starts the thread that writes and the thread that marks.
pub fn patient_pen(
    crew: &mut Crew,
    pen: JournalPen,
    recorder: Arc<Recorder>,
    marks: GapMarks,
    clock: Arc<dyn Clock>,
) -> Result<Scribe> {
    let (pen, records) = scribe(pen, scribe::PATIENCE, move |reason| recorder.count_lost(reason));
    let backlog = pen.backlog();
    crew.spawn("records", false, move || {
        records.run();
        Ok(())
    })?;
    crew.spawn("gap marks", false, move || {
        mark(&backlog, &marks, &*clock);
        Ok(())
    })?;
    Ok(pen)
}

/// Marks what waits, until all is written and the doors have ended.
fn mark(backlog: &Backlog, marks: &GapMarks, clock: &dyn Clock) {
    let (mut known, mut gap) = (Waiting::default(), None);
    while let Some(waiting) = backlog.changed(known) {
        known = waiting;
        let now = clock.stamp().at;
        let marked = match waiting.events {
            0 => {
                gap = None;
                marks.clear_waiting()
            }
            events => {
                let begun = gap.take().unwrap_or_else(|| Gap::begin(now));
                let grown = Gap { lost: events, unlocked: waiting.unlocked, last: now, reason: REASON.into(), ..begun };
                let marked = marks.mark_waiting(&grown);
                gap = Some(grown);
                marked
            }
        };
        if let Err(error) = marked {
            tracing::warn!(%error, "what waits for the disk cannot be marked ([journal] gap_path)");
        }
    }
}

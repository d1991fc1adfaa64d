//! Runs the doors' writer on a thread of its own and, while the disk stalls, marks outside the store how many events wait. A process that is
//! killed before the disk answers leaves these marks behind.

use std::sync::Arc;

use anyhow::Result;

use super::doors::write_queue::{self, Backlog, Waiting, WriteQueue, write_queue};
use super::doors::writer::JournalWriter;
use super::stage::Role;
use super::threads::Threads;
use crate::clock::Clock;
use crate::ledger::{Gap, GapMarks};
use crate::office::Recorder;

/// Why events are missing from the journal if the process ends before the disk answers.
const REASON: &str = "the disk had stalled, and usher ended before it answered";

/// Wraps `writer` in a queue that does not wait for a stalled disk. Starts the thread that writes and the thread that marks.
pub fn queued_writer(
    threads: &mut Threads,
    writer: JournalWriter,
    recorder: Arc<Recorder>,
    marks: GapMarks,
    clock: Arc<dyn Clock>,
) -> Result<WriteQueue> {
    let (writer, records) = write_queue(writer, write_queue::PATIENCE, move |reason| recorder.count_lost(reason));
    let backlog = writer.backlog();
    threads.spawn(Role::Records, "", move || {
        records.run();
        Ok(())
    })?;
    threads.spawn(Role::GapMarks, "", move || {
        mark(&backlog, &marks, &*clock);
        Ok(())
    })?;
    Ok(writer)
}

/// Marks what waits, until everything is written and the doors have ended.
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
            tracing::warn!(%error, "events that wait for the disk cannot be marked ([journal] gap_path)");
        }
    }
}

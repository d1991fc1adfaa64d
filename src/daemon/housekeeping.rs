//! Periodic work: deleting old records and unknown visitors, storing acknowledgements, and retrying a journal that could not be written.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::threads::MainMessage;
use super::{kept_faces, visitors};
use crate::clock::{Clock, ClockReading, Evidence, Watch};
use crate::domain::TimeQuality;
use crate::gallery::{FacePictures, Visitors};
use crate::ledger::RecordRetention;
use crate::office::Recorder;

/// The time between two rounds.
const ROUND: Duration = Duration::from_secs(2);
/// How often the broker's acknowledgements are stored if no record stores them along.
const FLUSH_EVERY: Duration = Duration::from_secs(60);
/// How often, at most, pruning runs while the journal is too large.
const PRUNE_SOONER: Duration = Duration::from_secs(600);
/// How often, at most, the store's copy is rewritten if nothing was deleted.
const COMPACT_EVERY: Duration = Duration::from_secs(24 * 3600);
/// How often pruning runs otherwise.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);
/// Records are deleted by age only after the clock has been synchronised this long without being set.
const STEADY: Duration = Duration::from_secs(3600);

/// Works in rounds until the runtime ends.
///
/// If the store comes back from a disk failure with other contents than were read at the start, this sends [`MainMessage::StoreChanged`], and
/// the main thread ends the daemon, so that it is restarted.
pub async fn run(
    recorder: Arc<Recorder>,
    keep: RecordRetention,
    visitors: Vec<Arc<Visitors>>,
    faces: Arc<FacePictures>,
    clock: Arc<dyn Clock>,
    to_main: Sender<MainMessage>,
    evidence: Evidence,
) {
    let mut watch = Watch::new(evidence);
    let mut flushed = Instant::now();
    let mut pruned: Option<Instant> = None;
    // Deletion by age is limited to a share of the records each hour, even if pruning by size runs more often.
    let mut aged: Option<Instant> = None;
    let mut compacted: Option<Instant> = None;
    loop {
        tokio::time::sleep(ROUND).await;
        if recorder.store().has_changed() {
            // The main thread may have ended already.
            drop(to_main.send(MainMessage::StoreChanged));
            return;
        }
        let flush = flushed.elapsed() >= FLUSH_EVERY;
        let too_large = keep.bytes.is_some_and(|bytes| recorder.store().copy_bytes() > bytes);
        let prune_after = if too_large { PRUNE_SOONER } else { PRUNE_EVERY };
        let prune = pruned.is_none_or(|at| at.elapsed() >= prune_after);
        if flush {
            flushed = Instant::now();
        }
        if prune {
            pruned = Some(Instant::now());
        }
        // Deleted and overwritten entries stay in the copy until it is rewritten.
        let compact = prune && too_large && compacted.is_none_or(|at| at.elapsed() >= COMPACT_EVERY);
        if compact {
            compacted = Some(Instant::now());
        }
        let mut keep = by_this_clock(keep, watch.look(clock.now(), &clock.stamp()));
        if prune && aged.is_some_and(|at| at.elapsed() < PRUNE_EVERY) {
            keep.age = None;
        }
        if prune && keep.age.is_some() {
            aged = Some(Instant::now());
        }
        let (recorder, visitors, faces, now) = (recorder.clone(), visitors.clone(), faces.clone(), clock.wall());
        let round = move || {
            recorder.check_disk_space();
            if recorder.trouble().is_some()
                && let Err(error) = recorder.try_again()
            {
                tracing::debug!(%error, "the journal still cannot be written");
            }
            if flush
                && let Some(outbox) = recorder.journal().outbox()
                && let Err(error) = outbox.flush()
            {
                tracing::warn!(%error, "the broker's acknowledgements are not stored yet");
            }
            if prune {
                visitors.iter().for_each(|visitors| visitors::prune(visitors, now));
                kept_faces::prune(&faces, now);
            }
            if prune && keep != RecordRetention::default() {
                match recorder.prune(keep) {
                    Ok(0) if compact => {
                        if let Err(error) = recorder.store().compact() {
                            tracing::warn!(%error, "the second copy of the store could not be made smaller");
                        }
                    }
                    Ok(0) => {}
                    Ok(records) => tracing::info!(records, "deleted old records"),
                    Err(error) => tracing::warn!(%error, "old records could not be deleted"),
                }
            }
        };
        if tokio::task::spawn_blocking(round).await.is_err() {
            tracing::error!("housekeeping panicked; the log has the place");
        }
    }
}

/// The limits that apply while the clock reads `reading`. Age counts only while the clock is synchronised and has been for [`STEADY`]: a
/// clock that was just set may be years ahead, and deleted records do not come back.
fn by_this_clock(keep: RecordRetention, reading: ClockReading) -> RecordRetention {
    let steady = reading.quality == TimeQuality::Synchronised && reading.in_step_for >= STEADY;
    RecordRetention { age: keep.age.filter(|_| steady), ..keep }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SimulatedClock;
    use crate::domain::earliest;

    const KEEP: RecordRetention = RecordRetention { age: Some(Duration::from_secs(30 * 86_400)), bytes: Some(1 << 30) };

    #[test]
    fn age_counts_only_by_a_clock_that_has_been_synchronised_for_a_while() {
        let (mut watch, clock) = (Watch::new(Evidence::default()), SimulatedClock::new(earliest()));
        let mut allowed = |clock: &SimulatedClock| by_this_clock(KEEP, watch.look(clock.now(), &clock.stamp()));
        let by_size_alone = RecordRetention { age: None, ..KEEP };
        assert_eq!(allowed(&clock), by_size_alone, "the clock may be years ahead at the start");
        clock.advance(STEADY);
        assert_eq!(allowed(&clock), KEEP);
        clock.set_wall(clock.wall() + Duration::from_secs(730 * 86_400));
        assert_eq!(allowed(&clock), by_size_alone, "it was just set");
        clock.advance(STEADY);
        assert_eq!(allowed(&clock), KEEP);
        for kernel in [Some(false), None] {
            clock.set_synchronised(kernel);
            clock.advance(10 * STEADY);
            assert_eq!(allowed(&clock), by_size_alone, "{kernel:?}");
        }
    }
}

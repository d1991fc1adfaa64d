//! What is done from time to time, whatever happens at the doors: old records and unknown visitors go, acknowledgements are written down, and a journal that
//! could not be written is tried again.
//!
//! Decides nothing about doors.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::crew::News;
use super::visitors;
use crate::clock::{Clock, Evidence, Reading, Watch};
use crate::domain::TimeQuality;
use crate::gallery::Visitors;
use crate::ledger::Keep;
use crate::office::Recorder;

/// How often it looks around.
const ROUND: Duration = Duration::from_secs(2);
/// How often acknowledgements of the hub are written down when no record carries them along.
const FLUSH_EVERY: Duration = Duration::from_secs(60);
/// How often at most it is asked so because the journal may have become too large.
const PRUNE_SOONER: Duration = Duration::from_secs(600);
/// How often at most the store's copy is written anew when nothing was deleted.
const COMPACT_EVERY: Duration = Duration::from_secs(24 * 3600);
/// How often it is asked which records and visitors are too old.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);
/// Records are deleted by age only while the clock has been kept in step for so long without being set.
const STEADY: Duration = Duration::from_secs(3600);

/// Goes round until the runtime ends.
///
/// A store that came back after a failing disk with other contents than were read at the start is told to the main thread, which ends the
/// daemon, so that it is started anew.
pub async fn run(
    recorder: Arc<Recorder>,
    keep: Keep,
    visitors: Arc<Visitors>,
    clock: Arc<dyn Clock>,
    news: Sender<News>,
    evidence: Evidence,
) {
    let mut watch = Watch::new(evidence);
    let mut flushed = Instant::now();
    let mut pruned: Option<Instant> = None;
    // A bounded share goes by age each hour, also where size is looked at more often.
    let mut aged: Option<Instant> = None;
    let mut compacted: Option<Instant> = None;
    loop {
        tokio::time::sleep(ROUND).await;
        if recorder.store().has_changed() {
            let failure = "its contents are not those read at the start; usher has to start anew".to_owned();
            drop(news.send(News::Ended { stage: "store".to_owned(), is_camera: false, failure: Some(failure) }));
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
        // What is deleted or written over stays in the copy until that is written anew.
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
        let (recorder, visitors, now) = (recorder.clone(), visitors.clone(), clock.wall());
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
                tracing::warn!(%error, "what the broker acknowledged is not written down yet");
            }
            if prune {
                visitors::prune(&visitors, now);
            }
            if prune && keep != Keep::default() {
                match recorder.prune(keep) {
                    Ok(0) if compact => {
                        if let Err(error) = recorder.store().compact() {
                            tracing::warn!(%error, "the second copy of the store stays longer than it has to be");
                        }
                    }
                    Ok(0) => {}
                    Ok(records) => tracing::info!(records, "old records were deleted"),
                    Err(error) => tracing::warn!(%error, "old records stay"),
                }
            }
        };
        if tokio::task::spawn_blocking(round).await.is_err() {
            tracing::error!("housekeeping panicked; the log has the place");
        }
    }
}

/// What may be deleted by a clock of this reading: by age only while it is kept in step, and has been for a while. A clock that was just set may
/// be years ahead, and what is deleted does not come back.
fn by_this_clock(keep: Keep, reading: Reading) -> Keep {
    let steady = reading.quality == TimeQuality::Synchronised && reading.in_step_for >= STEADY;
    Keep { age: keep.age.filter(|_| steady), ..keep }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SimulatedClock;
    use crate::domain::earliest;

    const KEEP: Keep = Keep { age: Some(Duration::from_secs(30 * 86_400)), bytes: Some(1 << 30) };

    #[test]
    fn age_counts_only_by_a_clock_that_has_been_in_step_for_a_while() {
        let (mut watch, clock) = (Watch::new(Evidence::default()), SimulatedClock::new(earliest()));
        let mut allowed = |clock: &SimulatedClock| by_this_clock(KEEP, watch.look(clock.now(), &clock.stamp()));
        let by_size_alone = Keep { age: None, ..KEEP };
        assert_eq!(allowed(&clock), by_size_alone, "a start, which may be years ahead");
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

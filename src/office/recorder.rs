//! The recorder: writes events to the journal, so that an event is on disk before anything acts on it.
//!
//! It also counts the events it could not write, and reports them in a record as soon as it can write again, even after a restart. Repairs of
//! the store are recorded the same way.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::disk_space::DiskSpace;
use crate::clock::Clock;
use crate::domain::{Actor, Event, GapDetails, Moment, PersonId, StoreEvent};
use crate::ledger::{Gap, GapMarks, Journal, LedgerError, Record, RecordRetention};
use crate::store::{Change, Store, StoreError};

/// The warning while only grants, alarms and operators' acts get records of their own.
const LOW_ON_DISK: &str = "the disk is nearly full: denials and contact changes are only counted, to leave room for grants and alarms; free some space";

/// Called with each record once it is on disk.
type Listener = Box<dyn Fn(&Record) + Send + Sync>;

/// The journal with its clock and a listener. Writing is serialised by the store; a failure is counted and retried with the next event.
pub struct Recorder {
    store: Store,
    journal: Journal,
    clock: Arc<dyn Clock>,
    listener: Option<Listener>,
    marks: GapMarks,
    state: Mutex<State>,
    /// Held while lost events are reported.
    reporting: Mutex<()>,
    /// Held while gap marks are written outside the store.
    marking: Mutex<()>,
    low_on_disk: AtomicBool,
}

/// The state of writing.
#[derive(Default)]
struct State {
    /// `None` while records can be written.
    trouble: Option<Trouble>,
    /// Lost events that no record reports yet, from this run and earlier ones.
    gap: Option<Gap>,
    /// Whether `gap` has grown since it was marked.
    to_mark: bool,
}

/// Why and since when the journal cannot be written.
#[derive(Clone, Debug)]
pub struct Trouble {
    pub since: Moment,
    /// The number of events lost.
    pub lost: u64,
    /// What is wrong, and what to do about it.
    pub reason: String,
    /// Whether marking the gap outside the store failed too. Then a restart loses the count.
    pub unmarked: bool,
}

/// The tree with the ids of gaps that records have reported.
const REPORTED: &str = "gaps";
/// How many of them are kept. They identify marks that could not be cleared.
const REPORTED_IDS: usize = 100;

impl Recorder {
    /// A recorder without a listener for `journal`, which is in `store`.
    pub fn new(store: &Store, journal: Journal, clock: Arc<dyn Clock>) -> Recorder {
        let (marks, state) = (GapMarks::default(), Mutex::default());
        Recorder {
            store: store.clone(),
            journal,
            clock,
            listener: None,
            marks,
            state,
            reporting: Mutex::new(()),
            marking: Mutex::new(()),
            low_on_disk: AtomicBool::new(false),
        }
    }

    /// Marks lost events outside the store, and reports those that an earlier run marked.
    pub fn with_gap_marks(self, marks: GapMarks) -> Recorder {
        let found = marks.read(|gap| !self.is_reported(gap).unwrap_or(false));
        if let Some(Gap { lost, .. }) = &found {
            tracing::warn!(lost, "events of an earlier run were lost; the next record reports them");
        }
        self.state().gap = found;
        Recorder { marks, ..self }
    }

    /// Calls `listener` after each record, on the recording thread. It must not block.
    pub fn with_listener(self, listener: impl Fn(&Record) + Send + Sync + 'static) -> Recorder {
        Recorder { listener: Some(Box::new(listener)), ..self }
    }

    /// Records `event`. It is on disk when this returns.
    pub fn record(&self, event: &Event) -> Result<Record, LedgerError> {
        self.record_with(event, &[])
    }

    /// As [`Recorder::record`], with other changes to the store in the same commit: all are stored, or none. An event that cannot be written
    /// counts as lost.
    pub fn record_with(&self, event: &Event, extra: &[Change]) -> Result<Record, LedgerError> {
        let recorded = self.try_to_record(event, extra);
        if let Err(error) = &recorded {
            self.failed(error, Some(event));
        }
        recorded
    }

    /// As [`Recorder::record_with`], for an event that only happens if it is written, such as a change of a person. A failure loses no event.
    pub fn record_change(&self, event: &Event, extra: &[Change]) -> Result<Record, LedgerError> {
        let recorded = self.try_to_record(event, extra);
        if let Err(error) = &recorded {
            self.failed(error, None);
        }
        recorded
    }

    /// As [`Recorder::record_change`], for changes that are made together, in one commit.
    pub fn record_changes(&self, events: &[Event], extra: &[Change]) -> Result<Vec<Record>, LedgerError> {
        let recorded = self.report_repairs_and_gaps().and_then(|()| self.append_all(events, extra));
        if let Err(error) = &recorded {
            self.failed(error, None);
        }
        recorded
    }

    fn try_to_record(&self, event: &Event, extra: &[Change]) -> Result<Record, LedgerError> {
        self.report_repairs_and_gaps().and_then(|()| self.append(event, extra))
    }

    /// Counts an event as lost that will not be retried. Does no disk access: the gap is marked with the next event or by
    /// [`Recorder::try_again`].
    pub fn count_lost(&self, reason: &str) {
        self.count(reason, true, false);
    }

    /// Counts and marks an event that could not be written. `lost` is `None` if the event then did not happen.
    fn failed(&self, error: &LedgerError, lost: Option<&Event>) {
        let unlocked = lost.and_then(Event::unlocking).is_some();
        self.count(&error.to_string(), lost.is_some(), unlocked);
        if lost.is_some() {
            self.mark();
        }
    }

    fn count(&self, reason: &str, lost: bool, unlocked: bool) {
        let (now, wall) = (self.clock.now(), self.clock.stamp().at);
        let mut state = self.state();
        let State { trouble, gap, .. } = &mut *state;
        let known = trouble.get_or_insert_with(|| {
            tracing::error!(reason, "ALARM: the journal cannot be written");
            Trouble { since: now, lost: 0, reason: String::new(), unmarked: false }
        });
        reason.clone_into(&mut known.reason);
        if lost {
            known.lost += 1;
            let gap = gap.get_or_insert_with(|| Gap::begin(wall));
            gap.lost += 1;
            gap.unlocked += u64::from(unlocked);
            (gap.last, gap.reason) = (wall, reason.to_owned());
            state.to_mark = true;
        }
    }

    /// Marks the gap outside the store, or clears the mark.
    fn mark(&self) {
        // The gap is read while this lock is held, so that an older count never overwrites a newer one. No other lock is held, because the
        // disk may stall here.
        let _alone = self.marking.lock().unwrap_or_else(PoisonError::into_inner);
        self.state().to_mark = false;
        let Some(gap) = self.gap() else {
            if let Err(error) = self.marks.clear() {
                tracing::warn!(%error, "the mark of lost events could not be cleared; a record already reports them");
            }
            return;
        };
        let unmarked = self.marks.mark(&gap).err();
        let mut state = self.state();
        if let Some(known) = &mut state.trouble {
            if let Some(error) = unmarked.as_ref().filter(|_| !known.unmarked) {
                tracing::error!(%error, "ALARM: lost events cannot be marked outside the store either ([journal] gap_path)");
            }
            known.unmarked = unmarked.is_some();
        }
    }

    /// The journal, for reading.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The store, for other changes that belong in a commit.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Why records cannot be written; `None` while they can. It ends with the next record that is written.
    pub fn trouble(&self) -> Option<Trouble> {
        self.state().trouble.clone()
    }

    /// Lost events that no record reports yet.
    pub fn gap(&self) -> Option<Gap> {
        self.state().gap.clone()
    }

    /// What the wall clock shows.
    pub fn wall(&self) -> SystemTime {
        self.clock.wall()
    }

    /// Checks the free disk space. Call it every few seconds.
    pub fn check_disk_space(&self) {
        let short = DiskSpace::of(self.store.dir()).is_some_and(DiskSpace::is_low);
        match (short, self.low_on_disk.swap(short, Relaxed)) {
            (true, false) => tracing::warn!("{LOW_ON_DISK}"),
            (false, true) => tracing::info!("the disk has space for all records again"),
            _ => {}
        }
    }

    /// Whether the remaining space is reserved for grants and alarms.
    pub fn is_low_on_disk(&self) -> bool {
        self.low_on_disk.load(Relaxed)
    }

    /// What is wrong with writing, for people; `None` if nothing is.
    pub fn problem(&self) -> Option<String> {
        let trouble = self.trouble().map(|trouble| trouble.reason);
        trouble.or_else(|| self.is_low_on_disk().then(|| LOW_ON_DISK.to_owned()))
    }

    /// Tries to report lost events; `Ok` once records can be written again.
    pub fn try_again(&self) -> Result<(), LedgerError> {
        if self.state().to_mark {
            self.mark();
        }
        self.report_repairs_and_gaps()
    }

    /// Deletes the records outside `keep`; see [`Journal::prune`].
    pub fn prune(&self, keep: RecordRetention) -> Result<u64, LedgerError> {
        self.journal.prune(keep, &self.clock.stamp())
    }

    /// Erases a person from all records, or from those before a time; see [`Journal::erase`].
    pub fn erase(&self, person: PersonId, before: Option<SystemTime>, by: &Actor) -> Result<u64, LedgerError> {
        let stamp = self.clock.stamp();
        self.journal.erase(person, before.unwrap_or(stamp.at), by, &stamp)
    }

    /// Records repairs of the store and lost events.
    fn report_repairs_and_gaps(&self) -> Result<(), LedgerError> {
        for repair in self.store.take_repairs() {
            self.append(&Event::Store(StoreEvent::StoreMended { what: repair.what, lost: repair.lost }), &[])?;
        }
        if self.gap().is_none() && self.trouble().is_none() {
            return Ok(());
        }
        let _alone = self.reporting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(gap) = self.gap() else {
            if let Some(trouble) = self.trouble() {
                // No event was lost: those that failed did not happen.
                self.test_write()?;
                tracing::info!(reason = trouble.reason, "the journal can be written again");
                self.state().trouble = None;
            }
            return Ok(());
        };
        let Gap { lost, unlocked, since, reason, .. } = gap.clone();
        // Measured by the monotonic clock if all of it is in this run.
        let failed_for = match self.trouble() {
            Some(trouble) if trouble.lost == lost => self.clock.now().since(trouble.since),
            _ => gap.lasted(),
        };
        let reported_ids = self.store.tree(REPORTED)?;
        // The ids increase with time.
        let known: Vec<_> = reported_ids.iter().filter_map(Result::ok).map(|(id, _)| id).collect();
        let old = known.iter().take(known.len().saturating_sub(REPORTED_IDS));
        let mut changes: Vec<Change> = old.map(|id| reported_ids.delete(&**id)).collect();
        changes.push(reported_ids.put(gap.id.as_bytes(), []));
        self.append(
            &Event::Store(StoreEvent::JournalBack {
                lost,
                details: Some(GapDetails { unlocked, since }),
                failed_for,
                reason,
            }),
            &changes,
        )?;
        tracing::info!(lost, "the journal can be written again");
        {
            let mut state = self.state();
            state.trouble = None;
            // Another thread may have lost more events meanwhile.
            state.gap = state.gap.take().and_then(|now| unreported(now, &gap));
        }
        self.mark();
        Ok(())
    }

    fn is_reported(&self, gap: &Gap) -> Result<bool, StoreError> {
        self.store.tree(REPORTED)?.contains_key(gap.id.as_bytes())
    }

    /// Tests whether the store can be written, without a record.
    fn test_write(&self) -> Result<(), LedgerError> {
        Ok(self.store.commit(&[self.store.tree(REPORTED)?.delete("")])?)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, event: &Event, extra: &[Change]) -> Result<Record, LedgerError> {
        let record = self.journal.append_with(event, &self.clock.stamp(), extra)?;
        if let Some(listener) = &self.listener {
            listener(&record);
        }
        Ok(record)
    }

    fn append_all(&self, events: &[Event], extra: &[Change]) -> Result<Vec<Record>, LedgerError> {
        let records = self.journal.append_all(events, &self.clock.stamp(), extra)?;
        if let Some(listener) = &self.listener {
            records.iter().for_each(listener);
        }
        Ok(records)
    }
}

/// The part of a gap that was added after it was reported.
fn unreported(now: Gap, reported: &Gap) -> Option<Gap> {
    let lost = now.lost.saturating_sub(reported.lost);
    let began = Gap::begin(now.last);
    (lost > 0).then(|| Gap {
        lost,
        unlocked: now.unlocked.saturating_sub(reported.unlocked),
        reason: now.reason,
        ..began
    })
}

#[cfg(test)]
mod tests;

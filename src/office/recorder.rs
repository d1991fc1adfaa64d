//! The pen: an event is on disk before anybody hears of it.
//!
//! Knows nothing of what an event is for. It also tells, as soon as it can write again, of what it could not write, also in earlier runs, and
//! of what the store had to mend.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::room::Room;
use crate::clock::Clock;
use crate::domain::{Event, Moment, PersonId};
use crate::ledger::{Gap, GapMarks, Journal, Keep, LedgerError, Record};
use crate::store::{Change, Store, StoreError};

/// Said while only grants, alarms and what operators do are written one by one.
const SHORT: &str = "the disk is nearly full: denials and contacts are counted, so that grants and alarms can be written; free some space";

/// Who is told of a record once it is on disk.
type Listener = Box<dyn Fn(&Record) + Send + Sync>;

/// The journal with its clock and a listener.
pub struct Recorder {
    store: Store,
    journal: Journal,
    clock: Arc<dyn Clock>,
    listener: Option<Listener>,
    marks: GapMarks,
    state: Mutex<State>,
    /// Held while what could not be written is reported.
    telling: Mutex<()>,
    /// Held while something is marked outside the store.
    marking: Mutex<()>,
    short_of_room: AtomicBool,
}

/// How it stands.
#[derive(Default)]
struct State {
    /// `None` while all is well.
    trouble: Option<Trouble>,
    /// What no record reports yet: of the present trouble, and of earlier runs.
    gap: Option<Gap>,
    /// It has grown since it was marked.
    to_mark: bool,
}

/// The journal cannot be written.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// Since when.
    pub since: Moment,
    /// How many events were not written down.
    pub lost: u64,
    /// What is wrong, and what to do.
    pub reason: String,
    /// The events could not be marked outside the store either: nothing will know of them after a restart.
    pub unmarked: bool,
}

/// The tree with the ids of the gaps that records report.
const TOLD: &str = "gaps";
/// So many of them are kept: a mark that cannot be cleared is known by them.
const TOLD_IDS: usize = 100;

impl Recorder {
    /// Writes into `journal`, which lives in `store`; nobody listens. What the store had to mend when it was opened is the first
    /// record.
    pub fn new(store: &Store, journal: Journal, clock: Arc<dyn Clock>) -> Recorder {
        let (marks, state) = (GapMarks::default(), Mutex::default());
        Recorder {
            store: store.clone(),
            journal,
            clock,
            listener: None,
            marks,
            state,
            telling: Mutex::new(()),
            marking: Mutex::new(()),
            short_of_room: AtomicBool::new(false),
        }
    }

    /// Marks outside the store what cannot be written, and reports what an earlier run marked there.
    pub fn marking(self, marks: GapMarks) -> Recorder {
        let found = marks.read(|gap| !self.is_told(gap).unwrap_or(false));
        if let Some(Gap { lost, .. }) = &found {
            tracing::warn!(lost, "events of an earlier run are in no record; the next record reports them");
        }
        self.state().gap = found;
        Recorder { marks, ..self }
    }

    /// Calls `listener` after each record, on the thread that recorded: it must not block.
    pub fn telling(self, listener: impl Fn(&Record) + Send + Sync + 'static) -> Recorder {
        Recorder { listener: Some(Box::new(listener)), ..self }
    }

    /// Appends `event`; when this returns it is on disk.
    pub fn record(&self, event: &Event) -> Result<Record, LedgerError> {
        self.record_with(event, &[])
    }

    /// As [`Recorder::record`], with more changes to the store in the same commit: all of it is on disk then, or nothing. What cannot be
    /// written is counted as having happened without a record.
    pub fn record_with(&self, event: &Event, extra: &[Change]) -> Result<Record, LedgerError> {
        let recorded = self.try_to_record(event, extra);
        if let Err(error) = &recorded {
            self.failed(error, Some(event));
        }
        recorded
    }

    /// As [`Recorder::record_with`], for an event that has not happened unless it is written: a change of people.
    pub fn record_or_not_at_all(&self, event: &Event, extra: &[Change]) -> Result<Record, LedgerError> {
        let recorded = self.try_to_record(event, extra);
        if let Err(error) = &recorded {
            self.failed(error, None);
        }
        recorded
    }

    fn try_to_record(&self, event: &Event, extra: &[Change]) -> Result<Record, LedgerError> {
        self.tell_what_happened_before().and_then(|()| self.append(event, extra))
    }

    /// An event was not written, and is not tried again: it is counted as lost. Touches no disk: that something is missing is marked with the
    /// next event, or when [`Recorder::try_again`] is called.
    pub fn not_written(&self, reason: &str) {
        self.count(reason, true, false);
    }

    /// Counts and marks an event that could not be written; `None` for one that did not happen then.
    fn failed(&self, error: &LedgerError, lost: Option<&Event>) {
        let unlocked = matches!(lost, Some(Event::Unlocked { .. }));
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

    /// Marks outside the store what is missing, or that nothing is.
    fn mark(&self) {
        // What is marked is read while this is held, so that an older count never comes after a newer one; and no other lock is, because a
        // disk may stall here.
        let _alone = self.marking.lock().unwrap_or_else(PoisonError::into_inner);
        self.state().to_mark = false;
        let Some(gap) = self.gap() else {
            if let Err(error) = self.marks.clear() {
                tracing::warn!(%error, "a mark that events are missing could not be cleared; a record reports them already");
            }
            return;
        };
        let unmarked = self.marks.mark(&gap).err();
        let mut state = self.state();
        if let Some(known) = &mut state.trouble {
            if let Some(error) = unmarked.as_ref().filter(|_| !known.unmarked) {
                tracing::error!(%error, "ALARM: nor can it be marked anywhere that events are missing ([journal] gap_path)");
            }
            known.unmarked = unmarked.is_some();
        }
    }

    /// The journal, for reading.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The store, for what else belongs into a commit.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What keeps records from being written; `None` while all is well. It ends with the next record that can be written.
    pub fn trouble(&self) -> Option<Trouble> {
        self.state().trouble.clone()
    }

    /// What happened and no record reports yet.
    pub fn gap(&self) -> Option<Gap> {
        self.state().gap.clone()
    }

    /// Looks how much room the disk has. To be called every few seconds.
    pub fn look_for_room(&self) {
        let short = Room::of(self.store.dir()).is_some_and(Room::is_short);
        match (short, self.short_of_room.swap(short, Relaxed)) {
            (true, false) => tracing::warn!("{SHORT}"),
            (false, true) => tracing::info!("the disk has room for all records again"),
            _ => {}
        }
    }

    /// What room is left is to be saved for grants and alarms.
    pub fn is_short_of_room(&self) -> bool {
        self.short_of_room.load(Relaxed)
    }

    /// What is wrong with writing, in words; `None` while all is well.
    pub fn ailment(&self) -> Option<String> {
        let trouble = self.trouble().map(|trouble| trouble.reason);
        trouble.or_else(|| self.is_short_of_room().then(|| SHORT.to_owned()))
    }

    /// Tries to write down what could not be written; `Ok` when all is well again.
    pub fn try_again(&self) -> Result<(), LedgerError> {
        if self.state().to_mark {
            self.mark();
        }
        self.tell_what_happened_before()
    }

    /// Deletes the records that `keep` does not hold. See [`Journal::prune`].
    pub fn prune(&self, keep: Keep) -> Result<u64, LedgerError> {
        self.journal.prune(keep, &self.clock.stamp())
    }

    /// Erases a person from all records, or from those before a time. See [`Journal::erase`].
    pub fn erase(&self, person: PersonId, before: Option<SystemTime>, by: &str) -> Result<u64, LedgerError> {
        let stamp = self.clock.stamp();
        self.journal.erase(person, before.unwrap_or(stamp.at), by, &stamp)
    }

    /// Tells of repairs of the store and of events that could not be written.
    fn tell_what_happened_before(&self) -> Result<(), LedgerError> {
        for repair in self.store.take_repairs() {
            self.append(&Event::StoreMended { what: repair.what, lost: repair.lost }, &[])?;
        }
        if self.gap().is_none() && self.trouble().is_none() {
            return Ok(());
        }
        let _alone = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(gap) = self.gap() else {
            if let Some(trouble) = self.trouble() {
                // Nothing was lost: only what did not happen could not be written.
                self.append_nothing()?;
                tracing::info!(reason = trouble.reason, "the journal can be written again");
                self.state().trouble = None;
            }
            return Ok(());
        };
        let Gap { lost, unlocked, since, reason, .. } = gap.clone();
        // By the clock that nobody sets, where it is of this run.
        let failed_for = match self.trouble() {
            Some(trouble) if trouble.lost == lost => self.clock.now().since(trouble.since),
            _ => gap.lasted(),
        };
        let told = self.store.tree(TOLD)?;
        // The ids rise with time.
        let known: Vec<_> = told.iter().filter_map(Result::ok).map(|(id, _)| id).collect();
        let old = known.iter().take(known.len().saturating_sub(TOLD_IDS));
        let mut changes: Vec<Change> = old.map(|id| told.delete(&**id)).collect();
        changes.push(told.put(gap.id.as_bytes(), []));
        self.append(&Event::JournalBack { lost, unlocked, since, failed_for, reason }, &changes)?;
        tracing::info!(lost, "the journal can be written again");
        {
            let mut state = self.state();
            state.trouble = None;
            // More may have been lost by another thread meanwhile.
            state.gap = state.gap.take().and_then(|now| rest(now, &gap));
        }
        self.mark();
        Ok(())
    }

    fn is_told(&self, gap: &Gap) -> Result<bool, StoreError> {
        self.store.tree(TOLD)?.contains_key(gap.id.as_bytes())
    }

    /// Whether something can be written, without a record.
    fn append_nothing(&self) -> Result<(), LedgerError> {
        Ok(self.store.commit(&[self.store.tree(TOLD)?.delete("")])?)
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
}

/// What came to a gap after it was reported.
fn rest(now: Gap, told: &Gap) -> Option<Gap> {
    let lost = now.lost.saturating_sub(told.lost);
    let began = Gap::begin(now.last);
    (lost > 0).then(|| Gap { lost, unlocked: now.unlocked.saturating_sub(told.unlocked), reason: now.reason, ..began })
}

#[cfg(test)]
mod tests;

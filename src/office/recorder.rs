//! The pen: an event is on disk before anybody hears of it.
//!
//! Knows nothing of what an event is for. It also tells, as soon as it can write again, of what it could not write, and of what the
//! store had to mend.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::clock::Clock;
use crate::domain::{Event, Moment, PersonId};
use crate::ledger::{Journal, Keep, LedgerError, Record};
use crate::store::{Change, Store};

/// Who is told of a record once it is on disk.
type Listener = Box<dyn Fn(&Record) + Send + Sync>;

/// The journal with its clock and a listener.
pub struct Recorder {
    store: Store,
    journal: Journal,
    clock: Arc<dyn Clock>,
    listener: Option<Listener>,
    trouble: Mutex<Option<Trouble>>,
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
}

impl Recorder {
    /// Writes into `journal`, which lives in `store`; nobody listens. What the store had to mend when it was opened is the first
    /// record.
    pub fn new(store: &Store, journal: Journal, clock: Arc<dyn Clock>) -> Recorder {
        Recorder { store: store.clone(), journal, clock, listener: None, trouble: Mutex::default() }
    }

    /// Calls `listener` after each record, on the thread that recorded: it must not block.
    pub fn telling(self, listener: impl Fn(&Record) + Send + Sync + 'static) -> Recorder {
        Recorder { listener: Some(Box::new(listener)), ..self }
    }

    /// Appends `event`; when this returns it is on disk.
    pub fn record(&self, event: &Event) -> Result<Record, LedgerError> {
        self.record_with(event, &[])
    }

    /// As [`Recorder::record`], with more changes to the store in the same commit: all of it is on disk then, or nothing.
    pub fn record_with(&self, event: &Event, extra: &[Change]) -> Result<Record, LedgerError> {
        let recorded = self.tell_what_happened_before().and_then(|()| self.append(event, extra));
        if let Err(error) = &recorded {
            self.not_written(&error.to_string());
        }
        recorded
    }

    /// An event was not written, and is not tried again: it is counted as lost.
    pub fn not_written(&self, reason: &str) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let known = trouble.get_or_insert_with(|| {
            tracing::error!(reason, "ALARM: the journal cannot be written");
            Trouble { since: self.clock.now(), lost: 0, reason: String::new() }
        });
        known.lost += 1;
        reason.clone_into(&mut known.reason);
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
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tries to write down what could not be written; `Ok` when all is well again.
    pub fn try_again(&self) -> Result<(), LedgerError> {
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
        let Some(Trouble { since, lost, reason }) = self.trouble() else { return Ok(()) };
        let failed_for: Duration = self.clock.now().since(since);
        self.append(&Event::JournalBack { lost, failed_for, reason }, &[])?;
        tracing::info!(lost, "the journal can be written again");
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    fn append(&self, event: &Event, extra: &[Change]) -> Result<Record, LedgerError> {
        let record = self.journal.append_with(event, &self.clock.stamp(), extra)?;
        if let Some(listener) = &self.listener {
            listener(&record);
        }
        Ok(record)
    }
}

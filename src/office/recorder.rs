//! The pen: an event is on disk before anybody hears of it.
//!
//! Knows nothing of what an event is for.

use std::sync::Arc;

use crate::clock::Clock;
use crate::domain::Event;
use crate::ledger::{Journal, LedgerError, Record};

/// Who is told of a record once it is on disk.
type Listener = Box<dyn Fn(&Record) + Send + Sync>;

/// The journal with its clock and a listener.
pub struct Recorder {
    journal: Journal,
    clock: Arc<dyn Clock>,
    listener: Option<Listener>,
}

impl Recorder {
    /// Writes into `journal`; nobody listens.
    pub fn new(journal: Journal, clock: Arc<dyn Clock>) -> Recorder {
        Recorder { journal, clock, listener: None }
    }

    /// Calls `listener` after each record, on the thread that recorded: it must not block.
    pub fn telling(self, listener: impl Fn(&Record) + Send + Sync + 'static) -> Recorder {
        Recorder { listener: Some(Box::new(listener)), ..self }
    }

    /// Appends `event`; when this returns it is on disk.
    pub fn record(&self, event: &Event) -> Result<Record, LedgerError> {
        let record = self.journal.append(event, self.clock.wall(), self.clock.now())?;
        if let Some(listener) = &self.listener {
            listener(&record);
        }
        Ok(record)
    }

    /// The journal, for reading.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }
}

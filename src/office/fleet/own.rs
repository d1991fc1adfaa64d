//! The office's own records: amendments of attendance, and changes of accounts. They are in a hash-chained journal of their own, as a board's are, and beside the collected ones, so that
//! every reader sees both. People and records in them have the numbers that hold over all boards.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::author::Author;
use super::collected::{Arrived, Collected};
use super::history::OWN;
use super::kept::KeptError;
use super::protocol::JournalMessage;
use crate::domain::{Actor, Erasure, Event, PersonId, Stamp};
use crate::fleet::{Board, Site};
use crate::ledger::{Pending, ReadOrder};
use crate::store::Change;

/// Records that are taken at once.
const AT_ONCE: usize = 500;

impl Collected {
    /// Writes a record, and returns its number.
    ///
    /// # Errors
    /// It cannot be written. One that is in the journal is taken up by the next one, or by the next start.
    pub fn record_own(&self, event: &Event, stamp: &Stamp) -> Result<u64, KeptError> {
        let record = self.own.append(event, stamp)?;
        self.take_own()?;
        Ok(record.seq)
    }

    /// Writes a record, and other changes to the store in the same commit: all are stored, or none.
    ///
    /// # Errors
    /// Nothing was stored.
    pub fn record_own_with(&self, event: &Event, stamp: &Stamp, extra: &[Change]) -> Result<u64, KeptError> {
        let record = self.own.append_with(event, stamp, extra)?;
        // The change is made: nobody may be told otherwise.
        if let Err(error) = self.take_own() {
            tracing::warn!(record = record.seq, %error, "a record of the office is in its journal, and is listed later");
        }
        Ok(record.seq)
    }

    /// Takes up what is in the journal and not beside the collected records yet.
    pub(super) fn take_own(&self) -> Result<(), KeptError> {
        let (Ok(board), Ok(site)) = (OWN.parse::<Board>(), OWN.parse::<Site>()) else { return Ok(()) };
        loop {
            let after = self.mark(OWN)?.newest;
            let records = self.own.list(after.saturating_add(1).., ReadOrder::OldestFirst, AT_ONCE)?;
            if records.is_empty() {
                return Ok(());
            }
            let pending = records.into_iter().map(|record| Pending { after: record.seq.saturating_sub(1), record });
            let arrived = pending.map(|Pending { after, record }| Arrived {
                board: board.clone(),
                site: site.clone(),
                author: Author::default(),
                is_current: true,
                message: JournalMessage::new(after, record.to_json()),
            });
            self.take(&arrived.collect::<Vec<_>>(), None)?;
        }
    }

    /// Erases people from the journal, too.
    pub(super) fn erase_own(&self, people: &BTreeMap<u32, Erasure>, stamp: &Stamp) -> Result<(), KeptError> {
        for person in people.keys() {
            self.own.erase(PersonId(*person), far(), &Actor::Fleet(OWN.to_owned()), stamp)?;
        }
        self.take_own()
    }
}

/// Later than every record.
fn far() -> SystemTime {
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(u32::MAX) * 50)
}

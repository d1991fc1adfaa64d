//! The outbox as the hub reads it: the ledger's, with the journal that holds its records.

use std::sync::Arc;

use crate::domain::Recorded;
use crate::hub::{self, StorageError};
use crate::ledger::{Journal, LedgerError, Outbox};

/// The ledger's outbox, with the journal that holds its records.
pub struct JournalOutbox {
    pub outbox: Arc<Outbox>,
    /// For reading.
    pub journal: Journal,
}

impl hub::Outbox for JournalOutbox {
    fn pending(&self, mut after: u64, limit: usize) -> Result<Vec<Recorded>, StorageError> {
        loop {
            let numbers = self.outbox.pending(after, limit);
            let Some(&last) = numbers.last() else { return Ok(Vec::new()) };
            let mut entries = Vec::with_capacity(numbers.len());
            for seq in numbers {
                match self.journal.get(seq) {
                    Ok(Some(record)) => entries.push(record.recorded()),
                    // Deleted by age in the meantime.
                    Ok(None) => self.outbox.acknowledge(seq).map_err(StorageError::new)?,
                    // It stays unreadable, and must not hold up the records behind it.
                    Err(error @ LedgerError::Damaged(_)) => {
                        tracing::error!(%error, "this record cannot be sent to the broker");
                        self.outbox.acknowledge(seq).map_err(StorageError::new)?;
                    }
                    Err(error) => return Err(StorageError::new(error)),
                }
            }
            if !entries.is_empty() {
                return Ok(entries);
            }
            after = last;
        }
    }

    fn acknowledge(&self, seqs: &[u64]) -> Result<(), StorageError> {
        seqs.iter().try_for_each(|seq| self.outbox.acknowledge(*seq)).map_err(StorageError::new)
    }
}

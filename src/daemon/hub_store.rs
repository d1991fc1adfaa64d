//! The outbox as the hub reads it: the ledger's, with the journal that holds its records.

use std::sync::Arc;

use crate::hub::{self, Pending, StorageError};
use crate::ledger::{Journal, LedgerError, Outbox, Record};

/// The ledger's outbox, with the journal that holds its records.
pub struct JournalOutbox {
    pub outbox: Arc<Outbox>,
    /// For reading.
    pub journal: Journal,
}

impl hub::Outbox for JournalOutbox {
    fn pending(&self, mut after: u64, limit: usize) -> Result<Vec<Pending>, StorageError> {
        loop {
            let numbers = self.outbox.pending(after, limit);
            let Some(&last) = numbers.last() else { return Ok(Vec::new()) };
            let mut entries = Vec::with_capacity(numbers.len());
            for seq in numbers {
                match self.journal.get(seq) {
                    Ok(Some(record)) => entries.push(pending(record)),
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

fn pending(record: Record) -> Pending {
    let (id, time) = (record.id.to_string(), record.time());
    let (previous, hash) = record.hashes();
    Pending { seq: record.seq, id, time, kind: record.kind, content: record.content, previous, hash }
}

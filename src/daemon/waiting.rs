//! What waits for the broker, from the ledger to the hub, which do not know each other.
//!
//! Decides nothing.

use std::sync::Arc;

use crate::hub::{self, Pending};
use crate::ledger::{Journal, LedgerError, Outbox, Record};

/// The ledger's outbox with the journal that holds its records.
pub struct Waiting {
    pub outbox: Arc<Outbox>,
    /// For reading.
    pub journal: Journal,
}

impl hub::Outbox for Waiting {
    fn pending(&self, mut after: u64, limit: usize) -> Result<Vec<Pending>, String> {
        loop {
            let numbers = self.outbox.pending(after, limit);
            let Some(&last) = numbers.last() else { return Ok(Vec::new()) };
            let mut entries = Vec::with_capacity(numbers.len());
            for seq in numbers {
                match self.journal.get(seq) {
                    Ok(Some(record)) => entries.push(pending(record)),
                    // Deleted by age meanwhile.
                    Ok(None) => self.outbox.acknowledge(seq).map_err(|error| error.to_string())?,
                    // It will be no better tomorrow, and must not hold up the others.
                    Err(error @ LedgerError::Damaged(_)) => {
                        tracing::error!(%error, "this record cannot be told to the broker");
                        self.outbox.acknowledge(seq).map_err(|error| error.to_string())?;
                    }
                    Err(error) => return Err(error.to_string()),
                }
            }
            if !entries.is_empty() {
                return Ok(entries);
            }
            after = last;
        }
    }

    fn acknowledge(&self, seqs: &[u64]) -> Result<(), String> {
        seqs.iter().try_for_each(|seq| self.outbox.acknowledge(*seq)).map_err(|error| error.to_string())
    }
}

fn pending(record: Record) -> Pending {
    let (id, time) = (record.id.to_string(), record.time());
    let (previous, hash) = record.hashes();
    Pending { seq: record.seq, id, time, kind: record.kind, content: record.content, previous, hash }
}

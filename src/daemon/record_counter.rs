//! Counts what goes into the journal: records by kind, denials by reason, and how long a grant takes to reach its door.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use crate::domain::{AccessEvent, Event};
use crate::ledger::Record;

/// Upper limits of the histogram, in milliseconds. The daemon's own limit on a frame's age is 800 by default.
const LIMITS_MS: [u64; 8] = [100, 150, 200, 300, 400, 600, 800, 1500];

/// Counts since the start.
#[derive(Debug, Default)]
pub struct RecordCounter(Mutex<Counts>);

/// What has been counted, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Records by kind.
    pub records: BTreeMap<String, u64>,
    /// Denials by reason.
    pub denials: BTreeMap<String, u64>,
    /// Grants that took at most as long as each limit.
    within: [u64; LIMITS_MS.len()],
    pub grants: u64,
    sum_ms: u64,
}

impl Counts {
    /// The time that all grants took together, in seconds.
    pub fn sum_s(&self) -> f64 {
        self.sum_ms as f64 / 1000.0
    }

    /// Upper limits in seconds, each with the number of grants that took longer than the limit before.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let mut before = 0;
        let bucket = |(limit, within): (u64, u64)| {
            let count = within - std::mem::replace(&mut before, within);
            (limit as f64 / 1000.0, count)
        };
        LIMITS_MS.into_iter().zip(self.within).map(bucket).collect()
    }
}

impl Counts {
    fn count_access(&mut self, event: &AccessEvent) {
        let (reason, count) = match event {
            AccessEvent::Decided(decided) => (decided.reason(), 1),
            AccessEvent::DenialsRepeated { reason, count, .. } => (Some(*reason), *count),
            AccessEvent::Passed { .. }
            | AccessEvent::Admitted { .. }
            | AccessEvent::PinEntered { .. }
            | AccessEvent::Amnesty { .. }
            | AccessEvent::CutMoved { .. } => (None, 0),
        };
        if let Some(reason) = reason {
            *self.denials.entry(reason.as_str().to_owned()).or_default() += count;
        }
    }

    fn count_grant(&mut self, capture_to_door: Duration) {
        let ms = u64::try_from(capture_to_door.as_millis()).unwrap_or(u64::MAX);
        for (within, limit) in self.within.iter_mut().zip(LIMITS_MS) {
            *within += u64::from(ms <= limit);
        }
        self.grants += 1;
        self.sum_ms = self.sum_ms.saturating_add(ms);
    }
}

impl RecordCounter {
    /// Counts a record.
    pub fn count(&self, record: &Record) {
        let mut counts = self.lock();
        *counts.records.entry(record.kind.clone()).or_default() += 1;
        let Some(event) = record.content.event() else { return };
        if let Event::Access(event) = event {
            counts.count_access(event);
        }
        if let Some(span) = event.unlocking().and_then(|unlocking| unlocking.capture_to_door) {
            counts.count_grant(span);
        }
    }

    /// The current counts.
    pub fn read(&self) -> Counts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

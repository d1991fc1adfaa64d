//! Counts what goes into the journal: records by kind, denials by reason, and how long a grant takes to reach its door.
//!
//! Knows nothing of who is meant.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use crate::ledger::Record;

/// Upper limits of the histogram, in milliseconds. The daemon's own limit on a frame's age is 800 by default.
const LIMITS_MS: [u64; 8] = [100, 150, 200, 300, 400, 600, 800, 1500];

/// What has been counted since the start.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counts>);

/// What has been counted, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Records by kind.
    pub records: BTreeMap<String, u64>,
    /// Denials by reason.
    pub denials: BTreeMap<String, u64>,
    /// How many grants took at most as long as each limit.
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

impl Tally {
    /// Counts a record.
    pub fn count(&self, record: &Record) {
        let mut counts = self.lock();
        *counts.records.entry(record.kind.clone()).or_default() += 1;
        if let ("denied", Some(reason)) = (record.kind.as_str(), record.content["reason"].as_str()) {
            *counts.denials.entry(reason.to_owned()).or_default() += 1;
        }
        if let ("denials_repeated", Some(reason)) = (record.kind.as_str(), record.content["reason"].as_str()) {
            *counts.denials.entry(reason.to_owned()).or_default() +=
                record.content["count"].as_u64().unwrap_or_default();
        }
        if let ("unlocked", Some(ms)) = (record.kind.as_str(), record.content["capture_to_door_ms"].as_u64()) {
            for (within, limit) in counts.within.iter_mut().zip(LIMITS_MS) {
                *within += u64::from(ms <= limit);
            }
            counts.grants += 1;
            counts.sum_ms += ms;
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

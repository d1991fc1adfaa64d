//! Counts what goes into the journal: records by kind, denials by reason, and how long a grant takes to reach its door.
//!
//! Knows nothing of who is meant.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use super::metrics::{Kind, Page};
use crate::ledger::Record;

/// Upper limits of the histogram, in milliseconds. The daemon's own limit on a frame's age is 800 by default.
const LIMITS_MS: [u64; 8] = [100, 150, 200, 300, 400, 600, 800, 1500];

/// What has been counted since the start.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    records: BTreeMap<String, u64>,
    denials: BTreeMap<String, u64>,
    /// How many grants took at most as long as each limit.
    within: [u64; LIMITS_MS.len()],
    grants: u64,
    sum_ms: u64,
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

    /// Writes the counts down.
    pub fn write(&self, page: &mut Page) {
        let counts = self.lock();
        page.family("usher_journal_records_total", Kind::Counter, "Records written into the journal, by kind.");
        for (kind, count) in &counts.records {
            page.sample(&[("kind", kind)], *count as f64);
        }
        page.family("usher_denials_total", Kind::Counter, "Denials, by reason.");
        for (reason, count) in &counts.denials {
            page.sample(&[("reason", reason)], *count as f64);
        }
        let limits: Vec<(f64, u64)> = LIMITS_MS.iter().map(|ms| *ms as f64 / 1000.0).zip(counts.within).collect();
        page.family(
            "usher_capture_to_door_seconds",
            Kind::Histogram,
            "From the frame that decided to the relay, for grants.",
        )
        .histogram(&limits, counts.grants, counts.sum_ms as f64 / 1000.0);
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

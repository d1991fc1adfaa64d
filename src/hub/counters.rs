//! What the hub has counted.
//!
//! Knows nothing of what it means.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often things happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HubCounts {
    /// Connections that the broker accepted.
    pub connections: u64,
    /// Events handed over as they happened, and those that came late. One that is sent again counts again.
    pub live: u64,
    pub replayed: u64,
    /// Events that can never be sent, because the broker does not take them.
    pub dropped: u64,
    /// Messages of any kind that the broker does not take, and topics that it does not let this device read.
    pub refused: u64,
    /// Commands handed on to be carried out, and to be written down as refused.
    pub commands_accepted: u64,
    pub commands_refused: u64,
    /// Commands beyond the rate, of which the first was written down.
    pub commands_limited: u64,
    /// Messages on command topics that were none.
    pub commands_malformed: u64,
    /// Commands that were here before.
    pub commands_repeated: u64,
    /// Pictures handed over, and those that could not be sent at once or were too large.
    pub snapshots: u64,
    pub snapshots_dropped: u64,
}

/// The counters behind [`HubCounts`].
#[derive(Debug, Default)]
pub struct Counters([AtomicU64; 12]);

impl Counters {
    fn count(&self, which: usize) -> u64 {
        self.0[which].fetch_add(1, Ordering::Relaxed) + 1
    }

    pub fn connected(&self) {
        self.count(0);
    }

    pub fn sent(&self, late: bool) {
        self.count(if late { 2 } else { 1 });
    }

    pub fn dropped(&self) {
        self.count(3);
    }

    pub fn refused(&self) {
        self.count(4);
    }

    pub fn accepted(&self) {
        self.count(5);
    }

    pub fn rejected(&self) {
        self.count(6);
    }

    pub fn limited(&self) {
        self.count(7);
    }

    /// How many there are by now.
    pub fn malformed(&self) -> u64 {
        self.count(8)
    }

    pub fn repeated(&self) {
        self.count(11);
    }

    pub fn snapshot_sent(&self) {
        self.count(9);
    }

    pub fn snapshots_dropped(&self, how_many: u64) {
        self.0[10].fetch_add(how_many, Ordering::Relaxed);
    }

    /// All of them.
    pub fn read(&self) -> HubCounts {
        let of = |which: usize| self.0[which].load(Ordering::Relaxed);
        HubCounts {
            connections: of(0),
            live: of(1),
            replayed: of(2),
            dropped: of(3),
            refused: of(4),
            commands_accepted: of(5),
            commands_refused: of(6),
            commands_limited: of(7),
            commands_malformed: of(8),
            commands_repeated: of(11),
            snapshots: of(9),
            snapshots_dropped: of(10),
        }
    }
}

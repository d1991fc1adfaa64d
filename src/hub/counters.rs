//! What the hub counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often things happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HubCounts {
    /// Connections that the broker accepted.
    pub connections: u64,
    /// Events sent as they happened. One that is sent again counts again.
    pub live: u64,
    /// Events sent late. One that is sent again counts again.
    pub replayed: u64,
    /// Events that can never be sent, because the broker does not accept them.
    pub dropped: u64,
    /// Messages of any kind that the broker does not accept, and topics that it does not let this device read.
    pub refused: u64,
    /// Commands handed on to be carried out.
    pub commands_accepted: u64,
    /// Commands handed on to be recorded as refused.
    pub commands_refused: u64,
    /// Commands beyond the rate limit, of which the first was recorded.
    pub commands_limited: u64,
    /// Messages on command topics that are not commands.
    pub commands_malformed: u64,
    /// Commands that arrived before.
    pub commands_repeated: u64,
    /// PINs and tags handed on.
    pub entries_accepted: u64,
    /// PINs and tags beyond the rate limit, or more than wait to be handled.
    pub entries_limited: u64,
    /// Messages on topics for PINs and tags that are neither, or for no door of this device.
    pub entries_malformed: u64,
    /// PINs and tags that the broker had retained.
    pub entries_retained: u64,
    /// Snapshots sent.
    pub snapshots: u64,
    /// Snapshots that could not be sent at once, or were too large.
    pub snapshots_dropped: u64,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one, and returns the new value.
    pub fn increment(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters behind [`HubCounts`], by the same names.
#[derive(Debug, Default)]
pub struct Counters {
    pub connections: Counter,
    pub live: Counter,
    pub replayed: Counter,
    pub dropped: Counter,
    pub refused: Counter,
    pub commands_accepted: Counter,
    pub commands_refused: Counter,
    pub commands_limited: Counter,
    pub commands_malformed: Counter,
    pub commands_repeated: Counter,
    pub entries_accepted: Counter,
    pub entries_limited: Counter,
    pub entries_malformed: Counter,
    pub entries_retained: Counter,
    pub snapshots: Counter,
    pub snapshots_dropped: Counter,
}

impl Counters {
    /// The current values.
    pub fn read(&self) -> HubCounts {
        HubCounts {
            connections: self.connections.get(),
            live: self.live.get(),
            replayed: self.replayed.get(),
            dropped: self.dropped.get(),
            refused: self.refused.get(),
            commands_accepted: self.commands_accepted.get(),
            commands_refused: self.commands_refused.get(),
            commands_limited: self.commands_limited.get(),
            commands_malformed: self.commands_malformed.get(),
            commands_repeated: self.commands_repeated.get(),
            entries_accepted: self.entries_accepted.get(),
            entries_limited: self.entries_limited.get(),
            entries_malformed: self.entries_malformed.get(),
            entries_retained: self.entries_retained.get(),
            snapshots: self.snapshots.get(),
            snapshots_dropped: self.snapshots_dropped.get(),
        }
    }
}

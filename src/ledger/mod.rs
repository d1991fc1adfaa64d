//! The record of what happened: a hash-chained journal of [`crate::domain::Event`]s, and the words that explain a record.
//!
//! # What the chain proves, and what it does not
//!
//! Each record holds the hash of the one before it, so a record that was changed, taken out, put in or moved is found by
//! [`Journal::verify`], as long as there is a later record. It does not prove that nothing was cut off at the end, nor does it stop
//! somebody with write access who recomputes the whole chain: for that, keep the newest hash somewhere else.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod attendance;
mod dating;
mod erase;
mod explain;
pub mod figures;
mod gap;
mod journal;
mod keep;
mod outbox;
mod reader;
mod record;
pub mod refusals;
mod select;
mod verify;

#[cfg(test)]
mod crash;

pub use dating::{Dated, Origin, RecordFilter};
pub use explain::{explain, explain_dated, explain_in, receipt, receipt_dated, receipt_in, sentence};
pub use gap::{Gap, GapMarks};
pub use journal::{Journal, ReadOrder, TREES};
pub use keep::RecordRetention;
pub use outbox::{Outbox, OutboxLimit, Shed};
pub use reader::{Pending, Reader};
pub use record::Record;
pub use verify::Verified;

/// Why the journal could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store failed; the record is not known to be on disk.
    #[error("the journal could not be written or read: {0}")]
    Store(#[from] crate::store::StoreError),
    /// A stored record does not read back as it was written.
    #[error("{0}; run `usher journal verify` and keep a copy of the store before anything else")]
    Damaged(#[from] Broken),
    /// The wall clock shows a year that RFC 3339 cannot write.
    #[error("the wall clock is beyond the years 0 to 9999; set the time")]
    Clock,
    /// Not a record's id or the beginning of one.
    #[error("`{text}` is not an id: give the hexadecimal digits of a record's id, or the first few")]
    NotAnId {
        /// As it was given.
        text: String,
    },
    /// More than one id begins so.
    #[error("more than one record's id begins with `{prefix}`; give more digits")]
    Ambiguous {
        /// As it was given.
        prefix: String,
    },
}

/// The first place where the chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} of the journal is broken: {why}")]
pub struct Broken {
    /// The number of the record, or the number that should have been there.
    pub seq: u64,
    /// What is wrong with it, in words.
    pub why: String,
}

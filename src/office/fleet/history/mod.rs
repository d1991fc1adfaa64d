//! The collected records as one history of the fleet: in the order of time, with numbers of records and people that hold over all boards. It points to the
//! collected records and holds none.
//!
//! - `chain`: which journal a record is of: a board that was restored or set up again has another one
//! - `dating`: when a record was written, by its clock or by later records of the same boot
//! - `person`: the numbers of people; `note`: what is noted of them; `identity`: which of them are one person
//! - `batch`: what a part of new records changes
//! - `read`: numbers of records in the order of time, by id, and of people
//!
//! | tree | from | to |
//! |---|---|---|
//! | `history` | a record's number | what is known of it without reading it |
//! | `history_times` | time and number | kind |
//! | `history_corrections` | numbers of records that attendance always needs | |
//! | `history_ids` | a record's id | number |
//! | `history_chains` | a journal's number | its board |
//! | `history_redating` | numbers before which records have still to be dated anew | |
//! | `history_people` | a journal's number and a person's number there | the person's number over all |
//! | `history_uuids` | a person's uuid | that number |
//! | `history_notes` | that number | what records last said of the person |

mod batch;
mod chain;
mod dating;
mod identity;
mod note;
mod person;
mod read;

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::kept::KeptError;
use crate::store::{Store, Tree};

pub use identity::{Enrolled, Identities};
pub use read::{HistoryError, Page};

pub(super) use batch::Batch;
pub(super) use chain::Chains;
#[cfg(test)]
pub(super) use dating::microseconds;
pub(super) use read::door_of;

/// A record's number over all boards is that of its journal times this, and its own number there.
pub const NUMBERS: u64 = 10_000_000_000;
/// The name under which the office's own records are kept.
pub const OWN: &str = "office";

/// The journal of a record's number.
pub fn chain_of(number: u64) -> u64 {
    number / NUMBERS
}

/// What is known of a record without reading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub board: String,
    pub site: String,
    pub id: Uuid,
    pub kind: String,
    /// The first half of its hash, and of the hash of the record before it.
    pub hash: u128,
    pub previous: u128,
    /// What the clock showed, in microseconds since 1970.
    pub clock_us: i64,
    /// Since the start of the machine, in milliseconds.
    pub since_boot_ms: u64,
    pub boot: Uuid,
    /// When that was, in microseconds since 1970.
    pub at_us: i64,
    pub trust: dating::Trust,
    /// `at_us` comes from a later record of the same boot.
    pub corrected: bool,
}

/// Called with the number of each record once it is on disk.
type Wake = Box<dyn Fn(u64) + Send + Sync>;

/// The trees of the history.
pub struct History {
    store: Store,
    entries: Tree,
    times: Tree,
    corrections: Tree,
    ids: Tree,
    chains: Tree,
    pub(super) redating: Tree,
    people: Tree,
    uuids: Tree,
    pub(super) notes: Tree,
    known: Mutex<Chains>,
    wake: OnceLock<Wake>,
    /// Grows with each change of people.
    people_changes: AtomicU64,
    identities: Mutex<Option<identity::Cached>>,
}

impl History {
    /// The history in `store`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(store: &Store) -> Result<History, KeptError> {
        let chains = store.tree("history_chains")?;
        let known = Chains::read(&chains)?;
        Ok(History {
            entries: store.tree("history")?,
            times: store.tree("history_times")?,
            corrections: store.tree("history_corrections")?,
            ids: store.tree("history_ids")?,
            chains,
            redating: store.tree("history_redating")?,
            people: store.tree("history_people")?,
            uuids: store.tree("history_uuids")?,
            notes: store.tree("history_notes")?,
            store: store.clone(),
            known: Mutex::new(known),
            wake: OnceLock::new(),
            people_changes: AtomicU64::new(0),
            identities: Mutex::new(None),
        })
    }

    /// Calls `wake` with the number of each new record once it is on disk. It must not block. Only the first one that is given counts.
    pub fn on_arrival(&self, wake: impl Fn(u64) + Send + Sync + 'static) {
        drop(self.wake.set(Box::new(wake)));
    }

    /// What is known of a record.
    pub(super) fn entry(&self, number: u64) -> Result<Option<Entry>, KeptError> {
        Ok(self.entries.get(number.to_be_bytes())?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Chains> {
        lock(&self.known)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The key of a record in the order of time.
fn time_key(at_us: i64, number: u64) -> Vec<u8> {
    // Times before 1970 come first, all together.
    let at = u64::try_from(at_us).unwrap_or_default();
    [at.to_be_bytes(), number.to_be_bytes()].concat()
}

/// The number in a key that ends with one.
fn number_in(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.last_chunk()?))
}

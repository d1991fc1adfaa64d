//! What the [`Hub`](super::Hub) and its task share. No lock is held while another is taken, and none across an await.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::counters::Counters;
use super::outgoing::Outgoing;
use super::refusals::RefusalLog;

/// The state of the connection to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// The first attempt is under way.
    Connecting,
    /// Connected and accepted.
    Online,
    /// Not connected; retried from time to time.
    Offline {
        /// What went wrong last, and what to check.
        why: String,
    },
}

/// Shared between the callers and the task.
pub struct Shared {
    pub state: watch::Sender<ConnectionState>,
    /// Notified when something waits to be sent.
    pub work: Notify,
    pub counts: Counters,
    outgoing: Mutex<Outgoing>,
    refusals: Mutex<RefusalLog>,
}

impl Shared {
    /// Not connected yet.
    pub fn new(outgoing: Outgoing) -> Shared {
        Shared {
            state: watch::Sender::new(ConnectionState::Connecting),
            work: Notify::new(),
            counts: Counters::default(),
            outgoing: Mutex::new(outgoing),
            refusals: Mutex::default(),
        }
    }

    /// Changes what is to be sent, and wakes the task.
    pub fn update(&self, change: impl FnOnce(&mut Outgoing)) {
        change(&mut self.outgoing());
        self.work.notify_one();
    }

    /// What is to be sent.
    pub fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The messages that the broker refused.
    pub fn refusals(&self) -> MutexGuard<'_, RefusalLog> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

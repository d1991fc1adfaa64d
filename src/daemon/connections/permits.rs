//! The permits of one listener: who holds one, who is busy, and who loses theirs to a new connection.
//!
//! An idle connection may lose its permit: if none is left, the one that has been idle longest is closed. So a flood of connections that
//! request nothing keeps nobody out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;

use super::ListenerCounts;

/// Who connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A user of this machine. `first` for root and the daemon's own user, for whom permits are reserved.
    User {
        uid: u32,
        first: bool,
    },
    Address(IpAddr),
}

impl Caller {
    fn goes_first(self) -> bool {
        matches!(self, Caller::User { first: true, .. })
    }
}

/// Whether a connection gets a permit.
pub enum Admission {
    Admitted(Permit),
    /// Yes, once the task of that other connection has ended.
    Replacing(Permit, JoinHandle<()>),
    /// All permits that this caller may have are held by busy connections.
    Full,
}

/// The permits of one listener.
#[derive(Clone)]
pub struct Permits(Arc<Shared>);

struct Shared {
    most: usize,
    /// Those of them that only callers who go first may hold.
    reserved: usize,
    /// The limit for one caller who does not go first.
    most_of_one: usize,
    counts: Arc<ListenerCounts>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next: u64,
    holders: BTreeMap<u64, Holder>,
    /// Grows each time that a connection becomes idle, so that the order is known without a clock.
    turn: u64,
}

struct Holder {
    caller: Caller,
    /// The turn in which it became idle; `None` while it is busy.
    waits: Option<u64>,
    task: Option<JoinHandle<()>>,
}

impl Permits {
    /// `most` permits, of which one caller may have `of_one`. With `reserve` a quarter of them is for callers who go first.
    pub fn new(most: usize, reserve: bool, of_one: usize, counts: Arc<ListenerCounts>) -> Permits {
        let most = most.max(1);
        let reserved = if reserve { most / 4 } else { 0 };
        let most_of_one = of_one.max(1);
        Permits(Arc::new(Shared { most, reserved, most_of_one, counts, table: Mutex::default() }))
    }

    /// Gives `caller` a permit, if necessary that of an idle connection.
    pub fn admit(&self, caller: Caller) -> Admission {
        let shared = &self.0;
        let mut table = shared.lock();
        let first = caller.goes_first();
        let own = table.holders.values().filter(|holder| holder.caller == caller).count();
        let others = table.holders.values().filter(|holder| !holder.caller.goes_first()).count();
        let goes = if !first && own >= shared.most_of_one {
            // A user at the limit replaces one of their own connections.
            Some(table.longest_idle(|holder| holder.caller == caller))
        } else if !first && others >= shared.most - shared.reserved {
            Some(table.longest_idle(|holder| !holder.caller.goes_first()))
        } else if table.holders.len() >= shared.most {
            // Connections of callers who do not go first are closed before the others.
            let other = table.longest_idle(|holder| !holder.caller.goes_first());
            Some(other.or_else(|| table.longest_idle(|_| true)))
        } else {
            None
        };
        let gone = match goes {
            None => None,
            Some(None) => return Admission::Full,
            Some(Some(number)) => table.holders.remove(&number).and_then(|holder| holder.task),
        };
        let number = table.next;
        table.next += 1;
        table.turn += 1;
        let waits = Some(table.turn);
        table.holders.insert(number, Holder { caller, waits, task: None });
        shared.counts.open.store(table.holders.len() as u64, Relaxed);
        drop(table);
        let permit = Permit { number, permits: self.clone() };
        match gone {
            Some(gone) => Admission::Replacing(permit, gone),
            None => Admission::Admitted(permit),
        }
    }

    /// Registers the task that serves the connection. The task may have ended already.
    pub fn served_by(&self, number: u64, task: JoinHandle<()>) {
        if let Some(holder) = self.0.lock().holders.get_mut(&number) {
            holder.task = Some(task);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn longest_idle(&self, which: impl Fn(&Holder) -> bool) -> Option<u64> {
        let waiting = self.holders.iter().filter(|(_, holder)| holder.task.is_some() && which(holder));
        waiting.filter_map(|(number, holder)| Some((holder.waits?, *number))).min().map(|(_, number)| number)
    }
}

/// A permit of one connection; dropping it returns it.
pub struct Permit {
    number: u64,
    permits: Permits,
}

impl Permit {
    pub fn number(&self) -> u64 {
        self.number
    }

    /// A handle that marks when the connection is busy.
    pub fn busy(&self) -> Work {
        Work { number: self.number, permits: self.permits.clone() }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let shared = &self.permits.0;
        let mut table = shared.lock();
        table.holders.remove(&self.number);
        shared.counts.open.store(table.holders.len() as u64, Relaxed);
    }
}

/// Marks when a connection is busy.
#[derive(Clone)]
pub struct Work {
    number: u64,
    permits: Permits,
}

impl Work {
    /// The connection is busy until the guard is dropped.
    pub fn begin(self) -> Busy {
        if let Some(holder) = self.permits.0.lock().holders.get_mut(&self.number) {
            holder.waits = None;
        }
        Busy(self)
    }
}

/// A busy connection; idle again when this is dropped.
pub struct Busy(Work);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut table = self.0.permits.0.lock();
        table.turn += 1;
        let turn = table.turn;
        if let Some(holder) = table.holders.get_mut(&self.0.number) {
            holder.waits = Some(turn);
        }
    }
}

//! The places of one listener: who has one, who works, and who has to go when somebody new comes.
//!
//! Knows nothing of HTTP. A connection that waits for its next request has no claim on its place: when there is none left, the one that has
//! waited longest goes. So a flood of connections that ask nothing keeps nobody out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;

use super::Counts;

/// Who connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A user of this machine. `first`: root or the daemon's own, for whom places are reserved.
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

/// Whether somebody may come in.
pub enum Admission {
    Welcome(Place),
    /// Once that connection is closed.
    InPlaceOf(Place, JoinHandle<()>),
    /// All places that this caller may have are taken by requests under way.
    Full,
}

/// The places of one listener.
#[derive(Clone)]
pub struct Places(Arc<Shared>);

struct Shared {
    most: usize,
    /// Those of them that only callers who go first may have.
    reserved: usize,
    /// Of one caller who does not go first.
    most_of_one: usize,
    counts: Arc<Counts>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next: u64,
    guests: BTreeMap<u64, Guest>,
    /// Grows with each change from work to waiting, so that who has waited longest is known without a clock.
    turn: u64,
}

struct Guest {
    caller: Caller,
    /// Since which turn it waits for its next request; `None` while it works.
    waits: Option<u64>,
    task: Option<JoinHandle<()>>,
}

impl Places {
    /// `most` places; a quarter of them reserved for callers who go first when `reserve` is asked for.
    pub fn new(most: usize, reserve: bool, counts: Arc<Counts>) -> Places {
        let most = most.max(1);
        let reserved = if reserve { most / 4 } else { 0 };
        let most_of_one = (most / 4).max(1);
        Places(Arc::new(Shared { most, reserved, most_of_one, counts, table: Mutex::default() }))
    }

    /// Gives `caller` a place, if need be that of a connection that waits.
    pub fn admit(&self, caller: Caller) -> Admission {
        let shared = &self.0;
        let mut table = shared.lock();
        let first = caller.goes_first();
        let own = table.guests.values().filter(|guest| guest.caller == caller).count();
        let others = table.guests.values().filter(|guest| !guest.caller.goes_first()).count();
        let goes = if !first && own >= shared.most_of_one {
            // A user with too many makes room among their own.
            Some(table.longest_waiting(|guest| guest.caller == caller))
        } else if !first && others >= shared.most - shared.reserved {
            Some(table.longest_waiting(|guest| !guest.caller.goes_first()))
        } else if table.guests.len() >= shared.most {
            // Others go before those for whom places are reserved.
            let other = table.longest_waiting(|guest| !guest.caller.goes_first());
            Some(other.or_else(|| table.longest_waiting(|_| true)))
        } else {
            None
        };
        let gone = match goes {
            None => None,
            Some(None) => return Admission::Full,
            Some(Some(number)) => table.guests.remove(&number).and_then(|guest| guest.task),
        };
        let number = table.next;
        table.next += 1;
        table.turn += 1;
        let waits = Some(table.turn);
        table.guests.insert(number, Guest { caller, waits, task: None });
        shared.counts.open.store(table.guests.len() as u64, Relaxed);
        drop(table);
        let place = Place { number, places: self.clone() };
        match gone {
            Some(gone) => Admission::InPlaceOf(place, gone),
            None => Admission::Welcome(place),
        }
    }

    /// Which task has the connection of that place. It may be over by now.
    pub fn attended_by(&self, number: u64, task: JoinHandle<()>) {
        if let Some(guest) = self.0.lock().guests.get_mut(&number) {
            guest.task = Some(task);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn longest_waiting(&self, which: impl Fn(&Guest) -> bool) -> Option<u64> {
        let waiting = self.guests.iter().filter(|(_, guest)| guest.task.is_some() && which(guest));
        waiting.filter_map(|(number, guest)| Some((guest.waits?, *number))).min().map(|(_, number)| number)
    }
}

/// A place that is taken; free again when this is dropped.
pub struct Place {
    number: u64,
    places: Places,
}

impl Place {
    pub fn number(&self) -> u64 {
        self.number
    }

    /// To mark the connection's work.
    pub fn busy(&self) -> Work {
        Work { number: self.number, places: self.places.clone() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let shared = &self.places.0;
        let mut table = shared.lock();
        table.guests.remove(&self.number);
        shared.counts.open.store(table.guests.len() as u64, Relaxed);
    }
}

/// Marks when a connection works.
#[derive(Clone)]
pub struct Work {
    number: u64,
    places: Places,
}

impl Work {
    /// It works until what this gives is dropped.
    pub fn begin(self) -> Busy {
        if let Some(guest) = self.places.0.lock().guests.get_mut(&self.number) {
            guest.waits = None;
        }
        Busy(self)
    }
}

/// A connection works.
pub struct Busy(Work);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut table = self.0.places.0.lock();
        table.turn += 1;
        let turn = table.turn;
        if let Some(guest) = table.guests.get_mut(&self.0.number) {
            guest.waits = Some(turn);
        }
    }
}

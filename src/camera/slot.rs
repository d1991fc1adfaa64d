//! A slot between two threads that holds only the newest value.
//!
//! The sender never waits. A value that the receiver was too slow to take is replaced, counted, and returned to the sender, which can reuse
//! its memory.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Creates a slot with its two ends.
pub fn slot<T>() -> (SlotSender<T>, SlotReceiver<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State { newest: None, dropped: 0, sender_gone: false, receiver_gone: false }),
        changed: Condvar::new(),
    });
    (SlotSender(shared.clone()), SlotReceiver(shared))
}

/// The sending end. Dropping it closes the slot.
pub struct SlotSender<T>(Arc<Shared<T>>);

/// The receiving end. Dropping it closes the slot.
pub struct SlotReceiver<T>(Arc<Shared<T>>);

/// The receiver has been dropped; contains the value that could not be put.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed<T>(pub T);

impl<T> SlotSender<T> {
    /// Puts in `value`, and returns the value it replaces, if that was not taken.
    ///
    /// # Errors
    /// [`Closed`] if the receiver has been dropped.
    pub fn put(&self, value: T) -> Result<Option<T>, Closed<T>> {
        let mut state = self.0.lock();
        if state.receiver_gone {
            return Err(Closed(value));
        }
        let replaced = state.newest.replace(value);
        state.dropped += u64::from(replaced.is_some());
        drop(state);
        self.0.changed.notify_one();
        Ok(replaced)
    }

    /// The number of values replaced before they were taken.
    pub fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }

    /// Whether the receiver has been dropped.
    pub fn is_closed(&self) -> bool {
        self.0.lock().receiver_gone
    }
}

impl<T> SlotReceiver<T> {
    /// Takes the value, waiting for up to `timeout`. `None` if none came in time, or at once if the sender has been dropped and the slot is
    /// empty; [`SlotReceiver::is_closed`] distinguishes the two. A value put before the sender was dropped can still be taken.
    pub fn take(&self, timeout: Duration) -> Option<T> {
        let waiting = |state: &mut State<T>| state.newest.is_none() && !state.sender_gone;
        let (mut state, _) = self
            .0
            .changed
            .wait_timeout_while(self.0.lock(), timeout, waiting)
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        state.newest.take()
    }

    /// The number of values replaced before they were taken.
    pub fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }

    /// Whether the sender has been dropped.
    pub fn is_closed(&self) -> bool {
        self.0.lock().sender_gone
    }
}

impl<T> Drop for SlotSender<T> {
    fn drop(&mut self) {
        self.0.lock().sender_gone = true;
        self.0.changed.notify_one();
    }
}

impl<T> Drop for SlotReceiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.receiver_gone = true;
        let left = state.newest.take();
        drop(state);
        drop(left);
    }
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    newest: Option<T>,
    dropped: u64,
    sender_gone: bool,
    receiver_gone: bool,
}

impl<T> Shared<T> {
    /// Every change under the lock is a single step, so the state is valid even if the lock is poisoned.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_newer_value_replaces_the_older_and_returns_it() {
        let (sender, receiver) = slot();
        assert_eq!(sender.put(1), Ok(None));
        assert_eq!(sender.put(2), Ok(Some(1)));
        assert_eq!(sender.put(3), Ok(Some(2)));
        assert_eq!((sender.dropped(), receiver.dropped()), (2, 2));
        assert_eq!(receiver.take(LONG), Some(3));
        assert_eq!(receiver.take(Duration::ZERO), None);
        assert!(!receiver.is_closed());
        assert_eq!(sender.put(4), Ok(None));
        assert_eq!(sender.dropped(), 2);
    }

    #[test]
    fn dropping_the_sender_keeps_its_last_value_and_wakes_the_receiver() {
        let (sender, receiver) = slot();
        sender.put(1).unwrap();
        drop(sender);
        assert!(receiver.is_closed());
        assert_eq!(receiver.take(LONG), Some(1));
        assert_eq!(receiver.take(LONG), None);

        let (sender, receiver) = slot::<u8>();
        let waiting = thread::spawn(move || receiver.take(LONG));
        drop(sender);
        assert_eq!(waiting.join().unwrap(), None);
    }

    #[test]
    fn dropping_the_receiver_frees_the_value_and_returns_later_ones() {
        let (sender, receiver) = slot();
        let held = Arc::new(());
        sender.put(held.clone()).unwrap();
        drop(receiver);
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(sender.is_closed());
        assert!(sender.put(held).is_err());
    }

    #[test]
    fn across_threads_values_arrive_in_order_and_are_either_taken_or_dropped() {
        const PUT: u64 = 20_000;
        let (sender, receiver) = slot();
        let putting = thread::spawn(move || {
            let replaced: Vec<u64> = (0..PUT).filter_map(|i| sender.put(i).unwrap()).collect();
            (replaced, sender.dropped())
        });
        let mut taken = Vec::new();
        while let Some(i) = receiver.take(LONG) {
            taken.push(i);
        }
        let (replaced, dropped) = putting.join().unwrap();
        assert!(taken.is_sorted());
        assert_eq!(taken.last(), Some(&(PUT - 1)));
        assert_eq!(dropped, replaced.len() as u64);
        let mut all = [taken, replaced].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..PUT));
    }
}

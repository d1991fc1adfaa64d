//! A hand-over between two threads that holds one thing: the newest.
//!
//! The sender never waits. What the receiver was too slow to take is replaced, counted, and given back to the sender,
//! so that its memory can be used again. Knows nothing of what is handed over.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// A slot and its two ends.
pub fn slot<T>() -> (SlotSender<T>, SlotReceiver<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State { newest: None, dropped: 0, sender_gone: false, receiver_gone: false }),
        changed: Condvar::new(),
    });
    (SlotSender(shared.clone()), SlotReceiver(shared))
}

/// The end that puts in. The slot is closed when it is dropped.
pub struct SlotSender<T>(Arc<Shared<T>>);

/// The end that takes out. The slot is closed when it is dropped.
pub struct SlotReceiver<T>(Arc<Shared<T>>);

/// The receiver is gone; here is what could not be put.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed<T>(pub T);

impl<T> SlotSender<T> {
    /// Puts `thing` in and gives back what it replaces, which nobody took.
    ///
    /// # Errors
    /// [`Closed`] when the receiver is gone.
    pub fn put(&self, thing: T) -> Result<Option<T>, Closed<T>> {
        let mut state = self.0.lock();
        if state.receiver_gone {
            return Err(Closed(thing));
        }
        let replaced = state.newest.replace(thing);
        state.dropped += u64::from(replaced.is_some());
        drop(state);
        self.0.changed.notify_one();
        Ok(replaced)
    }

    /// How many things were replaced before anybody took them.
    pub fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }

    /// Whether the receiver is gone.
    pub fn is_closed(&self) -> bool {
        self.0.lock().receiver_gone
    }
}

impl<T> SlotReceiver<T> {
    /// Takes what is there, waiting up to `timeout` for it. `None` when nothing came in time, or at once when the
    /// sender is gone and the slot is empty; [`SlotReceiver::is_closed`] tells which. What was put before the sender
    /// went can still be taken.
    pub fn take(&self, timeout: Duration) -> Option<T> {
        let waiting = |state: &mut State<T>| state.newest.is_none() && !state.sender_gone;
        let (mut state, _) = self
            .0
            .changed
            .wait_timeout_while(self.0.lock(), timeout, waiting)
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        state.newest.take()
    }

    /// How many things were replaced before anybody took them.
    pub fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }

    /// Whether the sender is gone.
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
    /// Every change under the lock is a single step, so a poisoned lock still guards a sound state.
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
    fn the_newest_wins_and_the_replaced_comes_back() {
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
    fn a_sender_that_goes_leaves_its_last_and_wakes_the_receiver() {
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
    fn a_receiver_that_goes_hands_the_next_back_and_frees_the_last() {
        let (sender, receiver) = slot();
        let held = Arc::new(());
        sender.put(held.clone()).unwrap();
        drop(receiver);
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(sender.is_closed());
        assert!(sender.put(held).is_err());
    }

    #[test]
    fn across_threads_things_arrive_in_order_and_none_is_both_taken_and_dropped() {
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

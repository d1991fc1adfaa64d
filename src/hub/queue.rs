//! What waits to be sent: a queue of fixed size that keeps the newest and counts what it drops.
//!
//! Knows nothing of MQTT.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;

/// A queue with one reader and any number of writers that never wait.
pub struct Queue<T> {
    waiting: Mutex<VecDeque<T>>,
    capacity: usize,
    dropped: AtomicU64,
    filled: Notify,
}

impl<T> Queue<T> {
    /// Room for `capacity` entries.
    pub fn new(capacity: usize) -> Queue<T> {
        Queue { waiting: Mutex::default(), capacity, dropped: AtomicU64::new(0), filled: Notify::new() }
    }

    /// Adds the newest; drops the oldest when full.
    pub fn push(&self, entry: T) {
        let mut waiting = self.lock();
        waiting.push_back(entry);
        if waiting.len() > self.capacity {
            waiting.pop_front();
            self.count_dropped();
        }
        drop(waiting);
        self.filled.notify_one();
    }

    /// Takes the oldest.
    pub fn pop(&self) -> Option<T> {
        self.lock().pop_front()
    }

    /// Gives back what was taken and not used, oldest first: it goes before all that waits. Drops the oldest of it when full.
    pub fn put_back(&self, entries: impl DoubleEndedIterator<Item = T>) {
        let mut waiting = self.lock();
        for entry in entries.rev() {
            if waiting.len() < self.capacity {
                waiting.push_front(entry);
            } else {
                self.count_dropped();
            }
        }
    }

    /// Returns when something was pushed since the last call returned.
    pub async fn filled(&self) {
        self.filled.notified().await;
    }

    /// How many entries were dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Counts an entry that was taken and then thrown away.
    pub fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &Queue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn a_full_queue_keeps_the_newest_and_counts_the_rest() {
        let queue = Queue::new(3);
        (1..=5).for_each(|n| queue.push(n));
        assert_eq!(queue.dropped(), 2);
        assert_eq!(drain(&queue), [3, 4, 5]);
    }

    #[test]
    fn what_is_put_back_comes_first_again() {
        let queue = Queue::new(4);
        (1..=4).for_each(|n| queue.push(n));
        let taken = [queue.pop().unwrap(), queue.pop().unwrap()];
        queue.push(5);
        queue.put_back(taken.into_iter());
        assert_eq!(queue.dropped(), 1, "1 is the oldest and has no room");
        assert_eq!(drain(&queue), [2, 3, 4, 5]);
    }
}

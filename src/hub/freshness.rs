//! Which events are sent live and which late: a late one must not trigger anything. An event's age counts from when this process saw it happen,
//! because the wall clock may jump.

use std::collections::VecDeque;

use tokio::time::{Duration, Instant};

/// An event that is sent later than this is late.
const NEWS_FOR: Duration = Duration::from_secs(5);
/// The most events that are remembered. In a flood the older ones count as late.
const REMEMBERED: usize = 4096;

/// Remembers when the newest events happened.
#[derive(Debug)]
pub struct Freshness {
    /// Every event up to this number is late.
    late_up_to: u64,
    /// The newest number that happened.
    newest: u64,
    recent: VecDeque<(u64, Instant)>,
}

impl Freshness {
    /// Events up to number `earlier` are of an earlier run, and late.
    pub fn new(earlier: u64) -> Freshness {
        Freshness { late_up_to: earlier, newest: earlier, recent: VecDeque::new() }
    }

    /// Event number `seq` happened.
    pub fn happened(&mut self, seq: u64, now: Instant) {
        self.forget(now);
        self.newest = self.newest.max(seq);
        self.recent.push_back((seq, now));
        if self.recent.len() > REMEMBERED
            && let Some((seq, _)) = self.recent.pop_front()
        {
            self.late_up_to = self.late_up_to.max(seq);
        }
    }

    /// The newest number that happened. A newer event in the outbox is about to be reported here, and can wait that long.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Whether event number `seq` is late if it is sent `now`.
    pub fn is_late(&mut self, seq: u64, now: Instant) -> bool {
        self.forget(now);
        seq <= self.late_up_to
    }

    fn forget(&mut self, now: Instant) {
        while let Some(&(seq, at)) = self.recent.front()
            && now.saturating_duration_since(at) > NEWS_FOR
        {
            self.late_up_to = self.late_up_to.max(seq);
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_an_earlier_run_are_late() {
        let mut freshness = Freshness::new(8);
        let now = Instant::now();
        freshness.happened(9, now);
        assert_eq!((freshness.newest(), freshness.is_late(8, now), freshness.is_late(9, now)), (9, true, false));
    }

    #[test]
    fn events_become_late() {
        let mut freshness = Freshness::new(0);
        let start = Instant::now();
        freshness.happened(1, start);
        freshness.happened(2, start + Duration::from_secs(3));
        let later = start + Duration::from_secs(6);
        assert!(freshness.is_late(1, later) && !freshness.is_late(2, later));
        assert!(freshness.is_late(2, later + Duration::from_secs(60)));
    }

    #[test]
    fn the_memory_of_a_flood_is_bounded() {
        let mut freshness = Freshness::new(0);
        let now = Instant::now();
        (1..=10_000).for_each(|seq| freshness.happened(seq, now));
        assert_eq!(freshness.recent.len(), REMEMBERED);
        assert!(freshness.is_late(10_000 - REMEMBERED as u64, now) && !freshness.is_late(9_999, now));
    }
}

//! Which events are news and which come late: a late one must not set off anything.
//!
//! Knows nothing of the wall clock, which jumps: an event's age is counted from when this process saw it happen.

use std::collections::VecDeque;

use tokio::time::{Duration, Instant};

/// An event that reaches the broker later than this comes late.
const NEWS_FOR: Duration = Duration::from_secs(5);
/// So many events are remembered; in a flood the older ones count as late.
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
    /// Events up to number `earlier` are of an earlier run: whatever of them still goes out comes late.
    pub fn new(earlier: u64) -> Freshness {
        Freshness { late_up_to: earlier, newest: earlier, recent: VecDeque::new() }
    }

    /// Number `seq` happened.
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

    /// The newest number that happened. What is younger is on disk and about to be told of here: it can wait that long.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Whether number `seq` comes late when it goes out `now`.
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
    fn what_an_earlier_run_left_comes_late() {
        let mut freshness = Freshness::new(8);
        let now = Instant::now();
        freshness.happened(9, now);
        assert_eq!((freshness.newest(), freshness.is_late(8, now), freshness.is_late(9, now)), (9, true, false));
    }

    #[test]
    fn news_grows_old() {
        let mut freshness = Freshness::new(0);
        let start = Instant::now();
        freshness.happened(1, start);
        freshness.happened(2, start + Duration::from_secs(3));
        let later = start + Duration::from_secs(6);
        assert!(freshness.is_late(1, later) && !freshness.is_late(2, later));
        assert!(freshness.is_late(2, later + Duration::from_secs(60)));
    }

    #[test]
    fn a_flood_is_remembered_up_to_a_bound() {
        let mut freshness = Freshness::new(0);
        let now = Instant::now();
        (1..=10_000).for_each(|seq| freshness.happened(seq, now));
        assert_eq!(freshness.recent.len(), REMEMBERED);
        assert!(freshness.is_late(10_000 - REMEMBERED as u64, now) && !freshness.is_late(9_999, now));
    }
}

//! A contact that changes more often than people can cause: a loose wire, a broken button, or someone playing with it.
//!
//! The first changes get records of their own. After that they are counted, and a [`ChatterSummary`] reports their number: every minute while it
//! continues, and when it ends. Every change is either recorded or counted, once.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::Moment;

/// This many changes within [`BURST`] get records of their own: a leaf opened and closed six times.
const BURST_CHANGES: usize = 12;
const BURST: Duration = Duration::from_secs(10);
/// This many changes within a minute get records of their own: a leaf opened and closed every three seconds.
const MOST_CHANGES: usize = 40;
const MINUTE: Duration = Duration::from_secs(60);
/// A contact that has not changed for this long no longer chatters.
const QUIET: Duration = Duration::from_secs(10);
/// A contact with at most this many changes in the last minute no longer chatters.
const FEW_CHANGES: usize = 20;

/// What to do with a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It gets a record of its own.
    Recorded,
    /// It is counted in a summary.
    Counted,
}

/// A summary of counted changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatterSummary {
    pub changes: u64,
    /// The time since the first of them, or since the previous summary.
    pub span: Duration,
    /// The contact's state after the last of them.
    pub active: bool,
    /// Whether the contact no longer chatters.
    pub over: bool,
}

/// The changes of one contact.
#[derive(Clone, Debug, Default)]
pub struct Chatter {
    /// The last changes, oldest first; at most [`MOST_CHANGES`].
    recent: VecDeque<Moment>,
    flood: Option<Flood>,
}

#[derive(Clone, Copy, Debug)]
struct Flood {
    /// Since when changes are counted for the next summary.
    counted_from: Moment,
    /// When the next summary is due at the latest.
    due: Moment,
    /// The earliest time for the next summary after one could not be recorded.
    again_at: Option<Moment>,
    changes: u64,
    active: bool,
    /// Whether there were too many changes, as opposed to too little disk space.
    rapid: bool,
}

impl Chatter {
    /// Takes in a change. With `low_space` it is always counted, because the disk is nearly full.
    pub fn change(&mut self, active: bool, low_space: bool, now: Moment) -> Change {
        let too_many = self.within(BURST, now) >= BURST_CHANGES || self.within(MINUTE, now) >= MOST_CHANGES;
        if self.recent.len() == MOST_CHANGES {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        match &mut self.flood {
            None if too_many || low_space => {
                let due = now + MINUTE;
                let flood = Flood { counted_from: now, due, again_at: None, changes: 1, active, rapid: too_many };
                self.flood = Some(flood);
                Change::Counted
            }
            None => Change::Recorded,
            Some(flood) => {
                flood.changes = flood.changes.saturating_add(1);
                (flood.active, flood.rapid) = (active, flood.rapid || too_many);
                Change::Counted
            }
        }
    }

    /// Whether the contact chatters now.
    pub fn is_active(&self) -> bool {
        self.flood.is_some_and(|flood| flood.rapid)
    }

    /// The summary due now. It stays due until [`Chatter::recorded`] or [`Chatter::postpone`]. `end`: there will be no later call.
    pub fn due(&self, end: bool, now: Moment) -> Option<ChatterSummary> {
        let flood = self.flood.as_ref().filter(|flood| end || flood.again_at.is_none_or(|at| at <= now))?;
        let over = self.is_over(now);
        let summary =
            ChatterSummary { changes: flood.changes, span: now.since(flood.counted_from), active: flood.active, over };
        // A minute without a change is reported only if it is the end.
        (over || (flood.changes > 0 && (end || flood.due <= now))).then_some(summary)
    }

    /// Notes that the summary was recorded.
    pub fn recorded(&mut self, now: Moment) {
        let over = self.is_over(now);
        if let Some(flood) = &mut self.flood {
            (flood.changes, flood.counted_from, flood.due, flood.again_at) = (0, now, now + MINUTE, None);
        }
        if over {
            // After a silence the contact starts afresh; one that only slowed down is still watched.
            if self.is_quiet(now) {
                self.recent.clear();
            }
            self.flood = None;
        }
    }

    /// Postpones the summary, which could not be recorded. It will include later changes.
    pub fn postpone(&mut self, now: Moment) {
        if let Some(flood) = &mut self.flood {
            flood.again_at = Some(now + MINUTE);
        }
    }

    /// When [`Chatter::due`] has a summary next.
    pub fn next_deadline(&self) -> Option<Moment> {
        let flood = self.flood.as_ref()?;
        let quiet = self.recent.back().map(|last| *last + QUIET);
        let due = quiet.map_or(flood.due, |quiet| quiet.min(flood.due));
        Some(flood.again_at.map_or(due, |again| again.max(due)))
    }

    fn is_over(&self, now: Moment) -> bool {
        self.is_quiet(now) || (self.within(MINUTE, now) <= FEW_CHANGES && self.within(BURST, now) < BURST_CHANGES / 2)
    }

    fn is_quiet(&self, now: Moment) -> bool {
        self.recent.back().is_none_or(|last| now.since(*last) >= QUIET)
    }

    fn within(&self, span: Duration, now: Moment) -> usize {
        self.recent.iter().rev().take_while(|at| now.since(**at) < span).count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> Moment {
        Moment(Duration::from_millis(ms))
    }

    /// Plays changes with these gaps in milliseconds and a tick every 250 ms. Returns the number recorded, and the summaries.
    fn played(gaps: &[u64]) -> (u64, Vec<(u64, ChatterSummary)>) {
        let (mut chatter, mut ms, mut recorded, mut summaries) = (Chatter::default(), 0, 0, Vec::new());
        let mut tick = |chatter: &mut Chatter, ms: u64, end: bool| {
            if let Some(summary) = chatter.due(end, at(ms)) {
                summaries.push((ms, summary));
                chatter.recorded(at(ms));
            }
        };
        for (n, gap) in gaps.iter().enumerate() {
            for step in (ms..ms + gap).step_by(250) {
                tick(&mut chatter, step, false);
            }
            ms += gap;
            recorded += u64::from(chatter.change(n % 2 == 0, false, at(ms)) == Change::Recorded);
        }
        tick(&mut chatter, ms, true);
        (recorded, summaries)
    }

    #[test]
    fn a_busy_door_gets_a_record_for_each_change() {
        // A person every four seconds for an hour, and six impatient presses of a button.
        assert_eq!(played(&[2000; 1800]), (1800, Vec::new()));
        assert_eq!(played(&[200; 12]), (12, Vec::new()));
    }

    #[test]
    fn a_loose_wire_gets_a_summary_a_minute() {
        let (recorded, summaries) = played(&[120; 160]);
        assert_eq!((recorded, summaries.len()), (12, 1));
        let (at, summary) = summaries[0];
        assert_eq!((at, summary.changes, summary.over), (160 * 120, 148, false));
        // An hour of it, then silence.
        let mut gaps = vec![120; 30_000];
        gaps.push(30_000);
        let (recorded, summaries) = played(&gaps);
        assert!(recorded == 13 && (60..=62).contains(&summaries.len()), "{recorded} {}", summaries.len());
        assert_eq!(recorded + summaries.iter().map(|(_, summary)| summary.changes).sum::<u64>(), 30_001);
        assert!(summaries.last().unwrap().1.over && summaries[0].1.span == MINUTE);
    }

    #[test]
    fn a_summary_that_failed_is_recorded_later() {
        let mut chatter = Chatter::default();
        for n in 0..100 {
            chatter.change(n % 2 == 0, false, at(n * 100));
        }
        let due = chatter.due(false, at(70_000)).unwrap();
        assert!(due.over && chatter.is_active());
        chatter.postpone(at(70_000));
        assert_eq!(chatter.due(false, at(80_000)), None);
        assert_eq!(chatter.next_deadline(), Some(at(130_000)));
        assert_eq!(chatter.due(false, at(130_000)).unwrap().changes, 88);
        assert_eq!(chatter.due(true, at(80_000)).unwrap().changes, 88, "at the end it is tried in any case");
        chatter.recorded(at(130_000));
        assert!(!chatter.is_active() && chatter.next_deadline().is_none());
    }

    #[test]
    fn with_low_space_changes_are_counted_but_are_no_chatter() {
        let mut chatter = Chatter::default();
        for n in 0..6 {
            assert_eq!(chatter.change(true, true, at(n * 5000)), Change::Counted);
        }
        assert!(!chatter.is_active());
        assert_eq!(chatter.due(false, at(40_000)).unwrap().changes, 6);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        /// Every change is recorded or counted once, and the records per minute are bounded, whatever the contact does.
        #[test]
        fn every_change_is_accounted_for_and_records_are_bounded(
            bursts in prop::collection::vec((1usize..150, prop_oneof![10u64..300, 300u64..3000, 3000u64..20_000]), 1..12),
        ) {
            let gaps: Vec<u64> = bursts.iter().flat_map(|(count, gap)| vec![*gap; *count]).collect();
            let (recorded, summaries) = played(&gaps);
            let counted: u64 = summaries.iter().map(|(_, summary)| summary.changes).sum();
            prop_assert_eq!(recorded + counted, gaps.len() as u64);
            let minutes = gaps.iter().sum::<u64>() / 60_000 + 1;
            prop_assert!(recorded <= 80 * minutes, "{recorded} in {minutes} minutes");
            prop_assert!(summaries.len() as u64 <= 12 * minutes + 1, "{} in {minutes} minutes", summaries.len());
        }
    }
}

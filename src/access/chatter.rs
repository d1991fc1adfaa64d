//! A contact that changes more often than people can make it: a loose wire, a broken button, somebody who plays with it.
//!
//! The first changes are told one by one. From then on they are counted, and a [`ChatterSummary`] tells how many there were: each minute
//! while it lasts, and when it is over. Every change is told once, or counted once.
//!
//! Pure: the time is an argument. Knows nothing of what the contact is for.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::Moment;

/// So many changes within [`BURST`] are told one by one: a leaf opened and closed six times.
const BURST_CHANGES: usize = 12;
const BURST: Duration = Duration::from_secs(10);
/// So many changes within a minute are told one by one: a leaf opened and closed every three seconds.
const MOST_CHANGES: usize = 40;
const MINUTE: Duration = Duration::from_secs(60);
/// A contact that has not changed for so long chatters no longer.
const QUIET: Duration = Duration::from_secs(10);
/// Nor does one with so few changes in the last minute.
const FEW_CHANGES: usize = 20;

/// What to do about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// To be told by itself.
    Told,
    /// Counted; a summary tells of it.
    Counted,
}

/// The changes that were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatterSummary {
    pub changes: u64,
    /// Since the first of them, or since the summary before.
    pub span: Duration,
    /// What the contact was after the last of them.
    pub active: bool,
    /// It chatters no longer.
    pub over: bool,
}

/// One contact.
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
    /// The last one could not be written down: not to be tried again before.
    again_at: Option<Moment>,
    changes: u64,
    active: bool,
    /// It began with too many changes, not for want of room.
    rapid: bool,
}

impl Chatter {
    /// The contact changed. With `spare`, nothing is told by itself: there is hardly room to write.
    pub fn change(&mut self, active: bool, spare: bool, now: Moment) -> Change {
        let too_many = self.within(BURST, now) >= BURST_CHANGES || self.within(MINUTE, now) >= MOST_CHANGES;
        if self.recent.len() == MOST_CHANGES {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        match &mut self.flood {
            None if too_many || spare => {
                let due = now + MINUTE;
                let flood = Flood { counted_from: now, due, again_at: None, changes: 1, active, rapid: too_many };
                self.flood = Some(flood);
                Change::Counted
            }
            None => Change::Told,
            Some(flood) => {
                flood.changes = flood.changes.saturating_add(1);
                (flood.active, flood.rapid) = (active, flood.rapid || too_many);
                Change::Counted
            }
        }
    }

    /// Whether it chatters now.
    pub fn lasts(&self) -> bool {
        self.flood.is_some_and(|flood| flood.rapid)
    }

    /// The summary that is due now. It is due until [`Chatter::told`] or [`Chatter::put_off`]. `end`: there will be no later one.
    pub fn due(&self, end: bool, now: Moment) -> Option<ChatterSummary> {
        let flood = self.flood.as_ref().filter(|flood| end || flood.again_at.is_none_or(|at| at <= now))?;
        let over = self.is_over(now);
        let summary =
            ChatterSummary { changes: flood.changes, span: now.since(flood.counted_from), active: flood.active, over };
        // A minute without a change is told only when it is the last word.
        (over || (flood.changes > 0 && (end || flood.due <= now))).then_some(summary)
    }

    /// The summary that was due is written down.
    pub fn told(&mut self, now: Moment) {
        let over = self.is_over(now);
        if let Some(flood) = &mut self.flood {
            (flood.changes, flood.counted_from, flood.due, flood.again_at) = (0, now, now + MINUTE, None);
        }
        if over {
            // After a silence it begins anew; one that only became slow is still watched.
            if self.is_quiet(now) {
                self.recent.clear();
            }
            self.flood = None;
        }
    }

    /// The summary that was due could not be written down: it is due again later, with what comes in between.
    pub fn put_off(&mut self, now: Moment) {
        if let Some(flood) = &mut self.flood {
            flood.again_at = Some(now + MINUTE);
        }
    }

    /// When [`Chatter::due`] has something to say next.
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

    /// Plays changes with these gaps in milliseconds, a tick every 250 ms; how many were told, and the summaries.
    fn played(gaps: &[u64]) -> (u64, Vec<(u64, ChatterSummary)>) {
        let (mut chatter, mut ms, mut told, mut summaries) = (Chatter::default(), 0, 0, Vec::new());
        let mut tick = |chatter: &mut Chatter, ms: u64, end: bool| {
            if let Some(summary) = chatter.due(end, at(ms)) {
                summaries.push((ms, summary));
                chatter.told(at(ms));
            }
        };
        for (n, gap) in gaps.iter().enumerate() {
            for step in (ms..ms + gap).step_by(250) {
                tick(&mut chatter, step, false);
            }
            ms += gap;
            told += u64::from(chatter.change(n % 2 == 0, false, at(ms)) == Change::Told);
        }
        tick(&mut chatter, ms, true);
        (told, summaries)
    }

    #[test]
    fn a_busy_door_is_told_change_by_change() {
        // Somebody each four seconds for an hour, and six impatient presses of a button.
        assert_eq!(played(&[2000; 1800]), (1800, Vec::new()));
        assert_eq!(played(&[200; 12]), (12, Vec::new()));
    }

    #[test]
    fn a_loose_wire_is_told_once_a_minute() {
        let (told, summaries) = played(&[120; 160]);
        assert_eq!((told, summaries.len()), (12, 1));
        let (at, summary) = summaries[0];
        assert_eq!((at, summary.changes, summary.over), (160 * 120, 148, false));
        // An hour of it, and silence after that.
        let mut gaps = vec![120; 30_000];
        gaps.push(30_000);
        let (told, summaries) = played(&gaps);
        assert!(told == 13 && (60..=62).contains(&summaries.len()), "{told} {}", summaries.len());
        assert_eq!(told + summaries.iter().map(|(_, summary)| summary.changes).sum::<u64>(), 30_001);
        assert!(summaries.last().unwrap().1.over && summaries[0].1.span == MINUTE);
    }

    #[test]
    fn what_could_not_be_written_is_told_later() {
        let mut chatter = Chatter::default();
        for n in 0..100 {
            chatter.change(n % 2 == 0, false, at(n * 100));
        }
        let due = chatter.due(false, at(70_000)).unwrap();
        assert!(due.over && chatter.lasts());
        chatter.put_off(at(70_000));
        assert_eq!(chatter.due(false, at(80_000)), None);
        assert_eq!(chatter.next_deadline(), Some(at(130_000)));
        assert_eq!(chatter.due(false, at(130_000)).unwrap().changes, 88);
        assert_eq!(chatter.due(true, at(80_000)).unwrap().changes, 88, "at the end it is tried in any case");
        chatter.told(at(130_000));
        assert!(!chatter.lasts() && chatter.next_deadline().is_none());
    }

    #[test]
    fn without_room_everything_is_counted_and_is_no_chatter() {
        let mut chatter = Chatter::default();
        for n in 0..6 {
            assert_eq!(chatter.change(true, true, at(n * 5000)), Change::Counted);
        }
        assert!(!chatter.lasts());
        assert_eq!(chatter.due(false, at(40_000)).unwrap().changes, 6);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        /// Every change is told or counted, once; and there are at most so many records in any minute, whatever the contact does.
        #[test]
        fn all_is_accounted_for_and_records_are_bounded(
            bursts in prop::collection::vec((1usize..150, prop_oneof![10u64..300, 300u64..3000, 3000u64..20_000]), 1..12),
        ) {
            let gaps: Vec<u64> = bursts.iter().flat_map(|(count, gap)| vec![*gap; *count]).collect();
            let (told, summaries) = played(&gaps);
            let counted: u64 = summaries.iter().map(|(_, summary)| summary.changes).sum();
            prop_assert_eq!(told + counted, gaps.len() as u64);
            let minutes = gaps.iter().sum::<u64>() / 60_000 + 1;
            prop_assert!(told <= 80 * minutes, "{told} in {minutes} minutes");
            prop_assert!(summaries.len() as u64 <= 12 * minutes + 1, "{} in {minutes} minutes", summaries.len());
        }
    }
}

//! Repeated denials, for example by a poster with faces, or by a person who stays at the camera.
//!
//! The first denials get records of their own. After that, denials of the same kind are counted, and a [`RepeatSummary`] reports their number:
//! every minute while it continues, and when it ends. A kind is a camera, a reason and, if the face is a known person's, the person. Each face
//! that the tracker distinguishes gets up to [`OF_ONE_FACE`] records, as long as there are not too many new faces either. Grants are never
//! counted here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Decision, Direction, Match, Moment, PersonId, Reason, TrackId, Verdict};

/// The number of denials of one face that get records of their own.
pub const OF_ONE_FACE: u32 = 3;
/// The number of denials of one kind that get records of their own within a minute, and within an hour.
const IN_A_MINUTE: usize = 20;
const IN_AN_HOUR: usize = 120;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// A kind without a denial for this long starts again.
const QUIET: Duration = Duration::from_secs(60);
/// The number of faces remembered for a kind; a new one replaces the one denied longest ago.
const MOST_FACES: usize = 64;
/// The number of kinds remembered. Beyond that, which needs as many people at once, all denials get records of their own.
const MOST_KINDS: usize = 512;

/// What makes denials count as repeated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    pub camera: Arc<str>,
    pub direction: Option<Direction>,
    pub reason: Reason,
    /// The person who was recognised and denied; `None` for an unrecognised face.
    pub person: Option<PersonId>,
}

/// A summary of counted denials of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepeatSummary {
    pub kind: Kind,
    pub count: u64,
    /// The number of distinct faces among them, as far as they were remembered.
    pub faces: u64,
    /// The time since the first of them, or since the previous summary.
    pub span: Duration,
}

/// The repeated denials at one door.
#[derive(Debug, Default)]
pub struct Repeats {
    kinds: BTreeMap<Kind, Seen>,
}

#[derive(Debug)]
struct Seen {
    last: Moment,
    /// When denials got records of their own in the last hour, oldest first; at most [`IN_AN_HOUR`].
    records: VecDeque<Moment>,
    faces: Vec<Face>,
    counted: Option<Counted>,
}

#[derive(Debug)]
struct Face {
    track: TrackId,
    records: u32,
    last: Moment,
    /// Whether the next summary counts it.
    counted: bool,
}

#[derive(Debug)]
struct Counted {
    since: Moment,
    due: Moment,
    count: u64,
    faces: u64,
}

impl Repeats {
    /// Whether this denial gets a record of its own; otherwise it is counted. With `low_space`, it is always counted, because the disk is
    /// nearly full. A grant always gets a record.
    pub fn needs_record(
        &mut self,
        decision: &Decision,
        direction: Option<Direction>,
        low_space: bool,
        now: Moment,
    ) -> bool {
        let Verdict::Deny { reason } = decision.verdict else { return true };
        let person = decision.nearest.map(|Match { person, .. }| person).filter(|_| reason.is_about_the_person());
        let kind = Kind { camera: decision.camera.clone(), direction, reason, person };
        self.forget(now);
        if !self.kinds.contains_key(&kind) && self.kinds.len() >= MOST_KINDS {
            return true;
        }
        let seen = self.kinds.entry(kind).or_insert_with(|| Seen::new(now));
        seen.last = now;
        seen.needs_record(decision.track, low_space, now)
    }

    /// The summaries due now. Each stays due until [`Repeats::recorded`] or [`Repeats::postpone`]. `end`: there will be no later call.
    pub fn due(&self, end: bool, now: Moment) -> Vec<RepeatSummary> {
        let of_kind = |(kind, seen): (&Kind, &Seen)| {
            let counted = seen.counted.as_ref().filter(|counted| end || counted.due <= now)?;
            let Counted { since, count, faces, .. } = *counted;
            Some(RepeatSummary { kind: kind.clone(), count, faces, span: now.since(since) })
        };
        self.kinds.iter().filter_map(of_kind).collect()
    }

    /// Notes that the summary of this kind was recorded.
    pub fn recorded(&mut self, kind: &Kind) {
        if let Some(seen) = self.kinds.get_mut(kind) {
            seen.counted = None;
            seen.faces.iter_mut().for_each(|face| face.counted = false);
        }
    }

    /// Postpones the summary of this kind, which could not be recorded. It will include later denials.
    pub fn postpone(&mut self, kind: &Kind, now: Moment) {
        if let Some(counted) = self.kinds.get_mut(kind).and_then(|seen| seen.counted.as_mut()) {
            counted.due = now + MINUTE;
        }
    }

    /// When [`Repeats::due`] has a summary next.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.kinds.values().filter_map(|seen| Some(seen.counted.as_ref()?.due)).min()
    }

    /// Drops kinds that have ended and been recorded.
    fn forget(&mut self, now: Moment) {
        self.kinds.retain(|_, seen| {
            while seen.records.front().is_some_and(|at| now.since(*at) >= HOUR) {
                seen.records.pop_front();
            }
            if now.since(seen.last) >= QUIET && seen.counted.is_none() {
                seen.faces.clear();
            }
            seen.counted.is_some() || !seen.records.is_empty()
        });
    }
}

impl Seen {
    fn new(now: Moment) -> Seen {
        Seen { last: now, records: VecDeque::new(), faces: Vec::new(), counted: None }
    }

    fn needs_record(&mut self, track: TrackId, low_space: bool, now: Moment) -> bool {
        let in_a_minute = self.records.iter().rev().take_while(|at| now.since(**at) < MINUTE).count();
        let many = in_a_minute >= IN_A_MINUTE || self.records.len() >= IN_AN_HOUR;
        let mut face = self.take_face(track, now);
        let recorded = !low_space && !many && face.records < OF_ONE_FACE;
        if recorded {
            face.records += 1;
            self.records.push_back(now);
        } else {
            let new = u64::from(!std::mem::replace(&mut face.counted, true));
            let due = now + MINUTE;
            let counted = self.counted.get_or_insert_with(|| Counted { since: now, due, count: 0, faces: 0 });
            counted.count = counted.count.saturating_add(1);
            counted.faces = counted.faces.saturating_add(new);
        }
        self.faces.push(face);
        recorded
    }

    /// Takes a face out of those remembered, or a new one for which there is room then.
    fn take_face(&mut self, track: TrackId, now: Moment) -> Face {
        let face = match self.faces.iter().position(|face| face.track == track) {
            Some(at) => self.faces.swap_remove(at),
            None => {
                if self.faces.len() >= MOST_FACES
                    && let Some((at, _)) = self.faces.iter().enumerate().min_by_key(|(_, face)| face.last)
                {
                    self.faces.swap_remove(at);
                }
                Face { track, records: 0, last: now, counted: false }
            }
        };
        Face { last: now, ..face }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Distance;

    fn denied(reason: Reason, track: u64, person: u32) -> Decision {
        let nearest = Some(Match { person: PersonId(person), distance: Distance(1.2), runner_up: None });
        let verdict = Verdict::Deny { reason };
        Decision { nearest, ..Decision::at_porch(verdict, 1, Moment(Duration::ZERO), TrackId(track)) }
    }

    fn at(ms: u64) -> Moment {
        Moment(Duration::from_millis(ms))
    }

    struct Played {
        repeats: Repeats,
        recorded: u64,
        summaries: Vec<RepeatSummary>,
    }

    impl Played {
        fn new() -> Played {
            Played { repeats: Repeats::default(), recorded: 0, summaries: Vec::new() }
        }

        fn hear(&mut self, decision: &Decision, ms: u64) -> bool {
            self.tick(false, ms);
            let recorded = self.repeats.needs_record(decision, None, false, at(ms));
            self.recorded += u64::from(recorded);
            recorded
        }

        fn tick(&mut self, end: bool, ms: u64) {
            for summary in self.repeats.due(end, at(ms)) {
                self.repeats.recorded(&summary.kind);
                self.summaries.push(summary);
            }
        }

        fn counted(&self) -> u64 {
            self.summaries.iter().map(|summary| summary.count).sum()
        }
    }

    #[test]
    fn a_poster_leads_to_a_summary_a_minute() {
        let mut played = Played::new();
        // Twenty faces, each denied every five seconds for ten minutes.
        for round in 0..120 {
            for face in 0..20 {
                played.hear(&denied(Reason::Unknown, face, face as u32 % 7), round * 5000 + face * 10);
            }
        }
        played.tick(true, 600_000);
        assert_eq!((played.recorded, played.counted()), (60, 2400 - 60));
        assert!((9..=11).contains(&played.summaries.len()), "{}", played.summaries.len());
        assert_eq!(played.summaries[1].faces, 20);
        assert_eq!(played.summaries[1].kind.person, None, "the nearest is somebody else");
    }

    #[test]
    fn another_person_gets_a_record_during_a_flood() {
        let mut played = Played::new();
        for second in 0..300 {
            played.hear(&denied(Reason::Unknown, 1, 1), second * 1000);
        }
        assert_eq!(played.recorded, 3);
        for (reason, track, person) in [
            (Reason::Unknown, 2, 1),
            (Reason::Ambiguous, 1, 1),
            (Reason::Disabled, 1, 1),
            (Reason::Disabled, 1, 2),
            (Reason::NotPermitted, 1, 2),
        ] {
            assert!(played.hear(&denied(reason, track, person), 300_000), "{reason:?} {track} {person}");
        }
        let grant = Decision { verdict: Verdict::Grant { person: PersonId(1) }, ..denied(Reason::Unknown, 1, 1) };
        assert!((0..1000).all(|n| played.repeats.needs_record(&grant, None, true, at(300_000 + n))));
    }

    #[test]
    fn a_face_that_returns_later_gets_a_record_again() {
        let mut played = Played::new();
        for second in 0..10 {
            played.hear(&denied(Reason::Disabled, 1, 1), second * 1000);
        }
        played.tick(false, 70_000);
        assert_eq!((played.recorded, played.counted()), (3, 7));
        assert!(played.hear(&denied(Reason::Disabled, 1, 1), 130_000));
    }

    #[test]
    fn a_summary_that_failed_is_recorded_later() {
        let mut repeats = Repeats::default();
        let denial = denied(Reason::Unknown, 1, 1);
        for n in 0..10 {
            repeats.needs_record(&denial, None, true, at(n));
        }
        let due = repeats.due(false, at(60_000));
        assert_eq!(due[0].count, 10, "nothing was recorded by itself: there was no room");
        repeats.postpone(&due[0].kind, at(60_000));
        assert!(repeats.due(false, at(60_001)).is_empty());
        repeats.needs_record(&denial, None, true, at(60_002));
        assert_eq!(repeats.due(false, at(120_000))[0].count, 11);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        /// Every denial is recorded or counted once, the first of each kind is recorded, and the records per hour and kind are bounded, whatever is
        /// in front of the camera.
        #[test]
        fn every_denial_is_accounted_for_and_records_are_bounded(
            denials in prop::collection::vec((1u64..4000, 0u64..200, 0u32..3, 0usize..4), 1..3000),
        ) {
            let reasons = [Reason::Unknown, Reason::PoorView, Reason::Disabled, Reason::OutsideSchedule];
            let (mut played, mut ms, mut first) = (Played::new(), 0, std::collections::BTreeSet::new());
            let mut recorded_at: BTreeMap<(usize, u32), Vec<u64>> = BTreeMap::new();
            for (gap, track, person, reason) in &denials {
                ms += gap;
                let known = reasons[*reason].is_about_the_person();
                let kind = (*reason, if known { *person } else { 0 });
                let recorded = played.hear(&denied(reasons[*reason], *track, *person), ms);
                prop_assert!(recorded || !first.insert(kind), "the first of a kind");
                first.insert(kind);
                if recorded {
                    recorded_at.entry(kind).or_default().push(ms);
                }
            }
            played.tick(true, ms);
            prop_assert_eq!(played.recorded + played.counted(), denials.len() as u64);
            for times in recorded_at.values() {
                prop_assert!(times.windows(21).all(|w| w[20] - w[0] >= 60_000));
                prop_assert!(times.windows(121).all(|w| w[120] - w[0] >= 3_600_000));
            }
            let minutes = ms / 60_000 + 1;
            prop_assert!(played.summaries.len() as u64 <= (minutes + 1) * 8, "{}", played.summaries.len());
        }
    }
}

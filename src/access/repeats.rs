//! Denials that repeat: a poster with faces, somebody who stays before the camera.
//!
//! The first denials are told one by one. From then on those of the same kind are counted, and a [`RepeatSummary`] tells how many there were:
//! each minute while it lasts, and when it is over. Of the same kind are denials of one camera for one reason and, where the face
//! is a known person's, of that person. Each face that the tracker tells apart is told by itself, up to [`OF_ONE_FACE`] times, as long as there
//! are not too many new faces either.
//!
//! Pure: the time is an argument. Grants never come here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Decision, Direction, Match, Moment, PersonId, Reason, TrackId, Verdict};

/// Denials of one face that are told one by one.
pub const OF_ONE_FACE: u32 = 3;
/// Denials of one kind that are told one by one within a minute, and within an hour.
const IN_A_MINUTE: usize = 20;
const IN_AN_HOUR: usize = 120;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// A kind of which there was no denial for so long begins anew.
const QUIET: Duration = Duration::from_secs(60);
/// Faces that are remembered of one kind; the one that was refused longest ago is forgotten for a new one.
const MOST_FACES: usize = 64;
/// Kinds that are remembered; beyond that, which takes as many people at once, denials are told one by one.
const MOST_KINDS: usize = 512;

/// What makes denials the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    pub camera: Arc<str>,
    pub direction: Option<Direction>,
    pub reason: Reason,
    /// Who was recognised and refused; `None` for a face that was not recognised.
    pub person: Option<PersonId>,
}

/// The denials of one kind that were counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepeatSummary {
    pub kind: Kind,
    pub count: u64,
    /// How many faces the tracker told apart among them, as far as they were remembered.
    pub faces: u64,
    /// Since the first of them, or since the summary before.
    pub span: Duration,
}

/// The denials at one door.
#[derive(Debug, Default)]
pub struct Repeats {
    kinds: BTreeMap<Kind, Seen>,
}

#[derive(Debug)]
struct Seen {
    last: Moment,
    /// When denials were told one by one in the last hour, oldest first; at most [`IN_AN_HOUR`].
    told: VecDeque<Moment>,
    faces: Vec<Face>,
    counted: Option<Counted>,
}

#[derive(Debug)]
struct Face {
    track: TrackId,
    told: u32,
    last: Moment,
    /// It is among those that the next summary counts.
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
    /// Whether this denial is to be told by itself; else it is counted. With `spare`, it is counted: there is hardly room to write. A grant is
    /// always told.
    pub fn is_told(&mut self, decision: &Decision, direction: Option<Direction>, spare: bool, now: Moment) -> bool {
        let Verdict::Deny { reason } = decision.verdict else { return true };
        let person = decision.nearest.map(|Match { person, .. }| person).filter(|_| reason.is_about_the_person());
        let kind = Kind { camera: decision.camera.clone(), direction, reason, person };
        self.forget(now);
        if !self.kinds.contains_key(&kind) && self.kinds.len() >= MOST_KINDS {
            return true;
        }
        let seen = self.kinds.entry(kind).or_insert_with(|| Seen::new(now));
        seen.last = now;
        seen.is_told(decision.track, spare, now)
    }

    /// The summaries that are due now. Each is due until [`Repeats::told`] or [`Repeats::put_off`]. `end`: there will be no later one.
    pub fn due(&self, end: bool, now: Moment) -> Vec<RepeatSummary> {
        let of_kind = |(kind, seen): (&Kind, &Seen)| {
            let counted = seen.counted.as_ref().filter(|counted| end || counted.due <= now)?;
            let Counted { since, count, faces, .. } = *counted;
            Some(RepeatSummary { kind: kind.clone(), count, faces, span: now.since(since) })
        };
        self.kinds.iter().filter_map(of_kind).collect()
    }

    /// The summary of this kind is written down.
    pub fn told(&mut self, kind: &Kind) {
        if let Some(seen) = self.kinds.get_mut(kind) {
            seen.counted = None;
            seen.faces.iter_mut().for_each(|face| face.counted = false);
        }
    }

    /// The summary of this kind could not be written down: it is due again later, with what comes in between.
    pub fn put_off(&mut self, kind: &Kind, now: Moment) {
        if let Some(counted) = self.kinds.get_mut(kind).and_then(|seen| seen.counted.as_mut()) {
            counted.due = now + MINUTE;
        }
    }

    /// When [`Repeats::due`] has something to say next.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.kinds.values().filter_map(|seen| Some(seen.counted.as_ref()?.due)).min()
    }

    /// Drops the kinds that are over and told.
    fn forget(&mut self, now: Moment) {
        self.kinds.retain(|_, seen| {
            while seen.told.front().is_some_and(|at| now.since(*at) >= HOUR) {
                seen.told.pop_front();
            }
            if now.since(seen.last) >= QUIET && seen.counted.is_none() {
                seen.faces.clear();
            }
            seen.counted.is_some() || !seen.told.is_empty()
        });
    }
}

impl Seen {
    fn new(now: Moment) -> Seen {
        Seen { last: now, told: VecDeque::new(), faces: Vec::new(), counted: None }
    }

    fn is_told(&mut self, track: TrackId, spare: bool, now: Moment) -> bool {
        let in_a_minute = self.told.iter().rev().take_while(|at| now.since(**at) < MINUTE).count();
        let many = in_a_minute >= IN_A_MINUTE || self.told.len() >= IN_AN_HOUR;
        let face = self.face(track, now);
        if !spare && !many && face.told < OF_ONE_FACE {
            face.told += 1;
            self.told.push_back(now);
            return true;
        }
        let new = u64::from(!std::mem::replace(&mut face.counted, true));
        let counted = self.counted.get_or_insert_with(|| Counted { since: now, due: now + MINUTE, count: 0, faces: 0 });
        counted.count = counted.count.saturating_add(1);
        counted.faces = counted.faces.saturating_add(new);
        false
    }

    fn face(&mut self, track: TrackId, now: Moment) -> &mut Face {
        let at = match self.faces.iter().position(|face| face.track == track) {
            Some(at) => at,
            None => {
                if self.faces.len() >= MOST_FACES {
                    let oldest = self.faces.iter().enumerate().min_by_key(|(_, face)| face.last);
                    if let Some((at, _)) = oldest {
                        self.faces.swap_remove(at);
                    }
                }
                self.faces.push(Face { track, told: 0, last: now, counted: false });
                self.faces.len() - 1
            }
        };
        let face = &mut self.faces[at];
        face.last = now;
        face
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
        told: u64,
        summaries: Vec<RepeatSummary>,
    }

    impl Played {
        fn new() -> Played {
            Played { repeats: Repeats::default(), told: 0, summaries: Vec::new() }
        }

        fn hear(&mut self, decision: &Decision, ms: u64) -> bool {
            self.tick(false, ms);
            let told = self.repeats.is_told(decision, None, false, at(ms));
            self.told += u64::from(told);
            told
        }

        fn tick(&mut self, end: bool, ms: u64) {
            for summary in self.repeats.due(end, at(ms)) {
                self.repeats.told(&summary.kind);
                self.summaries.push(summary);
            }
        }

        fn counted(&self) -> u64 {
            self.summaries.iter().map(|summary| summary.count).sum()
        }
    }

    #[test]
    fn a_poster_becomes_a_summary_a_minute() {
        let mut played = Played::new();
        // Twenty faces, each refused every five seconds for ten minutes.
        for round in 0..120 {
            for face in 0..20 {
                played.hear(&denied(Reason::Unknown, face, face as u32 % 7), round * 5000 + face * 10);
            }
        }
        played.tick(true, 600_000);
        assert_eq!((played.told, played.counted()), (60, 2400 - 60));
        assert!((9..=11).contains(&played.summaries.len()), "{}", played.summaries.len());
        assert_eq!(played.summaries[1].faces, 20);
        assert_eq!(played.summaries[1].kind.person, None, "the nearest is somebody else");
    }

    #[test]
    fn somebody_else_is_told_while_a_flood_lasts() {
        let mut played = Played::new();
        for second in 0..300 {
            played.hear(&denied(Reason::Unknown, 1, 1), second * 1000);
        }
        assert_eq!(played.told, 3);
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
        assert!((0..1000).all(|n| played.repeats.is_told(&grant, None, true, at(300_000 + n))));
    }

    #[test]
    fn a_face_that_comes_again_after_a_while_is_told_again() {
        let mut played = Played::new();
        for second in 0..10 {
            played.hear(&denied(Reason::Disabled, 1, 1), second * 1000);
        }
        played.tick(false, 70_000);
        assert_eq!((played.told, played.counted()), (3, 7));
        assert!(played.hear(&denied(Reason::Disabled, 1, 1), 130_000));
    }

    #[test]
    fn what_could_not_be_written_is_told_later() {
        let mut repeats = Repeats::default();
        let denial = denied(Reason::Unknown, 1, 1);
        for n in 0..10 {
            repeats.is_told(&denial, None, true, at(n));
        }
        let due = repeats.due(false, at(60_000));
        assert_eq!(due[0].count, 10, "nothing was told by itself: there was no room");
        repeats.put_off(&due[0].kind, at(60_000));
        assert!(repeats.due(false, at(60_001)).is_empty());
        repeats.is_told(&denial, None, true, at(60_002));
        assert_eq!(repeats.due(false, at(120_000))[0].count, 11);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        /// Every denial is told or counted, once; the first of each kind is told; and there are at most so many records an hour for each
        /// kind, whatever stands before the camera.
        #[test]
        fn all_is_accounted_for_and_records_are_bounded(
            denials in prop::collection::vec((1u64..4000, 0u64..200, 0u32..3, 0usize..4), 1..3000),
        ) {
            let reasons = [Reason::Unknown, Reason::PoorView, Reason::Disabled, Reason::OutsideSchedule];
            let (mut played, mut ms, mut first) = (Played::new(), 0, std::collections::BTreeSet::new());
            let mut told_at: BTreeMap<(usize, u32), Vec<u64>> = BTreeMap::new();
            for (gap, track, person, reason) in &denials {
                ms += gap;
                let known = reasons[*reason].is_about_the_person();
                let kind = (*reason, if known { *person } else { 0 });
                let told = played.hear(&denied(reasons[*reason], *track, *person), ms);
                prop_assert!(told || !first.insert(kind), "the first of a kind");
                first.insert(kind);
                if told {
                    told_at.entry(kind).or_default().push(ms);
                }
            }
            played.tick(true, ms);
            prop_assert_eq!(played.told + played.counted(), denials.len() as u64);
            for times in told_at.values() {
                prop_assert!(times.windows(21).all(|w| w[20] - w[0] >= 60_000));
                prop_assert!(times.windows(121).all(|w| w[120] - w[0] >= 3_600_000));
            }
            let minutes = ms / 60_000 + 1;
            prop_assert!(played.summaries.len() as u64 <= (minutes + 1) * 8, "{}", played.summaries.len());
        }
    }
}

//! The findings of the last frames of each track, and which denials have been given.
//!
//! Memory is bounded: a track that has not been seen for longer than the window is dropped. A camera has at most [`MOST_TRACKS`] tracks;
//! beyond that, a new one replaces the track seen longest ago, so that faces in view outlive faces that flickered. Only if all of them are in
//! the same frame is the new one ignored.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::person::Clear;
use super::rules::Finding;
use crate::domain::{Distance, Moment, PersonId, Point, Reason, TrackId};

/// The most tracks kept for a camera, far more than the faces that a door's camera sees at once.
pub(super) const MOST_TRACKS: usize = 64;

/// The tracks of all cameras.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    cameras: BTreeMap<Arc<str>, Vec<Track>>,
}

/// The finding of one frame of a track.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub frame: u64,
    /// Never after the moment when it was examined.
    pub captured_at: Moment,
    pub finding: Finding,
    /// For a sure finding, the distance if it is clearly within the limit.
    pub clear: Option<Distance>,
    /// For a sure finding, another person who is near enough too.
    pub also: Option<PersonId>,
    /// As in [`crate::domain::Face`].
    pub landmarks: [Point; 5],
}

/// One face over time.
#[derive(Debug)]
pub(super) struct Track {
    id: TrackId,
    /// When the newest look arrived.
    seen_at: Moment,
    /// Oldest first, distinct frames only; never empty.
    looks: VecDeque<Look>,
    /// The capture time of the very first look.
    began: Moment,
    /// The latest sure finding: the person and the capture time.
    last_sure: Option<(PersonId, Moment)>,
    /// The latest sure finding of anyone but that person.
    other_sure: Option<(PersonId, Moment)>,
    /// Since when a face in poor view has been waiting for a decision.
    pub waiting_since: Moment,
    /// When each kind of denial was last given; see [`Track::may_deny`].
    denied: [Option<Moment>; 5],
}

/// The looks of a track, counted by finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LookCounts {
    pub looks: u32,
    pub poor: u32,
    pub unknown: u32,
    pub ambiguous: u32,
    /// Looks with a sure finding.
    pub sure: u32,
    /// The person with the most sure findings, and their number; of equals, the later one.
    pub leader: Option<(PersonId, u32)>,
}

impl Evidence {
    /// Drops tracks that have not been seen for longer than `window`.
    pub fn forget(&mut self, now: Moment, window: Duration) {
        self.cameras.retain(|_, tracks| {
            tracks.retain(|track| now.since(track.seen_at) <= window);
            !tracks.is_empty()
        });
    }

    /// Adds `look` to a track, and returns the track; `None` if the look does not count.
    ///
    /// A look does not count if its frame is not newer than the track's newest, by number and by capture time: it was delivered twice or out
    /// of order. (A reopened camera counts from zero: its tracks are dropped after one window, and start again.)
    pub fn add(
        &mut self,
        camera: &Arc<str>,
        id: TrackId,
        look: Look,
        now: Moment,
        most_looks: u32,
        window: Duration,
    ) -> Option<&mut Track> {
        let tracks = self.cameras.entry(Arc::clone(camera)).or_default();
        let at = match tracks.iter().position(|track| track.id == id) {
            Some(at) => tracks.get_mut(at)?.add(look, now, most_looks, window).then_some(at)?,
            None if tracks.len() < MOST_TRACKS => {
                tracks.push(Track::new(id, look, now));
                tracks.len() - 1
            }
            None => {
                let gone = |track: &Track| track.newest().is_none_or(|newest| newest.frame != look.frame);
                let absent = tracks.iter_mut().enumerate().filter(|(_, track)| gone(track));
                let (at, track) = absent.min_by_key(|(_, track)| track.seen_at)?;
                *track = Track::new(id, look, now);
                at
            }
        };
        tracks.get_mut(at)
    }

    /// A track, if it has been seen within `window`.
    pub fn track(&self, camera: &str, id: TrackId, now: Moment, window: Duration) -> Option<&Track> {
        let known = self.cameras.get(camera)?.iter().find(|track| track.id == id);
        known.filter(|track| now.since(track.seen_at) <= window)
    }

    /// A track, if it is known.
    pub fn track_mut(&mut self, camera: &str, id: TrackId) -> Option<&mut Track> {
        self.cameras.get_mut(camera)?.iter_mut().find(|track| track.id == id)
    }

    /// The number of tracks of all cameras.
    #[cfg(test)]
    pub fn tracks(&self) -> usize {
        self.cameras.values().map(Vec::len).sum()
    }
}

impl Track {
    fn new(id: TrackId, look: Look, now: Moment) -> Track {
        let mut track = Track {
            id,
            seen_at: now,
            looks: VecDeque::with_capacity(8),
            began: look.captured_at,
            last_sure: None,
            other_sure: None,
            waiting_since: look.captured_at,
            denied: [None; 5],
        };
        track.looks.push_back(look);
        track.note_sure(look);
        track
    }

    fn add(&mut self, look: Look, now: Moment, most_looks: u32, window: Duration) -> bool {
        let newer = |newest: &Look| look.frame > newest.frame && look.captured_at >= newest.captured_at;
        if !self.newest().is_none_or(newer) {
            return false;
        }
        self.looks.push_back(look);
        while self.looks.len() > most_looks as usize
            || self.looks.front().is_some_and(|oldest| look.captured_at.since(oldest.captured_at) > window)
        {
            self.looks.pop_front();
        }
        self.note_sure(look);
        self.seen_at = now;
        true
    }

    fn note_sure(&mut self, look: Look) {
        if let Finding::Sure(person) = look.finding {
            if self.last_sure.is_some_and(|(last, _)| last != person) {
                self.other_sure = self.last_sure;
            }
            self.last_sure = Some((person, look.captured_at));
        }
    }

    /// The newest look.
    pub fn newest(&self) -> Option<&Look> {
        self.looks.back()
    }

    /// Whether the two newest looks have the same finding.
    pub fn is_steady(&self) -> bool {
        let mut newest = self.looks.iter().rev().map(|look| look.finding);
        newest.next().is_some_and(|last| newest.next() == Some(last))
    }

    fn since_capture(&self, earlier: Moment) -> Duration {
        self.newest().map_or(Duration::ZERO, |newest| newest.captured_at.since(earlier))
    }

    /// The person of the last sure finding, and its capture time, however long ago.
    pub fn last_sure(&self) -> Option<(PersonId, Moment)> {
        self.last_sure
    }

    /// Whether the last sure finding was captured within `window` of the newest look.
    pub fn sure_lately(&self, window: Duration) -> bool {
        self.last_sure.is_some_and(|(_, at)| self.since_capture(at) <= window)
    }

    /// A person other than [`Track::last_sure`] with a sure finding within `window` of the newest look, and how long before it. It covers the
    /// whole window, also beyond the looks that are kept and counted.
    pub fn other_sure(&self, window: Duration) -> Option<(PersonId, Duration)> {
        let (person, at) = self.other_sure?;
        let before = self.since_capture(at);
        (before <= window).then_some((person, before))
    }

    /// How long this face has been in view, in capture time.
    pub fn lasted(&self) -> Duration {
        self.since_capture(self.began)
    }

    /// How long a face in poor view has been waiting, in capture time.
    pub fn waited(&self) -> Duration {
        self.since_capture(self.waiting_since)
    }

    /// The number of sure findings of `person`.
    pub fn count(&self, person: PersonId) -> u32 {
        self.sure_of(person).count() as u32
    }

    /// The looks with a sure finding of `person`, oldest first.
    pub fn sure_of(&self, person: PersonId) -> impl Iterator<Item = &Look> {
        self.looks.iter().filter(move |look| look.finding == Finding::Sure(person))
    }

    /// The other people who are near enough in a sure finding of `person`, without duplicates.
    pub fn resembles(&self, person: PersonId) -> Vec<PersonId> {
        let mut others: Vec<PersonId> = self.sure_of(person).filter_map(|look| look.also).collect();
        others.sort_unstable();
        others.dedup();
        others
    }

    /// The clear evidence for `person`: all looks except poor views, and at least `needed` of them, clearly show this person. `None` if they do
    /// not.
    pub fn clear(&self, person: PersonId, needed: u32) -> Option<Clear> {
        let mut clear = Clear { frames: 0, farthest: Distance(0.0) };
        for look in self.looks.iter().filter(|look| look.finding != Finding::Poor) {
            let distance = look.clear.filter(|_| look.finding == Finding::Sure(person))?;
            clear = Clear { frames: clear.frames + 1, farthest: Distance(clear.farthest.0.max(distance.0)) };
        }
        (clear.frames >= needed).then_some(clear)
    }

    /// The number of sure findings of `person` that remain after one more look, if at most `most_looks` are kept.
    pub fn count_kept(&self, person: PersonId, most_looks: u32) -> u32 {
        let skip = (self.looks.len() + 1).saturating_sub(most_looks as usize);
        self.looks.iter().skip(skip).filter(|look| look.finding == Finding::Sure(person)).count() as u32
    }

    /// Counts the looks by finding.
    pub fn counts(&self) -> LookCounts {
        let mut counts = LookCounts { looks: self.looks.len() as u32, ..LookCounts::default() };
        for look in &self.looks {
            match look.finding {
                Finding::Poor => counts.poor += 1,
                Finding::Unknown => counts.unknown += 1,
                Finding::Ambiguous => counts.ambiguous += 1,
                Finding::Sure(person) => {
                    counts.sure += 1;
                    let count = self.count(person);
                    if counts.leader.is_none_or(|(_, most)| count >= most) {
                        counts.leader = Some((person, count));
                    }
                }
            }
        }
        counts
    }

    /// When the first kind of denial that was given within `repeat` may be given again; `None` if none was.
    pub fn quiet_until(&self, now: Moment, repeat: Duration) -> Option<Moment> {
        self.denied.iter().flatten().map(|at| *at + repeat).filter(|until| now < *until).min()
    }

    /// Whether a denial for `reason` may be given now. If so, it counts as given.
    ///
    /// Denials are of several kinds: not recognised (unknown or ambiguous, between which a face near the limit flickers), inconsistent, a poor
    /// view, too late, and all others. Each kind is given once per `repeat`. A poor view is not worth a denial after any other: the person got
    /// an answer and turned away.
    pub fn may_deny(&mut self, reason: Reason, now: Moment, repeat: Duration) -> bool {
        let lately = |denied: &Option<Moment>| denied.is_some_and(|at| now.since(at) < repeat);
        let any_lately = self.denied.iter().any(lately);
        let [not_recognised, inconsistent, stale, poor_view, other] = &mut self.denied;
        let last = match reason {
            Reason::Unknown | Reason::Ambiguous => not_recognised,
            Reason::Inconsistent => inconsistent,
            Reason::Stale => stale,
            Reason::PoorView => poor_view,
            _ => other,
        };
        if lately(last) || (reason == Reason::PoorView && any_lately) {
            return false;
        }
        *last = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_millis(1500);

    fn ms(ms: u64) -> Moment {
        Moment(Duration::from_millis(ms))
    }

    fn look(frame: u64, at_ms: u64, finding: Finding) -> Look {
        Look { frame, captured_at: ms(at_ms), finding, clear: None, also: None, landmarks: Default::default() }
    }

    fn add(evidence: &mut Evidence, track: u64, look: Look) -> Option<&mut Track> {
        evidence.add(&"door".into(), TrackId(track), look, look.captured_at, 5, WINDOW)
    }

    #[test]
    fn repeated_and_older_frames_do_not_count() {
        let mut evidence = Evidence::default();
        assert!(add(&mut evidence, 1, look(7, 100, Finding::Unknown)).is_some());
        assert!(add(&mut evidence, 1, look(7, 100, Finding::Unknown)).is_none());
        assert!(add(&mut evidence, 1, look(6, 200, Finding::Unknown)).is_none());
        assert!(add(&mut evidence, 1, look(8, 99, Finding::Unknown)).is_none());
        let track = add(&mut evidence, 1, look(8, 100, Finding::Poor)).unwrap();
        assert_eq!(track.counts(), LookCounts { looks: 2, poor: 1, unknown: 1, ..LookCounts::default() });
    }

    #[test]
    fn looks_are_dropped_by_number_and_by_time() {
        let mut evidence = Evidence::default();
        for n in 0..6 {
            add(&mut evidence, 1, look(n, n * 10, Finding::Unknown));
        }
        assert_eq!(add(&mut evidence, 1, look(6, 60, Finding::Poor)).unwrap().counts().looks, 5);
        // 1550 is exactly one window after the look at 50.
        assert_eq!(add(&mut evidence, 1, look(7, 1550, Finding::Poor)).unwrap().counts().looks, 3);
        assert_eq!(add(&mut evidence, 1, look(8, 1561, Finding::Poor)).unwrap().counts().looks, 2);
    }

    #[test]
    fn another_person_is_remembered_for_the_whole_window() {
        let mut evidence = Evidence::default();
        add(&mut evidence, 1, look(0, 0, Finding::Sure(PersonId(2))));
        for n in 1..=15 {
            let track = add(&mut evidence, 1, look(n, n * 100, Finding::Sure(PersonId(1)))).unwrap();
            assert_eq!(track.other_sure(WINDOW), Some((PersonId(2), Duration::from_millis(n * 100))));
        }
        let track = add(&mut evidence, 1, look(16, 1600, Finding::Sure(PersonId(1)))).unwrap();
        assert_eq!(track.other_sure(WINDOW), None);
        assert_eq!(track.last_sure(), Some((PersonId(1), ms(1600))));
    }

    #[test]
    fn the_leader_has_the_most_sure_findings() {
        let mut evidence = Evidence::default();
        for (n, person) in [2, 1, 1, 2, 1].into_iter().enumerate() {
            add(&mut evidence, 1, look(n as u64, n as u64, Finding::Sure(PersonId(person))));
        }
        let track = add(&mut evidence, 1, look(9, 9, Finding::Poor)).unwrap();
        assert_eq!(track.counts().leader, Some((PersonId(1), 3)));
        assert_eq!(track.count_kept(PersonId(1), 5), 2);
        assert_eq!(track.count_kept(PersonId(1), 6), 3);
    }

    #[test]
    fn unseen_tracks_are_dropped_after_the_window() {
        let mut evidence = Evidence::default();
        add(&mut evidence, 1, look(0, 0, Finding::Poor));
        evidence.forget(ms(1500), WINDOW);
        assert_eq!(evidence.tracks(), 1);
        evidence.forget(ms(1501), WINDOW);
        assert_eq!(evidence.tracks(), 0);
        assert!(evidence.cameras.is_empty());
    }

    #[test]
    fn a_new_track_replaces_the_one_seen_longest_ago() {
        let mut evidence = Evidence::default();
        for track in 0..MOST_TRACKS as u64 {
            assert!(add(&mut evidence, track, look(0, 0, Finding::Poor)).is_some());
        }
        assert!(add(&mut evidence, 1000, look(0, 0, Finding::Poor)).is_none(), "all are in this frame");
        for track in (0..MOST_TRACKS as u64).filter(|&track| track != 17) {
            add(&mut evidence, track, look(1, 50, Finding::Poor));
        }
        assert!(add(&mut evidence, 1000, look(1, 50, Finding::Poor)).is_some());
        assert_eq!(evidence.tracks(), MOST_TRACKS);
        assert!(!evidence.cameras["door"].iter().any(|track| track.id == TrackId(17)));
    }

    #[test]
    fn each_kind_of_denial_is_given_once_in_a_while() {
        let repeat = Duration::from_secs(5);
        let mut track = Track::new(TrackId(1), look(0, 0, Finding::Unknown), ms(0));
        assert!(track.may_deny(Reason::PoorView, ms(0), repeat));
        assert!(track.may_deny(Reason::Unknown, ms(1000), repeat));
        assert!(!track.may_deny(Reason::Ambiguous, ms(2000), repeat));
        assert!(track.may_deny(Reason::Stale, ms(2000), repeat));
        assert!(!track.may_deny(Reason::PoorView, ms(5500), repeat), "the face got its answer");
        assert!(track.may_deny(Reason::Ambiguous, ms(6000), repeat));
    }
}

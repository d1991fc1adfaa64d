//! What the last frames of each track showed, and what has been said of it.
//!
//! Memory is bounded: a track that has not been seen for longer than the window is dropped. A camera has at most
//! [`MOST_TRACKS`] tracks; a new one beyond that takes the place of the track that was seen longest ago, so that faces in
//! view outlive faces that flickered. Only when all of them are in the very same frame is the new one ignored.
//!
//! Knows nothing of limits on distance or quality, and draws no conclusions.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::rules::Finding;
use super::shown::Clear;
use crate::domain::{Distance, Moment, PersonId, Reason, TrackId};

/// Most tracks kept of one camera. Far above the number of faces that a door's camera sees at once.
pub(super) const MOST_TRACKS: usize = 64;

/// All tracks of all cameras.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    cameras: BTreeMap<Arc<str>, Vec<Track>>,
}

/// One frame of a track.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub frame: u64,
    /// Never ahead of the moment in which it was looked at.
    pub captured_at: Moment,
    pub finding: Finding,
    /// Of a sure look the distance, when it is clearly within the limit.
    pub clear: Option<Distance>,
    /// Of a sure look somebody else who is near enough, too.
    pub also: Option<PersonId>,
}

/// One face over time.
#[derive(Debug)]
pub(super) struct Track {
    id: TrackId,
    /// When the newest look came in.
    seen_at: Moment,
    /// Oldest first, distinct frames only; never empty.
    looks: VecDeque<Look>,
    /// The capture time of the very first look.
    began: Moment,
    /// The two people who were last seen surely, the latest first, each with the capture time of the last such look.
    sure: [Option<(PersonId, Moment)>; 2],
    /// From when on a face that cannot be seen well has been waiting for a word.
    pub waiting_since: Moment,
    /// When a denial of each kind was last said.
    said: [Option<Moment>; 5],
}

/// The looks of a track, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub looks: u32,
    pub poor: u32,
    pub unknown: u32,
    pub ambiguous: u32,
    /// Looks that show anybody surely.
    pub sure: u32,
    /// Who is shown surely most often, and how often; the later one when two are equal.
    pub leader: Option<(PersonId, u32)>,
}

impl Evidence {
    /// Drops the tracks that have not been seen for longer than `window`.
    pub fn forget(&mut self, now: Moment, window: Duration) {
        self.cameras.retain(|_, tracks| {
            tracks.retain(|track| now.since(track.seen_at) <= window);
            !tracks.is_empty()
        });
    }

    /// Adds `look` to a track and gives the track; `None` when the look does not count.
    ///
    /// A look does not count when its frame is not newer than the track's newest, by number and by capture time: it was
    /// delivered twice or out of order. (A camera that was opened again counts from zero: its tracks are forgotten after one
    /// window, and start anew.)
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
            Some(at) if tracks[at].add(look, now, most_looks, window) => at,
            Some(_) => return None,
            None if tracks.len() < MOST_TRACKS => {
                tracks.push(Track::new(id, look, now));
                tracks.len() - 1
            }
            None => {
                let gone = |track: &Track| track.newest().is_none_or(|newest| newest.frame != look.frame);
                let (at, _) = tracks
                    .iter()
                    .enumerate()
                    .filter(|(_, track)| gone(track))
                    .min_by_key(|(_, track)| track.seen_at)?;
                tracks[at] = Track::new(id, look, now);
                at
            }
        };
        tracks.get_mut(at)
    }

    /// Tracks kept of all cameras.
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
            sure: [None; 2],
            waiting_since: look.captured_at,
            said: [None; 5],
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
            if self.last_sure().is_some_and(|(last, _)| last != person) {
                self.sure[1] = self.sure[0];
            }
            self.sure[0] = Some((person, look.captured_at));
        }
    }

    fn newest(&self) -> Option<&Look> {
        self.looks.back()
    }

    fn since_capture(&self, earlier: Moment) -> Duration {
        self.newest().map_or(Duration::ZERO, |newest| newest.captured_at.since(earlier))
    }

    /// Who was last seen surely, and the capture time of that look, however long ago.
    pub fn last_sure(&self) -> Option<(PersonId, Moment)> {
        self.sure[0]
    }

    /// Whether the last sure look was captured within `window` of the newest look.
    pub fn sure_lately(&self, window: Duration) -> bool {
        self.sure[0].is_some_and(|(_, at)| self.since_capture(at) <= window)
    }

    /// Somebody else than [`Track::last_sure`] who was also seen surely within `window` of the newest look, and how long
    /// before it. Reaches back over the whole window, also beyond the looks that are kept and counted.
    pub fn other_sure(&self, window: Duration) -> Option<(PersonId, Duration)> {
        let (person, at) = self.sure[1]?;
        let before = self.since_capture(at);
        (before <= window).then_some((person, before))
    }

    /// How long this face has been looked at, in capture time.
    pub fn lasted(&self) -> Duration {
        self.since_capture(self.began)
    }

    /// How long a face that cannot be seen well has been waiting, in capture time.
    pub fn waited(&self) -> Duration {
        self.since_capture(self.waiting_since)
    }

    /// Looks that show `person` surely.
    pub fn count(&self, person: PersonId) -> u32 {
        self.looks.iter().filter(|look| look.finding == Finding::Sure(person)).count() as u32
    }

    /// The other people who are near enough in a look that shows `person` surely, each once.
    pub fn resembles(&self, person: PersonId) -> Vec<PersonId> {
        let mut others: Vec<PersonId> = self
            .looks
            .iter()
            .filter(|look| look.finding == Finding::Sure(person))
            .filter_map(|look| look.also)
            .collect();
        others.sort_unstable();
        others.dedup();
        others
    }

    /// The looks as clear evidence for `person`: all that are no poor views, at least `needed`, show this person clearly. `None` when they
    /// do not.
    pub fn clear(&self, person: PersonId, needed: u32) -> Option<Clear> {
        let mut clear = Clear { frames: 0, farthest: Distance(0.0) };
        for look in self.looks.iter().filter(|look| look.finding != Finding::Poor) {
            let distance = look.clear.filter(|_| look.finding == Finding::Sure(person))?;
            clear = Clear { frames: clear.frames + 1, farthest: Distance(clear.farthest.0.max(distance.0)) };
        }
        (clear.frames >= needed).then_some(clear)
    }

    /// Looks that will still show `person` surely after one more look, when at most `most_looks` are kept.
    pub fn count_kept(&self, person: PersonId, most_looks: u32) -> u32 {
        let skip = (self.looks.len() + 1).saturating_sub(most_looks as usize);
        self.looks.iter().skip(skip).filter(|look| look.finding == Finding::Sure(person)).count() as u32
    }

    /// Counts the looks.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally { looks: self.looks.len() as u32, ..Tally::default() };
        for look in &self.looks {
            match look.finding {
                Finding::Poor => tally.poor += 1,
                Finding::Unknown => tally.unknown += 1,
                Finding::Ambiguous => tally.ambiguous += 1,
                Finding::Sure(person) => {
                    tally.sure += 1;
                    let count = self.count(person);
                    if tally.leader.is_none_or(|(_, most)| count >= most) {
                        tally.leader = Some((person, count));
                    }
                }
            }
        }
        tally
    }

    /// Whether a denial for `reason` may be said now; if so, it counts as said.
    ///
    /// Denials are of four kinds: not recognised (unknown or ambiguous, between which a face near the limit flickers),
    /// inconsistent, a poor view, too late. Each kind is said once per `repeat`. A poor view is not worth a word after any
    /// other: the face was seen, got its answer, and turned away.
    pub fn may_say(&mut self, reason: Reason, now: Moment, repeat: Duration) -> bool {
        let lately = |said: &Option<Moment>| said.is_some_and(|at| now.since(at) < repeat);
        let kind = match reason {
            Reason::Unknown | Reason::Ambiguous => 0,
            Reason::Inconsistent => 1,
            Reason::Stale => 2,
            Reason::PoorView => 3,
            _ => 4,
        };
        if lately(&self.said[kind]) || (reason == Reason::PoorView && self.said.iter().any(lately)) {
            return false;
        }
        self.said[kind] = Some(now);
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
        Look { frame, captured_at: ms(at_ms), finding, clear: None, also: None }
    }

    fn add(evidence: &mut Evidence, track: u64, look: Look) -> Option<&mut Track> {
        evidence.add(&"door".into(), TrackId(track), look, look.captured_at, 5, WINDOW)
    }

    #[test]
    fn twice_the_same_frame_or_an_older_one_does_not_count() {
        let mut evidence = Evidence::default();
        assert!(add(&mut evidence, 1, look(7, 100, Finding::Unknown)).is_some());
        assert!(add(&mut evidence, 1, look(7, 100, Finding::Unknown)).is_none());
        assert!(add(&mut evidence, 1, look(6, 200, Finding::Unknown)).is_none());
        assert!(add(&mut evidence, 1, look(8, 99, Finding::Unknown)).is_none());
        let track = add(&mut evidence, 1, look(8, 100, Finding::Poor)).unwrap();
        assert_eq!(track.tally(), Tally { looks: 2, poor: 1, unknown: 1, ..Tally::default() });
    }

    #[test]
    fn looks_leave_by_number_and_by_time() {
        let mut evidence = Evidence::default();
        for n in 0..6 {
            add(&mut evidence, 1, look(n, n * 10, Finding::Unknown));
        }
        assert_eq!(add(&mut evidence, 1, look(6, 60, Finding::Poor)).unwrap().tally().looks, 5);
        // 1550 is exactly a window after the look at 50.
        assert_eq!(add(&mut evidence, 1, look(7, 1550, Finding::Poor)).unwrap().tally().looks, 3);
        assert_eq!(add(&mut evidence, 1, look(8, 1561, Finding::Poor)).unwrap().tally().looks, 2);
    }

    #[test]
    fn somebody_else_is_remembered_for_the_whole_window_beyond_the_looks_kept() {
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
    fn the_leader_is_who_is_shown_most() {
        let mut evidence = Evidence::default();
        for (n, person) in [2, 1, 1, 2, 1].into_iter().enumerate() {
            add(&mut evidence, 1, look(n as u64, n as u64, Finding::Sure(PersonId(person))));
        }
        let track = add(&mut evidence, 1, look(9, 9, Finding::Poor)).unwrap();
        assert_eq!(track.tally().leader, Some((PersonId(1), 3)));
        assert_eq!(track.count_kept(PersonId(1), 5), 2);
        assert_eq!(track.count_kept(PersonId(1), 6), 3);
    }

    #[test]
    fn unseen_tracks_are_forgotten_after_the_window() {
        let mut evidence = Evidence::default();
        add(&mut evidence, 1, look(0, 0, Finding::Poor));
        evidence.forget(ms(1500), WINDOW);
        assert_eq!(evidence.tracks(), 1);
        evidence.forget(ms(1501), WINDOW);
        assert_eq!(evidence.tracks(), 0);
        assert!(evidence.cameras.is_empty());
    }

    #[test]
    fn a_full_camera_gives_the_place_of_the_track_seen_longest_ago() {
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
    fn each_kind_of_denial_is_said_once_in_a_while() {
        let repeat = Duration::from_secs(5);
        let mut track = Track::new(TrackId(1), look(0, 0, Finding::Unknown), ms(0));
        assert!(track.may_say(Reason::PoorView, ms(0), repeat));
        assert!(track.may_say(Reason::Unknown, ms(1000), repeat));
        assert!(!track.may_say(Reason::Ambiguous, ms(2000), repeat));
        assert!(track.may_say(Reason::Stale, ms(2000), repeat));
        assert!(!track.may_say(Reason::PoorView, ms(5500), repeat), "the face got its answer");
        assert!(track.may_say(Reason::Ambiguous, ms(6000), repeat));
    }
}

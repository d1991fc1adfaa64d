//! Tracking: gives a face the same number from frame to frame while it stays in view of one camera.
//!
//! Uses position and size only. In doubt it starts a new track: a new number costs a moment, but a number that passes from one person to
//! another would mix up two people.

use std::time::Duration;

use crate::domain::{Bounds, Face, Moment, TrackId};

/// The most tracks that are kept; far more than the faces that a door's camera sees at once.
const MAX_TRACKS: usize = 64;

/// The smallest intersection over union at which two boxes can be of one face. The value of SORT (Bewley et al., "Simple Online and Realtime
/// Tracking", 2016).
const MIN_OVERLAP: f32 = 0.3;

/// The farthest that a face can move between consecutive frames, in its mean size. A pedestrian crosses the picture at about 1.4 m/s, and a head
/// is about 0.15 m wide: one width in each of ten frames a second.
const MAX_SHIFT: f32 = 1.0;

/// The largest factor by which its size can change: the same pedestrian, approaching from 0.5 m away: 0.5 / (0.5 - 0.14).
const MAX_GROWTH: f32 = 1.4;

/// Two candidates whose affinities differ by less than this count as equally good.
const CLEAR_LEAD: f32 = 0.1;

/// The faces in view of one camera. Keep one for each camera for the life of the process, even if the camera is reopened: its numbers are never
/// reused.
#[derive(Debug)]
pub struct Tracker {
    end_after: Duration,
    next: u64,
    /// When the last frame was captured.
    last: Option<Moment>,
    tracks: Vec<Track>,
    /// Scratch memory, reused from frame to frame.
    pairs: Vec<Pair>,
}

#[derive(Debug)]
struct Track {
    id: TrackId,
    bounds: Bounds,
    seen_at: Moment,
    state: State,
}

/// The state of a face or a track in this frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    /// Matched with one of the other side.
    Paired,
    /// Two of the other side fit nearly equally well.
    Contested,
}

/// A face of this frame and a track that may be its own.
#[derive(Clone, Copy, Debug)]
struct Pair {
    affinity: f32,
    face: usize,
    track: usize,
    possible: bool,
}

#[expect(clippy::indexing_slicing, reason = "a pair's indices are those of the faces and tracks that it was made from")]
impl Tracker {
    /// Without any faces yet. A track ends when its face has not been seen for longer than `end_after`; 1 s is usual.
    pub fn new(end_after: Duration) -> Tracker {
        Tracker { end_after, next: 1, last: None, tracks: Vec::new(), pairs: Vec::new() }
    }

    /// The track of each of the `faces` of a frame captured at `at`, in the same order; no two are the same.
    ///
    /// A face continues the track whose last position it fits best. It starts a new one if there is none, or if two fit nearly equally well;
    /// such contested tracks end. A face whose bounds are empty or not finite starts a track that ends immediately. Of more than 64 tracks,
    /// those seen longest ago end.
    pub fn track(&mut self, faces: &[Face], at: Moment) -> Vec<TrackId> {
        self.tracks.retain(|track| at.since(track.seen_at) <= self.end_after);
        self.pair(faces);
        let mut states = vec![State::Free; faces.len()];
        let mut ids = vec![TrackId(0); faces.len()];
        for n in 0..self.pairs.len() {
            let pair = self.pairs[n];
            if !pair.possible || states[pair.face] != State::Free || self.tracks[pair.track].state != State::Free {
                continue;
            }
            if self.has_rival(pair, &states) {
                states[pair.face] = State::Contested;
                self.contest(pair);
                continue;
            }
            let track = &mut self.tracks[pair.track];
            track.state = State::Paired;
            track.bounds = faces[pair.face].bounds;
            track.seen_at = at;
            states[pair.face] = State::Paired;
            ids[pair.face] = track.id;
        }
        self.tracks.retain(|track| track.state != State::Contested);
        for (n, face) in faces.iter().enumerate() {
            if states[n] != State::Paired {
                ids[n] = self.start(face.bounds, at);
            }
        }
        if self.tracks.len() > MAX_TRACKS {
            self.tracks.sort_by_key(|track| std::cmp::Reverse(track.seen_at));
            self.tracks.truncate(MAX_TRACKS);
        }
        self.last = Some(at);
        ids
    }

    /// Lists all pairs of faces and tracks, the best first.
    fn pair(&mut self, faces: &[Face]) {
        self.pairs.clear();
        for (n, track) in self.tracks.iter_mut().enumerate() {
            track.state = State::Free;
            let lately = self.last == Some(track.seen_at);
            for (m, face) in faces.iter().enumerate() {
                if let Some(affinity) = affinity(&track.bounds, &face.bounds) {
                    let possible =
                        overlaps(&track.bounds, &face.bounds) || (lately && near(&track.bounds, &face.bounds));
                    self.pairs.push(Pair { affinity, face: m, track: n, possible });
                }
            }
        }
        self.pairs.sort_unstable_by(|a, b| {
            b.affinity.total_cmp(&a.affinity).then(a.track.cmp(&b.track)).then(a.face.cmp(&b.face))
        });
    }

    /// Whether the face or the track of `pair` fits another one that is not paired yet nearly as well or better. Pairs that are too far apart
    /// count as rivals too: the limit of what is possible must not decide between nearly equal candidates.
    fn has_rival(&self, pair: Pair, states: &[State]) -> bool {
        self.pairs.iter().take_while(|other| other.affinity > pair.affinity - CLEAR_LEAD).any(|other| {
            (other.face == pair.face) != (other.track == pair.track)
                && states[other.face] != State::Paired
                && self.tracks[other.track].state != State::Paired
        })
    }

    /// Ends the track of `pair` and the others that fit its face nearly as well. (Other faces that fit the track nearly as well find it contested
    /// when they are processed.)
    fn contest(&mut self, pair: Pair) {
        let rivals = self.pairs.iter().take_while(|other| other.affinity > pair.affinity - CLEAR_LEAD);
        for rival in rivals.filter(|other| other.face == pair.face) {
            let track = &mut self.tracks[rival.track];
            if track.state == State::Free {
                track.state = State::Contested;
            }
        }
    }

    fn start(&mut self, bounds: Bounds, at: Moment) -> TrackId {
        let id = TrackId(self.next);
        self.next += 1;
        if measurable(&bounds) {
            self.tracks.push(Track { id, bounds, seen_at: at, state: State::Paired });
        }
        id
    }
}

/// How well two boxes fit one face, from 1 (the same box) down to -1: intersection over union, minus the squared distance of the centres over
/// the squared diagonal of the smallest box around both (Zheng et al., "Distance-IoU Loss", 2020, equation 5). Unlike intersection over union, it
/// ranks boxes that do not overlap. `None` if it is undefined.
fn affinity(a: &Bounds, b: &Bounds) -> Option<f32> {
    let (width, height) = (a.x2.max(b.x2) - a.x1.min(b.x1), a.y2.max(b.y2) - a.y1.min(b.y1));
    let affinity = a.iou(b) - shift(a, b).powi(2) / (width.powi(2) + height.powi(2));
    (measurable(a) && measurable(b) && affinity.is_finite()).then_some(affinity)
}

fn overlaps(a: &Bounds, b: &Bounds) -> bool {
    a.iou(b) >= MIN_OVERLAP
}

fn near(a: &Bounds, b: &Bounds) -> bool {
    let (a_size, b_size) = (a.area().sqrt(), b.area().sqrt());
    let growth = a_size.max(b_size) / a_size.min(b_size);
    shift(a, b) <= MAX_SHIFT * (a_size + b_size) / 2.0 && growth <= MAX_GROWTH
}

/// Distance of the centres in pixels.
fn shift(a: &Bounds, b: &Bounds) -> f32 {
    let (a, b) = (a.centre(), b.centre());
    (a.x - b.x).hypot(a.y - b.y)
}

/// Whether all four sides are finite and the area is finite and positive.
fn measurable(bounds: &Bounds) -> bool {
    let finite = [bounds.x1, bounds.y1, bounds.x2, bounds.y2].iter().all(|side| side.is_finite());
    finite && bounds.area().is_finite() && bounds.area() > 0.0
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const END: Duration = Duration::from_secs(1);

    fn ms(ms: u64) -> Moment {
        Moment(Duration::from_millis(ms))
    }

    /// A square face of `size` around (`x`, `y`).
    fn face(x: f32, y: f32, size: f32) -> Face {
        let half = size / 2.0;
        let bounds = Bounds { x1: x - half, y1: y - half, x2: x + half, y2: y + half };
        Face { bounds, score: Default::default(), landmarks: Default::default() }
    }

    #[test]
    fn two_people_walking_past_each_other_at_some_distance_keep_their_tracks() {
        let mut tracker = Tracker::new(END);
        let ids = tracker.track(&[face(100.0, 100.0, 80.0), face(500.0, 220.0, 80.0)], ms(0));
        for n in 1..=8_u16 {
            let x = f32::from(n) * 50.0;
            // The order in the list does not matter.
            let now =
                tracker.track(&[face(500.0 - x, 220.0, 80.0), face(100.0 + x, 100.0, 80.0)], ms(u64::from(n) * 100));
            assert_eq!(now, [ids[1], ids[0]]);
        }
    }

    #[test]
    fn a_face_between_two_tracks_continues_neither() {
        let mut tracker = Tracker::new(END);
        let before = tracker.track(&[face(100.0, 100.0, 80.0), face(160.0, 100.0, 80.0)], ms(0));
        let between = tracker.track(&[face(131.0, 100.0, 80.0)], ms(100));
        assert!(!before.contains(&between[0]));
        // Both have ended: no face continues them.
        let after = tracker.track(&[face(100.0, 100.0, 80.0), face(160.0, 100.0, 80.0)], ms(200));
        assert!(after.iter().all(|id| !before.contains(id)));
    }

    #[test]
    fn a_track_between_two_faces_is_continued_by_neither() {
        let mut tracker = Tracker::new(END);
        let before = tracker.track(&[face(130.0, 100.0, 80.0)], ms(0));
        let after = tracker.track(&[face(100.0, 100.0, 80.0), face(162.0, 100.0, 80.0)], ms(100));
        assert!(!after.contains(&before[0]));
    }

    #[test]
    fn a_clear_match_resolves_the_doubt_about_the_other() {
        let mut tracker = Tracker::new(END);
        let before = tracker.track(&[face(100.0, 100.0, 80.0), face(160.0, 100.0, 80.0)], ms(0));
        // The second stands still; the first is now half way between both, but the second track is taken.
        let after = tracker.track(&[face(130.0, 100.0, 80.0), face(160.0, 100.0, 80.0)], ms(100));
        assert_eq!(after, before);
        // The other way round: two faces are equally far from the first track, but one of them has its own.
        let mut tracker = Tracker::new(END);
        let before = tracker.track(&[face(100.0, 100.0, 80.0), face(160.0, 100.0, 80.0)], ms(0));
        assert_eq!(tracker.track(&[face(40.0, 100.0, 80.0), face(160.0, 100.0, 80.0)], ms(100)), before);
    }

    #[test]
    fn two_people_side_by_side_keep_their_tracks() {
        let mut tracker = Tracker::new(END);
        let before = tracker.track(&[face(100.0, 100.0, 80.0), face(185.0, 100.0, 80.0)], ms(0));
        for n in 1..20 {
            let sway = if n % 2 == 0 { 15.0 } else { -15.0 };
            let faces = [face(100.0 + sway, 100.0, 80.0), face(185.0 - sway, 100.0, 80.0)];
            assert_eq!(tracker.track(&faces, ms(n * 100)), before);
        }
    }

    #[test]
    fn a_fast_face_is_followed_to_the_next_frame_but_not_over_a_gap() {
        let mut tracker = Tracker::new(END);
        let first = tracker.track(&[face(100.0, 100.0, 80.0)], ms(0));
        let second = tracker.track(&[face(175.0, 100.0, 85.0)], ms(100));
        assert_eq!(second, first);
        tracker.track(&[], ms(200));
        assert_ne!(tracker.track(&[face(250.0, 100.0, 85.0)], ms(300)), first);
        // Standing still over a gap is fine.
        tracker.track(&[], ms(400));
        assert_eq!(tracker.track(&[face(170.0, 100.0, 85.0)], ms(500)), first);
    }

    #[test]
    fn a_far_larger_face_nearby_is_another() {
        let mut tracker = Tracker::new(END);
        let first = tracker.track(&[face(100.0, 100.0, 80.0)], ms(0));
        assert_ne!(tracker.track(&[face(150.0, 100.0, 160.0)], ms(100)), first);
    }

    #[test]
    fn a_track_ends_after_its_time() {
        let mut tracker = Tracker::new(END);
        let first = tracker.track(&[face(100.0, 100.0, 80.0)], ms(0));
        assert_eq!(tracker.track(&[face(100.0, 100.0, 80.0)], ms(1000)), first);
        assert_ne!(tracker.track(&[face(100.0, 100.0, 80.0)], ms(2001)), first);
    }

    #[test]
    fn the_newest_tracks_are_kept_up_to_the_maximum() {
        let mut tracker = Tracker::new(END);
        let crowd = |row: f32| (0..50_u16).map(|n| face(f32::from(n) * 200.0, row, 80.0)).collect::<Vec<_>>();
        tracker.track(&crowd(100.0), ms(0));
        let second = tracker.track(&crowd(500.0), ms(100));
        assert_eq!(tracker.tracks.len(), MAX_TRACKS);
        assert_eq!(tracker.track(&crowd(500.0), ms(200)), second);
    }

    fn side() -> impl Strategy<Value = f32> {
        prop_oneof![8 => -100.0..800.0_f32, 1 => any::<f32>(), 1 => Just(f32::NAN), 1 => Just(f32::INFINITY)]
    }

    prop_compose! {
        fn any_face()(x1 in side(), y1 in side(), x2 in side(), y2 in side()) -> Face {
            Face { bounds: Bounds { x1, y1, x2, y2 }, ..face(0.0, 0.0, 1.0) }
        }
    }

    fn faces() -> impl Strategy<Value = Vec<Face>> {
        let plain = (0.0..640.0_f32, 0.0..480.0_f32, 40.0..200.0_f32).prop_map(|(x, y, size)| face(x, y, size));
        proptest::collection::vec(prop_oneof![3 => plain, 1 => any_face()], 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn every_face_has_its_own_track(frames in proptest::collection::vec((faces(), 0..700_u64), 1..20)) {
            let mut tracker = Tracker::new(END);
            let mut at = 0;
            for (faces, pause) in frames {
                at += pause;
                let ids = tracker.track(&faces, ms(at));
                prop_assert_eq!(ids.len(), faces.len());
                prop_assert_eq!(ids.iter().collect::<HashSet<_>>().len(), faces.len());
                prop_assert!(!ids.contains(&TrackId(0)));
                prop_assert!(tracker.tracks.len() <= MAX_TRACKS);
            }
        }

        #[test]
        fn a_number_is_never_reused_after_its_track_ended(frames in proptest::collection::vec((faces(), 0..1500_u64), 1..20)) {
            let mut tracker = Tracker::new(END);
            let (mut at, mut used, mut live) = (0, HashSet::new(), HashSet::new());
            for (faces, pause) in frames {
                at += pause;
                for id in tracker.track(&faces, ms(at)) {
                    prop_assert!(live.contains(&id) || used.insert(id), "{:?} came back", id);
                }
                live = tracker.tracks.iter().map(|track| track.id).collect();
            }
        }

        #[test]
        fn a_slowly_moving_face_keeps_its_track(
            start in (100.0..500.0_f32, 100.0..400.0_f32, 60.0..200.0_f32),
            moves in proptest::collection::vec((-0.3..0.3_f32, -0.3..0.3_f32, 0.9..1.1_f32), 1..40),
        ) {
            let mut tracker = Tracker::new(END);
            let (mut x, mut y, mut size) = start;
            let id = tracker.track(&[face(x, y, size)], ms(0));
            for (n, (right, down, grow)) in moves.into_iter().enumerate() {
                (x, y, size) = (x + right * size, y + down * size, size * grow);
                prop_assert_eq!(&tracker.track(&[face(x, y, size)], ms(66 * (n as u64 + 1))), &id);
            }
        }

        #[test]
        fn a_jump_across_the_picture_starts_a_track(
            x in 0.0..640.0_f32, y in 0.0..480.0_f32, size in 40.0..200.0_f32, far in 1.5..9.0_f32, turn in 0.0..std::f32::consts::TAU,
        ) {
            let mut tracker = Tracker::new(END);
            let first = tracker.track(&[face(x, y, size)], ms(0));
            let jumped = face(x + far * size * turn.cos(), y + far * size * turn.sin(), size);
            prop_assert_ne!(tracker.track(&[jumped], ms(66)), first);
        }

        #[test]
        fn a_face_that_comes_back_too_late_starts_a_track(x in 0.0..640.0_f32, late_ms in 1..100_000_u64) {
            let mut tracker = Tracker::new(END);
            let first = tracker.track(&[face(x, 100.0, 80.0)], ms(0));
            prop_assert_ne!(tracker.track(&[face(x, 100.0, 80.0)], ms(1000 + late_ms)), first);
        }
    }
}

//! The second eye: whether an infra-red camera sees a face where the colour camera does. A screen shows a face in colour and none in infra-red; a print
//! may show one in both, so that this alone proves nobody real (docs/liveness-networks.md).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::cue::{CueReport, CueState};
use crate::domain::{Bounds, Cue, Moment, Sighting, TrackId};

/// What an infra-red camera saw in one lit frame, in pixels of the colour camera's picture.
#[derive(Clone, Debug, PartialEq)]
pub struct InfraredLook {
    pub captured_at: Moment,
    pub faces: Vec<Bounds>,
    /// The part of the picture that it sees.
    pub view: Bounds,
    /// The shorter side of the smallest face that it can find.
    pub least_px: f32,
}

/// When a face counts as seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InfraredRules {
    /// The longest time between the captures of a face and of a lit frame that tells about it. 500 ms.
    pub together: Duration,
    /// In so many lit frames it must be seen. 2.
    pub seen: usize,
    /// After so many lit frames in a row without it, it is none. 3.
    pub unseen: usize,
    /// The newest lit frames that count, and for how long. 8, and 5 s.
    pub frames: usize,
    pub lasts: Duration,
    /// How far its centre may be from where it is in colour, in sizes of the larger of the two. 0.5.
    pub astray: f32,
    /// How many times larger or smaller it may be. 2.
    pub larger: f32,
    /// A face that is turned further to a side, or nods further, tells nothing: the detector misses such faces, and in infra-red more of them. 25 degrees.
    pub turned_deg: f32,
}

impl Default for InfraredRules {
    fn default() -> InfraredRules {
        InfraredRules {
            together: Duration::from_millis(500),
            seen: 2,
            unseen: 3,
            frames: 8,
            lasts: Duration::from_secs(5),
            astray: 0.5,
            larger: 2.0,
            turned_deg: 25.0,
        }
    }
}

/// The most looks that are kept of an eye: two seconds at 30 lit frames a second.
const LOOKS: usize = 64;
/// The most faces that are kept of its camera.
const FACES: usize = 128;

/// The second eyes of all cameras that have one, by the colour camera's name.
#[derive(Clone, Debug, Default)]
pub struct InfraredEyes {
    rules: InfraredRules,
    eyes: BTreeMap<Arc<str>, Eye>,
}

/// One of them, with what its camera saw; oldest first.
#[derive(Clone, Debug, Default)]
struct Eye {
    looks: VecDeque<InfraredLook>,
    faces: VecDeque<ColourFace>,
}

/// A face that the colour camera saw.
#[derive(Clone, Copy, Debug)]
struct ColourFace {
    track: TrackId,
    captured_at: Moment,
    bounds: Bounds,
}

impl InfraredEyes {
    /// For these colour cameras; nothing was seen yet.
    pub fn new(rules: InfraredRules, cameras: impl IntoIterator<Item = Arc<str>>) -> InfraredEyes {
        InfraredEyes { rules, eyes: cameras.into_iter().map(|camera| (camera, Eye::default())).collect() }
    }

    /// Whether a camera has a second eye.
    pub fn has(&self, camera: &str) -> bool {
        self.eyes.contains_key(camera)
    }

    /// Adds what the eye of `camera` saw. One that is not known is ignored, and so is a frame older than the newest.
    pub fn add(&mut self, camera: &str, look: InfraredLook) {
        let Some(eye) = self.eyes.get_mut(camera) else { return };
        if eye.looks.back().is_some_and(|last| look.captured_at <= last.captured_at) {
            return;
        }
        eye.looks.push_back(look);
        if eye.looks.len() > LOOKS {
            eye.looks.pop_front();
        }
    }

    /// Adds a face that the colour camera saw. One that is turned away is ignored.
    pub fn saw(&mut self, sighting: &Sighting) {
        let ahead = |angle: f32| angle.abs() <= self.rules.turned_deg;
        let Some(eye) = self.eyes.get_mut(&sighting.camera) else { return };
        if !ahead(sighting.quality.yaw) || !ahead(sighting.quality.pitch) {
            return;
        }
        let Sighting { track, captured_at, face, .. } = sighting;
        eye.faces.push_back(ColourFace { track: *track, captured_at: *captured_at, bounds: face.bounds });
        if eye.faces.len() > FACES {
            eye.faces.pop_front();
        }
    }

    /// Whether the eye of `camera` sees the face of a track where the camera does.
    ///
    /// The newest lit frames count that were captured together with a frame in which the camera saw the face. Three in a row without it fail; two with
    /// it pass. It cannot be judged where there is no eye, where the eye gives no lit frames, where it does not look, and where the face is too small
    /// for it.
    pub fn report(&self, camera: &str, track: TrackId, now: Moment) -> CueReport {
        let rules = &self.rules;
        let (state, input) = match self.eyes.get(camera) {
            None => (CueState::CannotJudge, "cannot judge: the camera has no second eye".to_owned()),
            Some(eye) => eye.judge(rules, track, now),
        };
        let limit = format!(
            "in at least {} lit frames within {} ms, no further off than {} of its size",
            rules.seen,
            rules.together.as_millis(),
            rules.astray
        );
        CueReport { cue: Cue::Infrared, state, input, limit }
    }
}

impl Eye {
    fn judge(&self, rules: &InfraredRules, track: TrackId, now: Moment) -> (CueState, String) {
        let cannot = |why: &str| (CueState::CannotJudge, format!("cannot judge: {why}"));
        let recent = |at: Moment| now.since(at) <= rules.lasts;
        let theirs = || self.faces.iter().filter(|face| face.track == track && recent(face.captured_at));
        let Some(newest) = theirs().next_back() else {
            return (CueState::Waiting, "not seen from the front yet".to_owned());
        };
        let apart = |a: Moment, b: Moment| a.since(b).max(b.since(a));
        // Each lit frame with the face of the nearest moment, the newest first.
        let pair = |look: &'_ InfraredLook| {
            let nearest = theirs().min_by_key(|face| apart(face.captured_at, look.captured_at))?;
            (apart(nearest.captured_at, look.captured_at) <= rules.together).then_some(nearest.bounds)
        };
        let lit = self.looks.iter().rev().filter(|look| recent(look.captured_at));
        let pairs: Vec<(&InfraredLook, Bounds)> =
            lit.filter_map(|look| Some((look, pair(look)?))).take(rules.frames).collect();
        let Some((look, _)) = pairs.first() else {
            let first = theirs().next().map_or(now, |face| face.captured_at);
            // The eye looks only while the camera sees somebody: give it as long as it may take.
            return match now.since(first) <= rules.together * 4 {
                true => (CueState::Waiting, "no lit frame at that time yet".to_owned()),
                false => cannot("the infra-red camera gives no lit frames"),
            };
        };
        let (centre, view) = (newest.bounds.centre(), &look.view);
        if !(view.x1..=view.x2).contains(&centre.x) || !(view.y1..=view.y2).contains(&centre.y) {
            return cannot("outside of what the infra-red camera sees");
        }
        let offsets: Vec<Option<(f32, f32)>> =
            pairs.iter().map(|(look, face)| nearest(rules, face, &look.faces)).collect();
        let found: Vec<(f32, f32)> = offsets.iter().copied().flatten().collect();
        let words = seen_in(found.len(), pairs.len(), &found);
        let missed = offsets.iter().take_while(|offset| offset.is_none()).count();
        let size = newest.bounds.width().min(newest.bounds.height());
        if missed >= rules.unseen.max(1) {
            return match size < look.least_px {
                true => cannot(&format!("too small for the infra-red camera, {size:.0} of {:.0} px", look.least_px)),
                false => (CueState::Failed, words),
            };
        }
        match found.len() >= rules.seen.max(1) {
            true => (CueState::Passed, words),
            false => (CueState::Waiting, format!("{words} so far")),
        }
    }
}

/// How far off the nearest of `faces` is that may be `face`, to the right and down, in pixels; `None` if none of them may be.
fn nearest(rules: &InfraredRules, face: &Bounds, faces: &[Bounds]) -> Option<(f32, f32)> {
    let size = |bounds: &Bounds| bounds.width().min(bounds.height());
    let centre = face.centre();
    let off = |other: &Bounds| (other.centre().x - centre.x, other.centre().y - centre.y);
    let fits = |other: &&Bounds| {
        let (larger, smaller) = (size(face).max(size(other)), size(face).min(size(other)));
        let (x, y) = off(other);
        smaller > 0.0 && larger <= smaller * rules.larger && x.hypot(y) <= larger * rules.astray
    };
    let offsets = faces.iter().filter(fits).map(off);
    offsets.min_by(|a, b| a.0.hypot(a.1).total_cmp(&b.0.hypot(b.1)))
}

fn seen_in(seen: usize, frames: usize, offsets: &[(f32, f32)]) -> String {
    let text = format!("seen in {seen} of {frames} lit frames");
    if offsets.is_empty() {
        return text;
    }
    let mean = |of: fn(&(f32, f32)) -> f32| offsets.iter().map(of).sum::<f32>() / offsets.len() as f32;
    let (x, y) = (mean(|offset| offset.0), mean(|offset| offset.1));
    let (side, level) = (if x < 0.0 { "left" } else { "right" }, if y < 0.0 { "up" } else { "down" });
    format!("{text}, {:.0} px to the {side} and {:.0} px {level}", x.abs(), y.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::rules::tests::clear;
    use proptest::prelude::*;

    fn at(ms: u64) -> Moment {
        Moment(Duration::from_millis(10_000 + ms))
    }

    fn square(x: f32, y: f32, side: f32) -> Bounds {
        Bounds { x1: x - side / 2.0, y1: y - side / 2.0, x2: x + side / 2.0, y2: y + side / 2.0 }
    }

    fn look(ms: u64, faces: &[Bounds]) -> InfraredLook {
        let view = Bounds { x1: 0.0, y1: 0.0, x2: 640.0, y2: 480.0 };
        InfraredLook { captured_at: at(ms), faces: faces.to_vec(), view, least_px: 80.0 }
    }

    /// A face that the camera `porch` saw on track 1.
    fn face(ms: u64, bounds: Bounds) -> Sighting {
        let mut sighting = Sighting { camera: "porch".into(), ..clear(ms, at(ms)) };
        sighting.face.bounds = bounds;
        sighting
    }

    const FACE: Bounds = Bounds { x1: 270.0, y1: 190.0, x2: 370.0, y2: 290.0 };

    fn eyes() -> InfraredEyes {
        InfraredEyes::new(InfraredRules::default(), ["porch".into()])
    }

    /// The report about a face that stays within `bounds` for a second, in ten frames, and these looks.
    fn report_of(bounds: Bounds, looks: &[InfraredLook]) -> CueReport {
        let mut eyes = eyes();
        (1..=10).for_each(|tenth| eyes.saw(&face(100 * tenth, bounds)));
        looks.iter().for_each(|look| eyes.add("porch", look.clone()));
        eyes.report("porch", TrackId(1), at(1000))
    }

    fn report(looks: &[InfraredLook]) -> CueReport {
        report_of(FACE, looks)
    }

    #[test]
    fn a_face_that_both_see_passes_with_two_lit_frames() {
        let there = [square(330.0, 235.0, 110.0)];
        assert_eq!(report(&[look(450, &there)]).state, CueState::Waiting);
        let passed = report(&[look(350, &[]), look(400, &[]), look(450, &there), look(500, &there), look(550, &[])]);
        assert_eq!(passed.state, CueState::Passed);
        assert_eq!(passed.input, "seen in 2 of 5 lit frames, 10 px to the right and 5 px up");
        // A board that needs a second for a frame has two lit frames that tell in two seconds.
        let mut slow = eyes();
        for second in 0..2 {
            slow.saw(&face(1000 * second, FACE));
            slow.add("porch", look(1000 * second + 300, &there));
        }
        assert_eq!(slow.report("porch", TrackId(1), at(2000)).state, CueState::Passed);
    }

    #[test]
    fn a_face_that_only_colour_sees_fails_after_three_lit_frames() {
        assert_eq!(report(&[look(450, &[]), look(500, &[])]).state, CueState::Waiting);
        let failed = report(&[look(400, &[]), look(450, &[]), look(500, &[])]);
        assert_eq!((failed.state, failed.input.as_str()), (CueState::Failed, "seen in 0 of 3 lit frames"));
        // The person who holds the screen is seen, elsewhere or far smaller.
        let holder = [square(480.0, 200.0, 100.0), square(320.0, 240.0, 40.0)];
        assert_eq!(report(&[look(400, &holder), look(450, &holder), look(500, &holder)]).state, CueState::Failed);
        // A screen that is held up after a person was seen.
        let swapped = [look(100, &[FACE]), look(200, &[FACE]), look(300, &[]), look(400, &[]), look(500, &[])];
        assert_eq!(report(&swapped[..4]).state, CueState::Passed);
        assert_eq!(report(&swapped).state, CueState::Failed);
    }

    #[test]
    fn only_frames_of_about_the_same_time_and_the_last_seconds_tell() {
        let mut eyes = eyes();
        eyes.saw(&face(500, FACE));
        for (ms, faces) in [(0, &[FACE][..]), (450, &[FACE]), (450, &[FACE]), (300, &[FACE]), (1001, &[FACE])] {
            eyes.add("porch", look(ms, faces));
        }
        let report = |eyes: &InfraredEyes, ms| eyes.report("porch", TrackId(1), at(ms));
        // 500 ms before is still together; a frame that comes twice or late does not count, and neither does one 501 ms after.
        assert_eq!(report(&eyes, 1000).input, "seen in 2 of 2 lit frames, 0 px to the right and 0 px down");
        assert_eq!(report(&eyes, 5001).state, CueState::Waiting, "one is five seconds old");
        assert_eq!(eyes.report("porch", TrackId(2), at(1000)).input, "not seen from the front yet");
        let mut turned = face(600, FACE);
        (turned.track, turned.quality.yaw) = (TrackId(2), 30.0);
        eyes.saw(&turned);
        assert_eq!(eyes.report("porch", TrackId(2), at(1000)).state, CueState::Waiting);
    }

    #[test]
    fn what_cannot_be_known_says_why() {
        let mut dark = eyes();
        dark.saw(&face(500, FACE));
        let state = |ms| dark.report("porch", TrackId(1), at(ms)).state;
        assert_eq!((state(2500), state(2501)), (CueState::Waiting, CueState::CannotJudge));
        let none = dark.report("yard", TrackId(1), at(500));
        assert_eq!(none.input, "cannot judge: the camera has no second eye");
        assert!(dark.has("porch") && !dark.has("yard"));
        let three = [look(400, &[]), look(450, &[]), look(500, &[])];
        for (bounds, part) in [
            (square(700.0, 240.0, 100.0), "outside of what"),
            (square(320.0, -1.0, 100.0), "outside of what"),
            (square(f32::NAN, 240.0, 100.0), "outside of what"),
            (square(320.0, 240.0, 79.0), "too small for the infra-red camera, 79 of 80 px"),
        ] {
            let report = report_of(bounds, &three);
            assert!(report.state == CueState::CannotJudge && report.input.contains(part), "{report:?}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut eyes = eyes();
        for ms in 0..1000 {
            eyes.add("porch", look(ms, &[]));
            eyes.add("yard", look(ms, &[]));
            eyes.saw(&face(ms, FACE));
        }
        let eye = &eyes.eyes["porch"];
        assert_eq!((eyes.eyes.len(), eye.looks.len(), eye.faces.len()), (1, LOOKS, FACES));
    }

    proptest! {
        #[test]
        fn without_a_face_nothing_passes(
            looks in prop::collection::vec(0u64..1200, 0..30), x in prop::num::f32::ANY, side in prop::num::f32::ANY,
        ) {
            let looks: Vec<InfraredLook> = looks.iter().map(|&ms| look(ms, &[])).collect();
            prop_assert_ne!(report_of(square(x, 240.0, side), &looks).state, CueState::Passed);
        }

        #[test]
        fn a_face_further_off_than_its_size_never_passes(dx in 60f32..400.0, count in 0u64..20) {
            let astray = [square(320.0 + dx, 240.0, 100.0)];
            let looks: Vec<InfraredLook> = (0..count).map(|n| look(400 + 10 * n, &astray)).collect();
            prop_assert_ne!(report(&looks).state, CueState::Passed);
        }
    }
}

//! The second eye: whether an infra-red camera sees a face where the colour camera does. A screen shows a face in colour and none in infra-red; a print
//! may show one in both, so that this alone proves nobody real (docs/liveness-networks.md).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::cue::{CueReport, CueState};
use crate::domain::{Bounds, Cue, Moment};

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
    /// After so many lit frames without it, it is none. 3.
    pub unseen: usize,
    /// How far its centre may be from where it is in colour, in sizes of the larger of the two. 0.5.
    pub astray: f32,
    /// How many times larger or smaller it may be. 2.
    pub larger: f32,
}

impl Default for InfraredRules {
    fn default() -> InfraredRules {
        InfraredRules { together: Duration::from_millis(500), seen: 2, unseen: 3, astray: 0.5, larger: 2.0 }
    }
}

/// The most looks that are kept of an eye: a second at 60 frames a second.
const KEPT: usize = 64;

/// The second eyes of all cameras that have one, by the colour camera's name.
#[derive(Clone, Debug, Default)]
pub struct InfraredEyes {
    rules: InfraredRules,
    eyes: BTreeMap<Arc<str>, VecDeque<InfraredLook>>,
}

impl InfraredEyes {
    /// For these colour cameras; nothing was seen yet.
    pub fn new(rules: InfraredRules, cameras: impl IntoIterator<Item = Arc<str>>) -> InfraredEyes {
        InfraredEyes { rules, eyes: cameras.into_iter().map(|camera| (camera, VecDeque::new())).collect() }
    }

    /// Whether a camera has a second eye.
    pub fn has(&self, camera: &str) -> bool {
        self.eyes.contains_key(camera)
    }

    /// Adds what the eye of `camera` saw. One that is not known is ignored, and so is a frame older than the newest.
    pub fn add(&mut self, camera: &str, look: InfraredLook) {
        let Some(looks) = self.eyes.get_mut(camera) else { return };
        if looks.back().is_some_and(|last| look.captured_at <= last.captured_at) {
            return;
        }
        looks.push_back(look);
        if looks.len() > KEPT {
            looks.pop_front();
        }
    }

    /// Whether the eye of `camera` sees the face that the camera saw within `face` at `captured_at`.
    ///
    /// Two lit frames with it pass, whatever the others: a screen is in none. Three without it fail. It cannot be judged where there is no eye, where the eye
    /// gives no lit frames, where it does not look, and where the face is too small for it.
    pub fn report(&self, camera: &str, face: &Bounds, captured_at: Moment, now: Moment) -> CueReport {
        let rules = &self.rules;
        let (state, input) = match self.eyes.get(camera) {
            None => (CueState::CannotJudge, "cannot judge: the camera has no second eye".to_owned()),
            Some(looks) => judge(rules, looks, face, captured_at, now),
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

fn judge(
    rules: &InfraredRules,
    looks: &VecDeque<InfraredLook>,
    face: &Bounds,
    captured_at: Moment,
    now: Moment,
) -> (CueState, String) {
    let apart = |look: &&InfraredLook| look.captured_at.since(captured_at).max(captured_at.since(look.captured_at));
    let lit: Vec<&InfraredLook> = looks.iter().filter(|look| apart(look) <= rules.together).collect();
    let Some(newest) = lit.last() else {
        let lately = looks.back().is_some_and(|look| now.since(look.captured_at) <= rules.together * 4);
        // The eye looks only while the camera sees somebody: give it as long as it may take.
        return match lately || now.since(captured_at) <= rules.together {
            true => (CueState::Waiting, "no lit frame at that time yet".to_owned()),
            false => (CueState::CannotJudge, "cannot judge: the infra-red camera gives no lit frames".to_owned()),
        };
    };
    let centre = face.centre();
    let view = &newest.view;
    let looks_there = (view.x1..=view.x2).contains(&centre.x) && (view.y1..=view.y2).contains(&centre.y);
    if !looks_there {
        return (CueState::CannotJudge, "cannot judge: outside of what the infra-red camera sees".to_owned());
    }
    let offsets: Vec<(f32, f32)> = lit.iter().filter_map(|look| nearest(rules, face, &look.faces)).collect();
    let (seen, frames) = (offsets.len(), lit.len());
    if seen >= rules.seen.max(1) {
        return (CueState::Passed, seen_in(seen, frames, &offsets));
    }
    let size = face.width().min(face.height());
    if size < newest.least_px {
        let least = newest.least_px;
        return (
            CueState::CannotJudge,
            format!("cannot judge: too small for the infra-red camera, {size:.0} of {least:.0} px"),
        );
    }
    match frames - seen >= rules.unseen.max(1) {
        true => (CueState::Failed, seen_in(seen, frames, &offsets)),
        false => (CueState::Waiting, format!("{} so far", seen_in(seen, frames, &offsets))),
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

    const FACE: Bounds = Bounds { x1: 270.0, y1: 190.0, x2: 370.0, y2: 290.0 };

    /// The report for [`FACE`] at 500 ms.
    fn report(looks: &[InfraredLook]) -> CueReport {
        report_of(&FACE, looks)
    }

    fn report_of(face: &Bounds, looks: &[InfraredLook]) -> CueReport {
        let mut eyes = InfraredEyes::new(InfraredRules::default(), ["porch".into()]);
        looks.iter().for_each(|look| eyes.add("porch", look.clone()));
        eyes.report("porch", face, at(500), at(600))
    }

    #[test]
    fn a_face_that_both_see_passes_with_two_lit_frames() {
        let there = [square(330.0, 235.0, 110.0)];
        assert_eq!(report(&[look(450, &there)]).state, CueState::Waiting);
        let passed = report(&[look(350, &[]), look(400, &[]), look(450, &there), look(500, &there), look(550, &[])]);
        assert_eq!(passed.state, CueState::Passed);
        assert_eq!(passed.input, "seen in 2 of 5 lit frames, 10 px to the right and 5 px up");
    }

    #[test]
    fn a_face_that_only_colour_sees_fails_after_three_lit_frames() {
        assert_eq!(report(&[look(450, &[]), look(500, &[])]).state, CueState::Waiting);
        let failed = report(&[look(400, &[]), look(450, &[]), look(500, &[])]);
        assert_eq!((failed.state, failed.input.as_str()), (CueState::Failed, "seen in 0 of 3 lit frames"));
        // Whoever holds the screen is seen, elsewhere or far smaller.
        let holder = [square(480.0, 200.0, 100.0), square(320.0, 240.0, 40.0)];
        assert_eq!(report(&[look(400, &holder), look(450, &holder), look(500, &holder)]).state, CueState::Failed);
    }

    #[test]
    fn only_frames_of_about_the_same_time_tell() {
        let there = [FACE];
        let apart = [look(0, &there), look(450, &[]), look(500, &[]), look(550, &[]), look(1001, &there)];
        assert_eq!(report(&apart[1..]).state, CueState::Failed);
        // 500 ms before is still together.
        assert_eq!(report(&apart).input, "seen in 1 of 4 lit frames, 0 px to the right and 0 px down");
        let late = [look(450, &there), look(450, &there), look(300, &there)];
        assert_eq!(report(&late).state, CueState::Waiting, "a frame that comes twice or late does not count");
    }

    #[test]
    fn what_cannot_be_known_says_why() {
        let empty = |ms| look(ms, &[]);
        let dark = InfraredEyes::new(InfraredRules::default(), ["porch".into()]);
        let state = |now| dark.report("porch", &FACE, at(500), at(now)).state;
        assert_eq!((state(900), state(1100)), (CueState::Waiting, CueState::CannotJudge));
        let none = dark.report("yard", &FACE, at(500), at(500));
        assert_eq!(none.input, "cannot judge: the camera has no second eye");
        assert!(dark.has("porch") && !dark.has("yard"));
        let three = [empty(400), empty(450), empty(500)];
        for (face, part) in [
            (square(700.0, 240.0, 100.0), "outside of what"),
            (square(320.0, -1.0, 100.0), "outside of what"),
            (square(f32::NAN, 240.0, 100.0), "outside of what"),
            (square(320.0, 240.0, 79.0), "too small for the infra-red camera, 79 of 80 px"),
        ] {
            let report = report_of(&face, &three);
            assert!(report.state == CueState::CannotJudge && report.input.contains(part), "{report:?}");
        }
    }

    #[test]
    fn looks_are_bounded() {
        let mut eyes = InfraredEyes::new(InfraredRules::default(), ["porch".into()]);
        for ms in 0..1000 {
            eyes.add("porch", look(ms, &[]));
            eyes.add("yard", look(ms, &[]));
        }
        assert_eq!((eyes.eyes.len(), eyes.eyes["porch"].len()), (1, KEPT));
    }

    proptest! {
        #[test]
        fn without_a_face_nothing_passes(
            looks in prop::collection::vec((0u64..1200, -100f32..700.0), 0..30), x in prop::num::f32::ANY, side in prop::num::f32::ANY,
        ) {
            let looks: Vec<InfraredLook> = looks.iter().map(|&(ms, _)| look(ms, &[])).collect();
            prop_assert_ne!(report_of(&square(x, 240.0, side), &looks).state, CueState::Passed);
        }

        #[test]
        fn a_face_further_off_than_its_size_never_passes(dx in 60f32..400.0, count in 0u64..20) {
            let looks: Vec<InfraredLook> = (0..count).map(|n| look(400 + 10 * n, &[square(320.0 + dx, 240.0, 100.0)])).collect();
            prop_assert_ne!(report(&looks).state, CueState::Passed);
        }
    }
}

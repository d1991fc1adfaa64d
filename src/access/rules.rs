//! The settings of a referee, and the finding for a single frame.

use std::time::Duration;

use super::person::CLEARLY;
use crate::domain::{Distance, Match, PersonId, Quality, Sighting};

/// The most frames kept for a track, whatever the settings say.
const MOST_FRAMES: u32 = 64;

/// The conditions of a grant. The values in the comments are those of [`Rules::usual`]; the configuration sets them.
///
/// `frames_agree` frames must fit into `window`: a slower camera never leads to a grant.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// The distance limit for the nearest person. It depends on the model and comes from a calibration.
    pub distance: Distance,
    /// The nearest other person must be at least this much farther away, in units of distance. 0.05.
    pub margin: f32,
    /// The number of frames of one track that must show the same person. 3; zero counts as one, and more than 64 never grants.
    pub frames_agree: u32,
    /// The number of latest frames that are considered. 5; at least `frames_agree`, at most 64.
    pub frames_window: u32,
    /// The span of capture times, back from the newest frame, in which frames count. 1.5 s.
    pub window: Duration,
    /// The largest age of the deciding frame. 800 ms.
    pub max_age: Duration,
    /// After a grant, no decision about that person is made for this long, at any camera of the referee. 5 s.
    pub cooldown: Duration,
    /// The least time between two denials of the same kind for a track. 5 s.
    pub repeat_denial: Duration,
    /// The least length of the face's shorter side, in pixels. 80.
    pub min_face_px: f32,
    /// The least sharpness, as in [`Quality::sharpness`]. 30.
    pub min_sharpness: f32,
    /// The largest yaw to either side, in degrees. 35.
    pub max_yaw_deg: f32,
    /// The largest pitch up or down, in degrees. 25.
    pub max_pitch_deg: f32,
    /// A face with a shorter embedding that is nobody's for sure is a poor view. The length is as in [`Quality::length`]; it depends on the model
    /// and comes from a calibration. `None` does not ask.
    pub min_length: Option<f32>,
    /// During a challenge, a face that is no farther than this from the person is taken for theirs, whatever the view: turned faces are farther
    /// from their templates than frontal ones. The distance at which the model confuses one pair of strangers in a thousand.
    pub same_person: Distance,
}

/// What one frame shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Not usable for recognition: evidence neither for nor against anyone.
    Poor,
    /// A good view, but nobody is near enough.
    Unknown,
    /// A good view of someone near enough, but someone else, or a face that is said not to be theirs, is nearly as near.
    Ambiguous,
    /// A good view of this person, who is near enough, with nobody else nearly as near.
    Sure(PersonId),
}

impl Rules {
    /// Usual rules with these distance limits, for tests and benches. A door has those of its configuration.
    pub fn usual(distance: Distance, same_person: Distance) -> Rules {
        Rules {
            distance,
            margin: 0.05,
            frames_agree: 3,
            frames_window: 5,
            window: Duration::from_millis(1500),
            max_age: Duration::from_millis(800),
            cooldown: Duration::from_secs(5),
            repeat_denial: Duration::from_secs(5),
            min_face_px: 80.0,
            min_sharpness: 30.0,
            max_yaw_deg: 35.0,
            max_pitch_deg: 25.0,
            min_length: None,
            same_person,
        }
    }

    /// The number of frames that must agree, at least one.
    pub(super) fn needed(&self) -> u32 {
        self.frames_agree.max(1)
    }

    /// The number of frames kept for a track, 1 to [`MOST_FRAMES`].
    pub(super) fn kept(&self) -> u32 {
        self.frames_window.max(self.needed()).min(MOST_FRAMES)
    }

    /// What the frame of `sighting` shows by itself.
    pub(super) fn finding(&self, sighting: &Sighting) -> Finding {
        if !self.good_view(&sighting.quality) {
            return Finding::Poor;
        }
        match sighting.nearest.as_ref().filter(|nearest| self.near(nearest)) {
            Some(nearest) if self.apart(nearest) && self.apart_from_lookalikes(sighting) => {
                Finding::Sure(nearest.person)
            }
            // A weak embedding is near somebody by chance no more often than a strong one, and misses its own person more often: it counts
            // for somebody, and against nobody.
            _ if !self.strong(&sighting.quality) => Finding::Poor,
            Some(_) => Finding::Ambiguous,
            None => Finding::Unknown,
        }
    }

    /// Large, sharp and frontal enough. A measure that is not finite never passes.
    pub(super) fn good_view(&self, quality: &Quality) -> bool {
        at_least(quality.size, self.min_face_px)
            && at_least(quality.sharpness, self.min_sharpness)
            && within(quality.yaw.abs(), self.max_yaw_deg)
            && within(quality.pitch.abs(), self.max_pitch_deg)
    }

    /// The embedding is long enough. One that was not measured never passes a limit.
    pub(super) fn strong(&self, quality: &Quality) -> bool {
        self.min_length.is_none_or(|limit| quality.length.is_some_and(|length| at_least(length, limit)))
    }

    /// Near enough. A negative or non-finite distance never passes, because the comparison was broken.
    pub(super) fn near(&self, nearest: &Match) -> bool {
        within(nearest.distance.0, self.distance.0)
    }

    /// Whether a turned face may still be that of `person`: that is the nearest person or the next one, and not too far.
    pub(super) fn may_be(&self, sighting: &Sighting, person: PersonId) -> bool {
        let Some(nearest) = sighting.nearest else { return false };
        let distance = match nearest.runner_up {
            _ if nearest.person == person => Some(nearest.distance),
            Some((other, distance)) if other == person => Some(distance),
            _ => None,
        };
        distance.is_some_and(|distance| within(distance.0, self.same_person.0))
    }

    /// The distance to the nearest person if it is clearly within the limit.
    pub(super) fn clearly(&self, sighting: &Sighting) -> Option<Distance> {
        let distance = sighting.nearest?.distance;
        within(distance.0, self.distance.0 * CLEARLY).then_some(distance)
    }

    /// The runner-up, if near enough too.
    pub(super) fn near_too(&self, sighting: &Sighting) -> Option<PersonId> {
        let (other, distance) = sighting.nearest?.runner_up?;
        within(distance.0, self.distance.0).then_some(other)
    }

    /// Nobody else is nearly as near. True in a gallery of one; false if the gap is not finite.
    pub(super) fn apart(&self, nearest: &Match) -> bool {
        match nearest.runner_up {
            Some((_, other)) => at_least(other.0 - nearest.distance.0, self.margin),
            None => true,
        }
    }

    /// No face that was said not to be the nearest person's is nearly as near. False if the gap is not finite.
    pub(super) fn apart_from_lookalikes(&self, sighting: &Sighting) -> bool {
        match (sighting.nearest, sighting.not_them) {
            (Some(nearest), Some(other)) => at_least(other.0 - nearest.distance.0, self.margin),
            (_, None) => true,
            (None, Some(_)) => false,
        }
    }
}

fn at_least(measure: f32, limit: f32) -> bool {
    measure.is_finite() && measure >= limit
}

fn within(measure: f32, limit: f32) -> bool {
    measure.is_finite() && (0.0..=limit).contains(&measure)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::access::{Judgement, Shown};
    use crate::domain::{Face, Moment, TrackId};

    /// The usual rules with a distance limit of 1.0.
    pub(crate) fn usual() -> Rules {
        Rules::usual(Distance(1.0), Distance(1.1))
    }

    /// Lets everybody pass.
    pub(in crate::access) fn allow(_: &Shown) -> Judgement {
        Judgement::default()
    }

    /// A good view of person 1, near and far from anyone else, by camera `door` on track 1.
    pub(in crate::access) fn clear(frame: u64, captured_at: Moment) -> Sighting {
        Sighting {
            camera: "door".into(),
            frame,
            captured_at,
            track: TrackId(1),
            face: Face { bounds: Default::default(), score: Default::default(), landmarks: Default::default() },
            quality: Quality { size: 120.0, sharpness: 90.0, brightness: 120.0, ..Quality::default() },
            nearest: Some(Match {
                person: PersonId(1),
                distance: Distance(0.6),
                runner_up: Some((PersonId(2), Distance(1.3))),
            }),
            not_them: None,
            passive: None,
        }
    }

    fn finding_at(distance: f32, runner_up: Option<f32>) -> Finding {
        let mut sighting = clear(0, Moment::default());
        sighting.nearest = Some(Match {
            person: PersonId(1),
            distance: Distance(distance),
            runner_up: runner_up.map(|d| (PersonId(2), Distance(d))),
        });
        usual().finding(&sighting)
    }

    #[test]
    fn a_distance_at_the_limit_is_near_and_one_above_is_not() {
        assert_eq!(finding_at(1.0, None), Finding::Sure(PersonId(1)));
        assert_eq!(finding_at(1.0_f32.next_up(), None), Finding::Unknown);
    }

    #[test]
    fn a_close_runner_up_makes_a_match_ambiguous_but_not_a_far_one() {
        assert_eq!(finding_at(0.5, Some(0.54)), Finding::Ambiguous);
        assert_eq!(finding_at(0.5, Some(0.56)), Finding::Sure(PersonId(1)));
        // A stranger is unknown, however many people are equally far.
        assert_eq!(finding_at(1.2, Some(1.2)), Finding::Unknown);
    }

    #[test]
    fn a_face_nearly_as_near_to_a_negative_reference_is_ambiguous() {
        let finding = |not_them: Option<f32>| {
            let sighting = Sighting { not_them: not_them.map(Distance), ..clear(0, Moment::default()) };
            usual().finding(&sighting)
        };
        // The distance is 0.6 and the margin 0.05.
        for passes in [None, Some(0.66), Some(1.9)] {
            assert_eq!(finding(passes), Finding::Sure(PersonId(1)), "{passes:?}");
        }
        for refused in [0.64, 0.6, 0.1, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(finding(Some(refused)), Finding::Ambiguous, "{refused}");
        }
    }

    #[test]
    fn broken_numbers_never_pass() {
        for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.1] {
            assert_eq!(finding_at(broken, None), Finding::Unknown, "{broken}");
        }
        assert_eq!(finding_at(0.5, Some(f32::NAN)), Finding::Ambiguous);
        assert_eq!(finding_at(0.5, Some(f32::INFINITY)), Finding::Ambiguous);

        let rules = Rules { distance: Distance(f32::NAN), ..usual() };
        assert_eq!(rules.finding(&clear(0, Moment::default())), Finding::Unknown);
        let rules = Rules { distance: Distance(f32::INFINITY), ..usual() };
        let mut sighting = clear(0, Moment::default());
        sighting.nearest = Some(Match { person: PersonId(1), distance: Distance(f32::INFINITY), runner_up: None });
        assert_eq!(rules.finding(&sighting), Finding::Unknown);
    }

    #[test]
    fn each_quality_measure_can_make_a_view_poor() {
        let spoil: [fn(&mut Quality, f32); 4] =
            [|q, v| q.size = v, |q, v| q.sharpness = v, |q, v| q.yaw = v, |q, v| q.pitch = v];
        let bad = [[79.9, f32::NAN], [29.9, f32::INFINITY], [-35.1, f32::NAN], [-25.1, f32::NEG_INFINITY]];
        for (spoil, values) in spoil.iter().zip(bad) {
            for value in values {
                let mut sighting = clear(0, Moment::default());
                spoil(&mut sighting.quality, value);
                assert_eq!(usual().finding(&sighting), Finding::Poor, "{:?}", sighting.quality);
            }
        }
    }

    #[test]
    fn a_weak_embedding_counts_for_somebody_and_against_nobody() {
        let rules = Rules { min_length: Some(6.0), ..usual() };
        let finding = |rules: &Rules, length, nearest| {
            let mut sighting = Sighting { nearest: Some(nearest), ..clear(0, Moment::default()) };
            sighting.quality.length = length;
            rules.finding(&sighting)
        };
        let far = Match { person: PersonId(1), distance: Distance(1.2), runner_up: None };
        let between = Match { distance: Distance(0.6), runner_up: Some((PersonId(2), Distance(0.61))), ..far };
        for weak in [Some(5.99), Some(f32::NAN), Some(f32::INFINITY), None] {
            assert_eq!(finding(&rules, weak, far), Finding::Poor, "{weak:?}");
            assert_eq!(finding(&rules, weak, between), Finding::Poor, "{weak:?}");
            assert_eq!(finding(&usual(), weak, far), Finding::Unknown, "{weak:?}");
            // What is near enough stays so.
            assert_eq!(finding(&rules, weak, Match { runner_up: None, ..between }), Finding::Sure(PersonId(1)));
        }
        assert_eq!(finding(&rules, Some(6.0), far), Finding::Unknown);
        assert_eq!(finding(&rules, Some(6.0), between), Finding::Ambiguous);
    }

    #[test]
    fn nobody_enrolled_is_unknown() {
        let sighting = Sighting { nearest: None, ..clear(0, Moment::default()) };
        assert_eq!(usual().finding(&sighting), Finding::Unknown);
    }

    #[test]
    fn frame_counts_are_bounded() {
        let odd = |agree, of| {
            let rules = Rules { frames_agree: agree, frames_window: of, ..usual() };
            (rules.needed(), rules.kept())
        };
        assert_eq!(odd(0, 0), (1, 1));
        assert_eq!(odd(4, 2), (4, 4));
        assert_eq!(odd(u32::MAX, u32::MAX), (u32::MAX, 64));
    }
}

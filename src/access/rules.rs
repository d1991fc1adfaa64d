//! The settings of a referee, and what they say of one frame on its own.
//!
//! Knows nothing of earlier frames, of time passing or of what has been said before.

use std::time::Duration;

use super::shown::CLEARLY;
use crate::domain::{Distance, Match, PersonId, Quality, Sighting};

/// Most frames of one track that are ever kept, whatever the settings say.
const MOST_FRAMES: u32 = 64;

/// When a face is let in. The values named here are the usual ones; the configuration sets them.
///
/// `frames_agree` frames must fit into `window`: a camera that gives fewer never grants.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// The nearest person is near enough at this distance or less. Belongs to the model; it comes from a calibration.
    pub distance: Distance,
    /// The nearest other person must be at least this much farther away, in units of distance. 0.05.
    pub margin: f32,
    /// Frames of one track that must show the same person. 3; zero counts as one, and more than 64 never grants.
    pub frames_agree: u32,
    /// Out of this many frames that were looked at last. 5; at least `frames_agree`, at most 64.
    pub frames_window: u32,
    /// The span of capture times, back from the newest frame, in which frames count. 1.5 s.
    pub window: Duration,
    /// The frame that decides may be this old when the rules speak. 800 ms.
    pub max_age: Duration,
    /// After a grant nothing is said of that person for this long, at any camera of the referee. 5 s.
    pub cooldown: Duration,
    /// A track is not told the same refusal again for this long. 5 s.
    pub repeat_denial: Duration,
    /// The shorter side of the face, in pixels, must be at least this. 80.
    pub min_face_px: f32,
    /// The sharpness, as in [`Quality::sharpness`], must be at least this. 30.
    pub min_sharpness: f32,
    /// The head may be turned this far to either side, in degrees. 35.
    pub max_yaw_deg: f32,
    /// The head may nod this far up or down, in degrees. 25.
    pub max_pitch_deg: f32,
}

/// What one frame shows of a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Not fit for recognition: speaks neither for nor against anybody.
    Poor,
    /// A good view, and nobody is near enough.
    Unknown,
    /// A good view and somebody near enough, but somebody else nearly as near.
    Ambiguous,
    /// A good view of this person, near enough and with nobody else nearly as near.
    Sure(PersonId),
}

impl Rules {
    /// Frames that must agree: at least one.
    pub(super) fn needed(&self) -> u32 {
        self.frames_agree.max(1)
    }

    /// Frames that are kept of a track: 1 to [`MOST_FRAMES`].
    pub(super) fn kept(&self) -> u32 {
        self.frames_window.max(self.needed()).min(MOST_FRAMES)
    }

    /// What the frame of `sighting` shows by itself.
    pub(super) fn finding(&self, sighting: &Sighting) -> Finding {
        if !self.good_view(&sighting.quality) {
            return Finding::Poor;
        }
        match &sighting.nearest {
            Some(nearest) if self.near(nearest) => {
                if self.apart(nearest) {
                    Finding::Sure(nearest.person)
                } else {
                    Finding::Ambiguous
                }
            }
            _ => Finding::Unknown,
        }
    }

    /// Large, sharp and frontal enough. A measure that is not a finite number never is.
    pub(super) fn good_view(&self, quality: &Quality) -> bool {
        at_least(quality.size, self.min_face_px)
            && at_least(quality.sharpness, self.min_sharpness)
            && within(quality.yaw.abs(), self.max_yaw_deg)
            && within(quality.pitch.abs(), self.max_pitch_deg)
    }

    /// Near enough. A distance below zero or not finite never is: the comparison that gave it was broken.
    pub(super) fn near(&self, nearest: &Match) -> bool {
        within(nearest.distance.0, self.distance.0)
    }

    /// The distance to the nearest person when it is clearly within the limit.
    pub(super) fn clearly(&self, sighting: &Sighting) -> Option<Distance> {
        let distance = sighting.nearest?.distance;
        within(distance.0, self.distance.0 * CLEARLY).then_some(distance)
    }

    /// The runner-up, when near enough as well.
    pub(super) fn near_too(&self, sighting: &Sighting) -> Option<PersonId> {
        let (other, distance) = sighting.nearest?.runner_up?;
        within(distance.0, self.distance.0).then_some(other)
    }

    /// Nobody else is nearly as near. True in a gallery of one; false when the gap is not a finite number.
    pub(super) fn apart(&self, nearest: &Match) -> bool {
        match nearest.runner_up {
            Some((_, other)) => at_least(other.0 - nearest.distance.0, self.margin),
            None => true,
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

    /// The usual rules, with 1.0 as near enough.
    pub(crate) fn usual() -> Rules {
        Rules {
            distance: Distance(1.0),
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
        }
    }

    /// Everybody may pass.
    pub(in crate::access) fn allow(_: &Shown) -> Judgement {
        Judgement { gates: Vec::new(), refused: None, with: None }
    }

    /// A good view of person 1, near and far from anybody else, by camera `door` at track 1.
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
        // A stranger is a stranger, however many people are equally far.
        assert_eq!(finding_at(1.2, Some(1.2)), Finding::Unknown);
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
    fn each_measure_of_a_view_can_spoil_it() {
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
    fn nobody_enrolled_is_unknown() {
        let sighting = Sighting { nearest: None, ..clear(0, Moment::default()) };
        assert_eq!(usual().finding(&sighting), Finding::Unknown);
    }

    #[test]
    fn frame_counts_are_kept_in_bounds() {
        let odd = |agree, of| {
            let rules = Rules { frames_agree: agree, frames_window: of, ..usual() };
            (rules.needed(), rules.kept())
        };
        assert_eq!(odd(0, 0), (1, 1));
        assert_eq!(odd(4, 2), (4, 4));
        assert_eq!(odd(u32::MAX, u32::MAX), (u32::MAX, 64));
    }
}

//! What the rules say of a face between decisions, for people who watch. Nothing here decides.

use super::Referee;
use crate::access::rules::{Finding, Rules};
use crate::domain::{Distance, Moment, PersonId, Quality, Sighting};

/// What the rules say of the newest frame of a face.
#[derive(Clone, Debug, PartialEq)]
pub struct Insight {
    pub found: Found,
    /// What a good view lacks.
    pub lacks: Vec<Lack>,
    /// Frames that show the person of this frame, or else the one whom most frames show; and how many a grant needs.
    pub frames: (u32, u32),
    /// A nearer face is near enough.
    pub limit: Distance,
    /// The person is asked for more than the face.
    pub asked: bool,
}

/// What one frame shows by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The view is too poor to say.
    Poor,
    /// A good view of nobody.
    Unknown,
    /// A good view of this person, but somebody else, or a face that is not theirs, is nearly as near.
    Ambiguous(PersonId),
    /// A good view of this person.
    Person(PersonId),
}

/// Something that a good view lacks: what was measured, and the limit. The measures are those of [`Quality`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lack {
    Size { px: f32, least: f32 },
    Sharpness { is: f32, least: f32 },
    Yaw { deg: f32, most: f32 },
    Pitch { deg: f32, most: f32 },
    Strength { length: f32, least: f32 },
}

impl Referee {
    /// What the rules say of `sighting`, whose evidence has been considered.
    pub fn insight(&self, sighting: &Sighting, now: Moment) -> Insight {
        let rules = &self.rules;
        let finding = rules.finding(sighting);
        let track = self.evidence.track(&sighting.camera, sighting.track, now, rules.window);
        let frames = track.map_or(0, |track| match finding {
            Finding::Sure(person) => track.count(person),
            Finding::Poor | Finding::Unknown | Finding::Ambiguous => {
                track.counts().leader.map_or(0, |(_, frames)| frames)
            }
        });
        Insight {
            found: found(finding, sighting),
            lacks: lacks(rules, &sighting.quality, finding),
            frames: (frames, rules.needed()),
            limit: rules.distance,
            asked: self.enquiries.is_open(&sighting.camera, sighting.track),
        }
    }
}

fn found(finding: Finding, sighting: &Sighting) -> Found {
    match (finding, sighting.nearest) {
        (Finding::Sure(person), _) => Found::Person(person),
        (Finding::Ambiguous, Some(nearest)) => Found::Ambiguous(nearest.person),
        (Finding::Ambiguous | Finding::Unknown, _) => Found::Unknown,
        (Finding::Poor, _) => Found::Poor,
    }
}

/// What is missing. A measure that is not finite lacks everything.
fn lacks(rules: &Rules, quality: &Quality, finding: Finding) -> Vec<Lack> {
    let short = |is: f32, least: f32| !(is.is_finite() && is >= least);
    let beyond = |is: f32, most: f32| !(is.is_finite() && is.abs() <= most);
    let weak = rules.min_length.filter(|_| finding == Finding::Poor && rules.good_view(quality));
    let lacks = [
        short(quality.size, rules.min_face_px).then_some(Lack::Size { px: quality.size, least: rules.min_face_px }),
        short(quality.sharpness, rules.min_sharpness)
            .then_some(Lack::Sharpness { is: quality.sharpness, least: rules.min_sharpness }),
        beyond(quality.yaw, rules.max_yaw_deg).then_some(Lack::Yaw { deg: quality.yaw, most: rules.max_yaw_deg }),
        beyond(quality.pitch, rules.max_pitch_deg)
            .then_some(Lack::Pitch { deg: quality.pitch, most: rules.max_pitch_deg }),
        weak.map(|least| Lack::Strength { length: quality.length.unwrap_or_default(), least }),
    ];
    lacks.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::access::rules::tests::{allow, clear, usual};
    use crate::domain::Match;

    fn at(ms: u64) -> Moment {
        Moment(Duration::from_millis(ms))
    }

    #[test]
    fn frames_are_counted_towards_the_grant() {
        let mut referee = Referee::new(usual());
        for frame in 0..2 {
            let sighting = clear(frame, at(frame * 100));
            assert_eq!(referee.consider(&sighting, at(frame * 100), &mut allow), None);
            let insight = referee.insight(&sighting, at(frame * 100));
            assert_eq!((insight.found, insight.frames), (Found::Person(PersonId(1)), (frame as u32 + 1, 3)));
            assert_eq!((insight.lacks.as_slice(), insight.limit, insight.asked), (&[][..], Distance(1.0), false));
        }
    }

    #[test]
    fn what_a_good_view_lacks_is_named_with_its_limit() {
        let referee = Referee::new(usual());
        let quality = Quality { size: 60.0, sharpness: 10.0, yaw: -50.0, pitch: 30.0, ..Quality::default() };
        let insight = referee.insight(&Sighting { quality, ..clear(0, at(0)) }, at(0));
        let lacks = [
            Lack::Size { px: 60.0, least: 80.0 },
            Lack::Sharpness { is: 10.0, least: 30.0 },
            Lack::Yaw { deg: -50.0, most: 35.0 },
            Lack::Pitch { deg: 30.0, most: 25.0 },
        ];
        assert_eq!((insight.found, insight.lacks.as_slice(), insight.frames), (Found::Poor, &lacks[..], (0, 3)));
        let broken = Quality { size: f32::NAN, ..clear(0, at(0)).quality };
        let insight = referee.insight(&Sighting { quality: broken, ..clear(0, at(0)) }, at(0));
        assert!(matches!(insight.lacks.as_slice(), [Lack::Size { .. }]), "{insight:?}");
    }

    #[test]
    fn a_weak_embedding_of_nobody_lacks_strength() {
        let rules = Rules { min_length: Some(8.0), ..usual() };
        let far = clear(0, at(0)).nearest.map(|nearest| Match { distance: Distance(1.4), ..nearest });
        let quality = Quality { length: Some(5.0), ..clear(0, at(0)).quality };
        let weak = Sighting { quality, nearest: far, ..clear(0, at(0)) };
        let insight = Referee::new(rules.clone()).insight(&weak, at(0));
        assert_eq!(insight.lacks, [Lack::Strength { length: 5.0, least: 8.0 }]);
        let quality = Quality { length: Some(9.0), ..quality };
        let strong = Referee::new(rules).insight(&Sighting { quality, ..weak }, at(0));
        assert_eq!((strong.found, strong.lacks.as_slice()), (Found::Unknown, &[][..]));
    }

    #[test]
    fn two_who_are_as_near_are_ambiguous() {
        let sighting = clear(0, at(0));
        let other = |near: Match| Match { runner_up: Some((PersonId(2), Distance(near.distance.0 + 0.01))), ..near };
        let twins = Sighting { nearest: sighting.nearest.map(other), ..sighting };
        let insight = Referee::new(usual()).insight(&twins, at(0));
        assert_eq!(insight.found, Found::Ambiguous(PersonId(1)));
    }
}

//! Whether a camera hangs on its side or upside down: faces are found upright only in a turned picture.
//!
//! Doctor and enrolment ask that, doors do not: it takes up to four searches.

use std::time::Duration;

use super::{Vision, VisionError};
use crate::domain::{Framing, Image, Moment, Quality, Rotation, Score};

/// The time from one answer to the next.
const EVERY: Duration = Duration::from_secs(1);
/// The least score of a face that proves how the picture stands. A face upside down is found, too, but not surely.
const LEAST_SCORE: f32 = 0.9;
/// The furthest turn, nod and tilt of such a face, in degrees.
const MOST_DEG: f32 = 40.0;

/// Checks now and then how the pictures of a camera stand.
#[derive(Clone, Debug)]
pub struct UprightCheck {
    framing: Framing,
    asked_at: Option<Moment>,
}

impl UprightCheck {
    /// The camera's pictures have passed through `framing`.
    pub fn new(framing: Framing) -> UprightCheck {
        UprightCheck { framing, asked_at: None }
    }

    /// What `rotate` of the camera should be instead, if faces are upright only in a turned picture. Looks at most once a second; `None` in between, and
    /// while nobody is seen.
    pub fn look(&mut self, vision: &mut Vision, image: &Image, now: Moment) -> Result<Option<Rotation>, VisionError> {
        if self.asked_at.is_some_and(|at| now.since(at) < EVERY) {
            return Ok(None);
        }
        self.asked_at = Some(now);
        let turned = stands(vision, image)?.filter(|rotation| *rotation != Rotation::None);
        Ok(turned.map(|further| self.framing.rotation_with(further)))
    }
}

/// By how much `image` must be turned so that its nearest face is upright; `None` if there is no face.
pub fn stands(vision: &mut Vision, image: &Image) -> Result<Option<Rotation>, VisionError> {
    let mut best: Option<(Score, Rotation)> = None;
    for rotation in Rotation::ALL {
        let turned = match rotation {
            Rotation::None => None,
            _ => Framing::turned(rotation).picture(image, Vec::new()),
        };
        let picture = turned.as_ref().unwrap_or(image);
        let Some(face) = vision.detect_nearest(picture)?.into_iter().next() else { continue };
        if face.score.0 < LEAST_SCORE || !is_upright(&vision.judge(picture, &face)) {
            continue;
        }
        if rotation == Rotation::None {
            return Ok(Some(rotation));
        }
        if best.is_none_or(|(score, _)| face.score.0 > score.0) {
            best = Some((face.score, rotation));
        }
    }
    Ok(best.map(|(_, rotation)| rotation))
}

fn is_upright(quality: &Quality) -> bool {
    [quality.yaw, quality.pitch, quality.roll].iter().all(|degrees| degrees.abs() <= MOST_DEG)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::domain::WHOLE;
    use crate::vision::VisionSettings;
    use crate::vision::runtime::Runtime;

    #[test]
    fn a_turned_photograph_says_how_it_must_be_turned() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let runtime = Runtime::load(None).expect("script/setup fetches LiteRT");
        let mut vision = Vision::open(&runtime, &root.join("models"), &VisionSettings::default()).unwrap();
        let upright = crate::lab::drawing::face().unwrap();
        assert_eq!(stands(&mut vision, &upright).unwrap(), Some(Rotation::None));
        let second = |s| Moment(Duration::from_secs(s));
        for hangs in [Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters] {
            let seen = Framing::turned(hangs).picture(&upright, Vec::new()).unwrap();
            let mut check = UprightCheck::new(Framing::default());
            let back = check.look(&mut vision, &seen, second(1)).unwrap().unwrap();
            assert_eq!(hangs.and(back), Rotation::None);
            assert_eq!(check.look(&mut vision, &seen, second(1)).unwrap(), None, "at most once a second");
            // A mirrored picture is turned before it is mirrored.
            let wrong = Framing { rotation: hangs, mirror: true, crop: WHOLE };
            let seen = wrong.picture(&upright, Vec::new()).unwrap();
            let right = UprightCheck::new(wrong).look(&mut vision, &seen, second(1)).unwrap().unwrap();
            assert_eq!(right, Rotation::None);
        }
        let nobody = Image::new(320, 240, vec![90; 320 * 240 * 3]).unwrap();
        assert_eq!(stands(&mut vision, &nobody).unwrap(), None);
    }
}

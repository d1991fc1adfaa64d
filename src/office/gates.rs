//! Which face of a photograph can become a template, and what is wrong with the others.

use std::fmt;

use crate::domain::{Face, Quality};

/// The limits for enrolment. They are stricter than a door's, because a bad template causes errors every day.
#[derive(Clone, Debug, PartialEq)]
pub struct Gates {
    /// The shorter side of the face in pixels.
    pub min_face_px: f32,
    /// As in [`Quality::sharpness`].
    pub min_sharpness: f32,
    /// The largest yaw to either side, in degrees.
    pub max_yaw_deg: f32,
    /// The largest pitch up or down, in degrees.
    pub max_pitch_deg: f32,
}

/// Why a photograph gives no template.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    NoFace,
    Several { usable: usize },
    Small { size: f32, limit: f32 },
    Blurred { sharpness: f32, limit: f32 },
    Turned { yaw: f32, limit: f32 },
    Nodding { pitch: f32, limit: f32 },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NoFace => f.write_str("no face was found; use a photograph that shows one face from the front"),
            Refusal::Several { usable } => {
                write!(
                    f,
                    "there are {usable} usable faces; crop the photograph to one, or pass --largest to use the largest"
                )
            }
            Refusal::Small { size, limit } => {
                write!(
                    f,
                    "the face is {size:.0} pixels wide, but at least {limit:.0} are needed; move closer or use a larger photograph"
                )
            }
            Refusal::Blurred { sharpness, limit } => {
                write!(
                    f,
                    "the face is blurred (sharpness {sharpness:.0}, but at least {limit:.0} is needed); hold still or add light"
                )
            }
            Refusal::Turned { yaw, limit } => {
                write!(
                    f,
                    "the head is turned by {:.0} degrees, but at most {limit:.0} are allowed; look into the camera",
                    yaw.abs()
                )
            }
            Refusal::Nodding { pitch, limit } => {
                let way = if *pitch < 0.0 { "down" } else { "up" };
                write!(
                    f,
                    "the head is tilted {way} by {:.0} degrees, but at most {limit:.0} are allowed; look into the camera",
                    pitch.abs()
                )
            }
        }
    }
}

impl Gates {
    /// Checks a face's quality. Not-a-number never passes.
    pub fn check(&self, quality: &Quality) -> Result<(), Refusal> {
        let Gates { min_face_px, min_sharpness, max_yaw_deg, max_pitch_deg } = *self;
        // Each comparison is written so that not-a-number fails it.
        let large = quality.size >= min_face_px;
        let facing = quality.yaw.abs() <= max_yaw_deg;
        let level = quality.pitch.abs() <= max_pitch_deg;
        let sharp = quality.sharpness >= min_sharpness;
        if !large {
            Err(Refusal::Small { size: quality.size, limit: min_face_px })
        } else if !facing {
            Err(Refusal::Turned { yaw: quality.yaw, limit: max_yaw_deg })
        } else if !level {
            Err(Refusal::Nodding { pitch: quality.pitch, limit: max_pitch_deg })
        } else if !sharp {
            Err(Refusal::Blurred { sharpness: quality.sharpness, limit: min_sharpness })
        } else {
            Ok(())
        }
    }

    /// The index of the face to enrol: the only usable one, or with `largest` the largest, which must be usable.
    pub fn choose(&self, faces: &[(Face, Quality)], largest: bool) -> Result<usize, Refusal> {
        let biggest = faces.iter().enumerate().max_by(|(_, a), (_, b)| a.1.size.total_cmp(&b.1.size));
        let Some((at, (_, quality))) = biggest else { return Err(Refusal::NoFace) };
        let usable: Vec<usize> = faces
            .iter()
            .enumerate()
            .filter(|(_, (_, quality))| self.check(quality).is_ok())
            .map(|(at, _)| at)
            .collect();
        match usable[..] {
            [only] if !largest => Ok(only),
            [_, _, ..] if !largest => Err(Refusal::Several { usable: usable.len() }),
            // Even if no face is usable: the fault of the largest is the most useful answer.
            _ => self.check(quality).map(|()| at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Bounds, Point, Score};

    const GATES: Gates = Gates { min_face_px: 80.0, min_sharpness: 30.0, max_yaw_deg: 30.0, max_pitch_deg: 25.0 };

    fn good(size: f32) -> (Face, Quality) {
        let bounds = Bounds { x1: 0.0, y1: 0.0, x2: size, y2: size };
        let face = Face { bounds, score: Score(0.99), landmarks: [Point::default(); 5] };
        (face, Quality { size, sharpness: 100.0, yaw: 0.0, pitch: 0.0, roll: 0.0, brightness: 120.0 })
    }

    #[test]
    fn the_only_usable_face_is_chosen() {
        assert_eq!(GATES.choose(&[good(30.0), good(120.0)], false), Ok(1));
        assert_eq!(GATES.choose(&[good(110.0), good(120.0)], false), Err(Refusal::Several { usable: 2 }));
        assert_eq!(GATES.choose(&[good(110.0), good(120.0)], true), Ok(1));
        assert_eq!(GATES.choose(&[], true), Err(Refusal::NoFace));
    }

    #[test]
    fn each_fault_has_its_own_refusal_and_not_a_number_never_passes() {
        let fault = |change: &dyn Fn(&mut Quality)| {
            let mut face = good(120.0);
            change(&mut face.1);
            GATES.choose(&[face], false).unwrap_err()
        };
        assert!(matches!(fault(&|q| q.size = 79.0), Refusal::Small { .. }));
        assert!(matches!(fault(&|q| q.sharpness = 3.0), Refusal::Blurred { .. }));
        assert!(matches!(fault(&|q| q.yaw = -31.0), Refusal::Turned { .. }));
        assert!(matches!(fault(&|q| q.pitch = 26.0), Refusal::Nodding { .. }));
        for change in [&(|q: &mut Quality| q.size = f32::NAN) as &dyn Fn(&mut Quality), &|q| q.yaw = f32::NAN, &|q| {
            q.sharpness = f32::NAN
        }] {
            fault(change);
        }
    }

    #[test]
    fn the_largest_must_be_usable_itself() {
        let mut blurred = good(200.0);
        blurred.1.sharpness = 1.0;
        assert!(matches!(GATES.choose(&[blurred, good(90.0)], true), Err(Refusal::Blurred { .. })));
        assert_eq!(GATES.choose(&[blurred, good(90.0)], false), Ok(1));
    }
}

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
    /// The least length of the embedding, as in [`Quality::length`]; `None` does not ask.
    pub min_length: Option<f32>,
}

/// Why a photograph gives no template.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    NoFace,
    Several {
        usable: usize,
    },
    Small {
        size: f32,
        limit: f32,
    },
    Blurred {
        sharpness: f32,
        limit: f32,
    },
    Turned {
        yaw: f32,
        limit: f32,
    },
    Nodding {
        pitch: f32,
        limit: f32,
    },
    /// The embedding is too short.
    Weak {
        length: Option<f32>,
        limit: f32,
        likely: Likely,
    },
}

/// What may make an embedding weak, by the other measures of the face: each is within its own limit, but worse than on most photographs. A hint:
/// on LFW's View 1 none of them has a rank correlation with the length beyond 0.16.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Likely {
    Dark {
        brightness: f32,
    },
    Bright {
        brightness: f32,
    },
    Soft {
        sharpness: f32,
    },
    Turned {
        yaw: f32,
    },
    Nodding {
        pitch: f32,
    },
    Small {
        size: f32,
    },
    /// Nothing that is measured.
    Unknown,
}

/// Brightness, sharpness and size beyond these are worse than on nine of ten photographs of LFW's View 1, the angles than on two of three.
const DARK: f32 = 98.0;
const BRIGHT: f32 = 154.0;
const SOFT: f32 = 70.0;
const TURNED: f32 = 20.0;
const NODDING: f32 = 15.0;
const SMALL: f32 = 85.0;

impl Likely {
    /// The measure of `quality` that is farthest beyond its mark, by its ratio to it.
    fn of(quality: &Quality) -> Likely {
        let Quality { size, sharpness, yaw, pitch, brightness, .. } = *quality;
        let marks = [
            (DARK / brightness.max(1.0), Likely::Dark { brightness }),
            (brightness / BRIGHT, Likely::Bright { brightness }),
            (SOFT / sharpness.max(1.0), Likely::Soft { sharpness }),
            (yaw.abs() / TURNED, Likely::Turned { yaw }),
            (pitch.abs() / NODDING, Likely::Nodding { pitch }),
            (SMALL / size.max(1.0), Likely::Small { size }),
        ];
        let worst = marks.into_iter().filter(|(ratio, _)| *ratio > 1.0).max_by(|(a, _), (b, _)| a.total_cmp(b));
        worst.map_or(Likely::Unknown, |(_, likely)| likely)
    }
}

impl fmt::Display for Likely {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Likely::Dark { brightness } => {
                write!(f, "the face is dark (brightness {brightness:.0} of 255); add light from the front")
            }
            Likely::Bright { brightness } => {
                write!(f, "the face is very bright (brightness {brightness:.0} of 255); take the light away from it")
            }
            Likely::Soft { sharpness } => {
                write!(f, "the face is not very sharp (sharpness {sharpness:.0}); hold still, add light or clean the lens")
            }
            Likely::Turned { yaw } => {
                write!(f, "the head is turned by {:.0} degrees; look straight into the camera", yaw.abs())
            }
            Likely::Nodding { pitch } => {
                let way = if *pitch < 0.0 { "down" } else { "up" };
                write!(f, "the head is tilted {way} by {:.0} degrees; look straight into the camera", pitch.abs())
            }
            Likely::Small { size } => {
                write!(f, "the face is small ({size:.0} pixels); move closer or use a larger photograph")
            }
            Likely::Unknown => f.write_str(
                "size, sharpness, light and pose are as usual; look for something that covers the face, for hard shadows, \
                 or for a strong expression",
            ),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NoFace => f.write_str("no face was found; use a photograph that shows one face from the front"),
            Refusal::Several { usable } => {
                write!(f, "there are {usable} usable faces; crop the photograph to one")
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
            Refusal::Weak { length, limit, likely } => {
                let length = length.map_or_else(|| "not measured".to_owned(), |length| format!("length {length:.2}"));
                write!(f, "the embedding is weak ({length}, but at least {limit:.2} is needed): {likely}")
            }
        }
    }
}

impl Refusal {
    /// In one word, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::NoFace => "no_face",
            Refusal::Several { .. } => "several",
            Refusal::Small { .. } => "small",
            Refusal::Blurred { .. } => "blurred",
            Refusal::Turned { .. } => "turned",
            Refusal::Nodding { .. } => "nodding",
            Refusal::Weak { likely, .. } => match likely {
                Likely::Dark { .. } => "dark",
                Likely::Bright { .. } => "bright",
                Likely::Soft { .. } => "blurred",
                Likely::Turned { .. } => "turned",
                Likely::Nodding { .. } => "nodding",
                Likely::Small { .. } => "small",
                Likely::Unknown => "weak",
            },
        }
    }
}

impl Gates {
    /// Gates that let every measured face through.
    pub fn open() -> Gates {
        Gates {
            min_face_px: 0.0,
            min_sharpness: f32::NEG_INFINITY,
            max_yaw_deg: f32::INFINITY,
            max_pitch_deg: f32::INFINITY,
            min_length: None,
        }
    }

    /// Checks the quality of a face that was embedded: all gates. Not-a-number never passes.
    pub fn check_embedded(&self, quality: &Quality) -> Result<(), Refusal> {
        self.check(quality)?;
        let Some(limit) = self.min_length else { return Ok(()) };
        match quality.length {
            Some(length) if length >= limit => Ok(()),
            length => Err(Refusal::Weak { length, limit, likely: Likely::of(quality) }),
        }
    }

    /// Checks the quality of a face as it was before the embedding: all gates but the embedding's length. Not-a-number never passes.
    pub fn check(&self, quality: &Quality) -> Result<(), Refusal> {
        let Gates { min_face_px, min_sharpness, max_yaw_deg, max_pitch_deg, min_length: _ } = *self;
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

    const GATES: Gates =
        Gates { min_face_px: 80.0, min_sharpness: 30.0, max_yaw_deg: 30.0, max_pitch_deg: 25.0, min_length: Some(6.0) };

    fn good(size: f32) -> (Face, Quality) {
        let bounds = Bounds { x1: 0.0, y1: 0.0, x2: size, y2: size };
        let face = Face { bounds, score: Score(0.99), landmarks: [Point::default(); 5] };
        (face, Quality { size, sharpness: 100.0, brightness: 120.0, length: Some(7.0), ..Quality::default() })
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
    fn a_weak_embedding_is_refused_with_its_likely_cause() {
        let fault = |change: &dyn Fn(&mut Quality)| {
            let mut quality = good(120.0).1;
            quality.length = Some(5.0);
            change(&mut quality);
            let refusal = GATES.check_embedded(&quality).unwrap_err();
            assert!(matches!(refusal, Refusal::Weak { .. }), "{refusal:?}");
            refusal.to_string()
        };
        let text = fault(&|q| q.brightness = 40.0);
        let wanted = "the embedding is weak (length 5.00, but at least 6.00 is needed): the face is dark (brightness 40 of 255); \
                      add light from the front";
        assert_eq!(text, wanted);
        assert!(fault(&|q| q.brightness = 230.0).contains("very bright"));
        assert!(fault(&|q| q.sharpness = 40.0).contains("not very sharp (sharpness 40)"));
        assert!(fault(&|q| q.yaw = -25.0).contains("turned by 25 degrees"));
        assert!(fault(&|q| q.pitch = -20.0).contains("tilted down by 20 degrees"));
        assert!(fault(&|q| q.size = 81.0).contains("small (81 pixels)"));
        assert!(fault(&|_| {}).contains("covers the face"));
        // The worst of two.
        assert!(fault(&|q| (q.yaw, q.brightness) = (20.0, 30.0)).contains("dark"));
        assert!(fault(&|q| q.length = None).contains("not measured"));
        fault(&|q| q.length = Some(f32::NAN));

        let mut strong = good(120.0).1;
        strong.length = Some(6.0);
        assert_eq!(GATES.check_embedded(&strong), Ok(()));
        assert!(matches!(GATES.check_embedded(&Quality { yaw: 50.0, ..strong }), Err(Refusal::Turned { .. })));
        assert_eq!(Gates { min_length: None, ..GATES }.check_embedded(&Quality { length: None, ..strong }), Ok(()));
    }

    #[test]
    fn the_largest_must_be_usable_itself() {
        let mut blurred = good(200.0);
        blurred.1.sharpness = 1.0;
        assert!(matches!(GATES.choose(&[blurred, good(90.0)], true), Err(Refusal::Blurred { .. })));
        assert_eq!(GATES.choose(&[blurred, good(90.0)], false), Ok(1));
    }
}

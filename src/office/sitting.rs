//! Enrolment in front of a camera: good views of one face are collected, frame by frame, and the person is told what is missing.

use std::fmt;
use std::time::Duration;

use super::gates::{Gates, Refusal};
use super::photograph::FaceTemplates;
use crate::domain::{Distance, Embedding, Moment};
use crate::gallery::Template;

/// Views closer together than this are one.
const BETWEEN_VIEWS: Duration = Duration::from_millis(300);

/// The good views so far.
pub struct Sitting {
    gates: Gates,
    /// Two views within this distance show one person.
    same: Distance,
    wanted: usize,
    taken: Vec<FaceTemplates>,
    last: Option<Moment>,
    /// What `rotate` of the camera should be, in degrees, if faces were upright only in a turned picture.
    rotate: Option<u16>,
    advice: Advice,
}

/// What the newest frame was, for the person before the camera.
#[derive(Clone, Debug, PartialEq)]
pub enum Advice {
    /// There was no frame yet.
    NoPicture,
    NoFace,
    Several(usize),
    /// The face cannot be used.
    Gate(Refusal),
    /// Somebody else than in the first view.
    OtherPerson,
    /// The camera hangs turned: what `rotate` should be, in degrees.
    CameraTurned(u16),
    /// It is good, and more are needed.
    Good,
}

impl Advice {
    /// In one word, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Advice::NoPicture => "no_picture",
            Advice::NoFace => "no_face",
            Advice::Several(_) => "several",
            Advice::Gate(refusal) => refusal.code(),
            Advice::OtherPerson => "other_person",
            Advice::CameraTurned(_) => "camera_turned",
            Advice::Good => "good",
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Advice::NoPicture => f.write_str("the camera gave no picture"),
            Advice::NoFace => f.write_str("no face in view; look into the camera"),
            Advice::Several(count) => write!(f, "{count} faces in view; only one is allowed"),
            Advice::Gate(refusal) => refusal.fmt(f),
            Advice::OtherPerson => f.write_str("this is not the person of the first view"),
            Advice::CameraTurned(degrees) => write!(
                f,
                "faces are upright only in a turned picture: set rotate = {degrees} in the [[camera]], and restart usher"
            ),
            Advice::Good => f.write_str("good; move your head a little"),
        }
    }
}

impl Sitting {
    /// Collects `wanted` views that pass `gates` and are within `same` of the first one.
    pub fn new(gates: Gates, same: Distance, wanted: usize) -> Sitting {
        Sitting { gates, same, wanted, taken: Vec::new(), last: None, rotate: None, advice: Advice::NoPicture }
    }

    /// Notes what `rotate` of the camera should be, where the frame that is judged next shows it. That is known now and then only, so it holds until a
    /// view is good.
    pub fn hangs(&mut self, rotate: Option<u16>) {
        self.rotate = rotate.or(self.rotate);
    }

    /// Judges the faces of a frame that was seen at `now`; whether more views are needed.
    pub fn see(&mut self, faces: &[FaceTemplates], now: Moment) -> bool {
        self.advice = match (self.judge(faces, now), self.rotate) {
            (Advice::Good, _) => {
                self.rotate = None;
                Advice::Good
            }
            (_, Some(degrees)) => Advice::CameraTurned(degrees),
            (advice, None) => advice,
        };
        !self.is_complete()
    }

    fn judge(&mut self, faces: &[FaceTemplates], now: Moment) -> Advice {
        let face = match faces {
            [] => return Advice::NoFace,
            [face] => face,
            several => return Advice::Several(several.len()),
        };
        if let Err(refusal) = self.gates.check_embedded(&face.template.quality) {
            return Advice::Gate(refusal);
        }
        // Somebody else may have stepped in front of the camera.
        let first = self.taken.first().map(|first| &first.template.embedding);
        if first.is_some_and(|first| !self.alike(first, &face.template.embedding)) {
            return Advice::OtherPerson;
        }
        if !self.is_complete() && self.last.is_none_or(|last| now.since(last) >= BETWEEN_VIEWS) {
            self.last = Some(now);
            self.taken.push(face.clone());
        }
        Advice::Good
    }

    fn alike(&self, a: &Embedding, b: &Embedding) -> bool {
        a.distance(b).is_some_and(|distance| distance <= self.same)
    }

    /// What the newest frame was.
    pub fn advice(&self) -> &Advice {
        &self.advice
    }

    /// How many good views there are.
    pub fn taken(&self) -> usize {
        self.taken.len()
    }

    /// How many good views are needed.
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// Whether there are enough good views.
    pub fn is_complete(&self) -> bool {
        self.taken.len() >= self.wanted
    }

    /// The views of the model in use; then those of the other model, if it saw all of them.
    pub fn templates(&self) -> Vec<Template> {
        let own = self.taken.iter().map(|face| face.template.clone());
        let beside: Option<Vec<Template>> = self.taken.iter().map(|face| face.beside.clone()).collect();
        own.chain(beside.unwrap_or_default()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::domain::{ModelId, Quality};

    const GATES: Gates =
        Gates { min_face_px: 80.0, min_sharpness: 30.0, max_yaw_deg: 30.0, max_pitch_deg: 25.0, min_length: None };

    fn template(model: &str, degrees: f32, size: f32) -> Template {
        let values = Box::new([degrees.to_radians().cos(), degrees.to_radians().sin()]);
        let embedding = Embedding::normalised(ModelId::new(model), values).unwrap();
        let quality = Quality { size, sharpness: 90.0, ..Quality::default() };
        Template { embedding, quality, created: SystemTime::UNIX_EPOCH }
    }

    fn face(degrees: f32) -> FaceTemplates {
        FaceTemplates { template: template("net", degrees, 120.0), beside: Some(template("next", degrees, 120.0)) }
    }

    fn at(milliseconds: u64) -> Moment {
        Moment(Duration::from_millis(milliseconds))
    }

    #[test]
    fn good_views_of_one_face_are_taken_with_time_between_them() {
        let mut sitting = Sitting::new(GATES, Distance(0.5), 2);
        assert_eq!((sitting.advice(), sitting.wanted()), (&Advice::NoPicture, 2));
        assert!(sitting.see(&[face(0.0)], at(0)));
        assert!(sitting.see(&[face(1.0)], at(100)), "too soon after the first");
        assert_eq!((sitting.taken(), sitting.advice().code()), (1, "good"));
        assert!(!sitting.see(&[face(2.0)], at(300)));
        assert!(!sitting.see(&[face(3.0)], at(900)), "enough is enough");
        let models: Vec<String> = sitting.templates().iter().map(|t| t.embedding.model().to_string()).collect();
        assert_eq!(models, ["net", "net", "next", "next"]);
    }

    #[test]
    fn what_is_not_good_is_said_and_not_taken() {
        let mut sitting = Sitting::new(GATES, Distance(0.5), 3);
        let small = FaceTemplates { template: template("net", 0.0, 40.0), beside: None };
        for (faces, code) in [(vec![], "no_face"), (vec![face(0.0), face(0.0)], "several"), (vec![small], "small")] {
            assert!(sitting.see(&faces, at(0)));
            assert_eq!((sitting.advice().code(), sitting.taken()), (code, 0));
        }
        sitting.see(&[face(0.0)], at(1000));
        sitting.see(&[face(90.0)], at(2000));
        assert_eq!((sitting.advice(), sitting.taken()), (&Advice::OtherPerson, 1));
    }

    #[test]
    fn the_other_models_views_count_only_if_it_saw_all() {
        let mut sitting = Sitting::new(GATES, Distance(0.5), 2);
        sitting.see(&[face(0.0)], at(0));
        sitting.see(&[FaceTemplates { beside: None, ..face(0.0) }], at(1000));
        assert_eq!(sitting.templates().len(), 2);
    }

    #[test]
    fn a_camera_that_hangs_turned_is_named_until_a_view_is_good() {
        let mut sitting = Sitting::new(GATES, Distance(0.5), 2);
        sitting.hangs(Some(90));
        sitting.see(&[], at(0));
        assert_eq!((sitting.advice(), sitting.advice().code()), (&Advice::CameraTurned(90), "camera_turned"));
        sitting.hangs(None);
        sitting.see(&[], at(100));
        assert!(sitting.advice().to_string().contains("rotate = 90"));
        sitting.see(&[face(0.0)], at(200));
        sitting.see(&[], at(300));
        assert_eq!(sitting.advice(), &Advice::NoFace);
    }
}

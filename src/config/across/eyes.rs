//! Infra-red cameras: second eyes beside a camera that recognises people, and those that recognise people themselves.

use super::super::Config;
use super::super::problem::Origins;
use super::super::sections::Camera;
use super::super::text::quote;
use super::{Checks, names};
use crate::domain::{PassiveMode, Spectrum};

/// A second eye that names no door watches that of its camera.
pub(super) fn share_doors(config: &mut Config, origins: &Origins) {
    let doors: Vec<(String, String)> = config.cameras.iter().map(|eye| (eye.name.clone(), eye.door.clone())).collect();
    for (index, camera) in config.cameras.iter_mut().enumerate() {
        let of = camera.eye_of.as_ref().filter(|_| !origins.has(&format!("camera[{index}].door")));
        if let Some((_, door)) = of.and_then(|of| doors.iter().find(|(name, _)| name == of)) {
            camera.door.clone_from(door);
        }
    }
}

impl Checks<'_> {
    /// At least one camera recognises people.
    pub(super) fn somebody_sees(&mut self) {
        let cameras = &self.config.cameras;
        if !cameras.is_empty() && !cameras.iter().any(Camera::recognises) {
            let what = "a second eye recognises nobody: at least one [[camera]] must be without eye_of";
            self.reject("camera[0].eye_of", what);
        }
    }

    /// An infra-red camera that names no camera beside it. Where another camera watches its door in colour, eye_of was most likely forgotten; and a
    /// second eye that is taken for a camera of its own would open the door to what it is there to find.
    fn alone(&mut self, index: usize, camera: &Camera) {
        let at = |key: &str| format!("camera[{index}].{key}");
        let beside = |other: &&Camera| other.spectrum == Spectrum::Visible && other.door == camera.door;
        if let Some(other) = self.config.cameras.iter().find(beside) {
            let right = format!(
                "the name of the camera beside it, such as {}; only where no other camera watches the door, an infra-red one recognises people itself",
                quote(&other.name)
            );
            self.missing(&format!("camera[{index}]"), "eye_of", &right);
            return;
        }
        if self.origins.has(&at("eye_sees")) {
            self.reject(&at("eye_sees"), "belongs to a second eye: set eye_of, too, or remove it");
        }
        if self.config.liveness.passive != PassiveMode::Off {
            let what = format!(
                "it has no effect at camera {}, which sees infra-red: the networks judge pictures in colour",
                quote(&camera.name)
            );
            self.warn("liveness.passive", what);
        }
    }

    /// A second eye: of which camera, and what of its picture it sees.
    pub(super) fn eye(&mut self, index: usize) {
        let cameras = &self.config.cameras;
        let Some(camera) = cameras.get(index) else { return };
        let at = |key: &str| format!("camera[{index}].{key}");
        let infrared = camera.spectrum == Spectrum::Infrared;
        let Some(of) = &camera.eye_of else {
            if infrared && ["eye_of", "spectrum", "door"].iter().all(|key| self.sound(&at(key))) {
                self.alone(index, camera);
            }
            return;
        };
        if !infrared {
            if self.sound(&at("spectrum")) {
                self.reject(&at("eye_of"), "belongs to spectrum \"infrared\" only; remove it");
            }
            return;
        }
        let seeing = |other: &&Camera| other.spectrum == Spectrum::Visible;
        match cameras.iter().find(|other| other.name == *of).filter(seeing) {
            None => {
                let known = names(cameras.iter().filter(seeing).map(|other| &other.name));
                self.reject(&at("eye_of"), format!("there is no visible camera {}; they are {known}", quote(of)));
            }
            Some(other) if other.door != camera.door && self.sound(&at("door")) => {
                let what = format!("must be {}, the door of {}, whose eye it is", quote(&other.door), quote(of));
                self.reject(&at("door"), what);
            }
            Some(_) if cameras.iter().take(index).any(|earlier| earlier.eye_of.as_ref() == Some(of)) => {
                self.reject(&at("eye_of"), format!("{} has a second eye already", quote(of)));
            }
            Some(_) => {}
        }
        let [left, top, right, bottom] = camera.eye_sees;
        if left >= right || top >= bottom {
            self.reject(&at("eye_sees"), "must be left, top, right, bottom: left before right, top before bottom");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEING: &str = "[[door]]\nname = \"front\"\n[[door]]\nname = \"back\"\n[[camera]]\nname = \"porch\"\nkind = \"v4l2\"\ndoor = \"back\"\n";

    /// The camera of an eye, or why it is refused.
    fn eye(keys: &str) -> Result<Camera, String> {
        let text = format!("{SEEING}[[camera]]\nname = \"ir\"\nkind = \"v4l2\"\n{keys}");
        let config = Config::from_toml(&text).map_err(|errors| errors.to_string())?;
        Ok(config.cameras[1].clone())
    }

    #[test]
    fn an_eye_watches_the_door_of_its_camera() {
        let plain = eye("spectrum = \"infrared\"\neye_of = \"porch\"").unwrap();
        assert_eq!((plain.door.as_str(), plain.eye_sees), ("back", [0.0, 0.0, 1.0, 1.0]));
        let shifted = eye("spectrum = \"infrared\"\neye_of = \"porch\"\neye_sees = [-0.1, 0, 0.9, 1]").unwrap();
        assert_eq!(shifted.eye_sees, [-0.1, 0.0, 0.9, 1.0]);
    }

    #[test]
    fn what_does_not_belong_together_says_what_to_do() {
        let infrared = "spectrum = \"infrared\"\n";
        for (keys, part) in [
            (
                format!("{infrared}door = \"back\""),
                "eye_of is missing; it must be the name of the camera beside it, such as \"porch\"",
            ),
            (infrared.to_owned(), "door is missing; it must be the name of a [[door]]"),
            (format!("{infrared}door = \"front\"\neye_sees = [0, 0, 1, 1]"), "belongs to a second eye: set eye_of"),
            ("door = \"back\"\neye_of = \"porch\"".to_owned(), "belongs to spectrum \"infrared\" only; remove it"),
            (
                format!("{infrared}door = \"back\"\neye_of = \"ir\""),
                "there is no visible camera \"ir\"; they are \"porch\"",
            ),
            (format!("{infrared}eye_of = \"porch\"\ndoor = \"front\""), "must be \"back\", the door of \"porch\""),
            (
                format!("{infrared}eye_of = \"porch\"\neye_sees = [0.5, 0, 0.5, 1]"),
                "left before right, top before bottom",
            ),
            (format!("{infrared}eye_of = \"porch\"\neye_sees = [0, 0, 1]"), "a list of 4 numbers"),
            ("door = \"back\"\neye_sees = [0, 0, 1, 1]".to_owned(), "belongs to spectrum \"infrared\" only"),
        ] {
            let error = eye(&keys).unwrap_err();
            assert!(error.contains(part), "{keys}: {error}");
        }
        let twice = format!(
            "{infrared}eye_of = \"porch\"\n[[camera]]\nname = \"third\"\nkind = \"v4l2\"\n{infrared}eye_of = \"porch\""
        );
        assert!(eye(&twice).unwrap_err().contains("\"porch\" has a second eye already"));
    }

    const ALONE: &str = "[[door]]\n[[camera]]\nname = \"ir\"\nkind = \"v4l2\"\nspectrum = \"infrared\"\n";

    #[test]
    fn eyes_alone_are_refused() {
        let error = Config::from_toml(&format!("{ALONE}eye_of = \"ir\"\n")).unwrap_err().to_string();
        assert!(error.contains("at least one [[camera]] must be without eye_of"), "{error}");
    }

    #[test]
    fn an_infra_red_camera_recognises_people_where_no_other_watches_the_door() {
        assert!(Config::from_toml(ALONE).unwrap().cameras[0].recognises());
        let front = eye("spectrum = \"infrared\"\ndoor = \"front\"").unwrap();
        assert!(front.recognises());
        let beside = eye("spectrum = \"infrared\"\neye_of = \"porch\"").unwrap();
        assert!(!beside.recognises());
    }
}

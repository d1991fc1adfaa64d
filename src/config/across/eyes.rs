//! Second eyes: cameras that see infra-red beside a camera that recognises people.

use super::super::Config;
use super::super::problem::Origins;
use super::super::sections::Camera;
use super::super::text::quote;
use super::{Checks, names};
use crate::domain::Spectrum;

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
        let seeing = cameras.iter().any(|camera| camera.spectrum == Spectrum::Visible);
        if !seeing && !cameras.is_empty() {
            let what = "infra-red cameras recognise nobody: at least one [[camera]] must have spectrum \"visible\"";
            self.reject("camera[0].spectrum", what);
        }
    }

    /// A second eye: of which camera, and what of its picture it sees.
    pub(super) fn eye(&mut self, index: usize) {
        let cameras = &self.config.cameras;
        let Some(camera) = cameras.get(index) else { return };
        let at = |key: &str| format!("camera[{index}].{key}");
        let infrared = camera.spectrum == Spectrum::Infrared;
        let Some(of) = &camera.eye_of else {
            if infrared && self.sound(&at("eye_of")) && self.sound(&at("spectrum")) {
                self.missing(&format!("camera[{index}]"), "eye_of", "the name of the camera beside it");
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
            (infrared.to_owned(), "eye_of is missing; it must be the name of the camera beside it"),
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

    #[test]
    fn eyes_alone_are_refused() {
        let text = "[[door]]\n[[camera]]\nname = \"ir\"\nkind = \"v4l2\"\nspectrum = \"infrared\"\neye_of = \"ir\"\n";
        let error = Config::from_toml(text).unwrap_err().to_string();
        assert!(error.contains("at least one [[camera]] must have spectrum"), "{error}");
    }
}

//! Cameras: which device each is, which are second eyes, and how many frames they give.

use crate::api::checks::Check;
use crate::api::figures::Sample;
use crate::camera::v4l2;
use crate::config::{self, CameraKind, Config};
use crate::domain::Spectrum;

/// A camera that gives fewer frames a second than this shows a face too seldom for several frames to agree in time.
const FEW_FRAMES_PER_S: f64 = 2.0;

/// Which device each camera is, and how to accept no other. Asks the drivers alone.
pub fn identities(config: &Config) -> Vec<Check> {
    config.cameras.iter().filter_map(identity).collect()
}

/// As [`identities`], of one camera; `None` for a recording, and for a device that does not answer, which is reported elsewhere.
pub fn identity(camera: &config::Camera) -> Option<Check> {
    if camera.kind != CameraKind::V4l2 {
        return None;
    }
    let found = v4l2::identity(&camera.device.display().to_string()).ok()?;
    let name = &camera.name;
    Some(match &camera.identity {
        Some(wanted) if !found.is(wanted) => {
            let device = camera.device.display();
            Check::broken("camera", format!("{name}: {device} is {found}, but identity names {wanted}"))
        }
        Some(_) => Check::well("camera", format!("{name}: it is {found}, as identity says")),
        None => Check::well(
            "camera",
            format!("{name}: to accept no other device in its place, set identity = {:?}", found.key()),
        ),
    })
}

/// Which cameras see infra-red, beside another one or alone, and that their emitters are nobody's business here.
pub fn eyes(config: &Config) -> Vec<Check> {
    let eye = |camera: &config::Camera| {
        let name = &camera.name;
        let text = match &camera.eye_of {
            Some(of) => format!(
                "{name} sees infra-red beside {of}. usher never switches an emitter: if receipts say that it gives no lit frames, enable the emitter \
                 with the maker's tool"
            ),
            None if camera.spectrum == Spectrum::Infrared => format!(
                "{name} recognises people in infra-red, for which no error rates have been measured: try everybody there, give them templates from \
                 this camera, and set the limit by its own pictures (docs/cameras.md, An infra-red camera alone)"
            ),
            None => return None,
        };
        Some(Check::well("camera", text))
    };
    config.cameras.iter().filter_map(eye).collect()
}

/// The frames that each camera gave in the last minute.
pub fn rates(config: &Config, newest: &Sample) -> Vec<Check> {
    let rate = |camera: &config::Camera| {
        let sample = newest.cameras.iter().find(|sample| sample.name == camera.name)?;
        let rate = sample.frames_per_s;
        let text =
            format!("{}: {rate:.1} frames a second, {:.1} of them looked at", camera.name, sample.looked_at_per_s);
        // A recording ends.
        let few = camera.kind == CameraKind::V4l2 && rate < FEW_FRAMES_PER_S;
        Some(match few {
            true => Check::warning(
                "camera rate",
                format!("{text}: too few for faces to be recognised in time; see `usher camera list`"),
            ),
            false => Check::well("camera rate", text),
        })
    };
    config.cameras.iter().filter_map(rate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::checks::CheckState;
    use crate::api::figures::CameraSample;

    #[test]
    fn infra_red_cameras_are_told_whether_they_stand_beside_another_or_alone() {
        let camera = |name: &str, keys: &str| format!("[[camera]]\nname = {name:?}\nkind = \"v4l2\"\n{keys}\n");
        let said = |cameras: &[String]| {
            let config = Config::from_toml(&format!("[[door]]\n{}", cameras.concat())).unwrap();
            eyes(&config).into_iter().map(|check| check.text).collect::<Vec<_>>()
        };
        let (colour, infrared) = (camera("porch", ""), "spectrum = \"infrared\"");
        assert!(said(std::slice::from_ref(&colour)).is_empty());
        let beside = said(&[colour, camera("ir", &format!("{infrared}\neye_of = \"porch\""))]);
        assert!(beside.len() == 1 && beside[0].starts_with("ir sees infra-red beside porch"), "{beside:?}");
        let alone = said(&[camera("ir", infrared)]);
        assert!(alone.len() == 1 && alone[0].starts_with("ir recognises people in infra-red"), "{alone:?}");
    }

    #[test]
    fn few_frames_of_a_camera_are_a_warning_and_the_end_of_a_recording_is_none() {
        let config = |kind: &str| Config::from_toml(&format!("[[door]]\n[[camera]]\nname = \"c\"\n{kind}")).unwrap();
        let sample = |rate: f64| Sample {
            at: String::new(),
            cameras: vec![CameraSample {
                name: "c".into(),
                frames_per_s: rate,
                looked_at_per_s: 0.5,
                latency_ms: None,
            }],
            temperature_c: None,
            queue: None,
        };
        let found = |kind: &str, rate: f64| rates(&config(kind), &sample(rate)).remove(0);
        let (live, recorded) = ("kind = \"v4l2\"", "kind = \"replay\"\npath = \"film.mjpeg\"");
        let well = found(live, 15.0);
        assert_eq!(
            (well.state, well.text.as_str()),
            (CheckState::Ok, "c: 15.0 frames a second, 0.5 of them looked at")
        );
        assert_eq!(found(live, 0.3).state, CheckState::Warning);
        assert_eq!(found(recorded, 0.0).state, CheckState::Ok);
        assert!(rates(&config(live), &Sample { cameras: Vec::new(), ..sample(1.0) }).is_empty());
    }
}

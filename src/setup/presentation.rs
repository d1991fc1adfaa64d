//! From `[liveness]` and the second eyes among the cameras to what looks for prints and screens: the passive networks and infra-red cameras.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::access::{InfraredEyes, InfraredRules, PassiveRules};
use crate::config::{self, Config};
use crate::domain::{Assurance, Cue, PassiveMode, Spectrum};
use crate::vision::finder::FaceFinder;
use crate::vision::passive::PassiveNetworks;
use crate::vision::runtime::Runtime;

/// Whether the passive networks run at a camera: `[liveness] passive` asks for them everywhere, a tier at the cameras of its door.
pub fn asks_passive(config: &Config, camera: &config::Camera) -> bool {
    let named = |tier: &Assurance| tier.cues().contains(&Cue::Passive);
    let by_door = || {
        let mut doors = config.doors.iter().filter(|door| door.name == camera.door);
        doors.any(|door| config.asked_at(door).iter().flatten().any(named))
    };
    camera.spectrum == Spectrum::Visible && (config.liveness.passive != PassiveMode::Off || by_door())
}

/// The passive networks of a camera, checked and compiled; `None` where nobody asks for them.
///
/// # Errors
/// They are asked for and cannot be used. The message says how to make them.
pub fn passive(config: &Config, camera: &config::Camera, runtime: &Runtime) -> Result<Option<PassiveNetworks>> {
    asks_passive(config, camera).then(|| passive_networks(config, runtime)).transpose()
}

/// The networks in `[liveness] passive_models`, checked and compiled.
///
/// # Errors
/// They cannot be used. The message says how to make them.
pub fn passive_networks(config: &Config, runtime: &Runtime) -> Result<PassiveNetworks> {
    let folder = &config.liveness.passive_models;
    let (asked, threads) = (&config.runtime.accelerator, config.runtime.threads as usize);
    PassiveNetworks::open(runtime, folder, asked, threads).with_context(|| {
        format!(
            "[liveness] passive_models {}: make this folder with `models/build/build liveness` (docs/liveness-networks.md), or set passive = \"off\"",
            folder.display()
        )
    })
}

/// When a face passes the passive networks. A board that needs seconds for a frame has as many frames to look at as a fast one.
pub fn passive_rules(config: &Config) -> PassiveRules {
    let usual = PassiveRules::default();
    let frames = u32::try_from(usual.frames).unwrap_or(u32::MAX);
    let slow: Duration = super::track_ends_after(config).saturating_mul(frames);
    PassiveRules { window: usual.window.max(slow), ..usual }
}

/// The detector alone, for an infra-red camera.
pub fn finder(config: &Config, runtime: &Runtime) -> Result<FaceFinder> {
    Ok(FaceFinder::open(runtime, &config.models.path, &super::vision_settings(config))?)
}

/// For each camera the one whose second eye it is.
pub fn eye_of(config: &Config) -> Vec<Option<Arc<str>>> {
    config.cameras.iter().map(|camera| camera.eye_of.as_deref().map(Arc::from)).collect()
}

/// What the second eyes of all cameras see: nothing yet.
pub fn second_eyes(config: &Config) -> InfraredEyes {
    InfraredEyes::new(InfraredRules::default(), eye_of(config).into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "[[door]]\nname = \"front\"\n[[camera]]\nname = \"porch\"\nkind = \"v4l2\"\n\
        [[camera]]\nname = \"porch-ir\"\nkind = \"v4l2\"\nspectrum = \"infrared\"\neye_of = \"porch\"\n";

    fn config(liveness: &str) -> Config {
        Config::from_toml(&format!("{liveness}\n{REST}")).unwrap()
    }

    #[test]
    fn the_networks_are_opened_only_where_they_are_asked_for_and_say_how_they_are_made() {
        let runtime = Runtime::load(None).expect("script/setup fetches LiteRT");
        let off = config("");
        assert!(passive(&off, &off.cameras[0], &runtime).unwrap().is_none());
        let missing = config("[liveness]\npassive = \"log\"\npassive_models = \"/nowhere\"");
        let error = passive(&missing, &missing.cameras[0], &runtime).err().expect("there is no such folder");
        let error = format!("{error:#}");
        assert!(error.contains("/nowhere: make this folder with `models/build/build liveness`"), "{error}");
        assert!(passive(&missing, &missing.cameras[1], &runtime).unwrap().is_none(), "infra-red has no colour");
        let toy = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/liveness");
        let there = config(&format!("[liveness]\npassive = \"deny\"\npassive_models = {toy:?}"));
        assert!(passive(&there, &there.cameras[0], &runtime).unwrap().is_some());
        let by_tier =
            REST.replace("name = \"front\"", "name = \"front\"\nassurance = [\"challenge\", \"challenge+passive\"]");
        let of_tier = Config::from_toml(&by_tier).unwrap();
        assert!(asks_passive(&of_tier, &of_tier.cameras[0]) && !asks_passive(&off, &off.cameras[0]));
    }

    #[test]
    fn a_slow_board_has_time_for_five_frames() {
        assert_eq!(passive_rules(&config("")).window, Duration::from_secs(5));
        assert_eq!(passive_rules(&config("[access]\nwindow = \"8s\"")).window, Duration::from_secs(20));
    }

    #[test]
    fn second_eyes_are_known_by_the_camera_beside_them() {
        let config = config("");
        assert_eq!(eye_of(&config), [None, Some("porch".into())]);
        let eyes = second_eyes(&config);
        assert!(eyes.has("porch") && !eyes.has("porch-ir"));
    }
}

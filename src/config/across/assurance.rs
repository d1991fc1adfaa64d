//! What doors ask of people beyond being recognised: whether it can be met at all, whom it shuts out, and what it does not stop.

use super::Checks;
use crate::config::Config;
use crate::config::sections::{Camera, Door, DoorDriver, PromptChannel, ThirdTurn};
use crate::config::text::quote;
use crate::domain::{Assurance, Cue, Spectrum};

/// What a `[[door]]` asks of some people, and the key that says so.
struct Asking<'a> {
    key: String,
    door: &'a Door,
    tiers: Vec<Assurance>,
}

impl Checks<'_> {
    /// The keys `assurance`, `prompt` and `attended` of doors and permits, the lamps of prompts, and `[liveness]`.
    pub(super) fn assurance(&mut self) {
        let config = self.config;
        let mut seen: Vec<String> = Vec::new();
        for Asking { key, door, tiers } in asked(config) {
            if !self.sound(&key) {
                continue;
            }
            if let Some(what) = unmet(config, door, &tiers) {
                self.reject(&key, what);
                continue;
            }
            if seen.contains(&key) {
                continue;
            }
            let weak = tiers.iter().find(|tier| !tier.stops_photographs());
            if let Some(weak) = weak.filter(|_| door.driver != DoorDriver::Simulated) {
                self.warn(&key, weakness(*weak, door));
            }
            if !tiers.iter().any(|tier| tier.needs_no_gesture()) && !door.attended {
                let what = format!(
                    "door {} asks everybody to turn the head, and shuts out people who cannot: allow something else as well, such as \
                     \"face+pin\" or \"face+tag\", or set attended = true where somebody can let them in",
                    quote(&door.name)
                );
                self.warn(&key, what);
            }
            seen.push(key);
        }
        for (index, door) in config.doors.iter().enumerate() {
            self.prompts(door, index);
        }
        let liveness = &config.liveness;
        let display = config.doors.iter().any(|door| door.prompt == PromptChannel::Display);
        if liveness.third_turn == ThirdTurn::Up && !display {
            let what = "it has no effect: no door has prompt = \"display\", and two lamps cannot say up";
            self.warn("liveness.third_turn", what);
        }
    }

    fn prompts(&mut self, door: &Door, index: usize) {
        if let Some(lamps) = &door.indicator {
            let alone = match (&lamps.left, &lamps.right) {
                (Some(_), None) => Some(("left", "right")),
                (None, Some(_)) => Some(("right", "left")),
                _ => None,
            };
            if let Some((key, other)) = alone {
                let missing = format!("it needs the lamp for the other side: set {other}, too");
                self.reject(&format!("door[{index}].indicator.{key}"), missing);
            }
        }
        if door.prompt == PromptChannel::Display && self.config.mqtt.is_none() {
            let what = "usher publishes prompts over MQTT, and there is no [mqtt]: only `usher status` shows them";
            self.warn(&format!("door[{index}].prompt"), what);
        }
    }
}

/// What each door asks, of everybody or of the people of each permit.
fn asked(config: &Config) -> Vec<Asking<'_>> {
    let doors = config.doors.iter().enumerate();
    doors.flat_map(|(index, door)| asked_at(config, index, door)).collect()
}

/// What a door asks: by itself, where there is no permit or one leaves it to the door, and by each permit that has its own.
fn asked_at<'a>(config: &'a Config, index: usize, door: &'a Door) -> Vec<Asking<'a>> {
    let mut all = Vec::new();
    let permits = config.permits.iter().enumerate();
    let covering: Vec<_> =
        permits.filter(|(_, permit)| permit.doors.is_empty() || permit.doors.contains(&door.name)).collect();
    if !config.has_permits() || covering.iter().any(|(_, permit)| permit.assurance.is_none()) {
        all.push(Asking { key: format!("door[{index}].assurance"), door, tiers: door.tiers() });
    }
    for (at, permit) in covering {
        if let Some(tiers) = &permit.assurance {
            all.push(Asking { key: format!("permit[{at}].assurance"), door, tiers: tiers.0.clone() });
        }
    }
    all
}

impl Config {
    /// What a door asks beyond a face, of everybody or of the people of each permit; of each list, any suffices.
    pub fn asked_at(&self, door: &Door) -> Vec<Vec<Assurance>> {
        asked_at(self, 0, door).into_iter().map(|asking| asking.tiers).collect()
    }
}

/// Why the first tier that cannot be met at a door cannot, with what to do.
fn unmet(config: &Config, door: &Door, tiers: &[Assurance]) -> Option<String> {
    let of_tier = |tier: &Assurance| {
        let lacks = tier.cues().iter().find_map(|cue| lack(config, door, *cue))?;
        Some(format!("{} cannot be met at door {}: {lacks}", quote(tier.as_str()), quote(&door.name)))
    };
    tiers.iter().find_map(of_tier)
}

/// What a door lacks for a cue, with what to do.
fn lack(config: &Config, door: &Door, cue: Cue) -> Option<&'static str> {
    let eyed = |camera: &Camera| camera.door == door.name && camera.eye_of.is_some();
    let infrared =
        |camera: &Camera| camera.door == door.name && camera.recognises() && camera.spectrum == Spectrum::Infrared;
    let sees_infrared = config.cameras.iter().any(infrared);
    let over_mqtt = config.mqtt.as_ref().is_some_and(|mqtt| mqtt.entries);
    match cue {
        Cue::Passive if sees_infrared => {
            Some("its camera sees infra-red, and the networks judge pictures in colour: ask for \"challenge\" instead")
        }
        // Whether the networks are there shows when they are opened.
        Cue::Challenge | Cue::Passive => None,
        Cue::Infrared if config.cameras.iter().any(eyed) => None,
        Cue::Infrared if sees_infrared => Some(
            "its infra-red camera recognises people itself, and is nobody's second eye: add a colour camera and name it in eye_of, or ask for \
             \"challenge\" instead",
        ),
        Cue::Infrared => Some(
            "it has no infra-red camera: add a [[camera]] with spectrum = \"infrared\" and eye_of, or ask for \"challenge\" instead",
        ),
        Cue::Tag if over_mqtt || door.takes_tags() => None,
        Cue::Tag => Some(
            "it has no reader for tags: set one up ([door.wiegand], [door.evdev], or [mqtt] entries), or ask for \"challenge\" instead",
        ),
        Cue::Pin if over_mqtt || door.takes_pins() => None,
        Cue::Pin => Some(
            "it has no keypad: set one up ([door.keypad], [door.wiegand], [door.evdev], or [mqtt] entries), or ask for \"challenge\" instead",
        ),
    }
}

/// What gets past a tier that does not stop photographs.
fn weakness(tier: Assurance, door: &Door) -> String {
    let what = match tier {
        Assurance::Passive => "some photographs and screens get past the networks and open",
        _ => "a photograph of somebody who may pass, on paper or on a phone, opens",
    };
    format!("{what} door {}: ask for \"challenge\" at least, unless somebody watches it", quote(&door.name))
}

//! What doors ask beyond a face, and whether people can know what they are asked.

use crate::api::checks::{Check, CheckState};
use crate::config::{Config, Door, DoorDriver, PromptChannel};
use crate::domain::{Assurance, Cue};

/// What each door asks. That a photograph opens one, or that one shuts somebody out, is a warning of the configuration.
pub fn doors(config: &Config) -> Vec<Check> {
    let check = |door: &Door| {
        let (state, text) = of(config, door);
        Check::new("assurance", state, text)
    };
    config.doors.iter().map(check).collect()
}

fn of(config: &Config, door: &Door) -> (CheckState, String) {
    let mut lists: Vec<String> = Vec::new();
    let asked = config.asked_at(door);
    for tiers in &asked {
        let words = tiers.iter().map(Assurance::to_string).collect::<Vec<_>>().join(" or ");
        if !lists.contains(&words) {
            lists.push(words);
        }
    }
    let name = &door.name;
    let challenged = asked.iter().flatten().any(|tier| tier.cues().contains(&Cue::Challenge));
    let asks = format!("{name}: asks for {}", lists.join(", of others for "));
    if !challenged {
        return (CheckState::Ok, asks);
    }
    if door.has_prompts() {
        let how = if door.prompt == PromptChannel::Display { "a display shows" } else { "two lamps show" };
        return (CheckState::Ok, format!("{asks}; {how} people which way to turn the head, in an order drawn by lot"));
    }
    let text = format!(
        "{asks}; nothing shows people which way to turn the head, so it is always left, then right: that stops prints, and no video of the \
         person doing it. Put lamps on [door.indicator] left and right, or show the prompt and set prompt = \"display\""
    );
    let state = if door.driver == DoorDriver::Simulated { CheckState::Ok } else { CheckState::Warning };
    (state, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(door: &str, rest: &str) -> (bool, String) {
        let camera = "[[camera]]\nname = \"c\"\nkind = \"v4l2\"\n";
        let config = Config::from_toml(&format!("[[door]]\n{door}{camera}{rest}")).unwrap();
        let (state, text) = of(&config, &config.doors[0]);
        (state == CheckState::Warning, text)
    }

    #[test]
    fn a_door_on_real_wires_without_prompts_is_a_warning_that_says_what_it_is_worth() {
        assert_eq!(found("", ""), (false, "front: asks for recognised".to_owned()));
        let real = "driver = \"rppal\"\n[door.relay]\nline = 17\n";
        let (warning, text) = found(real, "");
        assert!(warning && text.contains("always left, then right: that stops prints, and no video"), "{text}");
        let (warning, text) = found(&format!("{real}[door.indicator]\nleft = 2\nright = 3\n"), "");
        assert!(!warning && text.contains("two lamps show people") && text.contains("drawn by lot"), "{text}");
        let (warning, text) = found(&format!("prompt = \"display\"\n{real}"), "");
        assert!(!warning && text.contains("a display shows people"), "{text}");
    }

    #[test]
    fn what_permits_ask_is_listed_too() {
        let permits = "[[permit]]\ngroups = [\"vip\"]\nassurance = [\"challenge\", \"recognised\"]\n[[permit]]\n";
        let (warning, text) = found("", permits);
        assert!(!warning, "a simulated door");
        assert!(text.starts_with("front: asks for recognised, of others for challenge or recognised; "), "{text}");
    }
}

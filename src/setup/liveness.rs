//! From `[liveness]` and the doors to the settings of challenges.

use std::sync::Arc;

use super::presentation;
use crate::access::{ChallengeSettings, Dice, LivenessRules, SecondFactorSettings};
use crate::config::{Config, Door, DoorDriver, PromptChannel, Strictness, ThirdTurn};
use crate::domain::{Assurance, Side};

/// How a `[[door]]` tells a person from a photograph.
pub fn rules(config: &Config, door: &Door) -> LivenessRules {
    let liveness = &config.liveness;
    let usual = match liveness.setting {
        Strictness::Normal => ChallengeSettings::normal(),
        Strictness::Strict => ChallengeSettings::strict(),
    };
    let challenge = ChallengeSettings {
        turn: liveness.turn.map_or(usual.turn, |turn| turn as f32),
        depth: liveness.depth.map_or(usual.depth, |depth| depth as f32),
        turn_time: liveness.turn_time,
        attempts: liveness.attempts,
        wait: liveness.wait,
        ..usual
    };
    // Two lamps cannot say up.
    let up = liveness.third_turn == ThirdTurn::Up && door.prompt == PromptChannel::Display;
    let sides = [Side::Left, Side::Right].into_iter().chain(up.then_some(Side::Up)).collect();
    LivenessRules {
        challenge,
        sides,
        shuffled: door.has_prompts(),
        passive_mode: liveness.passive,
        passive: presentation::passive_rules(config),
    }
}

/// How PINs and tags are paired with faces.
pub fn second_factor(config: &Config) -> SecondFactorSettings {
    SecondFactorSettings { window: config.liveness.second_factor_window, ..SecondFactorSettings::default() }
}

/// The doors that move a real lock and do not stop photographs, each with what it asks of some people.
pub fn low_assurance(config: &Config) -> Vec<(Arc<str>, Vec<Assurance>)> {
    let mut found: Vec<(Arc<str>, Vec<Assurance>)> = Vec::new();
    for door in config.doors.iter().filter(|door| door.driver != DoorDriver::Simulated) {
        for tiers in config.asked_at(door) {
            let known = |(name, asked): &(Arc<str>, Vec<Assurance>)| **name == *door.name && *asked == tiers;
            if !tiers.iter().all(|tier| tier.stops_photographs()) && !found.iter().any(known) {
                found.push((door.name.as_str().into(), tiers));
            }
        }
    }
    found
}

/// Draws lots by the system's random numbers. Where it has none, the order of turns is always the same, and the log says so once.
pub fn dice() -> Dice {
    let mut failed = false;
    Dice::new(move |count| match getrandom::u64() {
        // Not quite even for a count that is no power of two: by 1 in 2^62 for a few sides.
        Ok(number) => usize::try_from(number % (count.max(1) as u64)).unwrap_or_default(),
        Err(error) => {
            if !std::mem::replace(&mut failed, true) {
                tracing::error!(%error, "there are no random numbers: challenges ask for turns in a fixed order");
            }
            0
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn of(liveness: &str, door: &str) -> LivenessRules {
        let camera = "[[camera]]\nname = \"c\"\nkind = \"v4l2\"\n";
        let config =
            Config::from_toml(&format!("[liveness]\n{liveness}\n[[door]]\nname = \"d\"\n{door}\n{camera}")).unwrap();
        rules(&config, &config.doors[0])
    }

    #[test]
    fn a_door_without_prompts_asks_for_left_then_right() {
        assert_eq!(of("", ""), LivenessRules::default());
        assert_eq!(of("third_turn = \"up\"", "").sides, [Side::Left, Side::Right]);
        let one_of_two = "[door.indicator]\nleft = 1\nright = 2";
        assert!(of("", one_of_two).shuffled && !of("", &format!("prompt = \"none\"\n{one_of_two}")).shuffled);
        let shown = of("third_turn = \"up\"", "prompt = \"display\"");
        assert!(shown.shuffled && shown.sides == [Side::Left, Side::Right, Side::Up]);
    }

    #[test]
    fn a_site_s_own_numbers_replace_those_of_the_setting() {
        let strict = of("setting = \"strict\"", "").challenge;
        assert_eq!(strict, ChallengeSettings::strict());
        let own =
            of("setting = \"strict\"\nturn = 0.22\nturn_time = \"6s\"\nattempts = 5\nwait = \"30s\"", "").challenge;
        assert_eq!((own.turn, own.depth, own.attempts), (0.22, strict.depth, 5));
        assert_eq!((own.turn_time, own.wait), (Duration::from_secs(6), Duration::from_secs(30)));
    }

    #[test]
    fn doors_on_real_wires_that_a_photograph_opens_are_known() {
        let camera = "[[camera]]\nname = \"c\"\nkind = \"v4l2\"\ndoor = \"a\"\n";
        let low = |text: &str| {
            let config = Config::from_toml(&format!("{text}{camera}")).unwrap();
            let words = |(door, tiers): (Arc<str>, Vec<Assurance>)| (door.to_string(), format!("{tiers:?}"));
            low_assurance(&config).into_iter().map(words).collect::<Vec<_>>()
        };
        let real = "[[door]]\nname = \"a\"\ndriver = \"rppal\"\n";
        let lines = "[door.relay]\nline = 17\n";
        assert_eq!(low("[[door]]\nname = \"a\"\nassurance = \"recognised\"\n"), [], "nothing is behind it");
        assert_eq!(low(&format!("{real}{lines}")), []);
        let recognised = format!("{real}assurance = [\"challenge\", \"recognised\"]\n{lines}");
        assert_eq!(low(&recognised), [("a".to_owned(), "[Challenge, Recognised]".to_owned())]);
        let permits = "[[permit]]\ngroups = [\"vip\"]\nassurance = \"recognised\"\n[[permit]]\n";
        assert_eq!(low(&format!("{real}{lines}{permits}")), [("a".to_owned(), "[Recognised]".to_owned())]);
    }

    #[test]
    fn lots_are_drawn_within_their_count() {
        let rules = LivenessRules { shuffled: true, ..LivenessRules::default() };
        let mut dice = dice();
        let left_first = (0..200).filter(|_| dice.order(&rules) == [Side::Left, Side::Right]).count();
        assert!((50..150).contains(&left_first), "{left_first} of 200");
    }
}

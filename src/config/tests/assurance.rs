//! What doors and permits ask beyond a face, as it is written, and what is wrong with it.

use super::*;
use crate::domain::Assurance;

const CAMERA: &str = "[[camera]]\nname = \"c\"\nkind = \"v4l2\"\ndoor = \"front\"\n";
const RELAY: &str = "[door.relay]\nline = 17\n";

fn door(keys: &str) -> String {
    format!("[[door]]\n{keys}\n{CAMERA}")
}

fn warned(text: &str) -> Vec<String> {
    Config::from_toml(text).unwrap().warnings().iter().map(ToString::to_string).collect()
}

#[test]
fn a_word_a_list_and_auto_are_read_and_written_back() {
    let asked = |keys: &str| Config::from_toml(&door(keys)).unwrap().doors[0].tiers();
    assert_eq!(asked(""), [Assurance::Recognised], "a simulated door");
    assert_eq!(asked("driver = \"gpiocdev\"\n[door.relay]\nline = 1"), [Assurance::Challenge]);
    assert_eq!(asked("driver = \"rppal\"\n[door.relay]\nline = 1"), [Assurance::Challenge]);
    assert_eq!(asked("assurance = \"auto\""), [Assurance::Recognised]);
    assert_eq!(asked("assurance = \"challenge\""), [Assurance::Challenge]);
    let list = "assurance = [\"challenge\", \"recognised\", \"challenge\"]";
    assert_eq!(asked(list), [Assurance::Challenge, Assurance::Recognised]);
    let text = door(list) + "[[permit]]\nassurance = \"challenge\"\n";
    let config = Config::from_toml(&text).unwrap();
    let again = Config::from_toml(&config.to_toml()).unwrap();
    assert_eq!(settings(&config), settings(&again));
    assert!(config.to_toml().contains("assurance = [\"challenge\", \"recognised\"]"), "{}", config.to_toml());
    let by_variable = load(&door(""), &[("USHER__DOOR__0__ASSURANCE", "challenge; recognised")]).unwrap();
    assert_eq!(by_variable.doors[0].tiers(), [Assurance::Challenge, Assurance::Recognised]);
}

#[test]
fn wrong_words_and_what_cannot_be_met_are_refused() {
    for (text, expected) in [
        (
            door("assurance = \"chalenge\""),
            "usher.toml:2: door[0].assurance: must be one of \"auto\", \"recognised\", \"passive\"",
        ),
        (door("assurance = []"), "usher.toml:2: door[0].assurance: must be one of"),
        (door("assurance = [\"auto\"]"), "usher.toml:2: door[0].assurance: must be one of"),
        (door("") + "[[permit]]\nassurance = \"auto\"\n", "usher.toml:8: permit[0].assurance: must be one of"),
        (door("prompt = \"voice\""), "usher.toml:2: door[0].prompt: must be one of \"auto\", \"display\", \"none\""),
        (
            door(&format!("driver = \"rppal\"\n{RELAY}[door.indicator]\nleft = 3")),
            "usher.toml:6: door[0].indicator.left: it needs the lamp for the other side: set right, too",
        ),
        (
            door("assurance = [\"challenge\", \"face+pin\"]"),
            "usher.toml:2: door[0].assurance: \"face+pin\" cannot be met at door \"front\": it has no keypad",
        ),
        (
            door("") + "[[permit]]\nassurance = \"challenge+ir\"\n",
            "usher.toml:8: permit[0].assurance: \"challenge+ir\" cannot be met at door \"front\": it has no infra-red camera",
        ),
        ("[liveness]\nturn = 0.05\n".to_owned() + &door(""), "usher.toml:2: liveness.turn: must be a number"),
    ] {
        let found = problems(&text);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{text}: {found:?}");
    }
    let hint = &problems(&door("assurance = \"chalenge\""))[0];
    assert!(hint.contains("did you mean \"challenge\"?") && hint.ends_with("found \"chalenge\""), "{hint}");
}

#[test]
fn a_real_door_that_a_photograph_opens_is_a_warning_and_a_simulated_one_is_not() {
    let real = |asked: &str| door(&format!("driver = \"rppal\"\nattended = true\n{asked}\n{RELAY}"));
    assert_eq!(warned(&real("")), [""; 0]);
    assert_eq!(warned(&door("assurance = \"recognised\"")), [""; 0]);
    for text in [
        real("assurance = \"recognised\""),
        real("assurance = [\"challenge\", \"recognised\"]"),
        real("") + "[[permit]]\ngroups = [\"vip\"]\nassurance = \"recognised\"\n",
    ] {
        let found = warned(&text);
        assert!(found.len() == 1 && found[0].contains("a photograph of somebody who may pass"), "{text}: {found:?}");
    }
}

#[test]
fn a_door_that_shuts_out_who_cannot_turn_the_head_is_a_warning() {
    let shut_out = |text: &str| {
        let found = warned(text);
        assert!(found.len() <= 1, "{found:?}");
        found.first().is_some_and(|text| text.contains("shuts out people who cannot"))
    };
    let real = |asked: &str| door(&format!("driver = \"rppal\"\n{asked}\n{RELAY}"));
    assert!(shut_out(&real("")) && shut_out(&door("assurance = \"challenge\"")));
    assert!(!shut_out(&real("attended = true")));
    assert!(!shut_out(&door("assurance = [\"challenge\", \"recognised\"]")));
    // What the door says does not matter where each permit has its own.
    let permits = "[[permit]]\nassurance = \"recognised\"\n";
    assert!(!shut_out(&(door("assurance = \"challenge\"") + permits)));
    assert!(shut_out(&(door("assurance = \"challenge\"") + permits + "[[permit]]\ngroups = [\"a\"]\n")));
}

#[test]
fn settings_without_effect_are_warnings() {
    let found = warned(&("[liveness]\nthird_turn = \"up\"\n".to_owned() + &door("")));
    assert!(found.len() == 1 && found[0].contains("liveness.third_turn"), "{found:?}");
    let found = warned(&door("prompt = \"display\""));
    assert!(found.len() == 1 && found[0].contains("there is no [mqtt]"), "{found:?}");
}

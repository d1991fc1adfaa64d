//! Doors and cameras in words.

use maud::{Markup, html};

use crate::api::doors::DoorStatus;
use crate::api::live::LiveCamera;
use crate::web::Words;

/// The state of a door: badges, then what is wrong.
pub fn door(words: &Words, door: &DoorStatus) -> Markup {
    html! {
        @if let Some(asked) = prompt(&door.prompt) { span.badge.warn { (words.get(asked)) } }
        @if door.unlocked { span.badge.good { (words.get("live-unlocked")) } } @else { span.badge.quiet { (words.get("live-locked")) } }
        @match door.open {
            Some(true) => { span.badge.warn { (words.get("live-open")) } }
            Some(false) => { span.badge.quiet { (words.get("live-closed")) } }
            None => {}
        }
        @match (door.mode.as_str(), &door.group) {
            ("lockdown", Some(group)) => { span.badge.bad { (words.with("live-lockdown-but", &[("group", group.as_str().into())])) } }
            ("lockdown", None) => { span.badge.bad { (words.get("live-lockdown")) } }
            ("release", _) => { span.badge.warn { (words.get("live-release")) } }
            _ => {}
        }
        @if let Some(hours) = &door.hours { span.badge.good { (words.with("live-hours", &[("schedule", hours.as_str().into())])) } }
        @for alarm in &door.alarms { strong.badge.bad { (alarm_name(words, alarm)) } }
        @if let Some(trouble) = &door.trouble { p.bad { (trouble) } }
    }
}

/// Whether a camera gives frames, and why not.
pub fn camera(words: &Words, camera: &LiveCamera) -> Markup {
    html! {
        @if camera.spectrum == "infrared" { span.badge.quiet { (words.get("live-infrared")) } " " }
        @if let Some(trouble) = &camera.trouble { span.badge.bad { (words.get("live-away")) } " " span.soft { (trouble) } }
    }
}

fn alarm_name(words: &Words, alarm: &str) -> String {
    match alarm {
        "forced_open" => words.get("live-forced-open"),
        "held_open" => words.get("live-held-open"),
        "tamper" => words.get("live-tamper"),
        other => other.to_owned(),
    }
}

/// The id of what people before a door are asked to do; `None` if nothing.
fn prompt(prompt: &str) -> Option<&'static str> {
    Some(match prompt {
        "turn_left" => "live-turn-left",
        "turn_right" => "live-turn-right",
        "turn_up" => "live-turn-up",
        "further_left" => "live-further-left",
        "further_right" => "live-further-right",
        "further_up" => "live-further-up",
        "look_ahead" => "live-look-ahead",
        "enter_pin" => "live-enter-pin",
        "present_tag" => "live-present-tag",
        "wait" => "live-wait",
        _ => return None,
    })
}

/// Why somebody is refused, as decisions and trials of the rules name it.
pub fn reason(words: &Words, reason: &str) -> String {
    let id = match reason {
        "unknown" => "live-reason-unknown",
        "ambiguous" => "live-reason-ambiguous",
        "inconsistent" => "live-reason-inconsistent",
        "poor_view" => "live-reason-poor-view",
        "stale" => "live-reason-stale",
        "disabled" => "live-reason-disabled",
        "not_yet_valid" => "live-reason-not-yet-valid",
        "expired" => "live-reason-expired",
        "clock_unknown" => "live-reason-clock-unknown",
        "not_permitted" => "live-reason-not-permitted",
        "outside_schedule" => "live-reason-outside-schedule",
        "first_person" => "live-reason-first-person",
        "second_person" => "live-reason-second-person",
        "presentation" => "live-reason-presentation",
        "challenge" => "live-reason-challenge",
        "second_factor" => "live-reason-second-factor",
        "passback" => "live-reason-passback",
        "backoff" => "live-reason-backoff",
        "lockdown" => "live-reason-lockdown",
        "interlock" => "live-reason-interlock",
        "fleet_stale" => "live-reason-fleet-stale",
        "door" => "live-reason-door",
        other => return other.to_owned(),
    };
    words.get(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Prompt, Reason};

    #[test]
    fn every_reason_and_every_prompt_has_its_words_in_every_language() {
        for words in Words::all() {
            for each in Reason::ALL {
                assert_ne!(reason(words, each.as_str()), each.as_str(), "{}", words.tag());
            }
            for each in Prompt::ALL {
                assert_eq!(prompt(each.as_str()).is_none(), each == Prompt::Idle, "{}", each.as_str());
            }
        }
    }
}

//! Documents the checks of a decision for the journal: quality, embedding, distance, margin, lookalike, agreement, age, in this order. Agreement is about the
//! track, the others are about the deciding frame. The verdict does not depend on the texts.

use std::time::Duration;

use super::evidence::Track;
use super::rules::{Finding, Rules};
use crate::domain::{Gate, Quality, Sighting};

/// Mean brightness of a face, 0 to 255, beyond which the light is named as the likely cause of a poor view. On LFW's View 1 nine of ten faces are above 98
/// and nine of ten below 154.
const TOO_DARK: f32 = 50.0;
const TOO_BRIGHT: f32 = 225.0;

/// All gates of a decision on the newest look of `track`, which showed `finding` and is `age` old.
pub(super) fn all(rules: &Rules, sighting: &Sighting, track: &Track, finding: Finding, age: Duration) -> Vec<Gate> {
    let mut gates = vec![quality(rules, sighting)];
    gates.extend(embedding(rules, sighting, finding));
    gates.extend([distance(rules, sighting), margin(rules, sighting)]);
    gates.extend(lookalike(rules, sighting));
    gates.extend([
        agreement(rules, track, finding),
        Gate::new("age", ms(age), format!("at most {}", ms(rules.max_age)), fresh(rules, age)),
    ]);
    gates
}

/// Whether the deciding frame is recent enough.
pub(super) fn fresh(rules: &Rules, age: Duration) -> bool {
    age <= rules.max_age
}

fn quality(rules: &Rules, sighting: &Sighting) -> Gate {
    let quality = &sighting.quality;
    let passed = rules.good_view(quality);
    let input = format!(
        "{:.0} px, sharpness {:.0}, yaw {:.0}°, pitch {:.0}°{}",
        quality.size,
        quality.sharpness,
        quality.yaw,
        quality.pitch,
        if passed { String::new() } else { light(quality) }
    );
    let limit = format!(
        "at least {:.0} px, sharpness at least {:.0}, yaw within {:.0}°, pitch within {:.0}°",
        rules.min_face_px, rules.min_sharpness, rules.max_yaw_deg, rules.max_pitch_deg
    );
    Gate::new("quality", input, limit, passed)
}

/// What the light has to do with a view that is not good enough, if it is bad. There is no limit of its own: what the dark spoils is measured.
fn light(quality: &Quality) -> String {
    match quality.brightness {
        brightness if brightness < TOO_DARK => format!("; too dark (brightness {brightness:.0} of 255)"),
        brightness if brightness > TOO_BRIGHT => format!("; too bright (brightness {brightness:.0} of 255)"),
        _ => String::new(),
    }
}

/// Whether the embedding is strong, or sufficed all the same; `None` if that is neither asked nor known.
fn embedding(rules: &Rules, sighting: &Sighting, finding: Finding) -> Option<Gate> {
    let length = sighting.quality.length;
    if length.is_none() && rules.min_length.is_none() {
        return None;
    }
    let mut input = length.map_or_else(|| "not measured".to_owned(), |length| format!("length {length:.2}"));
    let limit = rules
        .min_length
        .map_or_else(|| "no limit".to_owned(), |limit| format!("length at least {limit:.2}, or surely somebody"));
    let passed = rules.strong(&sighting.quality) || matches!(finding, Finding::Sure(_));
    if !passed {
        input += &light(&sighting.quality);
    }
    Some(Gate::new("embedding", input, limit, passed))
}

fn distance(rules: &Rules, sighting: &Sighting) -> Gate {
    let (input, passed) = match &sighting.nearest {
        Some(nearest) => (format!("{:.4} to person {}", nearest.distance.0, nearest.person), rules.near(nearest)),
        None => ("nobody enrolled".to_owned(), false),
    };
    Gate::new("distance", input, format!("at most {:.4}", rules.distance.0), passed)
}

fn margin(rules: &Rules, sighting: &Sighting) -> Gate {
    let (input, passed) = match &sighting.nearest {
        Some(nearest) => {
            let input = match nearest.runner_up {
                Some((person, other)) => format!("{:.4} to person {person}", other.0 - nearest.distance.0),
                None => "nobody else enrolled".to_owned(),
            };
            (input, rules.apart(nearest))
        }
        None => ("nobody enrolled".to_owned(), false),
    };
    Gate::new("margin", input, format!("at least {:.4}", rules.margin), passed)
}

/// Whether the face is farther from the person's negative references; `None` if they have none.
fn lookalike(rules: &Rules, sighting: &Sighting) -> Option<Gate> {
    let (nearest, other) = (sighting.nearest?, sighting.not_them?);
    let input = format!("{:.4} to a face that is not person {}", other.0 - nearest.distance.0, nearest.person);
    let limit = format!("at least {:.4}", rules.margin);
    Some(Gate::new("lookalike", input, limit, rules.apart_from_lookalikes(sighting)))
}

fn agreement(rules: &Rules, track: &Track, finding: Finding) -> Gate {
    let counts = track.counts();
    let shown = match finding {
        Finding::Sure(person) => Some((person, track.count(person))),
        _ => counts.leader,
    };
    let mut input = match shown {
        Some((person, count)) => format!("{count} of {} frames show person {person}", counts.looks),
        None => format!("0 of {} frames show anybody surely", counts.looks),
    };
    if let (Finding::Sure(_), Some((other, before))) = (finding, track.other_sure(rules.window)) {
        input += &format!("; person {other} was seen {} before", ms(before));
    }
    let limit = format!(
        "this frame and at least {} of the last {} within {}, nobody else in that time",
        rules.needed(),
        rules.kept(),
        ms(rules.window)
    );
    Gate::new("agreement", input, limit, agrees(rules, track, finding))
}

/// Whether enough frames show the person of the newest look, and nobody else was identified within the window.
pub(super) fn agrees(rules: &Rules, track: &Track, finding: Finding) -> bool {
    match finding {
        Finding::Sure(person) => track.count(person) >= rules.needed() && track.other_sure(rules.window).is_none(),
        _ => false,
    }
}

/// In whole milliseconds, rounded up, so that an age just over its limit does not appear to be within it.
fn ms(span: Duration) -> String {
    format!("{} ms", span.as_nanos().div_ceil(1_000_000))
}

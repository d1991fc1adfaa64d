//! Writes down the questions that a decision had to answer: quality, distance, margin, agreement, age, in this order.
//!
//! The first three and the last are about the frame that decided; agreement is about its track. The words are for the
//! journal and whoever reads it; the verdict does not depend on them. Knows nothing of what has been said before.

use std::time::Duration;

use super::evidence::Track;
use super::rules::{Finding, Rules};
use crate::domain::{Gate, Sighting};

/// All gates of a decision on the newest look of `track`, which showed `finding` and was `age` old.
pub(super) fn all(rules: &Rules, sighting: &Sighting, track: &Track, finding: Finding, age: Duration) -> Vec<Gate> {
    vec![
        quality(rules, sighting),
        distance(rules, sighting),
        margin(rules, sighting),
        agreement(rules, track, finding),
        Gate {
            name: "age",
            input: ms(age),
            limit: format!("at most {}", ms(rules.max_age)),
            passed: fresh(rules, age),
        },
    ]
}

/// Whether the frame that decides is young enough.
pub(super) fn fresh(rules: &Rules, age: Duration) -> bool {
    age <= rules.max_age
}

fn quality(rules: &Rules, sighting: &Sighting) -> Gate {
    let view = &sighting.quality;
    Gate {
        name: "quality",
        input: format!(
            "{:.0} px, sharpness {:.0}, yaw {:.0}°, pitch {:.0}°",
            view.size, view.sharpness, view.yaw, view.pitch
        ),
        limit: format!(
            "at least {:.0} px, sharpness at least {:.0}, yaw within {:.0}°, pitch within {:.0}°",
            rules.min_face_px, rules.min_sharpness, rules.max_yaw_deg, rules.max_pitch_deg
        ),
        passed: rules.good_view(view),
    }
}

fn distance(rules: &Rules, sighting: &Sighting) -> Gate {
    let (input, passed) = match &sighting.nearest {
        Some(nearest) => (format!("{:.4} to person {}", nearest.distance.0, nearest.person), rules.near(nearest)),
        None => ("nobody enrolled".to_owned(), false),
    };
    Gate { name: "distance", input, limit: format!("at most {:.4}", rules.distance.0), passed }
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
    Gate { name: "margin", input, limit: format!("at least {:.4}", rules.margin), passed }
}

fn agreement(rules: &Rules, track: &Track, finding: Finding) -> Gate {
    let tally = track.tally();
    let shown = match finding {
        Finding::Sure(person) => Some((person, track.count(person))),
        _ => tally.leader,
    };
    let mut input = match shown {
        Some((person, count)) => format!("{count} of {} frames show person {person}", tally.looks),
        None => format!("0 of {} frames show anybody surely", tally.looks),
    };
    if let (Finding::Sure(_), Some((other, before))) = (finding, track.other_sure(rules.window)) {
        input += &format!("; person {other} was seen {} before", ms(before));
    }
    Gate {
        name: "agreement",
        input,
        limit: format!(
            "this frame and at least {} of the last {} within {}, nobody else in that time",
            rules.needed(),
            rules.kept(),
            ms(rules.window)
        ),
        passed: agrees(rules, track, finding),
    }
}

/// Whether enough frames show the person of the newest look, and nobody else was seen surely in the window.
pub(super) fn agrees(rules: &Rules, track: &Track, finding: Finding) -> bool {
    match finding {
        Finding::Sure(person) => track.count(person) >= rules.needed() && track.other_sure(rules.window).is_none(),
        _ => false,
    }
}

/// In whole milliseconds, rounded up: an age just over its limit does not read as if it had met it.
fn ms(span: Duration) -> String {
    format!("{} ms", span.as_nanos().div_ceil(1_000_000))
}

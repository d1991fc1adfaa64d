//! `[access]`: when a face is let in.
//!
//! Knows nothing of doors and people.

use super::FACE_PX;
use super::passing::passback;
use super::rules::{ms, seconds};
use crate::config::reader::Section;
use crate::config::settings::{Access, DistanceLimit};
use crate::config::text::quote;
use crate::config::tree::Value;
use crate::domain::Distance;

pub(super) fn access(mut section: Section<'_>) -> Access {
    let access = Access {
        distance: distance(&mut section),
        // The rate of unattended access in NIST's one-to-many tests (FRVT 1:N, NISTIR 8271).
        false_identification_rate: section.number("false_identification_rate", 1e-9..=0.1, 0.003),
        margin: section.number("margin", 0.0..=1.0, 0.05) as f32,
        frames_agree: section.integer("frames_agree", 1..=60, 3),
        frames_window: section.integer("frames_window", 1..=60, 5),
        window: section.duration("window", ms(100)..=seconds(30), ms(1500)),
        max_age: section.duration("max_age", ms(50)..=seconds(10), ms(800)),
        cooldown: section.duration("cooldown", seconds(0)..=seconds(3600), seconds(5)),
        repeat_denial: section.duration("repeat_denial", seconds(0)..=seconds(3600), seconds(5)),
        min_face_px: section.integer("min_face_px", FACE_PX, 80),
        min_sharpness: section.number("min_sharpness", 0.0..=10000.0, 20.0) as f32,
        max_yaw_deg: section.number("max_yaw_deg", 0.0..=90.0, 40.0) as f32,
        max_pitch_deg: section.number("max_pitch_deg", 0.0..=90.0, 35.0) as f32,
        passback: passback(&mut section),
        passback_for: Some(section.duration("passback_for", seconds(0)..=seconds(30 * 86_400), seconds(12 * 3600)))
            .filter(|span| !span.is_zero()),
        backoff_after: section.integer("backoff_after", 0..=1000, 5),
        backoff_first: section.duration("backoff_first", seconds(1)..=seconds(3600), seconds(10)),
        backoff_longest: section.duration("backoff_longest", seconds(1)..=seconds(3600), seconds(120)),
    };
    section.close();
    access
}

fn distance(section: &mut Section<'_>) -> DistanceLimit {
    // Kept as written, so that 0.9 is not shown as the nearest 32-bit number.
    let read = |value: &Value| match (value.text(), value.number()) {
        (_, Some(number)) if (0.0..=2.0).contains(&number) => Ok(Some(number)),
        (Some("auto"), _) => Ok(None),
        _ => Err("\"auto\" or a number from 0 to 2".to_string()),
    };
    let write = |number: &Option<f64>| number.map_or_else(|| quote("auto"), |number| format!("{number:?}"));
    match section.ask("distance", None, read, write) {
        Some(number) => DistanceLimit::Fixed(Distance(number as f32)),
        None => DistanceLimit::Auto,
    }
}

//! `[[door]]`: one lock with its wires.
//!
//! Knows nothing of cameras and people.

use super::passing::passing;
use super::rules::{ms, name, seconds};
use super::wiring::wiring;
use crate::config::reader::Section;
use crate::config::settings::Door;

pub(super) fn door(section: &mut Section<'_>) -> Door {
    Door {
        name: section.text("name", name, "front"),
        pulse: section.duration("pulse", ms(100)..=seconds(60), seconds(3)),
        max_on: section.duration("max_on", seconds(1)..=seconds(300), seconds(60)),
        max_hold: Some(section.duration("max_hold", seconds(0)..=seconds(7 * 86_400), seconds(0)))
            .filter(|hold| !hold.is_zero()),
        passing: passing(section),
        // Last: it reads tables, and what is printed after a table's header belongs to that.
        wiring: wiring(section),
    }
}

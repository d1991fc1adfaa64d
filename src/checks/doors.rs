//! Doors that the running daemon holds: chip, lines, who uses them; and what takes PINs and tags.

use crate::api::checks::{Check, CheckState};
use crate::api::status::Status;
use crate::config::{self, Config, Lock};
use crate::door::{self, Survey};
use crate::setup;

/// What can be known of the lines without claiming them.
pub fn held(config: &Config, status: &Status) -> Vec<Check> {
    let mut found = Vec::new();
    for door in &config.doors {
        found.push(match status.doors.iter().find(|running| running.name == door.name) {
            Some(running) => match &running.trouble {
                None => Check::well("door", format!("{}: the daemon has {}", door.name, running.wires)),
                Some(trouble) => Check::broken("door", format!("{}: {trouble}", door.name)),
            },
            None => {
                Check::warning("door", format!("{}: the running daemon does not know this door: restart it", door.name))
            }
        });
        let (check, survey) = survey(door);
        found.push(check);
        for line in survey.into_iter().flat_map(|survey| survey.lines) {
            let (state, text) = match (&line.line, &line.used_by) {
                (Err(error), _) => (CheckState::Broken, error.to_string()),
                (Ok(place), Some(by)) => (CheckState::Ok, format!("{place}, used by {by}")),
                (Ok(place), None) => (CheckState::Ok, format!("{place}, which nobody uses as far as the kernel knows")),
            };
            found.push(Check::new("door", state, format!("{}: {}: {text}", door.name, line.what)));
        }
    }
    found
}

/// Driver, chip and lock of a door; `None` where its lines cannot be surveyed.
pub fn survey(door: &config::Door) -> (Check, Option<Survey>) {
    let lock = match door.lock {
        Lock::FailSecure => "stays locked when its power is cut",
        Lock::FailSafe => "opens when its power is cut",
    };
    let lock = format!("{} lock, which {lock}", door.lock.as_str());
    match door::survey(&setup::wiring_settings(door)) {
        Ok(survey) => (Check::well("door", format!("{}: {}; {lock}", door.name, survey.device)), Some(survey)),
        Err(error) => (Check::broken("door", format!("{}: {error}", door.name)), None),
    }
}

/// What takes PINs and tags at each door.
pub fn entries(config: &Config) -> Vec<Check> {
    let words = |door: &config::Door| {
        let who = setup::readers::in_words(config, door)?;
        Some(Check::well("entries", format!("{}: {who}", door.name)))
    };
    config.doors.iter().filter_map(words).collect()
}

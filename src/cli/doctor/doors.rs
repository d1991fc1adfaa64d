//! The part of `usher doctor` about doors: chip, lines, who uses them, and their levels.

use std::sync::Arc;

use anyhow::Result;

use super::{Findings, State};
use crate::checks::doors::survey;
use crate::clock::SystemClock;
use crate::config::{self, Config};
use crate::door::{Contacts, InputChange};
use crate::setup;

/// Without a daemon: claims every line for a moment, the relay's at its safe level.
pub(super) fn free(config: &Config, findings: &mut Findings) -> Result<()> {
    for door in &config.doors {
        let (check, survey) = survey(door);
        findings.show(&check)?;
        let Some(survey) = survey else { continue };
        let mut sound = true;
        for line in survey.lines {
            let trouble = match (&line.line, &line.used_by) {
                (Err(error), _) => error.to_string(),
                (Ok(place), Some(by)) => format!("{place} is in use by {by}: stop that, or use another line"),
                (Ok(_), None) => continue,
            };
            sound = false;
            findings.report("door", State::Broken, &format!("{}: {}: {trouble}", door.name, line.what))?;
        }
        if sound {
            claim(door, findings)?;
        }
    }
    Ok(())
}

/// Claims the lines, reports what they are and their levels, and releases them.
fn claim(door: &config::Door, findings: &mut Findings) -> Result<()> {
    let wiring = match setup::wiring(door, Arc::new(SystemClock::new())) {
        Ok(wiring) => wiring,
        Err(error) => return findings.report("door", State::Broken, &format!("{}: {error}", door.name)),
    };
    let relay = wiring.relay.describe();
    findings.report("door", State::Ok, &format!("{}: relay: {relay}; can be claimed, and is safe", door.name))?;
    if let Some(indicator) = &wiring.indicator {
        findings.report("door", State::Ok, &format!("{}: indicator: {}", door.name, indicator.describe()))?;
    }
    for mut reader in wiring.readers {
        match reader.look() {
            Ok(text) => findings.report("reader", State::Ok, &format!("{}: {text}", door.name))?,
            Err(error) => findings.report("reader", State::Broken, &format!("{}: {error}", door.name))?,
        }
    }
    let Some(mut contacts) = wiring.contacts else { return Ok(()) };
    match contacts.read() {
        Ok(levels) => present(door, contacts.as_ref(), &levels, findings),
        Err(error) => findings.report("door", State::Broken, &format!("{}: {error}", door.name)),
    }
}

/// Reports each input with its level.
fn present(
    door: &config::Door,
    contacts: &dyn Contacts,
    levels: &[InputChange],
    findings: &mut Findings,
) -> Result<()> {
    for (line, level) in contacts.describe().iter().zip(levels) {
        let now = level.input.word(level.active);
        findings.report("door", State::Ok, &format!("{}: {line}; now {now}", door.name))?;
    }
    Ok(())
}

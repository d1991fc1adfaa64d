//! The part of `usher doctor` about doors: chip, lines, who uses them, and their levels.

use std::sync::Arc;

use anyhow::Result;

use super::{Findings, State};
use crate::api::status::Status;
use crate::clock::SystemClock;
use crate::config::{self, Config, Lock};
use crate::door::{self, Contacts, InputChange, Survey};
use crate::setup;

/// Without a daemon: claims every line for a moment, the relay's at its safe level.
pub(super) fn free(config: &Config, findings: &mut Findings) -> Result<()> {
    for door in &config.doors {
        let Some(survey) = survey(door, findings)? else { continue };
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

/// The daemon holds the lines: reports what can be known without claiming them.
pub(super) fn held(config: &Config, status: &Status, findings: &mut Findings) -> Result<()> {
    for door in &config.doors {
        match status.doors.iter().find(|running| running.name == door.name) {
            Some(running) => {
                findings.report("door", State::Well, &format!("{}: the daemon has {}", door.name, running.wires))?;
            }
            None => {
                let text = format!("{}: the running daemon does not know this door: restart it", door.name);
                findings.report("door", State::Warning, &text)?;
            }
        }
        let Some(survey) = survey(door, findings)? else { continue };
        for line in survey.lines {
            let (state, text) = match (&line.line, &line.used_by) {
                (Err(error), _) => (State::Broken, error.to_string()),
                (Ok(place), Some(by)) => (State::Well, format!("{place}, used by {by}")),
                (Ok(place), None) => (State::Well, format!("{place}, which nobody uses as far as the kernel knows")),
            };
            findings.report("door", state, &format!("{}: {}: {text}", door.name, line.what))?;
        }
    }
    Ok(())
}

/// Reports driver, chip and lock; `None` when the lines cannot be surveyed.
fn survey(door: &config::Door, findings: &mut Findings) -> Result<Option<Survey>> {
    let lock = match door.lock {
        Lock::FailSecure => "stays locked when its power is cut",
        Lock::FailSafe => "opens when its power is cut",
    };
    let lock = format!("{} lock, which {lock}", door.lock.as_str());
    match door::survey(&setup::wiring_settings(door)) {
        Ok(survey) => {
            findings.report("door", State::Well, &format!("{}: {}; {lock}", door.name, survey.device))?;
            Ok(Some(survey))
        }
        Err(error) => {
            findings.report("door", State::Broken, &format!("{}: {error}", door.name))?;
            Ok(None)
        }
    }
}

/// Claims the lines, reports what they are and their levels, and releases them.
fn claim(door: &config::Door, findings: &mut Findings) -> Result<()> {
    let wiring = match setup::wiring(door, Arc::new(SystemClock::new())) {
        Ok(wiring) => wiring,
        Err(error) => return findings.report("door", State::Broken, &format!("{}: {error}", door.name)),
    };
    let relay = wiring.relay.describe();
    findings.report("door", State::Well, &format!("{}: relay: {relay}; can be claimed, and is safe", door.name))?;
    if let Some(indicator) = &wiring.indicator {
        findings.report("door", State::Well, &format!("{}: indicator: {}", door.name, indicator.describe()))?;
    }
    for mut reader in wiring.readers {
        match reader.look() {
            Ok(text) => findings.report("reader", State::Well, &format!("{}: {text}", door.name))?,
            Err(error) => findings.report("reader", State::Broken, &format!("{}: {error}", door.name))?,
        }
    }
    let Some(mut contacts) = wiring.contacts else { return Ok(()) };
    match contacts.read() {
        Ok(levels) => present(door, contacts.as_ref(), &levels, findings),
        Err(error) => findings.report("door", State::Broken, &format!("{}: {error}", door.name)),
    }
}

/// Reports what takes PINs and tags at each door.
pub(super) fn entries(config: &Config, findings: &mut Findings) -> Result<()> {
    for door in &config.doors {
        if let Some(who) = setup::readers::in_words(config, door) {
            findings.report("entries", State::Well, &format!("{}: {who}", door.name))?;
        }
    }
    Ok(())
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
        findings.report("door", State::Well, &format!("{}: {line}; now {now}", door.name))?;
    }
    Ok(())
}

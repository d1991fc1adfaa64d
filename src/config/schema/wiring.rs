//! `[[door]]`: the driver and the lines, and that no line has two tasks.
//!
//! Knows nothing of rules and times of a door.

use std::ops::RangeInclusive;

use super::rules::{any, ms, seconds};
use crate::config::Config;
use crate::config::reader::{Reader, Section};
use crate::config::settings::{Active, Contact, DoorDriver, Indicator, LineId, Lock, Pull, Relay, Wiring};
use crate::config::text::quote;
use crate::config::tree::Value;

/// The drivers, before their own keys are read.
#[derive(Clone, Copy, PartialEq)]
enum Driver {
    Simulated,
    Rppal,
    Gpiocdev,
}

/// No chip that the kernel knows has more lines; nor a door, that needs so many.
const LINES: RangeInclusive<u32> = 0..=1023;

/// The BCM numbers of all Raspberry Pis: 58 lines on the BCM2711, fewer on the others.
const BCM: RangeInclusive<u32> = 0..=57;

/// Reads the wiring's keys; the section's other keys must have been read, because tables follow here.
pub(super) fn wiring(section: &mut Section<'_>) -> Wiring {
    let driver = section
        .choice("driver", [("simulated", Driver::Simulated), ("rppal", Driver::Rppal), ("gpiocdev", Driver::Gpiocdev)]);
    let lock = section.choice("lock", [Lock::FailSecure, Lock::FailSafe].map(|lock| (lock.as_str(), lock)));
    let chip = match driver {
        Driver::Gpiocdev => section.text("chip", any, "/dev/gpiochip0"),
        Driver::Simulated | Driver::Rppal => {
            section.misplaced(&["chip"], "driver \"gpiocdev\"");
            String::new()
        }
    };
    let inputs = match driver {
        Driver::Simulated => section.optional_table("simulated").and_then(|mut table| {
            let inputs = table.required_path("inputs", "the file that plays the inputs");
            table.close();
            Some(inputs).filter(|path| !path.as_os_str().is_empty())
        }),
        Driver::Rppal | Driver::Gpiocdev => {
            section.misplaced(&["simulated"], "driver \"simulated\"");
            None
        }
    };
    let relay = match driver {
        Driver::Simulated => section.optional_table("relay").map(|table| relay(table, driver)),
        Driver::Rppal | Driver::Gpiocdev => Some(relay(section.table("relay"), driver)),
    };
    Wiring {
        lock,
        relay,
        indicator: section.optional_table("indicator").map(|table| indicator(table, driver)),
        sensor: section.optional_table("sensor").map(|table| contact(table, driver, true, 30)),
        exit_button: section.optional_table("exit_button").map(|table| contact(table, driver, false, 30)),
        tamper: section.optional_table("tamper").map(|table| contact(table, driver, true, 100)),
        driver: match driver {
            Driver::Simulated => DoorDriver::Simulated { inputs },
            Driver::Rppal => DoorDriver::Rppal,
            Driver::Gpiocdev => DoorDriver::Gpiocdev { chip },
        },
    }
}

fn relay(mut table: Section<'_>, driver: Driver) -> Relay {
    let relay = Relay { line: needed_line(&mut table, driver), active: active(&mut table) };
    table.close();
    relay
}

fn indicator(mut table: Section<'_>, driver: Driver) -> Indicator {
    let indicator = Indicator {
        granted: line(&mut table, "granted", driver),
        denied: line(&mut table, "denied", driver),
        fault: line(&mut table, "fault", driver),
        active: active(&mut table),
    };
    table.close();
    indicator
}

fn contact(mut table: Section<'_>, driver: Driver, normally_closed: bool, debounce_ms: u64) -> Contact {
    let (closed, open) = (("normally-closed", true), ("normally-open", false));
    let contact = Contact {
        line: needed_line(&mut table, driver),
        normally_closed: match normally_closed {
            true => table.choice("contact", [closed, open]),
            false => table.choice("contact", [open, closed]),
        },
        pull: table.choice("pull", [("up", Pull::Up), ("down", Pull::Down), ("none", Pull::None)]),
        debounce: table.duration("debounce", ms(0)..=seconds(5), ms(debounce_ms)),
    };
    table.close();
    contact
}

fn active(table: &mut Section<'_>) -> Active {
    table.choice("active", [("high", Active::High), ("low", Active::Low)])
}

/// The line of a driver that drives lines must be set.
fn needed_line(table: &mut Section<'_>, driver: Driver) -> Option<LineId> {
    match driver {
        Driver::Simulated => {}
        Driver::Rppal => table.require("line", "a BCM number from 0 to 57"),
        Driver::Gpiocdev => table.require("line", "a line's number, or its name in quotes"),
    }
    line(table, "line", driver)
}

fn line(table: &mut Section<'_>, key: &'static str, driver: Driver) -> Option<LineId> {
    let read = |value: &Value| {
        let number = value.integer().map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        let name = value.text().filter(|name| any(name).is_ok());
        match (driver, number, name) {
            (Driver::Rppal, Some(number), _) if BCM.contains(&number) => Ok(LineId::Number(number)),
            (Driver::Rppal, ..) => Err("a BCM number from 0 to 57".to_string()),
            (_, Some(number), _) if LINES.contains(&number) => Ok(LineId::Number(number)),
            (_, None, Some(name)) => Ok(LineId::Name(name.to_string())),
            _ => Err("a line's number from 0 to 1023, or its name in quotes".to_string()),
        }
    };
    let write = |line: &LineId| match line {
        LineId::Number(number) => number.to_string(),
        LineId::Name(name) => quote(name),
    };
    table.optional(key, read, write)
}

/// Notes each line that has a task already, in this door or in an earlier one.
pub(super) fn cross_check(reader: &mut Reader, config: &Config) {
    let mut seen: Vec<(&DoorDriver, &LineId, String)> = Vec::new();
    for (index, door) in config.doors.iter().enumerate() {
        let wiring = &door.wiring;
        if matches!(wiring.driver, DoorDriver::Simulated { .. }) {
            continue;
        }
        let indicator = wiring.indicator.as_ref();
        let tasks = [
            ("relay.line", wiring.relay.as_ref().and_then(|relay| relay.line.as_ref())),
            ("indicator.granted", indicator.and_then(|lamps| lamps.granted.as_ref())),
            ("indicator.denied", indicator.and_then(|lamps| lamps.denied.as_ref())),
            ("indicator.fault", indicator.and_then(|lamps| lamps.fault.as_ref())),
            ("sensor.line", wiring.sensor.as_ref().and_then(|contact| contact.line.as_ref())),
            ("exit_button.line", wiring.exit_button.as_ref().and_then(|contact| contact.line.as_ref())),
            ("tamper.line", wiring.tamper.as_ref().and_then(|contact| contact.line.as_ref())),
        ];
        for (key, line) in tasks {
            let Some(line) = line else { continue };
            let key = format!("door[{index}].{key}");
            match seen.iter().find(|(driver, other, _)| **driver == wiring.driver && *other == line) {
                Some((_, _, first)) => reader.reject(&key, format!("{first} has this line already")),
                None => seen.push((&wiring.driver, line, key)),
            }
        }
    }
}

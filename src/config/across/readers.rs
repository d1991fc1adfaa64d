//! Checks of keypads and readers: drivers that can read them, as many legends as keys, devices that are named twice, and what comes over MQTT.

use std::path::Path;

use super::{Checks, Task};
use crate::config::sections::{Door, DoorDriver, Mqtt};
use crate::config::text::quote;
use crate::domain::{EntryKind, Pull};

/// The lines of a door's readers.
pub(super) fn tasks(door: &Door) -> Vec<Task<'_>> {
    let mut tasks = Vec::new();
    if let Some(wiegand) = &door.wiegand {
        for (key, line) in [("d0", &wiegand.d0), ("d1", &wiegand.d1)] {
            tasks.push(Task { table: "wiegand", key: key.into(), line: line.as_ref(), needed: true });
        }
    }
    if let Some(keypad) = &door.keypad {
        for (key, lines) in [("rows", &keypad.rows), ("columns", &keypad.columns)] {
            for (at, line) in lines.iter().enumerate() {
                tasks.push(Task {
                    table: "keypad",
                    key: format!("{key}[{at}]").into(),
                    line: Some(line),
                    needed: true,
                });
            }
        }
    }
    tasks
}

impl Checks<'_> {
    /// `[door.wiegand]`, `[door.keypad]`, `[door.evdev]`.
    pub(super) fn readers(&mut self) {
        let config = self.config;
        let mut devices: Vec<(&Path, String)> = Vec::new();
        for (index, door) in config.doors.iter().enumerate() {
            let section = |table: &str| format!("door[{index}].{table}");
            for (table, there) in [("wiegand", door.wiegand.is_some()), ("keypad", door.keypad.is_some())] {
                if there && self.sound(&format!("door[{index}].driver")) {
                    self.driver_of_reader(door, &section(table));
                }
            }
            self.keypad(door, &section("keypad"));
            let Some(evdev) = &door.evdev else { continue };
            let key = format!("{}.device", section("evdev"));
            match devices.iter().find(|(path, _)| *path == evdev.device) {
                _ if !self.sound(&key) => {}
                Some((_, first)) => self.reject(&key, format!("{first} names this device already")),
                None => devices.push((&evdev.device, key)),
            }
            if evdev.reads == EntryKind::Tag && evdev.pin_length.is_some() {
                self.warn(&format!("{}.pin_length", section("evdev")), "it has no effect: reads is \"tag\"");
            }
        }
    }

    fn driver_of_reader(&mut self, door: &Door, section: &str) {
        match door.driver {
            DoorDriver::Gpiocdev => {}
            DoorDriver::Rppal => self.reject(
                section,
                "rppal reads its lines every 10 ms, which misses pulses and keys: set driver = \"gpiocdev\", which drives a Raspberry Pi as well",
            ),
            DoorDriver::Simulated => {
                self.warn(section, "it has no effect: driver is \"simulated\", which has no lines; set it to \"gpiocdev\"");
            }
        }
    }

    fn keypad(&mut self, door: &Door, section: &str) {
        let Some(keypad) = &door.keypad else { return };
        let lists_are_sound = ["rows", "columns", "keys"].iter().all(|key| self.sound(&format!("{section}.{key}")));
        let (rows, columns) = (keypad.rows.len(), keypad.columns.len());
        let (keys, labels) = (rows.saturating_mul(columns), keypad.keys.chars().count());
        if lists_are_sound && self.sound(section) && keys != labels {
            let what = format!(
                "{} has {labels} characters, and {rows} rows of {columns} columns are {keys} keys: write one character a key, row by row",
                quote(&keypad.keys)
            );
            self.reject(&format!("{section}.keys"), what);
        }
        if lists_are_sound && keypad.pin_length.is_none() && keypad.pin_pause.is_none() && !keypad.keys.contains('#') {
            let what = "no key ends a PIN: write # where Enter is, or set pin_length or pin_pause";
            self.reject(&format!("{section}.keys"), what);
        }
        if keypad.pull == Pull::Down {
            self.reject(
                &format!("{section}.pull"),
                "must be up or none: a key connects its column to a row that is low",
            );
        }
    }

    /// Entries over MQTT can be tried by every client that may publish, and read by every client that may subscribe.
    pub(super) fn entries(&mut self, mqtt: &Mqtt) {
        let key = "mqtt.entries";
        if !mqtt.tls.enabled {
            self.warn(
                key,
                "PINs and tags come without TLS: an attacker who sees the traffic reads them, and can send them again. Set [mqtt.tls] enabled = true \
                 and the broker's port with TLS, usually 8883; or turn entries off",
            );
        }
        if !mqtt.clean_start {
            self.reject(
                key,
                "with clean_start = false the broker would keep what is entered while usher is away and deliver it later, when somebody else may be \
                 at the door: remove clean_start, or turn entries off",
            );
        }
    }
}

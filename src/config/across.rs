//! What one key alone cannot show: names that must exist or be unique, lines that are used twice, limits that exclude each other, and settings
//! that have no effect.

mod assurance;
mod eyes;
mod fleet;
mod readers;
mod streams;
mod web;

use std::borrow::Cow;
use std::fmt::Display;
use std::time::Duration;

use super::Config;
use super::check::header;
use super::problem::{Origins, Problem};
use super::sections::{Camera, Door, DoorDriver, Mqtt};
use super::text::quote;
use super::values::{Hours, Window};
use crate::domain::{LineId, Passback};

/// The BCM numbers of all Raspberry Pis: 58 lines on the BCM2711, fewer on the others.
const BCM: std::ops::RangeInclusive<u32> = 0..=57;

/// The least that a crop leaves of a picture, in its widths and heights: a mistake, rather than a choice, leaves less.
const LEAST_CROP: f64 = 0.1;

/// Sets the defaults that follow from other keys.
pub fn derive(config: &mut Config, origins: &Origins) {
    let client_id = format!("usher-{}", config.device.name);
    if let Some(mqtt) = config.mqtt.as_mut().filter(|_| !origins.has("mqtt.client_id")) {
        mqtt.client_id = client_id;
    }
    if let [only] = config.doors.as_slice() {
        for (index, camera) in config.cameras.iter_mut().enumerate() {
            if !origins.has(&format!("camera[{index}].door")) {
                camera.door.clone_from(&only.name);
            }
        }
    }
    eyes::share_doors(config, origins);
    let runtime = &mut config.runtime;
    let models = &mut runtime.per_model;
    let of_networks = [
        ("pnet", &mut models.pnet),
        ("rnet", &mut models.rnet),
        ("onet", &mut models.onet),
        ("embedder", &mut models.embedder),
    ];
    for (key, accelerator) in of_networks {
        if !origins.has(&format!("runtime.per_model.{key}")) {
            accelerator.clone_from(&runtime.accelerator);
        }
    }
}

/// The checks between keys, on top of the problems found so far.
pub fn check(config: &Config, origins: &Origins, problems: &mut Vec<Problem>) -> Vec<Problem> {
    let mut checks = Checks { config, origins, problems, warnings: Vec::new() };
    checks.access();
    checks.doors();
    checks.lines();
    checks.readers();
    checks.cameras();
    checks.schedules();
    checks.permits();
    checks.assurance();
    checks.web();
    checks.fleet();
    if let Some(mqtt) = &config.mqtt {
        checks.mqtt(mqtt);
    }
    checks.warnings
}

/// The checks of a site's rules for which no board is needed.
pub fn check_site(config: &Config, origins: &Origins, problems: &mut Vec<Problem>) {
    let mut checks = Checks { config, origins, problems, warnings: Vec::new() };
    checks.schedules();
    checks.permits();
}

/// The checks of a board's configuration under a site's rules. Returns warnings.
pub fn check_under_site(config: &Config, origins: &Origins, problems: &mut Vec<Problem>) -> Vec<Problem> {
    let mut checks = Checks { config, origins, problems, warnings: Vec::new() };
    checks.schedules();
    checks.permits();
    checks.assurance();
    checks.warnings
}

struct Checks<'a> {
    config: &'a Config,
    origins: &'a Origins,
    problems: &'a mut Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Checks<'_> {
    /// Notes that the value of `key` does not fit the others.
    fn reject(&mut self, key: &str, what: impl Display) {
        self.problems.push(Problem { origin: self.origins.of(key), key: key.to_owned(), what: what.to_string() });
    }

    /// Notes that `key` is missing from its section.
    fn missing(&mut self, section: &str, key: &str, right: &str) {
        let (origin, name) = (self.origins.of(section), format!("{section}.{key}"));
        self.problems.push(Problem { origin, key: name, what: format!("{key} is missing; it must be {right}") });
    }

    /// Notes that the value of `key` is allowed but hardly intended.
    fn warn(&mut self, key: &str, what: impl Display) {
        self.warnings.push(Problem { origin: self.origins.of(key), key: key.to_owned(), what: what.to_string() });
    }

    /// Whether nothing is wrong with `key` so far. A check between keys is about values as written, not about the defaults that stand in for
    /// them.
    fn sound(&self, key: &str) -> bool {
        self.problems.iter().all(|problem| problem.key != key)
    }

    fn access(&mut self) {
        let access = &self.config.access;
        let (agree, window) = ("access.frames_agree", "access.frames_window");
        if access.frames_agree > access.frames_window && self.sound(agree) && self.sound(window) {
            let key = if self.origins.has(agree) { agree } else { window };
            let (agreeing, newest) = (access.frames_agree, access.frames_window);
            self.reject(key, format!("{agree} must not exceed {window}; they are {agreeing} and {newest}"));
        }
        let least = self.config.detector.min_face_px;
        let sizes =
            [("access.min_face_px", access.min_face_px), ("enroll.min_face_px", self.config.enroll.min_face_px)];
        for (key, size) in sizes.into_iter().filter(|(_, size)| *size < least) {
            self.warn(key, format!("{size} has no effect: detector.min_face_px finds only faces from {least} on"));
        }
        if access.passback != Passback::Off && self.config.doors.iter().all(|door| door.zones().is_none()) {
            self.warn("access.passback", "it has no effect: no door has zones (outside and inside)");
        }
    }

    fn doors(&mut self) {
        let doors = &self.config.doors;
        self.needed("door", doors.is_empty());
        self.unique("door", doors.iter().map(|door| door.name.as_str()));
        for (index, door) in doors.iter().enumerate() {
            let at = |key: &str| format!("door[{index}].{key}");
            self.schedule_exists(&at("unlock_schedule"), door.unlock_schedule.as_deref());
            if door.unlock_schedule.is_some() && door.max_hold.is_none() {
                let what =
                    "a door that stands unlocked is held open: set max_hold to at least the longest of these hours";
                self.reject(&at("unlock_schedule"), what);
            }
            if let (Some(warning), Some(alarm)) = (door.held_open_warning, door.held_open_alarm)
                && warning >= alarm
                && self.sound(&at("held_open_warning"))
                && self.sound(&at("held_open_alarm"))
            {
                self.reject(
                    &at("held_open_warning"),
                    "the warning must come before held_open_alarm; \"0s\" turns it off",
                );
            }
            self.zones(door, index);
            let Some(interlock) = &door.interlock else { continue };
            if doors.iter().filter(|other| other.interlock.as_ref() == Some(interlock)).count() == 1 {
                let what = format!("it has no effect: no other door is in the interlock {}", quote(interlock));
                self.warn(&at("interlock"), what);
            }
        }
    }

    fn zones(&mut self, door: &Door, index: usize) {
        let section = format!("door[{index}]");
        match (&door.outside, &door.inside) {
            (None, None) => {}
            (Some(outside), Some(inside)) if outside == inside => {
                self.reject(&format!("{section}.inside"), "must be another zone than outside");
            }
            (Some(_), Some(_)) => {}
            (Some(_), None) if !self.sound(&format!("{section}.inside")) => {}
            (None, Some(_)) if !self.sound(&format!("{section}.outside")) => {}
            (Some(_), None) => self.missing(&section, "inside", "the zone that going in leads to, as outside is set"),
            (None, Some(_)) => self.missing(&section, "outside", "the zone that going out leads to, as inside is set"),
        }
        if door.zones().is_none() {
            return;
        }
        for (camera, settings) in self.config.cameras.iter().enumerate() {
            if settings.recognises() && settings.door == door.name && settings.direction().is_none() {
                let what = "the door has zones, and this camera does not say which way it leads: set side to in or out";
                self.warn(&format!("camera[{camera}].side"), what);
            }
        }
    }

    /// Lines: there where the driver needs them, of its kind, and each used once.
    fn lines(&mut self) {
        let mut seen: Vec<(DoorDriver, &str, &LineId, String)> = Vec::new();
        let config = self.config;
        for (index, door) in config.doors.iter().enumerate().filter(|(_, door)| door.driver != DoorDriver::Simulated) {
            if !self.sound(&format!("door[{index}].driver")) {
                continue;
            }
            let right = match door.driver {
                DoorDriver::Rppal => "a BCM number from 0 to 57",
                _ => "a line's number from 0 to 1023, or its name in quotes",
            };
            for Task { table, key, line, needed } in tasks(door) {
                let section = format!("door[{index}].{table}");
                let full = format!("{section}.{key}");
                if !self.sound(&full) || !self.sound(&section) {
                    continue;
                }
                let Some(line) = line else {
                    if needed {
                        self.missing(&section, &key, right);
                    }
                    continue;
                };
                if door.driver == DoorDriver::Rppal && !matches!(line, LineId::Number(number) if BCM.contains(number)) {
                    self.reject(&full, format!("must be {right}; found {line}"));
                    continue;
                }
                // Only gpiocdev has chips to choose from.
                let chip = if door.driver == DoorDriver::Gpiocdev { door.chip.as_str() } else { "" };
                let same = |(driver, other_chip, other, _): &&(DoorDriver, &str, &LineId, String)| {
                    *driver == door.driver && *other_chip == chip && *other == line
                };
                match seen.iter().find(same) {
                    Some((.., first)) => self.reject(&full, format!("{first} uses this line already")),
                    None => seen.push((door.driver, chip, line, full)),
                }
            }
        }
    }

    fn cameras(&mut self) {
        let cameras = &self.config.cameras;
        self.needed("camera", cameras.is_empty());
        self.unique("camera", cameras.iter().map(|camera| camera.name.as_str()));
        self.somebody_sees();
        for (index, camera) in cameras.iter().enumerate() {
            let key = format!("camera[{index}].door");
            if self.sound(&key) && !self.config.doors.is_empty() {
                match self.origins.has(&key) {
                    true => self.door_exists(&key, &camera.door),
                    false if self.config.doors.iter().any(|door| door.name == camera.door) => {}
                    false => self.missing(&format!("camera[{index}]"), "door", "the name of a [[door]]"),
                }
            }
            self.eye(index);
            self.stream(index);
            self.crop(index, camera);
            if !camera.recognises() {
                continue;
            }
            let access = &self.config.access;
            let needed = Duration::from_secs(1) * access.frames_agree.saturating_sub(1) / camera.fps.max(1);
            if needed > access.window {
                let what = format!(
                    "at {} frames a second, access.frames_agree frames never fit into access.window",
                    camera.fps
                );
                self.warn(&format!("camera[{index}].fps"), what);
            }
        }
    }

    fn crop(&mut self, index: usize, camera: &Camera) {
        let (key, [left, top, right, bottom]) = (format!("camera[{index}].crop"), camera.crop);
        if (right - left < LEAST_CROP || bottom - top < LEAST_CROP) && self.sound(&key) {
            let what = "must be left, top, right, bottom, and leave at least a tenth of the width and of the height";
            self.reject(&key, what);
        }
    }

    fn schedules(&mut self) {
        let schedules = &self.config.schedules;
        self.unique("schedule", schedules.iter().map(|schedule| schedule.name.as_str()));
        for (index, schedule) in schedules.iter().enumerate() {
            let of_a_day: Vec<Hours> =
                schedule.on_holidays.iter().map(|window| Hours { days: [true; 7], window: *window }).collect();
            for (key, hours) in [("hours", &schedule.hours), ("on_holidays", &of_a_day)] {
                if let Some((one, other)) = overlap(hours) {
                    let what = format!("{one} and {other} overlap: correct one of them, or join them");
                    self.reject(&format!("schedule[{index}].{key}"), what);
                }
            }
        }
    }

    fn permits(&mut self) {
        for (index, permit) in self.config.permits.iter().enumerate() {
            // A site's rules name the doors of all its boards.
            if self.config.site_source().is_none() {
                permit.doors.iter().for_each(|door| self.door_exists(&format!("permit[{index}].doors"), door));
            }
            self.schedule_exists(&format!("permit[{index}].schedule"), permit.schedule.as_deref());
        }
    }

    fn mqtt(&mut self, mqtt: &Mqtt) {
        if mqtt.username.is_some() && mqtt.username_file.is_some() {
            self.warn("mqtt.username", "it has no effect: mqtt.username_file takes precedence");
        }
        if mqtt.password_file.is_some() && mqtt.username.is_none() && mqtt.username_file.is_none() {
            self.reject("mqtt.password_file", "a password needs a user: set mqtt.username too");
        }
        if mqtt.commands.enabled {
            self.commands(mqtt);
        }
        if mqtt.entries {
            self.entries(mqtt);
        }
        if !mqtt.tls.enabled {
            return;
        }
        match (&mqtt.tls.client_cert_file, &mqtt.tls.client_key_file) {
            (Some(_), None) => {
                self.reject("mqtt.tls.client_cert_file", "it needs its private key: set client_key_file too");
            }
            (None, Some(_)) => {
                self.reject("mqtt.tls.client_key_file", "it needs its certificate: set client_cert_file too");
            }
            _ => {}
        }
        if mqtt.port == 1883 {
            self.warn("mqtt.port", "1883 is the port without TLS; with TLS, brokers usually use 8883");
        }
    }

    /// Commands open doors.
    fn commands(&mut self, mqtt: &Mqtt) {
        let key = "mqtt.commands.enabled";
        if !mqtt.tls.enabled {
            self.warn(
                key,
                "commands come without TLS: an attacker who can change the traffic, or who poses as the broker, opens the doors. Set \
                 [mqtt.tls] enabled = true and the broker's port with TLS, usually 8883; or turn commands off",
            );
        }
        let user = mqtt.username.is_some() || mqtt.username_file.is_some();
        let certificate = mqtt.tls.enabled && mqtt.tls.client_cert_file.is_some();
        if !(certificate || user && mqtt.password_file.is_some()) {
            self.warn(
                key,
                "commands come from a broker that asks usher for no login, and so hardly asks others for one: anybody who reaches it opens \
                 the doors. Give usher a user (mqtt.username, mqtt.password_file) or a certificate of its own, and let the broker accept \
                 commands from known users only (docs/mqtt.md, Security); or turn commands off",
            );
        }
    }

    /// Notes that at least one entry of a list is needed when it is empty.
    fn needed(&mut self, list: &str, empty: bool) {
        if empty && self.problems.iter().all(|problem| problem.key != list) {
            let header = header(list, true);
            self.reject(list, format!("at least one {header} is needed; usher.example.toml shows one"));
        }
    }

    /// Notes each name that an earlier entry of the list has already.
    fn unique<'n>(&mut self, list: &str, names: impl Iterator<Item = &'n str>) {
        let mut seen: Vec<&str> = Vec::new();
        for (index, name) in names.enumerate() {
            let key = format!("{list}[{index}].name");
            // An empty name stands in for one that is missing or wrong.
            if !name.is_empty() && seen.contains(&name) && self.sound(&key) {
                self.reject(&key, format!("the name {} is taken by an earlier [[{list}]]", quote(name)));
            }
            seen.push(name);
        }
    }

    /// Notes that `key` names no door.
    fn door_exists(&mut self, key: &str, door: &str) {
        let doors = &self.config.doors;
        if doors.iter().all(|known| known.name != door) {
            let known = names(doors.iter().map(|door| &door.name));
            self.reject(key, format!("there is no door {}; the doors are {known}", quote(door)));
        }
    }

    /// Notes that `key` names no schedule.
    fn schedule_exists(&mut self, key: &str, wanted: Option<&str>) {
        let schedules = &self.config.schedules;
        let Some(wanted) = wanted.filter(|name| schedules.iter().all(|known| known.name != **name)) else { return };
        let known = match schedules.is_empty() {
            true => "there is no [[schedule]] at all".to_owned(),
            false => format!("the schedules are {}", names(schedules.iter().map(|schedule| &schedule.name))),
        };
        if self.sound(key) {
            self.reject(key, format!("there is no schedule {}; {known}", quote(wanted)));
        }
    }
}

/// What one line of a door does.
struct Task<'a> {
    table: &'static str,
    key: Cow<'static, str>,
    line: Option<&'a LineId>,
    /// The door cannot work without this line.
    needed: bool,
}

fn tasks(door: &Door) -> Vec<Task<'_>> {
    let mut tasks = vec![Task {
        table: "relay",
        key: "line".into(),
        line: door.relay.as_ref().and_then(|relay| relay.line.as_ref()),
        needed: true,
    }];
    if let Some(lamps) = &door.indicator {
        let lines = [
            ("granted", &lamps.granted),
            ("denied", &lamps.denied),
            ("fault", &lamps.fault),
            ("left", &lamps.left),
            ("right", &lamps.right),
        ];
        for (key, line) in lines {
            tasks.push(Task { table: "indicator", key: key.into(), line: line.as_ref(), needed: false });
        }
    }
    let contacts = [
        ("sensor", door.sensor.as_ref().map(|sensor| &sensor.line)),
        ("exit_button", door.exit_button.as_ref().map(|button| &button.line)),
        ("tamper", door.tamper.as_ref().map(|tamper| &tamper.line)),
    ];
    for (table, line) in contacts {
        if let Some(line) = line {
            tasks.push(Task { table, key: "line".into(), line: line.as_ref(), needed: true });
        }
    }
    tasks.extend(readers::tasks(door));
    tasks
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(|name| quote(name)).collect::<Vec<_>>().join(", ")
}

/// Two windows of a week that share a moment.
fn overlap(hours: &[Hours]) -> Option<(Window, Window)> {
    const DAY: u32 = 24 * 60;
    const WEEK: u32 = 7 * DAY;
    let spans = |hours: &Hours| {
        let (from, to) = (u32::from(hours.window.from_min), u32::from(hours.window.to_min));
        let days = (0..).zip(hours.days).filter(|(_, on)| *on);
        days.map(|(day, _)| (day * DAY + from, day * DAY + to)).collect::<Vec<_>>()
    };
    let meet = |a: (u32, u32), b: (u32, u32)| a.0 < b.1 && b.0 < a.1;
    let moved = |(from, to): (u32, u32)| (from + WEEK, to + WEEK);
    for (i, one) in hours.iter().enumerate() {
        for other in hours.iter().take(i) {
            for &a in &spans(one) {
                if spans(other).into_iter().any(|b| meet(a, b) || meet(moved(a), b) || meet(a, moved(b))) {
                    return Some((other.window, one.window));
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_that_share_a_moment_overlap_also_over_sunday_night() {
        let parse =
            |texts: &[&str]| overlap(&texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>()).is_some();
        assert!(!parse(&["mon-fri 08:00-12:00", "mon-fri 12:00-18:00", "sat 08:00-18:00"]));
        assert!(parse(&["mon-fri 08:00-12:00", "fri 11:00-13:00"]));
        assert!(parse(&["sun 22:00-06:00", "mon 05:00-07:00"]));
        assert!(!parse(&["sun 22:00-06:00", "mon 06:00-07:00"]));
    }
}

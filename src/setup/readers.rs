//! From `[door.wiegand]`, `[door.keypad]` and `[door.evdev]` to the settings of the readers, and who takes PINs and tags at a door, in words.

use std::time::Duration;

use crate::config::{self, Config, DoorDriver};
use crate::door::{EntryEnds, Key, MatrixSettings, ReaderSettings, UsbSettings, WiegandSettings};

/// The readers of a `[[door]]`. Those on lines only for a driver that can read them; the configuration warns of the others or refuses them.
pub fn settings(door: &config::Door) -> Vec<ReaderSettings> {
    let mut readers = Vec::new();
    if door.driver == DoorDriver::Gpiocdev {
        readers.extend(door.wiegand.as_ref().map(wiegand));
        readers.extend(door.keypad.as_ref().map(keypad));
    }
    readers.extend(door.evdev.as_ref().map(usb));
    readers
}

fn wiegand(wiegand: &config::Wiegand) -> ReaderSettings {
    ReaderSettings::Wiegand(WiegandSettings {
        data: [wiegand.d0.clone(), wiegand.d1.clone()],
        active: wiegand.active,
        pull: wiegand.pull,
        ends: ends(wiegand.pin_length, wiegand.pin_pause),
    })
}

fn keypad(keypad: &config::Keypad) -> ReaderSettings {
    ReaderSettings::Matrix(MatrixSettings {
        rows: keypad.rows.clone(),
        columns: keypad.columns.clone(),
        keys: keypad.keys.chars().map(Key::labelled).collect(),
        pull: keypad.pull,
        debounce: keypad.debounce,
        ends: ends(keypad.pin_length, keypad.pin_pause),
    })
}

fn usb(evdev: &config::Evdev) -> ReaderSettings {
    ReaderSettings::Usb(UsbSettings {
        device: evdev.device.clone(),
        reads: evdev.reads,
        ends: ends(evdev.pin_length, evdev.pause),
    })
}

fn ends(length: Option<u32>, pause: Option<Duration>) -> EntryEnds {
    EntryEnds { length: length.and_then(|length| usize::try_from(length).ok()), pause }
}

/// What takes PINs and tags at a door, in words; `None` if nothing does.
pub fn in_words(config: &Config, door: &config::Door) -> Option<String> {
    let mqtt = config.mqtt.as_ref().is_some_and(|mqtt| mqtt.entries);
    let pins = [
        door.wiegand.is_some().then_some("a Wiegand keypad"),
        door.keypad.is_some().then_some("a keypad on lines"),
        (door.takes_pins() && door.evdev.is_some() && !reads_tags(door)).then_some("a keypad on USB"),
        mqtt.then_some("MQTT"),
    ];
    let tags = [
        door.wiegand.is_some().then_some("a Wiegand reader"),
        reads_tags(door).then_some("a reader on USB"),
        mqtt.then_some("MQTT"),
    ];
    let list = |what: &str, by: &[Option<&str>]| {
        let by: Vec<&str> = by.iter().copied().flatten().collect();
        (!by.is_empty()).then(|| format!("{what} by {}", by.join(", ")))
    };
    let lists: Vec<String> = [list("PINs", &pins), list("tags", &tags)].into_iter().flatten().collect();
    (!lists.is_empty()).then(|| lists.join("; "))
}

fn reads_tags(door: &config::Door) -> bool {
    door.evdev.as_ref().is_some_and(|evdev| evdev.reads == crate::domain::EntryKind::Tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::LineId;

    fn read(door: &str) -> Config {
        Config::from_toml(&format!("{door}[[camera]]\nname = \"c\"\nkind = \"v4l2\"\n")).unwrap()
    }

    const ALL: &str = "[door.relay]\nline = 17\n[door.wiegand]\nd0 = 5\nd1 = 6\npin_length = 6\n[door.keypad]\nrows = [7, 8]\ncolumns = [9, 10]\n\
        keys = \"1*2#\"\n[door.evdev]\ndevice = \"/d\"\nreads = \"tag\"\npause = \"200ms\"\n";

    #[test]
    fn each_table_becomes_a_reader() {
        let config = read(&format!("[[door]]\ndriver = \"gpiocdev\"\n{ALL}"));
        let readers = settings(&config.doors[0]);
        let [ReaderSettings::Wiegand(wiegand), ReaderSettings::Matrix(matrix), ReaderSettings::Usb(usb)] = &readers[..]
        else {
            panic!("{readers:?}");
        };
        assert_eq!(wiegand.data, [Some(LineId::Number(5)), Some(LineId::Number(6))]);
        assert_eq!(wiegand.ends, EntryEnds { length: Some(6), pause: None });
        assert_eq!(matrix.keys, [Key::Char('1'), Key::Clear, Key::Char('2'), Key::Enter]);
        assert_eq!(usb.ends, EntryEnds { length: None, pause: Some(Duration::from_millis(200)) });
        let simulated = config::Door { driver: DoorDriver::Simulated, ..config.doors[0].clone() };
        assert_eq!(settings(&simulated).len(), 1, "the simulated driver has no lines; USB needs none");
    }

    #[test]
    fn who_takes_what_is_said_in_words() {
        let said = |door: &str, mqtt: &str| {
            let config = read(&format!("{mqtt}[[door]]\ndriver = \"gpiocdev\"\n{door}"));
            in_words(&config, &config.doors[0])
        };
        let relay = "[door.relay]\nline = 17\n";
        assert_eq!(said(relay, ""), None);
        let all = "PINs by a Wiegand keypad, a keypad on lines; tags by a Wiegand reader, a reader on USB";
        assert_eq!(said(ALL, "").unwrap(), all);
        let usb = format!("{relay}[door.evdev]\ndevice = \"/d\"\n");
        let mqtt = "[mqtt]\nhost = \"h\"\nentries = true\n";
        assert_eq!(said(&usb, mqtt).unwrap(), "PINs by a keypad on USB, MQTT; tags by MQTT");
    }
}

//! Keypads and readers as their users write them, and what is wrong with them.

use std::time::Duration;

use super::*;
use crate::domain::{Active, EntryKind, LineId, Pull};

const CAMERA: &str = "[[camera]]\nname = \"c\"\nkind = \"v4l2\"\ndoor = \"front\"\n";
const GPIOCDEV: &str = "[[door]]\ndriver = \"gpiocdev\"\n[door.relay]\nline = 17\n";

fn warnings(text: &str) -> Vec<String> {
    Config::from_toml(text).unwrap().warnings().iter().map(ToString::to_string).collect()
}

#[test]
fn a_door_knows_its_keypads_and_readers() {
    let text = format!(
        "{GPIOCDEV}[door.wiegand]\nd0 = 5\nd1 = \"GPIO6\"\nactive = \"high\"\npull = \"none\"\npin_length = 6\n\
         [door.keypad]\nrows = [7, \"GPIO8\"]\ncolumns = [9, 10]\nkeys = \"12#*\"\npin_pause = \"3s\"\n\
         [door.evdev]\ndevice = \"/dev/input/by-id/x\"\nreads = \"tag\"\npause = \"200ms\"\n\
         [[door]]\nname = \"b\"\n[door.evdev]\ndevice = \"/dev/input/by-id/y\"\n{CAMERA}"
    );
    let config = load(&text, &[("USHER__DOOR__0__KEYPAD__COLUMNS", "[11; GPIO12]")]).unwrap();
    let door = &config.doors[0];
    let wiegand = door.wiegand.clone().unwrap();
    assert_eq!((wiegand.d0, wiegand.d1), (Some(LineId::Number(5)), Some(LineId::Name("GPIO6".into()))));
    assert_eq!(
        (wiegand.active, wiegand.pull, wiegand.pin_length, wiegand.pin_pause),
        (Active::High, Pull::None, Some(6), None)
    );
    let keypad = door.keypad.clone().unwrap();
    assert_eq!(keypad.rows, [LineId::Number(7), LineId::Name("GPIO8".into())]);
    assert_eq!(keypad.columns, [LineId::Number(11), LineId::Name("GPIO12".into())]);
    assert_eq!((keypad.debounce, keypad.pin_pause), (Duration::from_millis(20), Some(Duration::from_secs(3))));
    let evdev = door.evdev.clone().unwrap();
    assert_eq!((evdev.reads, evdev.pause), (EntryKind::Tag, Some(Duration::from_millis(200))));
    assert!(door.takes_pins() && door.takes_tags());
    let other = &config.doors[1];
    assert_eq!((other.takes_pins(), other.takes_tags()), (true, false), "a USB keypad works with any driver");
    let none = Config::from_toml(SHORTEST).unwrap();
    assert!(!none.doors[0].takes_pins() && !none.doors[0].takes_tags());
}

#[test]
fn wrong_keypads_and_readers_are_refused_with_the_reason() {
    let rppal = GPIOCDEV.replace("gpiocdev", "rppal");
    for (doors, expected) in [
        (
            format!("{GPIOCDEV}[door.wiegand]\nd0 = 5\n"),
            "usher.toml:5: door[0].wiegand.d1: d1 is missing; it must be a line's number",
        ),
        (
            format!("{GPIOCDEV}[door.wiegand]\nd0 = 5\nd1 = 17\n"),
            "usher.toml:7: door[0].wiegand.d1: door[0].relay.line uses this line already",
        ),
        (
            format!("{rppal}[door.wiegand]\nd0 = 5\nd1 = 6\n"),
            "usher.toml:5: door[0].wiegand: rppal reads its lines every 10 ms, which misses pulses and keys: set driver = \"gpiocdev\"",
        ),
        (
            format!("{rppal}[door.keypad]\nrows = [5]\ncolumns = [6]\nkeys = \"#\"\n"),
            "usher.toml:5: door[0].keypad: rppal reads its lines every 10 ms",
        ),
        (
            format!("{GPIOCDEV}[door.keypad]\nrows = [5, 6]\ncolumns = [7, 8]\n"),
            "usher.toml: door[0].keypad.keys: \"123A456B789C*0#D\" has 16 characters, and 2 rows of 2 columns are 4 keys",
        ),
        (
            format!("{GPIOCDEV}[door.keypad]\nrows = [5, 6]\ncolumns = [7, 6]\nkeys = \"12#*\"\n"),
            "usher.toml:7: door[0].keypad.columns[1]: door[0].keypad.rows[1] uses this line already",
        ),
        (
            format!("{GPIOCDEV}[door.keypad]\nrows = [5, 6]\ncolumns = [7, 8]\nkeys = \"1234\"\n"),
            "usher.toml:8: door[0].keypad.keys: no key ends a PIN: write # where Enter is",
        ),
        (
            format!("{GPIOCDEV}[door.keypad]\nrows = [5]\ncolumns = [7, 8]\nkeys = \"1#\"\npull = \"down\"\n"),
            "usher.toml:9: door[0].keypad.pull: must be up or none",
        ),
        (
            format!("{GPIOCDEV}[door.keypad]\nrows = []\ncolumns = [7, 8]\n"),
            "usher.toml:6: door[0].keypad.rows: must be a list of at least one, each a whole number from 0 to 1023 or a line's name",
        ),
        (format!("{GPIOCDEV}[door.evdev]\n"), "usher.toml:5: door[0].evdev.device: device is missing"),
        (
            format!("{GPIOCDEV}[door.evdev]\ndevice = \"/d\"\npin_length = 3\n"),
            "usher.toml:7: door[0].evdev.pin_length: must be a whole number from 4 to 10; found 3",
        ),
        (
            format!("{GPIOCDEV}[door.evdev]\ndevice = \"/d\"\n[[door]]\nname = \"b\"\n[door.evdev]\ndevice = \"/d\"\n"),
            "usher.toml:10: door[1].evdev.device: door[0].evdev.device names this device already",
        ),
    ] {
        let found = problems(&format!("{doors}{CAMERA}"));
        assert_eq!(found.len(), 1, "{doors}: {found:?}");
        assert!(found[0].starts_with(expected), "{found:?}\n{expected}");
    }
}

#[test]
fn what_has_no_effect_is_a_warning() {
    let simulated =
        "[[door]]\n[door.wiegand]\nd0 = 5\nd1 = 6\n[door.evdev]\ndevice = \"/d\"\nreads = \"tag\"\npin_length = 4\n";
    let warned = warnings(&format!("{simulated}{CAMERA}"));
    assert_eq!(warned.len(), 2, "{warned:?}");
    assert!(warned[0].contains("door[0].wiegand: it has no effect: driver is \"simulated\""), "{warned:?}");
    assert!(warned[1].contains("door[0].evdev.pin_length: it has no effect"), "{warned:?}");
}

#[test]
fn entries_over_mqtt_want_tls_and_a_broker_that_keeps_none() {
    let mqtt = |more: &str| format!("{SHORTEST}[mqtt]\nhost = \"h\"\nport = 8883\nentries = true\n{more}");
    let warned = warnings(&mqtt(""));
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].starts_with("usher.toml:8: mqtt.entries: PINs and tags come without TLS"), "{warned:?}");
    assert!(warnings(&mqtt("[mqtt.tls]\nenabled = true\n")).is_empty());
    let found = problems(&mqtt("clean_start = false\n[mqtt.tls]\nenabled = true\n"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("usher.toml:8: mqtt.entries: with clean_start = false"), "{found:?}");
    assert!(!Config::from_toml(&format!("{SHORTEST}[mqtt]\nhost = \"h\"\n")).unwrap().mqtt.unwrap().entries);
}

//! Keypads and readers on real devices of a real kernel: a Wiegand reader and a keypad on lines of gpio-sim, played in sysfs, and a keypad on USB
//! that is a device of uinput.
//!
//! As in `gpio.rs`, the tests are ignored by default and run in the guest of `pc.rs`. They need root, `USHER_GPIO_SIM`, and the modules `uinput`
//! and `evdev`.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evdev::uinput::VirtualDevice;
use evdev::{AttributeSet, EventType, InputEvent, KeyCode};
use usher::clock::SystemClock;
use usher::domain::{Active, Entry, EntryKind, LineId, Pull};
use usher::door::{
    self, DoorError, Driver, EntryEnds, EntryReader, Key, MatrixSettings, OutputSettings, ReaderSettings, Reading,
    Unreadable, UsbSettings, WiegandSettings, WiringSettings,
};

use super::gpio::{Sim, settings};

/// Long enough for any entry to arrive, however slow the machine is.
const LONG: Duration = Duration::from_secs(20);

fn open(settings: &WiringSettings) -> Box<dyn EntryReader> {
    door::open(settings, Arc::new(SystemClock::new())).unwrap().readers.remove(0)
}

/// Waits until something is read.
fn next(reader: &mut dyn EntryReader) -> Vec<Reading> {
    let until = Instant::now() + LONG;
    while Instant::now() < until {
        let readings = reader.wait(Duration::from_millis(250)).unwrap();
        if !readings.is_empty() {
            return readings;
        }
    }
    Vec::new()
}

fn pin(digits: &str) -> Vec<Reading> {
    vec![Reading::Entry(Entry::Pin(digits.parse().unwrap()))]
}

/// A line that a reader pulls, kept open so that a pulse is short.
struct Wire(File);

impl Wire {
    fn of(sim: &Sim, line: u32) -> Wire {
        Wire(OpenOptions::new().write(true).open(sim.line(line, "pull")).unwrap())
    }

    fn set(&mut self, high: bool) {
        self.0.write_all(if high { b"pull-up" } else { b"pull-down" }).unwrap();
    }
}

/// How often something is sent until it is read: a busy machine may pause between two bits for longer than a frame may.
const TRIES: usize = 20;

const D0: u32 = 20;
const D1: u32 = 21;

fn wiegand(chip: &str) -> WiringSettings {
    let data = [Some(LineId::Number(D0)), Some(LineId::Number(D1))];
    let reader = WiegandSettings { data, active: Active::Low, pull: Pull::Up, ends: EntryEnds::default() };
    WiringSettings { readers: vec![ReaderSettings::Wiegand(reader)], ..settings(chip, Active::High) }
}

/// Sends a frame, a pulse every millisecond or as fast as this machine can. Returns how long it took.
fn send(wires: &mut [Wire; 2], bits: &str) -> Duration {
    let started = Instant::now();
    for bit in bits.chars().filter(|c| *c != ' ') {
        let wire = &mut wires[usize::from(bit == '1')];
        wire.set(false);
        wire.set(true);
        std::thread::sleep(Duration::from_millis(1));
    }
    started.elapsed()
}

#[test]
#[ignore = "needs a chip of gpio-sim; pc.rs runs it in its guest"]
fn a_wiegand_reader_sends_cards_and_keys() {
    let sim = Sim::take();
    let mut reader = open(&wiegand(&sim.chip()));
    let mut wires = [Wire::of(&sim, D0), Wire::of(&sim, D1)];
    wires.iter_mut().for_each(|wire| wire.set(true));
    assert!(reader.look().unwrap().ends_with("both lines are at rest"));
    // The kernel keeps and dates the pulses, so that nobody need wait for them.
    let card = Reading::Entry(Entry::Tag("W26-123-45678".parse().unwrap()));
    let mut read = Vec::new();
    for _ in 0..TRIES {
        let took = send(&mut wires, "1 01111011 1011001001101110 1");
        println!("a card of 26 bits in {} ms", took.as_millis());
        read = next(reader.as_mut());
        if read == [card.clone()] {
            break;
        }
    }
    assert_eq!(read, [card]);
    let mut read = Vec::new();
    for _ in 0..TRIES {
        // * and 1, 2, 3, 4, #
        for key in ["1010", "0001", "0010", "0011", "0100", "1011"] {
            send(&mut wires, key);
            std::thread::sleep(Duration::from_millis(50));
        }
        read = next(reader.as_mut());
        if read == pin("1234") {
            break;
        }
    }
    assert_eq!(read, pin("1234"));
    let five_bits = [Reading::Unreadable(Unreadable::NoFormat { bits: 5 })];
    let refused = (0..TRIES).any(|_| {
        send(&mut wires, "10110");
        next(reader.as_mut()) == five_bits
    });
    assert!(refused);
    wires[1].set(false);
    std::thread::sleep(Duration::from_millis(50));
    let error = reader.look().unwrap_err().to_string();
    assert!(error.contains("D1 reads low"), "{error}");
    wires[1].set(true);
}

#[test]
#[ignore = "needs a chip of gpio-sim; pc.rs runs it in its guest"]
fn a_keypad_of_one_row_types_a_pin() {
    const ROW: u32 = 14;
    const COLUMNS: [u32; 3] = [15, 16, 18];
    let sim = Sim::take();
    let matrix = MatrixSettings {
        rows: vec![LineId::Number(ROW)],
        columns: COLUMNS.map(LineId::Number).to_vec(),
        keys: "17#".chars().map(Key::labelled).collect(),
        pull: Pull::Up,
        debounce: Duration::from_millis(20),
        ends: EntryEnds::default(),
    };
    let wiring =
        WiringSettings { readers: vec![ReaderSettings::Matrix(matrix)], ..settings(&sim.chip(), Active::High) };
    COLUMNS.iter().for_each(|column| sim.pull(*column, true));
    let mut keypad = open(&wiring);
    assert_eq!(sim.level(ROW), 0, "the row is driven low, so that a key shows");
    assert!(keypad.look().unwrap().ends_with("no key is down"));
    for column in [0, 1, 1, 0] {
        sim.pull(COLUMNS[column], false);
        assert_eq!(keypad.wait(Duration::from_millis(200)), Ok(vec![]));
        sim.pull(COLUMNS[column], true);
        assert_eq!(keypad.wait(Duration::from_millis(200)), Ok(vec![]));
    }
    sim.pull(COLUMNS[2], false);
    assert_eq!(next(keypad.as_mut()), pin("1771"));
    sim.pull(COLUMNS[2], true);
}

#[test]
#[ignore = "needs a chip of gpio-sim; pc.rs runs it in its guest"]
fn lines_of_a_reader_are_claimed_and_a_line_in_use_is_named() {
    let sim = Sim::take();
    let held = open(&wiegand(&sim.chip()));
    let error = door::open(&wiegand(&sim.chip()), Arc::new(SystemClock::new())).err().unwrap();
    assert!(
        matches!(error, DoorError::LineInUse { .. }) && error.to_string().contains("usher wiegand front"),
        "{error}"
    );
    let survey = door::survey(&wiegand(&sim.chip())).unwrap();
    let users: Vec<_> = survey.lines.iter().map(|line| (line.what.as_str(), line.used_by.as_deref())).collect();
    let by = Some("\"usher wiegand front\"");
    assert_eq!(users, [("relay", None), ("Wiegand D0", by), ("Wiegand D1", by)]);
    drop(held);
}

/// A keypad on USB, as the kernel sees it.
fn keypad() -> (VirtualDevice, std::path::PathBuf) {
    let mut keys = AttributeSet::<KeyCode>::new();
    (1..=96).for_each(|code| keys.insert(KeyCode(code)));
    let mut device =
        VirtualDevice::builder().unwrap().name("usher test keypad").with_keys(&keys).unwrap().build().unwrap();
    let until = Instant::now() + LONG;
    let node = loop {
        let nodes = device.enumerate_dev_nodes_blocking().unwrap().flatten().find(|node| node.exists());
        match nodes {
            Some(node) => break node,
            None => assert!(Instant::now() < until, "no device file"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    (device, node)
}

fn types(device: &mut VirtualDevice, codes: &[KeyCode]) {
    for code in codes {
        for value in [1, 0] {
            device.emit(&[InputEvent::new(EventType::KEY.0, code.code(), value)]).unwrap();
        }
    }
}

#[test]
#[ignore = "needs uinput; pc.rs runs it in its guest"]
fn a_keypad_on_usb_is_taken_for_usher_alone_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("usb-keypad-event-kbd");
    let plug = |node: &Path| {
        std::fs::remove_file(&name).ok();
        symlink(node, &name).unwrap();
    };
    let wiring = WiringSettings {
        door: "front".into(),
        driver: Driver::Simulated { inputs: None },
        relay: OutputSettings { line: None, active: Active::High },
        indicator: None,
        inputs: Vec::new(),
        readers: vec![ReaderSettings::Usb(UsbSettings {
            device: name.clone(),
            reads: EntryKind::Pin,
            ends: EntryEnds::default(),
        })],
    };
    let mut reader = open(&wiring);
    assert!(matches!(reader.wait(Duration::ZERO), Err(DoorError::NoInputDevice { .. })));
    let (mut device, node) = keypad();
    plug(&node);
    assert_eq!(reader.wait(Duration::ZERO), Ok(vec![]));
    let mut other = open(&wiring);
    assert!(matches!(other.wait(Duration::ZERO), Err(DoorError::InputDeviceTaken { .. })), "it is grabbed");
    let code = [KeyCode::KEY_KP1, KeyCode::KEY_2, KeyCode::KEY_KP3, KeyCode::KEY_4, KeyCode::KEY_KPENTER];
    types(&mut device, &code);
    assert_eq!(next(reader.as_mut()), pin("1234"));
    types(&mut device, &code[..2]);
    assert_eq!(reader.wait(Duration::from_millis(100)), Ok(vec![]));
    drop(device);
    let gone = reader.wait(Duration::from_secs(1)).unwrap_err();
    assert!(matches!(gone, DoorError::InputDeviceGone { .. }), "{gone}");
    let (mut device, node) = keypad();
    plug(&node);
    assert_eq!(reader.wait(Duration::ZERO), Ok(vec![]));
    types(&mut device, &code);
    assert_eq!(next(reader.as_mut()), pin("1234"), "and what was typed before is forgotten");
}

//! Keypads and readers of tags on USB, which the kernel takes for keyboards (evdev, crate `evdev`): from its events to entries.
//!
//! The device is grabbed, so that what is typed goes nowhere else. It may be plugged in at any time; until then each use is an error.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use evdev::raw_stream::RawDevice;
use evdev::{EventSummary, InputEvent, KeyCode, SynchronizationCode};

use super::DoorError;
use super::keys::{Key, KeyCollector};
use super::reader::{EntryReader, ReaderKind, Reading, UsbSettings};
use crate::clock::Clock;
use crate::domain::EntryKind;

/// The interval of reading: a wait of its own for the device's file would need another library.
const POLL: Duration = Duration::from_millis(20);
/// The most devices that a message names.
const NAMED: usize = 20;

/// A keypad or a reader on USB.
pub(super) struct UsbReader {
    settings: UsbSettings,
    /// `None` before the first use, and after an error.
    device: Option<RawDevice>,
    typing: Typing,
    clock: Arc<dyn Clock>,
}

impl UsbReader {
    /// A device that is opened at its first use.
    pub fn new(settings: &UsbSettings, clock: Arc<dyn Clock>) -> UsbReader {
        let keys = KeyCollector::new(settings.reads, settings.ends);
        UsbReader { settings: settings.clone(), device: None, typing: Typing { keys, shift: false }, clock }
    }

    /// Reads what has been typed since the last call.
    fn read(&mut self) -> Result<Vec<Reading>, DoorError> {
        let mut device = match self.device.take() {
            Some(device) => device,
            None => open(&self.settings.device)?,
        };
        let now = self.clock.now();
        let mut readings = Vec::new();
        match device.fetch_events() {
            Ok(events) => readings.extend(events.filter_map(|event| self.typing.event(event, now))),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(refused(&self.settings.device, &error)),
        }
        readings.extend(self.typing.keys.tick(now).map(Reading::Entry));
        self.device = Some(device);
        Ok(readings)
    }
}

impl EntryReader for UsbReader {
    fn wait(&mut self, timeout: Duration) -> Result<Vec<Reading>, DoorError> {
        let reads = timeout.as_nanos().div_ceil(POLL.as_nanos()).max(1);
        for _ in 0..reads {
            let readings = self.read().inspect_err(|_| self.typing.forget())?;
            if !readings.is_empty() {
                return Ok(readings);
            }
            thread::sleep(POLL);
        }
        Ok(Vec::new())
    }

    fn look(&mut self) -> Result<String, DoorError> {
        let opened;
        let device = match &self.device {
            Some(device) => device,
            None => {
                opened = open(&self.settings.device)?;
                &opened
            }
        };
        let name = device.name().unwrap_or("a device without a name").escape_debug();
        Ok(format!("{}, \"{name}\"; it can be read, and taken for usher alone", self.describe()))
    }

    fn kind(&self) -> ReaderKind {
        ReaderKind::Usb
    }

    fn describe(&self) -> String {
        let reads = match self.settings.reads {
            EntryKind::Pin => "PINs",
            EntryKind::Tag => "tags",
        };
        format!("{reads} from {}", self.settings.device.display())
    }
}

/// Opens and grabs a device. Never blocks, whatever the file is.
fn open(path: &Path) -> Result<RawDevice, DoorError> {
    let no_keys = |what: &str| DoorError::NoKeys { path: path.display().to_string(), what: what.to_owned() };
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path);
    let file = OwnedFd::from(file.map_err(|error| refused(path, &error))?);
    let mut device = RawDevice::from_fd(file).map_err(|error| match error.raw_os_error() {
        Some(libc::ENODEV) => refused(path, &error),
        _ => no_keys("is not an input device"),
    })?;
    let digits = [KeyCode::KEY_1, KeyCode::KEY_KP1, KeyCode::KEY_NUMERIC_1];
    if !device.supported_keys().is_some_and(|keys| digits.into_iter().any(|digit| keys.contains(digit))) {
        let name = device.name().unwrap_or_default().escape_debug();
        return Err(no_keys(&format!("(\"{name}\") has no keys for digits")));
    }
    device.grab().map_err(|error| refused(path, &error))?;
    Ok(device)
}

/// What an error of a device's file means.
fn refused(path: &Path, error: &io::Error) -> DoorError {
    let name = path.display().to_string();
    match error.raw_os_error() {
        Some(libc::ENODEV) => DoorError::InputDeviceGone { path: name },
        Some(libc::ENOENT | libc::ENXIO) => DoorError::NoInputDevice { path: name, there: there() },
        Some(libc::EACCES | libc::EPERM) => DoorError::InputDeviceBarred { path: name },
        Some(libc::EBUSY) => DoorError::InputDeviceTaken { path: name },
        _ => DoorError::Read { wires: name, why: error.to_string() },
    }
}

/// The names of the input devices, for messages.
fn there() -> String {
    let entries = fs::read_dir("/dev/input/by-id").into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with("-kbd"))
        .take(NAMED)
        .collect();
    names.sort();
    if names.is_empty() { "no keyboard is there".to_owned() } else { names.join(", ") }
}

/// Makes keys of the kernel's events.
struct Typing {
    keys: KeyCollector,
    /// A shift key is down, so that a digit's key is a mark.
    shift: bool,
}

impl Typing {
    fn event(&mut self, event: InputEvent, now: crate::domain::Moment) -> Option<Reading> {
        match event.destructure() {
            EventSummary::Key(_, KeyCode::KEY_LEFTSHIFT | KeyCode::KEY_RIGHTSHIFT, state) => {
                self.shift = state != 0;
                None
            }
            // 1 is a press; 0 is a release, and 2 a repetition while the key is held.
            EventSummary::Key(_, code, 1) => {
                let key = key(code, self.shift)?;
                self.keys.press(key, now).map(Reading::Entry)
            }
            // The kernel's queue was full, and keys are missing.
            EventSummary::Synchronization(_, SynchronizationCode::SYN_DROPPED, _) => {
                self.forget();
                None
            }
            _ => None,
        }
    }

    fn forget(&mut self) {
        self.keys.forget();
        self.shift = false;
    }
}

/// What a key types. With shift only `#`, `*` and `:` are known, of the layout of the United States, which readers have.
fn key(code: KeyCode, shift: bool) -> Option<Key> {
    if shift {
        return match code {
            KeyCode::KEY_3 => Some(Key::Enter),
            KeyCode::KEY_8 => Some(Key::Clear),
            KeyCode::KEY_SEMICOLON => Some(Key::Char(':')),
            other => letter(other).map(Key::Char),
        };
    }
    let digits = [
        (KeyCode::KEY_0, KeyCode::KEY_KP0, KeyCode::KEY_NUMERIC_0),
        (KeyCode::KEY_1, KeyCode::KEY_KP1, KeyCode::KEY_NUMERIC_1),
        (KeyCode::KEY_2, KeyCode::KEY_KP2, KeyCode::KEY_NUMERIC_2),
        (KeyCode::KEY_3, KeyCode::KEY_KP3, KeyCode::KEY_NUMERIC_3),
        (KeyCode::KEY_4, KeyCode::KEY_KP4, KeyCode::KEY_NUMERIC_4),
        (KeyCode::KEY_5, KeyCode::KEY_KP5, KeyCode::KEY_NUMERIC_5),
        (KeyCode::KEY_6, KeyCode::KEY_KP6, KeyCode::KEY_NUMERIC_6),
        (KeyCode::KEY_7, KeyCode::KEY_KP7, KeyCode::KEY_NUMERIC_7),
        (KeyCode::KEY_8, KeyCode::KEY_KP8, KeyCode::KEY_NUMERIC_8),
        (KeyCode::KEY_9, KeyCode::KEY_KP9, KeyCode::KEY_NUMERIC_9),
    ];
    let digit = ('0'..='9').zip(digits).find(|(_, (row, pad, phone))| [*row, *pad, *phone].contains(&code));
    match code {
        KeyCode::KEY_ENTER | KeyCode::KEY_KPENTER | KeyCode::KEY_NUMERIC_POUND => Some(Key::Enter),
        KeyCode::KEY_ESC
        | KeyCode::KEY_BACKSPACE
        | KeyCode::KEY_DELETE
        | KeyCode::KEY_KPASTERISK
        | KeyCode::KEY_NUMERIC_STAR => Some(Key::Clear),
        KeyCode::KEY_MINUS | KeyCode::KEY_KPMINUS => Some(Key::Char('-')),
        _ => digit.map(|(digit, _)| digit).or_else(|| letter(code)).map(Key::Char),
    }
}

/// A letter by its place on the keyboard.
fn letter(code: KeyCode) -> Option<char> {
    const ROWS: [(KeyCode, &str); 3] =
        [(KeyCode::KEY_Q, "QWERTYUIOP"), (KeyCode::KEY_A, "ASDFGHJKL"), (KeyCode::KEY_Z, "ZXCVBNM")];
    ROWS.iter().find_map(|(first, letters)| {
        let place = code.code().checked_sub(first.code())?;
        letters.chars().nth(usize::from(place))
    })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use evdev::EventType;
    use proptest::prelude::*;

    use super::*;
    use crate::clock::SimulatedClock;
    use crate::domain::{Entry, Moment};
    use crate::door::keys::EntryEnds;

    fn typing(reads: EntryKind) -> Typing {
        Typing { keys: KeyCollector::new(reads, EntryEnds::default()), shift: false }
    }

    /// A press and a release, with the events that the kernel sends around them.
    fn stroke(code: KeyCode) -> Vec<InputEvent> {
        let event = |kind: EventType, code: u16, value: i32| InputEvent::new(kind.0, code, value);
        let sync = event(EventType::SYNCHRONIZATION, 0, 0);
        let scan = event(EventType::MISC, 4, 0x7001e);
        let key = |value| event(EventType::KEY, code.code(), value);
        vec![scan, key(1), sync, key(2), sync, key(2), sync, scan, key(0), sync]
    }

    fn types(typing: &mut Typing, codes: &[KeyCode]) -> Vec<Reading> {
        let events = codes.iter().flat_map(|code| stroke(*code));
        events.filter_map(|event| typing.event(event, Moment::default())).collect()
    }

    fn pin(digits: &str) -> Reading {
        Reading::Entry(Entry::Pin(digits.parse().unwrap()))
    }

    fn tag(number: &str) -> Reading {
        Reading::Entry(Entry::Tag(number.parse().unwrap()))
    }

    #[test]
    fn digits_of_any_keypad_make_a_pin_and_a_held_key_is_one_digit() {
        let mut typing = typing(EntryKind::Pin);
        let row = [KeyCode::KEY_1, KeyCode::KEY_0, KeyCode::KEY_9, KeyCode::KEY_5, KeyCode::KEY_ENTER];
        assert_eq!(types(&mut typing, &row), [pin("1095")]);
        let pad = [KeyCode::KEY_KP1, KeyCode::KEY_KP0, KeyCode::KEY_KP9, KeyCode::KEY_KP5, KeyCode::KEY_KPENTER];
        assert_eq!(types(&mut typing, &pad), [pin("1095")]);
        let phone = [0x201, 0x200, 0x209, 0x205, 0x20b].map(KeyCode);
        assert_eq!(types(&mut typing, &phone), [pin("1095")]);
        let again = [KeyCode::KEY_4, KeyCode::KEY_BACKSPACE, KeyCode::KEY_A];
        assert_eq!(types(&mut typing, &again), []);
        assert_eq!(types(&mut typing, &row), [pin("1095")], "Backspace begins anew, a letter is no digit");
    }

    #[test]
    fn a_reader_types_digits_or_hexadecimal_letters() {
        let mut typing = typing(EntryKind::Tag);
        let decimal: Vec<KeyCode> = "0012345678".chars().map(code_of).chain([KeyCode::KEY_ENTER]).collect();
        assert_eq!(types(&mut typing, &decimal), [tag("0012345678")]);
        let mut events = vec![InputEvent::new(EventType::KEY.0, KeyCode::KEY_LEFTSHIFT.code(), 1)];
        events.extend("04A2".chars().filter(char::is_ascii_alphabetic).flat_map(|c| stroke(code_of(c))));
        events.push(InputEvent::new(EventType::KEY.0, KeyCode::KEY_LEFTSHIFT.code(), 0));
        events.extend("2B1F".chars().flat_map(|c| stroke(code_of(c))));
        events.extend(stroke(KeyCode::KEY_ENTER));
        let readings: Vec<Reading> =
            events.into_iter().filter_map(|event| typing.event(event, Moment::default())).collect();
        assert_eq!(readings, [tag("A2B1F")]);
        let marks = ["04", "A2"].map(|byte| byte.chars().map(code_of).collect::<Vec<_>>()).join(&KeyCode::KEY_MINUS);
        assert_eq!(types(&mut typing, &[marks, vec![KeyCode::KEY_ENTER]].concat()), [tag("04-A2")]);
    }

    /// The key of a digit or a letter.
    fn code_of(label: char) -> KeyCode {
        (0..256).map(KeyCode).find(|code| key(*code, false) == Some(Key::Char(label))).unwrap()
    }

    #[test]
    fn every_letter_and_digit_has_its_key() {
        let codes: Vec<u16> = ('A'..='Z').chain('0'..='9').map(|label| code_of(label).code()).collect();
        let expected = [KeyCode::KEY_A, KeyCode::KEY_B, KeyCode::KEY_C, KeyCode::KEY_D].map(|code| code.code());
        assert_eq!(codes[..4], expected);
        assert_eq!(
            (codes[25], codes[26], codes[35]),
            (KeyCode::KEY_Z.code(), KeyCode::KEY_0.code(), KeyCode::KEY_9.code())
        );
        assert_eq!(key(KeyCode::KEY_3, true), Some(Key::Enter), "# is Shift and 3");
        assert_eq!(key(KeyCode::KEY_8, true), Some(Key::Clear), "* is Shift and 8");
        assert_eq!((key(KeyCode::KEY_5, true), key(KeyCode::KEY_F1, false)), (None, None));
    }

    #[test]
    fn keys_that_the_kernel_dropped_spoil_the_entry() {
        let mut typing = typing(EntryKind::Pin);
        types(&mut typing, &[KeyCode::KEY_1, KeyCode::KEY_2]);
        typing.event(InputEvent::new(EventType::SYNCHRONIZATION.0, 3, 0), Moment::default());
        let rest = [KeyCode::KEY_3, KeyCode::KEY_4, KeyCode::KEY_5, KeyCode::KEY_6, KeyCode::KEY_ENTER];
        assert_eq!(types(&mut typing, &rest), [pin("3456")]);
    }

    #[test]
    fn a_file_that_is_no_input_device_is_an_error_and_blocks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (file, pipe) = (folder.path().join("file"), folder.path().join("pipe"));
        std::fs::write(&file, "1234\n").unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [file, pipe, folder.path().to_path_buf(), "/dev/null".into()] {
            let settings = UsbSettings { device: path.clone(), reads: EntryKind::Pin, ends: EntryEnds::default() };
            let mut reader = UsbReader::new(&settings, Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH)));
            let error = reader.wait(Duration::from_secs(1)).unwrap_err();
            assert!(matches!(&error, DoorError::NoKeys { .. }), "{}: {error}", path.display());
            assert!(error.to_string().contains("[door.evdev]") && reader.look() == Err(error));
        }
        let missing =
            UsbSettings { device: folder.path().join("missing"), reads: EntryKind::Tag, ends: EntryEnds::default() };
        let mut reader = UsbReader::new(&missing, Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH)));
        assert!(reader.describe().starts_with("tags from /"));
        let error = reader.wait(Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("is it plugged in? Set device of [door.evdev]"), "{error}");
    }

    proptest! {
        #[test]
        fn no_events_panic(events in prop::collection::vec((0u16..0x20, any::<u16>(), -2i32..4), 0..300), tags: bool) {
            let mut typing = typing(if tags { EntryKind::Tag } else { EntryKind::Pin });
            for (kind, code, value) in events {
                typing.event(InputEvent::new(kind, code, value), Moment::default());
            }
        }
    }
}

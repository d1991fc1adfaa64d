//! A keypad that is a matrix of contacts: usher drives its rows one after the other and reads its columns. From the contacts to key presses, with
//! debouncing and without ghosts; the lines themselves are the driver's.
//!
//! A matrix without diodes shows a fourth key where three keys are the corners of a rectangle. While any rectangle is down, nothing counts.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::DoorError;
use super::contacts::Debouncer;
use super::keys::{Key, KeyCollector};
use super::reader::{EntryReader, MatrixSettings, ReaderKind, Reading};
use crate::clock::Clock;
use crate::domain::EntryKind;

/// The interval of scanning.
const SCAN: Duration = Duration::from_millis(10);

/// The rows and columns, of one chip.
pub(super) trait MatrixLines: Send {
    /// Whether any key is down.
    ///
    /// # Errors
    /// The lines cannot be used. It can be called again, and claims them again.
    fn any(&mut self) -> Result<bool, DoorError>;

    /// Whether each key is down, row by row.
    ///
    /// # Errors
    /// As [`MatrixLines::any`].
    fn scan(&mut self) -> Result<Vec<bool>, DoorError>;

    /// The lines, for logs.
    fn describe(&self) -> String;
}

/// A keypad.
pub(super) struct MatrixKeypad<L> {
    lines: L,
    presses: Presses,
    legends: Vec<Key>,
    keys: KeyCollector,
    clock: Arc<dyn Clock>,
}

impl<L: MatrixLines> MatrixKeypad<L> {
    /// Reads the keys of `settings` on `lines`.
    pub fn new(lines: L, settings: &MatrixSettings, clock: Arc<dyn Clock>) -> MatrixKeypad<L> {
        MatrixKeypad {
            lines,
            presses: Presses::new(settings.keys.len(), settings.columns.len(), settings.debounce),
            legends: settings.keys.clone(),
            keys: KeyCollector::new(EntryKind::Pin, settings.ends),
            clock,
        }
    }

    /// Which keys are down. A full scan is needed only while one is, or was.
    fn down(&mut self) -> Result<Vec<bool>, DoorError> {
        match self.lines.any()? {
            true => self.lines.scan(),
            false => Ok(vec![false; self.legends.len()]),
        }
    }

    fn sample(&mut self) -> Result<Option<Reading>, DoorError> {
        let down = self.down().inspect_err(|_| {
            self.presses.forget();
            self.keys.forget();
        })?;
        let now = self.clock.now();
        let pressed = self.presses.sample(&down).and_then(|index| self.legends.get(index).copied());
        let entry = match pressed {
            Some(key) => self.keys.press(key, now),
            None => self.keys.tick(now),
        };
        Ok(entry.map(Reading::Entry))
    }
}

impl<L: MatrixLines> EntryReader for MatrixKeypad<L> {
    fn wait(&mut self, timeout: Duration) -> Result<Vec<Reading>, DoorError> {
        let scans = timeout.as_nanos().div_ceil(SCAN.as_nanos()).max(1);
        for _ in 0..scans {
            thread::sleep(SCAN);
            if let Some(reading) = self.sample()? {
                return Ok(vec![reading]);
            }
        }
        Ok(Vec::new())
    }

    fn look(&mut self) -> Result<String, DoorError> {
        let down = self.down()?.into_iter().filter(|down| *down).count();
        let state = match down {
            0 => "no key is down".to_owned(),
            1 => "a key is down".to_owned(),
            several => format!("{several} keys are down"),
        };
        Ok(format!("{}; {state}", self.describe()))
    }

    fn kind(&self) -> ReaderKind {
        ReaderKind::Keypad
    }

    fn describe(&self) -> String {
        format!("keypad of {} keys on {}", self.legends.len(), self.lines.describe())
    }
}

/// Finds presses in samples of the contacts.
struct Presses {
    columns: usize,
    contacts: Vec<Debouncer>,
}

impl Presses {
    fn new(keys: usize, columns: usize, debounce: Duration) -> Presses {
        let contacts = (0..keys).map(|_| Debouncer::new(debounce, SCAN)).collect();
        Presses { columns: columns.max(1), contacts }
    }

    /// Adds a sample of all contacts, row by row. Returns the key that was pressed; of two at the same time, the first.
    fn sample(&mut self, down: &[bool]) -> Option<usize> {
        if self.has_rectangle(down) {
            return None;
        }
        let mut pressed = None;
        for (index, (contact, &down)) in self.contacts.iter_mut().zip(down).enumerate() {
            if contact.sample(down) && contact.level() {
                pressed = pressed.or(Some(index));
            }
        }
        pressed
    }

    /// Whether two rows have two columns in common.
    fn has_rectangle(&self, down: &[bool]) -> bool {
        let rows: Vec<&[bool]> = down.chunks(self.columns).collect();
        let share = |one: &[bool], other: &[bool]| one.iter().zip(other).filter(|(a, b)| **a && **b).count() > 1;
        rows.iter().enumerate().any(|(at, row)| rows.iter().take(at).any(|other| share(row, other)))
    }

    /// Takes all keys for released.
    fn forget(&mut self) {
        self.contacts.iter_mut().for_each(Debouncer::rest);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::*;
    use crate::clock::SimulatedClock;
    use crate::domain::Entry;
    use crate::door::keys::EntryEnds;
    use crate::door::{LineId, Pull};

    const KEYS: &str = "123A456B789C*0#D";

    /// What the contacts show when `labels` are pressed: in a matrix without diodes also the fourth corner of a rectangle.
    fn shown(labels: &str) -> Vec<bool> {
        let mut down: Vec<bool> = KEYS.chars().map(|label| labels.contains(label)).collect();
        // A current finds its way from row to column through any pressed keys.
        loop {
            let before = down.clone();
            for (row, column) in (0..16).map(|at| (at / 4, at % 4)) {
                let through = (0..16).map(|at| (at / 4, at % 4));
                let mut way =
                    through.filter(|&(r, c)| before[row * 4 + c] && before[r * 4 + c] && before[r * 4 + column]);
                down[row * 4 + column] |= way.next().is_some();
            }
            if down == before {
                return down;
            }
        }
    }

    /// A sample of the contacts at each scan; an error at each `None`, and nothing pressed at the end.
    struct Script {
        clock: Arc<SimulatedClock>,
        samples: VecDeque<Option<Vec<bool>>>,
        scans: usize,
    }

    impl Script {
        fn now(&self) -> Result<Vec<bool>, DoorError> {
            let sample = self.samples.front().cloned().unwrap_or_else(|| Some(vec![false; 16]));
            sample.ok_or_else(|| DoorError::Read { wires: "script".into(), why: "gone".into() })
        }
    }

    impl MatrixLines for Script {
        fn any(&mut self) -> Result<bool, DoorError> {
            self.clock.advance(SCAN);
            let now = self.now();
            if !matches!(&now, Ok(down) if down.contains(&true)) {
                self.samples.pop_front();
            }
            Ok(now?.contains(&true))
        }
        fn scan(&mut self) -> Result<Vec<bool>, DoorError> {
            self.scans += 1;
            let now = self.now();
            self.samples.pop_front();
            now
        }
        fn describe(&self) -> String {
            "script".to_owned()
        }
    }

    fn keypad() -> MatrixKeypad<Script> {
        let clock = Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH));
        let script = Script { clock: clock.clone(), samples: VecDeque::new(), scans: 0 };
        let lines = |count: u32| (0..count).map(LineId::Number).collect();
        let settings = MatrixSettings {
            rows: lines(4),
            columns: lines(4),
            keys: KEYS.chars().map(Key::labelled).collect(),
            pull: Pull::Up,
            debounce: SCAN * 2,
            ends: EntryEnds::default(),
        };
        MatrixKeypad::new(script, &settings, clock)
    }

    impl MatrixKeypad<Script> {
        /// Plays scans, each with the labels of the keys that are pressed, and returns the entries.
        fn plays(&mut self, scans: &[&str]) -> Vec<Entry> {
            self.lines.samples.extend(scans.iter().map(|labels| Some(shown(labels))));
            let mut entries = Vec::new();
            while !self.lines.samples.is_empty() {
                match self.sample().unwrap() {
                    Some(Reading::Entry(entry)) => entries.push(entry),
                    other => assert_eq!(other, None),
                }
            }
            entries
        }

        /// Presses keys one after the other, each long enough.
        fn types(&mut self, labels: &str) -> Vec<Entry> {
            let scans: Vec<String> = labels
                .chars()
                .flat_map(|label| [label, label, label, label, ' ', ' ', ' ', ' '].map(String::from))
                .collect();
            self.plays(&scans.iter().map(String::as_str).collect::<Vec<_>>())
        }
    }

    fn pin(digits: &str) -> Entry {
        Entry::Pin(digits.parse().unwrap())
    }

    #[test]
    fn keys_that_are_pressed_one_after_the_other_make_a_pin() {
        let mut keypad = keypad();
        assert_eq!(keypad.types("1234567890#"), [pin("1234567890")]);
        assert_eq!(keypad.types("77*0A0B0C0D#"), [pin("0000")]);
    }

    #[test]
    fn a_contact_that_bounces_is_one_press_and_a_short_one_is_none() {
        let mut keypad = keypad();
        let one = ["1", "", "1", "", "1", "1", "1", "", "1", "1", "", "", "", "", ""];
        assert_eq!(keypad.plays(&one), []);
        assert_eq!(keypad.types("234#"), [pin("1234")], "1 was pressed once");
        assert_eq!(keypad.plays(&["9", "9", "", "", "", ""]), []);
        assert_eq!(keypad.types("1234#"), [pin("1234")], "9 was too short");
    }

    #[test]
    fn a_key_that_is_held_or_stuck_counts_once() {
        let mut keypad = keypad();
        assert_eq!(keypad.plays(&["5"; 200]), []);
        keypad.plays(&[""; 4]);
        assert_eq!(keypad.types("678#"), [pin("5678")]);
        // 1 is stuck from here on: it counts once, and keys in other rows and columns go on.
        keypad.plays(&["1"; 10]);
        let mut scans = Vec::new();
        for label in ["15", "16", "19", "1#"] {
            scans.extend([label; 4].into_iter().chain(["1"; 4]));
        }
        assert_eq!(keypad.plays(&scans), [pin("1569")]);
    }

    #[test]
    fn two_keys_may_overlap_and_three_corners_of_a_rectangle_count_for_nothing() {
        let mut keypad = keypad();
        let scans: Vec<&str> = ["1", "12", "2", "24", "4", "46", "6", "6#", "#"].iter().flat_map(|s| [*s; 4]).collect();
        assert_eq!(keypad.plays(&scans), [pin("1246")]);
        keypad.plays(&[""; 4]);
        assert_eq!(shown("124").iter().filter(|down| **down).count(), 4, "5 shows, too");
        let mut scans = ["1", "12"].map(|labels| [labels; 4]).concat();
        scans.extend(["124"; 10]);
        scans.extend([""; 4]);
        keypad.plays(&scans);
        assert_eq!(keypad.types("34#"), [pin("1234")], "neither 4 nor 5 from the rectangle");
    }

    #[test]
    fn an_idle_keypad_is_not_scanned_and_an_error_forgets_what_was_typed() {
        let mut keypad = keypad();
        keypad.plays(&[""; 50]);
        assert_eq!(keypad.lines.scans, 0);
        keypad.types("12");
        keypad.lines.samples.push_back(None);
        assert!(keypad.sample().is_err());
        assert_eq!(keypad.types("3456#"), [pin("3456")]);
        keypad.lines.samples.push_back(Some(shown("8")));
        assert_eq!(keypad.look().unwrap(), "keypad of 16 keys on script; a key is down");
    }

    proptest! {
        #[test]
        fn no_contacts_panic_and_no_ghost_is_typed(samples in prop::collection::vec(prop::collection::vec(0usize..16, 0..4), 1..100)) {
            let mut presses = Presses::new(16, 4, SCAN);
            let labels: Vec<char> = KEYS.chars().collect();
            for pressed in samples {
                let text: String = pressed.iter().map(|&key| labels[key]).collect();
                if let Some(key) = presses.sample(&shown(&text)) {
                    prop_assert!(pressed.contains(&key), "{key} of {pressed:?}");
                }
            }
            presses.sample(&[true; 3]);
            presses.sample(&[true; 99]);
        }
    }
}

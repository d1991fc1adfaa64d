//! What keypads and readers of tags have in common: the trait that a door's thread waits on, and their settings.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::keys::{EntryEnds, Key};
use super::{Active, DoorError, LineId, Pull, Unreadable};
use crate::domain::{Entry, EntryKind};

/// What a keypad or a reader has taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    Entry(Entry),
    /// Something arrived that cannot be read.
    Unreadable(Unreadable),
}

/// A keypad or a reader of tags at one door, used from a thread of its own.
pub trait EntryReader: Send {
    /// Waits for readings, for `timeout` and some hundredths of a second at most. May return early without any. Several readings are in their
    /// order.
    ///
    /// # Errors
    /// The device cannot be read. It can be called again at any time and tries to open the device again; what was typed before is forgotten.
    fn wait(&mut self, timeout: Duration) -> Result<Vec<Reading>, DoorError>;

    /// Looks at the device and says what it sees, for `usher doctor`.
    ///
    /// # Errors
    /// The device cannot be used, or is not wired as it should be.
    fn look(&mut self) -> Result<String, DoorError>;

    /// What it is, for the thread's name.
    fn kind(&self) -> ReaderKind;

    /// The device with its lines, for logs.
    fn describe(&self) -> String;
}

/// What a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReaderKind {
    Wiegand,
    Keypad,
    Usb,
}

impl ReaderKind {
    /// One word.
    pub fn as_str(self) -> &'static str {
        match self {
            ReaderKind::Wiegand => "wiegand",
            ReaderKind::Keypad => "keypad",
            ReaderKind::Usb => "usb",
        }
    }
}

impl fmt::Display for ReaderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A keypad or a reader of tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReaderSettings {
    Wiegand(WiegandSettings),
    Matrix(MatrixSettings),
    Usb(UsbSettings),
}

/// The two lines of a Wiegand reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WiegandSettings {
    /// The lines D0 and D1; `None` only for the simulated driver.
    pub data: [Option<LineId>; 2],
    /// The level of a pulse at the board's line.
    pub active: Active,
    pub pull: Pull,
    /// For keypads that send key by key.
    pub ends: EntryEnds,
}

/// A matrix of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatrixSettings {
    /// The lines that usher drives, one after the other.
    pub rows: Vec<LineId>,
    /// The lines that usher reads.
    pub columns: Vec<LineId>,
    /// The keys, row by row.
    pub keys: Vec<Key>,
    /// The resistors at the columns.
    pub pull: Pull,
    /// How long a key must be down before it counts.
    pub debounce: Duration,
    pub ends: EntryEnds,
}

/// An input device of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsbSettings {
    /// Its file, best one in `/dev/input/by-id`.
    pub device: PathBuf,
    /// What is typed on it.
    pub reads: EntryKind,
    pub ends: EntryEnds,
}

impl ReaderSettings {
    /// Each line with what it is for.
    ///
    /// # Errors
    /// Names what has no line.
    pub(super) fn lines<'a>(&'a self) -> Result<Vec<(String, &'a LineId)>, DoorError> {
        match self {
            ReaderSettings::Wiegand(wiegand) => {
                let line = |(name, line): (&str, &'a Option<LineId>)| {
                    let what = format!("Wiegand {name}");
                    match line {
                        Some(line) => Ok((what, line)),
                        None => Err(DoorError::NoLineGiven { what }),
                    }
                };
                ["D0", "D1"].into_iter().zip(&wiegand.data).map(line).collect()
            }
            ReaderSettings::Matrix(matrix) => {
                let numbered = |what: &str, lines: &'a [LineId]| -> Vec<(String, &'a LineId)> {
                    (1..).zip(lines).map(|(number, line)| (format!("keypad {what} {number}"), line)).collect()
                };
                Ok([numbered("row", &matrix.rows), numbered("column", &matrix.columns)].concat())
            }
            ReaderSettings::Usb(_) => Ok(Vec::new()),
        }
    }

    /// Whether it needs lines of the door's chip.
    pub(super) fn needs_lines(&self) -> bool {
        !matches!(self, ReaderSettings::Usb(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_named_and_a_missing_one_is_an_error() {
        let line = |number| Some(LineId::Number(number));
        let mut wiegand = WiegandSettings {
            data: [line(5), line(6)],
            active: Active::Low,
            pull: Pull::Up,
            ends: EntryEnds::default(),
        };
        let settings = ReaderSettings::Wiegand(wiegand.clone());
        let lines = settings.lines().unwrap();
        let said: Vec<String> = lines.iter().map(|(what, line)| format!("{what}: {line}")).collect();
        assert_eq!(said, ["Wiegand D0: 5", "Wiegand D1: 6"]);
        wiegand.data[1] = None;
        let error = ReaderSettings::Wiegand(wiegand).lines().unwrap_err();
        assert_eq!(error, DoorError::NoLineGiven { what: "Wiegand D1".to_owned() });
        let matrix = ReaderSettings::Matrix(MatrixSettings {
            rows: vec![LineId::Number(1), LineId::Number(2)],
            columns: vec![LineId::Name("GPIO7".into())],
            keys: vec![Key::Enter, Key::Char('1')],
            pull: Pull::Up,
            debounce: Duration::ZERO,
            ends: EntryEnds::default(),
        });
        let said: Vec<String> = matrix.lines().unwrap().into_iter().map(|(what, _)| what).collect();
        assert_eq!(said, ["keypad row 1", "keypad row 2", "keypad column 1"]);
        let usb = UsbSettings { device: "/dev/input/event0".into(), reads: EntryKind::Pin, ends: EntryEnds::default() };
        let usb = ReaderSettings::Usb(usb);
        assert!(usb.lines().unwrap().is_empty() && !usb.needs_lines() && matrix.needs_lines());
    }
}

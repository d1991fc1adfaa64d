//! Finding a chip and a line on it, and what the kernel's refusals mean.

use std::fmt;
use std::path::{Path, PathBuf};

use ::gpiocdev::Error;
use ::gpiocdev::chip::{Chip, ErrorKind, chips};

use super::super::{DoorError, LineId};

/// A line's place on its chip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The chip's current device file.
    pub path: PathBuf,
    pub offset: u32,
    /// The chip's name for the line; may be empty.
    pub name: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.offset)?;
        if !self.name.is_empty() {
            write!(f, " (\"{}\")", self.name)?;
        }
        write!(f, " of {}", self.path.display())
    }
}

/// A chip as configured, and the chip that was found.
pub(super) struct ChipName {
    /// Its path, its name as in `gpiochip0`, or its label.
    given: String,
    /// The label of the chip that was found the first time.
    label: Option<String>,
}

impl ChipName {
    pub fn new(given: &str) -> ChipName {
        ChipName { given: given.to_owned(), label: None }
    }

    /// As configured.
    pub fn given(&self) -> &str {
        &self.given
    }

    /// Opens the chip, on which the lines `wires` are wanted. After the first time, only a chip with the same label counts, at any path: a chip that
    /// vanishes and returns may have another path, and another chip may have its path.
    pub fn open(&mut self, wires: &str) -> Result<Chip, DoorError> {
        let Some(label) = &self.label else {
            let open = open_named(&self.given)?;
            self.label = open.info().ok().map(|info| info.label).filter(|label| !label.is_empty());
            return Ok(open);
        };
        match open_named(&self.given) {
            Ok(open) if open.info().is_ok_and(|info| info.label == *label) => Ok(open),
            _ => labelled(label).map_err(|error| match error {
                DoorError::NoChip { .. } => DoorError::ChipGone { chip: self.given.clone(), wires: wires.to_owned() },
                other => other,
            }),
        }
    }
}

/// Opens the chip with this path, name or label.
pub(super) fn open_named(chip: &str) -> Result<Chip, DoorError> {
    let number = chip.strip_prefix("gpiochip").filter(|rest| rest.parse::<u32>().is_ok());
    if chip.starts_with('/') || number.is_some() {
        let path = Path::new("/dev").join(chip);
        return Chip::from_path(&path).map_err(|error| not_opened(chip, &path, &error));
    }
    labelled(chip)
}

/// Opens the one chip with this label.
fn labelled(label: &str) -> Result<Chip, DoorError> {
    let mut found = Vec::new();
    let mut barred = None;
    for path in chips().unwrap_or_default() {
        match Chip::from_path(&path) {
            Ok(open) if open.info().is_ok_and(|info| info.label == label) => found.push(open),
            Ok(_) => {}
            Err(error) => barred = barred.or(is_barred(&error).then_some(path)),
        }
    }
    match (found.len(), barred) {
        (0, Some(path)) => Err(DoorError::NotAllowed { path: path.display().to_string() }),
        (0, None) => Err(DoorError::NoChip { chip: format!("\"{label}\""), why: String::new(), there: there() }),
        (1, _) => Ok(found.remove(0)),
        _ => {
            let paths: Vec<String> = found.iter().map(|chip| chip.path().display().to_string()).collect();
            Err(DoorError::ManyChips { chip: format!("\"{label}\""), there: paths.join(", ") })
        }
    }
}

/// The place of `line` on `open`, which was configured as `chip`.
pub(super) fn locate(chip: &str, open: &Chip, line: &LineId) -> Result<Place, DoorError> {
    let failed = |error: Error| refused(chip, &format!("line {line} of {chip}"), &error);
    let count = open.info().map_err(failed)?.num_lines;
    let no_line = |there: String| DoorError::NoLine { chip: name(open), line: line.to_string(), there };
    let offset = match line {
        LineId::Number(number) if *number < count => *number,
        LineId::Number(_) if count == 0 => return Err(no_line("it has none at all".to_owned())),
        LineId::Number(_) => return Err(no_line(format!("its lines are 0 to {}", count - 1))),
        LineId::Name(name) => {
            let infos: Vec<_> = (0..count).filter_map(|offset| open.line_info(offset).ok()).collect();
            let named: Vec<u32> = infos.iter().filter(|info| info.name == *name).map(|info| info.offset).collect();
            match named.as_slice() {
                [] => return Err(no_line(names(&infos))),
                [offset] => *offset,
                several => {
                    let numbers: Vec<String> = several.iter().map(u32::to_string).collect();
                    let there = numbers.join(", ");
                    return Err(DoorError::ManyLines { chip: self::name(open), line: line.to_string(), there });
                }
            }
        }
    };
    let name = open.line_info(offset).map_err(failed)?.name;
    Ok(Place { path: open.path().to_path_buf(), offset, name })
}

/// The names of the lines, at most 60 of them.
fn names(infos: &[::gpiocdev::line::Info]) -> String {
    let names: Vec<String> =
        infos.iter().filter(|info| !info.name.is_empty()).map(|i| format!("\"{}\"", i.name)).collect();
    match names.len() {
        0 => "its lines have no names: give the number".to_owned(),
        1..=60 => format!("its lines are named {}", names.join(", ")),
        _ => format!(
            "its lines are named {}, …; `gpioinfo` shows all",
            names.into_iter().take(60).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// The kernel's name for the user of the line; `None` if it is free.
pub(super) fn user(open: &Chip, offset: u32) -> Option<String> {
    let info = open.line_info(offset).ok().filter(|info| info.used)?;
    Some(match info.consumer.is_empty() {
        true => "the kernel or a program that gives no name".to_owned(),
        false => format!("\"{}\"", info.consumer),
    })
}

/// Path, label and size.
pub(super) fn name(open: &Chip) -> String {
    match open.info() {
        Ok(info) => format!("{} ({}, {} lines)", open.path().display(), info.label, info.num_lines),
        Err(_) => open.path().display().to_string(),
    }
}

/// Why the kernel refused `line` on a chip that is configured as `chip`.
pub(super) fn refused(chip: &str, line: &str, error: &Error) -> DoorError {
    match errno(error) {
        Some(libc::ENODEV | libc::ENXIO) => DoorError::ChipGone { chip: chip.to_owned(), wires: line.to_owned() },
        Some(libc::EACCES | libc::EPERM) => DoorError::NotAllowed { path: chip.to_owned() },
        _ => DoorError::Claim { line: line.to_owned(), why: error.to_string() },
    }
}

/// As [`refused`], for a claim: also names the user of a line that is in use.
pub(super) fn not_claimed(chip: &str, open: &Chip, line: &str, offset: u32, error: &Error) -> DoorError {
    if errno(error) == Some(libc::EBUSY) {
        let by = user(open, offset);
        return DoorError::LineInUse { line: line.to_owned(), by: by.unwrap_or_else(|| "another program".to_owned()) };
    }
    refused(chip, line, error)
}

fn not_opened(chip: &str, path: &Path, error: &Error) -> DoorError {
    if is_barred(error) {
        return DoorError::NotAllowed { path: path.display().to_string() };
    }
    let why = match error {
        _ if errno(error) == Some(libc::ENOENT) => String::new(),
        Error::GpioChip(_, ErrorKind::NotCharacterDevice | ErrorKind::NotGpioDevice) => {
            " (it is a file of another kind)".to_owned()
        }
        other => format!(" ({other})"),
    };
    DoorError::NoChip { chip: chip.to_owned(), why, there: there() }
}

fn is_barred(error: &Error) -> bool {
    matches!(errno(error), Some(libc::EACCES | libc::EPERM))
}

/// The number of a system error; `None` for any other.
pub(super) fn errno(error: &Error) -> Option<i32> {
    match error {
        Error::Os(errno) | Error::Uapi(_, gpiocdev_uapi::Error::Os(errno)) => Some(errno.0),
        _ => None,
    }
}

/// The chips of this machine, for messages.
fn there() -> String {
    let chips: Vec<String> = chips()
        .unwrap_or_default()
        .iter()
        .map(|path| Chip::from_path(path).map_or_else(|_| path.display().to_string(), |open| name(&open)))
        .collect();
    if chips.is_empty() { "none".to_owned() } else { chips.join(", ") }
}

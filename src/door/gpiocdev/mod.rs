//! The lines of any Linux board, through the kernel's GPIO character device (crate `gpiocdev`).
//!
//! The kernel reserves a line for the process that claimed it, and shows others who that is. A chip may vanish while its lines are claimed, as one
//! on USB does; each line is then claimed again at its next use.

mod chip;
mod contacts;
mod data_lines;
mod matrix_lines;
mod output;

use std::sync::Arc;

use ::gpiocdev::chip::Chip;

use super::indicator::Lamps;
use super::matrix::MatrixKeypad;
use super::reader::{EntryReader, ReaderSettings};
use super::wiegand::Wiegand;
use super::{DoorError, LineId, Survey, SurveyedLine, Wiring, WiringSettings};
use crate::clock::Clock;
use data_lines::DataLines;
use matrix_lines::KeypadLines;
use output::OutputLine;

/// Claims the lines of `settings` on the chip with this path, name or label.
pub(super) fn open(chip: &str, settings: &WiringSettings, clock: &Arc<dyn Clock>) -> Result<Wiring, DoorError> {
    settings.lines()?;
    let output =
        |what: &str, line: &LineId, active| OutputLine::claim(chip, line.clone(), active, settings.consumer(what));
    let relay = output("relay", settings.relay.line()?, settings.relay.active)?;
    let lamps = settings.indicator.as_ref().map(|lamps| {
        Lamps::claim(lamps, |signal, line| Ok(Box::new(output(signal.word(), line, lamps.active)?) as Box<_>))
    });
    let indicator = lamps.transpose()?.map(|lamps| Box::new(lamps) as Box<_>);
    let contacts = match settings.inputs.is_empty() {
        true => None,
        false => Some(contacts::open(chip, settings)?),
    };
    let readers = settings.readers.iter().filter_map(|reader| open_reader(chip, settings, reader, clock).transpose());
    let readers = readers.collect::<Result<Vec<_>, DoorError>>()?;
    Ok(Wiring { relay: Box::new(relay), indicator, contacts, readers })
}

/// Claims the lines of a reader; `None` if it has none.
fn open_reader(
    chip: &str,
    settings: &WiringSettings,
    reader: &ReaderSettings,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Box<dyn EntryReader>>, DoorError> {
    Ok(match reader {
        ReaderSettings::Wiegand(wiegand) => {
            let lines = DataLines::claim(chip, wiegand, settings.consumer("wiegand"))?;
            Some(Box::new(Wiegand::new(lines, wiegand, clock.clone())))
        }
        ReaderSettings::Matrix(matrix) => {
            let lines = KeypadLines::claim(chip, matrix, settings.consumer("keypad"))?;
            Some(Box::new(MatrixKeypad::new(lines, matrix, clock.clone())))
        }
        ReaderSettings::Usb(_) => None,
    })
}

/// Describes the chip and the lines, as the kernel knows them.
pub(super) fn survey(chip: &str, settings: &WiringSettings) -> Result<Survey, DoorError> {
    let lines = settings.lines()?;
    let open = chip::open_named(chip)?;
    let lines = lines.into_iter().map(|(what, line)| match chip::locate(chip, &open, line) {
        Err(error) => SurveyedLine { what, line: Err(error), used_by: None },
        Ok(place) => {
            let used_by = chip::user(&open, place.offset);
            SurveyedLine { what, line: Ok(place.to_string()), used_by }
        }
    });
    Ok(Survey { device: format!("gpiocdev on {}", chip::name(&open)), lines: lines.collect() })
}

/// The user of a line, by the chip's label and the line's number; `None` if the line is free or there is no such chip.
pub(super) fn user(label: &str, number: u32) -> Option<String> {
    let chips = ::gpiocdev::chip::chips().ok()?;
    let chip = chips.iter().find_map(|path| {
        let chip = Chip::from_path(path).ok()?;
        chip.info().is_ok_and(|info| info.label == label).then_some(chip)
    })?;
    chip::user(&chip, number)
}

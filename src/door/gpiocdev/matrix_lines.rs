//! The lines of a matrix of keys: rows that are driven low one at a time, columns that are read.
//!
//! A row that is not driven is let go (open drain), so that two keys in one column never connect two outputs of different levels.

use std::thread;
use std::time::Duration;

use ::gpiocdev::Request;
use ::gpiocdev::chip::Chip;
use ::gpiocdev::line::{Bias, Drive, Value, Values};

use super::super::matrix::MatrixLines;
use super::super::reader::MatrixSettings;
use super::super::{DoorError, LineId, Pull};
use super::chip::{ChipName, Place, locate, not_claimed};
use super::data_lines::{in_words, unread};

/// How long a level needs to settle: the resistor in the chip, of some 50 kΩ, charges some metres of wire, of some 100 pF, in 5 µs.
const SETTLED_AFTER: Duration = Duration::from_micros(50);

/// Rows and columns of a keypad, claimed or to be claimed at the next use.
pub(super) struct KeypadLines {
    chip: ChipName,
    settings: MatrixSettings,
    consumer: String,
    claimed: Option<Claimed>,
}

struct Claimed {
    rows: Request,
    columns: Request,
    row_offsets: Vec<u32>,
    column_offsets: Vec<u32>,
    description: String,
}

impl KeypadLines {
    /// Claims the lines of `settings` on `chip`.
    pub fn claim(chip: &str, settings: &MatrixSettings, consumer: String) -> Result<KeypadLines, DoorError> {
        let mut lines = KeypadLines { chip: ChipName::new(chip), settings: settings.clone(), consumer, claimed: None };
        lines.claimed = Some(lines.request()?);
        Ok(lines)
    }

    fn request(&mut self) -> Result<Claimed, DoorError> {
        let chip = self.chip.open("keypad")?;
        let places = |lines: &[LineId]| -> Result<Vec<Place>, DoorError> {
            lines.iter().map(|line| locate(self.chip.given(), &chip, line)).collect()
        };
        let (rows, columns) = (places(&self.settings.rows)?, places(&self.settings.columns)?);
        let numbers =
            |places: &[Place]| places.iter().map(|place| place.offset.to_string()).collect::<Vec<_>>().join(", ");
        let path = chip.path().display();
        let pull = in_words(self.settings.pull);
        let description =
            format!("rows {} and columns {} of {path}, columns {pull}", numbers(&rows), numbers(&columns));
        let offsets = |places: &[Place]| places.iter().map(|place| place.offset).collect::<Vec<u32>>();
        let (row_offsets, column_offsets) = (offsets(&rows), offsets(&columns));
        // Two claims, because the kernel's first interface allows only equal lines in one.
        let columns = self.one(&chip, &description, &column_offsets, |builder| {
            builder.as_input().as_active_low().with_bias(match self.settings.pull {
                Pull::Up | Pull::Down => Some(Bias::PullUp),
                Pull::None => None,
            });
        })?;
        let rows = self.one(&chip, &description, &row_offsets, |builder| {
            builder.as_output(Value::Inactive).with_drive(Drive::OpenDrain).as_active_low();
        })?;
        let claimed = Claimed { rows, columns, row_offsets, column_offsets, description };
        claimed.drive(|_| true).map_err(|error| unread(self.chip.given(), &claimed.description, &error))?;
        Ok(claimed)
    }

    fn one(
        &self,
        chip: &Chip,
        description: &str,
        offsets: &[u32],
        set: impl FnOnce(&mut ::gpiocdev::request::Builder),
    ) -> Result<Request, DoorError> {
        let mut builder = Request::builder();
        builder.on_chip(chip.path()).with_consumer(&self.consumer).with_lines(offsets);
        set(&mut builder);
        let used = offsets.iter().copied().find(|offset| super::chip::user(chip, *offset).is_some());
        let offset = used.or(offsets.first().copied()).unwrap_or_default();
        builder.request().map_err(|error| not_claimed(self.chip.given(), chip, description, offset, &error))
    }

    /// Runs `ask` on the lines, which are claimed if necessary. An error releases them.
    fn with<T>(&mut self, ask: impl FnOnce(&Claimed) -> ::gpiocdev::Result<T>) -> Result<T, DoorError> {
        let claimed = match self.claimed.take() {
            Some(claimed) => claimed,
            None => self.request()?,
        };
        let answer = ask(&claimed).map_err(|error| unread(self.chip.given(), &claimed.description, &error))?;
        self.claimed = Some(claimed);
        Ok(answer)
    }
}

impl Claimed {
    /// Drives the rows that `which` selects low, lets go of the others, and waits until that has settled.
    fn drive(&self, which: impl Fn(usize) -> bool) -> ::gpiocdev::Result<()> {
        let mut values = Values::default();
        for (row, offset) in self.row_offsets.iter().enumerate() {
            values.set(*offset, if which(row) { Value::Active } else { Value::Inactive });
        }
        self.rows.set_values(&values)?;
        thread::sleep(SETTLED_AFTER);
        Ok(())
    }

    /// Whether each column is low.
    fn read(&self) -> ::gpiocdev::Result<Vec<bool>> {
        let mut values = Values::from_offsets(&self.column_offsets);
        self.columns.values(&mut values)?;
        Ok(self.column_offsets.iter().map(|offset| values.get(*offset) == Some(Value::Active)).collect())
    }
}

impl MatrixLines for KeypadLines {
    fn any(&mut self) -> Result<bool, DoorError> {
        // Between scans all rows are driven, so that any key shows at its column.
        self.with(|claimed| Ok(claimed.read()?.contains(&true)))
    }

    fn scan(&mut self) -> Result<Vec<bool>, DoorError> {
        self.with(|claimed| {
            let mut down = Vec::new();
            for row in 0..claimed.row_offsets.len() {
                claimed.drive(|other| other == row)?;
                down.extend(claimed.read()?);
            }
            claimed.drive(|_| true)?;
            Ok(down)
        })
    }

    fn describe(&self) -> String {
        match &self.claimed {
            Some(claimed) => claimed.description.clone(),
            None => format!("{}, which is lost", self.chip.given()),
        }
    }
}

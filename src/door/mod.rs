//! The wires of a door: a relay that unlocks it for a limited time, lamps, inputs, keypads and readers of tags. Knows nothing of faces, people and
//! the reasons for which a door opens.

mod contacts;
mod error;
mod gpiocdev;
mod indicator;
mod keys;
mod matrix;
mod reader;
mod relay;
mod relay_thread;
mod rppal;
mod simulated;
mod usb;
mod wiegand;
mod wiring;

use std::fmt;
use std::sync::Arc;

pub use contacts::{Contacts, InputChange};
pub use error::{DoorError, Unreadable};
pub use indicator::{Indicator, Panel, Signal};
pub use keys::{EntryEnds, Key};
pub use reader::{EntryReader, MatrixSettings, ReaderKind, ReaderSettings, Reading, UsbSettings, WiegandSettings};
pub use relay::{Limits, Relay, RelayOutcome, RelayRefusal, Released};
pub use relay_thread::{RelayHandle, RelayLoop, RelayReport, RelayStop, relay_thread};
pub use simulated::{History, Simulated};
pub use wiring::{
    Active, Contact, Driver, IndicatorSettings, InputSettings, LineId, OutputSettings, Pull, WiringSettings,
};

use crate::clock::Clock;
pub use crate::domain::{EntryKind, Input};
use usb::UsbReader;

/// The output that drives the relay.
pub trait Wires: Send {
    /// Unlocks the door.
    ///
    /// # Errors
    /// The output cannot be written, and may be at either level.
    fn energise(&mut self) -> Result<(), DoorError>;

    /// Locks the door. May be called at any time, also twice.
    ///
    /// # Errors
    /// The output cannot be written, and may be at either level.
    fn safe(&mut self) -> Result<(), DoorError>;

    /// The output, for logs and for `usher doctor`: `simulated`, `GPIO 17 of gpiochip0, active low`.
    fn describe(&self) -> String;
}

/// A level of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The door is locked.
    Safe,
    /// The door is unlocked.
    Energised,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Safe => "safe",
            Level::Energised => "energised",
        })
    }
}

/// A door's open wires. The relay's line has been at its safe level since it was claimed.
pub struct Wiring {
    pub relay: Box<dyn Wires>,
    pub indicator: Option<Box<dyn Indicator>>,
    pub contacts: Option<Box<dyn Contacts>>,
    pub readers: Vec<Box<dyn EntryReader>>,
}

/// Claims all lines of a door. `clock` dates the levels of the simulated driver, and keys. Dropping the relay puts its line at its safe level.
///
/// A device on USB need not be there: it is opened at its first use.
///
/// # Errors
/// A line cannot be claimed. The others are released.
pub fn open(settings: &WiringSettings, clock: Arc<dyn Clock>) -> Result<Wiring, DoorError> {
    let mut wiring = match &settings.driver {
        Driver::Simulated { .. } => simulated::open(settings, clock.clone()),
        Driver::Rppal => rppal::open(settings)?,
        Driver::Gpiocdev { chip } => gpiocdev::open(chip, settings, &clock)?,
    };
    for reader in &settings.readers {
        if let ReaderSettings::Usb(settings) = reader {
            wiring.readers.push(Box::new(UsbReader::new(settings, clock.clone())));
        }
    }
    Ok(wiring)
}

/// Describes a door's lines without claiming them, so that it works while another process holds them.
///
/// # Errors
/// The driver's device cannot be used, or a line is not configured.
pub fn survey(settings: &WiringSettings) -> Result<Survey, DoorError> {
    match &settings.driver {
        Driver::Simulated { .. } => Ok(Survey { device: "simulated".to_owned(), lines: Vec::new() }),
        Driver::Rppal => rppal::survey(settings),
        Driver::Gpiocdev { chip } => gpiocdev::survey(chip, settings),
    }
}

/// The lines of a door and who uses them.
pub struct Survey {
    /// The driver and its chip or board.
    pub device: String,
    pub lines: Vec<SurveyedLine>,
}

/// One configured line.
pub struct SurveyedLine {
    /// What it is for: `relay`, `door sensor`.
    pub what: String,
    /// The line and how it is used, or why there is none.
    pub line: Result<String, DoorError>,
    /// The kernel's name for the user of the line; `None` if it is free.
    pub used_by: Option<String>,
}

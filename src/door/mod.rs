//! The wires: a relay that lets a door be opened, for a while and never for good.
//!
//! Knows nothing of faces, people and the reasons for which a door opens. Time comes in as an argument.

mod contacts;
mod error;
mod gpiocdev;
mod indicator;
mod panel;
mod relay;
mod relay_thread;
mod rppal;
mod simulated;
mod wiring;

use std::fmt;
use std::sync::Arc;

pub use contacts::{Change, Contacts};
pub use error::DoorError;
pub use indicator::{Indicator, Signal};
pub use panel::Panel;
pub use relay::{Limits, Outcome, Refusal, Relay, Released};
pub use relay_thread::{RelayHandle, RelayLoop, RelayStop, Report, relay_thread};
pub use simulated::{History, Simulated};
pub use wiring::{
    Active, Contact, Driver, IndicatorSettings, InputSettings, LineId, OutputSettings, Pull, WiringSettings,
};

use crate::clock::Clock;
pub use crate::domain::Input;

/// The output that the relay hangs on.
pub trait Wires: Send {
    /// Lets the door be opened.
    fn energise(&mut self) -> Result<(), DoorError>;

    /// Puts the output at the level at which the door stays shut. Must be right to call at any time, also twice.
    fn safe(&mut self) -> Result<(), DoorError>;

    /// Which output this is, for logs and for `usher doctor`: `simulated`, `GPIO 17 of gpiochip0, active low`.
    fn describe(&self) -> String;
}

/// A level of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The door stays shut.
    Safe,
    /// The door can be opened.
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
}

/// Claims all lines of a door. `clock` dates what the simulated driver is told.
///
/// A line that cannot be claimed is an error, and the others are given back. Dropping the relay puts its line at its safe level.
pub fn open(settings: &WiringSettings, clock: Arc<dyn Clock>) -> Result<Wiring, DoorError> {
    match &settings.driver {
        Driver::Simulated { .. } => Ok(simulated::open(settings, clock)),
        Driver::Rppal => rppal::open(settings),
        Driver::Gpiocdev { chip } => gpiocdev::open(chip, settings),
    }
}

/// What can be told of a door's lines without claiming them: safe to ask while somebody else holds them.
pub fn survey(settings: &WiringSettings) -> Result<Survey, DoorError> {
    match &settings.driver {
        Driver::Simulated { .. } => Ok(Survey { device: "simulated".to_owned(), lines: Vec::new() }),
        Driver::Rppal => rppal::survey(settings),
        Driver::Gpiocdev { chip } => gpiocdev::survey(chip, settings),
    }
}

/// What drives a door's lines, and who uses them.
pub struct Survey {
    /// The driver and its chip or board.
    pub device: String,
    pub lines: Vec<SurveyedLine>,
}

/// One configured line.
pub struct SurveyedLine {
    /// What hangs on it: `relay`, `door sensor`.
    pub what: String,
    /// Which line it is and how it is used; or why there is none.
    pub line: Result<String, DoorError>,
    /// What the kernel calls the user of the line; `None` when it is free.
    pub used_by: Option<String>,
}

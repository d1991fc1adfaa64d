//! The wires: a relay that lets a door be opened, for a while and never for good.
//!
//! Knows nothing of faces, people and the reasons for which a door opens. Time comes in as an argument.

mod relay;
mod simulated;

use std::fmt;

pub use relay::{Limits, Outcome, Relay, Released};
pub use simulated::{History, Simulated};

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

/// Why the wires did not do as they were told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DoorError {
    /// The level may be either. The relay tries to reach its safe level again by itself.
    #[error("{wires} did not go {level}: {why}; check the wiring and that usher may use the device")]
    Write {
        /// What [`Wires::describe`] says.
        wires: String,
        /// The level that was asked for.
        level: Level,
        /// What the device said.
        why: String,
    },
}

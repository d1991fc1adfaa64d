//! The vocabulary of door events: what unlocked a door, which alarm, which input.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What unlocked a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A person who was granted access.
    Grant,
    /// The exit button.
    Exit,
    /// An operator.
    Operator,
    /// The hours in which the door is unlocked.
    Schedule,
    /// An evacuation.
    Release,
}

impl Cause {
    /// As journals, logs and hubs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Grant => "grant",
            Cause::Exit => "exit",
            Cause::Operator => "operator",
            Cause::Schedule => "schedule",
            Cause::Release => "release",
        }
    }
}

/// What is wrong at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// It was opened while locked.
    #[serde(rename = "forced_open")]
    Forced,
    /// It has been open for too long.
    HeldOpen,
    /// Its housing was opened.
    Tamper,
}

impl Alarm {
    /// As journals, logs and hubs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Alarm::Forced => "forced_open",
            Alarm::HeldOpen => "held_open",
            Alarm::Tamper => "tamper",
        }
    }
}

impl fmt::Display for Alarm {
    /// In words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Alarm::Forced => "opened while locked",
            Alarm::HeldOpen => "open for too long",
            Alarm::Tamper => "its housing was opened",
        })
    }
}

/// An input of a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Active while the door is open.
    Sensor,
    /// Active while the button is pressed.
    ExitButton,
    /// Active while the housing is open.
    Tamper,
}

impl Input {
    /// Every input.
    pub const ALL: [Input; 3] = [Input::Sensor, Input::ExitButton, Input::Tamper];

    /// As journals, logs and hubs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Input::Sensor => "sensor",
            Input::ExitButton => "exit_button",
            Input::Tamper => "tamper",
        }
    }

    /// What `active` means here, in a word.
    pub fn word(self, active: bool) -> &'static str {
        match (self, active) {
            (Input::Sensor | Input::Tamper, true) => "open",
            (Input::Sensor | Input::Tamper, false) => "closed",
            (Input::ExitButton, true) => "pressed",
            (Input::ExitButton, false) => "released",
        }
    }
}

impl fmt::Display for Input {
    /// In words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Input::Sensor => "door sensor",
            Input::ExitButton => "exit button",
            Input::Tamper => "tamper contact",
        })
    }
}

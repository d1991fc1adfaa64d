//! Settings of a door's wires: which line is for what.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::reader::ReaderSettings;
use super::{DoorError, Input};
pub use crate::domain::{Active, Contact, LineId, Pull};

/// One door's wires. Only the relay's line is serialised, for `usher door safe`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WiringSettings {
    /// The door's name, which the kernel shows as the user of the lines.
    pub door: String,
    pub driver: Driver,
    pub relay: OutputSettings,
    #[serde(skip)]
    pub indicator: Option<IndicatorSettings>,
    /// Each input once, in the order in which they are read.
    #[serde(skip)]
    pub inputs: Vec<(Input, InputSettings)>,
    /// Keypads and readers of tags.
    #[serde(skip)]
    pub readers: Vec<ReaderSettings>,
}

/// What drives the lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Driver {
    /// No device.
    Simulated {
        /// The file that sets the inputs; without one they stay at rest.
        inputs: Option<PathBuf>,
    },
    /// The registers of a Raspberry Pi.
    Rppal,
    /// The kernel's GPIO character device.
    Gpiocdev {
        /// A path, a name such as `gpiochip0`, or a label such as `pinctrl-bcm2711`.
        chip: String,
    },
}

/// The relay's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputSettings {
    /// `None` only for the simulated driver.
    pub line: Option<LineId>,
    /// The level that energises.
    pub active: Active,
}

/// The lamps; those without a line do not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndicatorSettings {
    pub granted: Option<LineId>,
    pub denied: Option<LineId>,
    pub fault: Option<LineId>,
    /// Asks people to turn the head to their left.
    pub left: Option<LineId>,
    /// Asks people to turn the head to their right.
    pub right: Option<LineId>,
    /// The level that lights a lamp.
    pub active: Active,
}

/// A contact on an input line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputSettings {
    /// `None` only for the simulated driver.
    pub line: Option<LineId>,
    /// The contact at rest: door closed, button released, housing closed.
    pub contact: Contact,
    /// The resistor that pulls the line while the contact is open, and with it where the contact leads to.
    pub pull: Pull,
    /// How long a new level must last before it counts.
    pub debounce: Duration,
}

impl OutputSettings {
    /// The line.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn line(&self) -> Result<&LineId, DoorError> {
        self.line.as_ref().ok_or_else(|| DoorError::NoLineGiven { what: "relay".to_owned() })
    }
}

impl InputSettings {
    /// The level of the line at which the input is active: when the contact is not at rest. A closed contact to ground reads low, one to the supply
    /// high.
    pub fn active(&self) -> Active {
        let closed = if self.pull == Pull::Down { Active::High } else { Active::Low };
        match self.contact {
            Contact::NormallyOpen => closed,
            Contact::NormallyClosed => closed.opposite(),
        }
    }
}

impl WiringSettings {
    /// Each line with what it is for.
    ///
    /// # Errors
    /// Names what has no line.
    pub(super) fn lines(&self) -> Result<Vec<(String, &LineId)>, DoorError> {
        let mut lines = vec![("relay".to_owned(), self.relay.line()?)];
        for (lamp, line) in self.indicator.iter().flat_map(IndicatorSettings::lamps) {
            lines.push((lamp.to_owned(), line));
        }
        for (input, settings) in &self.inputs {
            let what = input.to_string();
            let line = settings.line.as_ref().ok_or_else(|| DoorError::NoLineGiven { what: what.clone() })?;
            lines.push((what, line));
        }
        for reader in &self.readers {
            lines.extend(reader.lines()?);
        }
        Ok(lines)
    }

    /// What the kernel shows as the user of a line, at most 31 bytes (`GPIO_MAX_NAME_SIZE` of linux/gpio.h, less the terminating zero).
    pub(super) fn consumer(&self, what: &str) -> String {
        let mut consumer = format!("usher {what} {}", self.door);
        while consumer.len() > 31 {
            consumer.pop();
        }
        consumer
    }
}

impl IndicatorSettings {
    /// The lamps that exist.
    pub(super) fn lamps(&self) -> impl Iterator<Item = (&'static str, &LineId)> {
        let lamps = [
            ("granted lamp", &self.granted),
            ("denied lamp", &self.denied),
            ("fault lamp", &self.fault),
            ("left lamp", &self.left),
            ("right lamp", &self.right),
        ];
        lamps.into_iter().filter_map(|(what, line)| line.as_ref().map(|line| (what, line)))
    }
}

impl fmt::Display for InputSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.contact {
            Contact::NormallyOpen => "normally open",
            Contact::NormallyClosed => "normally closed",
        })?;
        f.write_str(match self.pull {
            Pull::Up => ", pulled up",
            Pull::Down => ", pulled down",
            Pull::None => ", no pull",
        })?;
        write!(f, ", debounced {} ms", self.debounce.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_that_is_not_at_rest_is_active() {
        let active = |contact, pull| InputSettings { line: None, contact, pull, debounce: Duration::ZERO }.active();
        // A closed contact reads low when it leads to ground, and high when it leads to the supply.
        assert_eq!(active(Contact::NormallyClosed, Pull::Up), Active::High);
        assert_eq!(active(Contact::NormallyClosed, Pull::None), Active::High);
        assert_eq!(active(Contact::NormallyClosed, Pull::Down), Active::Low);
        assert_eq!(active(Contact::NormallyOpen, Pull::Up), Active::Low);
        assert_eq!(active(Contact::NormallyOpen, Pull::None), Active::Low);
        assert_eq!(active(Contact::NormallyOpen, Pull::Down), Active::High);
    }

    #[test]
    fn a_real_driver_needs_a_line_for_everything() {
        let output = |line| OutputSettings { line, active: Active::High };
        let input = |line| InputSettings {
            line,
            contact: Contact::NormallyOpen,
            pull: Pull::Up,
            debounce: Duration::from_millis(30),
        };
        let mut settings = WiringSettings {
            door: "a-door-with-a-long-name-of-32-ch".into(),
            driver: Driver::Rppal,
            relay: output(None),
            indicator: None,
            inputs: vec![(Input::ExitButton, input(None))],
            readers: Vec::new(),
        };
        assert_eq!(settings.lines(), Err(DoorError::NoLineGiven { what: "relay".into() }));
        settings.relay.line = Some(LineId::Number(17));
        assert_eq!(settings.lines(), Err(DoorError::NoLineGiven { what: "exit button".into() }));
        settings.inputs[0].1.line = Some(LineId::Name("GPIO6".into()));
        let lines = settings.lines().unwrap();
        assert_eq!(lines[0], ("relay".to_owned(), &LineId::Number(17)));
        assert_eq!(lines[1], ("exit button".to_owned(), &LineId::Name("GPIO6".into())));
        assert_eq!(settings.consumer("relay"), "usher relay a-door-with-a-long-");
    }
}

//! `[[door]]`: the driver, and what hangs on which line. docs/doors.md shows the wiring.
//!
//! Knows nothing of how a line is driven.

use std::path::PathBuf;
use std::time::Duration;

/// The keys `driver`, `lock` and `chip` of `[[door]]`, and the tables below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wiring {
    /// Key `driver`, with the keys that belong to it.
    pub driver: DoorDriver,
    /// What the lock does when its power is cut.
    pub lock: Lock,
    /// `[door.relay]`. Always there for a driver that drives lines.
    pub relay: Option<Relay>,
    /// `[door.indicator]`.
    pub indicator: Option<Indicator>,
    /// `[door.sensor]`: the door's position.
    pub sensor: Option<Contact>,
    /// `[door.exit_button]`.
    pub exit_button: Option<Contact>,
    /// `[door.tamper]`: the housing's contact.
    pub tamper: Option<Contact>,
}

/// What drives the lines of a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DoorDriver {
    /// Nothing: the daemon only tells what it would do.
    Simulated {
        /// Key `inputs` of `[door.simulated]`: the file that plays the inputs.
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

/// What a lock does when its power is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// It stays locked, as a strike does.
    FailSecure,
    /// It opens, as a magnet does.
    FailSafe,
}

impl Lock {
    /// The word, as in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Lock::FailSecure => "fail-secure",
            Lock::FailSafe => "fail-safe",
        }
    }
}

/// `[door.relay]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Its line. `None` for the simulated driver only.
    pub line: Option<LineId>,
    /// The level that energises it.
    pub active: Active,
}

/// `[door.indicator]`: a lamp for each line that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indicator {
    pub granted: Option<LineId>,
    pub denied: Option<LineId>,
    pub fault: Option<LineId>,
    /// The level that lights a lamp.
    pub active: Active,
}

/// `[door.sensor]`, `[door.exit_button]` and `[door.tamper]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its line. `None` for the simulated driver only.
    pub line: Option<LineId>,
    /// Key `contact`: closed at rest, which is door closed, button released, housing closed.
    pub normally_closed: bool,
    /// Where the line is pulled while the contact is open.
    pub pull: Pull,
    /// How long a new level must last before it counts.
    pub debounce: Duration,
}

/// A line of a chip.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LineId {
    /// Its number; on a Raspberry Pi the BCM number.
    Number(u32),
    /// The name that the chip gives it.
    Name(String),
}

/// The level at which something is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Active {
    High,
    Low,
}

/// The resistor at an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    /// The chip's own, up; the contact leads to ground.
    Up,
    /// The chip's own, down; the contact leads to the board's supply.
    Down,
    /// None in the chip: one outside pulls up, and the contact leads to ground.
    None,
}

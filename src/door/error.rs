//! What can go wrong with wires, each case in words that say what to do.
//!
//! Knows nothing of drivers.

use super::Level;

/// Why the wires did not do as they were told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DoorError {
    /// The level may be either. The relay tries to reach its safe level again by itself.
    #[error("{wires} did not go {level}: {why}; check the wiring and that usher may use the device")]
    Write {
        /// What [`Wires::describe`](super::Wires::describe) says.
        wires: String,
        /// The level that was asked for.
        level: Level,
        /// What the device said.
        why: String,
    },
    /// The driver hangs, and the level may be either.
    #[error(
        "{wires} do not answer, and whether the relay is energised is not known; check the device, and restart usher"
    )]
    NoAnswer {
        /// What [`Wires::describe`](super::Wires::describe) says.
        wires: String,
    },
    /// The levels of the inputs are not known.
    #[error("{wires} cannot be read: {why}; check the wiring and that usher may use the device")]
    Read {
        /// Which lines.
        wires: String,
        /// What the device said.
        why: String,
    },
    /// The chip was there when its lines were claimed.
    #[error(
        "{chip} has vanished: {wires} can be neither written nor read until it is back; is its cable or module loose?"
    )]
    ChipGone {
        /// As configured.
        chip: String,
        /// Which line of it.
        wires: String,
    },
    /// There is no such chip.
    #[error("there is no GPIO chip {chip}{why}; set chip of this [[door]] to one of those on this machine: {there}")]
    NoChip {
        /// As configured.
        chip: String,
        /// What the system said, if it said more.
        why: String,
        /// The chips of this machine.
        there: String,
    },
    /// Several chips have this label.
    #[error("several GPIO chips are labelled {chip}: set chip of this [[door]] to one of the paths {there}")]
    ManyChips {
        /// As configured.
        chip: String,
        /// Their paths.
        there: String,
    },
    /// The chip has no such line.
    #[error("{chip} has no line {line}; {there}")]
    NoLine {
        /// As configured.
        chip: String,
        /// The number, or the name in quotes.
        line: String,
        /// What lines there are.
        there: String,
    },
    /// Two lines of the chip have this name.
    #[error("{chip} has several lines named {line}: give the line's number instead, one of {there}")]
    ManyLines {
        /// As configured.
        chip: String,
        /// The name in quotes.
        line: String,
        /// Their numbers.
        there: String,
    },
    /// Another program, or the kernel itself, has the line.
    #[error("{line} is in use by {by}: stop that, or use another line")]
    LineInUse {
        /// Which line.
        line: String,
        /// What the kernel calls the user of the line.
        by: String,
    },
    /// The system does not let usher use the device.
    #[error(
        "usher may not use {path}: add the user that it runs as to the group that owns the file (often gpio), and start it anew"
    )]
    NotAllowed {
        /// The device's file.
        path: String,
    },
    /// The line is there and free, and was refused all the same.
    #[error("{line} cannot be claimed: {why}")]
    Claim {
        /// Which line.
        line: String,
        /// What the kernel said.
        why: String,
    },
    /// The driver `rppal` drives Raspberry Pis only.
    #[error(
        "this is no Raspberry Pi but {found}: set driver = \"gpiocdev\" for this [[door]], which drives every Linux board"
    )]
    NotAPi {
        /// The machine's name for itself.
        found: String,
    },
    /// A Raspberry Pi that the driver `rppal` does not know.
    #[error(
        "rppal does not know this Raspberry Pi ({model}): set driver = \"gpiocdev\" for this [[door]], which drives every Linux board"
    )]
    UnknownPi {
        /// The machine's name for itself.
        model: String,
    },
    /// A driver that drives real lines was not told which.
    #[error("the {what} of this [[door]] has no line: set line in its section")]
    NoLineGiven {
        /// Relay, sensor and so on.
        what: String,
    },
}

//! What can go wrong with wires, worded so that each message says what to do.

use super::Level;

/// Why wires cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DoorError {
    /// The output may be at either level. The relay retries to reach its safe level.
    #[error("{wires} did not go {level}: {why}; check the wiring and that usher may use the device")]
    Write {
        /// What [`Wires::describe`](super::Wires::describe) says.
        wires: String,
        /// The requested level.
        level: Level,
        /// What the device said.
        why: String,
    },
    /// The driver hangs, and the output may be at either level.
    #[error("{wires} do not answer, and the relay may be energised; check the device, and restart usher")]
    NoAnswer {
        /// What [`Wires::describe`](super::Wires::describe) says.
        wires: String,
    },
    /// The inputs cannot be read.
    #[error("{wires} cannot be read: {why}; check the wiring and that usher may use the device")]
    Read {
        /// Which lines.
        wires: String,
        /// What the device said.
        why: String,
    },
    /// The chip was there when its lines were claimed.
    #[error("{chip} has vanished: {wires} cannot be used until it is back; is its cable or module loose?")]
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
        /// What else the system said.
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
    /// usher lacks the permission to use the device.
    #[error(
        "usher may not use {path}: add the user that it runs as to the group that owns the file (often gpio), and restart it"
    )]
    NotAllowed {
        /// The device's file.
        path: String,
    },
    /// The line exists and is free, but was refused.
    #[error("{line} cannot be claimed: {why}")]
    Claim {
        /// Which line.
        line: String,
        /// What the kernel said.
        why: String,
    },
    /// The driver `rppal` drives Raspberry Pis only.
    #[error(
        "this is not a Raspberry Pi but {found}: set driver = \"gpiocdev\" for this [[door]], which drives every Linux board"
    )]
    NotAPi {
        /// The name of the machine.
        found: String,
    },
    /// A Raspberry Pi that the driver `rppal` does not know.
    #[error(
        "rppal does not know this Raspberry Pi ({model}): set driver = \"gpiocdev\" for this [[door]], which drives every Linux board"
    )]
    UnknownPi {
        /// The name of the machine.
        model: String,
    },
    /// A driver of real lines needs a line here.
    #[error("the {what} of this [[door]] has no line: set line in its section")]
    NoLineGiven {
        /// What the line is for.
        what: String,
    },
}

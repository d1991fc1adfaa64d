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
    /// The driver `rppal` has no edges with their times.
    #[error(
        "rppal reads its lines every 10 ms, which misses the pulses of a Wiegand reader and the keys of a keypad: set driver = \"gpiocdev\" for \
         this [[door]], which drives a Raspberry Pi as well (docs/keypads.md)"
    )]
    NoReaders,
    /// The input device is not there.
    #[error(
        "there is no input device {path}: is it plugged in? Set device of [door.evdev] to one of those in /dev/input/by-id: {there}"
    )]
    NoInputDevice {
        /// As configured.
        path: String,
        /// The devices of this machine.
        there: String,
    },
    /// The input device was unplugged.
    #[error("the input device {path} has vanished: it cannot be used until it is back; is its cable loose?")]
    InputDeviceGone {
        /// As configured.
        path: String,
    },
    /// usher lacks the permission to read the input device.
    #[error(
        "usher may not read {path}: give this one device to the group usher-gpio by a udev rule (docs/keypads.md), and plug it in again"
    )]
    InputDeviceBarred {
        /// As configured.
        path: String,
    },
    /// Another program reads the input device for itself alone.
    #[error("another program has taken {path} for itself: stop that, or name another device in [door.evdev]")]
    InputDeviceTaken {
        /// As configured.
        path: String,
    },
    /// The file is no input device with keys for digits.
    #[error("{path} {what}: set device of [door.evdev] to a keypad or a reader that types digits")]
    NoKeys {
        /// As configured.
        path: String,
        /// What it is instead.
        what: String,
    },
}

/// Why something that a reader sent cannot be read. It does not say what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No known format has as many bits.
    #[error(
        "{bits} bits came, which no known format has (4, 8, 26, 34, 37): bits were lost, or the reader has another format"
    )]
    NoFormat {
        /// How many.
        bits: u32,
    },
    /// The bits do not agree with each other.
    #[error(
        "a frame of {bits} bits has a wrong parity: a bit was disturbed, or the reader has another format of as many bits"
    )]
    Parity {
        /// How many.
        bits: u32,
    },
    /// Pulses on both lines.
    #[error(
        "there were pulses on both lines at once: are D0 and D1 short-circuited, or is the cable without a shield?"
    )]
    BothLines,
    /// Pulses are missing.
    #[error("pulses were lost: the processor is too busy")]
    PulsesLost,
    /// Far more bits than any card has.
    #[error("more than {most} bits came without a pause: is the line disturbed all the time?")]
    TooManyBits {
        /// The most that are read.
        most: u32,
    },
}

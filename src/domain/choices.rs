//! Choices that an operator makes in the configuration and that a room acts on. Each is written as one word, or as a number or a path.
//!
//! Also the positions in the configuration's lists, which say what door, schedule or camera is meant without its name. A position is made where
//! the list is walked or a name is resolved. Elsewhere it is only passed on.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What computes a network. Written as a word, or as the absolute path of a delegate's library.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Accelerator {
    /// The NPU where the vendor's library is beside LiteRT's, else the CPU.
    #[default]
    Auto,
    Cpu,
    /// LiteRT's GPU accelerator.
    Gpu,
    /// LiteRT's NPU dispatch.
    Npu,
    /// An external delegate of classic TensorFlow Lite.
    Delegate(PathBuf),
}

/// The text names no accelerator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not auto, cpu, gpu, npu or the absolute path of a delegate's library")]
pub struct UnknownAccelerator(String);

impl FromStr for Accelerator {
    type Err = UnknownAccelerator;

    fn from_str(text: &str) -> Result<Accelerator, UnknownAccelerator> {
        match text {
            "auto" => Ok(Accelerator::Auto),
            "cpu" => Ok(Accelerator::Cpu),
            "gpu" => Ok(Accelerator::Gpu),
            "npu" => Ok(Accelerator::Npu),
            path if path.starts_with('/') && !path.contains('\0') => Ok(Accelerator::Delegate(path.into())),
            other => Err(UnknownAccelerator(other.to_owned())),
        }
    }
}

impl TryFrom<String> for Accelerator {
    type Error = UnknownAccelerator;

    fn try_from(text: String) -> Result<Accelerator, UnknownAccelerator> {
        text.parse()
    }
}

impl From<Accelerator> for String {
    fn from(accelerator: Accelerator) -> String {
        accelerator.to_string()
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Accelerator::Auto => f.write_str("auto"),
            Accelerator::Cpu => f.write_str("cpu"),
            Accelerator::Gpu => f.write_str("gpu"),
            Accelerator::Npu => f.write_str("npu"),
            Accelerator::Delegate(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A line of a GPIO chip.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LineId {
    /// Its number on the chip; on a Raspberry Pi the BCM number.
    Number(u32),
    /// The name that the chip gives it.
    Name(String),
}

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineId::Number(number) => write!(f, "{number}"),
            LineId::Name(name) => write!(f, "\"{name}\""),
        }
    }
}

/// What people enter at a device beside a door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// The digits of a PIN.
    #[default]
    Pin,
    /// The number of a tag.
    Tag,
}

/// The level at which an output or an input is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Active {
    #[default]
    High,
    Low,
}

impl Active {
    /// The other level.
    pub fn opposite(self) -> Active {
        match self {
            Active::High => Active::Low,
            Active::Low => Active::High,
        }
    }
}

impl fmt::Display for Active {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Active::High => "active high",
            Active::Low => "active low",
        })
    }
}

/// A contact at rest: door closed, button released, housing closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Contact {
    NormallyOpen,
    NormallyClosed,
}

/// The resistor at an input line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pull {
    /// The chip pulls up; the contact leads to ground.
    #[default]
    Up,
    /// The chip pulls down; the contact leads to the board's supply.
    Down,
    /// The chip does not pull: an external resistor pulls up, and the contact leads to ground.
    None,
}

/// What happens to a person who, by the record, cannot be on this side of a door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Passback {
    /// Nothing is checked.
    #[default]
    Off,
    /// They pass, and the record says so.
    Soft,
    /// They are refused.
    Hard,
}

/// How the rules that need the day or the hour answer while the time is not known. No other rule is affected: people without days of their
/// own and permits without a schedule need no calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WithoutSync {
    /// They refuse, and doors do not stand unlocked.
    #[default]
    Deny,
    /// They let people pass; doors stand unlocked by the clock as it is.
    Allow,
}

/// What the networks that look for prints and screens may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PassiveMode {
    /// They are not run, unless a door asks for them.
    #[default]
    Off,
    /// What they say stands in the receipts and changes nothing.
    Log,
    /// They refuse.
    Deny,
}

/// The light that a camera sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Spectrum {
    #[default]
    Visible,
    Infrared,
}

/// The version of MQTT that usher speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MqttVersion {
    #[default]
    #[serde(rename = "5")]
    V5,
    #[serde(rename = "3.1.1")]
    V311,
}

/// How people appear in Home Assistant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeopleAs {
    /// Not one by one.
    #[default]
    #[serde(rename = "none")]
    Nobody,
    /// A device tracker for each person: at home or away.
    DeviceTracker,
    /// A tag for each person, scanned with each grant.
    Tag,
}

/// How attendance tells an arrival from a departure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttendanceMethod {
    /// By the side of the camera.
    #[default]
    Side,
    /// Arrivals and departures alternate within a day.
    Alternate,
    /// The first reading of a day is the arrival, the last one the departure.
    FirstLast,
}

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub usize);

        impl $name {
            /// The positions of a list of `length` entries, in order.
            pub fn all(length: usize) -> impl Iterator<Item = $name> {
                (0..length).map($name)
            }
        }
    };
}

index! {
    /// The position of a `[[door]]`, from 0.
    DoorIndex
}
index! {
    /// The position of a `[[schedule]]`, from 0.
    ScheduleIndex
}
index! {
    /// The position of a `[[camera]]`, from 0.
    CameraIndex
}

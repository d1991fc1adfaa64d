//! The sections of the configuration: one struct each. A field is a key; its comment is its reference, its attributes are its range, and its
//! default stands behind it. docs/configuration.md and docs/usher.example.toml are generated from these structs.
//!
//! Comments are Markdown, with links relative to docs/.

mod access;
mod device;
mod door;
mod fleet;
mod liveness;
mod mqtt;
mod readers;
mod vision;
mod web;

pub use access::{Access, Permit, Schedule};
pub use device::{
    Attendance, Control, Device, Gallery, Journal, Log, LogFormat, LogLevel, Metrics, OnJournalFailure, Store, Time,
};
pub use door::{Door, DoorDriver, ExitButton, Indicator, Lock, PromptChannel, Relay, Sensor, SimulatedDoor, Tamper};
pub use fleet::{Fleet, FleetEnroll, FleetRequests, WhenStale};
pub use liveness::{Liveness, Strictness, ThirdTurn};
pub use mqtt::{HomeAssistant, Mqtt, MqttCommands, MqttSnapshots, MqttTls, SnapshotShows};
pub use readers::{Evdev, Keypad, Wiegand};
pub use vision::{Camera, CameraKind, Detector, Enroll, Models, PerModel, Runtime, Side};
pub use web::{Web, WebTls};

pub use device::{CONTROL_SOCKET, STORE_KEY};

/// Defines a section: a struct whose fields have their defaults behind them. The order of the fields goes into the schema as `x-order`,
/// because a JSON object has none.
macro_rules! section {
    (
        $(#[$about:meta])*
        $name:ident { $($(#[$of_field:meta])* $field:ident: $type:ty = $default:expr,)* }
    ) => {
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        $(#[$about])*
        #[serde(default, deny_unknown_fields)]
        #[schemars(extend("x-order" = [$(stringify!($field)),*]))]
        pub struct $name {
            $($(#[$of_field])* pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> $name {
                $name { $($field: $default,)* }
            }
        }
    };
}
use section;

/// Seconds, for defaults.
const fn s(seconds: u64) -> std::time::Duration {
    std::time::Duration::from_secs(seconds)
}

/// Milliseconds, for defaults.
const fn ms(milliseconds: u64) -> std::time::Duration {
    std::time::Duration::from_millis(milliseconds)
}

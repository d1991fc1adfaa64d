//! The settings as the house sees them: plain structs, every value checked. The comment on a field is its reference; its key in
//! the file is the field's name unless the comment says otherwise. Defaults and ranges stand in [`super::schema`].
//!
//! Knows nothing of TOML, of the environment and of any device.

mod access;
mod camera;
mod door;
mod journal;
mod mqtt;
mod passing;
mod time;
mod wiring;

use std::path::PathBuf;
use std::time::Duration;

pub use access::{Access, DistanceLimit};
pub use camera::{Camera, PixelFormat, Source};
pub use door::Door;
pub use journal::{Attendance, AttendanceMethod, Journal, MaxSize, OnJournalFailure};
pub use mqtt::{
    HomeAssistant, Metrics, Mqtt, MqttCommands, MqttSnapshots, MqttTls, MqttVersion, PeopleAs, SnapshotShows,
};
pub use passing::{Hours, Passback, Passing, Permit, Schedule};
pub use time::{Time, WithoutSync};
pub use wiring::{Active, Contact, DoorDriver, Indicator, LineId, Lock, Pull, Relay, Wiring};

/// `[device]`: this box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name on the broker and in the journal: letters, digits, `-` and `_`.
    pub name: String,
    /// The time zone of schedules, days and attendance, as in `"Europe/Berlin"`. `None` (in the file: empty): the system's.
    pub time_zone: Option<String>,
}

/// `[store]`: the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// The folder of the gallery, the journal and the outbox. The daemon must be able to write it.
    pub path: PathBuf,
    /// The file of the key that templates are sealed with. A name without a slash is a credential of systemd; without that nothing is
    /// sealed.
    pub key_file: PathBuf,
}

/// `[models]`: the networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Models {
    /// The folder with `MANIFEST.toml` and the model files.
    pub path: PathBuf,
    /// Which embedder of the manifest to use. Enrolled templates are valid for one embedder only.
    pub embedder: String,
}

/// `[runtime]`: what runs the networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// The LiteRT or TensorFlow Lite library. `None` (in the file: empty): look in the usual places.
    pub library: Option<PathBuf>,
    /// What computes, for every network that `per_model` does not name.
    pub accelerator: Accelerator,
    /// `[runtime.per_model]`: what computes, network by network.
    pub per_model: PerModel,
    /// How many CPU threads one network may use.
    pub threads: u32,
}

/// `[runtime.per_model]`: an accelerator for each network. A key that is left out takes `runtime.accelerator`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerModel {
    /// The detector's proposal network, run on each level of the image pyramid.
    pub pnet: Accelerator,
    /// The detector's refinement network.
    pub rnet: Accelerator,
    /// The detector's output network.
    pub onet: Accelerator,
    /// The network that turns a face into an embedding.
    pub embedder: Accelerator,
}

/// What computes a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// The NPU when its vendor's library lies beside LiteRT's, else the processor.
    Auto,
    /// The processor.
    Cpu,
    /// The graphics unit.
    Gpu,
    /// The neural unit.
    Npu,
    /// An external delegate: the absolute path of its shared library.
    Delegate(PathBuf),
}

/// `[detector]`: finding faces.
#[derive(Clone, Debug, PartialEq)]
pub struct Detector {
    /// The smallest face that is looked for: its shorter side in pixels. Halving it costs about four times the work.
    pub min_face_px: u32,
    /// The scale from one level of the image pyramid to the next. Larger finds more and costs more.
    pub pyramid_factor: f32,
    /// The least scores, 0 to 1, to pass the proposal, the refinement and the output network.
    pub thresholds: [f32; 3],
}

/// `[enroll]`: which pictures may become templates. Stricter than `[access]`: a bad template errs every day.
#[derive(Clone, Debug, PartialEq)]
pub struct Enroll {
    /// The smallest face: its shorter side in pixels.
    pub min_face_px: u32,
    /// The least sharpness, as in `access.min_sharpness`.
    pub min_sharpness: f32,
    /// The furthest turn of the head to either side, in degrees.
    pub max_yaw_deg: f32,
    /// The furthest nod of the head up or down, in degrees.
    pub max_pitch_deg: f32,
}

/// `[gallery]`: what is kept of faces besides the people enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gallery {
    /// How long the embedding of a visitor whom nobody knew is kept. Zero: it is not kept at all.
    pub keep_unknown: Duration,
    /// How many of those are kept at most; the oldest goes first.
    pub keep_unknown_most: u32,
}

/// `[control]`: how the command line reaches the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The Unix socket.
    pub socket: PathBuf,
    /// The group that may use the socket. `None` (in the file: empty): only the daemon's own user.
    pub group: Option<String>,
}

/// `[log]`: what is told, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least important message that is written.
    pub level: LogLevel,
    /// For people or for machines.
    pub format: LogFormat,
}

/// How important a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The word, as in the file and in log filters.
    pub fn as_str(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

/// How messages look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Human,
    /// One JSON object a line.
    Json,
}

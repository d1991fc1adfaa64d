//! The settings as the house sees them: plain structs, every value checked. The comment on a field is its reference; its key in
//! the file is the field's name unless the comment says otherwise. Defaults and ranges stand in [`super::schema`].
//!
//! Knows nothing of TOML, of the environment and of any device.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::Distance;

/// `[device]`: this box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name on the broker and in the journal: letters, digits, `-` and `_`.
    pub name: String,
}

/// `[store]`: the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// The folder of the gallery, the journal and the outbox. The daemon must be able to write it.
    pub path: PathBuf,
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

/// `[access]`: when a door opens.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// The largest distance at which a face is taken for a person.
    pub distance: DistanceLimit,
    /// Which of the model's measured operating points `distance = "auto"` takes: the share of strangers, 0 to 1, that one
    /// comparison mistakes for an enrolled person.
    pub false_match_rate: f64,
    /// The least difference between the distances of the nearest and of the next person.
    pub margin: f32,
    /// How many frames of one face must agree on the person.
    pub frames_agree: u32,
    /// Out of how many of that face's newest frames.
    pub frames_window: u32,
    /// The longest time over which those frames may spread.
    pub window: Duration,
    /// The oldest capture that may still open a door.
    pub max_age: Duration,
    /// How long the same person does not open the same door again after a grant.
    pub cooldown: Duration,
    /// How long the same denial of the same face is not recorded again.
    pub repeat_denial: Duration,
    /// The smallest face that counts: its shorter side in pixels.
    pub min_face_px: u32,
    /// The least sharpness that counts: the variance of the Laplacian of the aligned face's brightness.
    pub min_sharpness: f32,
    /// The furthest turn of the head to either side that counts, in degrees.
    pub max_yaw_deg: f32,
    /// The furthest nod of the head up or down that counts, in degrees.
    pub max_pitch_deg: f32,
}

/// How near is near enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DistanceLimit {
    /// What the model's manifest measured at `access.false_match_rate`.
    Auto,
    /// This distance.
    Fixed(Distance),
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

/// `[[door]]`: one lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// Its name on the broker and in the journal; unique. Letters, digits, `-` and `_`.
    pub name: String,
    /// What moves the lock.
    pub driver: DoorDriver,
    /// How long the lock stays open after a grant.
    pub pulse: Duration,
}

/// What moves a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorDriver {
    /// Nothing: the daemon only tells what it would do.
    Simulated,
}

/// `[[camera]]`: where frames come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Camera {
    /// Its name in the journal; unique. Letters, digits, `-` and `_`.
    pub name: String,
    /// The name of the door that it watches. In the file it may be left out when there is one door.
    pub door: String,
    /// Key `kind`, with the keys that belong to it.
    pub source: Source,
}

/// What gives a camera's frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `kind = "v4l2"`: a camera of Video4Linux.
    V4l2 {
        /// Its device file.
        device: PathBuf,
        /// Columns in pixels.
        width: u32,
        /// Rows in pixels.
        height: u32,
        /// Frames per second.
        fps: u32,
        /// How pixels travel from the camera.
        format: PixelFormat,
    },
    /// `kind = "replay"`: pictures or a recording, for trials and tests.
    Replay {
        /// A picture, a folder of pictures or an MJPEG file.
        path: PathBuf,
        /// Frames per second.
        fps: u32,
        /// Key `loop`: begin again at the end.
        repeat: bool,
    },
}

/// How pixels travel from a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFormat {
    /// MJPEG or YUYV, whichever gives the wanted size and rate.
    Auto,
    /// Uncompressed, 2 bytes a pixel.
    Yuyv,
    /// A JPEG for each frame.
    Mjpeg,
}

/// `[mqtt]`: the broker. Without this section there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mqtt {
    /// The broker's host name or address.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// The name of this client, unique on the broker. By default `usher-` and the device's name.
    pub client_id: String,
    /// The user to log in as; without it there is no login.
    pub username: Option<String>,
    /// The file whose first line is the password. The password itself never stands in the configuration.
    pub password_file: Option<PathBuf>,
    /// The longest silence before either side checks that the other is there.
    pub keep_alive: Duration,
    /// What every topic begins with.
    pub prefix: String,
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

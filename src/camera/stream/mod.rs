//! Cameras that GStreamer reads: streams from the network, the camera modules of Raspberry Pis and Jetsons, and pipelines that an operator writes.
//!
//! GStreamer receives and decodes; the newest picture waits in its sink, in the decoder's own form. It becomes RGB only when somebody wants to look
//! at it, so a quiet door costs what its decoder costs. There is no reconnecting here: a lost stream is an error, and its owner opens the next one.
//!
//! - `fault`: what can go wrong, in words; `dating`: when a picture was taken; `novelty`: whether it is a new one
//! - `route`: the way to the camera, with names resolved and TLS; `tunnel`: TLS with pinned certificates
//! - `pipeline`: the elements; `bus`: what they report; `picture`: their frames; `reader`: the frame source

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

#[cfg(feature = "gstreamer")]
mod bus;
#[cfg(any(feature = "gstreamer", test))]
mod dating;
mod fault;
#[cfg(any(feature = "gstreamer", test))]
mod novelty;
#[cfg(feature = "gstreamer")]
mod picture;
#[cfg(feature = "gstreamer")]
mod pipeline;
#[cfg(feature = "gstreamer")]
mod reader;
#[cfg(feature = "gstreamer")]
mod route;
#[cfg(feature = "gstreamer")]
mod tunnel;
mod within;

use std::fmt;
use std::sync::Arc;
#[cfg(feature = "gstreamer")]
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use self::fault::Fault;
#[cfg(feature = "gstreamer")]
use self::novelty::Novelty;
pub use self::within::Unanswered;
use super::{CameraError, FrameSource};
use crate::clock::Clock;
use crate::domain::StreamAddress;

/// What is read.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A camera on the network.
    Network {
        address: StreamAddress,
        credentials: Option<Credentials>,
        /// The SHA-256 of the certificate that it must show, in lower-case hexadecimal digits; `None` asks the authorities that the system trusts.
        certificate: Option<String>,
    },
    /// A camera module of a Raspberry Pi, by libcamera's id; `None` is the first one.
    Libcamera { id: Option<String>, mode: Mode },
    /// A camera module of a Jetson, by its number.
    Argus { number: u32, mode: Mode },
    /// The text of a pipeline that ends in raw video.
    Pipeline { text: String },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Network { address, .. } => write!(f, "{address}"),
            Origin::Libcamera { id: Some(id), .. } => write!(f, "{id}"),
            Origin::Libcamera { id: None, .. } => f.write_str("of libcamera"),
            Origin::Argus { number, .. } => write!(f, "of argus, sensor {number}"),
            Origin::Pipeline { .. } => f.write_str("of a pipeline"),
        }
    }
}

/// The size and the rate of a camera module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Pixels.
    pub width: u32,
    pub height: u32,
    /// Frames per second.
    pub fps: u32,
}

/// What a camera wants to know before it shows its pictures. It is not shown anywhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl Credentials {
    /// From the first two lines of a text.
    ///
    /// # Errors
    /// Says what is missing, to follow the file's name.
    pub fn read(text: &str) -> Result<Credentials, &'static str> {
        let mut lines = text.lines().map(|line| line.trim_end_matches('\r'));
        let user = lines.next().filter(|line| !line.is_empty()).ok_or("is empty: write the user on its first line")?;
        let password = lines.next().ok_or("has no second line: write the password there")?;
        Ok(Credentials { user: user.to_owned(), password: password.to_owned() })
    }

    /// Removes them from a text that is to be shown.
    #[cfg(feature = "gstreamer")]
    fn strike_from(&self, text: &str) -> String {
        match self.password.as_str() {
            "" => text.to_owned(),
            password => text.replace(password, "***"),
        }
    }
}

/// The settings of a stream.
#[derive(Clone, Debug)]
pub struct StreamSettings {
    pub origin: Origin,
    /// How long `wait` waits for a frame before it fails with [`CameraError::Stuck`].
    pub stuck_after: Duration,
}

/// What is known of a camera beyond one opening: which pictures it has sent.
#[derive(Clone, Debug, Default)]
pub struct Memory(#[cfg(feature = "gstreamer")] Arc<Mutex<Novelty>>);

#[cfg(feature = "gstreamer")]
impl Memory {
    fn hold(&self) -> MutexGuard<'_, Novelty> {
        // Every change is complete before anything can fail.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The camera modules that libcamera knows, by its ids; none where libcamera's plugin for GStreamer is not installed.
///
/// # Errors
/// libcamera does not answer.
#[cfg(feature = "gstreamer")]
pub fn modules() -> Result<Vec<String>, Unanswered> {
    pipeline::modules()
}

/// None: this build does not read them.
///
/// # Errors
/// Never.
#[cfg(not(feature = "gstreamer"))]
pub fn modules() -> Result<Vec<String>, Unanswered> {
    Ok(Vec::new())
}

/// Opens a stream and waits for its first picture.
///
/// # Errors
/// [`CameraError::Stream`] with the reason, and [`CameraError::Stuck`] if no answer comes.
#[cfg(feature = "gstreamer")]
pub fn open(
    settings: &StreamSettings,
    memory: &Memory,
    clock: Arc<dyn Clock>,
) -> Result<Box<dyn FrameSource>, CameraError> {
    Ok(Box::new(reader::StreamCamera::open(settings, memory, clock)?))
}

/// Says that this build reads no streams.
///
/// # Errors
/// Always.
#[cfg(not(feature = "gstreamer"))]
pub fn open(settings: &StreamSettings, _: &Memory, _: Arc<dyn Clock>) -> Result<Box<dyn FrameSource>, CameraError> {
    Err(CameraError::Stream { device: settings.origin.to_string(), fault: Fault::NotBuilt })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_two_lines_and_never_shown() {
        let read = Credentials::read("admin\r\nhunter2 \nmore\n").unwrap();
        assert_eq!((read.user.as_str(), read.password.as_str()), ("admin", "hunter2 "));
        assert!(!format!("{read:?}").contains("hunter2"));
        assert_eq!(Credentials::read("admin\n\n").unwrap().password, "");
        assert!(Credentials::read("").unwrap_err().contains("first line"));
        assert!(Credentials::read("admin").unwrap_err().contains("second line"));
    }

    #[cfg(not(feature = "gstreamer"))]
    #[test]
    fn a_build_without_gstreamer_says_so() {
        let origin = Origin::Libcamera { id: None, mode: Mode { width: 640, height: 480, fps: 15 } };
        let settings = StreamSettings { origin, stuck_after: Duration::from_secs(1) };
        let error = open(&settings, &Memory::default(), Arc::new(crate::clock::SystemClock::new())).err().unwrap();
        assert!(error.to_string().contains("built without GStreamer"), "{error}");
    }
}

//! `[[camera]]`: where frames come from.
//!
//! Knows nothing of what a camera shows.

use std::path::PathBuf;

use crate::domain::Direction;

/// `[[camera]]`: where frames come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Camera {
    /// Its name in the journal; unique. Letters, digits, `-` and `_`.
    pub name: String,
    /// The name of the door that it watches. In the file it may be left out when there is one door.
    pub door: String,
    /// The side of the door that it stands on: whoever it sees goes in, or out. `None` (in the file: `"none"`): not known.
    pub side: Option<Direction>,
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
        /// The device that it must be: the name of its link in `/dev/v4l/by-id`, its place, or its driver's name; `None`: any.
        identity: Option<String>,
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

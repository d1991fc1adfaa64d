//! Where frames come from: a V4L2 camera, or photographs and Motion-JPEG files played again.
//!
//! Owns the devices and the hand-over of their frames to another thread. Knows nothing of faces, of doors, or of what a
//! lost camera means for them.

pub mod identity;
pub mod replay;
pub mod slot;
pub mod v4l2;

pub use identity::Identity;

use std::time::Duration;

use crate::domain::{Frame, Image};
use crate::photo::PhotoError;

/// A stream of frames.
pub trait FrameSource: Send {
    /// The next frame, the newest there is. Blocks until it has come, for at most the time-out that the source states
    /// when it is made, so that whoever calls can stop.
    ///
    /// # Errors
    /// After a bad frame ([`CameraError::is_bad_frame`]) and [`CameraError::Stuck`] the source lives on: count it and call
    /// again. After anything else it is spent: drop it and open a new one. A source that stays stuck holds its device until it is
    /// unplugged or the process ends, so opening it again would find it busy.
    fn next(&mut self) -> Result<Frame, CameraError>;

    /// Gives back a picture that is no longer needed; a later frame may be decoded into its memory.
    fn recycle(&mut self, image: Image) {
        drop(image);
    }

    /// Where the frames come from, in words for logs: `video0, YUYV 640x480 at 30 frames/s`.
    fn describe(&self) -> String;

    /// Which device the frames come from; `None` where there is none.
    fn identity(&self) -> Option<&Identity> {
        None
    }
}

/// Why there is no frame, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    #[error("camera {device} is not there; plug it in, or choose another (`v4l2-ctl --list-devices` lists them)")]
    Absent { device: String },
    #[error("camera {device} was lost ({reason}); check its cable and its power")]
    Lost { device: String, reason: String },
    #[error("camera {device} gave no picture for {} s; check its cable and power, or plug it in anew", waited.as_secs_f32())]
    Stuck { device: String, waited: Duration },
    #[error(
        "camera {device} does not give {wanted} ({reason}); it offers {offered}; set what it offers (`v4l2-ctl -d {device} --list-formats-ext` lists all)"
    )]
    Refused { device: String, wanted: String, offered: String, reason: String },
    #[error(
        "camera {device} is {found}, and [[camera]] identity asks for {wanted}; plug that one in, or set identity = {:?} if this one is right", found.key()
    )]
    AnotherDevice { device: String, wanted: String, found: Identity },
    #[error(
        "camera {device} pads the lines of its YUYV pictures: bytesperline is {stride}, where {expected} are expected; usher cannot read such pictures: set format = \"mjpeg\", or another width"
    )]
    Padded { device: String, stride: u32, expected: u32 },
    /// A replay has come to its end: nothing is wrong.
    #[error("the replay of {replay} is over")]
    Ended { replay: String },
    /// One frame could not be decoded; `origin` is the device, or the file and the frame's place in it.
    #[error("{origin}: {cause}")]
    BadFrame {
        origin: String,
        #[source]
        cause: PhotoError,
    },
    /// A buffer of the driver held no picture that may be used.
    #[error("camera {device}: {fault}; check its cable and power")]
    BadBuffer { device: String, fault: v4l2::Fault },
    /// So many bad frames in a row are a broken camera.
    #[error("{count} pictures in a row could not be used, the last because: {last}")]
    Unusable { count: u32, last: Box<CameraError> },
    #[error("{origin}: {reason}; {advice}")]
    Io { origin: String, reason: String, advice: String },
}

impl CameraError {
    /// Whether only one frame was lost.
    pub fn is_bad_frame(&self) -> bool {
        matches!(self, CameraError::BadFrame { .. } | CameraError::BadBuffer { .. })
    }
}

//! Frame sources: V4L2 cameras, streams and camera modules through GStreamer, and replays of photographs and Motion-JPEG files. Owns the devices,
//! and the slot that hands frames to another thread.

pub mod framed;
pub mod identity;
pub mod infrared;
pub mod lit;
pub mod onvif;
pub mod replay;
pub mod slot;
pub mod stream;
pub mod v4l2;

pub use identity::Identity;

use std::time::Duration;

use crate::domain::{Frame, Glimpse, Image, Moment};
use crate::photo::PhotoError;

/// A frame that a source holds, not decoded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// As [`Frame::seq`].
    pub seq: u64,
    /// As [`Frame::captured_at`].
    pub captured_at: Moment,
}

/// How bright the nearest face was in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaceLight {
    /// The mean of the face, 0 to 255.
    pub brightness: f32,
    /// As [`Frame::captured_at`].
    pub captured_at: Moment,
}

/// A stream of frames. A frame arrives, gives a glimpse of itself, and is decoded only if somebody wants to look at it.
pub trait FrameSource: Send {
    /// Waits for the newest frame and holds it, until the next call. Blocks for at most the time-out given when the source was opened, so that
    /// the caller can stop.
    ///
    /// # Errors
    /// After a bad frame ([`CameraError::is_bad_frame`]) and [`CameraError::Stuck`] the source is still usable: count it and call again.
    /// After any other error, drop the source and open a new one. A source that stays stuck holds its device until the device is unplugged or
    /// the process ends, so opening it again would find it busy.
    fn wait(&mut self) -> Result<Arrival, CameraError>;

    /// Reads the glimpse of the frame that is held, without decoding it. `false` if that is impossible: then the frame must be decoded to know
    /// anything about it.
    ///
    /// # Errors
    /// A bad frame.
    fn glimpse(&mut self, glimpse: &mut Glimpse) -> Result<bool, CameraError>;

    /// The frame that is held as the camera's own JPEG, without decoding it; the frame stays held. `None` where the camera sends no JPEG.
    ///
    /// # Errors
    /// A bad frame.
    fn own_jpeg(&self) -> Result<Option<Vec<u8>>, CameraError> {
        Ok(None)
    }

    /// Decodes the frame that is held, once.
    ///
    /// # Errors
    /// A bad frame, also if none is held.
    fn picture(&mut self) -> Result<Image, CameraError>;

    /// Waits for the newest frame and decodes it.
    ///
    /// # Errors
    /// Those of [`FrameSource::wait`] and [`FrameSource::picture`].
    fn next(&mut self) -> Result<Frame, CameraError> {
        let Arrival { seq, captured_at } = self.wait()?;
        Ok(Frame { seq, captured_at, image: self.picture()? })
    }

    /// Returns a picture that is no longer needed. A later frame may reuse its memory.
    fn recycle(&mut self, image: Image) {
        drop(image);
    }

    /// Tells the source how the nearest face came out, so that it can expose for it. Most sources cannot.
    fn show_face(&mut self, _light: FaceLight) {}

    /// Describes the source for logs: `video0, YUYV 640x480 at 30 frames/s`.
    fn describe(&self) -> String;

    /// The identity of the device; `None` if there is no device.
    fn identity(&self) -> Option<&Identity> {
        None
    }
}

/// Why there is no frame. Each message says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    #[error("camera {device} does not exist; plug it in, or choose another (see `v4l2-ctl --list-devices`)")]
    Absent { device: String },
    #[error("camera {device} was lost ({reason}); check its cable and its power")]
    Lost { device: String, reason: String },
    #[error("camera {device} delivered no picture for {} s; check its cable and power, or unplug it and plug it in again", waited.as_secs_f32())]
    Stuck { device: String, waited: Duration },
    #[error(
        "camera {device} cannot deliver {wanted} ({reason}); it offers {offered}; configure what it offers (see `v4l2-ctl -d {device} --list-formats-ext`)"
    )]
    Refused { device: String, wanted: String, offered: String, reason: String },
    #[error(
        "camera {device} is {found}, but [[camera]] identity is {wanted}; plug that one in, or set identity = {:?} if this one is right", found.key()
    )]
    AnotherDevice { device: String, wanted: String, found: Identity },
    /// A stream, or a camera module that GStreamer reads.
    #[error("camera {device}: {fault}")]
    Stream { device: String, fault: stream::Fault },
    /// A replay has ended normally.
    #[error("the replay of {replay} is over")]
    Ended { replay: String },
    /// One frame could not be decoded. `origin` is the device, or the file and the frame's position in it.
    #[error("{origin}: {cause}")]
    BadFrame {
        origin: String,
        #[source]
        cause: PhotoError,
    },
    /// No frame is held: none has arrived, or it was decoded already.
    #[error("{origin}: its picture was taken already; wait for the next one")]
    NoneHeld { origin: String },
    /// Nothing is left of a picture after it was turned or cropped.
    #[error("{origin}: its picture of {width}x{height} is too small to be turned or cropped; it needs 8 pixels a side")]
    TooSmall { origin: String, width: u32, height: u32 },
    /// A driver's buffer held no usable picture.
    #[error("camera {device}: {fault}; check its cable and power")]
    BadBuffer { device: String, fault: v4l2::Fault },
    /// Too many bad frames in a row: the camera is broken.
    #[error("{count} pictures in a row were unusable; the last error: {last}")]
    Unusable { count: u32, last: Box<CameraError> },
    #[error("{origin}: {reason}; {advice}")]
    Io { origin: String, reason: String, advice: String },
}

impl CameraError {
    /// Whether only one frame is lost.
    pub fn is_bad_frame(&self) -> bool {
        matches!(
            self,
            CameraError::BadFrame { .. }
                | CameraError::BadBuffer { .. }
                | CameraError::NoneHeld { .. }
                | CameraError::TooSmall { .. }
        )
    }
}

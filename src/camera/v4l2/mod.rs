//! V4L2 cameras: webcams, the Raspberry Pi's and the Jetson's cameras through their V4L2 drivers, video loopbacks.
//!
//! nokhwa lists the devices; the `v4l` crate below it sets a device and reads its buffers with the driver's metadata; the photo room decodes the
//! bytes. Reading has no time-out, so a separate thread owns the device and puts each raw frame into a slot, replacing an older one. [`V4l2Camera`]
//! waits there with a time-out, and decodes only frames that somebody wants to look at. There is no reconnecting: a lost camera is an error, and its owner
//! opens the next one.
//!
//! - `device`: devices by name; `offer`: what a device offers; `rate`: its rates as fractions; `negotiate`: setting it and reading back
//! - `capture`: the thread that reads; `stream`: the driver's buffers; `buffer`: whether a buffer holds a current picture
//! - `exposure`: what makes a face well lit; `controls`: the driver's part in it
//! - `guard`: catches what the crates do on odd devices

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod buffer;
mod capture;
mod controls;
mod device;
mod exposure;
mod guard;
mod negotiate;
mod offer;
mod rate;
mod stream;

pub use buffer::Fault;
pub use device::{Device, devices};

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use self::buffer::Requirement;
use self::capture::{Capture, Captured, Raw};
use self::rate::Interval;
use super::slot::{SlotReceiver, SlotSender, slot};
use super::{Arrival, CameraError, FaceLight, FrameSource, Identity};
use crate::clock::Clock;
pub use crate::domain::PixelFormat;
use crate::domain::{Glimpse, Image, RawFormat};
use crate::photo::{JpegDecoder, PhotoError, RawLayout, glimpse_of_raw, own_jpeg, raw_to_rgb};

/// How long a device may take to open; some webcams need seconds to wake. Well below the ten seconds after which the daemon considers a
/// thread dead.
const OPEN_TIMEOUT: Duration = Duration::from_secs(6);
/// How long a dropped camera may take to close its device.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The path `/dev/video…` of a device given as a path, a link or a number.
///
/// # Errors
/// [`CameraError::Absent`], and [`CameraError::Io`] for anything but a video device.
pub fn device_file(device: &str) -> Result<String, CameraError> {
    device::resolve(device).map(|(_, path)| path)
}

/// The identity of `device` (`/dev/video0`, a link to it, or its number). Does not disturb a process that reads from it.
///
/// # Errors
/// [`CameraError::Absent`], and [`CameraError::Io`] for a device that is not a camera, or that this user may not open.
pub fn identity(device: &str) -> Result<Identity, CameraError> {
    let path = device_file(device)?;
    stream::identity(Path::new(&path)).map_err(|failure| {
        guard::beyond_formats(&path, &failure).unwrap_or_else(|| CameraError::Io {
            origin: format!("camera {path}"),
            reason: failure.reason,
            advice: "is it a camera? `v4l2-ctl --list-devices` lists those".into(),
        })
    })
}

/// The settings of a camera.
#[derive(Clone, Debug)]
pub struct V4l2Settings {
    /// `/dev/video0`, a link to it such as `/dev/v4l/by-id/…`, or its number.
    pub device: String,
    /// The device that it must be, by [`Identity::is`]; `None` accepts any.
    pub identity: Option<String>,
    /// Pixels; even.
    pub width: u32,
    pub height: u32,
    /// Frames per second. If the size is only offered with other rates, the nearest is used.
    pub fps: u32,
    pub format: PixelFormat,
    /// Whether faces that come out too dark or too bright steer the exposure.
    pub expose_for_faces: bool,
    /// How long `next` waits for a frame before it fails with [`CameraError::Stuck`].
    pub stuck_after: Duration,
}

/// A format of pixels that can be read, as a driver names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pixels {
    /// A JPEG for each frame. Drivers name it `MJPG` or `JPEG`.
    Mjpeg {
        fourcc: [u8; 4],
    },
    Raw(RawFormat),
}

impl Pixels {
    fn of(fourcc: [u8; 4]) -> Option<Pixels> {
        match &fourcc {
            b"MJPG" | b"JPEG" => Some(Pixels::Mjpeg { fourcc }),
            _ => RawFormat::of(fourcc).map(Pixels::Raw),
        }
    }

    fn fourcc(self) -> [u8; 4] {
        match self {
            Pixels::Mjpeg { fourcc } => fourcc,
            Pixels::Raw(format) => format.fourcc(),
        }
    }

    fn is_grey(self) -> bool {
        matches!(self, Pixels::Raw(format) if format.is_grey())
    }
}

impl fmt::Display for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pixels::Mjpeg { .. } => f.write_str("MJPEG"),
            Pixels::Raw(format) => write!(f, "{format}"),
        }
    }
}

/// The mode that a camera streams in, as its driver reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mode {
    width: u32,
    height: u32,
    /// `None` if the driver does not say.
    interval: Option<Interval>,
    pixels: Pixels,
    /// How uncompressed pixels lie in a buffer; `None` for JPEG.
    layout: Option<RawLayout>,
}

impl Mode {
    /// What each buffer must contain.
    fn requirement(&self) -> Requirement {
        self.layout.map_or(Requirement::Jpeg, |layout| Requirement::Bytes(layout.bytes()))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}x{}", self.pixels, self.width, self.height)?;
        match self.interval {
            Some(interval) => write!(f, " at {interval} frames/s"),
            None => f.write_str(" at its own rate"),
        }
    }
}

/// An open camera. Dropping it closes the device.
pub struct V4l2Camera {
    device: String,
    mode: Mode,
    identity: Identity,
    stuck_after: Duration,
    /// `None` only while it is being dropped.
    frames: Option<SlotReceiver<Captured>>,
    spare_bytes: SlotSender<Vec<u8>>,
    lights: SlotSender<FaceLight>,
    spare_pixels: Vec<u8>,
    decoder: JpegDecoder,
    /// The frame that arrived last, until it is decoded or the next one arrives.
    held: Option<Raw>,
    /// Carries nothing; it disconnects when the capture thread has closed the device.
    ended: Receiver<()>,
}

impl V4l2Camera {
    /// Opens the camera and starts its stream.
    ///
    /// # Errors
    /// [`CameraError::Absent`], [`CameraError::Refused`] with what the camera offers, [`CameraError::Stuck`] if it does not answer,
    /// [`CameraError::AnotherDevice`] if it is not the configured one, and [`CameraError::Io`] for a device that is busy, not a camera, or that
    /// this user may not open.
    pub fn open(settings: &V4l2Settings, clock: Arc<dyn Clock>) -> Result<V4l2Camera, CameraError> {
        let (index, device) = device::resolve(&settings.device)?;
        let (frames_in, frames) = slot();
        let (spare_bytes, spare_out) = slot();
        let (lights, lights_out) = slot();
        let (opened_in, opened) = channel();
        let (alive, ended) = channel::<()>();
        let wanted = settings.clone();
        let name = device.clone();
        let run = move || {
            let _alive = alive;
            Capture { device: name, frames: frames_in, spare: spare_out, lights: lights_out, clock }
                .run(&wanted, &opened_in);
        };
        thread::Builder::new().name(format!("capture {index}")).spawn(run).map_err(|error| CameraError::Io {
            origin: format!("camera {device}"),
            reason: format!("cannot start its thread: {error}"),
            advice: "free some memory, or raise the limit on threads".into(),
        })?;
        let (mode, identity) = match opened.recv_timeout(OPEN_TIMEOUT) {
            Ok(answer) => answer?,
            Err(RecvTimeoutError::Timeout) => return Err(CameraError::Stuck { device, waited: OPEN_TIMEOUT }),
            Err(RecvTimeoutError::Disconnected) => return Err(capture::thread_ended(device)),
        };
        Ok(V4l2Camera {
            device,
            mode,
            identity,
            stuck_after: settings.stuck_after,
            frames: Some(frames),
            spare_bytes,
            lights,
            spare_pixels: Vec::new(),
            decoder: JpegDecoder::new(),
            held: None,
            ended,
        })
    }

    fn bad_frame(&self, cause: PhotoError) -> CameraError {
        CameraError::BadFrame { origin: self.origin(), cause }
    }

    fn origin(&self) -> String {
        format!("camera {}", self.device)
    }

    /// Returns the memory of a frame to the capture thread. If that has ended, this frees it.
    fn give_back(&self, raw: Option<Raw>) {
        if let Some(raw) = raw {
            drop(self.spare_bytes.put(raw.bytes));
        }
    }
}

impl FrameSource for V4l2Camera {
    /// Blocks for at most [`V4l2Settings::stuck_after`].
    fn wait(&mut self) -> Result<Arrival, CameraError> {
        let missed = self.held.take();
        self.give_back(missed);
        let Some(frames) = &self.frames else { return Err(capture::thread_ended(self.device.clone())) };
        match frames.take(self.stuck_after) {
            Some(Captured::Frame(raw)) => {
                let Raw { seq, captured_at, .. } = *self.held.insert(raw);
                Ok(Arrival { seq, captured_at })
            }
            Some(Captured::Bad(fault)) => Err(CameraError::BadBuffer { device: self.device.clone(), fault }),
            Some(Captured::Failed(error)) => Err(error),
            None if frames.is_closed() => Err(capture::thread_ended(self.device.clone())),
            None => Err(CameraError::Stuck { device: self.device.clone(), waited: self.stuck_after }),
        }
    }

    fn glimpse(&mut self, glimpse: &mut Glimpse) -> Result<bool, CameraError> {
        let Some(raw) = &self.held else { return Err(CameraError::NoneHeld { origin: self.origin() }) };
        let read = match &self.mode.layout {
            None => self.decoder.glimpse(&raw.bytes, glimpse),
            Some(layout) => glimpse_of_raw(&raw.bytes, layout, glimpse).map(|()| true),
        };
        read.map_err(|cause| self.bad_frame(cause))
    }

    fn own_jpeg(&self) -> Result<Option<Vec<u8>>, CameraError> {
        let Some(raw) = &self.held else { return Err(CameraError::NoneHeld { origin: self.origin() }) };
        if self.mode.layout.is_some() {
            return Ok(None);
        }
        own_jpeg(&raw.bytes).map(Some).map_err(|cause| self.bad_frame(cause))
    }

    fn picture(&mut self) -> Result<Image, CameraError> {
        let Some(raw) = self.held.take() else { return Err(CameraError::NoneHeld { origin: self.origin() }) };
        let pixels = std::mem::take(&mut self.spare_pixels);
        let decoded = match &self.mode.layout {
            None => self.decoder.decode_into(&raw.bytes, pixels),
            Some(layout) => raw_to_rgb(&raw.bytes, layout, pixels),
        };
        self.give_back(Some(raw));
        decoded.map_err(|cause| self.bad_frame(cause))
    }

    fn recycle(&mut self, image: Image) {
        self.spare_pixels = image.into_rgb();
    }

    fn show_face(&mut self, light: FaceLight) {
        // The capture thread may have ended, or expose by itself.
        drop(self.lights.put(light));
    }

    fn describe(&self) -> String {
        format!("camera {}, {}, {}", self.device, self.identity, self.mode)
    }

    fn identity(&self) -> Option<&Identity> {
        Some(&self.identity)
    }
}

impl Drop for V4l2Camera {
    fn drop(&mut self) {
        // The capture thread notices at its next frame.
        self.frames = None;
        if let Err(RecvTimeoutError::Timeout) = self.ended.recv_timeout(CLOSE_TIMEOUT) {
            tracing::warn!(device = self.device, "the camera does not answer; its device stays open until it does");
        }
    }
}

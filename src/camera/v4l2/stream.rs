//! An open device that streams: the `v4l` crate's buffers with the driver's metadata.
//!
//! nokhwa delivers whole buffers without the number of bytes written, the flags and the time stamp. So it only negotiates the format
//! (`negotiate`), and this module reads. All calls into the crates are guarded here, because they panic on some odd devices.

use std::fmt::Display;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use v4l::buffer::{Flags, Metadata, Type};
use v4l::io::mmap::Stream as Buffers;
use v4l::io::traits::{CaptureStream, Stream as _};
use v4l::video::Capture;
use v4l::{Device, Format, FourCC};

use super::buffer::{Buffer, Requirement, Times};
use super::{Identity, Mode};
use crate::clock::{self, Clock};
use crate::domain::Moment;

/// The number of buffers lent to the driver.
const BUFFERS: u32 = 4;

/// A device in a mode. It starts to stream with the first [`Stream::next`].
pub(super) struct Stream {
    /// `None` only while it is being dropped.
    buffers: Option<Buffers<'static>>,
    clock: Arc<dyn Clock>,
    /// The address of each buffer, and when the driver last got it.
    lent: Vec<(usize, Moment)>,
    /// The buffer read last. The driver gets it back with the next call.
    held: Option<usize>,
    /// When the stream started; `None` before the first buffer.
    began: Option<Moment>,
}

/// Why a call into nokhwa or `v4l` failed: the message, and the operating system's error number if there is one.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) errno: Option<i32>,
    pub(super) reason: String,
}

impl Failure {
    /// The device has been closed here.
    fn closed() -> Failure {
        Failure { errno: None, reason: "it is closed".into() }
    }
}

/// Calls nokhwa or `v4l`, which panic on some odd devices instead of returning an error.
pub(super) fn guarded<T, E: Display>(call: impl FnOnce() -> Result<T, E>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let reason = error.to_string();
            Err(Failure { errno: errno(&reason), reason })
        }
        Err(_) => Err(Failure { errno: None, reason: "its driver gives a malformed answer".into() }),
    }
}

/// The error number in a message: 19 in `… No such device (os error 19)`. nokhwa keeps only the message of an [`std::io::Error`].
fn errno(reason: &str) -> Option<i32> {
    let (_, rest) = reason.rsplit_once("(os error ")?;
    rest.split_once(')')?.0.parse().ok()
}

/// Why a device cannot stream in a mode.
pub(super) enum Unfit {
    Failure(Failure),
    /// Its lines are padded. In bytes per line.
    Padded {
        stride: u32,
        expected: u32,
    },
}

impl From<Failure> for Unfit {
    fn from(failure: Failure) -> Unfit {
        Unfit::Failure(failure)
    }
}

/// Queries the identity of the device file `path`, without disturbing a stream.
pub(super) fn identity(path: &Path) -> Result<Identity, Failure> {
    guarded(|| query_identity(&Device::with_path(path)?, path))
}

fn query_identity(device: &Device, path: &Path) -> io::Result<Identity> {
    let said = device.query_caps()?;
    Ok(Identity::of(path, &said.card, &said.bus))
}

impl Stream {
    /// Opens `path`, which must be set to `mode` already, and lends it buffers.
    pub(super) fn open(path: &Path, mode: &Mode, clock: Arc<dyn Clock>) -> Result<(Stream, Identity), Unfit> {
        let (device, identity, format) = guarded(|| {
            let device = Device::with_path(path)?;
            let identity = query_identity(&device, path)?;
            let format = device.format()?;
            Ok::<_, io::Error>((device, identity, format))
        })?;
        check(&format, mode)?;
        let buffers = guarded(|| Buffers::with_buffers(&device, Type::VideoCapture, BUFFERS))?;
        let stream = Stream { buffers: Some(buffers), clock, lent: Vec::new(), held: None, began: None };
        Ok((stream, identity))
    }

    /// Whether the next call of [`Stream::next`] starts the stream.
    pub(super) fn is_idle(&self) -> bool {
        self.began.is_none()
    }

    /// Waits for the next buffer without a time-out, and passes it to `look`.
    pub(super) fn next<T>(&mut self, look: impl FnOnce(Buffer<'_>, Times) -> T) -> Result<T, Failure> {
        let before = self.clock.now();
        let (clock, lent, held) = (&self.clock, &mut self.lent, &mut self.held);
        let began = *self.began.get_or_insert(before);
        let Some(buffers) = &mut self.buffers else { return Err(Failure::closed()) };
        guarded(|| {
            // No buffer is ready: the next one will be completed after this moment.
            let idle = held.is_some() && buffers.handle().poll(libc::POLLIN, 0)? == 0;
            if let Some(given_back) = held.take() {
                note_lent(lent, given_back, before);
            }
            let (memory, said) = CaptureStream::next(buffers)?;
            let (monotonic, now) = (clock::monotonic(), clock.now());
            let place = memory.as_ptr() as usize;
            let lent_at = lent.iter().find(|(known, _)| *known == place).map_or(began, |(_, at)| *at);
            *held = Some(place);
            let not_before = if idle { before } else { lent_at };
            Ok::<_, io::Error>(look(described(memory, said), Times { now, monotonic, not_before }))
        })
    }

    /// Stops the stream. The next call of [`Stream::next`] restarts it with all buffers lent.
    pub(super) fn restart(&mut self) -> Result<(), Failure> {
        let Some(buffers) = &mut self.buffers else { return Err(Failure::closed()) };
        guarded(|| buffers.stop())?;
        self.lent.clear();
        self.held = None;
        self.began = None;
        Ok(())
    }
}

impl Drop for Stream {
    /// `v4l` panics if a failing device cannot be stopped, and again while that panic unwinds. Such a device is left open.
    fn drop(&mut self) {
        let Some(mut buffers) = self.buffers.take() else { return };
        match guarded(|| buffers.stop()) {
            Err(failure) if failure.errno != Some(libc::ENODEV) => {
                tracing::warn!(reason = failure.reason, "a camera cannot be stopped; its device stays open");
                std::mem::forget(buffers);
            }
            _ => {
                let closed = guarded(|| {
                    drop(buffers);
                    Ok::<_, io::Error>(())
                });
                if closed.is_err() {
                    tracing::warn!("a camera's buffers cannot be released");
                }
            }
        }
    }
}

/// Checks that the driver has kept the mode and does not pad its lines.
fn check(format: &Format, mode: &Mode) -> Result<(), Unfit> {
    let wanted = FourCC::new(if mode.mjpeg { b"MJPG" } else { b"YUYV" });
    if (format.fourcc, format.width, format.height) != (wanted, mode.width, mode.height) {
        let found = format!("{} {}x{}", format.fourcc, format.width, format.height);
        let reason = format!("it was set to {mode} but then reports {found}; does another program use it?");
        return Err(Unfit::Failure(Failure { errno: None, reason }));
    }
    let expected = mode.width.saturating_mul(2);
    match format.stride {
        // The driver does not report it.
        0 => Ok(()),
        stride if mode.mjpeg || stride == expected => Ok(()),
        stride => Err(Unfit::Padded { stride, expected }),
    }
}

impl Mode {
    /// What each buffer must contain.
    pub(super) fn requirement(&self) -> Requirement {
        match self.mjpeg {
            true => Requirement::Jpeg,
            false => Requirement::Bytes((self.width as usize).saturating_mul(self.height as usize).saturating_mul(2)),
        }
    }
}

fn note_lent(lent: &mut Vec<(usize, Moment)>, place: usize, at: Moment) {
    match lent.iter_mut().find(|(known, _)| *known == place) {
        Some((_, known)) => *known = at,
        None => lent.push((place, at)),
    }
}

fn described<'a>(memory: &'a [u8], said: &Metadata) -> Buffer<'a> {
    let monotonic = said.flags & Flags::TIMESTAMP_MASK == Flags::TIMESTAMP_MONOTONIC;
    let seconds = u64::try_from(said.timestamp.sec).ok();
    let micros = u64::try_from(said.timestamp.usec).ok().filter(|micros| *micros < 1_000_000);
    let taken = seconds.zip(micros).and_then(|(s, us)| Duration::from_secs(s).checked_add(Duration::from_micros(us)));
    Buffer {
        memory,
        used: said.bytesused,
        flagged: said.flags.contains(Flags::ERROR),
        taken: taken.filter(|_| monotonic),
        sequence: said.sequence,
    }
}

#[cfg(test)]
mod tests {
    use nokhwa::NokhwaError;

    use super::*;
    use v4l::Timestamp;

    fn mode(mjpeg: bool) -> Mode {
        Mode { width: 640, height: 480, fps: 15, mjpeg }
    }

    #[test]
    fn the_error_number_is_read_from_the_message() {
        let words = NokhwaError::ReadFrameError(std::io::Error::from_raw_os_error(19).to_string()).to_string();
        assert_eq!(errno(&words), Some(19));
        assert_eq!(errno("Failed to Fufill"), None);
    }

    #[test]
    fn a_panic_becomes_a_failure() {
        let failure = guarded::<(), NokhwaError>(|| panic!("odd device")).unwrap_err();
        assert!(failure.errno.is_none() && !failure.reason.is_empty());
    }

    #[test]
    fn padded_lines_and_other_formats_are_refused() {
        let agreed = |fourcc: &[u8; 4], stride| Format { stride, ..Format::new(640, 480, FourCC::new(fourcc)) };
        assert!(check(&agreed(b"YUYV", 1280), &mode(false)).is_ok());
        assert!(check(&agreed(b"YUYV", 0), &mode(false)).is_ok());
        assert!(check(&agreed(b"MJPG", 7), &mode(true)).is_ok());
        let padded = check(&agreed(b"YUYV", 1344), &mode(false));
        assert!(matches!(padded, Err(Unfit::Padded { stride: 1344, expected: 1280 })));
        let other = check(&agreed(b"GREY", 640), &mode(false));
        assert!(matches!(other, Err(Unfit::Failure(failure)) if failure.reason.contains("GREY 640x480")));
    }

    #[test]
    fn the_drivers_metadata_is_read_and_invalid_times_are_none() {
        let said = |flags: u32, sec, usec| Metadata {
            bytesused: 3,
            flags: flags.into(),
            timestamp: Timestamp::new(sec, usec),
            sequence: 9,
            ..Metadata::default()
        };
        let monotonic = 0x2000;
        let whole = said(monotonic | 0x40, 7, 250_000);
        let buffer = described(&[1, 2, 3, 4], &whole);
        assert_eq!((buffer.used, buffer.sequence, buffer.flagged), (3, 9, true));
        assert_eq!(buffer.taken, Some(Duration::from_millis(7_250)));
        assert!(!described(&[], &said(monotonic, 7, 0)).flagged);
        for (flags, sec, usec) in
            [(0, 7, 0), (0x4000, 7, 0), (monotonic, -1, 0), (monotonic, 7, 1_000_000), (monotonic, 7, -1)]
        {
            assert_eq!(described(&[], &said(flags, sec, usec)).taken, None, "{flags:#x} {sec} {usec}");
        }
    }
}

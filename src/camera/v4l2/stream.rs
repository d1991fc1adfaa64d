//! An open device that streams: the `v4l` crate's buffers, with what the driver says of each.
//!
//! nokhwa hands over whole buffers without the number of bytes written, the flags and the time stamp, so it agrees on the format
//! (`negotiate`) and this reads. Knows nothing of what a buffer is worth.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use v4l::buffer::{Flags, Metadata, Type};
use v4l::io::mmap::Stream as Buffers;
use v4l::io::traits::{CaptureStream, Stream as _};
use v4l::video::Capture;
use v4l::{Device, Format, FourCC};

use super::buffer::{Buffer, Demand, Times};
use super::negotiate::{Failure, guarded};
use super::{Identity, Mode};
use crate::clock::{self, Clock};
use crate::domain::Moment;

/// Buffers that the driver may fill while one is looked at.
const BUFFERS: u32 = 4;

/// A device in a mode. It streams from the first [`Stream::next`] on.
pub(super) struct Stream {
    /// `None` only while it is being dropped.
    buffers: Option<Buffers<'static>>,
    clock: Arc<dyn Clock>,
    /// Where each buffer lies, and when the driver got it last.
    lent: Vec<(usize, Moment)>,
    /// The buffer that was looked at last; the driver gets it back with the next call.
    held: Option<usize>,
    /// When the stream began; `None` before the first buffer.
    began: Option<Moment>,
}

/// Why a device cannot stream in a mode.
pub(super) enum Unfit {
    Failure(Failure),
    /// Its lines are padded: so many bytes a line, and so many were expected.
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

/// Asks the driver of the device file `path` which device it is, without disturbing a stream.
pub(super) fn identity(path: &Path) -> Result<Identity, Failure> {
    guarded(|| who(&Device::with_path(path)?, path))
}

fn who(device: &Device, path: &Path) -> io::Result<Identity> {
    let said = device.query_caps()?;
    Ok(Identity::of(path, &said.card, &said.bus))
}

impl Stream {
    /// Opens `path`, which must have been set to `mode`, and lends it buffers.
    pub(super) fn open(path: &Path, mode: &Mode, clock: Arc<dyn Clock>) -> Result<(Stream, Identity), Unfit> {
        let (device, identity, format) = guarded(|| {
            let device = Device::with_path(path)?;
            let identity = who(&device, path)?;
            let format = device.format()?;
            Ok::<_, io::Error>((device, identity, format))
        })?;
        check(&format, mode)?;
        let buffers = guarded(|| Buffers::with_buffers(&device, Type::VideoCapture, BUFFERS))?;
        let stream = Stream { buffers: Some(buffers), clock, lent: Vec::new(), held: None, began: None };
        Ok((stream, identity))
    }

    /// Whether the next call of [`Stream::next`] begins the stream.
    pub(super) fn is_idle(&self) -> bool {
        self.began.is_none()
    }

    /// Waits for the next buffer, without a limit, and shows it to `look`.
    pub(super) fn next<T>(&mut self, look: impl FnOnce(Buffer<'_>, Times) -> T) -> Result<T, Failure> {
        let before = self.clock.now();
        let (clock, lent, held) = (&self.clock, &mut self.lent, &mut self.held);
        let began = *self.began.get_or_insert(before);
        let Some(buffers) = &mut self.buffers else { return Err(Failure::closed()) };
        guarded(|| {
            // Nothing is there yet: what comes then was finished after this moment.
            let idle = held.is_some() && buffers.handle().poll(libc::POLLIN, 0)? == 0;
            if let Some(given_back) = held.take() {
                lend(lent, given_back, before);
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

    /// Ends the stream, so that the next call of [`Stream::next`] begins it anew, with all buffers lent.
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
    /// `v4l` panics where a device that fails cannot be stopped, and would again while that panic unwinds. Such a device is left open.
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
                    tracing::warn!("a camera's buffers cannot be given back");
                }
            }
        }
    }
}

/// The driver must have kept the mode that it agreed to, and must not pad its lines.
fn check(format: &Format, mode: &Mode) -> Result<(), Unfit> {
    let wanted = FourCC::new(if mode.mjpeg { b"MJPG" } else { b"YUYV" });
    if (format.fourcc, format.width, format.height) != (wanted, mode.width, mode.height) {
        let found = format!("{} {}x{}", format.fourcc, format.width, format.height);
        let reason = format!("it was set to {mode}, and then says {found}; does another program use it?");
        return Err(Unfit::Failure(Failure { errno: None, reason }));
    }
    let expected = mode.width * 2;
    match format.stride {
        // A driver that does not say.
        0 => Ok(()),
        stride if mode.mjpeg || stride == expected => Ok(()),
        stride => Err(Unfit::Padded { stride, expected }),
    }
}

impl Mode {
    /// What each buffer must hold.
    pub(super) fn demand(&self) -> Demand {
        match self.mjpeg {
            true => Demand::Jpeg,
            false => Demand::Bytes(self.width as usize * self.height as usize * 2),
        }
    }
}

fn lend(lent: &mut Vec<(usize, Moment)>, place: usize, at: Moment) {
    match lent.iter_mut().find(|(known, _)| *known == place) {
        Some((_, known)) => *known = at,
        None => lent.push((place, at)),
    }
}

fn described<'a>(memory: &'a [u8], said: &Metadata) -> Buffer<'a> {
    let monotonic = said.flags & Flags::TIMESTAMP_MASK == Flags::TIMESTAMP_MONOTONIC;
    let seconds = u64::try_from(said.timestamp.sec).ok();
    let micros = u64::try_from(said.timestamp.usec).ok().filter(|micros| *micros < 1_000_000);
    let taken = seconds.zip(micros).map(|(s, us)| Duration::from_secs(s) + Duration::from_micros(us));
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
    use super::*;
    use v4l::Timestamp;

    fn mode(mjpeg: bool) -> Mode {
        Mode { width: 640, height: 480, fps: 15, mjpeg }
    }

    #[test]
    fn padded_lines_and_another_format_are_refused() {
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
    fn what_the_driver_says_is_read_and_odd_times_are_none() {
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

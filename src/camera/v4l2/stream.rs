//! An open device that streams: the `v4l` crate's buffers with the driver's metadata.
//!
//! The device stays open from its negotiation on, because some drivers forget their format when they are closed.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use v4l::Device;
use v4l::buffer::{Flags, Metadata, Type};
use v4l::io::mmap::Stream as Buffers;
use v4l::io::traits::{CaptureStream, Stream as _};

use super::Identity;
use super::buffer::{Buffer, Times};
use super::guard::{Failure, guarded};
use crate::clock::{self, Clock};
use crate::domain::Moment;

/// The number of buffers lent to the driver.
const BUFFERS: u32 = 4;

/// A device in a mode. It starts to stream with the first [`Stream::next`].
pub(super) struct Stream {
    /// Both are `None` only while it is being dropped.
    buffers: Option<Buffers<'static>>,
    device: Option<Device>,
    clock: Arc<dyn Clock>,
    /// The address of each buffer, and when the driver last got it.
    lent: Vec<(usize, Moment)>,
    /// The buffer read last. The driver gets it back with the next call.
    held: Option<usize>,
    /// When the stream started; `None` before the first buffer.
    began: Option<Moment>,
}

/// Queries the identity of the device file `path`, without disturbing a stream.
pub(super) fn identity(path: &Path) -> Result<Identity, Failure> {
    let device = guarded(|| Device::with_path(path))?;
    let identity = identity_of(&device, path);
    guarded(|| {
        drop(device);
        Ok::<_, io::Error>(())
    })?;
    identity
}

/// Queries the identity of an open device, whose file is `path`.
pub(super) fn identity_of(device: &Device, path: &Path) -> Result<Identity, Failure> {
    let said = guarded(|| device.query_caps())?;
    Ok(Identity::of(path, &said.card, &said.bus))
}

/// Reserves buffers of a device that is set to its mode.
pub(super) fn buffers(device: &Device) -> Result<Buffers<'static>, Failure> {
    guarded(|| Buffers::with_buffers(device, Type::VideoCapture, BUFFERS))
}

impl Stream {
    /// Lends `buffers` to `device`, whose they are.
    pub(super) fn new(device: Device, buffers: Buffers<'static>, clock: Arc<dyn Clock>) -> Stream {
        let (buffers, device) = (Some(buffers), Some(device));
        Stream { buffers, device, clock, lent: Vec::new(), held: None, began: None }
    }

    /// The device, for its controls.
    pub(super) fn device(&self) -> Option<&Device> {
        self.device.as_ref()
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
        let Some(buffers) = &mut self.buffers else { return Err(closed()) };
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
        let Some(buffers) = &mut self.buffers else { return Err(closed()) };
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
        let (Some(mut buffers), device) = (self.buffers.take(), self.device.take()) else { return };
        match guarded(|| buffers.stop()) {
            Err(failure) if failure.errno != Some(libc::ENODEV) => {
                tracing::warn!(reason = failure.reason, "a camera cannot be stopped; its device stays open");
                std::mem::forget((buffers, device));
            }
            _ => {
                let closed = guarded(|| {
                    drop((buffers, device));
                    Ok::<_, io::Error>(())
                });
                if closed.is_err() {
                    tracing::warn!("a camera's buffers cannot be released");
                }
            }
        }
    }
}

/// The device has been closed here.
fn closed() -> Failure {
    Failure::because("it is closed")
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
    use v4l::Timestamp;

    use super::*;

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

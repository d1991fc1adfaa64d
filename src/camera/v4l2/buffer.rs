//! Whether a driver's buffer holds a current picture, and how old that picture is at most.
//!
//! A driver reuses a few buffers, and what it does not overwrite is an earlier picture. So only the bytes it reports as written count, and a
//! buffer that is flagged, too short or delivered twice is rejected. Pure: the driver's metadata and the clocks are arguments.

use std::time::Duration;

use crate::domain::Moment;

/// A picture that has not changed by a byte for this long comes from a frozen camera, or is a still. A lens never shows the same bits twice,
/// except in the dark.
const FROZEN_AFTER: Duration = Duration::from_secs(10);

/// Why a buffer holds no usable picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("its driver flagged the picture as broken")]
    Flagged,
    #[error("its driver delivered an empty buffer")]
    Empty,
    #[error("the picture has {used} bytes, but {needed} are needed")]
    Short { used: usize, needed: usize },
    #[error("its driver reports {used} bytes written into a buffer of {length}")]
    Overlong { used: usize, length: usize },
    #[error("the picture does not start as a JPEG")]
    NotJpeg,
    #[error("its driver delivered picture {sequence} twice, or after a later one")]
    Repeated { sequence: u32 },
    #[error("the picture is not newer than the one before it")]
    Backwards,
    #[error("the picture is older than the stream: it is left over")]
    LeftOver,
}

/// What each picture of a stream must contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Requirement {
    /// At least this many bytes.
    Bytes(usize),
    /// The start marker of a JPEG. The decoder checks for its end.
    Jpeg,
}

/// A buffer as delivered by the driver.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buffer<'a> {
    /// The whole buffer.
    pub(super) memory: &'a [u8],
    /// The number of bytes that the driver reports as written.
    pub(super) used: u32,
    /// Whether the driver flagged it as broken.
    pub(super) flagged: bool,
    /// The capture time by `CLOCK_MONOTONIC`; `None` if the driver uses another clock or reports none.
    pub(super) taken: Option<Duration>,
    pub(super) sequence: u32,
}

/// The clocks when a buffer arrives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) now: Moment,
    /// `CLOCK_MONOTONIC`, read at `now`.
    pub(super) monotonic: Duration,
    /// The last moment at which this picture certainly did not exist yet.
    pub(super) not_before: Moment,
}

/// A usable picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Picture<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) captured_at: Moment,
    /// Whether this is the first picture that counts as frozen.
    pub(super) freezes: bool,
}

/// Inspects the buffers of one camera in the order of their arrival.
#[derive(Debug)]
pub(super) struct Inspector {
    requirement: Requirement,
    /// When the stream started, by `CLOCK_MONOTONIC`.
    began: Duration,
    last: Option<Last>,
    /// The bytes of the last picture.
    bytes: Vec<u8>,
    /// The capture time of the first picture with these bytes.
    same_since: Moment,
    frozen: bool,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    sequence: u32,
    taken: Option<Duration>,
    captured_at: Moment,
}

impl Inspector {
    /// An inspector of a stream whose pictures must meet `requirement`.
    pub(super) fn new(requirement: Requirement) -> Inspector {
        Inspector {
            requirement,
            began: Duration::ZERO,
            last: None,
            bytes: Vec::new(),
            same_since: Moment::default(),
            frozen: false,
        }
    }

    /// Notes that the stream starts or restarts at `monotonic` by `CLOCK_MONOTONIC`. Sequence numbers start again.
    pub(super) fn start(&mut self, monotonic: Duration) {
        self.began = monotonic;
        self.last = None;
    }

    /// Returns the picture in `buffer` and its capture time. If the driver's time is missing or impossible (zero, or in the future), the
    /// capture time is `times.not_before`: a picture without a date counts as old as it can be. A picture that does not change for too long
    /// ages from then on.
    ///
    /// # Errors
    /// The buffer holds no current picture.
    pub(super) fn inspect<'a>(&mut self, buffer: Buffer<'a>, times: Times) -> Result<Picture<'a>, Fault> {
        let bytes = self.written(&buffer)?;
        let taken = buffer.taken.filter(|taken| !taken.is_zero() && *taken <= times.monotonic);
        if taken.is_some_and(|taken| taken < self.began) {
            return Err(Fault::LeftOver);
        }
        if let Some(last) = self.last {
            // The difference, modulo 2^32.
            let ahead = buffer.sequence.wrapping_sub(last.sequence);
            if ahead == 0 || ahead > u32::MAX / 2 {
                return Err(Fault::Repeated { sequence: buffer.sequence });
            }
            if taken.zip(last.taken).is_some_and(|(taken, before)| taken <= before) {
                return Err(Fault::Backwards);
            }
        }
        let earliest = self.last.map_or(Moment::default(), |last| last.captured_at);
        let captured_at = match taken {
            Some(taken) => Moment(times.now.0.saturating_sub(times.monotonic.saturating_sub(taken))),
            None => times.not_before.min(times.now),
        }
        .max(earliest);
        self.last = Some(Last { sequence: buffer.sequence, taken, captured_at });
        Ok(self.with_age_limit(bytes, captured_at))
    }

    /// The bytes that the driver wrote, if they can be a picture.
    fn written<'a>(&self, buffer: &Buffer<'a>) -> Result<&'a [u8], Fault> {
        let used = buffer.used as usize;
        if buffer.flagged {
            return Err(Fault::Flagged);
        }
        if used == 0 {
            return Err(Fault::Empty);
        }
        let bytes = buffer.memory.get(..used).ok_or(Fault::Overlong { used, length: buffer.memory.len() })?;
        match self.requirement {
            Requirement::Bytes(needed) => bytes.get(..needed).ok_or(Fault::Short { used, needed }),
            Requirement::Jpeg if bytes.starts_with(&[0xFF, 0xD8]) => Ok(bytes),
            Requirement::Jpeg => Err(Fault::NotJpeg),
        }
    }

    fn with_age_limit<'a>(&mut self, bytes: &'a [u8], captured_at: Moment) -> Picture<'a> {
        if self.bytes != bytes {
            self.bytes.clear();
            self.bytes.extend_from_slice(bytes);
            self.same_since = captured_at;
            self.frozen = false;
            return Picture { bytes, captured_at, freezes: false };
        }
        let frozen = captured_at.since(self.same_since) > FROZEN_AFTER;
        let freezes = frozen && !self.frozen;
        self.frozen = frozen;
        Picture { bytes, captured_at: captured_at.min(self.same_since.after(FROZEN_AFTER)), freezes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How far the kernel's clock is ahead of ours.
    const UPTIME: u64 = 5_000_000;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A stream that started at 1 s of our clock.
    fn inspector(requirement: Requirement) -> Inspector {
        let mut inspector = Inspector::new(requirement);
        inspector.start(ms(UPTIME + 1_000));
        inspector
    }

    /// The clocks at `now` milliseconds of our clock.
    fn at(now: u64) -> Times {
        Times { now: Moment(ms(now)), monotonic: ms(UPTIME + now), not_before: Moment(ms(now - 66)) }
    }

    /// A complete picture, taken at `taken` milliseconds of our clock.
    fn buffer(sequence: u32, taken: u64) -> Buffer<'static> {
        const PICTURES: [[u8; 8]; 2] = [[1, 2, 3, 4, 5, 6, 7, 8], [8, 7, 6, 5, 4, 3, 2, 1]];
        let memory = &PICTURES[sequence as usize % 2];
        Buffer { memory, used: 8, flagged: false, taken: Some(ms(UPTIME + taken)), sequence }
    }

    /// The capture time in milliseconds.
    fn captured(looked: Result<Picture<'_>, Fault>) -> Result<u128, Fault> {
        looked.map(|picture| picture.captured_at.0.as_millis())
    }

    #[test]
    fn only_bytes_that_the_driver_wrote_are_used() {
        let whole = buffer(0, 1_100);
        let mut yuyv = inspector(Requirement::Bytes(6));
        let mut refused = |buffer: Buffer<'static>| yuyv.inspect(buffer, at(1_101)).unwrap_err();
        assert_eq!(refused(Buffer { flagged: true, ..whole }), Fault::Flagged);
        assert_eq!(refused(Buffer { used: 0, ..whole }), Fault::Empty);
        assert_eq!(refused(Buffer { used: 5, ..whole }), Fault::Short { used: 5, needed: 6 });
        assert_eq!(refused(Buffer { used: 9, ..whole }), Fault::Overlong { used: 9, length: 8 });
        assert_eq!(refused(Buffer { used: u32::MAX, ..whole }), Fault::Overlong { used: u32::MAX as usize, length: 8 });
        // A rejected buffer does not count: the same sequence number may still arrive complete.
        assert_eq!(yuyv.inspect(Buffer { used: 7, ..whole }, at(1_101)).unwrap().bytes, [1, 2, 3, 4, 5, 6]);

        let mut mjpeg = inspector(Requirement::Jpeg);
        let jpeg = Buffer { memory: &[0xFF, 0xD8, 0xFF, 0xE0, 9, 9], used: 4, ..whole };
        assert_eq!(mjpeg.inspect(whole, at(1_101)), Err(Fault::NotJpeg));
        assert_eq!(mjpeg.inspect(Buffer { used: 1, ..jpeg }, at(1_101)), Err(Fault::NotJpeg));
        assert_eq!(mjpeg.inspect(jpeg, at(1_101)).unwrap().bytes, [0xFF, 0xD8, 0xFF, 0xE0]);
    }

    #[test]
    fn the_capture_time_is_the_kernels_however_long_the_buffer_waited() {
        let mut inspector = inspector(Requirement::Bytes(8));
        assert_eq!(captured(inspector.inspect(buffer(0, 1_100), at(1_101))), Ok(1_100));
        assert_eq!(captured(inspector.inspect(buffer(1, 1_200), at(9_000))), Ok(1_200));
        // Dropped frames are no fault.
        assert_eq!(captured(inspector.inspect(buffer(500, 8_900), at(9_001))), Ok(8_900));
    }

    #[test]
    fn a_picture_without_a_valid_time_is_as_old_as_it_can_be() {
        for lie in [None, Some(Duration::ZERO), Some(ms(UPTIME + 1_201)), Some(ms(u64::MAX))] {
            let mut inspector = inspector(Requirement::Bytes(8));
            let lying = |sequence| Buffer { taken: lie, ..buffer(sequence, 0) };
            assert_eq!(captured(inspector.inspect(lying(0), at(1_200))), Ok(1_134), "{lie:?}");
            assert_eq!(captured(inspector.inspect(buffer(1, 1_200), at(1_210))), Ok(1_200), "{lie:?}");
            // Never before the previous picture.
            assert_eq!(captured(inspector.inspect(lying(2), at(1_200))), Ok(1_200), "{lie:?}");
        }
        let mut inspector = inspector(Requirement::Bytes(8));
        let ahead = Times { not_before: Moment(ms(2_000)), ..at(1_200) };
        assert_eq!(captured(inspector.inspect(Buffer { taken: None, ..buffer(0, 0) }, ahead)), Ok(1_200));
    }

    #[test]
    fn pictures_from_before_the_stream_are_refused() {
        let mut inspector = inspector(Requirement::Bytes(8));
        assert_eq!(inspector.inspect(buffer(0, 999), at(1_100)), Err(Fault::LeftOver));
        let before_our_clock = Buffer { taken: Some(ms(5)), ..buffer(0, 0) };
        assert_eq!(inspector.inspect(before_our_clock, at(1_100)), Err(Fault::LeftOver));
        assert_eq!(captured(inspector.inspect(buffer(0, 1_000), at(1_100))), Ok(1_000));
    }

    #[test]
    fn pictures_delivered_twice_or_going_back_are_refused() {
        let mut inspector = inspector(Requirement::Bytes(8));
        assert!(inspector.inspect(buffer(7, 1_100), at(1_101)).is_ok());
        assert_eq!(inspector.inspect(buffer(7, 1_200), at(1_201)), Err(Fault::Repeated { sequence: 7 }));
        assert_eq!(inspector.inspect(buffer(6, 1_200), at(1_201)), Err(Fault::Repeated { sequence: 6 }));
        assert_eq!(inspector.inspect(buffer(8, 1_100), at(1_201)), Err(Fault::Backwards));
        assert_eq!(inspector.inspect(buffer(8, 1_050), at(1_201)), Err(Fault::Backwards));
        assert!(inspector.inspect(buffer(8, 1_200), at(1_201)).is_ok());
        // A restarted stream may count from the beginning.
        inspector.start(ms(UPTIME + 1_300));
        assert_eq!(captured(inspector.inspect(buffer(0, 1_300), at(1_301))), Ok(1_300));
        // Sequence numbers wrap at 32 bits.
        inspector.start(ms(UPTIME + 1_300));
        assert!(inspector.inspect(buffer(u32::MAX, 1_400), at(1_401)).is_ok());
        assert!(inspector.inspect(buffer(0, 1_500), at(1_501)).is_ok());
    }

    #[test]
    fn a_picture_that_never_changes_ages() {
        let mut inspector = inspector(Requirement::Bytes(8));
        let mut froze = Vec::new();
        for n in 0..200 {
            let now = 2_000 + u64::from(n) * 100;
            // Even numbers show the same picture.
            let picture = inspector.inspect(buffer(n * 2, now), at(now)).unwrap();
            assert_eq!(picture.captured_at.0, ms(now.min(12_000)));
            froze.extend(picture.freezes.then_some(now));
        }
        assert_eq!(froze, [12_100]);
        assert_eq!(captured(inspector.inspect(buffer(401, 30_000), at(30_000))), Ok(30_000));
        assert_eq!(captured(inspector.inspect(buffer(402, 30_100), at(30_100))), Ok(30_100));
    }
}

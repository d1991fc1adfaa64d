//! What a buffer of a driver is worth: whether it holds a picture of now, and how old that picture is at most.
//!
//! A driver lends the same few buffers again and again, and what it does not overwrite is an earlier picture. So only the bytes that
//! it says it has written count, and a buffer that is flagged, too short or delivered twice is refused. Pure: what the driver says
//! and what the clocks show go in.

use std::time::Duration;

use crate::domain::Moment;

/// A picture that stays the same to the last byte for so long is a frozen camera, or a still. What a lens shows is never twice the
/// same to the bit, but in the dark.
const FROZEN_AFTER: Duration = Duration::from_secs(10);

/// Why a buffer holds no picture that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("its driver flagged the picture as broken")]
    Flagged,
    #[error("its driver delivered an empty buffer")]
    Empty,
    #[error("the picture has {used} bytes, and {needed} are needed")]
    Short { used: usize, needed: usize },
    #[error("its driver says that it wrote {used} bytes into a buffer of {length}")]
    Overlong { used: usize, length: usize },
    #[error("the picture does not begin as a JPEG")]
    NotJpeg,
    #[error("its driver delivered picture {sequence} again, or after a later one")]
    Repeated { sequence: u32 },
    #[error("the picture is as old as the one before it, or older")]
    Backwards,
    #[error("the picture is older than the stream: it was left over")]
    LeftOver,
}

/// What each picture of a stream must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// At least so many bytes.
    Bytes(usize),
    /// The start marker of a JPEG. Whether its end is there, its decoder finds out.
    Jpeg,
}

/// A buffer as it came out of the driver.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buffer<'a> {
    /// All of it, whatever is in it.
    pub(super) memory: &'a [u8],
    /// The bytes that the driver says it wrote.
    pub(super) used: u32,
    /// Flagged as broken.
    pub(super) flagged: bool,
    /// When the picture was taken, by `CLOCK_MONOTONIC`; `None` where the driver says it by another clock, or not at all.
    pub(super) taken: Option<Duration>,
    pub(super) sequence: u32,
}

/// What the clocks show as a buffer comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) now: Moment,
    /// `CLOCK_MONOTONIC`, read at `now`.
    pub(super) monotonic: Duration,
    /// The last moment at which this picture was not there yet for sure.
    pub(super) not_before: Moment,
}

/// A picture that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Picture<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) captured_at: Moment,
    /// The first of a run that has been the same for too long.
    pub(super) freezes: bool,
}

/// Looks at the buffers of one camera, in the order in which they come.
#[derive(Debug)]
pub(super) struct Inspector {
    demand: Demand,
    /// When the stream began, by `CLOCK_MONOTONIC`.
    began: Duration,
    last: Option<Last>,
    /// The last picture's bytes.
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
    /// Of a stream whose pictures must have `demand`.
    pub(super) fn new(demand: Demand) -> Inspector {
        Inspector {
            demand,
            began: Duration::ZERO,
            last: None,
            bytes: Vec::new(),
            same_since: Moment::default(),
            frozen: false,
        }
    }

    /// The stream begins, or begins again, and counts anew; `CLOCK_MONOTONIC` shows `monotonic`.
    pub(super) fn begin(&mut self, monotonic: Duration) {
        self.began = monotonic;
        self.last = None;
    }

    /// The picture in `buffer`, and when it was taken. Where the driver's time is missing or cannot be true (zero, or in the future),
    /// that is `times.not_before`: a picture without a date counts as old as it can be. One that is the same to the byte for too
    /// long grows older from then on.
    ///
    /// # Errors
    /// The buffer holds no picture of now.
    pub(super) fn look<'a>(&mut self, buffer: Buffer<'a>, times: Times) -> Result<Picture<'a>, Fault> {
        let bytes = self.written(&buffer)?;
        let taken = buffer.taken.filter(|taken| !taken.is_zero() && *taken <= times.monotonic);
        if taken.is_some_and(|taken| taken < self.began) {
            return Err(Fault::LeftOver);
        }
        if let Some(last) = self.last {
            // Counted round the end of its 32 bits.
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
            Some(taken) => Moment(times.now.0.saturating_sub(times.monotonic - taken)),
            None => times.not_before.min(times.now),
        }
        .max(earliest);
        self.last = Some(Last { sequence: buffer.sequence, taken, captured_at });
        Ok(self.aged(bytes, captured_at))
    }

    /// The bytes that the driver wrote, when they can be a picture.
    fn written<'a>(&self, buffer: &Buffer<'a>) -> Result<&'a [u8], Fault> {
        let used = buffer.used as usize;
        if buffer.flagged {
            return Err(Fault::Flagged);
        }
        if used == 0 {
            return Err(Fault::Empty);
        }
        let bytes = buffer.memory.get(..used).ok_or(Fault::Overlong { used, length: buffer.memory.len() })?;
        match self.demand {
            Demand::Bytes(needed) if used < needed => Err(Fault::Short { used, needed }),
            Demand::Bytes(needed) => Ok(&bytes[..needed]),
            Demand::Jpeg if bytes.starts_with(&[0xFF, 0xD8]) => Ok(bytes),
            Demand::Jpeg => Err(Fault::NotJpeg),
        }
    }

    fn aged<'a>(&mut self, bytes: &'a [u8], captured_at: Moment) -> Picture<'a> {
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
        Picture { bytes, captured_at: captured_at.min(self.same_since + FROZEN_AFTER), freezes }
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

    /// A stream that began 1 s after our clock.
    fn inspector(demand: Demand) -> Inspector {
        let mut inspector = Inspector::new(demand);
        inspector.begin(ms(UPTIME + 1_000));
        inspector
    }

    /// At so many milliseconds of our clock.
    fn at(now: u64) -> Times {
        Times { now: Moment(ms(now)), monotonic: ms(UPTIME + now), not_before: Moment(ms(now - 66)) }
    }

    /// A whole picture, taken at so many milliseconds of our clock.
    fn buffer(sequence: u32, taken: u64) -> Buffer<'static> {
        const PICTURES: [[u8; 8]; 2] = [[1, 2, 3, 4, 5, 6, 7, 8], [8, 7, 6, 5, 4, 3, 2, 1]];
        let memory = &PICTURES[sequence as usize % 2];
        Buffer { memory, used: 8, flagged: false, taken: Some(ms(UPTIME + taken)), sequence }
    }

    /// The moment of capture in milliseconds.
    fn captured(looked: Result<Picture<'_>, Fault>) -> Result<u128, Fault> {
        looked.map(|picture| picture.captured_at.0.as_millis())
    }

    #[test]
    fn only_bytes_that_the_driver_wrote_are_a_picture() {
        let whole = buffer(0, 1_100);
        let mut yuyv = inspector(Demand::Bytes(6));
        let mut refused = |buffer: Buffer<'static>| yuyv.look(buffer, at(1_101)).unwrap_err();
        assert_eq!(refused(Buffer { flagged: true, ..whole }), Fault::Flagged);
        assert_eq!(refused(Buffer { used: 0, ..whole }), Fault::Empty);
        assert_eq!(refused(Buffer { used: 5, ..whole }), Fault::Short { used: 5, needed: 6 });
        assert_eq!(refused(Buffer { used: 9, ..whole }), Fault::Overlong { used: 9, length: 8 });
        assert_eq!(refused(Buffer { used: u32::MAX, ..whole }), Fault::Overlong { used: u32::MAX as usize, length: 8 });
        // None of them counts as the last one: the same sequence number may still come whole.
        assert_eq!(yuyv.look(Buffer { used: 7, ..whole }, at(1_101)).unwrap().bytes, [1, 2, 3, 4, 5, 6]);

        let mut mjpeg = inspector(Demand::Jpeg);
        let jpeg = Buffer { memory: &[0xFF, 0xD8, 0xFF, 0xE0, 9, 9], used: 4, ..whole };
        assert_eq!(mjpeg.look(whole, at(1_101)), Err(Fault::NotJpeg));
        assert_eq!(mjpeg.look(Buffer { used: 1, ..jpeg }, at(1_101)), Err(Fault::NotJpeg));
        assert_eq!(mjpeg.look(jpeg, at(1_101)).unwrap().bytes, [0xFF, 0xD8, 0xFF, 0xE0]);
    }

    #[test]
    fn the_kernels_time_is_when_it_was_taken_however_long_it_waited() {
        let mut inspector = inspector(Demand::Bytes(8));
        assert_eq!(captured(inspector.look(buffer(0, 1_100), at(1_101))), Ok(1_100));
        assert_eq!(captured(inspector.look(buffer(1, 1_200), at(9_000))), Ok(1_200));
        // Frames were left out: nothing is wrong.
        assert_eq!(captured(inspector.look(buffer(500, 8_900), at(9_001))), Ok(8_900));
    }

    #[test]
    fn a_picture_without_a_true_time_is_as_old_as_it_can_be() {
        for lie in [None, Some(Duration::ZERO), Some(ms(UPTIME + 1_201)), Some(ms(u64::MAX))] {
            let mut inspector = inspector(Demand::Bytes(8));
            let lying = |sequence| Buffer { taken: lie, ..buffer(sequence, 0) };
            assert_eq!(captured(inspector.look(lying(0), at(1_200))), Ok(1_134), "{lie:?}");
            assert_eq!(captured(inspector.look(buffer(1, 1_200), at(1_210))), Ok(1_200), "{lie:?}");
            // Never before the one that came first.
            assert_eq!(captured(inspector.look(lying(2), at(1_200))), Ok(1_200), "{lie:?}");
        }
        let mut inspector = inspector(Demand::Bytes(8));
        let ahead = Times { not_before: Moment(ms(2_000)), ..at(1_200) };
        assert_eq!(captured(inspector.look(Buffer { taken: None, ..buffer(0, 0) }, ahead)), Ok(1_200));
    }

    #[test]
    fn what_was_left_over_from_before_the_stream_is_refused() {
        let mut inspector = inspector(Demand::Bytes(8));
        assert_eq!(inspector.look(buffer(0, 999), at(1_100)), Err(Fault::LeftOver));
        let before_our_clock = Buffer { taken: Some(ms(5)), ..buffer(0, 0) };
        assert_eq!(inspector.look(before_our_clock, at(1_100)), Err(Fault::LeftOver));
        assert_eq!(captured(inspector.look(buffer(0, 1_000), at(1_100))), Ok(1_000));
    }

    #[test]
    fn what_is_delivered_twice_or_goes_back_is_refused() {
        let mut inspector = inspector(Demand::Bytes(8));
        assert!(inspector.look(buffer(7, 1_100), at(1_101)).is_ok());
        assert_eq!(inspector.look(buffer(7, 1_200), at(1_201)), Err(Fault::Repeated { sequence: 7 }));
        assert_eq!(inspector.look(buffer(6, 1_200), at(1_201)), Err(Fault::Repeated { sequence: 6 }));
        assert_eq!(inspector.look(buffer(8, 1_100), at(1_201)), Err(Fault::Backwards));
        assert_eq!(inspector.look(buffer(8, 1_050), at(1_201)), Err(Fault::Backwards));
        assert!(inspector.look(buffer(8, 1_200), at(1_201)).is_ok());
        // A stream that begins again counts anew.
        inspector.begin(ms(UPTIME + 1_300));
        assert_eq!(captured(inspector.look(buffer(0, 1_300), at(1_301))), Ok(1_300));
        // And a number of 32 bits comes round.
        inspector.begin(ms(UPTIME + 1_300));
        assert!(inspector.look(buffer(u32::MAX, 1_400), at(1_401)).is_ok());
        assert!(inspector.look(buffer(0, 1_500), at(1_501)).is_ok());
    }

    #[test]
    fn a_picture_that_never_changes_grows_old() {
        let mut inspector = inspector(Demand::Bytes(8));
        let mut froze = Vec::new();
        for n in 0..200 {
            let now = 2_000 + u64::from(n) * 100;
            // Even numbers show the same picture.
            let picture = inspector.look(buffer(n * 2, now), at(now)).unwrap();
            assert_eq!(picture.captured_at.0, ms(now.min(12_000)));
            froze.extend(picture.freezes.then_some(now));
        }
        assert_eq!(froze, [12_100]);
        assert_eq!(captured(inspector.look(buffer(401, 30_000), at(30_000))), Ok(30_000));
        assert_eq!(captured(inspector.look(buffer(402, 30_100), at(30_100))), Ok(30_100));
    }
}

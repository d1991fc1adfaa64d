//! Whether a picture is a new one. A lens never shows the same bits twice, so a picture that came before, bit for bit, says nothing about what is
//! before the camera now: the camera hangs, or somebody plays a recording in a loop.
//!
//! Encoders repeat themselves: at rest they send "no change", and a hanging sensor behind a living encoder gives the same few pictures in turn. So a
//! picture is compared with all those of the last half hour, not with the last one alone. An encoder that begins anew gives the same scene other bits.
//! So a camera that was found frozen is believed again when something in its picture has visibly changed. Pure: digests, glimpses and times are
//! arguments.

use std::collections::{HashSet, VecDeque};
use std::ops::Range;
use std::time::Duration;

use crate::domain::{Glimpse, Moment};

/// Pictures without anything new age from then on: they open no door.
pub const STALE_AFTER: Duration = Duration::from_secs(10);
/// Without anything new for so long, the camera counts as lost. A "smart" codec sends a whole picture every 20 s at the latest.
pub const FROZEN_AFTER: Duration = Duration::from_secs(30);
/// Half an hour at 15 frames a second, in about 2 MB.
const REMEMBERED: usize = 27_000;

/// A cell has changed when its mean brightness differs by more, in eighths of a level: encoders blur by less.
const CHANGED: u16 = 6 * 8;
/// Of a thousand cells, so many must have changed. A face of 80 pixels at 640x480 is twenty.
const LEAST_CHANGE_PER_MILLE: usize = 5;

/// The digest of a picture's brightness: the first half of its BLAKE3.
pub type Digest = u128;

/// What one picture says about the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// The last moment from which the picture can be: when it was taken, or a little after the last new one.
    pub captured_at: Moment,
    /// For how long nothing new has come; zero for a new picture.
    pub old_for: Duration,
}

/// The pictures of one camera in the order of their arrival. It outlives a reopening of the stream: a camera that hangs does so afterwards, too.
#[derive(Debug, Default)]
pub struct Novelty {
    order: VecDeque<Digest>,
    known: HashSet<Digest>,
    last_new: Option<Moment>,
    /// What the camera showed when it was found frozen, until that changes.
    frozen: Option<Glimpse>,
}

impl Novelty {
    /// Takes the next picture, captured at `captured_at`. `glimpse` reads its glimpse, if it has one without being converted; it is asked only of a camera
    /// that is frozen.
    pub fn see(&mut self, digest: Digest, captured_at: Moment, glimpse: impl Fn() -> Option<Glimpse>) -> Freshness {
        if self.remember(digest) && self.frozen.is_none() {
            return self.fresh(captured_at);
        }
        let last_new = *self.last_new.get_or_insert(captured_at);
        let old_for = captured_at.since(last_new);
        match &self.frozen {
            Some(frozen) if glimpse().is_some_and(|now| differs(frozen, &now)) => {
                self.frozen = None;
                return self.fresh(captured_at);
            }
            None if old_for >= FROZEN_AFTER => self.frozen = glimpse(),
            _ => {}
        }
        Freshness { captured_at: captured_at.min(last_new.after(STALE_AFTER)), old_for }
    }

    fn fresh(&mut self, captured_at: Moment) -> Freshness {
        self.last_new = Some(captured_at);
        Freshness { captured_at, old_for: Duration::ZERO }
    }

    /// Whether the digest is not among those of the last half hour.
    fn remember(&mut self, digest: Digest) -> bool {
        if !self.known.insert(digest) {
            return false;
        }
        self.order.push_back(digest);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

/// Whether something has visibly changed from one glimpse to another.
fn differs(before: &Glimpse, now: &Glimpse) -> bool {
    if (before.columns(), before.rows()) != (now.columns(), now.rows()) {
        return true;
    }
    let Range { start, end } = middle_of(before.rows());
    let middle = start.saturating_mul(before.columns())..end.saturating_mul(before.columns());
    let (Some(before), Some(now)) = (before.cells().get(middle.clone()), now.cells().get(middle)) else { return true };
    let changed = before.iter().zip(now).filter(|(before, now)| before.abs_diff(**now) > CHANGED).count();
    changed.saturating_mul(1000) > before.len().saturating_mul(LEAST_CHANGE_PER_MILLE)
}

/// The middle three quarters of these rows. Above and below, cameras write the time of day, which goes on when their sensor hangs.
pub fn middle_of(rows: usize) -> Range<usize> {
    rows / 8..rows.saturating_sub(rows / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_glimpse() -> Option<Glimpse> {
        None
    }

    fn at(ms: u64) -> Moment {
        Moment(Duration::from_millis(ms))
    }

    #[test]
    fn new_pictures_are_as_old_as_they_are() {
        let mut novelty = Novelty::default();
        for picture in 0..1000 {
            let now = at(picture * 66);
            let seen = novelty.see(Digest::from(picture), now, no_glimpse);
            assert_eq!(seen, Freshness { captured_at: now, old_for: Duration::ZERO });
        }
    }

    #[test]
    fn a_picture_that_stays_grows_old_and_a_new_one_ends_that() {
        let mut novelty = Novelty::default();
        novelty.see(7, at(1000), no_glimpse);
        for ms in (1066..11_000).step_by(66) {
            assert_eq!(novelty.see(7, at(ms), no_glimpse).captured_at, at(ms));
        }
        let late = novelty.see(7, at(40_000), no_glimpse);
        assert_eq!((late.captured_at, late.old_for), (at(11_000), Duration::from_secs(39)));
        let fresh = novelty.see(8, at(41_000), no_glimpse);
        assert_eq!((fresh.captured_at, fresh.old_for), (at(41_000), Duration::ZERO));
    }

    #[test]
    fn pictures_that_come_round_again_are_not_new() {
        let mut novelty = Novelty::default();
        let clip: Vec<Digest> = (0..450).collect();
        let mut now = 0;
        for digest in &clip {
            now += 66;
            novelty.see(*digest, at(now), no_glimpse);
        }
        let ended = now;
        let mut last = Duration::ZERO;
        for digest in clip.iter().cycle().take(3000) {
            now += 66;
            last = novelty.see(*digest, at(now), no_glimpse).old_for;
        }
        assert_eq!(last, Duration::from_millis(now - ended));
        assert!(last > FROZEN_AFTER);
    }

    /// A glimpse of a room of 80 by 60 cells with a thing of so many cells in the row of that number.
    fn room(row: usize, cells: usize, level: u16) -> Glimpse {
        let mut glimpse = Glimpse::default();
        glimpse.reset(640, 480, 0);
        glimpse.cells_mut().fill(960);
        glimpse.cells_mut()[row * 80..row * 80 + cells].fill(level);
        glimpse
    }

    #[test]
    fn a_frozen_camera_is_back_when_its_picture_changes_whatever_its_encoder_does() {
        let mut novelty = Novelty::default();
        novelty.see(1, at(0), || Some(room(30, 0, 0)));
        let frozen = novelty.see(1, at(30_000), || Some(room(30, 0, 0)));
        assert_eq!(frozen.old_for, FROZEN_AFTER);
        // Other bits; blur; the time of day at the top and at the bottom.
        for (digest, glimpse) in [
            (2, room(30, 0, 0)),
            (3, room(30, 80, 1000)),
            (4, room(0, 80, 0)),
            (5, room(59, 80, 0)),
            (6, room(30, 15, 0)),
        ] {
            let seen = novelty.see(digest, at(31_000), || Some(glimpse.clone()));
            assert_eq!((seen.captured_at, seen.old_for), (at(10_000), Duration::from_secs(31)), "{digest}");
        }
        let back = novelty.see(7, at(32_000), || Some(room(30, 40, 0)));
        assert_eq!((back.captured_at, back.old_for), (at(32_000), Duration::ZERO));
        // From then on, bits count again.
        assert_eq!(novelty.see(8, at(33_000), || panic!("not asked")).old_for, Duration::ZERO);
    }

    #[test]
    fn another_size_is_another_picture() {
        let mut novelty = Novelty::default();
        novelty.see(1, at(0), no_glimpse);
        novelty.see(1, at(40_000), || Some(room(30, 0, 0)));
        let mut small = Glimpse::default();
        small.reset(320, 240, 0);
        assert_eq!(novelty.see(2, at(41_000), || Some(small.clone())).old_for, Duration::ZERO);
    }

    #[test]
    fn memory_is_bounded() {
        let mut novelty = Novelty::default();
        for picture in 0..REMEMBERED as u128 * 3 {
            novelty.see(picture, at(picture as u64), no_glimpse);
        }
        assert_eq!((novelty.order.len(), novelty.known.len()), (REMEMBERED, REMEMBERED));
        // What is forgotten is new again.
        assert_eq!(novelty.see(0, at(1_000_000), no_glimpse).old_for, Duration::ZERO);
    }
}

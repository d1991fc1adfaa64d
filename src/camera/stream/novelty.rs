//! Whether a picture is a new one. A lens never shows the same bits twice, so a picture that came before, bit for bit, says nothing about what is
//! before the camera now: the camera hangs, or somebody plays a recording in a loop.
//!
//! Encoders repeat themselves: at rest they send "no change", and a hanging sensor behind a living encoder gives the same few pictures in turn. So a
//! picture is compared with all those of the last half hour, not with the last one alone. Pure: digests and times are arguments.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use crate::domain::Moment;

/// Pictures without anything new age from then on: they open no door.
pub const STALE_AFTER: Duration = Duration::from_secs(10);
/// Without anything new for so long, the camera counts as lost. A "smart" codec sends a whole picture every 20 s at the latest.
pub const FROZEN_AFTER: Duration = Duration::from_secs(30);
/// Half an hour at 15 frames a second, in about 2 MB.
const REMEMBERED: usize = 27_000;

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
}

impl Novelty {
    /// Takes the next picture, captured at `captured_at`.
    pub fn see(&mut self, digest: Digest, captured_at: Moment) -> Freshness {
        if self.known.insert(digest) {
            self.order.push_back(digest);
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
            self.last_new = Some(captured_at);
            return Freshness { captured_at, old_for: Duration::ZERO };
        }
        let last_new = *self.last_new.get_or_insert(captured_at);
        let old_for = captured_at.since(last_new);
        Freshness { captured_at: captured_at.min(last_new.after(STALE_AFTER)), old_for }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment(Duration::from_millis(ms))
    }

    #[test]
    fn new_pictures_are_as_old_as_they_are() {
        let mut novelty = Novelty::default();
        for picture in 0..1000 {
            let now = at(picture * 66);
            let seen = novelty.see(Digest::from(picture), now);
            assert_eq!(seen, Freshness { captured_at: now, old_for: Duration::ZERO });
        }
    }

    #[test]
    fn a_picture_that_stays_grows_old_and_a_new_one_ends_that() {
        let mut novelty = Novelty::default();
        novelty.see(7, at(1000));
        for ms in (1066..11_000).step_by(66) {
            assert_eq!(novelty.see(7, at(ms)).captured_at, at(ms));
        }
        let late = novelty.see(7, at(40_000));
        assert_eq!((late.captured_at, late.old_for), (at(11_000), Duration::from_secs(39)));
        let fresh = novelty.see(8, at(41_000));
        assert_eq!((fresh.captured_at, fresh.old_for), (at(41_000), Duration::ZERO));
    }

    #[test]
    fn pictures_that_come_round_again_are_not_new() {
        let mut novelty = Novelty::default();
        let clip: Vec<Digest> = (0..450).collect();
        let mut now = 0;
        for digest in &clip {
            now += 66;
            novelty.see(*digest, at(now));
        }
        let ended = now;
        let mut last = Duration::ZERO;
        for digest in clip.iter().cycle().take(3000) {
            now += 66;
            last = novelty.see(*digest, at(now)).old_for;
        }
        assert_eq!(last, Duration::from_millis(now - ended));
        assert!(last > FROZEN_AFTER);
    }

    #[test]
    fn memory_is_bounded() {
        let mut novelty = Novelty::default();
        for picture in 0..REMEMBERED as u128 * 3 {
            novelty.see(picture, at(picture as u64));
        }
        assert_eq!((novelty.order.len(), novelty.known.len()), (REMEMBERED, REMEMBERED));
        // What is forgotten is new again.
        assert_eq!(novelty.see(0, at(1_000_000)).old_for, Duration::ZERO);
    }
}

//! The newest frames of each camera, in memory, for as long as a door takes to decide. Only filled while snapshots are on; copies no picture.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::{Bounds, Decided, Frame, Image, Moment, TrackId};

/// The limit for each camera's frames, in bytes. [`FEWEST`] frames are kept in any case.
const MOST_BYTES: usize = 16 << 20;
const FEWEST: usize = 2;
/// Frames older than the newest by more than this are forgotten. A door decides within `max_age`, ten seconds at most.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// The newest frames of all cameras. Vision adds them; the doors' writer looks them up.
#[derive(Default)]
pub struct RecentFrames(Mutex<HashMap<Arc<str>, VecDeque<Recent>>>);

struct Recent {
    number: u64,
    captured_at: Moment,
    image: Arc<Image>,
    faces: Vec<(TrackId, Bounds)>,
}

impl RecentFrames {
    /// Adds a frame with its faces. Of the frames without faces only the newest is kept. Returns the memory of a frame that was forgotten, for
    /// the camera to reuse.
    pub fn remember(&self, camera: &Arc<str>, frame: Frame, faces: Vec<(TrackId, Bounds)>) -> Option<Image> {
        let mut cameras = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = cameras.entry(camera.clone()).or_default();
        let mut forgotten = None;
        if recent.back().is_some_and(|last| last.faces.is_empty()) {
            forgotten = recent.pop_back();
        }
        let Frame { seq: number, captured_at, image } = frame;
        recent.push_back(Recent { number, captured_at, image: Arc::new(image), faces });
        let mut bytes: usize = recent.iter().map(|frame| frame.image.rgb().len()).sum();
        while let Some(oldest) = recent.front() {
            let over = captured_at.since(oldest.captured_at) > KEPT_FOR && recent.len() > 1;
            if !over && (bytes <= MOST_BYTES || recent.len() <= FEWEST) {
                break;
            }
            bytes -= oldest.image.rgb().len();
            forgotten = recent.pop_front();
        }
        // A snapshot may still use it, and frees it then.
        Arc::try_unwrap(forgotten?.image).ok()
    }

    /// The frame that a decision is based on, and the bounds of the face in it.
    pub fn of(&self, decision: &Decided) -> Option<(Arc<Image>, Bounds)> {
        let cameras = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |frame: &&Recent| frame.number == decision.frame && Some(frame.captured_at) == decision.captured_at;
        let frame = cameras.get(&decision.camera)?.iter().rev().find(is_it)?;
        let (_, bounds) = frame.faces.iter().find(|(track, _)| *track == decision.track)?;
        Some((frame.image.clone(), *bounds))
    }

    /// The newest frame of any of `cameras`, and that camera; `None` if it is older than `max_age` at `now`.
    pub fn newest(&self, cameras: &[Arc<str>], now: Moment, max_age: Duration) -> Option<(Arc<str>, Arc<Image>)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = cameras.iter().filter_map(|camera| Some((camera, all.get(camera)?.back()?)));
        let (camera, frame) = newest.max_by_key(|(_, frame)| frame.captured_at)?;
        (now.since(frame.captured_at) <= max_age).then(|| (camera.clone(), frame.image.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Outcome, Reason};

    fn at(milliseconds: u64) -> Moment {
        Moment(Duration::from_millis(milliseconds))
    }

    fn frame(seq: u64, milliseconds: u64, side: u32) -> Frame {
        let image = Image::new(side, side, vec![seq as u8; (side * side * 3) as usize]).unwrap();
        Frame { seq, captured_at: at(milliseconds), image }
    }

    fn face(track: u64) -> Vec<(TrackId, Bounds)> {
        vec![(TrackId(track), Bounds { x1: track as f32, ..Bounds::default() })]
    }

    fn decision(frame: u64, captured: u64, track: u64) -> Decided {
        Decided::at_porch(Outcome::Denied(Reason::Unknown), frame, at(captured), TrackId(track))
    }

    #[test]
    fn a_decision_finds_its_own_frame_and_its_own_face() {
        let recent = RecentFrames::default();
        let porch: Arc<str> = "porch".into();
        recent.remember(&porch, frame(1, 100, 4), face(7));
        // The camera was reopened and counts its frames from the start.
        recent.remember(&porch, frame(1, 300, 4), face(8));
        let (image, bounds) = recent.of(&decision(1, 100, 7)).unwrap();
        assert_eq!((image.rgb()[0], bounds.x1), (1, 7.0));
        assert!(recent.of(&decision(1, 100, 8)).is_none() && recent.of(&decision(2, 100, 7)).is_none());
    }

    #[test]
    fn frames_without_a_face_are_replaced_and_old_ones_are_forgotten() {
        let recent = RecentFrames::default();
        let porch: Arc<str> = "porch".into();
        assert!(recent.remember(&porch, frame(1, 0, 4), face(7)).is_none());
        assert!(recent.remember(&porch, frame(2, 100, 4), Vec::new()).is_none());
        let memory = recent.remember(&porch, frame(3, 200, 4), Vec::new()).unwrap();
        assert_eq!(memory.rgb()[0], 2);
        assert!(recent.of(&decision(1, 0, 7)).is_some());
        recent.remember(&porch, frame(4, 10_001, 4), Vec::new());
        assert!(recent.of(&decision(1, 0, 7)).is_none());
        let back: Arc<str> = "back".into();
        let cameras = [back, porch];
        let (camera, image) = recent.newest(&cameras, at(10_500), Duration::from_secs(1)).unwrap();
        assert_eq!((&*camera, image.rgb()[0]), ("porch", 4));
        assert!(recent.newest(&cameras, at(20_000), Duration::from_secs(1)).is_none());
        assert!(recent.newest(&cameras[..1], at(10_500), Duration::from_secs(1)).is_none());
    }

    #[test]
    fn frames_use_bounded_memory_and_return_it() {
        let recent = RecentFrames::default();
        let porch: Arc<str> = "porch".into();
        // 3 MB each: five of them fit.
        let side = 1000;
        let mut kept = 0;
        for seq in 0..12 {
            kept += 1;
            if let Some(memory) = recent.remember(&porch, frame(seq, seq, side), face(seq)) {
                assert_eq!(u64::from(memory.rgb()[0]), seq - 5);
                kept -= 1;
            }
        }
        assert_eq!(kept, 5);
        // A frame in use is not freed.
        let (image, _) = recent.of(&decision(7, 7, 7)).unwrap();
        assert!(recent.remember(&porch, frame(12, 12, side), face(12)).is_none());
        assert_eq!(image.rgb()[0], 7);
    }
}

//! What each camera's newest frame shows, put together from vision, which knows the places of all faces, and from the doors, whose rules say what they
//! make of those that were compared. Passed on to people who watch; while nobody does, nothing is put together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::api::doors::DoorStatus;
use crate::api::live::{LiveFace, LiveFaces, LiveLine, LiveView};
use crate::api::template::corners;
use crate::domain::TrackId;
use crate::vision::attention::SeenFace;

/// Lines that wait for a slow viewer; beyond that, the oldest are dropped.
const WAITING: usize = 64;
/// Faces of a frame that are shown, the largest ones.
const MOST_FACES: usize = 16;

/// The board; cloning it gives another handle to the same one.
#[derive(Clone)]
pub struct LiveBoard {
    lines: broadcast::Sender<LiveLine>,
    cameras: Arc<Mutex<BTreeMap<Arc<str>, LiveFaces>>>,
}

impl Default for LiveBoard {
    fn default() -> LiveBoard {
        LiveBoard { lines: broadcast::Sender::new(WAITING), cameras: Arc::default() }
    }
}

/// A frame that was looked at.
#[derive(Clone, Copy, Debug)]
pub struct LookedAt<'a> {
    pub camera: &'a Arc<str>,
    pub frame: u64,
    /// In pixels.
    pub width: u32,
    pub height: u32,
    /// All its faces.
    pub faces: &'a [SeenFace],
}

impl LiveBoard {
    /// Whether anybody watches.
    pub fn is_watched(&self) -> bool {
        self.lines.receiver_count() > 0
    }

    /// All lines from now on.
    pub fn watch(&self) -> broadcast::Receiver<LiveLine> {
        self.lines.subscribe()
    }

    /// Vision has looked at a frame. Passed on at once if none of its faces was compared; else once the doors have judged them.
    pub fn looked(&self, looked: LookedAt<'_>) {
        if !self.is_watched() {
            return;
        }
        let LookedAt { camera, frame, width, height, faces } = looked;
        let mut cameras = self.hold();
        let before = cameras.remove(camera).map(|shown| shown.faces).unwrap_or_default();
        let known =
            |track: TrackId| before.iter().find(|face| face.track == track.0).and_then(|face| face.view.clone());
        let mut seen: Vec<&SeenFace> = faces.iter().collect();
        seen.sort_by(|a, b| b.bounds.area().total_cmp(&a.bounds.area()));
        seen.truncate(MOST_FACES);
        let face =
            |face: &SeenFace| LiveFace { bounds: corners(&face.bounds), track: face.track.0, view: known(face.track) };
        let shown =
            LiveFaces { camera: camera.to_string(), frame, width, height, faces: seen.into_iter().map(face).collect() };
        if !faces.iter().any(|face| face.examined) {
            self.send(LiveLine::Faces(shown.clone()));
        }
        cameras.insert(camera.clone(), shown);
    }

    /// The rules have judged faces of the camera's newest frame.
    pub fn judged(&self, camera: &str, views: Vec<(TrackId, LiveView)>) {
        let mut cameras = self.hold();
        let Some(shown) = cameras.get_mut(camera) else { return };
        for (track, view) in views {
            if let Some(face) = shown.faces.iter_mut().find(|face| face.track == track.0) {
                face.view = Some(view);
            }
        }
        self.send(LiveLine::Faces(shown.clone()));
    }

    /// A door has changed.
    pub fn doors_changed(&self, doors: Vec<DoorStatus>) {
        self.send(LiveLine::Doors { doors });
    }

    fn send(&self, line: LiveLine) {
        // The last viewer may have left.
        drop(self.lines.send(line));
    }

    /// Every change is a single step, so the state is valid even if another thread panicked.
    fn hold(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, LiveFaces>> {
        self.cameras.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(in crate::daemon) mod tests {
    use super::*;
    use crate::api::live::Found;
    use crate::api::template::Quality;
    use crate::domain::{self, Bounds};

    fn view(frames: u32) -> LiveView {
        LiveView {
            found: Found::Unknown,
            person: None,
            distance: Some(1.3),
            limit: 1.0,
            quality: Quality::from(&domain::Quality::default()),
            missing: Vec::new(),
            frames,
            frames_needed: 3,
            asked: false,
            verdict: None,
        }
    }

    fn seen(track: u64, side: f32, examined: bool) -> SeenFace {
        let bounds = Bounds { x1: 10.0, y1: 10.0, x2: 10.0 + side, y2: 10.0 + side };
        SeenFace { track: TrackId(track), bounds, examined, person: None }
    }

    fn looked(board: &LiveBoard, frame: u64, faces: &[SeenFace]) {
        board.looked(LookedAt { camera: &"porch".into(), frame, width: 640, height: 480, faces });
    }

    fn next(from: &mut broadcast::Receiver<LiveLine>) -> Option<LiveFaces> {
        match from.try_recv().ok()? {
            LiveLine::Faces(faces) => Some(faces),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn compared_faces_wait_for_the_rules_and_followed_ones_keep_what_was_said() {
        let board = LiveBoard::default();
        let mut viewer = board.watch();
        looked(&board, 1, &[seen(7, 90.0, true)]);
        assert_eq!(next(&mut viewer), None);
        board.judged("porch", vec![(TrackId(7), view(1))]);
        let first = next(&mut viewer).unwrap();
        assert_eq!((first.frame, first.width, first.faces[0].view.as_ref().unwrap().frames), (1, 640, 1));
        looked(&board, 2, &[seen(7, 95.0, false), seen(8, 200.0, false)]);
        let second = next(&mut viewer).unwrap();
        assert_eq!(second.faces.iter().map(|face| face.track).collect::<Vec<_>>(), [8, 7], "the largest first");
        assert_eq!((second.faces[0].view.is_none(), second.faces[1].bounds[2]), (true, 105.0));
        assert!(second.faces[1].view.is_some());
        looked(&board, 3, &[]);
        assert_eq!(next(&mut viewer).unwrap().faces, []);
        board.judged("porch", vec![(TrackId(7), view(2))]);
        assert_eq!(next(&mut viewer).unwrap().faces, [], "that face is gone");
    }

    #[test]
    fn nothing_is_put_together_while_nobody_watches() {
        let board = LiveBoard::default();
        looked(&board, 1, &[seen(7, 90.0, false)]);
        assert!(board.hold().is_empty() && !board.is_watched());
    }

    #[test]
    fn a_crowd_is_cut_to_the_largest_faces() {
        let board = LiveBoard::default();
        let mut viewer = board.watch();
        let crowd: Vec<SeenFace> = (0..60).map(|track| seen(track, track as f32, false)).collect();
        looked(&board, 1, &crowd);
        let shown = next(&mut viewer).unwrap().faces;
        assert_eq!((shown.len(), shown[0].track), (MOST_FACES, 59));
    }
}

//! Visitors whom nobody knew, on their way from the vision threads to the store: what was seen is remembered for a moment, and kept when
//! the journal says that it was refused as unknown.
//!
//! The doors' thread only hands over; another one writes. Decides nothing about doors.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::domain::{Decision, Distance, Embedding, Quality, Reason, TrackId, Verdict};
use crate::gallery::{Template, Visit, Visitors};

/// Faces that are remembered until the doors have decided: as many sightings as wait for the doors' thread, with four faces each.
const REMEMBERED: usize = 256;
/// Visits that wait to be written; more are left out.
const WAITING: usize = 32;
/// Tracks that are known to be kept already.
const KEPT: usize = 256;

/// The newest faces of all cameras. Vision puts them in, the doors' pen looks them up.
#[derive(Default)]
pub struct Glimpses(Mutex<VecDeque<Glimpse>>);

struct Glimpse {
    camera: Arc<str>,
    frame: u64,
    track: TrackId,
    embedding: Embedding,
    quality: Quality,
}

impl Glimpses {
    /// A face was seen; the oldest one is forgotten for it.
    pub fn remember(&self, camera: &Arc<str>, frame: u64, track: TrackId, embedding: &Embedding, quality: Quality) {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.len() >= REMEMBERED {
            newest.pop_front();
        }
        newest.push_back(Glimpse { camera: camera.clone(), frame, track, embedding: embedding.clone(), quality });
    }

    /// The face that a decision rests on.
    fn of(&self, decision: &Decision) -> Option<(Embedding, Quality)> {
        let newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it =
            |g: &&Glimpse| g.frame == decision.frame && g.track == decision.track && g.camera == decision.camera;
        newest.iter().rev().find(is_it).map(|glimpse| (glimpse.embedding.clone(), glimpse.quality))
    }
}

/// What the doors' pen tells.
pub struct Porter {
    glimpses: Arc<Glimpses>,
    waiting: mpsc::Sender<Denied>,
    clock: Arc<dyn Clock>,
}

/// Somebody was refused as unknown.
pub struct Denied {
    track: (Arc<str>, TrackId),
    visit: Visit,
}

impl Porter {
    /// The porter, and what it hands over, for [`write_down`].
    pub fn new(glimpses: Arc<Glimpses>, clock: Arc<dyn Clock>) -> (Porter, mpsc::Receiver<Denied>) {
        let (waiting, handed_over) = mpsc::channel(WAITING);
        (Porter { glimpses, waiting, clock }, handed_over)
    }

    /// A decision was written down. Never waits.
    pub fn decided(&self, door: &str, decision: &Decision) {
        if decision.verdict != (Verdict::Deny { reason: Reason::Unknown }) {
            return;
        }
        let Some((embedding, quality)) = self.glimpses.of(decision) else {
            return tracing::debug!(door, "an unknown visitor's face was forgotten before it could be kept");
        };
        let distance: Option<Distance> = decision.nearest.map(|nearest| nearest.distance);
        let template = Template { embedding, quality, created: self.clock.wall() };
        let visit = Visit { template, camera: decision.camera.to_string(), door: door.to_owned(), distance };
        if self.waiting.try_send(Denied { track: (decision.camera.clone(), decision.track), visit }).is_err() {
            tracing::warn!(door, "an unknown visitor is not kept: too many wait to be written");
        }
    }
}

/// Erases what is over at `now`, and says so in the log.
pub fn prune(visitors: &Visitors, now: SystemTime) {
    match visitors.prune(now) {
        Ok(0) => {}
        Ok(erased) => tracing::info!(erased, "unknown visitors whose time was over were erased"),
        Err(error) => tracing::warn!(%error, "unknown visitors whose time is over stay"),
    }
}

/// Keeps each visit once: the first face of a track that was refused. Ends when the porter is gone.
pub async fn write_down(mut handed_over: mpsc::Receiver<Denied>, visitors: Arc<Visitors>, clock: Arc<dyn Clock>) {
    let mut kept: VecDeque<(Arc<str>, TrackId)> = VecDeque::new();
    while let Some(Denied { track, visit }) = handed_over.recv().await {
        if kept.contains(&track) {
            continue;
        }
        let (visitors, now): (_, SystemTime) = (visitors.clone(), clock.wall());
        match tokio::task::spawn_blocking(move || visitors.keep(&visit, now)).await {
            Ok(Ok(())) => {
                kept.push_back(track);
                if kept.len() > KEPT {
                    kept.pop_front();
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "an unknown visitor is not kept"),
            Err(_) => tracing::error!("keeping an unknown visitor panicked; the log has the place"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::SimulatedClock;
    use crate::domain::{ModelId, Moment};
    use crate::gallery::Retention;
    use crate::seal::Ring;
    use crate::store::Store;

    #[test]
    fn only_unknown_faces_are_kept_each_track_once_and_the_frame_that_decided() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let keeping = Retention { span: Duration::from_secs(60), most: 100 };
        let visitors = Arc::new(Visitors::open(&store, &Arc::new(Ring::plain()), keeping).unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1000)));
        let glimpses = Arc::new(Glimpses::default());
        let (porter, handed_over) = Porter::new(glimpses.clone(), clock.clone());
        let face = |frame: u64| {
            let values = Box::new([frame as f32 + 1.0, 1.0]);
            Embedding::normalised(ModelId::new("net"), values).unwrap()
        };
        let porch: Arc<str> = "porch".into();
        for frame in 0..REMEMBERED as u64 + 1 {
            glimpses.remember(&porch, frame, TrackId(frame / 10), &face(frame), Quality::default());
        }
        let unknown = Verdict::Deny { reason: Reason::Unknown };
        // Forgotten; another reason; two of one track; one of another; a frame that was never seen.
        for (verdict, frame, track) in [
            (unknown, 0, 0),
            (Verdict::Deny { reason: Reason::PoorView }, 11, 1),
            (unknown, 25, 2),
            (unknown, 29, 2),
            (unknown, 31, 3),
            (unknown, 9999, 4),
        ] {
            porter.decided("front", &Decision::at_porch(verdict, frame, Moment::default(), TrackId(track)));
        }
        drop(porter);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(write_down(handed_over, visitors.clone(), clock.clone()));
        let kept = visitors.kept(clock.wall()).unwrap().visits;
        let faces: Vec<_> = kept.into_iter().map(|visit| visit.template.embedding).collect();
        assert_eq!(faces, [face(25), face(31)]);
    }
}

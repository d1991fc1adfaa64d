//! Unknown visitors, and faces that a door opened for, on their way from the vision threads to the store. Vision remembers the faces of the last moments; a face is stored once
//! the journal holds its refusal as unknown, or its grant where those are kept.
//!
//! The doors' thread only queues visits; a task stores them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::domain::{Decided, Embedding, Outcome, PersonId, Personal, Quality, Reason, TrackId};
use crate::gallery::{Template, Visit, Visitors};

/// Faces that are remembered until the doors have decided: four for each message in the queue of the doors' thread.
const REMEMBERED: usize = 256;
/// Visits that wait to be stored. Beyond that they are dropped, with a warning.
const WAITING: usize = 32;
/// Tracks that are remembered as stored.
const KEPT: usize = 256;

/// The newest faces of all cameras. Vision adds them; the doors' writer looks them up.
#[derive(Default)]
pub struct RecentFaces(Mutex<VecDeque<RecentFace>>);

struct RecentFace {
    camera: Arc<str>,
    frame: u64,
    track: TrackId,
    embedding: Embedding,
    quality: Quality,
}

impl RecentFaces {
    /// Adds a face; the oldest one is forgotten if there are [`REMEMBERED`].
    pub fn remember(&self, camera: &Arc<str>, frame: u64, track: TrackId, embedding: &Embedding, quality: Quality) {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.len() >= REMEMBERED {
            newest.pop_front();
        }
        newest.push_back(RecentFace { camera: camera.clone(), frame, track, embedding: embedding.clone(), quality });
    }

    /// The face that a decision rests on.
    pub fn of(&self, decision: &Decided) -> Option<(Embedding, Quality)> {
        let newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it =
            |g: &&RecentFace| g.frame == decision.frame && g.track == decision.track && g.camera == decision.camera;
        newest.iter().rev().find(is_it).map(|face| (face.embedding.clone(), face.quality))
    }
}

/// Which visits are kept.
#[derive(Clone, Copy, Debug)]
pub struct KeptKinds {
    /// Of people who were refused as unknown.
    pub unknown: bool,
    /// Of people whom a door opened for.
    pub granted: bool,
}

/// Queues the visits that are kept.
pub struct VisitorQueue {
    recent_faces: Arc<RecentFaces>,
    kinds: KeptKinds,
    waiting: mpsc::Sender<QueuedVisit>,
    clock: Arc<dyn Clock>,
}

/// A visit, with the track that identifies it.
pub struct QueuedVisit {
    track: (Arc<str>, TrackId),
    visit: Visit,
}

impl VisitorQueue {
    /// The queue, and its other end for [`keep`].
    pub fn new(
        recent_faces: Arc<RecentFaces>,
        kinds: KeptKinds,
        clock: Arc<dyn Clock>,
    ) -> (VisitorQueue, mpsc::Receiver<QueuedVisit>) {
        let (waiting, handed_over) = mpsc::channel(WAITING);
        (VisitorQueue { recent_faces, kinds, waiting, clock }, handed_over)
    }

    /// Queues the visit if it is kept: the journal's record `record` refused somebody as unknown, or let somebody in. Never blocks.
    pub fn decided(&self, decision: &Decided, record: u64) {
        let door = &*decision.door;
        let granted = match decision.outcome {
            Outcome::Denied(Reason::Unknown) if self.kinds.unknown => None,
            Outcome::Granted if self.kinds.granted => match decision.person.as_ref().and_then(Personal::known) {
                Some(person) => Some(person.id),
                None => return,
            },
            _ => return,
        };
        let Some((embedding, quality)) = self.recent_faces.of(decision) else {
            return tracing::debug!(door, "a visitor's face was forgotten before it could be kept");
        };
        let template = Template { embedding, quality, created: self.clock.wall() };
        let visit = Visit {
            template,
            camera: decision.camera.to_string(),
            door: door.to_owned(),
            distance: decision.distance,
            record: Some(record),
            granted,
        };
        if self.waiting.try_send(QueuedVisit { track: (decision.camera.clone(), decision.track), visit }).is_err() {
            tracing::warn!(door, "a visitor's face is not kept: too many wait to be stored");
        }
    }
}

/// Erases the visits whose time is over at `now`.
pub fn prune(visitors: &Visitors, now: SystemTime) {
    match visitors.prune(now) {
        Ok(0) => {}
        Ok(erased) => tracing::info!(erased, "erased unknown visitors whose time was over"),
        Err(error) => tracing::warn!(%error, "unknown visitors whose time is over could not be erased"),
    }
}

/// Stores each visit once: the first face of a track that was refused, and the first that was let in. Ends once the queue is dropped.
pub async fn keep(
    mut queued: mpsc::Receiver<QueuedVisit>,
    unknown: Arc<Visitors>,
    granted: Arc<Visitors>,
    clock: Arc<dyn Clock>,
) {
    let mut kept: VecDeque<(Arc<str>, TrackId, Option<PersonId>)> = VecDeque::new();
    while let Some(QueuedVisit { track: (camera, track), visit }) = queued.recv().await {
        let track = (camera, track, visit.granted);
        if kept.contains(&track) {
            continue;
        }
        let store = if visit.granted.is_some() { &granted } else { &unknown };
        let (visitors, now): (_, SystemTime) = (store.clone(), clock.wall());
        match tokio::task::spawn_blocking(move || visitors.keep(&visit, now)).await {
            Ok(Ok(())) => {
                kept.push_back(track);
                if kept.len() > KEPT {
                    kept.pop_front();
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "a visitor's face is not kept"),
            Err(_) => tracing::error!("storing a visitor's face panicked; the log has the place"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::SimulatedClock;
    use crate::domain::{ModelId, Moment, Named};
    use crate::gallery::Retention;
    use crate::seal::Ring;
    use crate::store::Store;

    #[test]
    fn only_unknown_faces_are_kept_once_a_track_from_the_deciding_frame() {
        check_what_is_kept(false);
    }

    #[test]
    fn faces_that_were_let_in_are_kept_by_choice() {
        check_what_is_kept(true);
    }

    fn check_what_is_kept(granted: bool) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let keeping = Retention { span: Duration::from_secs(60), most: 100 };
        let ring = Arc::new(Ring::plain());
        let visitors = Arc::new(Visitors::open(&store, &ring, keeping).unwrap());
        let let_in = Arc::new(Visitors::open_granted(&store, &ring, keeping).unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1000)));
        let recent_faces = Arc::new(RecentFaces::default());
        let (visitor_queue, queued) =
            VisitorQueue::new(recent_faces.clone(), KeptKinds { unknown: true, granted }, clock.clone());
        let face = |frame: u64| {
            let values = Box::new([frame as f32 + 1.0, 1.0]);
            Embedding::normalised(ModelId::new("net"), values).unwrap()
        };
        let porch: Arc<str> = "porch".into();
        for frame in 0..REMEMBERED as u64 + 1 {
            recent_faces.remember(&porch, frame, TrackId(frame / 10), &face(frame), Quality::default());
        }
        let unknown = Outcome::Denied(Reason::Unknown);
        // In order: forgotten; another reason; two of one track; one of another; a frame that was never seen.
        for (outcome, frame, track) in [
            (unknown, 0, 0),
            (Outcome::Denied(Reason::PoorView), 11, 1),
            (unknown, 25, 2),
            (unknown, 29, 2),
            (unknown, 31, 3),
            (unknown, 9999, 4),
            (Outcome::Granted, 41, 4),
            (Outcome::Granted, 42, 4),
        ] {
            let mut decided = Decided::at_porch(outcome, frame, Moment::default(), TrackId(track));
            decided.person = Some(Named::new(PersonId(9), "Ada", None, Vec::new()).into());
            visitor_queue.decided(&decided, frame + 1000);
        }
        drop(visitor_queue);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(keep(queued, visitors.clone(), let_in.clone(), clock.clone()));
        let kept = visitors.kept(clock.wall()).unwrap().visits;
        let faces: Vec<_> = kept.into_iter().map(|kept| (kept.visit.template.embedding, kept.visit.record)).collect();
        assert_eq!(faces, [(face(25), Some(1025)), (face(31), Some(1031))]);
        let kept = let_in.kept(clock.wall()).unwrap().visits;
        let faces: Vec<_> = kept.into_iter().map(|kept| (kept.visit.record, kept.visit.granted)).collect();
        assert_eq!(faces, if granted { vec![(Some(1041), Some(PersonId(9)))] } else { Vec::new() });
    }
}

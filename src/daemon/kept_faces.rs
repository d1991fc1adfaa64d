//! Faces beside records, on their way from the frames of the last moments to the store: only while `[web] keep_faces` is on, cut out of the frame
//! that decided, once the decision is on disk. The doors' writer only queues them; a task cuts, encodes and stores.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::recent_frames::RecentFrames;
use crate::clock::Clock;
use crate::domain::{Bounds, Decided, Image, PersonId, Personal};
use crate::gallery::{FacePictures, KeptFace};
use crate::photo;

/// FacePictures that wait to be encoded. Beyond that they are dropped, with a warning.
const WAITING: usize = 8;
/// The margin around a face, on each side, as a share of its longer side.
const MARGIN: f32 = 0.3;
/// The longer side of a picture, in pixels, and the size of its file, in bytes: enough to know somebody by.
const MAX_SIDE_PX: u32 = 160;
const MAX_BYTES: usize = 16 << 10;

/// Queues the faces of decisions.
pub struct FaceQueue {
    frames: Arc<RecentFrames>,
    waiting: mpsc::Sender<FaceJob>,
}

/// A face to be cut out and stored.
pub struct FaceJob {
    image: Arc<Image>,
    bounds: Bounds,
    record: u64,
    person: Option<PersonId>,
}

impl FaceQueue {
    /// The queue, and its other end for [`keep`].
    pub fn new(frames: Arc<RecentFrames>) -> (FaceQueue, mpsc::Receiver<FaceJob>) {
        let (waiting, queued) = mpsc::channel(WAITING);
        (FaceQueue { frames, waiting }, queued)
    }

    /// Queues the face of a decision. Never blocks.
    pub fn decided(&self, decision: &Decided, record: u64) {
        let door = &decision.door;
        let Some((image, bounds)) = self.frames.of(decision) else {
            return tracing::debug!(%door, "the frame of a face was forgotten before it could be kept");
        };
        let job = FaceJob { image, bounds, record, person: whose(decision) };
        if self.waiting.try_send(job).is_err() {
            tracing::warn!(%door, "a face is not kept: too many wait to be stored");
        }
    }
}

/// Whose face it is: the person who was let in, or who was recognised and refused. The nearest person to a face that nobody knew is somebody else.
fn whose(decision: &Decided) -> Option<PersonId> {
    let recognised = decision.reason().is_none_or(|reason| reason.is_about_the_person());
    decision.person.as_ref().filter(|_| recognised).and_then(Personal::known).map(|person| person.id)
}

/// Stores the faces one after the other. Ends once the queue is dropped.
pub async fn keep(mut queued: mpsc::Receiver<FaceJob>, faces: Arc<FacePictures>, clock: Arc<dyn Clock>) {
    while let Some(job) = queued.recv().await {
        let (faces, now) = (faces.clone(), clock.wall());
        let stored = tokio::task::spawn_blocking(move || match cut(&job) {
            Some(face) => faces.keep(&face, now),
            None => Ok(()),
        });
        match stored.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a face is not kept"),
            Err(_) => tracing::error!("storing a face panicked; the log has the place"),
        }
    }
}

fn cut(job: &FaceJob) -> Option<KeptFace> {
    let face = photo::crop(&job.image, &job.bounds, MARGIN)?;
    let jpeg = photo::to_jpeg(&face, MAX_SIDE_PX, MAX_BYTES)?;
    Some(KeptFace { record: job.record, person: job.person, jpeg: jpeg.bytes })
}

/// Erases the faces whose time is over at `now`.
pub fn prune(faces: &FacePictures, now: std::time::SystemTime) {
    match faces.prune(now) {
        Ok(0) => {}
        Ok(erased) => tracing::info!(erased, "erased faces beside records whose time was over"),
        Err(error) => tracing::warn!(%error, "faces whose time is over could not be erased"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::clock::SimulatedClock;
    use crate::domain::{Frame, Moment, Named, Outcome, Reason, TrackId};
    use crate::gallery::Retention;
    use crate::seal::{Ring, StoreKey};
    use crate::store::Store;

    #[test]
    fn the_face_of_a_decision_is_kept_beside_its_record() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let ring = Arc::new(Ring::open(dir.path(), Ok(Some(StoreKey::generate().unwrap()))));
        let week = Retention { span: Duration::from_secs(7 * 86_400), most: 10 };
        let faces = Arc::new(FacePictures::open(&store, &ring, week).unwrap());
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let clock: Arc<dyn Clock> = Arc::new(SimulatedClock::new(start));
        let frames = Arc::new(RecentFrames::default());
        let rgb = (0..320 * 240u32).flat_map(|i| [(i % 320) as u8, (i / 320) as u8, 90]).collect();
        let frame = Frame { seq: 7, captured_at: Moment::default(), image: Image::new(320, 240, rgb).unwrap() };
        let bounds = Bounds { x1: 100.0, y1: 60.0, x2: 140.0, y2: 110.0 };
        frames.remember(&"porch".into(), frame, vec![(TrackId(3), bounds)]);
        let (queue, queued) = FaceQueue::new(frames);
        let decide = |outcome, frame, record| {
            let mut decided = Decided::at_porch(outcome, frame, Moment::default(), TrackId(3));
            decided.person = Some(Named::new(PersonId(9), "Ada", None, Vec::new()).into());
            queue.decided(&decided, record);
        };
        decide(Outcome::Granted, 7, 41);
        decide(Outcome::Denied(Reason::Unknown), 7, 42);
        decide(Outcome::Denied(Reason::Expired), 7, 43);
        decide(Outcome::Granted, 8, 44);
        drop(queue);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(keep(queued, faces.clone(), clock.clone()));
        assert_eq!(faces.records(clock.wall()).unwrap(), [41, 42, 43]);
        let of = |record| faces.of_record(record, clock.wall()).unwrap().unwrap();
        assert_eq!([of(41).person, of(42).person, of(43).person], [Some(PersonId(9)), None, Some(PersonId(9))]);
        let picture = photo::decode(&of(41).jpeg).unwrap();
        assert!(picture.width() <= MAX_SIDE_PX && picture.height() <= MAX_SIDE_PX && of(41).jpeg.len() <= MAX_BYTES);
    }
}

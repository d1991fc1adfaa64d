//! Grants on their way to learned templates: the doors' thread only queues them; a task decides, by the rules of the office, and stores.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::visitors::RecentFaces;
use crate::clock::Clock;
use crate::domain::{Decided, Outcome, Personal};
use crate::gallery::Template;
use crate::office::{Grant, Learned, Learning, Register};

/// Grants that wait to be learned from. Beyond that they are dropped: there will be others.
const WAITING: usize = 8;

/// Queues grants.
pub struct LearningQueue {
    recent_faces: Arc<RecentFaces>,
    waiting: mpsc::Sender<Grant>,
    clock: Arc<dyn Clock>,
}

impl LearningQueue {
    /// The queue, and its other end for [`learn`].
    pub fn new(recent_faces: Arc<RecentFaces>, clock: Arc<dyn Clock>) -> (LearningQueue, mpsc::Receiver<Grant>) {
        let (waiting, grants) = mpsc::channel(WAITING);
        (LearningQueue { recent_faces, waiting, clock }, grants)
    }

    /// Queues a decision if it is a grant and its face is still remembered. Never blocks.
    pub fn decided(&self, decision: &Decided, record: u64) {
        let person = decision.person.as_ref().and_then(Personal::known).map(|person| person.id);
        let Some(person) = person.filter(|_| decision.outcome == Outcome::Granted) else { return };
        let Some((embedding, quality)) = self.recent_faces.of(decision) else { return };
        let template = Template { embedding, quality, created: self.clock.wall() };
        if self.waiting.try_send(Grant { person, template, record }).is_err() {
            tracing::debug!(record, "a grant is not learned from: too many wait");
        }
    }
}

/// Learns from each grant that is good enough. Ends once the queue is dropped.
pub async fn learn(mut grants: mpsc::Receiver<Grant>, register: Register, learning: Learning) {
    while let Some(grant) = grants.recv().await {
        let (register, record, person) = (register.clone(), grant.record, grant.person.0);
        match tokio::task::spawn_blocking(move || register.learn(&grant, &learning)).await {
            Ok(Ok(Learned::Yes { learned })) => {
                tracing::info!(person, record, learned, "learned a template from a grant")
            }
            Ok(Ok(Learned::No(why))) => tracing::debug!(person, record, why, "a grant is not learned from"),
            Ok(Err(error)) => tracing::warn!(%error, person, record, "a grant is not learned from"),
            Err(_) => tracing::error!("learning from a grant panicked; the log has the place"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::clock::SimulatedClock;
    use crate::domain::{Embedding, ModelId, Moment, Named, PersonId, Quality, Reason, TrackId};

    #[test]
    fn only_grants_whose_face_is_remembered_are_queued() {
        let clock: Arc<dyn Clock> = Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1000)));
        let faces = Arc::new(RecentFaces::default());
        let embedding = Embedding::normalised(ModelId::new("net"), Box::new([1.0, 0.0])).unwrap();
        let quality = Quality { length: Some(9.0), ..Quality::default() };
        faces.remember(&"porch".into(), 7, TrackId(1), &embedding, quality);
        let (queue, mut grants) = LearningQueue::new(faces, clock.clone());
        for (outcome, frame) in [(Outcome::Denied(Reason::Unknown), 7), (Outcome::Granted, 8), (Outcome::Granted, 7)] {
            let mut decided = Decided::at_porch(outcome, frame, Moment::default(), TrackId(1));
            queue.decided(&decided, 10);
            decided.person = Some(Named::new(PersonId(3), "Ada", None, Vec::new()).into());
            queue.decided(&decided, 11);
        }
        let grant = grants.try_recv().unwrap();
        assert_eq!((grant.person, grant.record), (PersonId(3), 11));
        assert_eq!(grant.template, Template { embedding, quality, created: clock.wall() });
        assert!(grants.try_recv().is_err());
    }
}

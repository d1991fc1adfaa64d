//! Writes for the doors on a thread of its own, so that a disk that stalls holds up no door for longer than [`PATIENCE`].
//!
//! Events are written in the order in which they happened. While the disk has not answered for one of them, those behind it do not wait: they
//! are queued, and the door acts as it does without a record.

use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::pen::{Pen, Unwritten};
use super::standing::Entry;
use crate::domain::Event;

/// A record that is not on disk by then is taken for stalled. A grant's evidence is stale by then, too.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// Events that wait for a stalled disk; more are counted as lost.
const WAITING: usize = 1024;

/// The doors' end of the queue. Dropping it ends the thread, once all is written.
pub struct Scribe {
    shared: Arc<Shared>,
    patience: Duration,
    /// Called for an event that finds the queue full, with the reason.
    lost: Box<dyn Fn(&str) + Send>,
}

/// The body of the thread that writes.
pub struct ScribeLoop<P> {
    shared: Arc<Shared>,
    pen: P,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// What waits for a disk that has stalled, for a thread that marks it elsewhere.
pub struct Backlog(Arc<Shared>);

/// How many events wait for a disk that has stalled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    pub events: u64,
    /// How many of them unlocked a door.
    pub unlocked: u64,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// One more is being written; whether it unlocked a door.
    writing: Option<bool>,
    /// The doors lost patience with a job that has not been written yet.
    stalled: bool,
    closed: bool,
}

impl Queue {
    fn waiting(&self) -> Waiting {
        if !self.stalled {
            return Waiting::default();
        }
        let unlocked = self.jobs.iter().map(Job::unlocked).chain(self.writing).filter(|unlocked| *unlocked).count();
        Waiting { events: self.len() as u64, unlocked: unlocked as u64 }
    }

    fn len(&self) -> usize {
        self.jobs.len() + usize::from(self.writing.is_some())
    }
}

struct Job {
    event: Event,
    standing: Vec<Entry>,
    answer: SyncSender<Result<u64, Unwritten>>,
}

impl Job {
    fn unlocked(&self) -> bool {
        matches!(self.event, Event::Unlocked { .. })
    }
}

impl Backlog {
    /// Waits until something else waits for the disk than `known`. `None`: all is written, and the doors have ended.
    pub fn changed(&self, known: Waiting) -> Option<Waiting> {
        let same = |queue: &mut Queue| queue.waiting() == known && !(queue.closed && queue.len() == 0);
        let queue = self.0.changed.wait_while(self.0.lock(), same).unwrap_or_else(PoisonError::into_inner);
        let waiting = queue.waiting();
        (waiting != known).then_some(waiting)
    }
}

/// A queue, and the body of the thread that writes with `pen`.
pub fn scribe<P: Pen>(pen: P, patience: Duration, lost: impl Fn(&str) + Send + 'static) -> (Scribe, ScribeLoop<P>) {
    let shared = Arc::<Shared>::default();
    (Scribe { shared: shared.clone(), patience, lost: Box::new(lost) }, ScribeLoop { shared, pen })
}

impl Scribe {
    /// What waits for the disk.
    pub fn backlog(&self) -> Backlog {
        Backlog(self.shared.clone())
    }
}

impl Pen for Scribe {
    fn write(&self, event: &Event, standing: &[Entry]) -> Result<u64, Unwritten> {
        let (answer, answered) = sync_channel(1);
        let stalled = {
            let mut queue = self.shared.lock();
            if queue.jobs.len() == WAITING {
                let reason = format!("the disk has stalled, and {WAITING} events wait to be written");
                drop(queue);
                (self.lost)(&reason);
                return Err(Unwritten { reason, pending: false });
            }
            queue.jobs.push_back(Job { event: event.clone(), standing: standing.to_vec(), answer });
            queue.stalled
        };
        self.shared.changed.notify_all();
        let patience = if stalled { Duration::ZERO } else { self.patience };
        answered.recv_timeout(patience).unwrap_or_else(|_| {
            let mut queue = self.shared.lock();
            // It may have been written just now.
            if let Ok(written) = answered.try_recv() {
                return written;
            }
            queue.stalled = true;
            self.shared.changed.notify_all();
            let reason =
                format!("the disk has stalled: it has not confirmed a record within {} ms", self.patience.as_millis());
            Err(Unwritten { reason, pending: true })
        })
    }

    fn waiting(&self) -> usize {
        self.shared.lock().len()
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl<P: Pen> ScribeLoop<P> {
    /// Writes until the queue is empty and its other end is dropped.
    pub fn run(self) {
        while let Some(job) = self.next() {
            let written = self.pen.write(&job.event, &job.standing);
            let mut queue = self.shared.lock();
            queue.writing = None;
            if queue.jobs.is_empty() {
                queue.stalled = false;
            }
            // Under the lock, so that the doors see either the answer or a job that is still to come.
            job.answer.try_send(written).ok();
            self.shared.changed.notify_all();
        }
    }

    fn next(&self) -> Option<Job> {
        let queue = self.shared.lock();
        let idle = |queue: &mut Queue| queue.jobs.is_empty() && !queue.closed;
        let mut queue = self.shared.changed.wait_while(queue, idle).unwrap_or_else(PoisonError::into_inner);
        let job = queue.jobs.pop_front()?;
        queue.writing = Some(job.unlocked());
        Some(job)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// A pen that waits for the gate before it writes.
    struct Gated {
        open: Arc<(Mutex<bool>, Condvar)>,
        written: Arc<Mutex<Vec<Event>>>,
    }

    impl Pen for Gated {
        fn write(&self, event: &Event, _: &[Entry]) -> Result<u64, Unwritten> {
            let (open, changed) = &*self.open;
            drop(changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
            let mut written = self.written.lock().unwrap();
            written.push(event.clone());
            Ok(written.len() as u64)
        }
    }

    fn event(n: usize) -> Event {
        Event::Stopped { reason: n.to_string() }
    }

    #[test]
    fn a_stalled_disk_holds_up_one_event_and_loses_none() {
        let open = Arc::new((Mutex::new(false), Condvar::new()));
        let written = Arc::<Mutex<Vec<Event>>>::default();
        let lost = Arc::<AtomicU64>::default();
        let pen = Gated { open: open.clone(), written: written.clone() };
        let counted = lost.clone();
        let (scribe, body) = scribe(pen, Duration::from_millis(50), move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let backlog = scribe.backlog();
        let thread = std::thread::spawn(move || body.run());
        for n in 0..=WAITING {
            let unwritten = scribe.write(&event(n), &[]).unwrap_err();
            assert!(unwritten.pending, "{n}");
        }
        assert_eq!(scribe.waiting(), WAITING + 1, "one is being written");
        let waiting = Waiting { events: WAITING as u64 + 1, unlocked: 0 };
        assert_eq!(backlog.changed(Waiting::default()), Some(waiting));
        let full = scribe.write(&event(9999), &[]).unwrap_err();
        assert_eq!((full.pending, lost.load(Ordering::Relaxed)), (false, 1));
        *open.0.lock().unwrap() = true;
        open.1.notify_all();
        let after = WAITING + 1;
        while scribe.waiting() > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(
            scribe.write(&event(after), &[]),
            Ok(after as u64 + 1),
            "the disk answers again, and so it is waited for"
        );
        assert_eq!(backlog.changed(waiting), Some(Waiting::default()));
        drop(scribe);
        assert_eq!(backlog.changed(Waiting::default()), None);
        thread.join().unwrap();
        assert_eq!(*written.lock().unwrap(), (0..=after).map(event).collect::<Vec<_>>(), "in order, each once");
    }
}

//! Records the doors' events on a thread of its own, so that a stalled disk delays no door for longer than [`PATIENCE`].
//!
//! Events are written in the order in which they happened. While the disk has not confirmed one of them, those behind it are only queued, and
//! the door acts as it does without a record.

use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::writer::{EventWriter, Unwritten};
use crate::domain::Event;
use crate::office::saved::SavedEntry;

/// If a record is not on disk after this time, the disk counts as stalled. A grant's evidence is stale by then as well.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// Events that wait for a stalled disk. Beyond that they are counted as lost.
const WAITING: usize = 1024;

/// The doors' end of the queue. Dropping it ends the thread once everything is written.
pub struct WriteQueue {
    shared: Arc<Shared>,
    patience: Duration,
    /// Called with the reason for each event that finds the queue full.
    lost: Box<dyn Fn(&str) + Send>,
}

/// The body of the writing thread.
pub struct WriteLoop<P> {
    shared: Arc<Shared>,
    writer: P,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// Follows what waits for a stalled disk, for a thread that marks it elsewhere.
pub struct Backlog(Arc<Shared>);

/// The number of events that wait for a stalled disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    pub events: u64,
    /// Those of them that unlocked a door.
    pub unlocked: u64,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Set while an event is being written: whether it unlocked a door.
    writing: Option<bool>,
    /// A job has not been written within the patience of the doors.
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
    saved: Vec<SavedEntry>,
    answer: SyncSender<Result<u64, Unwritten>>,
}

impl Job {
    fn unlocked(&self) -> bool {
        self.event.unlocking().is_some()
    }
}

impl Backlog {
    /// Blocks until the number of waiting events differs from `known`, and returns it. `None` once everything is written and the doors have
    /// ended.
    pub fn changed(&self, known: Waiting) -> Option<Waiting> {
        let same = |queue: &mut Queue| queue.waiting() == known && !(queue.closed && queue.len() == 0);
        let queue = self.0.changed.wait_while(self.0.lock(), same).unwrap_or_else(PoisonError::into_inner);
        let waiting = queue.waiting();
        (waiting != known).then_some(waiting)
    }
}

/// Makes a queue, and the body of the thread that writes its events with `writer`.
pub fn write_queue<P: EventWriter>(
    writer: P,
    patience: Duration,
    lost: impl Fn(&str) + Send + 'static,
) -> (WriteQueue, WriteLoop<P>) {
    let shared = Arc::<Shared>::default();
    (WriteQueue { shared: shared.clone(), patience, lost: Box::new(lost) }, WriteLoop { shared, writer })
}

impl WriteQueue {
    /// A handle that follows what waits for the disk.
    pub fn backlog(&self) -> Backlog {
        Backlog(self.shared.clone())
    }
}

impl EventWriter for WriteQueue {
    fn write(&self, event: &Event, saved: &[SavedEntry]) -> Result<u64, Unwritten> {
        let (answer, answered) = sync_channel(1);
        let stalled = {
            let mut queue = self.shared.lock();
            if queue.jobs.len() == WAITING {
                let reason = format!("the disk has stalled, and {WAITING} events wait to be written");
                drop(queue);
                (self.lost)(&reason);
                return Err(Unwritten { reason, pending: false });
            }
            queue.jobs.push_back(Job { event: event.clone(), saved: saved.to_vec(), answer });
            queue.stalled
        };
        self.shared.changed.notify_all();
        let patience = if stalled { Duration::ZERO } else { self.patience };
        answered.recv_timeout(patience).unwrap_or_else(|_| {
            let mut queue = self.shared.lock();
            // The answer may have arrived just now.
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

impl Drop for WriteQueue {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl<P: EventWriter> WriteLoop<P> {
    /// Writes events until the queue is empty and its other end is dropped.
    pub fn run(self) {
        while let Some(job) = self.next() {
            let written = self.writer.write(&job.event, &job.saved);
            let mut queue = self.shared.lock();
            queue.writing = None;
            if queue.jobs.is_empty() {
                queue.stalled = false;
            }
            // Under the lock, so that the doors see either the answer or a job that is still pending.
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
    use crate::domain::DaemonEvent;

    /// A writer that blocks until the gate is open.
    struct Gated {
        open: Arc<(Mutex<bool>, Condvar)>,
        written: Arc<Mutex<Vec<Event>>>,
    }

    impl EventWriter for Gated {
        fn write(&self, event: &Event, _: &[SavedEntry]) -> Result<u64, Unwritten> {
            let (open, changed) = &*self.open;
            drop(changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
            let mut written = self.written.lock().unwrap();
            written.push(event.clone());
            Ok(written.len() as u64)
        }
    }

    fn event(n: usize) -> Event {
        Event::Daemon(DaemonEvent::Stopped { reason: n.to_string() })
    }

    #[test]
    fn a_stalled_disk_delays_one_event_and_loses_none() {
        let open = Arc::new((Mutex::new(false), Condvar::new()));
        let written = Arc::<Mutex<Vec<Event>>>::default();
        let lost = Arc::<AtomicU64>::default();
        let writer = Gated { open: open.clone(), written: written.clone() };
        let counted = lost.clone();
        let (write_queue, body) = write_queue(writer, Duration::from_millis(50), move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let backlog = write_queue.backlog();
        let thread = std::thread::spawn(move || body.run());
        for n in 0..=WAITING {
            let unwritten = write_queue.write(&event(n), &[]).unwrap_err();
            assert!(unwritten.pending, "{n}");
        }
        assert_eq!(write_queue.waiting(), WAITING + 1, "one is being written");
        let waiting = Waiting { events: WAITING as u64 + 1, unlocked: 0 };
        assert_eq!(backlog.changed(Waiting::default()), Some(waiting));
        let full = write_queue.write(&event(9999), &[]).unwrap_err();
        assert_eq!((full.pending, lost.load(Ordering::Relaxed)), (false, 1));
        *open.0.lock().unwrap() = true;
        open.1.notify_all();
        let after = WAITING + 1;
        while write_queue.waiting() > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(
            write_queue.write(&event(after), &[]),
            Ok(after as u64 + 1),
            "the disk answers again, so the writer waits for it"
        );
        assert_eq!(backlog.changed(waiting), Some(Waiting::default()));
        drop(write_queue);
        assert_eq!(backlog.changed(Waiting::default()), None);
        thread.join().unwrap();
        assert_eq!(*written.lock().unwrap(), (0..=after).map(event).collect::<Vec<_>>(), "in order, each once");
    }
}

//! The daemon's threads: starting them, watching them from the main thread, stopping and joining them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::stage::{Role, Stage};
use crate::clock::Clock;
use crate::domain::Moment;

/// A stage without a heartbeat for this long is dead.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
/// How often the main thread checks the stages.
const CHECK_EVERY: Duration = Duration::from_millis(500);
/// How long the shutdown waits for any one step: a group of threads, a full queue, the last record.
pub const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

/// What the main thread receives.
pub enum MainMessage {
    /// A signal that asks the daemon to end.
    Signal(&'static str),
    /// A thread ended, with the reason if it failed.
    Ended { thread: ThreadId, failure: Option<String> },
    /// The store no longer holds what was read from it at the start, and only a restart can take that in.
    StoreChanged,
    /// The fleet has gone over to another model, and only a restart can compare faces by it.
    ModelChanged,
}

/// A thread: its role and, except for the one of its kind, the camera or door that it works for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadId {
    pub role: Role,
    pub name: String,
}

impl ThreadId {
    /// The name that the system shows: `camera porch`, `doors`.
    fn label(&self) -> String {
        match self.role {
            Role::Doors | Role::Records | Role::GapMarks | Role::Pins => self.role.as_str().to_owned(),
            Role::Camera | Role::Vision | Role::SecondEye | Role::Relay | Role::Contacts | Role::Reader => {
                format!("{} {}", self.role, self.name)
            }
        }
    }
}

/// All threads and the stages that they report to.
pub struct Threads {
    to_main: Sender<MainMessage>,
    clock: Arc<dyn Clock>,
    stages: Vec<Arc<Stage>>,
    running: Vec<(ThreadId, JoinHandle<()>)>,
}

impl Threads {
    /// No threads yet. The end of each will be sent to `to_main`.
    pub fn new(to_main: Sender<MainMessage>, clock: Arc<dyn Clock>) -> Threads {
        Threads { to_main, clock, stages: Vec::new(), running: Vec::new() }
    }

    /// All stages so far, in the order in which they were added.
    pub fn stages(&self) -> &[Arc<Stage>] {
        &self.stages
    }

    /// Adds a stage, which is watched while the thread of the same role and name runs.
    pub fn stage(&mut self, role: Role, name: &str) -> Arc<Stage> {
        let stage = Stage::new(role, name, self.clock.now());
        self.stages.push(stage.clone());
        stage
    }

    /// Starts a thread. Its end, its error and its panic are sent to the main thread.
    pub fn spawn(&mut self, role: Role, name: &str, body: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
        let (to_main, id) = (self.to_main.clone(), ThreadId { role, name: name.to_owned() });
        let (thread, label) = (id.clone(), id.label());
        let handle = std::thread::Builder::new()
            .name(label.clone())
            .spawn(move || {
                let failure = match catch_unwind(AssertUnwindSafe(body)) {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(format!("{error:#}")),
                    Err(_) => Some("it panicked; the log has the place".to_owned()),
                };
                // The main thread no longer listens while the daemon ends.
                drop(to_main.send(MainMessage::Ended { thread, failure }));
            })
            .with_context(|| format!("the thread `{label}` cannot be started"))?;
        self.running.push((id, handle));
        Ok(())
    }

    /// Blocks until there is a reason to end, and returns it. With `until_replays_end`, one reason is that the threads of all `cameras` have
    /// ended. `check` is called twice a second or more with the stages whose threads run.
    ///
    /// # Errors
    /// A stage failed or has had no heartbeat for [`SILENCE_LIMIT`].
    pub fn watch(
        &self,
        inbox: &Receiver<MainMessage>,
        cameras: usize,
        until_replays_end: bool,
        mut check: impl FnMut(&[&Stage], Moment),
    ) -> Result<&'static str> {
        let (mut ended_cameras, mut ended_vision) = (0, 0);
        loop {
            match inbox.recv_timeout(CHECK_EVERY) {
                Ok(MainMessage::Signal(name)) => return Ok(name),
                Ok(MainMessage::StoreChanged) => {
                    bail!("the stage `store` failed: its contents are not those read at the start; restart usher")
                }
                Ok(MainMessage::ModelChanged) => bail!("the fleet has gone over to another model: restart usher"),
                Ok(MainMessage::Ended { thread, failure: Some(failure) }) => {
                    bail!("the stage `{}` failed: {failure}", thread.label())
                }
                Ok(MainMessage::Ended { thread, failure: None }) => {
                    match thread.role {
                        Role::Camera => ended_cameras += 1,
                        Role::Vision | Role::SecondEye => ended_vision += 1,
                        Role::Doors => bail!("the stage `doors` ended before the daemon"),
                        Role::Relay | Role::Contacts | Role::Reader | Role::Records | Role::GapMarks | Role::Pins => {}
                    }
                    if until_replays_end && ended_cameras == cameras && ended_vision == cameras {
                        return Ok("the replays are over");
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok("everything has ended"),
            }
            let now = self.clock.now();
            let stages: Vec<&Stage> = self.stages.iter().map(|stage| &**stage).filter(|s| self.runs(s)).collect();
            if let Some(stage) = stages.iter().find(|stage| stage.silent_for(now) > SILENCE_LIMIT) {
                bail!("the stage `{} {}` has not answered for {} s", stage.role, stage.name, SILENCE_LIMIT.as_secs());
            }
            check(&stages, now);
        }
    }

    fn runs(&self, stage: &Stage) -> bool {
        self.running.iter().any(|(id, handle)| id.role == stage.role && id.name == stage.name && !handle.is_finished())
    }

    /// Joins the threads whose role `which` selects. Threads that have not ended after [`SHUTDOWN_PATIENCE`] are logged and left behind.
    pub fn join(&mut self, which: impl Fn(Role) -> bool) {
        let until = self.clock.now() + SHUTDOWN_PATIENCE;
        let (chosen, rest) = std::mem::take(&mut self.running).into_iter().partition(|(id, _)| which(id.role));
        self.running = rest;
        for (id, handle) in chosen {
            while !handle.is_finished() && self.clock.now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            match handle.is_finished() {
                true => drop(handle.join()),
                false => tracing::error!(stage = id.label(), "the thread does not end and is left behind"),
            }
        }
    }
}

/// Asks threads to end when it is dropped.
pub struct StopToken(Stop);

/// Held by threads that end on request.
#[derive(Clone, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl StopToken {
    /// A token and the request that it makes when it is dropped.
    pub fn new() -> (StopToken, Stop) {
        let stop = Stop::default();
        (StopToken(stop.clone()), stop)
    }
}

impl Drop for StopToken {
    fn drop(&mut self) {
        let (requested, changed) = &*self.0.0;
        *requested.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }
}

impl Stop {
    /// Whether the token was dropped.
    pub fn is_requested(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for `span`, or until the token is dropped. Returns whether it was dropped.
    pub fn wait(&self, span: Duration) -> bool {
        let (requested, changed) = &*self.0;
        let guard = requested.lock().unwrap_or_else(PoisonError::into_inner);
        let (guard, _) =
            changed.wait_timeout_while(guard, span, |requested| !*requested).unwrap_or_else(PoisonError::into_inner);
        *guard
    }
}

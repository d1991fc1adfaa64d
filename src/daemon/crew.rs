//! The threads, and what watches over them: who has ended, who has fallen silent.
//!
//! Knows nothing of what they do.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Options;
use super::health::Stage;
use crate::clock::Clock;
use crate::domain::Moment;

/// A stage that has not beaten for so long is dead.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
/// How long the daemon waits for a stage when it ends.
pub const LAST_WAIT: Duration = Duration::from_secs(5);

/// What the main thread hears.
pub enum News {
    Signal(&'static str),
    Ended { stage: String, is_camera: bool, failure: Option<String> },
}

/// The threads, with what watches over them.
pub struct Crew {
    news: Sender<News>,
    clock: Arc<dyn Clock>,
    stages: Vec<Arc<Stage>>,
    threads: Vec<(String, JoinHandle<()>)>,
}

impl Crew {
    /// Nobody yet. What becomes of them is told to `news`.
    pub fn new(news: Sender<News>, clock: Arc<dyn Clock>) -> Crew {
        Crew { news, clock, stages: Vec::new(), threads: Vec::new() }
    }

    /// All stages so far.
    pub fn stages(&self) -> &[Arc<Stage>] {
        &self.stages
    }

    /// A new stage to be watched. Its thread is called by its role and name.
    pub fn stage(&mut self, role: &'static str, name: &str) -> Arc<Stage> {
        let stage = Stage::new(role, name, self.clock.now());
        self.stages.push(stage.clone());
        stage
    }

    /// Starts a thread; its end, its error or its panic becomes news.
    pub fn spawn(
        &mut self,
        name: &str,
        is_camera: bool,
        body: impl FnOnce() -> Result<(), String> + Send + 'static,
    ) -> Result<()> {
        let (news, stage) = (self.news.clone(), name.to_owned());
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let failure = match catch_unwind(AssertUnwindSafe(body)) {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(error),
                    Err(_) => Some("it panicked; the log has the place".to_owned()),
                };
                // Nobody listens while the daemon ends.
                drop(news.send(News::Ended { stage, is_camera, failure }));
            })
            .with_context(|| format!("the thread `{name}` cannot be started"))?;
        self.threads.push((name.to_owned(), thread));
        Ok(())
    }

    /// Waits for a reason to end; an error when a stage died or fell silent. `look` is shown, again and again, the stages whose
    /// threads run.
    pub fn watch(
        &self,
        heard: &Receiver<News>,
        cameras: usize,
        options: Options,
        mut look: impl FnMut(&[&Stage], Moment),
    ) -> Result<&'static str> {
        let (mut ended_cameras, mut ended_vision) = (0, 0);
        loop {
            match heard.recv_timeout(Duration::from_millis(500)) {
                Ok(News::Signal(name)) => return Ok(name),
                Ok(News::Ended { stage, failure: Some(failure), .. }) => bail!("the stage `{stage}` failed: {failure}"),
                Ok(News::Ended { stage, is_camera, failure: None }) => {
                    match is_camera {
                        true => ended_cameras += 1,
                        false if stage == "doors" => bail!("the stage `doors` ended before the daemon"),
                        false => ended_vision += 1,
                    }
                    if options.until_replays_end && ended_cameras == cameras && ended_vision == cameras {
                        return Ok("the replays are over");
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok("everything has ended"),
            }
            let now = self.clock.now();
            let running = |stage: &Stage| {
                let name =
                    if stage.role == "doors" { "doors".into() } else { format!("{} {}", stage.role, stage.name) };
                self.threads.iter().any(|(thread, handle)| *thread == name && !handle.is_finished())
            };
            let running: Vec<&Stage> =
                self.stages.iter().map(|stage| &**stage).filter(|stage| running(stage)).collect();
            if let Some(stage) = running.iter().find(|stage| stage.silent_for(now) > SILENCE_LIMIT) {
                bail!("the stage `{} {}` has not answered for {} s", stage.role, stage.name, SILENCE_LIMIT.as_secs());
            }
            look(&running, now);
        }
    }

    /// Waits for the threads that `which` names; one that hangs is left behind.
    pub fn join(&mut self, which: impl Fn(&str) -> bool) {
        let until = self.clock.now() + LAST_WAIT;
        let (chosen, rest) = std::mem::take(&mut self.threads).into_iter().partition(|(name, _)| which(name));
        self.threads = rest;
        for (name, thread) in chosen {
            while !thread.is_finished() && self.clock.now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            match thread.is_finished() {
                true => drop(thread.join()),
                false => tracing::error!(stage = name, "does not end; leaving it behind"),
            }
        }
    }
}

//! Templates of photographs for the API. The networks run in a thread of their own, one photograph at a time, with one thread and a lower
//! priority than the doors; they are closed again when nobody has sent a photograph for a while.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Result;

use crate::api::{ApiError, Faces, PhotographRefusal};
use crate::config::Config;
use crate::domain::Distance;
use crate::office::switch::Switch;
use crate::office::{Eyes, FaceTemplates, Gates};
use crate::photo;
use crate::vision::second::SecondEmbedder;
use crate::vision::{Vision, VisionSettings};

use super::models::with_embedder;

/// Without a photograph for this long, the networks are closed.
const IDLE: Duration = Duration::from_secs(60);
/// Photographs that wait. Others are turned away.
const WAITING: usize = 2;
/// As by nice(1), where 0 is usual and 19 the least.
const NICENESS: i32 = 5;

/// Makes templates of photographs with the configuration's networks.
pub struct Photographs {
    config: Config,
    switch: Arc<Switch>,
    /// The way to the thread; `None` before the first photograph.
    queue: Queue,
}

/// The way to the thread that looks at photographs; `None` while there is none.
type Queue = Arc<Mutex<Option<SyncSender<Job>>>>;

struct Job {
    photograph: Vec<u8>,
    largest: bool,
    weak: bool,
    answer: SyncSender<Answer>,
}

type Answer = Result<Result<FaceTemplates, PhotographRefusal>, ApiError>;

impl Photographs {
    /// `switch` says which model is in use, and which beside it.
    pub fn new(config: Config, switch: Arc<Switch>) -> Photographs {
        Photographs { config, switch, queue: Queue::default() }
    }

    /// The configuration with the model in use.
    fn in_use(&self) -> Config {
        with_embedder(&self.config, &self.switch.in_use())
    }

    /// Hands `job` to the thread, which is started where there is none.
    fn hand_over(&self, job: Job) -> Result<(), ApiError> {
        let busy = |_| ApiError::Busy("too many photographs wait; try again");
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*queue {
            return running.try_send(job).map_err(busy);
        }
        let (jobs, waiting) = sync_channel(WAITING);
        let (config, beside) = (self.in_use(), self.switch.beside().map(|side| side.name));
        let gates = super::gates(&config).map_err(|error| failed(&error))?;
        let queue_of_thread = self.queue.clone();
        std::thread::Builder::new()
            .name("photographs".to_owned())
            .spawn(move || look_at_all(&config, beside.as_deref(), &gates, &waiting, &queue_of_thread))
            .map_err(|error| ApiError::Failed(error.to_string()))?;
        jobs.try_send(job).map_err(busy)?;
        *queue = Some(jobs);
        Ok(())
    }
}

impl Faces for Photographs {
    fn gates(&self) -> Result<Gates, ApiError> {
        super::gates(&self.in_use()).map_err(|error| failed(&error))
    }

    fn one_visitor(&self) -> Result<Distance, ApiError> {
        let limit = super::embedder(&self.in_use()).and_then(|model| super::one_visitor(&model));
        limit.map_err(|error| failed(&error))
    }

    fn look_at(&self, photograph: Vec<u8>, largest: bool, weak: bool) -> Answer {
        let (answer, answered) = sync_channel(1);
        self.hand_over(Job { photograph, largest, weak, answer })?;
        answered.recv().unwrap_or_else(|_| Err(ApiError::Failed("the networks stopped; the log says why".to_owned())))
    }
}

/// The thread: opens the networks, answers each job, and ends when none has come for a while.
fn look_at_all(config: &Config, beside: Option<&str>, gates: &Gates, jobs: &Receiver<Job>, queue: &Queue) {
    // On Linux this is the priority of the calling thread alone.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "photographs are looked at with the usual priority");
    }
    let mut eyes = match open(config, beside) {
        Ok(eyes) => eyes,
        Err(error) => {
            tracing::error!(error = %format!("{error:#}"), "the networks for photographs cannot be opened");
            while let Some(job) = last(jobs, queue) {
                job.answer.try_send(Err(failed(&error))).ok();
            }
            return;
        }
    };
    loop {
        let job = match jobs.recv_timeout(IDLE) {
            Ok(job) => job,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => match last(jobs, queue) {
                Some(job) => job,
                None => return,
            },
        };
        let Job { photograph, largest, weak, answer } = job;
        let gates = Gates { min_length: gates.min_length.filter(|_| !weak), ..gates.clone() };
        // Whoever asked may be gone.
        answer.try_send(look(&mut eyes, &gates, &photograph, largest)).ok();
    }
}

/// A job that still came; without one, nobody can hand over another.
fn last(jobs: &Receiver<Job>, queue: &Queue) -> Option<Job> {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let job = jobs.try_recv().ok();
    if job.is_none() {
        *queue = None;
    }
    job
}

fn open(config: &Config, beside: Option<&str>) -> Result<Eyes> {
    let runtime = super::runtime(config)?;
    let settings = VisionSettings { threads: 1, ..super::vision_settings(config) };
    let mut vision = Vision::open(&runtime, &config.models.path, &settings)?;
    super::self_check(&mut vision, &settings.detector)?;
    let asked = &settings.accelerators.embedder;
    let beside = beside.map(|name| SecondEmbedder::open(&runtime, &config.models.path, name, asked, 1));
    Ok(Eyes { vision, beside: beside.transpose()? })
}

fn look(eyes: &mut Eyes, gates: &Gates, photograph: &[u8], largest: bool) -> Answer {
    let image = match photo::decode_reduced(photograph) {
        Ok((image, _)) => image,
        Err(error) => {
            return Ok(Err(PhotographRefusal {
                code: "unreadable".to_owned(),
                reason: error.to_string(),
                remedy: None,
            }));
        }
    };
    match eyes.enrol(&image, gates, largest, SystemTime::now()) {
        Ok(looked) => Ok(looked.map_err(|refusal| PhotographRefusal::from(&refusal))),
        Err(error) => Err(ApiError::Failed(error.to_string())),
    }
}

fn failed(error: &anyhow::Error) -> ApiError {
    ApiError::Failed(format!("{error:#}"))
}

//! The way out to an MQTT 5 broker: tells it what happened, and whether this device is there.
//!
//! Knows nothing of doors, images and the journal's bytes. Nobody waits for the broker: what is published goes into a queue of
//! fixed size, and a task of its own does the rest.

mod backoff;
mod connection;
mod probe;
mod queue;
mod wire;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use connection::Shared;

pub use probe::probe;
pub use wire::{EventMessage, Publication};

/// How long [`Hub::stop`] takes at most.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// Where the broker is and who this device is to it.
#[derive(Clone)]
pub struct HubSettings {
    /// Name or address of the broker.
    pub host: String,
    /// 1883 for MQTT without TLS.
    pub port: u16,
    /// Must be this device's own: a broker cuts off the older of two clients with one id.
    pub client_id: String,
    /// `None` connects without credentials.
    pub username: Option<String>,
    /// Not used without a user name.
    pub password: Option<String>,
    /// After this long without traffic the broker is asked whether it is alive. Held between 5 seconds and 18 hours.
    pub keep_alive: Duration,
    /// First part of every topic: `usher`. May hold slashes, but not `+`, `#` or NUL.
    pub prefix: String,
    /// Second part of every topic: `front-door`. As for the prefix.
    pub device: String,
}

impl fmt::Debug for HubSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("client_id", &self.client_id)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("keep_alive", &self.keep_alive)
            .field("prefix", &self.prefix)
            .field("device", &self.device)
            .finish()
    }
}

/// How it stands with the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The first attempt is under way.
    Connecting,
    /// Connected and accepted.
    Online,
    /// Not connected; tried again from time to time.
    Offline {
        /// What went wrong last, and what to look at.
        why: String,
    },
}

/// The connection to the broker. Dropping it breaks the connection off, and the broker then says `offline` by itself.
pub struct Hub {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Hub {
    /// Begins to connect, and to connect again whenever the connection is lost. Must be called within a tokio runtime.
    pub fn start(settings: HubSettings) -> Hub {
        let shared = Arc::new(Shared::new(settings));
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(connection::run(shared.clone(), stopping));
        Hub { shared, stop, task: Mutex::new(Some(task)) }
    }

    /// Takes `publication` to be sent when the broker is there. Never waits. When the queue is full, its oldest is dropped.
    pub fn publish(&self, publication: Publication) {
        self.shared.publish(publication);
    }

    /// How many publications were never sent since the start: dropped from a full queue, or too large for the broker.
    pub fn dropped(&self) -> u64 {
        self.shared.queue.dropped()
    }

    /// How it stands now.
    pub fn state(&self) -> State {
        let task = self.task.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if task.as_ref().is_some_and(JoinHandle::is_finished) {
            return State::Offline {
                why: "the hub's task died; restart usher and report the panic in its log".to_owned(),
            };
        }
        self.shared.state.borrow().clone()
    }

    /// Sends what is queued, says `offline` and disconnects; takes 2 seconds at most. What could not be sent by then is gone.
    pub async fn stop(&self) {
        // The task may have ended; then there is nobody left to tell.
        let _ = self.stop.send(true);
        let Some(mut task) = self.take_task() else { return };
        if tokio::time::timeout(STOP_WITHIN, &mut task).await.is_err() {
            task.abort();
            tracing::warn!("the broker did not take its leave in time; it will say `offline` by itself");
        }
    }

    fn take_task(&self) -> Option<JoinHandle<()>> {
        self.task.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(task) = self.take_task() {
            task.abort();
        }
    }
}

//! The way out to an MQTT broker: tells it what happened, what the device looks like and whether it is there; and, if asked to,
//! the way in for commands.
//!
//! Knows nothing of doors, of what pictures show and of the journal's bytes. Nobody waits for the broker: events lie in an outbox on disk, states
//! are kept as their newest value, and a task of its own does the rest.

mod backoff;
mod client;
mod command;
mod connection;
mod counters;
mod failure;
mod footprint;
mod freshness;
pub mod home_assistant;
mod link;
mod outbox;
mod parcel;
mod portrait;
mod probe;
mod refusals;
mod removal;
mod repeats;
mod retained;
mod shared;
mod snapshot;
mod tls;
mod wire;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use home_assistant::HomeAssistantSettings;
use shared::Shared;

pub use crate::domain::MqttVersion as Version;
pub use client::Incoming;
pub use command::{CommandSettings, HubAct, HubCommand, read as read_command};
pub use counters::HubCounts;
pub use footprint::{Footprint, MemoryFootprint};
pub use outbox::{MemoryOutbox, Outbox, Pending};
pub use portrait::{DoorOutline, DoorState, LockState, Premises, Vitals};
pub use probe::probe;
pub use refusals::Refusal;
pub use removal::remove;
pub use snapshot::Snapshot;
pub use tls::{TlsError, TlsSettings};

/// How long [`Hub::stop`] takes at most.
const STOP_WITHIN: Duration = Duration::from_secs(2);
/// Commands that wait to be carried out; more are dropped and counted.
const COMMANDS: usize = 16;

/// Where the broker is and who this device is to it.
#[derive(Clone)]
pub struct HubSettings {
    /// Name or address of the broker; with TLS it has to stand in the broker's certificate.
    pub host: String,
    /// 1883 for MQTT without TLS, 8883 with it.
    pub port: u16,
    pub version: Version,
    /// `None` talks in the open.
    pub tls: Option<TlsSettings>,
    /// Must be this device's own: a broker cuts off the older of two clients with one id.
    pub client_id: String,
    /// `None` connects without credentials.
    pub username: Option<String>,
    /// Not used without a user name.
    pub password: Option<String>,
    /// After this long without traffic the broker is asked whether it is alive. Held between 5 seconds and 18 hours.
    pub keep_alive: Duration,
    /// Whether the broker forgets subscriptions and waiting commands of the connection before.
    pub clean_start: bool,
    /// How long the broker remembers them after a connection broke (MQTT 5 only).
    pub session_expiry: Duration,
    /// First part of every topic: `usher`. May hold slashes, but not `+`, `#` or NUL.
    pub prefix: String,
    /// Second part of every topic: `front-door`. As for the prefix.
    pub device: String,
    /// `None` does not announce the device to Home Assistant.
    pub home_assistant: Option<HomeAssistantSettings>,
    /// `None` takes no commands.
    pub commands: Option<CommandSettings>,
    /// Whether pictures will come, so that Home Assistant hears of them.
    pub snapshots: bool,
}

impl HubSettings {
    /// `host:port`
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for HubSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("version", &self.version)
            .field("tls", &self.tls)
            .field("client_id", &self.client_id)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("keep_alive", &self.keep_alive)
            .field("clean_start", &self.clean_start)
            .field("session_expiry", &self.session_expiry)
            .field("prefix", &self.prefix)
            .field("device", &self.device)
            .field("home_assistant", &self.home_assistant)
            .field("commands", &self.commands)
            .field("snapshots", &self.snapshots)
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

/// What the hub works with.
pub struct Means {
    /// What there is, for states and for Home Assistant.
    pub premises: Premises,
    /// Events that the broker has not acknowledged.
    pub outbox: Arc<dyn Outbox>,
    /// The newest event of an earlier run: what of those still goes out comes late.
    pub earlier: u64,
    /// For the age of commands.
    pub clock: Arc<dyn Clock>,
    /// What the broker keeps of this device, over restarts.
    pub footprint: Arc<dyn Footprint>,
    /// Hears of the first message of each topic that the broker does not take. Never waited for.
    pub refused: mpsc::Sender<Refusal>,
}

/// The connection to the broker. Dropping it breaks the connection off, and the broker then says `offline` by itself.
pub struct Hub {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Hub {
    /// Begins to connect, and to connect again whenever the connection is lost. Must be called within a tokio runtime. Commands
    /// come out of the receiver; without settings for them none ever do.
    pub fn start(settings: HubSettings, means: Means) -> (Hub, mpsc::Receiver<HubCommand>) {
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let shared = Arc::new(Shared::new(settings, means, commands));
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(connection::run(shared.clone(), stopping));
        (Hub { shared, stop, task: Mutex::new(Some(task)) }, receiver)
    }

    /// To be told of each record of the journal once it is on disk and in the outbox. Never waits.
    pub fn happened(&self, seq: u64, kind: &str, time: &str, content: &Value) {
        self.shared.happened(seq, kind, time, content);
    }

    /// To be told of doors whenever they change: of their relays and inputs as they are, whatever the journal has. Never waits.
    pub fn doors(&self, doors: Vec<DoorState>) {
        self.shared.doors(doors);
    }

    /// To be told when a person was erased from the records: no retained topic names them any longer as the last one. Never waits.
    pub fn forget(&self, person: u32) {
        self.shared.forget(person);
    }

    /// Messages that the broker does not take, by topic.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.shared.refusals_named()
    }

    /// To be told of new measurements from time to time. Never waits.
    pub fn measured(&self, vitals: Vitals) {
        self.shared.measured(vitals);
    }

    /// To be given a picture of what a record is about, at once or never. Never waits; while the broker is away the picture is gone.
    pub fn shows(&self, snapshot: Snapshot) {
        self.shared.shows(snapshot);
    }

    /// What has been counted.
    pub fn counts(&self) -> HubCounts {
        self.shared.counts.read()
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

    /// Sends what waits for at most a second, says `offline` and disconnects; takes 2 seconds at most. What could not be sent by
    /// then stays in the outbox.
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

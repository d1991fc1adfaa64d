//! The connection to an MQTT broker: publishes events, the state of the device and whether it is online, and receives commands if that is configured.
//!
//! Nothing waits for the broker. Events are in an outbox on disk, only the newest value of each state is kept, and a task does the rest.

mod backoff;
mod client;
mod command;
mod connection;
mod counters;
mod device;
mod entries;
mod failure;
mod freshness;
pub mod home_assistant;
mod intake;
mod link;
mod message;
mod one_off;
mod outbox;
mod outgoing;
mod portrait;
mod prompts;
mod refusals;
mod retained;
mod retained_topics;
mod settings;
mod shared;
mod snapshot;
mod task;
mod tls;
mod wire;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::domain::Recorded;
use entries::Entries;
use intake::Intake;
use outgoing::Outgoing;
use retained_topics::TopicKeeper;
use shared::Shared;
use task::{Inbound, Task};
use wire::Topics;

pub use client::Incoming;
pub use command::{HubAction, HubCommand, ReadCommand, RefusedCommand, read as read_command};
pub use counters::HubCounts;
pub use device::{Before, DeviceLayout, DoorLayout, DoorState, LockState, Vitals};
pub use entries::HubEntry;
pub use one_off::{HubError, probe, remove};
pub use outbox::{MemoryOutbox, Outbox, StorageError};
pub use refusals::MessageRefusal;
pub use retained_topics::{MemoryTopics, RetainedTopics};
pub use settings::{CommandSettings, HubSettings, Version};
pub use shared::ConnectionState;
pub use snapshot::Snapshot;
pub use tls::{TlsError, TlsSettings};

/// How long [`Hub::stop`] takes at most.
const STOP_WITHIN: Duration = Duration::from_secs(2);
/// Commands that wait to be carried out. Beyond that they are dropped and counted.
const COMMANDS: usize = 16;

/// What the hub depends on.
pub struct HubDeps {
    /// The doors, cameras and people, for states and for Home Assistant.
    pub layout: DeviceLayout,
    /// The events that the broker has not acknowledged.
    pub outbox: Arc<dyn Outbox>,
    /// The newest event of an earlier run. Events up to this one are late.
    pub earlier: u64,
    /// Dates commands.
    pub clock: Arc<dyn Clock>,
    /// The topics that the broker retains of this device, over restarts.
    pub retained_topics: Arc<dyn RetainedTopics>,
    /// Takes the first message of each topic that the broker refuses. If it is full, the refusal is only counted.
    pub refused: mpsc::Sender<MessageRefusal>,
    /// Takes PINs and tags from the broker; `None` accepts none.
    pub entries: Option<mpsc::Sender<HubEntry>>,
}

/// The connection to the broker. Dropping it breaks the connection, and the broker then publishes `offline` itself. No method but
/// [`Hub::stop`] waits for the broker.
pub struct Hub {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Hub {
    /// Connects, and reconnects whenever the connection is lost. Must be called within a tokio runtime. The receiver delivers commands, accepted
    /// and refused; without settings for commands it delivers none.
    pub fn start(settings: HubSettings, deps: HubDeps) -> (Hub, mpsc::Receiver<Result<HubCommand, RefusedCommand>>) {
        let HubDeps { layout, outbox, earlier, clock, retained_topics, refused, entries } = deps;
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let topics = Topics::new(&settings.prefix, &settings.device);
        let doors = || layout.doors.iter().map(|door| door.name.clone()).collect();
        let intake = settings
            .commands
            .clone()
            .map(|accepted| Intake::new(accepted, topics.commands(), doors(), clock, commands));
        let entries = entries.map(|queue| Entries::new(topics.state("door"), doors(), queue));
        let mut outgoing = Outgoing::new(&settings, &topics, layout, earlier);
        let keeper = TopicKeeper::open(retained_topics, &topics, &mut outgoing);
        outgoing.announce();
        let shared = Arc::new(Shared::new(outgoing));
        let (stop, stopping) = watch::channel(false);
        let inbound = Inbound { intake, entries };
        let task = Task::new(settings, topics, shared.clone(), outbox, keeper, inbound, refused);
        let task = tokio::spawn(connection::run(task, stopping));
        (Hub { shared, stop, task: Mutex::new(Some(task)) }, receiver)
    }

    /// Reports a record of the journal that is on disk and in the outbox.
    pub fn happened(&self, entry: &Recorded) {
        self.shared.update(|outgoing| outgoing.happened(entry));
    }

    /// Reports the state of doors after a change: of their relays and inputs as they are, whatever the journal has.
    pub fn doors(&self, doors: Vec<DoorState>) {
        self.shared.update(|outgoing| outgoing.doors(doors));
    }

    /// Reports that a person was erased from the records, so that no retained topic names them as the last one.
    pub fn forget(&self, person: u32) {
        self.shared.update(|outgoing| outgoing.forget(person));
    }

    /// The messages that the broker does not accept, by topic.
    pub fn refusals(&self) -> Vec<MessageRefusal> {
        self.shared.refusals().all()
    }

    /// Reports new measurements.
    pub fn measured(&self, vitals: Vitals) {
        self.shared.update(|outgoing| outgoing.measured(vitals));
    }

    /// Publishes a snapshot at once or never: while the broker is away it is dropped.
    pub fn publish_snapshot(&self, snapshot: Snapshot) {
        let online = *self.shared.state.borrow() == ConnectionState::Online;
        if !online || !self.shared.outgoing().push_snapshot(snapshot) {
            self.shared.counts.snapshots_dropped.increment();
        }
        self.shared.work.notify_one();
    }

    /// What has been counted.
    pub fn counts(&self) -> HubCounts {
        self.shared.counts.read()
    }

    /// The current state of the connection.
    pub fn state(&self) -> ConnectionState {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_some_and(JoinHandle::is_finished) {
            return ConnectionState::Offline {
                why: "the hub's task died; restart usher and report the panic in its log".to_owned(),
            };
        }
        self.shared.state.borrow().clone()
    }

    /// Sends what waits for a second at most, publishes `offline` and disconnects. Takes 2 seconds at most. Events that could not be sent stay in
    /// the outbox.
    pub async fn stop(&self) {
        // The task may have ended already.
        self.stop.send(true).ok();
        let Some(mut task) = self.take_task() else { return };
        if tokio::time::timeout(STOP_WITHIN, &mut task).await.is_err() {
            task.abort();
            tracing::warn!("the broker did not acknowledge the end in time; it will publish `offline` itself");
        }
    }

    fn take_task(&self) -> Option<JoinHandle<()>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(task) = self.take_task() {
            task.abort();
        }
    }
}

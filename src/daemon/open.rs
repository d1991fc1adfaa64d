//! Opens the parts of the daemon that exist before its threads: the networks, the gallery, the journal, the hub.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::{Context, Result, bail};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::broker::JournalOutbox;
use super::doors::writer::JournalWriter;
use super::fleet::Joined;
use super::kept_faces::{self, FaceQueue};
use super::leading::{self, Leading};
use super::learning::{self, LearningQueue};
use super::recent_frames::RecentFrames;
use super::record_counter::RecordCounter;
use super::rulebook::Rulebook;
use super::snapshots::{self, SnapshotQueue};
use super::threads::MainMessage;
use super::visitors::{self, KeptKinds, RecentFaces, VisitorQueue};
use super::{broker, signals};
use crate::access::{NearEnough, Rules};
use crate::api::status::PlacementStatus;
use crate::clock::{Clock, Evidence, SystemClock};
use crate::config::{self, Config};
use crate::domain::{DaemonEvent, Distance, Event, ModelId};
use crate::door::RelayStop;
use crate::gallery::{FacePictures, Gallery, Visitors};
use crate::hub::{DeviceLayout, Hub, HubDeps, HubEntry, MessageRefusal};
use crate::ledger::{Journal, LedgerError, Outbox};
use crate::office::saved::SavedState;
use crate::office::{Grant, Learning, Recorder, Register, clock_evidence, record_locked_templates, record_sealing};
use crate::seal::Ring;
use crate::setup;
use crate::store::Store;
use crate::vision::Vision;
use crate::vision::finder::FaceFinder;
use crate::vision::passive::PassiveNetworks;
use crate::vision::runtime::{Placement, Runtime as Library};
use broker::{CommandReceiver, FromBroker};

/// PINs and tags from the broker that wait for the doors.
const ENTRIES: usize = 16;
/// Refused messages that wait to be recorded.
const REFUSALS: usize = 16;

/// What exists before any part is opened.
pub struct Base {
    pub clock: Arc<dyn Clock>,
    pub tokio: Runtime,
    pub to_main: Sender<MainMessage>,
    /// Stops the relays of all doors.
    pub relays: RelayStop,
}

impl Base {
    /// Starts the asynchronous runtime and listens for signals, so that a slow start can be interrupted. The receiver is the main thread's.
    pub fn start() -> Result<(Base, Receiver<MainMessage>)> {
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("the asynchronous runtime cannot be started")?;
        let (to_main, inbox) = channel();
        let relays = RelayStop::default();
        tokio.spawn(signals::listen(to_main.clone(), relays.clone()));
        Ok((Base { clock: Arc::new(SystemClock::new()), tokio, to_main, relays }, inbox))
    }
}

/// What the threads and tasks share.
pub struct Parts {
    pub recognition: Recognition,
    pub visitors: VisitorStores,
    pub records: Records,
    pub leading: Leading,
    /// `None` for a board that is in no fleet.
    pub fleet: Option<Joined>,
    /// The rules in force.
    pub rulebook: Arc<Rulebook>,
}

/// Who is enrolled, and how faces are compared.
pub struct Recognition {
    pub gallery: Arc<Gallery>,
    pub near_enough: NearEnough,
    pub placements: Vec<PlacementStatus>,
    pub model: ModelId,
    pub ring: Arc<Ring>,
    /// The rules for faces, with nobody near enough until the limit is applied.
    pub face_rules: Rules,
    /// `None` unless templates are learned from grants.
    pub learning: Option<Learning>,
}

/// The faces that are kept of visitors.
pub struct VisitorStores {
    /// Of those whom nobody knew.
    pub unknown: Arc<Visitors>,
    /// Of those whom a door opened for.
    pub granted: Arc<Visitors>,
    /// Beside records.
    pub faces: Arc<FacePictures>,
    /// `None` unless faces are kept, or templates learned from grants.
    pub recent_faces: Option<Arc<RecentFaces>>,
    /// The task that stores them; it ends once the queue is dropped.
    pub storing: Option<JoinHandle<()>>,
}

/// The journal and what follows it.
pub struct Records {
    pub recorder: Arc<Recorder>,
    /// The number of the newest record that was written.
    pub written: watch::Sender<u64>,
    pub record_counter: Arc<RecordCounter>,
    /// What the doors kept over the restart.
    pub saved: SavedState,
    /// The wall clock at the last record before this start.
    pub last_record: Option<jiff::Timestamp>,
    /// What is known of the time.
    pub evidence: Evidence,
    pub broker: Option<Broker>,
    /// `None` unless snapshots are sent.
    pub recent_frames: Option<Arc<RecentFrames>>,
}

/// The connection to the broker.
pub struct Broker {
    pub hub: Arc<Hub>,
    pub outbox: Arc<Outbox>,
    /// The task that records what the broker refuses.
    pub noting: JoinHandle<()>,
}

impl Records {
    /// The hub, if a broker is configured.
    pub fn hub(&self) -> Option<&Arc<Hub>> {
        self.broker.as_ref().map(|broker| &broker.hub)
    }
}

/// The networks of one camera.
pub enum Eyes {
    /// It recognises people, and looks for prints and screens where a door asks for that.
    Recognising { vision: Box<Vision>, passive: Option<PassiveNetworks> },
    /// A second eye only finds faces.
    Finding(Box<FaceFinder>),
}

impl Eyes {
    fn open(config: &Config, camera: &config::Camera, runtime: &Library) -> Result<Eyes> {
        Ok(match camera.recognises() {
            false => Eyes::Finding(Box::new(setup::presentation::finder(config, runtime)?)),
            true => Eyes::Recognising {
                vision: Box::new(setup::vision(config, runtime)?),
                passive: setup::presentation::passive(config, camera, runtime)?,
            },
        })
    }
}

/// Loads the networks, one set for each camera, and the gallery that is compared with them.
pub fn recognition(config: &Config, store: &Store) -> Result<(Recognition, Vec<Eyes>, Library)> {
    let runtime = setup::runtime(config)?;
    let config = &leading::with_embedder_in_force(config, store, &runtime)?;
    let mut eyes = Vec::with_capacity(config.cameras.len());
    for camera in &config.cameras {
        eyes.push(Eyes::open(config, camera, &runtime)?);
    }
    let recognising = eyes.iter().find_map(|eyes| match eyes {
        Eyes::Recognising { vision, passive } => Some((vision, passive)),
        Eyes::Finding(_) => None,
    });
    let Some((first, passive)) = recognising else { bail!("no [[camera]] that recognises people is configured") };
    let head = setup::head::site_head(config, first.entry())?;
    let near_enough = setup::house::near_enough(config, first.entry(), head.as_ref())?;
    let passive = passive.as_ref().map(PassiveNetworks::placements).unwrap_or_default();
    let placements = placements(first.placements().iter().chain(passive));
    let ring = setup::ring(config);
    let gallery = Arc::new(setup::head::gallery(store, &ring, first.entry(), head)?);
    let model = gallery.comparison_id().clone();
    tracing::info!(%model, library = %runtime.library().display(), "models ready");
    for foreign in gallery.foreign()? {
        tracing::warn!("{foreign}");
    }
    let (face_rules, learning) = (setup::face_rules(config, Distance(0.0))?, setup::learning(config)?);
    Ok((Recognition { gallery, near_enough, placements, model, ring, face_rules, learning }, eyes, runtime))
}

fn placements<'a>(placements: impl Iterator<Item = &'a (String, Placement)>) -> Vec<PlacementStatus> {
    placements
        .map(|(model, placement)| {
            if let Some(reason) = &placement.fallback {
                tracing::warn!(%model, asked = %placement.asked, %reason, "runs on the CPU instead");
            }
            PlacementStatus {
                model: model.clone(),
                asked: placement.asked.to_string(),
                on: placement.on.to_string(),
                fallback: placement.fallback.clone(),
                latency_ms: placement.latency.as_secs_f64() * 1000.0,
            }
        })
        .collect()
}

/// What the doors hand decisions to, besides the journal.
#[derive(Default)]
pub struct FaceQueues {
    /// `None` unless faces are kept beside records; with the frames that they are cut from.
    pub beside_records: Option<(FaceQueue, Arc<RecentFrames>)>,
    /// `None` unless faces are kept.
    pub visitors: Option<VisitorQueue>,
    /// `None` unless templates are learned from grants.
    pub learning: Option<(LearningQueue, mpsc::Receiver<Grant>, Learning)>,
}

/// Opens the stores of visitors. The queues are for the doors.
pub fn visitors(
    config: &Config,
    store: &Store,
    recognition: &Recognition,
    base: &Base,
) -> Result<(VisitorStores, FaceQueues)> {
    let ring = &recognition.ring;
    let unknown = Arc::new(Visitors::open(store, ring, setup::keep_visitors(config))?);
    let granted = Arc::new(Visitors::open_granted(store, ring, setup::keep_granted(config))?);
    let faces = Arc::new(FacePictures::open(store, ring, setup::keep_faces(config))?);
    kept_faces::prune(&faces, base.clock.wall());
    for store in [&unknown, &granted] {
        visitors::prune(store, base.clock.wall());
    }
    let keeps = |store: &Visitors| !store.retention().span.is_zero();
    let kinds = KeptKinds { unknown: keeps(&unknown), granted: keeps(&granted) };
    let learning = recognition.learning;
    let mut queues = FaceQueues::default();
    let mut stores = VisitorStores { unknown, granted, faces, recent_faces: None, storing: None };
    if stores.faces.keeps() {
        let frames = Arc::new(RecentFrames::default());
        let (queue, queued) = FaceQueue::new(frames.clone());
        base.tokio.spawn(kept_faces::keep(queued, stores.faces.clone(), base.clock.clone()));
        queues.beside_records = Some((queue, frames));
    }
    if !kinds.unknown && !kinds.granted && learning.is_none() {
        return Ok((stores, queues));
    }
    let recent_faces = Arc::new(RecentFaces::default());
    if kinds.unknown || kinds.granted {
        let (queue, visits) = VisitorQueue::new(recent_faces.clone(), kinds, base.clock.clone());
        let (unknown, granted) = (stores.unknown.clone(), stores.granted.clone());
        stores.storing = Some(base.tokio.spawn(visitors::keep(visits, unknown, granted, base.clock.clone())));
        queues.visitors = Some(queue);
    }
    queues.learning = learning.map(|learning| {
        let (queue, grants) = LearningQueue::new(recent_faces.clone(), base.clock.clone());
        (queue, grants, learning)
    });
    stores.recent_faces = Some(recent_faces);
    Ok((stores, queues))
}

/// Opens the journal, starts the hub, and records the start. The writer is for the doors.
pub fn records(
    config: &Config,
    store: &Store,
    recognition: &Recognition,
    queues: FaceQueues,
    base: &Base,
) -> Result<(Records, JournalWriter, Option<FromBroker>)> {
    let gallery = &recognition.gallery;
    let saved_tree = store.tree(SavedState::TREE)?;
    let saved = SavedState::load(&saved_tree).context("the saved state of the doors cannot be read")?;
    let written = watch::Sender::new(0);
    let journal = setup::journal(config, store)?.with_wake({
        let written = written.clone();
        // Threads may call in another order than they wrote.
        move |seq| {
            written.send_if_modified(|newest| std::mem::replace(newest, seq.max(*newest)) < seq);
        }
    });
    let connected = hub(config, store, gallery, &saved, &journal, base)?;
    let hub = connected.as_ref().map(|connected| connected.hub.clone());
    let FaceQueues { beside_records, visitors: visitor_queue, learning } = queues;
    let (face_queue, frames) = beside_records.unzip();
    let frames = frames.unwrap_or_default();
    let snapshot_queue = snapshots(config, hub.as_ref(), base, &frames);
    let recent_frames = (face_queue.is_some() || snapshot_queue.is_some()).then_some(frames);
    let record_counter = Arc::new(RecordCounter::default());
    let recorder = Arc::new(recorder(config, store, journal, record_counter.clone(), hub, base));
    let (broker, from_broker) = connected
        .map(|Connected { hub, outbox, commands, entries, refusals }| {
            let noting = base.tokio.spawn(broker::record_refusals(refusals, recorder.clone()));
            (Broker { hub, outbox, noting }, FromBroker { commands, entries })
        })
        .unzip();
    let last_record = despite_the_disk(recorder.journal().last())?.flatten();
    let last_record = last_record.and_then(|record| jiff::Timestamp::try_from(record.at).ok());
    record_start(config, gallery, &recorder)?;
    let evidence = clock_evidence(&saved, recorder.journal()).unwrap_or_else(|error| {
        tracing::warn!(%error, "what earlier records show of the time cannot be read");
        saved.time.unwrap_or_default()
    });
    let learning_queue = learning.map(|(queue, grants, learning)| {
        let register = Register::new(gallery.clone(), recorder.clone(), recognition.near_enough.clone());
        base.tokio.spawn(learning::learn(grants, register, learning));
        queue
    });
    let writer = JournalWriter {
        recorder: recorder.clone(),
        saved: saved_tree,
        visitor_queue,
        face_queue,
        learning_queue,
        visits: None,
        snapshot_queue,
    };
    Ok((
        Records { recorder, written, record_counter, saved, last_record, evidence, broker, recent_frames },
        writer,
        from_broker,
    ))
}

struct Connected {
    hub: Arc<Hub>,
    outbox: Arc<Outbox>,
    commands: CommandReceiver,
    entries: Option<mpsc::Receiver<HubEntry>>,
    refusals: mpsc::Receiver<MessageRefusal>,
}

/// Starts the hub; `None` unless a broker is configured.
fn hub(
    config: &Config,
    store: &Store,
    gallery: &Arc<Gallery>,
    saved: &SavedState,
    journal: &Journal,
    base: &Base,
) -> Result<Option<Connected>> {
    let Some((settings, outbox)) = setup::hub(config)?.zip(journal.outbox().cloned()) else { return Ok(None) };
    // What waits in the outbox is older than this start, even if the journal cannot be read.
    let waits = outbox.pending(0, usize::MAX).pop();
    let earlier = journal.last().ok().flatten().map(|record| record.seq).or(waits).unwrap_or_default();
    let (refused, refusals) = mpsc::channel(REFUSALS);
    let takes_entries = config.mqtt.as_ref().is_some_and(|mqtt| mqtt.entries);
    let (entry_queue, entries) = takes_entries.then(|| mpsc::channel(ENTRIES)).unzip();
    let deps = HubDeps {
        layout: DeviceLayout {
            before: broker::before(store, journal, gallery),
            ..broker::layout(config, gallery, saved)
        },
        outbox: Arc::new(JournalOutbox {
            outbox: outbox.clone(),
            journal: Journal::open(store)?,
            gallery: gallery.clone(),
        }),
        earlier,
        clock: base.clock.clone(),
        retained_topics: Arc::new(setup::retained_topics::StoredTopics::open(store)?),
        refused,
        entries: entry_queue,
    };
    let _inside = base.tokio.enter();
    let (hub, commands) = Hub::start(settings, deps);
    Ok(Some(Connected { hub: Arc::new(hub), outbox, commands, entries, refusals }))
}

/// The queue of snapshots, which are cut from `frames`; `None` unless snapshots are sent.
fn snapshots(
    config: &Config,
    hub: Option<&Arc<Hub>>,
    base: &Base,
    frames: &Arc<RecentFrames>,
) -> Option<SnapshotQueue> {
    let settings = config.mqtt.as_ref().map(|mqtt| &mqtt.snapshots).filter(|snapshots| snapshots.enabled)?.clone();
    let (queue, jobs) = SnapshotQueue::new(frames.clone(), settings.shows, config, base.clock.clone());
    base.tokio.spawn(snapshots::encode(jobs, settings, hub?.clone()));
    Some(queue)
}

/// The recorder, which counts each record and passes it to the hub.
fn recorder(
    config: &Config,
    store: &Store,
    journal: Journal,
    record_counter: Arc<RecordCounter>,
    hub: Option<Arc<Hub>>,
    base: &Base,
) -> Recorder {
    let marks = setup::gap_marks(config);
    marks.prepare();
    Recorder::new(store, journal, base.clock.clone()).with_gap_marks(marks).with_listener(move |record| {
        record_counter.count(record);
        if let Some(hub) = &hub {
            hub.happened(&record.recorded());
        }
    })
}

fn record_start(config: &Config, gallery: &Gallery, recorder: &Recorder) -> Result<(), LedgerError> {
    despite_the_disk(recorder.record(&Event::Daemon(DaemonEvent::Started {
        version: env!("CARGO_PKG_VERSION").into(),
        config: blake3::hash(config.to_toml().as_bytes()).to_hex().chars().take(16).collect(),
        model: gallery.comparison_id().clone(),
    })))?;
    despite_the_disk(record_sealing(gallery, recorder))?;
    despite_the_disk(record_locked_templates(gallery, recorder)).map(drop)
}

/// `None` if the disk keeps the journal from being read or written. The daemon starts without it: doors do what they do without a journal,
/// until the disk works again.
fn despite_the_disk<T>(done: Result<T, LedgerError>) -> Result<Option<T>, LedgerError> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(LedgerError::Store(error)) if error.is_disk_failure() => {
            tracing::error!(%error, "starting without the journal");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

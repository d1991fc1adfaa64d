//! The daemon: all threads and tasks, how they are joined, and the order in which they end.
//!
//! ```text
//! camera ──newest frame──► vision ──sightings──► warden ──► relay
//!    ▲────used memory────────┘                     │
//!                                                  └─► journal ──► hub
//! ```
//!
//! Owns no algorithm. The end is the order of ownership: cameras, vision, doors (relays to their safe level), the journal's last
//! record, the hub's `offline`.

mod broker;
mod camera_stage;
pub mod claims;
mod commands;
mod contacts_stage;
mod control;
mod crew;
pub mod doors;
mod figures;
pub mod footprint;
mod gate;
mod health;
mod housekeeping;
mod metrics;
mod recent_frames;
mod reception;
mod records;
mod snapshots;
mod stall;
mod stop;
mod supervisor;
mod tally;
mod vision_stage;
mod visitors;
mod waiting;
mod warden;
pub mod wire;

use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast;

use crate::access::Authority;
use crate::camera::slot::slot;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, OnJournalFailure};
use crate::domain::{Event, Frame, Image};
use crate::door::RelayStop;
use crate::gallery::Visitors;
use crate::hub::{Hub, Means};
use crate::ledger::{Journal, LedgerError};
use crate::office::{Recorder, Register, record_locked_templates, record_sealing};
use crate::setup;
use crate::vision::Vision;

use camera_stage::CameraStage;
use contacts_stage::ContactsStage;
use control::House;
use crew::{Crew, LAST_WAIT, News};
use doors::pen::JournalPen;
use doors::standing::Standing;
use doors::{Doors, DoorsSettings, timekeeping};
use footprint::StoredFootprint;
use gate::OpenDoor;
use recent_frames::RecentFrames;
use reception::{Budget, Entrance, Reception};
use snapshots::Photographer;
use stop::StopToken;
use supervisor::Supervisor;
use tally::Tally;
use vision_stage::VisionStage;
use visitors::{Glimpses, Porter};
use waiting::Waiting;
use warden::{Board, Tiding, Warden};

pub use control::user_name;

/// Sightings that wait for the doors' thread; more are dropped and counted.
const TIDINGS: usize = 64;
/// Refusals of the broker that wait to be written down.
const REFUSALS: usize = 16;
/// Views that wait for somebody who enrols at the camera.
const VIEWS: usize = 8;
/// Relays answer a stop within this time, or are taken for stuck. Drivers answer within a millisecond.
const RELAYS_STOP_WITHIN: Duration = Duration::from_secs(1);

/// How to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// End when every camera is a replay that has come to its end.
    pub until_replays_end: bool,
}

/// Runs the daemon until a signal ends it.
///
/// # Errors
/// Whatever keeps it from starting; later, a stage that died or fell silent. The doors are safe by then.
pub fn run(config: &Config, options: Options) -> Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("the asynchronous runtime cannot be started")?;
    let (news, heard) = channel();
    let relays = RelayStop::default();
    // Signals count from the first moment on, so that a slow start can be interrupted.
    tokio.spawn(listen_for_signals(news.clone(), relays.clone()));

    let store = setup::store_or_stand_by(config)?;
    // Made before anything is written down: a second daemon is refused without a trace, and commands that come during a slow
    // start wait until they are served.
    let socket = &config.control.socket;
    let (listener, socket_file) = {
        let _inside = tokio.enter();
        control::listen(socket, config.control.group.as_deref())
            .with_context(|| format!("the control socket {} cannot be made ([control] socket)", socket.display()))?
    };
    let runtime = setup::runtime(config)?;
    let mut eyes = Vec::with_capacity(config.cameras.len());
    for _ in &config.cameras {
        eyes.push(setup::vision(config, &runtime)?);
    }
    let Some(first) = eyes.first() else { bail!("no [[camera]] is configured") };
    let head = setup::head::site_head(config, first.entry())?;
    let near_enough = setup::house::near_enough(config, first.entry(), head.as_ref())?;
    let placements = placements(first);
    let ring = setup::ring(config);
    let gallery = Arc::new(setup::head::gallery(&store, &ring, first.entry(), head)?);
    let model = gallery.comparison_id().clone();
    tracing::info!(%model, library = %runtime.library().display(), "models ready");
    for foreign in gallery.foreign()? {
        tracing::warn!("{foreign}; `usher enroll --batch` does them all in one go");
    }
    let visitors = Arc::new(Visitors::open(&store, &ring, setup::keep_visitors(config))?);
    visitors::prune(&visitors, clock.wall());
    let keeps_visitors = !visitors.retention().span.is_zero();
    let glimpses = keeps_visitors.then(|| Arc::new(Glimpses::default()));
    let (porter, visits) = glimpses.clone().map(|glimpses| Porter::new(glimpses, clock.clone())).unzip();
    let keeping_visits =
        visits.map(|visits| tokio.spawn(visitors::write_down(visits, visitors.clone(), clock.clone())));
    let standing_tree = store.tree("standing")?;
    let standing = Standing::load(&standing_tree).context("what was kept of the doors cannot be read")?;
    let journal = setup::journal(config, &store)?;
    let outbox = journal.outbox().cloned();
    let (refused, refusals) = tokio::sync::mpsc::channel(REFUSALS);
    let (hub, wishes) = match setup::hub(config)?.zip(outbox.clone()) {
        None => (None, None),
        Some((settings, outbox)) => {
            // What waits is older than this start, also where the journal cannot be read.
            let waits = outbox.pending(0, usize::MAX).pop();
            let earlier = journal.last().ok().flatten().map(|record| record.seq).or(waits).unwrap_or_default();
            let waiting = Waiting { outbox, journal: Journal::open(&store)? };
            let premises = broker::premises(config, &gallery, &standing);
            let _inside = tokio.enter();
            let footprint = Arc::new(StoredFootprint::open(&store)?);
            let (outbox, clock) = (Arc::new(waiting), clock.clone());
            let means = Means { premises, outbox, earlier, clock, footprint, refused };
            let (hub, wishes) = Hub::start(settings, means);
            (Some(Arc::new(hub)), Some(wishes))
        }
    };
    let pictures = config.mqtt.as_ref().and_then(|mqtt| mqtt.snapshots).zip(hub.clone());
    let recent_frames = pictures.as_ref().map(|_| Arc::new(RecentFrames::default()));
    let photographer = pictures.zip(recent_frames.clone()).map(|((settings, hub), frames)| {
        let (photographer, exposures) = Photographer::new(frames, settings.shows, config, clock.clone());
        tokio.spawn(snapshots::develop(exposures, settings, hub));
        photographer
    });
    let tally = Arc::new(Tally::default());
    let recorder = Arc::new({
        let (hub, tally) = (hub.clone(), tally.clone());
        let marks = setup::gap_marks(config);
        marks.prepare();
        Recorder::new(&store, journal, clock.clone()).with_gap_marks(marks).with_listener(move |record| {
            tally.count(record);
            if let Some(hub) = &hub {
                hub.happened(record.seq, &record.kind, &record.time(), &record.content);
            }
        })
    });

    let noting = tokio.spawn(broker::note_refusals(refusals, recorder.clone()));

    let mut crew = Crew::new(news.clone(), clock.clone());
    let (tell, inbox) = sync_channel(TIDINGS);
    let warden_stage = crew.stage("doors", "doors");
    let last_record = despite_the_disk(recorder.journal().last())?.flatten();
    let last_record = last_record.and_then(|record| jiff::Timestamp::try_from(record.at).ok());
    despite_the_disk(recorder.record(&Event::Started {
        version: env!("CARGO_PKG_VERSION").into(),
        config: blake3::hash(config.to_toml().as_bytes()).to_hex()[..16].to_owned(),
        model: model.clone(),
    }))?;
    despite_the_disk(record_sealing(&gallery, &recorder))?;
    despite_the_disk(record_locked_templates(&gallery, &recorder))?;
    let evidence = timekeeping::evidence(&standing, recorder.journal()).unwrap_or_else(|error| {
        tracing::warn!(%error, "what earlier records say of the time cannot be read");
        standing.time.unwrap_or_default()
    });
    let (stop_token, stop) = StopToken::new();
    let rules = setup::house::rules(config)?;
    let mut posts = Vec::with_capacity(config.doors.len());
    for (place, door) in config.doors.iter().enumerate() {
        let wake = tell.clone();
        // A full queue wakes the doors' thread all the same.
        let wake = move || drop(wake.try_send(Tiding::Relay));
        let OpenDoor { post, relay, contacts } = gate::open(config, door, &rules, &standing, &clock, &relays, wake)?;
        posts.push(post);
        let (stage, its_clock) = (crew.stage("relay", &door.name), clock.clone());
        crew.spawn(&format!("relay {}", door.name), false, move || {
            relay.run(|| stage.beat(its_clock.now()));
            Ok(())
        })?;
        if let Some(contacts) = contacts {
            let inputs = ContactsStage {
                door: place,
                contacts,
                tidings: tell.clone(),
                clock: clock.clone(),
                stage: crew.stage("contacts", &door.name),
                stop: stop.clone(),
            };
            crew.spawn(&format!("contacts {}", door.name), false, move || {
                inputs.run();
                Ok(())
            })?;
        }
    }
    claims::leave(config);
    let pen = JournalPen { recorder: recorder.clone(), standing: standing_tree, porter, photographer };
    let pen = stall::patient_pen(&mut crew, pen, recorder.clone(), setup::gap_marks(config), clock.clone())?;
    let doors = Doors::new(
        DoorsSettings {
            posts,
            authority: Authority::new(rules),
            near_enough: near_enough.clone(),
            people: Box::new(gallery.clone()),
            pen: Box::new(pen),
            clock: clock.clone(),
            open_unrecorded: config.journal.on_failure == OnJournalFailure::Allow,
            exit_unrecorded: config.journal.exit_on_failure == OnJournalFailure::Allow,
            short_of_room: {
                let recorder = recorder.clone();
                Box::new(move || recorder.is_low_on_disk())
            },
            last_record,
            evidence,
        },
        &standing,
    );
    let board = Board::default();
    // Nobody who asks early finds a house without doors.
    board.post(&doors);
    let warden = Warden {
        doors,
        cameras: gate::cameras(config),
        clock: clock.clone(),
        stage: warden_stage,
        board: board.clone(),
        show: Box::new(broker::showing(hub.clone())),
        inbox,
    };
    crew.spawn("doors", false, move || {
        warden.run();
        Ok(())
    })?;

    let (views, _) = broadcast::channel(VIEWS);
    for (index, (camera, vision)) in config.cameras.iter().zip(eyes).enumerate() {
        let (frames, newest) = slot::<Frame>();
        let (used, spare) = slot::<Image>();
        let name: Arc<str> = camera.name.as_str().into();
        let seeing = VisionStage {
            camera: name.clone(),
            index,
            vision,
            gallery: gallery.clone(),
            min_face_px: config.access.min_face_px as f32,
            max_age: config.access.max_age,
            track_ends_after: setup::track_ends_after(config),
            frames: newest,
            used,
            tidings: tell.clone(),
            views: views.clone(),
            glimpses: glimpses.clone(),
            recent_frames: recent_frames.clone(),
            clock: clock.clone(),
            stage: crew.stage("vision", &camera.name),
        };
        crew.spawn(&format!("vision {name}"), false, move || seeing.run().map_err(|e| e.to_string()))?;
        let (settings, its_clock) = (camera.clone(), clock.clone());
        let watching = CameraStage {
            name: name.clone(),
            open: Box::new(move || setup::camera(&settings, its_clock.clone())),
            frames,
            used: spare,
            tidings: tell.clone(),
            clock: clock.clone(),
            stage: crew.stage("camera", &camera.name),
            stop: stop.clone(),
        };
        crew.spawn(&format!("camera {name}"), true, move || {
            watching.run();
            Ok(())
        })?;
    }

    if let (Some(hub), Some(outbox)) = (&hub, outbox) {
        let clock = clock.clone();
        let stages = crew.stages().to_vec();
        tokio.spawn(broker::measure(hub.clone(), outbox, gallery.clone(), recorder.clone(), stages, move || {
            clock.now()
        }));
    }
    let house = Arc::new(House {
        register: Register::new(gallery, recorder.clone(), near_enough),
        recorder: recorder.clone(),
        visitors: visitors.clone(),
        stages: crew.stages().to_vec(),
        board: board.clone(),
        tidings: tell.clone(),
        placements,
        hub: hub.clone(),
        tally,
        reception: Reception::default(),
        views,
        clock: clock.clone(),
        device: config.device.name.clone(),
        model: model.to_string(),
    });
    if let (Some(wishes), Some(settings)) = (wishes, config.mqtt.as_ref().and_then(|mqtt| mqtt.commands.as_ref())) {
        let (house, unlock_for) = (house.clone(), settings.unlock_for);
        tokio.spawn(commands::carry_out(wishes, recorder.clone(), move |wish| house.obey(wish, unlock_for)));
    }
    // Everything that stays open is open by now, but for cameras that are still away.
    let budget = Budget::claim(config.cameras.len() + config.doors.len());
    if let Some(address) = config.metrics.listen {
        let listener = tokio
            .block_on(tokio::net::TcpListener::bind(address))
            .with_context(|| format!("the figures cannot be offered on {address} ([metrics] listen)"))?;
        let (router, counts) = (control::figures_router(house.clone()), house.reception.figures.clone());
        tokio.spawn(reception::serve(Entrance::Figures(listener), router, budget.figures, counts));
        tracing::info!(%address, "figures on /metrics");
    }
    let (router, counts) = (control::router(house.clone()), house.reception.control.clone());
    tokio.spawn(reception::serve(Entrance::Control(listener), router, budget.control, counts));
    let keep = setup::keep(config);
    tokio.spawn(housekeeping::run(recorder.clone(), keep, visitors, clock.clone(), news, evidence));
    tracing::info!(socket = %socket.display(), "ready");
    let mut supervisor = Supervisor::new(clock.now());
    supervisor.ready();

    let end = crew.watch(&heard, config.cameras.len(), options, |running, now| {
        supervisor.look(running, &board.read().doors, now);
    });
    let reason = match &end {
        Ok(reason) => (*reason).to_owned(),
        Err(error) => format!("{error:#}"),
    };
    // Safe first, whatever hangs: from here on no relay is energised.
    stop_relays(&relays);
    tracing::info!(%reason, "stopping");
    supervisor.stopping(&reason);
    if let Err(error) = &end {
        finish(&tell, "a stage failed");
        record_within(&recorder, Event::StageFailed { stage: "daemon".into(), reason: format!("{error:#}") });
    }
    drop(stop_token);
    crew.join(|stage| ["camera", "vision", "contacts"].iter().any(|role| stage.starts_with(role)));
    finish(&tell, "the daemon stops");
    drop(tell);
    crew.join(|_| true);
    if let Some(keeping_visits) = keeping_visits {
        // The porter is gone with the doors; what it handed over is still to be written.
        let written = tokio.block_on(async { tokio::time::timeout(LAST_WAIT, keeping_visits).await });
        if written.is_err() {
            tracing::warn!("the last unknown visitors are not kept");
        }
    }
    // The record of the end is the last one.
    noting.abort();
    record_within(&recorder, Event::Stopped { reason });
    drop(socket_file);
    if let Some(hub) = hub {
        tokio.block_on(hub.stop());
    }
    if let Some(outbox) = recorder.journal().outbox()
        && let Err(error) = outbox.flush()
    {
        tracing::warn!(%error, "some events will be sent to the broker once more");
    }
    tokio.shutdown_timeout(Duration::from_secs(1));
    end.map(|_| ())
}

/// Puts all relays at their safe level for good.
fn stop_relays(relays: &RelayStop) {
    let silent = relays.stop(RELAYS_STOP_WITHIN);
    if silent > 0 {
        tracing::error!(relays = silent, "relays do not answer and may still be energised: cut their power");
    }
}

/// Records `event`, and waits for the disk for [`LAST_WAIT`] at most.
fn record_within(recorder: &Arc<Recorder>, event: Event) {
    let (done, written) = channel();
    let recorder = recorder.clone();
    // Not joined: a disk that hangs must not hold up the end.
    std::thread::spawn(move || {
        if let Err(error) = recorder.record(&event) {
            tracing::warn!(%error, "the end is not on record");
        }
        done.send(()).ok();
    });
    if written.recv_timeout(LAST_WAIT).is_err() {
        tracing::error!("the disk has stalled: the end is not on record");
    }
}

/// `None` where the disk keeps the journal from being read or written: the daemon starts all the same, doors do what they do without a
/// journal, and all goes on as soon as the disk is well again.
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

/// Tells the doors' thread to end. It may have ended already; and when it hangs, its queue stays full and must not hold up the
/// daemon's end.
fn finish(tell: &SyncSender<Tiding>, reason: &'static str) {
    let until = Instant::now() + LAST_WAIT;
    loop {
        match tell.try_send(Tiding::Finish { reason }) {
            Ok(()) => return,
            Err(TrySendError::Disconnected(_)) => return tracing::debug!("the doors' thread has ended"),
            Err(TrySendError::Full(_)) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            Err(TrySendError::Full(_)) => return tracing::error!("the doors' thread does not listen"),
        }
    }
}

fn placements(vision: &Vision) -> Vec<wire::PlacementStatus> {
    vision
        .placements()
        .iter()
        .map(|(model, placement)| {
            if let Some(reason) = &placement.fallback {
                tracing::warn!(%model, asked = %placement.asked, %reason, "runs on the CPU instead");
            }
            wire::PlacementStatus {
                model: model.clone(),
                asked: placement.asked.to_string(),
                on: placement.on.to_string(),
                fallback: placement.fallback.clone(),
                latency_ms: placement.latency.as_secs_f64() * 1000.0,
            }
        })
        .collect()
}

/// Each signal puts the relays at their safe level. The first asks for an orderly end; the second ends the process at once.
async fn listen_for_signals(news: Sender<News>, relays: RelayStop) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be listened for");
        return;
    };
    let mut asked = false;
    loop {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        stop_relays(&relays);
        if asked {
            tracing::warn!(signal = name, "second signal: ending at once");
            std::process::exit(130);
        }
        asked = true;
        if news.send(News::Signal(name)).is_err() {
            std::process::exit(130);
        }
    }
}

//! Starts the threads: of each door its relay, its inputs and its readers, one for the rules of all doors, and of each camera its frames and its vision.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use anyhow::{Context, Result};
use tokio::sync::broadcast;

use super::attention::SharedAttention;
use super::camera_stage::CameraStage;
use super::contacts_stage::ContactsStage;
use super::door_thread::{DoorMessage, DoorThread};
use super::doors::door::{Door, UnlockHours};
use super::doors::writer::JournalWriter;
use super::doors::{AskOfFleet, CheckPin, Doors, DoorsSettings};
use super::fleet::Joined;
use super::infrared_stage::InfraredStage;
use super::live::WatchedCamera;
use super::live::aiming::{Aiming, OpenVision};
use super::live::board::LiveBoard;
use super::live::pictures::{PictureTaker, Pictures};
use super::open::{Base, Eyes, Parts};
use super::pin_stage::PinStage;
use super::published_doors::PublishedDoors;
use super::readers_stage::ReaderStage;
use super::second_look::SecondLook;
use super::stage::Role;
use super::threads::{Stop, Threads};
use super::vision_stage::VisionStage;
use super::{broker, stall};
use crate::access::{Authority, Doorway, FleetNews, HouseRules, RULES_WITHIN, Referee};
use crate::api::template::CameraView;
use crate::camera::slot::slot;
use crate::camera::stream::Memory;
use crate::config::{self, Config, OnJournalFailure};
use crate::domain::{CameraIndex, DoorEvent, DoorIndex, Event, Frame, Image};
use crate::door::{Contacts, EntryReader, Panel, Relay, RelayLoop, relay_thread};
use crate::setup;
use crate::vision::attention::AttentionSettings;
use crate::vision::runtime::Runtime;
use crate::vision::second::SecondEmbedder;
use crate::vision::upright::UprightCheck;

/// Messages that wait for the doors' thread. Sightings beyond that are dropped and counted.
const DOOR_QUEUE: usize = 64;
/// Views that wait for an enrolment at a camera.
const VIEWS: usize = 8;

/// The doors' thread, as the other threads see it.
pub struct RunningDoors {
    pub queue: SyncSender<DoorMessage>,
    pub published: PublishedDoors,
    /// The attention of each camera, which the doors direct.
    pub attention: Vec<SharedAttention>,
    /// What people who watch see.
    pub live: LiveBoard,
}

/// Claims the wires of all doors and starts their threads.
pub fn doors(
    config: &Config,
    base: &Base,
    parts: &Parts,
    writer: JournalWriter,
    threads: &mut Threads,
    stop: &Stop,
) -> Result<RunningDoors> {
    let (queue, inbox) = sync_channel(DOOR_QUEUE);
    let stage = threads.stage(Role::Doors, Role::Doors.as_str());
    let rules = setup::house::rules(config)?;
    let mut doors = Vec::with_capacity(config.doors.len());
    for (index, settings) in config.doors.iter().enumerate() {
        let opened = open_door(config, settings, &rules, parts, base, &queue)?;
        doors.push(opened.door);
        let (relay, beat, clock) = (opened.relay, threads.stage(Role::Relay, &settings.name), base.clock.clone());
        threads.spawn(Role::Relay, &settings.name, move || {
            relay.run(|| beat.beat(clock.now()));
            Ok(())
        })?;
        let place = (DoorIndex(index), settings.name.as_str());
        readers(opened.readers, place, base, &queue, threads, stop)?;
        if let Some(contacts) = opened.contacts {
            let inputs = ContactsStage {
                door: DoorIndex(index),
                contacts,
                door_queue: queue.clone(),
                clock: base.clock.clone(),
                stage: threads.stage(Role::Contacts, &settings.name),
                stop: stop.clone(),
            };
            threads.spawn(Role::Contacts, &settings.name, move || {
                inputs.run();
                Ok(())
            })?;
        }
    }
    setup::claims::write(config);
    let names = doors.iter().map(|door| door.name.clone()).collect();
    let (pins, check_pin) = PinStage::new(parts.recognition.gallery.clone(), names, queue.clone());
    threads.spawn(Role::Pins, "", move || {
        pins.run();
        Ok(())
    })?;
    let settings = doors_settings(config, base, parts, doors, rules, (writer, check_pin), threads)?;
    let mut doors = Doors::new(settings, &parts.records.saved);
    for (door, assurance) in setup::liveness::low_assurance(config) {
        let tiers = assurance.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        tracing::warn!(%door, tiers, "this door moves a real lock and does not stop photographs");
        doors.note_event(&Event::Door(DoorEvent::LowAssurance { door, assurance }));
    }
    let published = PublishedDoors::default();
    let name = |camera: &config::Camera| camera.name.as_str().into();
    let shared = |camera: &config::Camera| {
        // A second eye gives every frame: its stage chooses among them.
        let enabled = config.detector.attention && camera.recognises();
        SharedAttention::new(name(camera), AttentionSettings { enabled, ..setup::attention(config) })
    };
    let attention: Vec<_> = config.cameras.iter().map(shared).collect();
    // Published before anything can ask for the doors.
    published.publish(&doors);
    let live = LiveBoard::default();
    let thread = DoorThread {
        doors,
        cameras: setup::house::cameras(config)?,
        eye_of: setup::presentation::eye_of(config),
        attention: attention.clone(),
        clock: base.clock.clone(),
        stage,
        published: published.clone(),
        live: live.clone(),
        show: Box::new(broker::showing(parts.records.hub().cloned())),
        inbox,
    };
    threads.spawn(Role::Doors, Role::Doors.as_str(), move || {
        thread.run();
        Ok(())
    })?;
    Ok(RunningDoors { queue, published, attention, live })
}

/// Starts a thread for each keypad and reader of a door, which is given by its index and its name.
fn readers(
    readers: Vec<Box<dyn EntryReader>>,
    (door, door_name): (DoorIndex, &str),
    base: &Base,
    queue: &SyncSender<DoorMessage>,
    threads: &mut Threads,
    stop: &Stop,
) -> Result<()> {
    for reader in readers {
        let name = format!("{door_name} {}", reader.kind());
        tracing::info!(door = door_name, reader = reader.describe(), "PINs and tags are read");
        let reading = ReaderStage {
            door,
            reader,
            door_queue: queue.clone(),
            clock: base.clock.clone(),
            stage: threads.stage(Role::Reader, &name),
            stop: stop.clone(),
        };
        threads.spawn(Role::Reader, &name, move || {
            reading.run();
            Ok(())
        })?;
    }
    Ok(())
}

fn doors_settings(
    config: &Config,
    base: &Base,
    parts: &Parts,
    doors: Vec<Door>,
    rules: HouseRules,
    (writer, check_pin): (JournalWriter, CheckPin),
    threads: &mut Threads,
) -> Result<DoorsSettings> {
    let recorder = parts.records.recorder.clone();
    let rules_by = parts.fleet.as_ref().map(|_| base.clock.now() + RULES_WITHIN);
    let writer = stall::queued_writer(threads, writer, recorder.clone(), setup::gap_marks(config), base.clock.clone())?;
    Ok(DoorsSettings {
        doors,
        authority: Authority::new(rules).with_fleet(setup::house::fleet_rule(config), rules_by),
        near_enough: parts.recognition.near_enough.clone(),
        people: Box::new(parts.recognition.gallery.clone()),
        writer: Box::new(writer),
        clock: base.clock.clone(),
        second_factor: setup::liveness::second_factor(config),
        check_pin,
        open_unrecorded: config.journal.on_journal_failure == OnJournalFailure::Allow,
        exit_unrecorded: config.journal.exit_on_journal_failure == OnJournalFailure::Allow,
        short_of_room: Box::new(move || recorder.is_low_on_disk()),
        last_record: parts.records.last_record,
        evidence: parts.records.evidence,
        second_eyes: setup::presentation::second_eyes(config),
        ask_of_fleet: ask_of_fleet(parts.fleet.as_ref()),
        places: parts.fleet.as_ref().and_then(|fleet| fleet.places.clone()),
    })
}

/// What is known of the fleet, asked again and again.
fn ask_of_fleet(fleet: Option<&Joined>) -> AskOfFleet {
    let state = fleet.map(|fleet| fleet.state.clone());
    Box::new(move || state.as_ref().map_or_else(FleetNews::default, |state| state.news()))
}

/// A `[[door]]` whose lines are claimed, its relay at the safe level.
struct OpenDoor {
    door: Door,
    /// The body of the relay's thread.
    relay: RelayLoop,
    /// Its inputs, if it has any.
    contacts: Option<Box<dyn Contacts>>,
    readers: Vec<Box<dyn EntryReader>>,
}

/// Claims the lines of a `[[door]]` and takes over what it kept over the restart.
fn open_door(
    config: &Config,
    settings: &config::Door,
    rules: &HouseRules,
    Parts { recognition, records, .. }: &Parts,
    base: &Base,
    queue: &SyncSender<DoorMessage>,
) -> Result<OpenDoor> {
    let wiring = setup::wiring(settings, base.clock.clone())?;
    let relay = Relay::new(wiring.relay, setup::limits(config, settings))?;
    let queue = queue.clone();
    // A full queue wakes the doors' thread as well.
    let wake = move || drop(queue.try_send(DoorMessage::Relay));
    let (handle, relay) = relay_thread(relay, Panel::new(wiring.indicator), base.clock.clone(), &base.relays, wake);
    let has_sensor = settings.sensor.is_some();
    let mode = records.saved.modes.iter().find(|(name, _)| *name == settings.name).map(|(_, mode)| mode.clone());
    let hours = setup::house::unlock_hours(config, settings)?.and_then(|at| rules.schedules.get(at.0));
    let door = Door {
        name: settings.name.as_str().into(),
        // Nothing is near enough until the cut is applied.
        referee: Referee::with_liveness(
            recognition.face_rules.clone(),
            setup::liveness::rules(config, settings),
            setup::liveness::dice(),
        ),
        doorway: Doorway::new(setup::house::doorway(settings, has_sensor), mode.unwrap_or_default()),
        relay: handle,
        interlock: settings.interlock.as_deref().map(Arc::from),
        hours: hours.cloned().map(UnlockHours::new),
        hours_ended: None,
        unrecorded: None,
        unconfirmed: Default::default(),
        level_unknown: false,
        trouble: None,
        inputs_trouble: None,
        prompt: Default::default(),
        sides: Default::default(),
    };
    Ok(OpenDoor { door, relay, contacts: wiring.contacts, readers: wiring.readers })
}

/// The second look of a camera, for a switch of models.
fn second_look(config: &Config, base: &Base, parts: &Parts, runtime: &Runtime) -> SecondLook {
    let (runtime, models) = (runtime.clone(), config.models.path.clone());
    let (asked, threads) = (config.runtime.per_model.embedder.clone(), config.runtime.threads as usize);
    let open = move |name: &str| SecondEmbedder::open(&runtime, &models, name, &asked, threads);
    SecondLook::new(parts.leading.visits.clone(), Box::new(open), base.clock.clone())
}

/// The running cameras, as people see them.
pub struct RunningCameras {
    /// On which enrolments at a camera see its faces.
    pub views: broadcast::Sender<CameraView>,
    pub watched: Vec<WatchedCamera>,
}

/// Starts two threads for each camera, one for its frames and one for its vision.
pub fn cameras(
    config: &Config,
    base: &Base,
    parts: &Parts,
    (eyes, runtime): (Vec<Eyes>, Runtime),
    doors: &RunningDoors,
    threads: &mut Threads,
    stop: &Stop,
) -> Result<RunningCameras> {
    let (views, _) = broadcast::channel(VIEWS);
    let mut watched = Vec::with_capacity(config.cameras.len());
    let open_vision = vision_opener(config, &runtime);
    let cameras = config.cameras.iter().zip(eyes).zip(&doors.attention);
    for (index, ((camera, eyes), attention)) in cameras.enumerate() {
        let (frames, newest) = slot::<Frame>();
        let (used, spare) = slot::<Image>();
        let (name, index) = (attention.camera.clone(), CameraIndex(index));
        let role = match eyes {
            Eyes::Recognising { .. } => Role::Vision,
            Eyes::Finding(_) => Role::SecondEye,
        };
        let stage = threads.stage(role, &camera.name);
        let body: Box<dyn FnOnce() -> Result<()> + Send> = match eyes {
            Eyes::Recognising { vision, passive } => {
                let seeing = VisionStage {
                    camera: name.clone(),
                    index,
                    vision: *vision,
                    gallery: parts.recognition.gallery.clone(),
                    min_face_px: config.access.min_face_px as f32,
                    max_age: config.access.max_age,
                    track_ends_after: setup::track_ends_after(config),
                    frames: newest,
                    used,
                    door_queue: doors.queue.clone(),
                    views: views.clone(),
                    live: doors.live.clone(),
                    recent_faces: parts.visitors.recent_faces.clone(),
                    recent_frames: parts.records.recent_frames.clone(),
                    second: Some(second_look(config, base, parts, &runtime)),
                    passive,
                    attention: attention.clone(),
                    upright: UprightCheck::new(setup::framing(camera)),
                    clock: base.clock.clone(),
                    stage,
                };
                Box::new(move || Ok(seeing.run()?))
            }
            Eyes::Finding(finder) => {
                let colour = doors.attention.iter().find(|other| camera.eye_of.as_deref() == Some(&*other.camera));
                let colour = colour.with_context(|| format!("[[camera]] {}: eye_of names no camera", camera.name))?;
                let seeing = InfraredStage {
                    index,
                    finder: *finder,
                    colour: colour.clone(),
                    sees: camera.eye_sees.map(|side| side as f32),
                    frames: newest,
                    used,
                    door_queue: doors.queue.clone(),
                    clock: base.clock.clone(),
                    stage,
                };
                Box::new(move || Ok(seeing.run()?))
            }
        };
        threads.spawn(role, &camera.name, body)?;
        let (settings, memory, clock) = (camera.clone(), Memory::default(), base.clock.clone());
        let (pictures, tokio) = (Pictures::default(), base.tokio.handle().clone());
        let stage = threads.stage(Role::Camera, &camera.name);
        watched.push(WatchedCamera {
            name: name.clone(),
            door: camera.door.clone(),
            spectrum: camera.spectrum,
            framing: setup::framing(camera),
            pictures: pictures.clone(),
            aiming: Aiming::new(name.clone(), pictures.clone(), open_vision.clone(), tokio.clone()),
            stage: stage.clone(),
        });
        let watching = CameraStage {
            name,
            open: Box::new(move || setup::camera_again(&settings, &memory, clock.clone())),
            frames,
            used: spare,
            door_queue: doors.queue.clone(),
            attention: attention.clone(),
            pictures: PictureTaker::new(pictures, Some(tokio)),
            clock: base.clock.clone(),
            stage,
            stop: stop.clone(),
        };
        threads.spawn(Role::Camera, &camera.name, move || {
            watching.run();
            Ok(())
        })?;
    }
    Ok(RunningCameras { views, watched })
}

/// Opens networks besides those of the cameras.
fn vision_opener(config: &Config, runtime: &Runtime) -> OpenVision {
    let (config, runtime) = (Arc::new(config.clone()), runtime.clone());
    Arc::new(move || setup::vision(&config, &runtime))
}

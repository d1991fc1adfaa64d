//! From the configuration to the rooms' settings, and from those to open devices: for the daemon and the command line.

pub mod claims;
pub mod faces;
pub mod fleet;
pub mod head;
pub mod house;
pub mod liveness;
pub mod models;
pub mod presentation;
pub mod readers;
pub mod retained_topics;
mod self_check;
mod streams;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::civil::Time;
use jiff::tz::TimeZone;

use crate::access::Rules;
use crate::api::attendance::AttendanceSettings;
use crate::api::calendar::{Calendar, NoCalendar};
use crate::api::{NoAttendance, Ruling};
use crate::camera::framed::Framed;
use crate::camera::infrared::Infrared;
use crate::camera::replay::{Replay, ReplaySettings};
use crate::camera::v4l2::{V4l2Camera, V4l2Settings};
use crate::camera::{CameraError, FrameSource, stream};
use crate::clock::Clock;
use crate::config::{self, CameraKind, Config, DoorDriver};
use crate::domain::{Distance, Framing, Spectrum};
use crate::door::{
    self, DoorError, Driver, IndicatorSettings, Input, InputSettings, Limits, OutputSettings, Wiring, WiringSettings,
};
use crate::gallery::Retention;
use crate::hub::home_assistant::HomeAssistantSettings;
use crate::hub::{self, CommandSettings, HubSettings};
use crate::ledger::{self, attendance};
use crate::ledger::{GapMarks, Journal, Outbox, OutboxLimit, RecordRetention};
use crate::office::{DiskSpace, Gates, Learning};
use crate::seal::{self, Ring, SealError, StoreKey};
use crate::store::Store;
use crate::vision::attention::AttentionSettings;
use crate::vision::manifest::{Manifest, Model, Role};
use crate::vision::mtcnn::DetectorSettings;
use crate::vision::pipeline::Accelerators;
use crate::vision::runtime::Runtime;
use crate::vision::{Vision, VisionSettings};

pub use self_check::self_check;

/// Grants teach only faces in the upper part of the calibration's photographs by the length of their embeddings.
const LEARNED_FROM: f64 = 0.5;
/// Faces beside records; at some kilobytes each, about 30 MB.
const MOST_FACES: usize = 5000;
/// How long a camera may be silent before it counts as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(3);

/// Loads the runtime that `[runtime]` names.
pub fn runtime(config: &Config) -> Result<Runtime> {
    Ok(Runtime::load(config.runtime.library.as_deref())?)
}

/// The manifest's entry of the embedder that `[models]` names.
pub fn embedder(config: &Config) -> Result<Model> {
    Ok(Manifest::load(&config.models.path)?.model(&config.models.embedder, Role::Embedder)?.clone())
}

/// Compiles all networks for the accelerators of `[runtime]`, and checks that they find a known face ([`self_check`]).
pub fn vision(config: &Config, runtime: &Runtime) -> Result<Vision> {
    let settings = vision_settings(config);
    let mut vision = Vision::open(runtime, &config.models.path, &settings)?;
    self_check(&mut vision, &settings.detector)?;
    Ok(vision)
}

/// The settings of vision, from `[detector]`, `[models]` and `[runtime]`.
pub fn vision_settings(config: &Config) -> VisionSettings {
    let models = &config.runtime.per_model;
    VisionSettings {
        detector: DetectorSettings {
            min_face_px: config.detector.min_face_px,
            pyramid_factor: config.detector.pyramid_factor as f32,
            thresholds: config.detector.thresholds.map(|score| score as f32),
        },
        embedder: config.models.embedder.clone(),
        accelerators: Accelerators {
            pnet: models.pnet.clone(),
            rnet: models.rnet.clone(),
            onet: models.onet.clone(),
            embedder: models.embedder.clone(),
        },
        threads: config.runtime.threads as usize,
    }
}

/// The rules for faces, from `[access]`, with `distance` as the limit.
pub fn face_rules(config: &Config, distance: Distance) -> Result<Rules> {
    let access = &config.access;
    let model = embedder(config)?;
    let site_head = head::site_head(config, &model)?;
    Ok(Rules {
        distance,
        margin: access.margin as f32,
        frames_agree: access.frames_agree,
        frames_window: access.frames_window,
        window: access.window,
        max_age: access.max_age,
        cooldown: access.cooldown,
        repeat_denial: access.repeat_denial,
        min_face_px: access.min_face_px as f32,
        min_sharpness: access.min_sharpness as f32,
        max_yaw_deg: access.max_yaw_deg as f32,
        max_pitch_deg: access.max_pitch_deg as f32,
        min_length: house::least_length(config, &model, access.ignore_weakest)?,
        same_person: house::same_person(config, &model, site_head.as_ref())?,
    })
}

/// How long a face may be out of sight before it counts as a new one: a second, or the widest gap between frames that can still agree within
/// `[access] window`. Otherwise a board that needs seconds for a frame would see a new face in each one, and nobody would pass.
pub fn track_ends_after(config: &Config) -> Duration {
    let gaps = config.access.frames_agree.saturating_sub(1).max(1);
    Duration::from_secs(1).max(config.access.window / gaps)
}

/// How attention is paid to frames, from `[detector]` and `[access]`.
pub fn attention(config: &Config) -> AttentionSettings {
    AttentionSettings {
        enabled: config.detector.attention,
        track_ends_after: track_ends_after(config),
        window: config.access.window,
    }
}

/// The limits for templates, from `[enroll]`.
pub fn gates(config: &Config) -> Result<Gates> {
    let enroll = &config.enroll;
    Ok(Gates {
        min_face_px: enroll.min_face_px as f32,
        min_sharpness: enroll.min_sharpness as f32,
        max_yaw_deg: enroll.max_yaw_deg as f32,
        max_pitch_deg: enroll.max_pitch_deg as f32,
        min_length: house::least_length(config, &embedder(config)?, enroll.refuse_weakest)?,
    })
}

/// Strict, because a person in two groups is easily noticed, but two people in one group may be enrolled as one. (docs/datasets.md has the
/// results of other distances.)
const ONE_VISITOR_FMR: f64 = 0.00001;

/// The largest mean distance within a group of faces that count as one visitor, where nobody names another.
///
/// # Errors
/// The manifest has no measured distance for the model.
pub fn one_visitor(model: &Model) -> Result<Distance> {
    match model.operating_point(ONE_VISITOR_FMR) {
        Some(point) => Ok(point.distance()),
        None => bail!("the manifest has no measured distance for {}: give --distance", model.name),
    }
}

/// Opens a `[[camera]]` for a moment, with its pictures turned upright and cropped. An infra-red one that recognises people gives its lit frames only,
/// grey.
pub fn camera(camera: &config::Camera, clock: Arc<dyn Clock>) -> Result<Box<dyn FrameSource>, CameraError> {
    camera_again(camera, &stream::Memory::default(), clock)
}

/// As [`camera`], of a camera of which it is remembered what it has shown before.
pub fn camera_again(
    camera: &config::Camera,
    memory: &stream::Memory,
    clock: Arc<dyn Clock>,
) -> Result<Box<dyn FrameSource>, CameraError> {
    let (mut source, framing) = (raw_camera(camera, memory, clock)?, framing(camera));
    if camera.spectrum == Spectrum::Infrared && camera.recognises() {
        source = Box::new(Infrared::new(source));
    }
    Ok(if framing.is_plain() { source } else { Box::new(Framed::new(source, framing)) })
}

/// How the pictures of a `[[camera]]` are turned, mirrored and cropped.
pub fn framing(camera: &config::Camera) -> Framing {
    Framing { rotation: camera.rotate, mirror: camera.mirror, crop: camera.crop.map(|side| side as f32) }
}

fn raw_camera(
    camera: &config::Camera,
    memory: &stream::Memory,
    clock: Arc<dyn Clock>,
) -> Result<Box<dyn FrameSource>, CameraError> {
    Ok(match camera.kind {
        CameraKind::V4l2 => {
            let settings = V4l2Settings {
                device: camera.device.display().to_string(),
                identity: camera.identity.clone(),
                width: camera.width,
                height: camera.height,
                fps: camera.fps,
                format: camera.format,
                // An infra-red camera's emitter is its light.
                expose_for_faces: camera.expose_for_faces && camera.spectrum == Spectrum::Visible,
                stuck_after: STUCK_AFTER,
            };
            Box::new(V4l2Camera::open(&settings, clock)?)
        }
        CameraKind::Replay => {
            let interval = Duration::from_secs(1) / camera.fps.max(1);
            Box::new(Replay::open(&camera.path, ReplaySettings { interval, looping: camera.r#loop }, clock)?)
        }
        CameraKind::Stream | CameraKind::Libcamera | CameraKind::Argus => {
            stream::open(&streams::settings(camera)?, memory, clock)?
        }
    })
}

/// The limits of a `[[door]]`'s relay.
pub fn limits(config: &Config, door: &config::Door) -> Limits {
    Limits { max_age: config.access.max_age, max_on: door.max_on, max_hold: door.max_hold }
}

/// Claims the lines of a `[[door]]`.
pub fn wiring(door: &config::Door, clock: Arc<dyn Clock>) -> Result<Wiring, DoorError> {
    door::open(&wiring_settings(door), clock)
}

/// The wiring of a `[[door]]`.
pub fn wiring_settings(door: &config::Door) -> WiringSettings {
    let relay = door.relay.clone().unwrap_or_default();
    WiringSettings {
        door: door.name.clone(),
        driver: match door.driver {
            DoorDriver::Simulated => {
                Driver::Simulated { inputs: door.simulated.as_ref().map(|played| played.inputs.clone()) }
            }
            DoorDriver::Rppal => Driver::Rppal,
            DoorDriver::Gpiocdev => Driver::Gpiocdev { chip: door.chip.clone() },
        },
        relay: OutputSettings { line: relay.line, active: relay.active },
        indicator: door.indicator.clone().map(|config::Indicator { granted, denied, fault, left, right, active }| {
            IndicatorSettings { granted, denied, fault, left, right, active }
        }),
        inputs: inputs(door),
        readers: readers::settings(door),
    }
}

fn inputs(door: &config::Door) -> Vec<(Input, InputSettings)> {
    let sensor = door.sensor.clone().map(|config::Sensor { line, contact, pull, debounce }| {
        (Input::Sensor, InputSettings { line, contact, pull, debounce })
    });
    let exit_button = door.exit_button.clone().map(|config::ExitButton { line, contact, pull, debounce }| {
        (Input::ExitButton, InputSettings { line, contact, pull, debounce })
    });
    let tamper = door.tamper.clone().map(|config::Tamper { line, contact, pull, debounce }| {
        (Input::Tamper, InputSettings { line, contact, pull, debounce })
    });
    [sensor, exit_button, tamper].into_iter().flatten().collect()
}

/// Opens the journal in `store`. With a broker, each record goes into the outbox as well.
pub fn journal(config: &Config, store: &Store) -> Result<Journal> {
    let journal = Journal::open(store)?;
    let Some(mqtt) = &config.mqtt else { return Ok(journal) };
    let limit = OutboxLimit { bytes: mqtt.outbox_max, ..OutboxLimit::default() };
    Ok(journal.with_outbox(Arc::new(Outbox::open(store, limit)?)))
}

/// Opens the store for the daemon. Where the disk prevents that, its second copy is served from memory, without the journal, from the folder of
/// the control socket.
pub fn store_or_stand_by(config: &Config) -> Result<Store> {
    let memory = config.control.socket.parent().unwrap_or(Path::new("/run"));
    Ok(Store::open_or_stand_by(&config.store.path, memory, &ledger::TREES)?)
}

/// The folder of the page's own certificate: beside the store, so that a restored store keeps the certificate of its machine.
pub fn web_folder(config: &Config) -> PathBuf {
    let mut folder = config.store.path.clone().into_os_string();
    folder.push("-web");
    folder.into()
}

/// Where events are marked that could not be recorded: in `[journal] gap_path`, and in the folder of the control socket. The latter is in memory
/// on most devices: it is lost with the power, but it works when no disk does.
pub fn gap_marks(config: &Config) -> GapMarks {
    let beside = || {
        let mut name = config.store.path.as_os_str().to_owned();
        name.push("-gap");
        PathBuf::from(name)
    };
    let own = Some(config.journal.gap_path.clone()).filter(|path| !path.as_os_str().is_empty()).unwrap_or_else(beside);
    let volatile = config.control.socket.parent().map(|folder| folder.join("gap"));
    GapMarks::new(volatile.into_iter().chain([own]).collect())
}

/// The key ring of the store, with the key of `[store] key_file`. A fault of either is a state of the ring, not an error.
pub fn ring(config: &Config) -> Arc<Ring> {
    Arc::new(Ring::open(&config.store.path, store_key(config)))
}

/// The key of `[store] key_file`; `None` where that is the default credential and systemd has passed none.
pub fn store_key(config: &Config) -> Result<Option<StoreKey>, SealError> {
    let named = &config.store.key_file;
    let path = credential(named);
    if !is_credential(named) {
        seal::finish_key_change(&config.store.path, &path)?;
        return StoreKey::load(&path).map(Some);
    }
    let passed = path != *named;
    match passed && path.exists() {
        true => StoreKey::load_credential(&path).map(Some),
        false if named == Path::new(config::STORE_KEY) => Ok(None),
        false => Err(SealError::KeyUnreadable { path, why: "systemd has passed no such credential".to_owned() }),
    }
}

/// How long and how much the journal keeps, from `[journal]`.
pub fn keep(config: &Config) -> RecordRetention {
    let age = config.journal.keep.0.map(|days| Duration::from_secs(u64::from(days) * 86_400));
    let bytes = match config.journal.max_size {
        config::MaxSize::Auto => Some(DiskSpace::share_of_journal(&config.store.path)),
        config::MaxSize::Any => None,
        config::MaxSize::Bytes(bytes) => Some(bytes),
    };
    RecordRetention { age, bytes }
}

/// How long unknown visitors are kept, from `[gallery]`.
pub fn keep_visitors(config: &Config) -> Retention {
    Retention { span: config.gallery.keep_unknown, most: config.gallery.keep_unknown_most as usize }
}

/// How long faces are kept beside records, and how many, from `[web]`: none while there is no page to show them.
pub fn keep_faces(config: &Config) -> Retention {
    let span = if config.web.enabled { config.web.keep_faces } else { Duration::ZERO };
    Retention { span, most: MOST_FACES }
}

/// How long faces that a door opened for are kept, from `[gallery]`.
pub fn keep_granted(config: &Config) -> Retention {
    Retention { span: config.gallery.keep_granted, most: config.gallery.keep_granted_most as usize }
}

/// The least length of an embedding that becomes a template after a grant; `None` if nothing is learned from grants, or if lengths are not
/// measured for the model in use.
pub fn learning(config: &Config) -> Result<Option<Learning>> {
    if !config.enroll.learn_from_grants {
        return Ok(None);
    }
    let length = house::least_length(config, &embedder(config)?, LEARNED_FROM)?;
    if length.is_none() {
        tracing::warn!("[enroll] learn_from_grants has no effect: the calibration of this model has no lengths");
    }
    Ok(length.map(|min_length| Learning { min_length, margin: config.access.margin as f32 }))
}

/// The rules of attendance, from `[attendance]`.
pub fn attendance(config: &Config) -> Result<attendance::Rules> {
    let settings = &config.attendance;
    let zone = match &settings.time_zone {
        None => house::time_zone(config)?,
        Some(name) => TimeZone::get(name).with_context(|| {
            format!("[attendance] time_zone {name:?} is not known; write it as in \"Europe/Berlin\"")
        })?,
    };
    let start = settings.day_starts.0;
    Ok(attendance::Rules {
        method: settings.method,
        double_read: settings.double_read.try_into()?,
        day_starts: Time::new((start / 60) as i8, (start % 60) as i8, 0, 0)?,
        zone,
        long_day: settings.long_day.try_into()?,
        longest_stint: settings.longest_stint.max(settings.long_day).try_into()?,
    })
}

/// The calendar by which commands read and show days.
pub fn calendar(config: &Config) -> Result<Calendar, NoCalendar> {
    let calendar = || Ok(Calendar::new(&house::time_zone(config)?, &attendance(config)?));
    calendar().map_err(|error: anyhow::Error| NoCalendar(format!("{error:#}")))
}

/// What the API computes attendance by. Where a list of holidays cannot be read, only attendance fails.
pub fn attendance_settings(config: &Config) -> Result<AttendanceSettings, NoAttendance> {
    let settings = || -> Result<AttendanceSettings> {
        Ok(AttendanceSettings {
            rules: attendance(config)?,
            house: house::rules(config)?,
            doors: config.doors.iter().map(|door| door.name.clone()).collect(),
        })
    };
    settings().map_err(|error| NoAttendance { why: format!("{error:#}") })
}

/// What follows from the rules in force, for the API.
pub fn ruling(in_force: &fleet::InForce) -> Ruling {
    let (config, origin) = (&in_force.config, in_force.origin.clone());
    Ruling { house: house::known(config), attendance: attendance_settings(config), origin }
}

/// The hub's settings, from `[mqtt]`. Reads the files of user and password.
pub fn hub(config: &Config) -> Result<Option<HubSettings>> {
    let Some(mqtt) = &config.mqtt else { return Ok(None) };
    let secret = |file: &Option<PathBuf>, key| file.as_deref().map(|path| first_line(path, key)).transpose();
    Ok(Some(HubSettings {
        host: mqtt.host.clone(),
        port: mqtt.port,
        version: mqtt.version,
        tls: mqtt.tls.enabled.then(|| {
            let client = mqtt.tls.client_cert_file.as_deref().zip(mqtt.tls.client_key_file.as_deref());
            hub::TlsSettings {
                ca_file: mqtt.tls.ca_file.as_deref().map(credential),
                client: client.map(|(certificate, key)| (credential(certificate), credential(key))),
            }
        }),
        client_id: mqtt.client_id.clone(),
        username: secret(&mqtt.username_file, "username_file")?.or_else(|| mqtt.username.clone()),
        password: secret(&mqtt.password_file, "password_file")?,
        keep_alive: mqtt.keep_alive,
        clean_start: mqtt.clean_start,
        session_expiry: mqtt.session_expiry,
        prefix: mqtt.prefix.clone(),
        device: config.device.name.clone(),
        home_assistant: mqtt.home_assistant.enabled.then(|| HomeAssistantSettings {
            discovery_prefix: mqtt.home_assistant.discovery_prefix.clone(),
            people: mqtt.home_assistant.people,
            nearest: mqtt.home_assistant.nearest,
            page: config.web.url.clone().filter(|_| config.web.enabled),
        }),
        commands: mqtt
            .commands
            .enabled
            .then_some(CommandSettings { max_age: mqtt.commands.max_age, per_minute: mqtt.commands.per_minute }),
        snapshots: mqtt.snapshots.enabled,
    }))
}

/// The path of a file that `[mqtt]` or `[store]` names: without a slash it is a credential, which systemd keeps in a folder of its own
/// (systemd.exec(5), `LoadCredential=`).
fn credential(path: &Path) -> PathBuf {
    match std::env::var_os("CREDENTIALS_DIRECTORY") {
        Some(folder) if is_credential(path) => Path::new(&folder).join(path),
        _ => path.to_owned(),
    }
}

/// Whether a file is named as a systemd credential.
pub fn is_credential(path: &Path) -> bool {
    path.components().count() == 1 && !path.is_absolute()
}

fn first_line(path: &Path, key: &str) -> Result<String> {
    let path = credential(path);
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("[mqtt] {key} {} cannot be read", path.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_face_is_tracked_across_the_widest_gap_between_agreeing_frames() {
        let ends_after = |access: &str| {
            let rest = "[[door]]\nname = \"front\"\n[[camera]]\nname = \"porch\"\nkind = \"v4l2\"\n";
            track_ends_after(&Config::from_toml(&format!("[access]\n{access}\n{rest}")).unwrap()).as_millis()
        };
        assert_eq!(ends_after(""), 1000);
        assert_eq!(ends_after("window = \"9s\""), 4500);
        assert_eq!(ends_after("window = \"9s\"\nframes_agree = 4"), 3000);
        assert_eq!(ends_after("window = \"9s\"\nframes_agree = 1"), 9000);
    }
}

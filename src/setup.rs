//! From the configuration to the rooms' own settings, and from those to open devices.
//!
//! The one place that knows both sides; used by the daemon and the command line.

pub mod head;
pub mod house;
mod self_check;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::civil::Time;
use jiff::tz::TimeZone;

use crate::access::Rules;
use crate::camera::replay::{Replay, ReplaySettings};
use crate::camera::v4l2::{self, V4l2Camera, V4l2Settings};
use crate::camera::{CameraError, FrameSource};
use crate::clock::Clock;
use crate::config::{self, Config, DoorDriver, Source};
use crate::domain::Distance;
use crate::door::{
    self, DoorError, Driver, IndicatorSettings, Input, InputSettings, Limits, OutputSettings, Wiring, WiringSettings,
};
use crate::gallery::Retention;
use crate::hub::home_assistant::HomeAssistantSettings;
use crate::hub::{self, CommandSettings, HubSettings};
use crate::ledger::{self, attendance};
use crate::ledger::{GapMarks, Journal, Keep, Outbox, OutboxLimit};
use crate::office::{DiskSpace, Gates};
use crate::seal::{self, Ring, SealError, StoreKey};
use crate::store::Store;
use crate::vision::manifest::{Manifest, Model, Role};
use crate::vision::mtcnn::DetectorSettings;
use crate::vision::pipeline::Accelerators;
use crate::vision::runtime::{Accelerator, Runtime};
use crate::vision::{Vision, VisionSettings};

pub use self_check::self_check;

/// How long a camera may be silent before it counts as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(3);

/// The runtime that `[runtime]` names.
pub fn runtime(config: &Config) -> Result<Runtime> {
    Ok(Runtime::load(config.runtime.library.as_deref())?)
}

/// What the manifest says of the embedder that `[models]` names.
pub fn embedder(config: &Config) -> Result<Model> {
    Ok(Manifest::load(&config.models.path)?.model(&config.models.embedder, Role::Embedder)?.clone())
}

/// All networks, compiled on what `[runtime]` asks for, after they found a face that is known to be there ([`self_check`]).
pub fn vision(config: &Config, runtime: &Runtime) -> Result<Vision> {
    let settings = vision_settings(config);
    let mut vision = Vision::open(runtime, &config.models.path, &settings)?;
    self_check(&mut vision, &settings.detector)?;
    Ok(vision)
}

/// `[detector]`, `[models]` and `[runtime]` as vision wants them.
pub fn vision_settings(config: &Config) -> VisionSettings {
    let models = &config.runtime.per_model;
    VisionSettings {
        detector: DetectorSettings {
            min_face_px: config.detector.min_face_px,
            pyramid_factor: config.detector.pyramid_factor,
            thresholds: config.detector.thresholds,
        },
        embedder: config.models.embedder.clone(),
        accelerators: Accelerators {
            pnet: accelerator(&models.pnet),
            rnet: accelerator(&models.rnet),
            onet: accelerator(&models.onet),
            embedder: accelerator(&models.embedder),
        },
        threads: config.runtime.threads as usize,
    }
}

fn accelerator(asked: &config::Accelerator) -> Accelerator {
    match asked {
        config::Accelerator::Auto => Accelerator::Auto,
        config::Accelerator::Cpu => Accelerator::Cpu,
        config::Accelerator::Gpu => Accelerator::Gpu,
        config::Accelerator::Npu => Accelerator::Npu,
        config::Accelerator::Delegate(path) => Accelerator::Delegate(path.clone()),
    }
}

/// `[access]` about faces; near enough is at most `distance`.
pub fn face_rules(config: &Config, distance: Distance) -> Rules {
    let access = &config.access;
    Rules {
        distance,
        margin: access.margin,
        frames_agree: access.frames_agree,
        frames_window: access.frames_window,
        window: access.window,
        max_age: access.max_age,
        cooldown: access.cooldown,
        repeat_denial: access.repeat_denial,
        min_face_px: access.min_face_px as f32,
        min_sharpness: access.min_sharpness,
        max_yaw_deg: access.max_yaw_deg,
        max_pitch_deg: access.max_pitch_deg,
    }
}

/// A face that is out of sight for this long is a new face when it returns: a second, or as long as the frames may lie apart that have to
/// agree within `[access] window`. A board that needs seconds for a frame would see a new face in each one otherwise, and nobody would pass.
pub fn track_ends_after(config: &Config) -> Duration {
    let gaps = config.access.frames_agree.saturating_sub(1).max(1);
    Duration::from_secs(1).max(config.access.window / gaps)
}

/// `[enroll]` as the office wants it.
pub fn gates(config: &Config) -> Gates {
    let enroll = &config.enroll;
    Gates {
        min_face_px: enroll.min_face_px as f32,
        min_sharpness: enroll.min_sharpness,
        max_yaw_deg: enroll.max_yaw_deg,
        max_pitch_deg: enroll.max_pitch_deg,
    }
}

/// Opens a `[[camera]]`.
pub fn camera(camera: &config::Camera, clock: Arc<dyn Clock>) -> Result<Box<dyn FrameSource>, CameraError> {
    Ok(match &camera.source {
        Source::V4l2 { device, identity, width, height, fps, format } => {
            let settings = V4l2Settings {
                device: device.display().to_string(),
                identity: identity.clone(),
                width: *width,
                height: *height,
                fps: *fps,
                format: match format {
                    config::PixelFormat::Auto => v4l2::PixelFormat::Auto,
                    config::PixelFormat::Yuyv => v4l2::PixelFormat::Yuyv,
                    config::PixelFormat::Mjpeg => v4l2::PixelFormat::Mjpeg,
                },
                stuck_after: STUCK_AFTER,
            };
            Box::new(V4l2Camera::open(&settings, clock)?)
        }
        Source::Replay { path, fps, repeat } => {
            let interval = Duration::from_secs(1) / (*fps).max(1);
            Box::new(Replay::open(path, ReplaySettings { interval, looping: *repeat }, clock)?)
        }
    })
}

/// What a `[[door]]`'s relay never exceeds.
pub fn limits(config: &Config, door: &config::Door) -> Limits {
    Limits { max_age: config.access.max_age, max_on: door.max_on, max_hold: door.max_hold }
}

/// Claims the lines of a `[[door]]`.
pub fn wiring(door: &config::Door, clock: Arc<dyn Clock>) -> Result<Wiring, DoorError> {
    door::open(&wiring_settings(door), clock)
}

/// The wiring of a `[[door]]` as the door wants it.
pub fn wiring_settings(door: &config::Door) -> WiringSettings {
    let wiring = &door.wiring;
    let contacts =
        [(Input::Sensor, &wiring.sensor), (Input::ExitButton, &wiring.exit_button), (Input::Tamper, &wiring.tamper)];
    let input =
        |(input, contact): (Input, &Option<config::Contact>)| contact.as_ref().map(|c| (input, contact_settings(c)));
    WiringSettings {
        door: door.name.clone(),
        driver: match &wiring.driver {
            DoorDriver::Simulated { inputs } => Driver::Simulated { inputs: inputs.clone() },
            DoorDriver::Rppal => Driver::Rppal,
            DoorDriver::Gpiocdev { chip } => Driver::Gpiocdev { chip: chip.clone() },
        },
        relay: OutputSettings {
            line: wiring.relay.as_ref().and_then(|relay| line(&relay.line)),
            active: wiring.relay.as_ref().map_or(door::Active::High, |relay| active(relay.active)),
        },
        indicator: wiring.indicator.as_ref().map(|lamps| IndicatorSettings {
            granted: line(&lamps.granted),
            denied: line(&lamps.denied),
            fault: line(&lamps.fault),
            active: active(lamps.active),
        }),
        inputs: contacts.into_iter().filter_map(input).collect(),
    }
}

fn contact_settings(contact: &config::Contact) -> InputSettings {
    InputSettings {
        line: line(&contact.line),
        contact: match contact.normally_closed {
            true => door::Contact::NormallyClosed,
            false => door::Contact::NormallyOpen,
        },
        pull: match contact.pull {
            config::Pull::Up => door::Pull::Up,
            config::Pull::Down => door::Pull::Down,
            config::Pull::None => door::Pull::None,
        },
        debounce: contact.debounce,
    }
}

fn line(line: &Option<config::LineId>) -> Option<door::LineId> {
    line.as_ref().map(|line| match line {
        config::LineId::Number(number) => door::LineId::Number(*number),
        config::LineId::Name(name) => door::LineId::Name(name.clone()),
    })
}

fn active(active: config::Active) -> door::Active {
    match active {
        config::Active::High => door::Active::High,
        config::Active::Low => door::Active::Low,
    }
}

/// The journal in `store`; with a broker, each record goes into the outbox, too.
pub fn journal(config: &Config, store: &Store) -> Result<Journal> {
    let journal = Journal::open(store)?;
    let Some(mqtt) = &config.mqtt else { return Ok(journal) };
    let limit = OutboxLimit { bytes: mqtt.outbox_max, ..OutboxLimit::default() };
    Ok(journal.with_outbox(Arc::new(Outbox::open(store, limit)?)))
}

/// The store for the daemon: where its disk keeps it from being opened, its second copy serves from memory, in the folder of the control
/// socket. The journal stays out of memory.
pub fn store_or_stand_by(config: &Config) -> Result<Store> {
    let memory = config.control.socket.parent().unwrap_or(Path::new("/run"));
    Ok(Store::open_or_stand_by(&config.store.path, memory, &ledger::TREES)?)
}

/// Where is marked what could not be written down: in `[journal] gap_path`, and in the folder of the control socket, which lies in memory on
/// most devices. That one loses it with the power, but takes it when no disk does.
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

/// The key ring of the store, with the key of `[store] key_file`. Whatever is wrong with either is the ring's state.
pub fn ring(config: &Config) -> Arc<Ring> {
    Arc::new(Ring::open(&config.store.path, store_key(config)))
}

/// The key of `[store] key_file`; `None` where it is the credential's usual name and systemd has passed none.
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

/// `[journal]` as retention wants it.
pub fn keep(config: &Config) -> Keep {
    let age = config.journal.keep_days.map(|days| Duration::from_secs(u64::from(days) * 86_400));
    let bytes = match config.journal.max_size {
        config::MaxSize::Auto => Some(DiskSpace::share_of_journal(&config.store.path)),
        config::MaxSize::Any => None,
        config::MaxSize::Bytes(bytes) => Some(bytes),
    };
    Keep { age, bytes }
}

/// `[gallery]` as the visitors want it.
pub fn keep_visitors(config: &Config) -> Retention {
    Retention { span: config.gallery.keep_unknown, most: config.gallery.keep_unknown_most as usize }
}

/// `[attendance]` as the ledger wants it.
pub fn attendance(config: &Config) -> Result<attendance::Rules> {
    let settings = &config.attendance;
    let zone = match &settings.time_zone {
        None => house::time_zone(config)?,
        Some(name) => TimeZone::get(name).with_context(|| {
            format!("[attendance] time_zone {name:?} is not known; write it as in \"Europe/Berlin\"")
        })?,
    };
    let start = settings.day_starts_min;
    Ok(attendance::Rules {
        method: match settings.method {
            config::AttendanceMethod::Side => attendance::Method::Side,
            config::AttendanceMethod::Alternate => attendance::Method::Alternate,
            config::AttendanceMethod::FirstLast => attendance::Method::FirstLast,
        },
        double_read: settings.double_read.try_into()?,
        day_starts: Time::new((start / 60) as i8, (start % 60) as i8, 0, 0)?,
        zone,
        long_day: settings.long_day.try_into()?,
        longest_stint: settings.longest_stint.max(settings.long_day).try_into()?,
    })
}

/// `[mqtt]` as the hub wants it; reads the files of user and password.
pub fn hub(config: &Config) -> Result<Option<HubSettings>> {
    let Some(mqtt) = &config.mqtt else { return Ok(None) };
    let secret = |file: &Option<PathBuf>, key| file.as_deref().map(|path| first_line(path, key)).transpose();
    Ok(Some(HubSettings {
        host: mqtt.host.clone(),
        port: mqtt.port,
        version: match mqtt.version {
            config::MqttVersion::V5 => hub::Version::V5,
            config::MqttVersion::V311 => hub::Version::V311,
        },
        tls: mqtt.tls.as_ref().map(|tls| {
            let client = tls.client_cert_file.as_deref().zip(tls.client_key_file.as_deref());
            hub::TlsSettings {
                ca_file: tls.ca_file.as_deref().map(credential),
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
        home_assistant: mqtt.home_assistant.as_ref().map(|home_assistant| HomeAssistantSettings {
            discovery_prefix: home_assistant.discovery_prefix.clone(),
            people: match home_assistant.people {
                config::PeopleAs::Nobody => hub::home_assistant::PeopleAs::Nobody,
                config::PeopleAs::DeviceTracker => hub::home_assistant::PeopleAs::DeviceTracker,
                config::PeopleAs::Tag => hub::home_assistant::PeopleAs::Tag,
            },
        }),
        commands: mqtt
            .commands
            .as_ref()
            .map(|commands| CommandSettings { max_age: commands.max_age, per_minute: commands.per_minute }),
        snapshots: mqtt.snapshots.is_some(),
    }))
}

/// A file as `[mqtt]` and `[store]` name it: without a slash it is a credential that systemd has put into a folder of its own
/// (systemd.exec(5), `LoadCredential=`).
fn credential(path: &Path) -> PathBuf {
    match std::env::var_os("CREDENTIALS_DIRECTORY") {
        Some(folder) if is_credential(path) => Path::new(&folder).join(path),
        _ => path.to_owned(),
    }
}

/// Whether a file is named as a credential of systemd.
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
    fn a_face_is_followed_as_long_as_the_frames_that_agree_may_lie_apart() {
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

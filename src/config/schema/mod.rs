//! Every key with its default and its range, section by section, and the checks between keys. What a key means stands at its
//! field in [`super::settings`].
//!
//! Knows nothing of how a value is written and found.

mod access;
mod camera;
mod door;
mod journal;
mod mqtt;
mod passing;
mod rules;
mod wiring;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::Config;
use super::reader::{Reader, Section};
use super::settings::*;
use super::text::quote;
use super::tree::{Table, Value};
use access::access;
use camera::camera;
use door::door;
use journal::{attendance, journal};
use mqtt::{metrics, mqtt};
use rules::{group, name, seconds, socket};

/// The credential of systemd that holds the store's key.
pub const STORE_KEY: &str = "usher.store-key";
/// Where the control socket is where the configuration names no other place.
pub const CONTROL_SOCKET: &str = "/run/usher/usher.sock";

/// The sections of the root, for the message about an unknown one.
const SECTIONS: [&str; 19] = [
    "device",
    "time",
    "store",
    "journal",
    "attendance",
    "models",
    "runtime",
    "detector",
    "access",
    "enroll",
    "gallery",
    "door",
    "camera",
    "schedule",
    "permit",
    "mqtt",
    "metrics",
    "control",
    "log",
];

/// Reads every section of `root`. With problems noted in `reader`, the result is of no use.
pub(super) fn config(reader: &mut Reader, mut root: Table) -> Config {
    let root = &mut root;
    let device = device(reader.section(root, "device"));
    let time = time(reader.section(root, "time"));
    let store = store(reader.section(root, "store"));
    let journal = journal(reader.section(root, "journal"));
    let attendance = attendance(reader.section(root, "attendance"));
    let models = models(reader.section(root, "models"));
    let runtime = runtime(reader.section(root, "runtime"));
    let detector = detector(reader.section(root, "detector"));
    let access = access(reader.section(root, "access"));
    let enroll = enroll(reader.section(root, "enroll"));
    let gallery = gallery(reader.section(root, "gallery"));
    let doors = reader.list(root, "door", door);
    let cameras = reader.list(root, "camera", |section| camera(section, &doors));
    let schedules = reader.optional_list(root, "schedule", passing::schedule);
    let permits = reader.optional_list(root, "permit", passing::permit);
    let mqtt = reader.optional_section(root, "mqtt").map(|section| mqtt(section, &device.name));
    let metrics = metrics(reader.section(root, "metrics"));
    let control = control(reader.section(root, "control"));
    let log = log(reader.section(root, "log"));
    reader.close(std::mem::take(root), &SECTIONS);
    let config = Config {
        device,
        time,
        store,
        journal,
        attendance,
        models,
        runtime,
        detector,
        access,
        enroll,
        gallery,
        doors,
        cameras,
        schedules,
        permits,
        mqtt,
        metrics,
        control,
        log,
        lines: Vec::new(),
        warnings: Vec::new(),
    };
    cross_check(reader, &config);
    config
}

fn device(mut section: Section<'_>) -> Device {
    let device = Device { name: section.text("name", name, "usher"), time_zone: passing::time_zone(&mut section) };
    section.close();
    device
}

fn time(mut section: Section<'_>) -> Time {
    let choices = [("deny", WithoutSync::Deny), ("allow", WithoutSync::Allow)];
    let time = Time { without_sync: section.choice("without_sync", choices) };
    section.close();
    time
}

fn store(mut section: Section<'_>) -> Store {
    let store = Store {
        path: section.path("path", "/var/lib/usher"),
        key_file: PathBuf::from(section.text("key_file", rules::any, STORE_KEY)),
    };
    section.close();
    store
}

fn models(mut section: Section<'_>) -> Models {
    let models = Models {
        path: section.path("path", "/usr/share/usher/models"),
        embedder: section.text("embedder", name, "mobilefacenet"),
    };
    section.close();
    models
}

fn runtime(mut section: Section<'_>) -> Runtime {
    let library = section.path("library", "");
    let accelerator = accelerator(&mut section, "accelerator", Accelerator::Auto);
    let threads = section.integer("threads", 1..=16, 1);
    let mut table = section.table("per_model");
    let mut of = |key| self::accelerator(&mut table, key, accelerator.clone());
    let per_model = PerModel { pnet: of("pnet"), rnet: of("rnet"), onet: of("onet"), embedder: of("embedder") };
    table.close();
    section.close();
    Runtime { library: (!library.as_os_str().is_empty()).then_some(library), accelerator, per_model, threads }
}

fn accelerator(section: &mut Section<'_>, key: &'static str, default: Accelerator) -> Accelerator {
    let read = |value: &Value| match value.text() {
        Some("auto") => Ok(Accelerator::Auto),
        Some("cpu") => Ok(Accelerator::Cpu),
        Some("gpu") => Ok(Accelerator::Gpu),
        Some("npu") => Ok(Accelerator::Npu),
        Some(path) if path.starts_with('/') && !path.contains('\0') => Ok(Accelerator::Delegate(PathBuf::from(path))),
        _ => Err("\"auto\", \"cpu\", \"gpu\", \"npu\" or the absolute path of a delegate's library".to_string()),
    };
    let write = |accelerator: &Accelerator| match accelerator {
        Accelerator::Auto => quote("auto"),
        Accelerator::Cpu => quote("cpu"),
        Accelerator::Gpu => quote("gpu"),
        Accelerator::Npu => quote("npu"),
        Accelerator::Delegate(path) => quote(&path.to_string_lossy()),
    };
    section.ask(key, default, read, write)
}

/// Faces in pixels: below 20 there is nothing to recognise, above 1000 no camera of the kind shows one.
pub(super) const FACE_PX: RangeInclusive<u32> = 20..=1000;

fn detector(mut section: Section<'_>) -> Detector {
    let detector = Detector {
        min_face_px: section.integer("min_face_px", FACE_PX, 80),
        // 0.709 halves the area (Zhang et al., "Joint Face Detection and Alignment using MTCNN", 2016, and its reference code).
        pyramid_factor: section.number("pyramid_factor", 0.5..=0.9, 0.709) as f32,
        thresholds: section.numbers("thresholds", 0.0..=1.0, [0.6, 0.7, 0.7]).map(|score| score as f32),
    };
    section.close();
    detector
}

fn enroll(mut section: Section<'_>) -> Enroll {
    let enroll = Enroll {
        min_face_px: section.integer("min_face_px", FACE_PX, 80),
        min_sharpness: section.number("min_sharpness", 0.0..=10000.0, 30.0) as f32,
        max_yaw_deg: section.number("max_yaw_deg", 0.0..=90.0, 30.0) as f32,
        max_pitch_deg: section.number("max_pitch_deg", 0.0..=90.0, 25.0) as f32,
    };
    section.close();
    enroll
}

fn gallery(mut section: Section<'_>) -> Gallery {
    let gallery = Gallery {
        // A month at most: whoever comes for longer than that without being enrolled is no visitor.
        keep_unknown: section.duration("keep_unknown", seconds(0)..=seconds(30 * 86_400), seconds(0)),
        keep_unknown_most: section.integer("keep_unknown_most", 1..=2000, 500),
    };
    section.close();
    gallery
}

fn control(mut section: Section<'_>) -> Control {
    let control = Control {
        socket: PathBuf::from(section.text("socket", socket, CONTROL_SOCKET)),
        group: Some(section.text("group", group, "usher")).filter(|group| !group.is_empty()),
    };
    section.close();
    control
}

fn log(mut section: Section<'_>) -> Log {
    let levels = [LogLevel::Info, LogLevel::Error, LogLevel::Warn, LogLevel::Debug, LogLevel::Trace];
    let log = Log {
        level: section.choice("level", levels.map(|level| (level.as_str(), level))),
        format: section.choice("format", [("human", LogFormat::Human), ("json", LogFormat::Json)]),
    };
    section.close();
    log
}

/// What one key cannot know alone.
fn cross_check(reader: &mut Reader, config: &Config) {
    let access = &config.access;
    if access.frames_agree > access.frames_window && reader.sound(&["access.frames_agree", "access.frames_window"]) {
        let key = if reader.is_set("access.frames_agree") { "access.frames_agree" } else { "access.frames_window" };
        let what = "access.frames_agree must not exceed access.frames_window";
        reader.reject(key, format!("{what}; they are {} and {}", access.frames_agree, access.frames_window));
    }
    for (key, value) in [("access.min_face_px", access.min_face_px), ("enroll.min_face_px", config.enroll.min_face_px)]
    {
        if value < config.detector.min_face_px {
            let least = config.detector.min_face_px;
            reader.warn(
                key,
                format!("{value} is without effect: detector.min_face_px looks for faces from {least} only"),
            );
        }
    }
    unique(reader, "door", config.doors.iter().map(|door| door.name.as_str()));
    wiring::cross_check(reader, config);
    unique(reader, "camera", config.cameras.iter().map(|camera| camera.name.as_str()));
    for (index, camera) in config.cameras.iter().enumerate() {
        let key = format!("camera[{index}].door");
        let known = config.doors.is_empty() || config.doors.iter().any(|door| door.name == camera.door);
        if !known && reader.is_set(&key) && reader.sound(&[&key]) {
            let names: Vec<String> = config.doors.iter().map(|door| quote(&door.name)).collect();
            reader
                .reject(&key, format!("there is no door {}; the doors are {}", quote(&camera.door), names.join(", ")));
        }
        let (Source::V4l2 { fps, .. } | Source::Replay { fps, .. }) = camera.source;
        let needed = Duration::from_secs(1) * access.frames_agree.saturating_sub(1) / fps.max(1);
        if needed > access.window {
            let what = format!("at {fps} frames a second, access.frames_agree frames never fit into access.window");
            reader.warn(&format!("camera[{index}].fps"), what);
        }
    }
    passing::cross_check(reader, config);
    if let Some(mqtt) = &config.mqtt {
        mqtt::cross_check(reader, mqtt);
    }
}

/// Notes each name that an earlier entry of the list has already.
fn unique<'a>(reader: &mut Reader, list: &str, names: impl Iterator<Item = &'a str>) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, name) in names.enumerate() {
        let key = format!("{list}[{index}].name");
        // An empty name stands in for one that is told of already.
        if !name.is_empty() && seen.contains(&name) && reader.sound(&[&key]) {
            reader.reject(&key, format!("the name {} is taken by an earlier [[{list}]]", quote(name)));
        }
        seen.push(name);
    }
}

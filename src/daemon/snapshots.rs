//! Pictures of refusals and alarms, on their way from the vision threads to the hub: the frame is looked up once the record is on disk,
//! and a task of its own cuts it out, makes it small and hands it over.
//!
//! Only made while `[mqtt.snapshots]` is on. Decides nothing; never touches the disk.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::recent_frames::RecentFrames;
use crate::clock::Clock;
use crate::config::{Config, MqttSnapshots, SnapshotShows};
use crate::domain::{Bounds, Event, Image, Verdict};
use crate::hub::{Hub, Snapshot};
use crate::ledger::Record;
use crate::photo;

/// Pictures that wait to be made; more are left out.
const WAITING: usize = 4;
/// How much is shown around a face: this share of its longer side, on each side.
const MARGIN: f32 = 0.4;
/// An alarm's frame may be so old; it is the camera's newest.
const ALARM_FRAME_MAX_AGE: Duration = Duration::from_secs(2);

/// What the doors' pen tells.
pub struct Photographer {
    frames: Arc<RecentFrames>,
    shows: SnapshotShows,
    /// The cameras of each door.
    cameras: HashMap<String, Vec<Arc<str>>>,
    clock: Arc<dyn Clock>,
    waiting: mpsc::Sender<Exposure>,
}

/// A picture to be made.
pub struct Exposure {
    image: Arc<Image>,
    /// The part to be cut out; `None`: all of it.
    part: Option<Bounds>,
    camera: Arc<str>,
    door: Arc<str>,
    seq: u64,
    id: String,
    time: String,
    kind: String,
}

impl Photographer {
    /// The photographer, and what it hands over, for [`develop`].
    pub fn new(
        frames: Arc<RecentFrames>,
        shows: SnapshotShows,
        config: &Config,
        clock: Arc<dyn Clock>,
    ) -> (Photographer, mpsc::Receiver<Exposure>) {
        let (waiting, handed_over) = mpsc::channel(WAITING);
        let mut cameras: HashMap<String, Vec<Arc<str>>> = HashMap::new();
        for camera in &config.cameras {
            cameras.entry(camera.door.clone()).or_default().push(camera.name.as_str().into());
        }
        (Photographer { frames, shows, cameras, clock, waiting }, handed_over)
    }

    /// A record of a door was written down. Never waits.
    pub fn written(&self, event: &Event, record: &Record) {
        let (door, camera, image, part) = match event {
            Event::Decided { door, decision, .. } if matches!(decision.verdict, Verdict::Deny { .. }) => {
                let Some((image, face)) = self.frames.of(decision) else {
                    return tracing::debug!(%door, "a refused face's frame was forgotten before it could be shown");
                };
                (door, decision.camera.clone(), image, (self.shows == SnapshotShows::Face).then_some(face))
            }
            Event::AlarmRaised { door, .. } if self.shows == SnapshotShows::Frame => {
                let cameras = self.cameras.get(&**door).map(Vec::as_slice).unwrap_or_default();
                let Some((camera, image)) = self.frames.newest(cameras, self.clock.now(), ALARM_FRAME_MAX_AGE) else {
                    return tracing::debug!(%door, "no camera gives a frame that could be shown with the alarm");
                };
                (door, camera, image, None)
            }
            _ => return,
        };
        let (seq, id, time, kind) = (record.seq, record.id.to_string(), record.time(), record.kind.clone());
        let exposure = Exposure { image, part, camera, door: door.clone(), seq, id, time, kind };
        if self.waiting.try_send(exposure).is_err() {
            tracing::warn!(%door, "a snapshot is left out: too many wait to be made");
        }
    }
}

/// Makes the pictures one after the other and hands them to the hub. Ends when the photographer is gone.
pub async fn develop(mut handed_over: mpsc::Receiver<Exposure>, limits: MqttSnapshots, hub: Arc<Hub>) {
    while let Some(exposure) = handed_over.recv().await {
        match tokio::task::spawn_blocking(move || snapshot(&exposure, limits)).await {
            Ok(Some(snapshot)) => hub.shows(snapshot),
            Ok(None) => tracing::warn!("a snapshot cannot be made small enough; raise [mqtt.snapshots] max_size"),
            Err(_) => tracing::error!("making a snapshot panicked; the log has the place"),
        }
    }
}

fn snapshot(exposure: &Exposure, limits: MqttSnapshots) -> Option<Snapshot> {
    let Exposure { image, part, camera, door, seq, id, time, kind } = exposure;
    let face = part.as_ref().and_then(|bounds| photo::cut_out(image, bounds, MARGIN));
    let shown = match part {
        Some(_) => face.as_ref()?,
        None => image,
    };
    let jpeg = photo::to_jpeg(shown, limits.max_side_px, usize::try_from(limits.max_size).unwrap_or(usize::MAX))?;
    Some(Snapshot {
        seq: *seq,
        id: id.clone(),
        time: time.clone(),
        kind: kind.clone(),
        door: door.to_string(),
        camera: camera.to_string(),
        shows: if part.is_some() { "face" } else { "frame" },
        width: jpeg.width,
        height: jpeg.height,
        jpeg: jpeg.bytes.into(),
    })
}

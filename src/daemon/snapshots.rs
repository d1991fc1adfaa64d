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
    let face = part.as_ref().and_then(|bounds| photo::crop(image, bounds, MARGIN));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SimulatedClock;
    use crate::domain::{Alarm, Decision, Frame, Moment, Reason, Stamp, TrackId};
    use crate::ledger::Journal;
    use crate::store::Store;

    const FACE: Bounds = Bounds { x1: 100.0, y1: 60.0, x2: 140.0, y2: 110.0 };

    struct Scene {
        photographer: Photographer,
        exposures: mpsc::Receiver<Exposure>,
        journal: Journal,
        _dir: tempfile::TempDir,
    }

    impl Scene {
        /// A camera has just given frame 7 with one face, of track 3.
        fn new(shows: SnapshotShows) -> Scene {
            let config = "[[door]]\nname = \"front\"\n[[camera]]\nname = \"porch\"\nkind = \"v4l2\"\n";
            let config = Config::from_toml(config).unwrap();
            let clock = Arc::new(SimulatedClock::new(std::time::SystemTime::UNIX_EPOCH));
            let frames = Arc::new(RecentFrames::default());
            let rgb = (0..320 * 240u32).flat_map(|i| [(i % 320) as u8, (i / 320) as u8, 90]).collect();
            let frame = Frame { seq: 7, captured_at: Moment::default(), image: Image::new(320, 240, rgb).unwrap() };
            frames.remember(&"porch".into(), frame, vec![(TrackId(3), FACE)]);
            let (photographer, exposures) = Photographer::new(frames, shows, &config, clock);
            let dir = tempfile::tempdir().unwrap();
            let journal = Journal::open(&Store::open(dir.path()).unwrap()).unwrap();
            Scene { photographer, exposures, journal, _dir: dir }
        }

        /// What comes of an event that is written down.
        fn after(&mut self, event: &Event) -> Option<(Record, Snapshot)> {
            let record = self.journal.append(event, &Stamp::at(std::time::SystemTime::UNIX_EPOCH)).unwrap();
            self.photographer.written(event, &record);
            let exposure = self.exposures.try_recv().ok()?;
            let limits = MqttSnapshots { shows: self.photographer.shows, max_side_px: 64, max_size: 8 << 10 };
            Some((record, snapshot(&exposure, limits).unwrap()))
        }
    }

    fn decided(verdict: Verdict, frame: u64) -> Event {
        let decision = Decision::at_porch(verdict, frame, Moment::default(), TrackId(3));
        Event::Decided { door: "front".into(), direction: None, person: None, runner_up: None, decision }
    }

    fn alarm() -> Event {
        Event::AlarmRaised { door: "front".into(), alarm: Alarm::Forced }
    }

    #[test]
    fn a_refusal_shows_the_face_and_belongs_to_its_record() {
        let mut scene = Scene::new(SnapshotShows::Face);
        let (record, shown) = scene.after(&decided(Verdict::Deny { reason: Reason::Unknown }, 7)).unwrap();
        assert_eq!((shown.seq, shown.id, shown.time), (record.seq, record.id.to_string(), record.time()));
        assert_eq!((&*shown.kind, &*shown.door, &*shown.camera, shown.shows), ("denied", "front", "porch", "face"));
        // 40 by 50 pixels with 20 more on each side, made smaller.
        assert_eq!((shown.width, shown.height), (56, 64));
        let picture = photo::decode(&shown.jpeg).unwrap();
        assert_eq!((picture.width(), picture.height()), (56, 64));
        // The left edge lies at column 80 of the frame, whose red grows with the column.
        assert!(picture.rgb()[0].abs_diff(80) < 12, "{:?}", &picture.rgb()[..3]);

        let granted = Verdict::Grant { person: crate::domain::PersonId(1) };
        assert!(scene.after(&decided(granted, 7)).is_none());
        assert!(scene.after(&decided(Verdict::Deny { reason: Reason::Unknown }, 8)).is_none(), "a frame that is gone");
        assert!(scene.after(&alarm()).is_none(), "an alarm has no face");
    }

    #[test]
    fn whole_frames_also_go_with_alarms() {
        let mut scene = Scene::new(SnapshotShows::Frame);
        for event in [decided(Verdict::Deny { reason: Reason::PoorView }, 7), alarm()] {
            let (record, shown) = scene.after(&event).unwrap();
            assert_eq!((shown.shows, &shown.kind), ("frame", &record.kind));
            assert_eq!((shown.width, shown.height), (64, 48));
        }
    }

    #[test]
    fn no_door_waits_for_pictures() {
        let mut scene = Scene::new(SnapshotShows::Face);
        let event = decided(Verdict::Deny { reason: Reason::Unknown }, 7);
        let record = scene.journal.append(&event, &Stamp::at(std::time::SystemTime::UNIX_EPOCH)).unwrap();
        for _ in 0..WAITING + 3 {
            scene.photographer.written(&event, &record);
        }
        let waiting = std::iter::from_fn(|| scene.exposures.try_recv().ok()).count();
        assert_eq!(waiting, WAITING);
    }
}

//! Pictures of refusals and alarms, on their way from the vision threads to the hub. The frame is looked up once the record is on disk; a task
//! crops, scales and encodes it.
//!
//! Made only while `[mqtt.snapshots]` is on, and never written to disk.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::recent_frames::RecentFrames;
use crate::clock::Clock;
use crate::config::{Config, MqttSnapshots, SnapshotShows};
use crate::domain::{Bounds, Event, Image};
use crate::hub::{Hub, Snapshot};
use crate::ledger::Record;
use crate::photo;

/// Pictures that wait to be encoded. Beyond that they are dropped, with a warning.
const WAITING: usize = 4;
/// The margin around a face, on each side, as a share of its longer side.
const MARGIN: f32 = 0.4;
/// The greatest age of the frame that goes with an alarm; it is the camera's newest.
const ALARM_FRAME_MAX_AGE: Duration = Duration::from_secs(2);

/// Queues the pictures that go with records of refusals and alarms.
pub struct SnapshotQueue {
    frames: Arc<RecentFrames>,
    shows: SnapshotShows,
    /// The cameras of each door.
    cameras: HashMap<String, Vec<Arc<str>>>,
    clock: Arc<dyn Clock>,
    waiting: mpsc::Sender<SnapshotJob>,
}

/// A picture to be encoded, and the record that it goes with.
pub struct SnapshotJob {
    image: Arc<Image>,
    /// The part to crop to; `None` for the whole frame.
    part: Option<Bounds>,
    camera: Arc<str>,
    door: Arc<str>,
    seq: u64,
    id: String,
    time: String,
    kind: String,
}

impl SnapshotQueue {
    /// The queue, and its other end for [`encode`].
    pub fn new(
        frames: Arc<RecentFrames>,
        shows: SnapshotShows,
        config: &Config,
        clock: Arc<dyn Clock>,
    ) -> (SnapshotQueue, mpsc::Receiver<SnapshotJob>) {
        let (waiting, queued) = mpsc::channel(WAITING);
        let mut cameras: HashMap<String, Vec<Arc<str>>> = HashMap::new();
        for camera in &config.cameras {
            cameras.entry(camera.door.clone()).or_default().push(camera.name.as_str().into());
        }
        (SnapshotQueue { frames, shows, cameras, clock, waiting }, queued)
    }

    /// Queues the picture for a record, if there is to be one. Never blocks.
    pub fn written(&self, event: &Event, record: &Record) {
        let refused = event.decided().filter(|decision| !decision.is_grant());
        let alarm = event.raised().filter(|_| self.shows == SnapshotShows::Frame);
        let (door, camera, image, part) = if let Some(decision) = refused {
            let door = &decision.door;
            let Some((image, face)) = self.frames.of(decision) else {
                return tracing::debug!(%door, "the frame of a refused face was forgotten before it could be used");
            };
            (door, decision.camera.clone(), image, (self.shows == SnapshotShows::Face).then_some(face))
        } else if let Some((door, _)) = alarm {
            let cameras = self.cameras.get(&**door).map(Vec::as_slice).unwrap_or_default();
            let Some((camera, image)) = self.frames.newest(cameras, self.clock.now(), ALARM_FRAME_MAX_AGE) else {
                return tracing::debug!(%door, "no camera has a recent frame for the alarm");
            };
            (door, camera, image, None)
        } else {
            return;
        };
        let (seq, id, time, kind) = (record.seq, record.id.to_string(), record.time(), record.kind.clone());
        let job = SnapshotJob { image, part, camera, door: door.clone(), seq, id, time, kind };
        if self.waiting.try_send(job).is_err() {
            tracing::warn!(%door, "a snapshot is dropped: too many wait to be encoded");
        }
    }
}

/// Encodes the pictures one after the other and gives them to the hub. Ends once the queue is dropped.
pub async fn encode(mut queued: mpsc::Receiver<SnapshotJob>, limits: MqttSnapshots, hub: Arc<Hub>) {
    while let Some(job) = queued.recv().await {
        let limits = limits.clone();
        match tokio::task::spawn_blocking(move || snapshot(&job, &limits)).await {
            Ok(Some(snapshot)) => hub.publish_snapshot(snapshot),
            Ok(None) => tracing::warn!("a snapshot cannot be made small enough; raise [mqtt.snapshots] max_size"),
            Err(_) => tracing::error!("encoding a snapshot panicked; the log has the place"),
        }
    }
}

fn snapshot(job: &SnapshotJob, limits: &MqttSnapshots) -> Option<Snapshot> {
    let SnapshotJob { image, part, camera, door, seq, id, time, kind } = job;
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
    use crate::domain::{Alarm, Decided, DoorEvent, Frame, Moment, Outcome, Reason, Stamp, TrackId};
    use crate::ledger::Journal;
    use crate::store::Store;

    const FACE: Bounds = Bounds { x1: 100.0, y1: 60.0, x2: 140.0, y2: 110.0 };

    struct Scene {
        snapshot_queue: SnapshotQueue,
        jobs: mpsc::Receiver<SnapshotJob>,
        journal: Journal,
        _dir: tempfile::TempDir,
    }

    impl Scene {
        /// A camera has just delivered frame 7, with one face of track 3.
        fn new(shows: SnapshotShows) -> Scene {
            let config = "[[door]]\nname = \"front\"\n[[camera]]\nname = \"porch\"\nkind = \"v4l2\"\n";
            let config = Config::from_toml(config).unwrap();
            let clock = Arc::new(SimulatedClock::new(std::time::SystemTime::UNIX_EPOCH));
            let frames = Arc::new(RecentFrames::default());
            let rgb = (0..320 * 240u32).flat_map(|i| [(i % 320) as u8, (i / 320) as u8, 90]).collect();
            let frame = Frame { seq: 7, captured_at: Moment::default(), image: Image::new(320, 240, rgb).unwrap() };
            frames.remember(&"porch".into(), frame, vec![(TrackId(3), FACE)]);
            let (snapshot_queue, jobs) = SnapshotQueue::new(frames, shows, &config, clock);
            let dir = tempfile::tempdir().unwrap();
            let journal = Journal::open(&Store::open(dir.path()).unwrap()).unwrap();
            Scene { snapshot_queue, jobs, journal, _dir: dir }
        }

        /// The record of `event` and the snapshot that goes with it.
        fn after(&mut self, event: &Event) -> Option<(Record, Snapshot)> {
            let record = self.journal.append(event, &Stamp::at(std::time::SystemTime::UNIX_EPOCH)).unwrap();
            self.snapshot_queue.written(event, &record);
            let job = self.jobs.try_recv().ok()?;
            let limits =
                MqttSnapshots { enabled: true, shows: self.snapshot_queue.shows, max_side_px: 64, max_size: 8 << 10 };
            Some((record, snapshot(&job, &limits).unwrap()))
        }
    }

    fn decided(outcome: Outcome, frame: u64) -> Event {
        let decision = Decided::at_porch(outcome, frame, Moment::default(), TrackId(3));
        decision.into()
    }

    fn alarm() -> Event {
        Event::Door(DoorEvent::AlarmRaised { door: "front".into(), alarm: Alarm::Forced })
    }

    #[test]
    fn a_refusal_shows_the_face_and_belongs_to_its_record() {
        let mut scene = Scene::new(SnapshotShows::Face);
        let (record, shown) = scene.after(&decided(Outcome::Denied(Reason::Unknown), 7)).unwrap();
        assert_eq!((shown.seq, shown.id, shown.time), (record.seq, record.id.to_string(), record.time()));
        assert_eq!((&*shown.kind, &*shown.door, &*shown.camera, shown.shows), ("denied", "front", "porch", "face"));
        // 40 by 50 pixels with 20 more on each side, made smaller.
        assert_eq!((shown.width, shown.height), (56, 64));
        let picture = photo::decode(&shown.jpeg).unwrap();
        assert_eq!((picture.width(), picture.height()), (56, 64));
        // The left edge is at column 80 of the frame, whose red grows with the column.
        assert!(picture.rgb()[0].abs_diff(80) < 12, "{:?}", &picture.rgb()[..3]);

        let granted = Outcome::Granted;
        assert!(scene.after(&decided(granted, 7)).is_none());
        assert!(scene.after(&decided(Outcome::Denied(Reason::Unknown), 8)).is_none(), "a frame that is gone");
        assert!(scene.after(&alarm()).is_none(), "an alarm has no face");
    }

    #[test]
    fn alarms_have_whole_frames_as_well() {
        let mut scene = Scene::new(SnapshotShows::Frame);
        for event in [decided(Outcome::Denied(Reason::PoorView), 7), alarm()] {
            let (record, shown) = scene.after(&event).unwrap();
            assert_eq!((shown.shows, &shown.kind), ("frame", &record.kind));
            assert_eq!((shown.width, shown.height), (64, 48));
        }
    }

    #[test]
    fn a_full_queue_drops_snapshots_without_blocking() {
        let mut scene = Scene::new(SnapshotShows::Face);
        let event = decided(Outcome::Denied(Reason::Unknown), 7);
        let record = scene.journal.append(&event, &Stamp::at(std::time::SystemTime::UNIX_EPOCH)).unwrap();
        for _ in 0..WAITING + 3 {
            scene.snapshot_queue.written(&event, &record);
        }
        let waiting = std::iter::from_fn(|| scene.jobs.try_recv().ok()).count();
        assert_eq!(waiting, WAITING);
    }
}

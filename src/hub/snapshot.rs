//! Snapshots on their way to the broker: few, in memory, and dropped if they cannot be sent at once. `docs/mqtt.md` describes both topics: keep the
//! two alike.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::json;
use tokio::time::{Duration, Instant};

/// The most that wait. Beyond that the oldest is dropped.
const MOST: usize = 4;
/// A snapshot that has waited for longer is dropped: it would be taken for the present.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// A picture and the record that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Number, id, time and kind of the record, as in its event.
    pub seq: u64,
    pub id: String,
    pub time: String,
    pub kind: String,
    pub door: String,
    pub camera: String,
    /// What is shown: `face` or `frame`.
    pub shows: &'static str,
    /// A JPEG file of `width` by `height` pixels.
    pub jpeg: Bytes,
    pub width: u32,
    pub height: u32,
}

impl Snapshot {
    /// The message that precedes the picture, on a topic of its own.
    pub fn about(&self) -> Bytes {
        let about = json!({
            "seq": self.seq,
            "id": self.id,
            "time": self.time,
            "kind": self.kind,
            "camera": self.camera,
            "shows": self.shows,
            "width": self.width,
            "height": self.height,
            "bytes": self.jpeg.len(),
        });
        about.to_string().into()
    }
}

/// The snapshots that wait.
#[derive(Debug, Default)]
pub struct Snapshots(VecDeque<(Instant, Snapshot)>);

impl Snapshots {
    /// Adds a snapshot. `false` if an older one was dropped for it.
    pub fn push(&mut self, snapshot: Snapshot, now: Instant) -> bool {
        self.0.push_back((now, snapshot));
        self.0.len() <= MOST || self.0.pop_front().is_none()
    }

    /// The next snapshot, and how many were dropped because they had waited for too long.
    pub fn take(&mut self, now: Instant) -> (Option<Snapshot>, u64) {
        let mut stale = 0;
        while let Some((since, snapshot)) = self.0.pop_front() {
            if now.saturating_duration_since(since) <= FRESH_FOR {
                return (Some(snapshot), stale);
            }
            stale += 1;
        }
        (None, stale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(seq: u64) -> Snapshot {
        let (id, time, kind) = ("019b".into(), "2026-01-02T10:32:07Z".into(), "denied".into());
        let (door, camera, jpeg) = ("front".into(), "porch".into(), Bytes::from_static(b"\xff\xd8"));
        Snapshot { seq, id, time, kind, door, camera, shows: "face", jpeg, width: 4, height: 3 }
    }

    #[test]
    fn few_snapshots_wait_and_not_for_long() {
        let start = Instant::now();
        let mut waiting = Snapshots::default();
        let kept: Vec<bool> = (0..6).map(|seq| waiting.push(snapshot(seq), start)).collect();
        assert_eq!(kept, [true, true, true, true, false, false]);
        assert_eq!(waiting.take(start + FRESH_FOR), (Some(snapshot(2)), 0));
        waiting.push(snapshot(9), start + FRESH_FOR);
        let later = start + FRESH_FOR + Duration::from_millis(1);
        assert_eq!(waiting.take(later), (Some(snapshot(9)), 3));
        assert_eq!(waiting.take(later), (None, 0));
    }
}

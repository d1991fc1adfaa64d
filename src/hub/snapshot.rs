//! Pictures of what records are about, on their way to the broker: in memory, few, and gone when nobody takes them at once.
//!
//! Knows nothing of what is to be seen. `docs/mqtt.md` describes both topics: keep the two alike.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::json;
use tokio::time::{Duration, Instant};

/// So many wait at most; the oldest is given up.
const MOST: usize = 4;
/// One that has waited for longer is given up: it would be taken for what is happening now.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// A picture with the record that it belongs to.
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
    /// A JPEG file of so many pixels.
    pub jpeg: Bytes,
    pub width: u32,
    pub height: u32,
}

impl Snapshot {
    /// What goes before the picture, on a topic of its own.
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

/// Those that wait.
#[derive(Debug, Default)]
pub struct Snapshots(VecDeque<(Instant, Snapshot)>);

impl Snapshots {
    /// One more; `false` when an older one was given up for it.
    pub fn push(&mut self, snapshot: Snapshot, now: Instant) -> bool {
        self.0.push_back((now, snapshot));
        self.0.len() <= MOST || self.0.pop_front().is_none()
    }

    /// The next one, and how many were given up because they had waited for too long.
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
    fn few_wait_and_none_for_long() {
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

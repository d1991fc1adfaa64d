//! PINs and tags from the broker: reading them, refusing retained ones, and limiting their rate. Anybody who may publish to these topics can
//! send anything, so a message is hostile until it has been read. Nothing here logs or keeps what was entered.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use serde::{Deserialize, Deserializer};
use tokio::sync::mpsc;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::client::Incoming;
use super::counters::{Counter, Counters};
use crate::clock::{Pace, RateLimit};
use crate::domain::{Entry, EntryKind, Moment};

/// The limit for a payload; longer ones are not read.
const LARGEST_ENTRY_BYTES: usize = 256;
/// How many entries a minute are accepted for each door: more than anybody types, and each PIN costs the board a slow hash.
const PER_MINUTE: u32 = 20;

/// What was entered at a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubEntry {
    pub door: String,
    pub entry: Entry,
}

/// The last level of a topic that takes entries.
pub fn level(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Pin => "keypad",
        EntryKind::Tag => "tag",
    }
}

/// Judges entries over all connections.
pub struct Entries {
    /// `<prefix>/<device>/door`
    topics: String,
    doors: Vec<DoorEntries>,
    began: Instant,
    queue: mpsc::Sender<HubEntry>,
    retained_before: bool,
}

struct DoorEntries {
    name: String,
    limit: RateLimit,
}

impl Entries {
    /// Accepts entries for `doors` on topics below `topics`.
    pub fn new(topics: String, doors: Vec<String>, queue: mpsc::Sender<HubEntry>) -> Entries {
        let door = |name| DoorEntries { name, limit: RateLimit::per_minute(PER_MINUTE, Moment::default()) };
        let doors = doors.into_iter().map(door).collect();
        Entries { topics, doors, began: Instant::now(), queue, retained_before: false }
    }

    /// The topics to subscribe to.
    pub fn filters(&self) -> [String; 2] {
        [EntryKind::Pin, EntryKind::Tag].map(|kind| format!("{}/+/{}", self.topics, level(kind)))
    }

    /// Judges a message and hands it on if it is an entry. `false` if it is on another topic.
    pub fn take(&mut self, message: &Incoming, counts: &Counters) -> bool {
        let Some((door, kind)) = self.place(&message.topic) else { return false };
        // What remains when somebody clears the topic.
        if message.payload.is_empty() {
            return true;
        }
        if message.retained {
            if !std::mem::replace(&mut self.retained_before, true) {
                tracing::warn!(
                    topic = message.topic,
                    "refused: the broker keeps an entry there and would repeat it; let the keypad publish without retain, and clear the topic"
                );
            }
            counts.entries_retained.increment();
            return true;
        }
        let known = self.doors.iter_mut().find(|known| known.name == door);
        let (Some(known), Some(entry)) = (known, read(&message.payload, kind)) else {
            first(&counts.entries_malformed, || {
                let what = match kind {
                    EntryKind::Pin => "a PIN of 4 to 10 digits, plain or as {\"pin\":\"…\"}",
                    EntryKind::Tag => "a tag's number, plain or as {\"uid\":\"…\"}",
                };
                tracing::warn!(topic = message.topic, "ignored: the door is not known, or this is not {what}");
            });
            return true;
        };
        let pace = known.limit.take(Moment(self.began.elapsed()));
        if pace == Pace::FirstTooMany {
            tracing::warn!(door = known.name, "more than {PER_MINUTE} entries a minute: the others are dropped");
        }
        if pace != Pace::WithinLimit {
            counts.entries_limited.increment();
            return true;
        }
        match self.queue.try_send(HubEntry { door: known.name.clone(), entry }) {
            Ok(()) => counts.entries_accepted.increment(),
            Err(_) => counts.entries_limited.increment(),
        };
        true
    }

    /// The door and the kind of a topic that takes entries.
    fn place<'t>(&self, topic: &'t str) -> Option<(&'t str, EntryKind)> {
        let (door, last) = topic.strip_prefix(&self.topics)?.strip_prefix('/')?.rsplit_once('/')?;
        let kind = [EntryKind::Pin, EntryKind::Tag].into_iter().find(|kind| level(*kind) == last)?;
        (!door.contains('/')).then_some((door, kind))
    }
}

/// Counts, and calls `tell` the first time.
fn first(counter: &Counter, tell: impl FnOnce()) {
    if counter.increment() == 1 {
        tell();
    }
}

/// An object as ESPHome and others send it. Other fields are ignored.
#[derive(Deserialize)]
struct EntryWire {
    #[serde(default, deserialize_with = "wiped")]
    pin: Option<Zeroizing<String>>,
    #[serde(default, alias = "UID", deserialize_with = "wiped")]
    uid: Option<Zeroizing<String>>,
}

fn wiped<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Zeroizing<String>>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Zeroizing::new))
}

/// Reads a payload; `None` if it is no entry of this kind.
fn read(payload: &[u8], kind: EntryKind) -> Option<Entry> {
    if payload.len() > LARGEST_ENTRY_BYTES {
        return None;
    }
    let text = std::str::from_utf8(payload).ok()?.trim();
    let written;
    let text = match text.starts_with('{') {
        false => text,
        true => {
            let wire: EntryWire = serde_json::from_str(text).ok()?;
            written = match (kind, wire.pin, wire.uid) {
                (EntryKind::Pin, Some(pin), None) => pin,
                (EntryKind::Tag, None, Some(uid)) => uid,
                // Both, or the other one: what is meant is not known.
                _ => return None,
            };
            written.trim()
        }
    };
    match kind {
        EntryKind::Pin => text.parse().ok().map(Entry::Pin),
        EntryKind::Tag => text.parse().ok().map(Entry::Tag),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use std::time::Duration;

    use super::*;

    fn message(topic: &str, payload: &str) -> Incoming {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        Incoming { topic: topic.into(), payload, retained: false, expires_in_s: None }
    }

    fn entries() -> (Entries, mpsc::Receiver<HubEntry>) {
        let (queue, receiver) = mpsc::channel(64);
        let doors = vec!["front".to_owned(), "back".to_owned()];
        (Entries::new("usher/d/door".to_owned(), doors, queue), receiver)
    }

    fn pin(digits: &str) -> Option<Entry> {
        Some(Entry::Pin(digits.parse().unwrap()))
    }

    fn tag(number: &str) -> Option<Entry> {
        Some(Entry::Tag(number.parse().unwrap()))
    }

    #[test]
    fn an_entry_is_plain_or_json() {
        let keypad = |payload: &str| read(payload.as_bytes(), EntryKind::Pin);
        for payload in ["1234", " 1234\n", r#"{"pin":"1234"}"#, r#"{"pin": "1234", "from": "esphome", "uid": null}"#] {
            assert_eq!(keypad(payload), pin("1234"), "{payload}");
        }
        for payload in [
            "",
            "123",
            "12a4",
            "12345678901",
            "{}",
            r#"{"pin":1234}"#,
            r#"{"uid":"1234"}"#,
            r#"{"pin":"1234","uid":"04A22B1F"}"#,
            r#"["1234"]"#,
            r#""1234""#,
            "{\"pin\":\"1234\"",
        ] {
            assert_eq!(keypad(payload), None, "{payload}");
        }
        assert_eq!(keypad(&format!("{:257}", "1234")), None, "too long");
        let reader = |payload: &str| read(payload.as_bytes(), EntryKind::Tag);
        for payload in
            ["04A22B1F", "04:a2:2b:1f", r#"{"uid":"04-a2-2b-1f"}"#.replace("-", ":").as_str(), r#"{"UID":"04A22B1F"}"#]
        {
            assert_eq!(reader(payload), tag("04A22B1F"), "{payload}");
        }
        for payload in ["", "12", r#"{"pin":"1234"}"#, r#"{"uid":123456}"#, "tag 7/8"] {
            assert_eq!(reader(payload), None, "{payload}");
        }
    }

    #[tokio::test]
    async fn an_entry_goes_to_its_door_and_other_topics_are_left_alone() {
        let (mut entries, mut queue) = entries();
        let counts = Counters::default();
        assert_eq!(entries.filters(), ["usher/d/door/+/keypad", "usher/d/door/+/tag"]);
        assert!(entries.take(&message("usher/d/door/back/tag", "04A22B1F"), &counts));
        assert!(entries.take(&message("usher/d/door/front/keypad", "1234"), &counts));
        let of = |door: &str, entry: Option<Entry>| HubEntry { door: door.into(), entry: entry.unwrap() };
        assert_eq!(queue.recv().await.unwrap(), of("back", tag("04A22B1F")));
        assert_eq!(queue.recv().await.unwrap(), of("front", pin("1234")));
        for topic in
            ["usher/d/door/front", "usher/d/door/front/event", "usher/d/doors/front/tag", "usher/d/command/front", "x"]
        {
            assert!(!entries.take(&message(topic, "1234"), &counts), "{topic}");
        }
        for topic in ["usher/d/door/side/keypad", "usher/d/door/a/b/keypad"] {
            let taken = entries.take(&message(topic, "1234"), &counts);
            assert_eq!(taken, !topic.contains("a/b"), "{topic}");
        }
        assert!(entries.take(&message("usher/d/door/front/keypad", "let me in"), &counts));
        assert!(queue.try_recv().is_err());
        let counts = counts.read();
        assert_eq!((counts.entries_accepted, counts.entries_malformed), (2, 2));
    }

    #[tokio::test]
    async fn a_retained_entry_is_refused() {
        let (mut entries, mut queue) = entries();
        let counts = Counters::default();
        for _ in 0..3 {
            let retained = Incoming { retained: true, ..message("usher/d/door/front/keypad", "1234") };
            assert!(entries.take(&retained, &counts));
        }
        assert!(queue.try_recv().is_err());
        assert!(entries.take(&message("usher/d/door/front/keypad", ""), &counts), "the topic is cleared");
        assert_eq!((counts.read().entries_retained, counts.read().entries_malformed), (3, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_at_one_door_is_cut_off_and_does_not_close_another() {
        let (mut entries, mut queue) = entries();
        let counts = Counters::default();
        for _ in 0..50 {
            entries.take(&message("usher/d/door/front/keypad", "1234"), &counts);
        }
        entries.take(&message("usher/d/door/back/keypad", "1234"), &counts);
        assert_eq!((counts.read().entries_accepted, counts.read().entries_limited), (21, 30));
        tokio::time::advance(Duration::from_secs(3)).await;
        entries.take(&message("usher/d/door/front/keypad", "5678"), &counts);
        entries.take(&message("usher/d/door/front/keypad", "5678"), &counts);
        assert_eq!(counts.read().entries_accepted, 22, "one more after three seconds");
        let mut last = None;
        while let Ok(entry) = queue.try_recv() {
            last = Some(entry.entry);
        }
        assert_eq!(last, pin("5678"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(payload in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,40}", tags: bool, name in "[a-zA-Z]{0,5}") {
            let kind = if tags { EntryKind::Tag } else { EntryKind::Pin };
            drop(read(&payload, kind));
            drop(read(text.as_bytes(), kind));
            drop(read(format!("{{\"{name}\":{}}}", serde_json::to_string(&text).unwrap()).as_bytes(), kind));
        }
    }
}

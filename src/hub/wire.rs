//! Topics and payloads as the broker sees them. `docs/mqtt.md` describes them for others: keep the two alike.
//!
//! Knows nothing of connections and of what the events mean.

use serde_json::{Value, json};

/// Something to be told to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The last part of the topic: `<prefix>/<device>/event/<kind>`.
    pub kind: String,
    /// JSON.
    pub payload: Vec<u8>,
    /// Whether the broker keeps it for those who subscribe later. Not for events.
    pub retain: bool,
}

/// A record of the journal as it goes out.
#[derive(Clone, Copy, Debug)]
pub struct EventMessage<'a> {
    /// The record's number in the journal.
    pub seq: u64,
    /// The record's id, a UUID.
    pub id: &'a str,
    /// RFC 3339 in UTC.
    pub time: &'a str,
    /// `granted`, `door_opened`, …
    pub kind: &'a str,
    /// The details, as in the journal.
    pub content: &'a Value,
}

impl EventMessage<'_> {
    /// `{"seq": …, "id": …, "time": …, "kind": …, "content": {…}}`, not retained.
    pub fn publication(&self) -> Publication {
        let EventMessage { seq, id, time, kind, content } = self;
        let payload = json!({ "seq": seq, "id": id, "time": time, "kind": kind, "content": content });
        Publication { kind: (*kind).to_owned(), payload: payload.to_string().into_bytes(), retain: false }
    }
}

/// `<prefix>/<device>/status`: `online` or `offline`, retained.
pub(super) fn status_topic(prefix: &str, device: &str) -> String {
    format!("{prefix}/{device}/status")
}

/// `<prefix>/<device>/event/<kind>`.
pub(super) fn event_topic(prefix: &str, device: &str, kind: &str) -> String {
    format!("{prefix}/{device}/event/{kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_goes_out_as_documented() {
        let content = json!({ "door": "front", "reason": "time is over" });
        let message = EventMessage {
            seq: 8,
            id: "019b",
            time: "2026-01-02T10:32:07.123456Z",
            kind: "door_closed",
            content: &content,
        };
        let publication = message.publication();
        assert_eq!((publication.kind.as_str(), publication.retain), ("door_closed", false));
        let payload: Value = serde_json::from_slice(&publication.payload).unwrap();
        let expected = json!({
            "seq": 8,
            "id": "019b",
            "time": "2026-01-02T10:32:07.123456Z",
            "kind": "door_closed",
            "content": { "door": "front", "reason": "time is over" },
        });
        assert_eq!(payload, expected);
    }
}

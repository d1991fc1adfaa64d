//! Topics and payloads as the broker sees them. `docs/mqtt.md` describes them: keep the two alike.

use serde_json::json;

use crate::domain::{Prompt, Recorded, Side};

/// The topics of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// `<prefix>/<device>`
    base: String,
}

impl Topics {
    /// The topics of `device`, below `prefix`.
    pub fn new(prefix: &str, device: &str) -> Topics {
        Topics { base: format!("{prefix}/{device}") }
    }

    /// `<prefix>/<device>`
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `online` or `offline`, retained.
    pub fn status(&self) -> String {
        format!("{}/status", self.base)
    }

    /// An event as it happens.
    pub fn event(&self, kind: &str) -> String {
        format!("{}/event/{kind}", self.base)
    }

    /// An event that is late.
    pub fn replay(&self, kind: &str) -> String {
        format!("{}/replay/{kind}", self.base)
    }

    /// The retained state of a door, a camera or a person, as in `door/front`.
    pub fn state(&self, of: &str) -> String {
        format!("{}/{of}", self.base)
    }

    /// Commands for doors, followed by a door's name.
    pub fn commands(&self) -> String {
        format!("{}/command", self.base)
    }

    /// Events for Home Assistant's event entity of a door.
    pub fn door_event(&self, door: &str) -> String {
        format!("{}/door/{door}/event", self.base)
    }

    /// Snapshots of a door's refusals and alarms.
    pub fn snapshot(&self, door: &str) -> String {
        format!("{}/door/{door}/snapshot", self.base)
    }

    /// The record that the next snapshot of a door belongs to.
    pub fn snapshot_about(&self, door: &str) -> String {
        format!("{}/door/{door}/snapshot/about", self.base)
    }

    /// Silent alarms. Not below a door's topic, which tablets on walls show.
    pub fn duress(&self) -> String {
        format!("{}/duress", self.base)
    }

    /// What a door asks of the people before it.
    pub fn prompt(&self, door: &str) -> String {
        format!("{}/door/{door}/prompt", self.base)
    }

    /// People, as tags that Home Assistant scans.
    pub fn tag(&self) -> String {
        format!("{}/tag", self.base)
    }
}

/// `{"seq": …, "id": …, "time": …, "kind": …, "replayed": …, "content": {…}, "previous": …, "hash": …}`
pub fn event(entry: &Recorded, replayed: bool) -> Vec<u8> {
    let Recorded { seq, id, time, kind, content, previous, hash } = entry;
    let payload = json!({
        "seq": seq,
        "id": id,
        "time": time,
        "kind": kind,
        "replayed": replayed,
        "content": content.to_json(),
        "previous": previous,
        "hash": hash,
    });
    payload.to_string().into_bytes()
}

/// `{"seq": …, "id": …, "time": …, "replayed": …, "door": …, "person": {…}}`
pub fn duress(entry: &Recorded, replayed: bool) -> Vec<u8> {
    let Recorded { seq, id, time, content, .. } = entry;
    let content = content.to_json();
    let payload = json!({
        "seq": seq,
        "id": id,
        "time": time,
        "replayed": replayed,
        "door": content.get("door"),
        "person": content.get("person"),
    });
    payload.to_string().into_bytes()
}

/// `{"prompt": "turn_left", "side": "left"}`
pub fn prompt(prompt: Prompt) -> Vec<u8> {
    let payload = json!({ "prompt": prompt.as_str(), "side": prompt.side().map(Side::as_str) });
    payload.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::domain::{Content, DoorEvent};

    #[test]
    fn an_event_is_sent_as_documented() {
        let entry = Recorded {
            seq: 8,
            id: "019b".into(),
            time: "2026-01-02T10:32:07.123456Z".into(),
            kind: "locked".into(),
            content: Content::from(&DoorEvent::Locked { door: "front".into(), reason: "time is over".into() }.into()),
            previous: "01".into(),
            hash: "02".into(),
        };
        let payload: Value = serde_json::from_slice(&event(&entry, true)).unwrap();
        let expected = json!({
            "seq": 8,
            "id": "019b",
            "time": "2026-01-02T10:32:07.123456Z",
            "kind": "locked",
            "replayed": true,
            "content": { "door": "front", "reason": "time is over" },
            "previous": "01",
            "hash": "02",
        });
        assert_eq!(payload, expected);
    }

    #[test]
    fn a_prompt_names_the_side_that_it_asks_for() {
        let payload = |asked| serde_json::from_slice::<Value>(&prompt(asked)).unwrap();
        assert_eq!(payload(Prompt::FurtherRight), json!({ "prompt": "further_right", "side": "right" }));
        assert_eq!(payload(Prompt::EnterPin), json!({ "prompt": "enter_pin", "side": null }));
    }

    #[test]
    fn topics_are_as_documented() {
        let topics = Topics::new("usher", "front-door");
        assert_eq!(topics.status(), "usher/front-door/status");
        assert_eq!(topics.event("granted"), "usher/front-door/event/granted");
        assert_eq!(topics.replay("granted"), "usher/front-door/replay/granted");
        assert_eq!(topics.state("door/back"), "usher/front-door/door/back");
        assert_eq!(topics.door_event("back"), "usher/front-door/door/back/event");
        assert_eq!(topics.commands(), "usher/front-door/command");
        assert_eq!(topics.duress(), "usher/front-door/duress");
        assert_eq!(topics.prompt("back"), "usher/front-door/door/back/prompt");
        assert_eq!(topics.snapshot("back"), "usher/front-door/door/back/snapshot");
        assert_eq!(topics.snapshot_about("back"), "usher/front-door/door/back/snapshot/about");
    }
}

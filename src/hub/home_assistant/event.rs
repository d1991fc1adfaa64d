//! Journal records as the event entity of a door hears them.
//!
//! Knows nothing of when they are sent. Late ones never are: an automation must not act on what is over.

use serde_json::{Value, json};

use crate::hub::outbox::Pending;

/// Every type that an event entity can hear.
pub const EVENT_TYPES: [&str; 16] = [
    "granted",
    "denied",
    "unknown",
    "ambiguous",
    "passback",
    "passed",
    "rex",
    "forced_open",
    "held_open",
    "held_open_warning",
    "tamper",
    "failed",
    "operator",
    "command_refused",
    "denials_repeated",
    "contact_chattered",
];

/// The door that a record is about, and its event: `{"event_type": "granted", "person": "…", …}`. `None` for records that are no
/// event of a door.
pub fn door_event(entry: &Pending) -> Option<(&str, Value)> {
    let content = &entry.content;
    let door = content["door"].as_str()?;
    let reason = content["reason"].as_str();
    let event_type = match entry.kind.as_str() {
        "granted" => "granted",
        "denied" => {
            let own = ["unknown", "ambiguous", "passback"];
            own.into_iter().find(|known| Some(*known) == reason).unwrap_or("denied")
        }
        "denials_repeated" => "denials_repeated",
        "contact_chattered" => "contact_chattered",
        "passed" => "passed",
        "exit_requested" => "rex",
        "alarm_raised" => EVENT_TYPES.into_iter().find(|known| Some(*known) == content["alarm"].as_str())?,
        "held_open_warning" => "held_open_warning",
        "unlock_refused" | "door_failed" => "failed",
        "operator_unlocked" | "operator_locked" | "mode_set" => "operator",
        "command_refused" => "command_refused",
        _ => return None,
    };
    // The nearest person of a face that was not recognised is somebody else.
    let recognised = !matches!(reason, Some("unknown" | "ambiguous" | "inconsistent" | "poor_view" | "stale"));
    let person = content["person"]["name"].as_str().filter(|_| recognised);
    let mut event = json!({ "event_type": event_type, "id": entry.id, "time": entry.time });
    let optional = [
        ("person", person),
        ("reason", reason.or(content["refused"].as_str())),
        ("direction", content["direction"].as_str()),
        ("zone", content["zone"].as_str()),
        ("mode", content["mode"].as_str()),
        ("command", content["command"].as_str()),
        ("by", content["by"].as_str()),
        ("input", content["input"].as_str()),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            event[name] = value.into();
        }
    }
    for name in ["count", "changes"] {
        if let Some(number) = content[name].as_u64() {
            event[name] = number.into();
        }
    }
    Some((door, event))
}

/// The tag that a grant scans: `{"tag": "usher-7"}`.
pub fn tag(entry: &Pending) -> Option<Value> {
    let id = (entry.kind == "granted").then(|| entry.content["person"]["id"].as_u64())??;
    Some(json!({ "tag": format!("usher-{id}") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, content: Value) -> Pending {
        let (time, kind) = ("2026-01-02T10:32:07Z".into(), kind.into());
        Pending { seq: 8, id: "019b".into(), time, kind, content, previous: String::new(), hash: String::new() }
    }

    fn event_of(kind: &str, content: Value) -> Value {
        door_event(&entry(kind, content)).unwrap().1
    }

    #[test]
    fn a_grant_names_the_person_and_a_stranger_is_not_named() {
        let person = json!({ "id": 7, "name": "Barack Obama" });
        let granted =
            event_of("granted", json!({ "door": "front", "person": person, "reason": null, "direction": "in" }));
        let expected = json!({
            "event_type": "granted", "id": "019b", "time": "2026-01-02T10:32:07Z", "person": "Barack Obama", "direction": "in",
        });
        assert_eq!(granted, expected);
        let unknown = event_of("denied", json!({ "door": "front", "person": person, "reason": "unknown" }));
        assert_eq!((&unknown["event_type"], &unknown["person"]), (&json!("unknown"), &Value::Null));
        let expired = event_of("denied", json!({ "door": "front", "person": person, "reason": "expired" }));
        assert_eq!((&expired["event_type"], &expired["person"]), (&json!("denied"), &json!("Barack Obama")));
    }

    #[test]
    fn every_type_that_is_sent_is_announced() {
        let records = [
            ("exit_requested", json!({ "door": "front", "refused": "the door is locked down" })),
            ("alarm_raised", json!({ "door": "front", "alarm": "forced_open" })),
            ("alarm_raised", json!({ "door": "front", "alarm": "held_open" })),
            ("alarm_raised", json!({ "door": "front", "alarm": "tamper" })),
            ("held_open_warning", json!({ "door": "front" })),
            ("door_failed", json!({ "door": "front", "reason": "x" })),
            ("command_refused", json!({ "door": "front", "command": "unlock", "by": "mqtt/anna", "reason": "x" })),
            ("mode_set", json!({ "door": "front", "mode": "lockdown", "by": "anna" })),
            ("passed", json!({ "door": "front", "person": { "id": 1, "name": "a" } })),
            ("denied", json!({ "door": "front", "reason": "passback" })),
            ("denied", json!({ "door": "front", "reason": "ambiguous" })),
        ];
        for (kind, content) in records {
            let event = event_of(kind, content);
            assert!(EVENT_TYPES.contains(&event["event_type"].as_str().unwrap()), "{event}");
        }
        assert_eq!(event_of("exit_requested", json!({ "door": "front", "refused": "no" }))["reason"], "no");
        assert_eq!(door_event(&entry("unlocked", json!({ "door": "front" }))), None);
        assert_eq!(door_event(&entry("alarm_raised", json!({ "door": "front", "alarm": "other" }))), None);
        assert_eq!(door_event(&entry("camera_lost", json!({ "camera": "porch" }))), None);
    }

    #[test]
    fn floods_tell_their_counts() {
        let repeated = json!({ "door": "front", "camera": "porch", "reason": "unknown", "person": null, "count": 46, "faces": 20 });
        let event = event_of("denials_repeated", repeated);
        assert_eq!(event["event_type"], "denials_repeated");
        assert_eq!(
            (&event["reason"], &event["count"], &event["person"]),
            (&json!("unknown"), &json!(46), &Value::Null)
        );
        let chatter = json!({ "door": "front", "input": "sensor", "changes": 148, "active": true, "over": false });
        let event = event_of("contact_chattered", chatter);
        assert_eq!((&event["input"], &event["changes"]), (&json!("sensor"), &json!(148)));
    }

    #[test]
    fn only_a_grant_scans_a_tag() {
        let content = json!({ "door": "front", "person": { "id": 7, "name": "Barack Obama" } });
        assert_eq!(tag(&entry("granted", content.clone())), Some(json!({ "tag": "usher-7" })));
        assert_eq!(tag(&entry("denied", content)), None);
    }
}

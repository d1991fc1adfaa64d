//! What a record says about an event: its kind and its content as JSON.
//!
//! Knows nothing of hashes, databases and brokers. Names are snake_case, spans carry `_ms` in whole milliseconds, distances are
//! Euclidean between unit vectors (0 to 2, lower is closer) with four decimals. A person is `{"id": 7, "name": "…"}`, named as
//! they were called at that time.

use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::{Decision, Distance, Event, Named, PersonId, Verdict};

/// The kind and the content of `event`:
///
/// | kind | content |
/// |---|---|
/// | `started` | `version`, `config` (digest), `model` |
/// | `stopped` | `reason` |
/// | `granted`, `denied` | `door`, `camera`, `verdict` (`grant`, `deny`), `reason` (null for a grant), `person` and `distance` (the nearest, whatever the verdict; null in an empty gallery), `runner_up` (`id`, `name`, `distance`; or null), `frames` (`agree`, `of`), `track`, `frame`, `capture_to_verdict_ms`, `gates` (each `name`, `input`, `limit`, `passed`) |
/// | `door_opened` | `door`, `cause` (the `seq` of the record that allowed it), `duration_ms`, `capture_to_door_ms` |
/// | `door_closed`, `door_failed` | `door`, `reason` |
/// | `camera_lost` | `camera`, `reason` |
/// | `camera_back` | `camera`, `lost_for_ms` |
/// | `stage_failed` | `stage`, `reason` |
/// | `enrolled` | `person`, `templates`, `by` |
/// | `renamed` | `person`, `before` (the old name), `by` |
/// | `enabled`, `disabled`, `removed` | `person`, `by` |
pub(super) fn of(event: &Event) -> (&'static str, Value) {
    match event {
        Event::Started { version, config, model } => {
            ("started", json!({ "version": version, "config": config, "model": model.as_str() }))
        }
        Event::Stopped { reason } => ("stopped", json!({ "reason": reason })),
        Event::Decided { door, person, runner_up, decision } => {
            let kind = match decision.verdict {
                Verdict::Grant { .. } => "granted",
                Verdict::Deny { .. } => "denied",
            };
            (kind, decided(door, person.as_ref(), runner_up.as_ref(), decision))
        }
        Event::DoorOpened { door, cause, duration, capture_to_door } => {
            let content = json!({
                "door": &**door,
                "cause": cause,
                "duration_ms": ms(*duration),
                "capture_to_door_ms": ms(*capture_to_door),
            });
            ("door_opened", content)
        }
        Event::DoorClosed { door, reason } => ("door_closed", json!({ "door": &**door, "reason": reason })),
        Event::DoorFailed { door, reason } => ("door_failed", json!({ "door": &**door, "reason": reason })),
        Event::CameraLost { camera, reason } => ("camera_lost", json!({ "camera": &**camera, "reason": reason })),
        Event::CameraBack { camera, lost_for } => {
            ("camera_back", json!({ "camera": &**camera, "lost_for_ms": ms(*lost_for) }))
        }
        Event::StageFailed { stage, reason } => ("stage_failed", json!({ "stage": stage, "reason": reason })),
        Event::Enrolled { person, templates, by } => {
            ("enrolled", json!({ "person": named(person), "templates": templates, "by": by }))
        }
        Event::Renamed { person, before, by } => {
            ("renamed", json!({ "person": named(person), "before": before, "by": by }))
        }
        Event::Enabled { person, by } => ("enabled", json!({ "person": named(person), "by": by })),
        Event::Disabled { person, by } => ("disabled", json!({ "person": named(person), "by": by })),
        Event::Removed { person, by } => ("removed", json!({ "person": named(person), "by": by })),
    }
}

fn decided(door: &str, person: Option<&Named>, runner_up: Option<&Named>, decision: &Decision) -> Value {
    let (verdict, reason, granted) = match decision.verdict {
        Verdict::Grant { person } => ("grant", None, Some(person)),
        Verdict::Deny { reason } => ("deny", Some(reason.as_str()), None),
    };
    let nearest = decision.nearest;
    let id = granted.or(nearest.map(|nearest| nearest.person));
    let second = nearest.and_then(|nearest| nearest.runner_up);
    let gates: Vec<Value> = decision
        .gates
        .iter()
        .map(|gate| json!({ "name": gate.name, "input": gate.input, "limit": gate.limit, "passed": gate.passed }))
        .collect();
    json!({
        "door": door,
        "camera": &*decision.camera,
        "verdict": verdict,
        "reason": reason,
        "person": id.map(|id| json!({ "id": id.0, "name": name_of(id, person) })),
        "distance": nearest.map(|nearest| rounded(nearest.distance)),
        "runner_up": second.map(|(id, distance)| {
            json!({ "id": id.0, "name": name_of(id, runner_up), "distance": rounded(distance) })
        }),
        "frames": { "agree": decision.frames.0, "of": decision.frames.1 },
        "track": decision.track.0,
        "frame": decision.frame,
        "capture_to_verdict_ms": ms(decision.decided_at.since(decision.captured_at)),
        "gates": gates,
    })
}

/// The name goes with the id it belongs to; null when whoever made the event did not know it.
fn name_of(id: PersonId, named: Option<&Named>) -> Option<&str> {
    named.filter(|named| named.id == id).map(|named| named.name.as_str())
}

fn named(person: &Named) -> Value {
    json!({ "id": person.id.0, "name": person.name })
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Four decimals: more than a distance means, and short in JSON. A distance that is not finite becomes null.
fn rounded(distance: Distance) -> f64 {
    (f64::from(distance.0) * 1e4).round() / 1e4
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{Gate, Match, ModelId, Moment, Reason, TrackId};

    pub fn person(id: u32, name: &str) -> Named {
        Named { id: PersonId(id), name: name.to_owned() }
    }

    pub fn decision(verdict: Verdict, nearest: Option<Match>) -> Event {
        let decision = Decision {
            verdict,
            camera: "porch".into(),
            track: TrackId(4),
            frame: 918,
            captured_at: Moment(Duration::from_millis(60_000)),
            decided_at: Moment(Duration::from_millis(60_214)),
            nearest,
            frames: (3, 5),
            gates: vec![
                Gate { name: "distance", input: "0.62".into(), limit: "at most 0.90".into(), passed: true },
                Gate { name: "margin", input: "0.59".into(), limit: "at least 0.10".into(), passed: true },
            ],
        };
        let (person, runner_up) = (Some(person(7, "Barack Obama")), Some(person(9, "Joe Biden")));
        Event::Decided { door: "front".into(), person, runner_up, decision }
    }

    pub fn near() -> Match {
        Match { person: PersonId(7), distance: Distance(0.62), runner_up: Some((PersonId(9), Distance(1.21))) }
    }

    /// One event of every kind, in the order of the table above.
    pub fn one_of_each() -> Vec<Event> {
        let door: Arc<str> = "front".into();
        let camera: Arc<str> = "porch".into();
        let by = || "anna".to_owned();
        let reason = || "because".to_owned();
        vec![
            Event::Started { version: "0.1.0".into(), config: "5f3a".into(), model: ModelId::new("net-1") },
            Event::Stopped { reason: reason() },
            decision(Verdict::Grant { person: PersonId(7) }, Some(near())),
            decision(Verdict::Deny { reason: Reason::Unknown }, None),
            Event::DoorOpened {
                door: door.clone(),
                cause: 3,
                duration: Duration::from_millis(3000),
                capture_to_door: Duration::from_millis(232),
            },
            Event::DoorClosed { door: door.clone(), reason: reason() },
            Event::DoorFailed { door, reason: reason() },
            Event::CameraLost { camera: camera.clone(), reason: reason() },
            Event::CameraBack { camera, lost_for: Duration::from_secs(90) },
            Event::StageFailed { stage: "vision".into(), reason: reason() },
            Event::Enrolled { person: person(7, "Barack Obama"), templates: 5, by: by() },
            Event::Renamed { person: person(7, "Barack Obama"), before: "B. Obama".into(), by: by() },
            Event::Enabled { person: person(7, "Barack Obama"), by: by() },
            Event::Disabled { person: person(7, "Barack Obama"), by: by() },
            Event::Removed { person: person(7, "Barack Obama"), by: by() },
        ]
    }

    #[test]
    fn every_event_has_its_own_kind() {
        let kinds: Vec<_> = one_of_each().iter().map(|event| of(event).0).collect();
        let expected = "started stopped granted denied door_opened door_closed door_failed camera_lost camera_back \
                        stage_failed enrolled renamed enabled disabled removed";
        assert_eq!(kinds.join(" "), expected);
    }

    #[test]
    fn a_grant_tells_everything_it_rests_on() {
        let (kind, content) = of(&decision(Verdict::Grant { person: PersonId(7) }, Some(near())));
        let expected = json!({
            "door": "front",
            "camera": "porch",
            "verdict": "grant",
            "reason": null,
            "person": { "id": 7, "name": "Barack Obama" },
            "distance": 0.62,
            "runner_up": { "id": 9, "name": "Joe Biden", "distance": 1.21 },
            "frames": { "agree": 3, "of": 5 },
            "track": 4,
            "frame": 918,
            "capture_to_verdict_ms": 214,
            "gates": [
                { "name": "distance", "input": "0.62", "limit": "at most 0.90", "passed": true },
                { "name": "margin", "input": "0.59", "limit": "at least 0.10", "passed": true },
            ],
        });
        assert_eq!((kind, content), ("granted", expected));
    }

    #[test]
    fn a_denial_in_an_empty_gallery_names_nobody() {
        let (_, content) = of(&decision(Verdict::Deny { reason: Reason::Unknown }, None));
        assert_eq!(content["reason"], "unknown");
        assert_eq!([&content["person"], &content["distance"], &content["runner_up"]], [&Value::Null; 3]);
    }

    #[test]
    fn a_name_of_somebody_else_is_not_used() {
        let nearest = Match { person: PersonId(8), ..near() };
        let (_, content) = of(&decision(Verdict::Deny { reason: Reason::Ambiguous }, Some(nearest)));
        assert_eq!(content["person"], json!({ "id": 8, "name": null }));
    }

    #[test]
    fn a_distance_that_is_no_number_is_null() {
        let nearest = Match { distance: Distance(f32::NAN), ..near() };
        let (_, content) = of(&decision(Verdict::Deny { reason: Reason::Unknown }, Some(nearest)));
        assert_eq!(content["distance"], Value::Null);
    }

    #[test]
    fn spans_are_whole_milliseconds() {
        let contents: Vec<_> = one_of_each().iter().map(|event| of(event).1).collect();
        assert_eq!(contents[4], json!({ "door": "front", "cause": 3, "duration_ms": 3000, "capture_to_door_ms": 232 }));
        assert_eq!(contents[8], json!({ "camera": "porch", "lost_for_ms": 90_000 }));
    }

    /// The names of all fields, with those of the objects within.
    fn fields(value: &Value) -> Vec<String> {
        match value {
            Value::Object(object) => object
                .iter()
                .flat_map(|(name, value)| {
                    std::iter::once(name.clone())
                        .chain(fields(value).into_iter().map(move |inner| format!("{name}.{inner}")))
                })
                .collect(),
            Value::Array(array) => array.first().map(fields).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn the_broker_s_page_shows_each_content_as_it_is() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mqtt.md")).unwrap();
        for event in one_of_each() {
            let (kind, mut content) = of(&event);
            if kind == "denied" {
                // The page shows a denial with somebody near.
                content = of(&decision(Verdict::Deny { reason: Reason::Unknown }, Some(near()))).1;
            }
            let row = page.lines().find(|line| line.starts_with(&format!("| `{kind}` |")));
            let shown: Value = match row {
                Some(row) => serde_json::from_str(row.rsplit('`').nth(1).unwrap()).unwrap(),
                None => {
                    let (_, block) = page.split_once(&format!("/event/{kind}\n")).expect(kind);
                    let message: Value = serde_json::from_str(block.split("\n\n").next().unwrap()).unwrap();
                    assert_eq!(message["kind"], kind);
                    message["content"].clone()
                }
            };
            assert_eq!(fields(&shown), fields(&content), "{kind}");
        }
    }
}

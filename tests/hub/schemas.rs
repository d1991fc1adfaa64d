//! Published payloads match `docs/mqtt.md`: each has its schema, and none changes unnoticed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use usher::hub::home_assistant::{HomeAssistantSettings, PeopleAs};
use usher::hub::{CommandSettings, HubSettings, Vitals};

use crate::support::*;

/// The schemas of the page, by their `$id`.
fn schemas() -> BTreeMap<String, Value> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mqtt.md")).unwrap();
    let blocks = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let schema = |block: &str| {
        let schema: Value = serde_json::from_str(block).unwrap_or_else(|error| panic!("{error}: {block}"));
        (schema["$id"].as_str().unwrap().to_owned(), schema)
    };
    blocks.map(schema).collect()
}

/// Where `value` violates `schema`, for the part of JSON Schema (2020-12) that the page uses. An unknown keyword is an error.
fn broken(schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (keyword, rule) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$id" => {}
            "type" => {
                let names: Vec<&str> = match rule {
                    Value::Array(names) => names.iter().map(|name| name.as_str().unwrap()).collect(),
                    name => vec![name.as_str().unwrap()],
                };
                let is = |name: &str| match name {
                    "object" => value.is_object(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "number" => value.is_number(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "null" => value.is_null(),
                    other => panic!("the type {other}"),
                };
                if !names.iter().any(|name| is(name)) {
                    found.push(format!("{path}: {value} is not of {rule}"));
                }
            }
            "enum" if !rule.as_array().unwrap().contains(value) => {
                found.push(format!("{path}: {value} is not in {rule}"))
            }
            "enum" => {}
            "minimum" => {
                if value.as_f64().is_some_and(|number| number < rule.as_f64().unwrap()) {
                    found.push(format!("{path}: {value} is below {rule}"));
                }
            }
            "required" => {
                let missing = rule.as_array().unwrap().iter().filter(|name| {
                    value.as_object().is_some_and(|fields| !fields.contains_key(name.as_str().unwrap()))
                });
                found.extend(missing.map(|name| format!("{path}: {name} is missing")));
            }
            "properties" => {
                for (name, rule) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        found.extend(broken(rule, value, &format!("{path}.{name}")));
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (name, value) in value.as_object().into_iter().flatten() {
                    if known.is_some_and(|known| known.contains_key(name)) {
                        continue;
                    }
                    match rule {
                        Value::Bool(false) => found.push(format!("{path}: {name} is not foreseen")),
                        rule => found.extend(broken(rule, value, &format!("{path}.{name}"))),
                    }
                }
            }
            other => panic!("the keyword {other}"),
        }
    }
    found
}

/// The schema of a topic below the device's; `None` where there is none.
fn schema_of(topic: &str) -> Option<&'static str> {
    let parts: Vec<&str> = topic.split('/').collect();
    Some(match parts[..] {
        ["event" | "replay", _] => "usher:event",
        ["door", _] => "usher:door",
        ["door", _, "event"] => "usher:door-event",
        ["door", _, "prompt"] => "usher:prompt",
        ["door", _, "keypad" | "tag"] => "usher:entry",
        ["door", _, "snapshot", "about"] => "usher:snapshot-about",
        ["camera", _] => "usher:camera",
        ["state"] => "usher:state",
        ["vitals"] => "usher:vitals",
        ["person", _] => "usher:person",
        ["tag"] => "usher:tag",
        ["duress"] => "usher:duress",
        _ => return None,
    })
}

/// Compares with a file in `tests/hub/snapshots`; `UPDATE_SNAPSHOTS=1` rewrites it; review it before you commit it.
fn snapshot(name: &str, value: &Value) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hub/snapshots").join(name);
    let text = format!("{}\n", serde_json::to_string_pretty(value).unwrap());
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "{name} has changed; if that is meant, run this test with UPDATE_SNAPSHOTS=1. It is now:\n{text}"
    );
}

/// One record of every kind about doors or people.
fn a_day() -> Vec<(&'static str, Value)> {
    let person = json!({ "id": 7, "name": "Barack Obama" });
    vec![
        ("granted", json!({ "door": "front", "camera": "porch", "direction": "in", "reason": null, "person": person })),
        (
            "unlocked",
            json!({ "door": "front", "cause": "grant", "record": 1, "duration_ms": 3000, "capture_to_door_ms": 232 }),
        ),
        ("door_opened", json!({ "door": "front" })),
        ("passed", json!({ "door": "front", "person": person, "direction": "in", "zone": "office", "record": 1 })),
        ("locked", json!({ "door": "front", "reason": "time is over" })),
        ("held_open_warning", json!({ "door": "front", "open_for_ms": 20000 })),
        ("alarm_raised", json!({ "door": "front", "alarm": "held_open" })),
        ("denied", json!({ "door": "front", "reason": "unknown", "person": person })),
        ("denied", json!({ "door": "front", "reason": "passback", "person": person })),
        ("exit_requested", json!({ "door": "front", "refused": "the door is locked down" })),
        ("mode_set", json!({ "door": "front", "mode": "lockdown", "group": null, "by": "anna" })),
        (
            "command_refused",
            json!({ "door": "front", "command": "unlock", "by": "mqtt/anna", "reason": "it is 67 s old" }),
        ),
        ("contacts_lost", json!({ "door": "front", "reason": "the chip is gone" })),
        ("camera_lost", json!({ "camera": "porch", "reason": "unplugged" })),
        ("clock_jumped", json!({ "milliseconds": -3600000 })),
        ("time_quality", json!({ "quality": "wrong", "known": false })),
        ("clock_trusted", json!({ "by": "anna" })),
        (
            "admitted",
            json!({ "door": "front", "person": person, "direction": "in", "reason": "forgot the glasses", "by": "anna", "gates": [] }),
        ),
        ("pin_entered", json!({ "door": "front", "person": person, "note": "5f3a91c2" })),
    ]
}

#[tokio::test]
async fn every_payload_matches_its_schema_and_its_snapshot() {
    let schemas = schemas();
    for people in [PeopleAs::DeviceTracker, PeopleAs::Tag] {
        let mosquitto = Mosquitto::start().await;
        let mut observer = Observer::listening_to(mosquitto.port, "observer", "#").await;
        let home_assistant =
            HomeAssistantSettings { discovery_prefix: "homeassistant".into(), people, nearest: false, page: None };
        let commands = CommandSettings { max_age: Duration::from_secs(10), per_minute: 5 };
        let house = House::start(HubSettings {
            home_assistant: Some(home_assistant),
            commands: Some(commands),
            snapshots: true,
            ..settings(mosquitto.own_port)
        });
        house.online().await;
        let fps = BTreeMap::from([("porch".to_owned(), 14.96)]);
        house.hub.measured(Vitals { fps, queue_depth: 3, soc_temperature_c: None, sealed: Some(true), trouble: None });
        let day = a_day();
        let mut heard: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let (mut events, mut discovery) = (0, Value::Null);
        for (number, (kind, content)) in day.iter().enumerate() {
            if *kind == "pin_entered" {
                house.outbox.mark_duress(number as u64 + 1);
            }
            house.happens(entry(number as u64 + 1, kind, content.clone()));
            if *kind == "alarm_raised" {
                house.hub.publish_snapshot(picture(number as u64 + 1, kind, vec![0xff, 0xd8, 0xff, 0xd9]));
            }
            // One after the other, so that each state in between is published.
            loop {
                let publish = observer.next().await;
                let topic = text(&publish.topic).to_owned();
                if topic == "homeassistant/device/usher_door/config" {
                    discovery = value(&publish);
                } else if let Some(below) = topic.strip_prefix("house/door/")
                    && let Some(id) = schema_of(below)
                {
                    let payload = value(&publish);
                    let broken = broken(&schemas[id], &payload, below);
                    assert!(broken.is_empty(), "{broken:#?}");
                    events += usize::from(id == "usher:event");
                    heard.entry(below.to_owned()).or_default().push(payload);
                }
                if events > number && !discovery.is_null() {
                    break;
                }
            }
        }
        house.hub.stop().await;
        let (name, last) = match people {
            PeopleAs::Tag => ("tag", "tag"),
            _ => ("device_tracker", "person/7"),
        };
        assert!(heard.contains_key(last), "{:?}", heard.keys());
        if people == PeopleAs::DeviceTracker {
            for id in schemas.keys().filter(|id| !["usher:tag", "usher:command", "usher:entry"].contains(&id.as_str()))
            {
                assert!(heard.keys().any(|topic| schema_of(topic) == Some(id)), "nothing was heard of {id}");
            }
        }
        // Intermediate states may be published or not; events and final states do not depend on that.
        let stable =
            heard.iter().filter(|(topic, _)| topic.contains("event") || topic.ends_with("about") || *topic == "tag");
        snapshot(&format!("events_{name}.json"), &json!(stable.collect::<BTreeMap<_, _>>()));
        snapshot(&format!("discovery_{name}.json"), &discovery);
    }
}

#[tokio::test]
async fn the_page_s_examples_match_its_schemas() {
    let schemas = schemas();
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mqtt.md")).unwrap();
    let mut checked = 0;
    for block in page.split("\n\n").filter(|block| block.starts_with("    usher/front-door/")) {
        let (topic, payload) = block.split_once('\n').unwrap_or((block, ""));
        let below = topic.trim().strip_prefix("usher/front-door/").unwrap();
        let id = if below.starts_with("command/") { Some("usher:command") } else { schema_of(below) };
        let Some(id) = id else { continue };
        let payload: Value = serde_json::from_str(payload).unwrap_or_else(|error| panic!("{error}: {block}"));
        let broken = broken(&schemas[id], &payload, below);
        assert!(broken.is_empty(), "{broken:#?}");
        checked += 1;
    }
    assert!(checked >= schemas.len(), "only {checked} examples were found");
}

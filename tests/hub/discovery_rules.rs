//! The announcement against what Home Assistant's MQTT integration accepts: the keys, abbreviations and words of its release
//! 2026.2 (`homeassistant/components/mqtt`: `abbreviations.py`, `schemas.py` and the file of each platform; `sensor/const.py`).

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value};

/// Keys that every entity may have.
const ENTITY: &[&str] = &[
    "availability",
    "availability_mode",
    "default_entity_id",
    "enabled_by_default",
    "entity_category",
    "icon",
    "json_attributes_template",
    "json_attributes_topic",
    "name",
    "p",
    "platform",
    "qos",
    "unique_id",
];

/// For each platform: keys that it must have, and those that it may have besides.
const PLATFORMS: &[(&str, &[&str], &[&str])] = &[
    (
        "lock",
        &["command_topic"],
        &[
            "state_topic",
            "value_template",
            "state_locked",
            "state_unlocked",
            "state_jammed",
            "command_template",
            "payload_lock",
            "payload_unlock",
            "optimistic",
            "retain",
        ],
    ),
    ("event", &["state_topic", "event_types"], &["value_template", "device_class"]),
    (
        "sensor",
        &["state_topic"],
        &[
            "value_template",
            "device_class",
            "options",
            "state_class",
            "unit_of_measurement",
            "suggested_display_precision",
        ],
    ),
    ("binary_sensor", &["state_topic"], &["value_template", "device_class", "payload_on", "payload_off"]),
    (
        "switch",
        &["command_topic"],
        &["state_topic", "value_template", "command_template", "optimistic", "retain", "payload_on", "payload_off"],
    ),
    // One of `image_topic` and `url_topic`; raw bytes without `image_encoding` (`image.py`).
    ("image", &["image_topic"], &["content_type", "image_encoding"]),
    ("device_tracker", &["state_topic"], &["value_template", "payload_home", "payload_not_home", "source_type"]),
];

/// Units of a sensor's device class, of those that are used here.
const UNITS: &[(&str, &[&str])] =
    &[("duration", &["d", "h", "min", "s", "ms", "μs"]), ("temperature", &["K", "°C", "°F"]), ("enum", &[])];
const BINARY_CLASSES: &[&str] = &["connectivity", "door", "lock", "problem", "tamper"];
const STATE_CLASSES: &[&str] = &["measurement", "total", "total_increasing"];

fn announcement(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hub/snapshots").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn keys(fields: &Map<String, Value>) -> BTreeSet<&str> {
    fields.keys().map(String::as_str).collect()
}

fn text<'a>(entity: &'a Value, key: &str) -> Option<&'a str> {
    entity.get(key).map(|value| value.as_str().unwrap_or_else(|| panic!("{key} of {entity} is no text")))
}

fn is_topic(topic: &str) -> bool {
    !topic.is_empty() && topic.split('/').all(|level| !level.is_empty()) && !topic.contains(['+', '#', '~'])
}

fn check_entity(key: &str, entity: &Value) {
    let fields = entity.as_object().unwrap();
    let platform = text(entity, "p").unwrap();
    if platform == "tag" {
        assert_eq!(keys(fields), BTreeSet::from(["p", "qos", "topic", "value_template"]));
        return;
    }
    let (_, required, optional) = PLATFORMS
        .iter()
        .find(|(name, ..)| *name == platform)
        .unwrap_or_else(|| panic!("{key}: the platform {platform}"));
    for required in *required {
        assert!(fields.contains_key(*required), "{key}: {required} is missing");
    }
    let allowed: BTreeSet<&str> = ENTITY.iter().chain(*required).chain(*optional).copied().collect();
    let unknown: Vec<&str> = keys(fields).difference(&allowed).copied().collect();
    assert!(unknown.is_empty(), "{key}: {unknown:?}");

    for (name, value) in fields.iter().filter(|(name, _)| name.ends_with("_topic")) {
        assert!(value.as_str().is_some_and(is_topic), "{key}: {name}");
    }
    let id = text(entity, "default_entity_id").unwrap();
    let (domain, slug) = id.split_once('.').unwrap();
    assert_eq!(domain, platform, "{key}");
    assert!(slug.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{id}");
    assert!(text(entity, "unique_id").is_some_and(|id| !id.is_empty()), "{key}");
    assert_eq!(entity["qos"], 1, "{key}");
    assert_eq!(text(entity, "availability_mode"), Some("all"), "{key}");
    for one in entity["availability"].as_array().unwrap() {
        assert!(text(one, "topic").is_some_and(is_topic), "{key}");
        assert!(keys(one.as_object().unwrap()).is_subset(&BTreeSet::from(["topic", "value_template"])), "{key}");
    }
    if let Some(category) = text(entity, "entity_category") {
        // A category `config` is for entities that can be set, and this one cannot (`entity.py`).
        assert_eq!(category, "diagnostic", "{key}");
    }
    match platform {
        "sensor" => check_sensor(key, entity),
        "binary_sensor" => {
            assert!(text(entity, "device_class").is_none_or(|class| BINARY_CLASSES.contains(&class)), "{key}");
        }
        "device_tracker" => {
            assert!(["gps", "router", "bluetooth", "bluetooth_le"].contains(&text(entity, "source_type").unwrap()))
        }
        "lock" | "switch" => {
            assert_eq!(entity["optimistic"], false, "{key}");
            assert_eq!(entity["retain"], false, "{key}");
        }
        _ => {}
    }
}

/// As `validate_sensor_state_and_device_class_config` has it.
fn check_sensor(key: &str, entity: &Value) {
    let (class, unit, state) =
        (text(entity, "device_class"), text(entity, "unit_of_measurement"), text(entity, "state_class"));
    assert!(state.is_none_or(|state| STATE_CLASSES.contains(&state)), "{key}");
    if let Some(options) = entity.get("options") {
        assert!(class == Some("enum") && state.is_none() && unit.is_none(), "{key}");
        assert!(!options.as_array().unwrap().is_empty(), "{key}");
    }
    if let Some(class) = class {
        let (_, units) = UNITS.iter().find(|(name, _)| *name == class).unwrap_or_else(|| panic!("{key}: {class}"));
        assert!(unit.is_none_or(|unit| units.contains(&unit)), "{key}: {unit:?}");
    }
}

#[test]
fn the_announcement_is_what_home_assistant_accepts() {
    for name in ["discovery_device_tracker.json", "discovery_tag.json"] {
        let announcement = announcement(name);
        // `cmps`, `dev` and `o` stand for components, device and origin; `ids`, `mf`, `mdl`, `sw` and `url` are their own.
        assert_eq!(keys(announcement.as_object().unwrap()), BTreeSet::from(["cmps", "dev", "o"]));
        let device = keys(announcement["dev"].as_object().unwrap());
        assert_eq!(device, BTreeSet::from(["ids", "mdl", "mf", "name", "sw"]));
        assert!(announcement["dev"]["ids"].as_array().is_some_and(|ids| !ids.is_empty()));
        let origin = keys(announcement["o"].as_object().unwrap());
        assert!(origin.contains("name") && origin.is_subset(&BTreeSet::from(["name", "sw", "url"])));
        let components = announcement["cmps"].as_object().unwrap();
        components.iter().for_each(|(key, entity)| check_entity(key, entity));
        let ids: BTreeSet<_> = components.values().filter_map(|entity| text(entity, "unique_id")).collect();
        let entities = components.values().filter(|entity| text(entity, "p") != Some("tag")).count();
        assert_eq!(ids.len(), entities, "each has an id of its own");
        let platforms: BTreeSet<_> = components.values().filter_map(|entity| text(entity, "p")).collect();
        assert!(platforms.is_superset(&BTreeSet::from([
            "lock",
            "event",
            "sensor",
            "binary_sensor",
            "switch",
            "image"
        ])));
    }
}

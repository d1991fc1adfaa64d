//! The announcement of the whole device: one payload with every entity, as Home Assistant's MQTT integration reads it
//! (device-based discovery; names and rules as in its documentation and source of release 2026.2).
//!
//! Knows nothing of when it is sent. Every entity reads the topics that anybody else can read, through a template.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::event::EVENT_TYPES;
use super::{HomeAssistantSettings, PeopleAs};
use crate::hub::HubSettings;
use crate::hub::portrait::{Portrait, Premises};
use crate::hub::wire::Topics;

/// Where questions go.
const SUPPORT_URL: &str = env!("CARGO_PKG_REPOSITORY");

/// What is announced, with what has to be taken back.
#[derive(Debug)]
pub struct Announcement {
    settings: HomeAssistantSettings,
    device: String,
    topics: Topics,
    premises: Premises,
    /// Whether the device takes commands.
    commands: bool,
    /// Whether it sends pictures.
    snapshots: bool,
    /// Entities that an earlier announcement had and this one has not: key and platform. Naming a platform alone takes an
    /// entity away.
    gone: BTreeMap<String, String>,
    /// The entities of the newest announcement, likewise.
    shown: BTreeMap<String, String>,
}

/// The device's id: `usher_front-door`.
pub fn device_id(device: &str) -> String {
    format!("usher_{device}")
}

impl Announcement {
    /// Of the device of `hub` with its `premises`.
    pub fn new(settings: HomeAssistantSettings, hub: &HubSettings, topics: Topics, premises: Premises) -> Announcement {
        let (gone, shown) = Default::default();
        let (device, commands, snapshots) = (hub.device.clone(), hub.commands.is_some(), hub.snapshots);
        Announcement { settings, device, topics, premises, commands, snapshots, gone, shown }
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &HomeAssistantSettings {
        &self.settings
    }

    /// The payload for the discovery topic. People come from the `portrait`, because they change.
    pub fn payload(&mut self, portrait: &Portrait) -> Vec<u8> {
        let mut components = self.components(portrait);
        let shown = platforms(&components);
        let vanished = self.shown.iter().filter(|(key, _)| !shown.contains_key(*key));
        self.gone.extend(vanished.map(|(key, platform)| (key.clone(), platform.clone())));
        self.gone.retain(|key, _| !shown.contains_key(key));
        for (key, platform) in &self.gone {
            components.insert(key.clone(), json!({ "p": platform }));
        }
        self.shown = shown;
        let mut origin = json!({ "name": "usher", "sw": self.premises.version });
        if !SUPPORT_URL.is_empty() {
            origin["url"] = SUPPORT_URL.into();
        }
        let payload = json!({
            "dev": {
                "ids": [device_id(&self.device)],
                "name": self.device,
                "mf": "usher",
                "mdl": "Face recognition door control",
                "sw": self.premises.version,
            },
            "o": origin,
            "cmps": components,
        });
        payload.to_string().into_bytes()
    }

    /// Learns from the announcement that the broker kept of an earlier run; `true` when entities of it have to be taken back.
    pub fn learn(&mut self, kept: &[u8]) -> bool {
        let Ok(kept) = serde_json::from_slice::<Value>(kept) else { return false };
        let components = [&kept["cmps"], &kept["components"]].into_iter().find_map(Value::as_object);
        let before = self.gone.len();
        for (key, platform) in components.map(platforms).unwrap_or_default() {
            if !self.shown.contains_key(&key) {
                self.gone.insert(key, platform);
            }
        }
        self.gone.len() > before
    }

    fn components(&self, portrait: &Portrait) -> Map<String, Value> {
        let mut all = Map::new();
        for door in &self.premises.doors {
            self.door(&mut all, door);
        }
        for camera in &self.premises.cameras {
            self.camera(&mut all, camera);
        }
        self.device(&mut all);
        match self.settings.people {
            PeopleAs::Nobody => {}
            PeopleAs::DeviceTracker => portrait.people().for_each(|(id, name)| self.person(&mut all, id, name)),
            // No entity, so neither id nor availability: a tag scanner has a topic and nothing else.
            PeopleAs::Tag => {
                let tag = json!({ "p": "tag", "topic": self.topics.tag(), "value_template": "{{ value_json.tag }}", "qos": 1 });
                all.insert("tag".to_owned(), tag);
            }
        }
        all
    }

    fn door(&self, all: &mut Map<String, Value>, door: &crate::hub::portrait::DoorOutline) {
        let name = &door.name;
        let state = self.topics.state(&format!("door/{name}"));
        let command_topic = format!("{}/{name}", self.topics.commands());
        // A command carries its time, so that one that was held up is not obeyed later.
        let command_template =
            |act: &str| format!(r#"{{"act":"{act}","at":"{{{{ utcnow().isoformat() }}}}","by":"home-assistant"}}"#);
        self.add(
            all,
            "lock",
            &format!("{name}_lock"),
            &format!("{name} lock"),
            json!({
                "state_topic": state,
                "value_template": "{{ value_json.lock }}",
                "state_locked": "locked",
                "state_unlocked": "unlocked",
                "command_topic": command_topic,
                "command_template": command_template("{{ value }}"),
                "payload_lock": "lock",
                "payload_unlock": "unlock",
                "optimistic": false,
                "retain": false,
            }),
        );
        self.add(
            all,
            "event",
            &format!("{name}_event"),
            &format!("{name} event"),
            json!({
                "state_topic": self.topics.door_event(name),
                "event_types": EVENT_TYPES,
            }),
        );
        self.add(
            all,
            "sensor",
            &format!("{name}_mode"),
            &format!("{name} mode"),
            json!({
                "state_topic": state,
                "value_template": "{{ value_json.mode }}",
                "device_class": "enum",
                "options": ["normal", "lockdown", "release"],
            }),
        );
        if self.commands {
            self.add(
                all,
                "switch",
                &format!("{name}_lockdown"),
                &format!("{name} lockdown"),
                json!({
                    "state_topic": state,
                    "value_template": "{{ 'ON' if value_json.mode == 'lockdown' else 'OFF' }}",
                    "command_topic": command_topic,
                    "command_template": command_template("{{ 'lockdown' if value == 'ON' else 'normal' }}"),
                    "optimistic": false,
                    "retain": false,
                }),
            );
        }
        if self.snapshots {
            self.add(
                all,
                "image",
                &format!("{name}_snapshot"),
                &format!("{name} snapshot"),
                json!({
                    "image_topic": self.topics.snapshot(name),
                    "content_type": "image/jpeg",
                    "json_attributes_topic": self.topics.snapshot_about(name),
                }),
            );
        }
        let contact = |field: &str| format!("{{{{ 'ON' if value_json.{field} else 'OFF' }}}}");
        if door.leaf_sensor {
            self.add(
                all,
                "binary_sensor",
                &format!("{name}_door"),
                name,
                json!({
                    "state_topic": state,
                    "value_template": "{{ {'open': 'ON', 'closed': 'OFF'}.get(value_json.leaf) }}",
                    "device_class": "door",
                }),
            );
            for (field, title) in [("forced_open", "forced open"), ("held_open", "held open")] {
                self.add(
                    all,
                    "binary_sensor",
                    &format!("{name}_{field}"),
                    &format!("{name} {title}"),
                    json!({
                        "state_topic": state,
                        "value_template": contact(field),
                        "device_class": "problem",
                    }),
                );
            }
        }
        if door.tamper_contact {
            self.add(
                all,
                "binary_sensor",
                &format!("{name}_tamper"),
                &format!("{name} tamper"),
                json!({
                    "state_topic": state,
                    "value_template": contact("tamper"),
                    "device_class": "tamper",
                }),
            );
        }
    }

    fn camera(&self, all: &mut Map<String, Value>, name: &str) {
        let state = self.topics.state(&format!("camera/{name}"));
        self.add(
            all,
            "binary_sensor",
            &format!("{name}_connectivity"),
            &format!("{name} camera"),
            json!({
                "state_topic": state,
                "value_template": "{{ 'ON' if value_json.connected else 'OFF' }}",
                "device_class": "connectivity",
                "entity_category": "diagnostic",
            }),
        );
        self.add(
            all,
            "sensor",
            &format!("{name}_fps"),
            &format!("{name} vision"),
            json!({
                "state_topic": self.topics.state("vitals"),
                "value_template": format!("{{{{ value_json.fps['{name}'] }}}}"),
                "unit_of_measurement": "fps",
                "state_class": "measurement",
                "entity_category": "diagnostic",
                // Both must be well: a camera that is away has no rate.
                "availability": [
                    { "topic": self.topics.status() },
                    { "topic": state, "value_template": "{{ 'online' if value_json.connected else 'offline' }}" },
                ],
            }),
        );
    }

    fn device(&self, all: &mut Map<String, Value>) {
        let (state, vitals) = (self.topics.state("state"), self.topics.state("vitals"));
        self.add(
            all,
            "binary_sensor",
            "problem",
            "problem",
            json!({
                "state_topic": state,
                "value_template": "{{ 'ON' if value_json.problem else 'OFF' }}",
                "device_class": "problem",
                "entity_category": "diagnostic",
                "json_attributes_topic": state,
                "json_attributes_template": "{{ {'problem': value_json.problem} | tojson }}",
            }),
        );
        self.add(
            all,
            "sensor",
            "last_person",
            "last person",
            json!({
                "state_topic": state,
                "value_template": "{{ value_json.last_person.name if value_json.last_person else None }}",
                "icon": "mdi:account-check",
            }),
        );
        self.add(
            all,
            "sensor",
            "inside",
            "people inside",
            json!({
                "state_topic": state,
                "value_template": "{{ value_json.inside }}",
                "unit_of_measurement": "people",
                "state_class": "measurement",
                "icon": "mdi:account-group",
            }),
        );
        for (field, icon) in [("granted", "mdi:door-open"), ("denied", "mdi:door-closed-lock")] {
            self.add(
                all,
                "sensor",
                field,
                field,
                json!({
                    "state_topic": state,
                    "value_template": format!("{{{{ value_json.{field} }}}}"),
                    "state_class": "total_increasing",
                    "icon": icon,
                }),
            );
        }
        self.add(
            all,
            "sensor",
            "capture_to_door",
            "capture to door",
            json!({
                "state_topic": state,
                "value_template": "{{ value_json.capture_to_door_ms }}",
                "device_class": "duration",
                "unit_of_measurement": "ms",
                "state_class": "measurement",
                "entity_category": "diagnostic",
            }),
        );
        self.add(
            all,
            "sensor",
            "queue_depth",
            "events waiting",
            json!({
                "state_topic": vitals,
                "value_template": "{{ value_json.queue_depth }}",
                "state_class": "measurement",
                "entity_category": "diagnostic",
            }),
        );
        self.add(
            all,
            "sensor",
            "soc_temperature",
            "processor temperature",
            json!({
                "state_topic": vitals,
                "value_template": "{{ value_json.soc_temperature_c }}",
                "device_class": "temperature",
                "unit_of_measurement": "°C",
                "state_class": "measurement",
                "entity_category": "diagnostic",
            }),
        );
    }

    fn person(&self, all: &mut Map<String, Value>, id: u32, name: &str) {
        self.add(
            all,
            "device_tracker",
            &format!("person_{id}"),
            name,
            json!({
                "state_topic": self.topics.state(&format!("person/{id}")),
                "value_template": "{{ value_json.presence }}",
                "payload_home": "home",
                "payload_not_home": "not_home",
                "source_type": "router",
            }),
        );
    }

    /// Adds an entity with what all of them have.
    fn add(&self, all: &mut Map<String, Value>, platform: &str, key: &str, name: &str, mut entity: Value) {
        let unique = format!("{}_{key}", device_id(&self.device));
        let own_availability = entity.get("availability").is_some();
        let Some(fields) = entity.as_object_mut() else { return };
        fields.insert("p".to_owned(), platform.into());
        fields.insert("name".to_owned(), name.into());
        fields.insert("unique_id".to_owned(), unique.as_str().into());
        fields.insert("default_entity_id".to_owned(), format!("{platform}.{}", slug(&unique)).into());
        fields.insert("qos".to_owned(), 1.into());
        if !own_availability {
            fields.insert("availability".to_owned(), json!([{ "topic": self.topics.status() }]));
        }
        fields.insert("availability_mode".to_owned(), "all".into());
        all.insert(key.to_owned(), entity);
    }
}

/// Key and platform of each entity, without those that are only taken back.
fn platforms(components: &Map<String, Value>) -> BTreeMap<String, String> {
    let entities = components.iter().filter(|(_, entity)| entity.as_object().is_some_and(|entity| entity.len() > 1));
    let platform = |entity: &Value| Some(entity.get("p").or(entity.get("platform"))?.as_str()?.to_owned());
    entities.filter_map(|(key, entity)| Some((key.clone(), platform(entity)?))).collect()
}

/// As in an entity's id: small letters, digits and underscores.
fn slug(text: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    text.chars().map(letter).collect()
}

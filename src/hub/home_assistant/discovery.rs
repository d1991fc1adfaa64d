//! The announcement of the whole device: one payload with every entity, as Home Assistant's MQTT integration reads it
//! (device-based discovery; names and rules as in its documentation and source of release 2026.2). Every entity reads the public topics,
//! through a template. Templates read fields by `get`: a field that is missing is unknown, and Home Assistant logs no warning.

use serde_json::{Map, Value, json};

use super::event::EVENT_TYPES;
use super::pieces::Pieces;
use super::{HomeAssistantSettings, PeopleAs};
use crate::domain::Prompt;
use crate::hub::HubSettings;
use crate::hub::device::{DeviceLayout, DoorLayout};
use crate::hub::portrait::Portrait;
use crate::hub::wire::Topics;

/// The address for support.
const SUPPORT_URL: &str = env!("CARGO_PKG_REPOSITORY");

/// The entities that are announced, and those of earlier runs that are withdrawn.
#[derive(Debug)]
pub struct Announcement {
    settings: HomeAssistantSettings,
    device: String,
    topics: Topics,
    layout: DeviceLayout,
    /// Whether the device takes commands.
    commands: bool,
    /// Whether it sends pictures.
    snapshots: bool,
    pieces: Pieces,
}

/// The device's id: `usher_front-door`.
pub fn device_id(device: &str) -> String {
    format!("usher_{device}")
}

impl Announcement {
    /// Of the device of `hub` with its `layout`.
    pub fn new(
        settings: HomeAssistantSettings,
        hub: &HubSettings,
        topics: Topics,
        layout: DeviceLayout,
    ) -> Announcement {
        let (device, commands, snapshots) = (hub.device.clone(), hub.commands.is_some(), hub.snapshots);
        Announcement { settings, device, topics, layout, commands, snapshots, pieces: Pieces::default() }
    }

    /// The pieces: topics and payloads. People come from the `portrait`, because they change. An empty payload removes a piece from the
    /// broker.
    pub fn messages(&mut self, portrait: &Portrait) -> Vec<(String, Vec<u8>)> {
        let components = self.components(portrait);
        let frame = self.payload(&Map::new()).len();
        let cut = self.pieces.cut(components, frame);
        let message = |(piece, shown): (usize, Map<String, Value>)| {
            let payload = if shown.is_empty() { Vec::new() } else { self.payload(&shown) };
            (self.settings.discovery_topic(&self.device, piece), payload)
        };
        cut.into_iter().map(message).collect()
    }

    fn payload(&self, components: &Map<String, Value>) -> Vec<u8> {
        let mut origin = json!({ "name": "usher", "sw": self.layout.version });
        if let Some(fields) = origin.as_object_mut().filter(|_| !SUPPORT_URL.is_empty()) {
            fields.insert("url".to_owned(), SUPPORT_URL.into());
        }
        let mut device = json!({
            "ids": [device_id(&self.device)],
            "name": self.device,
            "mf": "usher",
            "mdl": "Face recognition door control",
            "sw": self.layout.version,
        });
        if let Some((fields, page)) = device.as_object_mut().zip(self.settings.page.as_deref()) {
            // `configuration_url`: "Visit" on the device's page in Home Assistant.
            fields.insert("cu".to_owned(), page.into());
        }
        json!({ "dev": device, "o": origin, "cmps": components }).to_string().into_bytes()
    }

    /// Learns from a piece of an earlier run, which the broker has retained, which entities to withdraw and where the others were.
    pub fn learn(&mut self, topic: &str, kept: &[u8]) {
        let Some(piece) = self.settings.piece(topic, &self.device) else { return };
        let kept = serde_json::from_slice::<Value>(kept).unwrap_or_default();
        let components = [kept.get("cmps"), kept.get("components")].into_iter().flatten().find_map(Value::as_object);
        match components {
            Some(components) => self.pieces.learn(piece, components),
            None => self.pieces.expect(piece),
        }
    }

    /// The broker may have retained something under this topic; `true` when the topic is one of this announcement.
    pub fn expect(&mut self, topic: &str) -> bool {
        let piece = self.settings.piece(topic, &self.device);
        piece.map(|piece| self.pieces.expect(piece)).is_some()
    }

    /// Ends the learning: entities stay in their pieces from now on.
    pub fn settle(&mut self) {
        self.pieces.settle();
    }

    /// Limits packets to `bytes`; `true` when that is less than before.
    pub fn keep_below(&mut self, bytes: usize) -> bool {
        // The topic and the packet's own bytes.
        self.pieces.keep_below(bytes.saturating_sub(self.settings.discovery_topic(&self.device, 999).len() + 16))
    }

    /// Every entity with its key; people last and by number, so that new ones do not move the others.
    fn components(&self, portrait: &Portrait) -> Vec<(String, Value)> {
        let mut all = Map::new();
        for door in &self.layout.doors {
            self.door(&mut all, door);
        }
        for camera in &self.layout.cameras {
            self.camera(&mut all, camera);
        }
        self.device(&mut all);
        let mut people = Vec::new();
        match self.settings.people {
            PeopleAs::Nobody => {}
            PeopleAs::DeviceTracker => {
                for (id, name) in portrait.people() {
                    let mut person = Map::new();
                    self.person(&mut person, id, name);
                    people.extend(person);
                }
            }
            // No entity, so neither id nor availability: a tag scanner has a topic and nothing else.
            PeopleAs::Tag => {
                let tag = json!({ "p": "tag", "topic": self.topics.tag(), "value_template": "{{ value_json.get('tag') }}", "qos": 1 });
                all.insert("tag".to_owned(), tag);
            }
        }
        all.into_iter().chain(people).collect()
    }

    fn door(&self, all: &mut Map<String, Value>, door: &DoorLayout) {
        let name = &door.name;
        let state = self.topics.state(&format!("door/{name}"));
        let command_topic = format!("{}/{name}", self.topics.commands());
        // A command carries its time, so that a delayed one is not carried out later.
        let command_template =
            |act: &str| format!(r#"{{"act":"{act}","at":"{{{{ utcnow().isoformat() }}}}","by":"home-assistant"}}"#);
        self.add(
            all,
            "lock",
            &format!("{name}_lock"),
            &format!("{name} lock"),
            json!({
                "state_topic": state,
                // `None` is what Home Assistant calls unknown.
                "value_template": "{{ value_json.get('lock') if value_json.get('lock') != 'unknown' else 'None' }}",
                "state_locked": "locked",
                "state_unlocked": "unlocked",
                "state_jammed": "jammed",
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
                "value_template": "{{ value_json.get('mode') }}",
                "device_class": "enum",
                "options": ["normal", "lockdown", "release"],
            }),
        );
        if door.prompts {
            self.add(
                all,
                "sensor",
                &format!("{name}_prompt"),
                &format!("{name} prompt"),
                json!({
                    "state_topic": self.topics.prompt(name),
                    "value_template": "{{ value_json.get('prompt') }}",
                    "device_class": "enum",
                    "options": Prompt::ALL.map(Prompt::as_str),
                    "icon": "mdi:face-recognition",
                }),
            );
        }
        if self.commands {
            self.add(
                all,
                "switch",
                &format!("{name}_lockdown"),
                &format!("{name} lockdown"),
                json!({
                    "state_topic": state,
                    "value_template": "{{ 'ON' if value_json.get('mode') == 'lockdown' else 'OFF' }}",
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
        self.door_inputs(all, door, &state);
    }

    /// The door's sensor and its tamper contact, as far as it has them.
    fn door_inputs(&self, all: &mut Map<String, Value>, door: &DoorLayout, state: &str) {
        let name = &door.name;
        let contact = |field: &str| format!("{{{{ 'ON' if value_json.get('{field}') else 'OFF' }}}}");
        if door.leaf_sensor {
            self.add(
                all,
                "binary_sensor",
                &format!("{name}_door"),
                name,
                json!({
                    "state_topic": state,
                    "value_template": "{{ {'open': 'ON', 'closed': 'OFF'}.get(value_json.get('leaf')) }}",
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
                "value_template": "{{ 'ON' if value_json.get('connected') else 'OFF' }}",
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
                "value_template": format!("{{{{ (value_json.get('fps') or {{}}).get('{name}') }}}}"),
                "unit_of_measurement": "fps",
                "state_class": "measurement",
                "entity_category": "diagnostic",
                // Both must be available: a camera without frames has no rate.
                "availability": [
                    { "topic": self.topics.status() },
                    { "topic": state, "value_template": "{{ 'online' if value_json.get('connected') else 'offline' }}" },
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
                "value_template": "{{ 'ON' if value_json.get('problem') else 'OFF' }}",
                "device_class": "problem",
                "entity_category": "diagnostic",
                "json_attributes_topic": state,
                "json_attributes_template": "{{ {'problem': value_json.get('problem'), 'templates_sealed': value_json.get('templates_sealed')} | tojson }}",
            }),
        );
        self.add(
            all,
            "sensor",
            "last_person",
            "last person",
            json!({
                "state_topic": state,
                "value_template": "{{ (value_json.get('last_person') or {}).get('name') }}",
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
                "value_template": "{{ value_json.get('inside') }}",
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
                    "value_template": format!("{{{{ value_json.get('{field}') }}}}"),
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
                "value_template": "{{ value_json.get('capture_to_door_ms') }}",
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
                "value_template": "{{ value_json.get('queue_depth') }}",
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
                "value_template": "{{ value_json.get('soc_temperature_c') }}",
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
                "value_template": "{{ value_json.get('presence') }}",
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

/// As in an entity's id: small letters, digits and underscores.
fn slug(text: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    text.chars().map(letter).collect()
}

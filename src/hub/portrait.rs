//! The device's state as the broker retains it: updated from events, written as JSON. `docs/mqtt.md` describes each topic: keep both in step.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::device::{DeviceLayout, DoorLayout, DoorState, LockState, Vitals};
use crate::domain::{AccessEvent, DaemonEvent, Direction, DoorEvent, Event, Named, PeopleEvent, Personal, Prompt};

/// The device's current state.
#[derive(Clone, Debug)]
pub struct Portrait {
    doors: BTreeMap<String, DoorState>,
    /// The inputs that keep changing, by door.
    chattering: BTreeMap<String, BTreeSet<&'static str>>,
    /// Whether each camera gives frames.
    cameras: BTreeMap<String, bool>,
    people: BTreeMap<u32, Person>,
    granted: u64,
    denied: u64,
    last_person: Option<(u32, String, String)>,
    capture_to_door_ms: Option<u64>,
    /// A stage of the daemon that died.
    failed_stage: Option<String>,
    /// The clock is not set, or behind earlier records.
    time_unknown: bool,
    vitals: Vitals,
}

/// What an event changed that is announced apart from the states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Where people are, or who there is.
    pub presences: bool,
    /// Who there is, or what they are called.
    pub names: bool,
}

#[derive(Clone, Debug)]
struct Person {
    name: String,
    /// `None` before they passed a door whose side is known.
    inside: Option<bool>,
}

impl Portrait {
    /// With doors whose modes alone are known, cameras that work, and nobody seen.
    pub fn new(layout: &DeviceLayout) -> Portrait {
        let door = |outline: &DoorLayout| {
            let (name, mode, lock) = (outline.name.clone(), outline.mode.clone(), LockState::Unknown);
            (
                name.clone(),
                DoorState { name, lock, open: None, mode, alarms: Vec::new(), fault: None, prompt: Prompt::Idle },
            )
        };
        let person =
            |(id, name): &(u32, String)| (*id, Person { name: name.clone(), inside: layout.inside.get(id).copied() });
        Portrait {
            doors: layout.doors.iter().map(door).collect(),
            chattering: BTreeMap::new(),
            cameras: layout.cameras.iter().map(|name| (name.clone(), true)).collect(),
            people: layout.people.iter().map(person).collect(),
            granted: layout.before.granted,
            denied: layout.before.denied,
            last_person: layout.before.last_person.clone(),
            capture_to_door_ms: None,
            failed_stage: None,
            time_unknown: false,
            vitals: Vitals::default(),
        }
    }

    /// Replaces the state of a door. A door that is not configured is passed over.
    pub fn place(&mut self, door: DoorState) {
        if let Some(known) = self.doors.get_mut(&door.name) {
            *known = door;
        }
    }

    /// Forgets a person as the last who was granted access.
    pub fn forget(&mut self, person: u32) {
        self.last_person = self.last_person.take().filter(|(id, ..)| *id != person);
    }

    /// Takes in what an event says that was recorded at `time`; what changed that is announced apart. Doors are placed by
    /// [`Portrait::place`].
    pub fn apply(&mut self, event: &Event, time: &str) -> Changed {
        match event {
            Event::Access(event) => self.apply_access(event, time),
            Event::People(event) => self.apply_people(event),
            Event::Door(event) => {
                self.apply_door(event);
                Changed::default()
            }
            Event::Daemon(event) => {
                self.apply_daemon(event);
                Changed::default()
            }
            // Trouble with the store is in the vitals.
            Event::Store(_) => Changed::default(),
        }
    }

    fn apply_access(&mut self, event: &AccessEvent, time: &str) -> Changed {
        match event {
            AccessEvent::Decided(decided) if decided.is_grant() => {
                self.granted += 1;
                if let Some(Personal::Known(person)) = &decided.person {
                    self.last_person = Some((person.id.0, name_of(person), time.to_owned()));
                }
                Changed::default()
            }
            AccessEvent::Decided(_) => {
                self.denied += 1;
                Changed::default()
            }
            AccessEvent::DenialsRepeated { count, .. } => {
                self.denied = self.denied.saturating_add(*count);
                Changed::default()
            }
            AccessEvent::Passed { person, direction, .. } => {
                if let (Personal::Known(person), Some(direction)) = (person, direction)
                    && let Some(known) = self.people.get_mut(&person.id.0)
                {
                    known.inside = Some(*direction == Direction::In);
                }
                Changed { presences: true, names: false }
            }
            AccessEvent::Amnesty { person, .. } => {
                match person {
                    Some(Personal::Known(person)) => {
                        if let Some(known) = self.people.get_mut(&person.id.0) {
                            known.inside = None;
                        }
                    }
                    Some(Personal::Erased) => {}
                    None => self.people.values_mut().for_each(|known| known.inside = None),
                }
                Changed { presences: true, names: false }
            }
            AccessEvent::Admitted { .. } | AccessEvent::PinEntered { .. } | AccessEvent::CutMoved { .. } => {
                Changed::default()
            }
        }
    }

    fn apply_people(&mut self, event: &PeopleEvent) -> Changed {
        match event {
            PeopleEvent::Enrolled { person, .. } | PeopleEvent::Renamed { person, .. } => {
                if let Personal::Known(person) = person {
                    let (id, name) = (person.id.0, name_of(person));
                    if let Some((last, named, _)) = &mut self.last_person
                        && *last == id
                    {
                        named.clone_from(&name);
                    }
                    self.people.entry(id).or_insert(Person { name: String::new(), inside: None }).name = name;
                }
                Changed { presences: true, names: true }
            }
            PeopleEvent::Removed { person, .. } => {
                if let Personal::Known(person) = person {
                    self.people.remove(&person.id.0);
                    self.forget(person.id.0);
                }
                Changed { presences: true, names: true }
            }
            PeopleEvent::Changed { .. }
            | PeopleEvent::Enabled { .. }
            | PeopleEvent::Disabled { .. }
            | PeopleEvent::TemplatesMade { .. }
            | PeopleEvent::AttendanceAmended { .. }
            | PeopleEvent::TemplateLearned { .. }
            | PeopleEvent::LookalikeNoted { .. }
            | PeopleEvent::TemplatesForgotten { .. }
            | PeopleEvent::TemplatesAdded { .. }
            | PeopleEvent::TemplateRemoved { .. }
            | PeopleEvent::Exported { .. }
            | PeopleEvent::VisitorsForgotten { .. } => Changed::default(),
        }
    }

    fn apply_door(&mut self, event: &DoorEvent) {
        match event {
            DoorEvent::ContactChattered { door, input, over, .. } => {
                let inputs = self.chattering.entry(door.to_string()).or_default();
                match over {
                    true => drop(inputs.remove(input.as_str())),
                    false => drop(inputs.insert(input.as_str())),
                }
            }
            DoorEvent::Unlocked { capture_to_door: Some(span), .. } => {
                self.capture_to_door_ms = Some(u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
            }
            // What a door is comes from the door itself: a record may be missing, or say what was about to happen.
            DoorEvent::Unlocked { capture_to_door: None, .. }
            | DoorEvent::ExitRequested { .. }
            | DoorEvent::OperatorUnlocked { .. }
            | DoorEvent::OperatorLocked { .. }
            | DoorEvent::ModeSet { .. }
            | DoorEvent::CommandRefused { .. }
            | DoorEvent::ScheduleBegan { .. }
            | DoorEvent::ScheduleEnded { .. }
            | DoorEvent::Locked { .. }
            | DoorEvent::UnlockRefused { .. }
            | DoorEvent::DoorFailed { .. }
            | DoorEvent::DoorOpened { .. }
            | DoorEvent::DoorClosed { .. }
            | DoorEvent::HeldOpenWarning { .. }
            | DoorEvent::AlarmRaised { .. }
            | DoorEvent::AlarmEnded { .. }
            | DoorEvent::ContactsLost { .. }
            | DoorEvent::ContactsBack { .. }
            | DoorEvent::ReaderLost { .. }
            | DoorEvent::ReaderBack { .. }
            | DoorEvent::LowAssurance { .. } => {}
        }
    }

    fn apply_daemon(&mut self, event: &DaemonEvent) {
        match event {
            DaemonEvent::TimeQualityChanged { quality } => self.time_unknown = !quality.is_known(),
            DaemonEvent::StageFailed { stage, .. } => self.failed_stage = Some(stage.clone()),
            DaemonEvent::CameraLost { camera, .. } => self.set_connected(camera, false),
            DaemonEvent::CameraBack { camera, .. } => self.set_connected(camera, true),
            DaemonEvent::Started { .. }
            | DaemonEvent::Stopped { .. }
            | DaemonEvent::ClockJumped { .. }
            | DaemonEvent::ClockTrusted { .. }
            | DaemonEvent::SiteRules { .. }
            | DaemonEvent::CameraChanged { .. }
            | DaemonEvent::CameraTurned { .. }
            | DaemonEvent::HubMessageRefused { .. } => {}
        }
    }

    fn set_connected(&mut self, camera: &str, connected: bool) {
        if let Some(known) = self.cameras.get_mut(camera) {
            *known = connected;
        }
    }

    /// Replaces the measurements.
    pub fn measure(&mut self, vitals: Vitals) {
        self.vitals = vitals;
    }

    /// The mode of a door.
    pub fn mode(&self, door: &str) -> Option<&str> {
        self.doors.get(door).map(|door| door.mode.as_str())
    }

    /// Number and name of everybody.
    pub fn people(&self) -> impl Iterator<Item = (u32, &str)> {
        self.people.iter().map(|(id, person)| (*id, person.name.as_str()))
    }

    /// Topics below the device's, with the payloads to retain: `door/<name>`, `camera/<name>`, `state`, `vitals`.
    pub fn states(&self) -> Vec<(String, Value)> {
        let mut states: Vec<(String, Value)> =
            self.doors.iter().map(|(name, door)| (format!("door/{name}"), door.payload(self.fault(door)))).collect();
        states.extend(self.cameras.iter().map(|(name, well)| (format!("camera/{name}"), json!({ "connected": well }))));
        states.push(("state".to_owned(), self.state()));
        states.push(("vitals".to_owned(), self.vitals()));
        states
    }

    fn state(&self) -> Value {
        let mut known = self.people.values().filter_map(|person| person.inside).peekable();
        let inside = known.peek().is_some().then(|| known.filter(|inside| *inside).count());
        json!({
            "granted": self.granted,
            "denied": self.denied,
            "inside": inside,
            "last_person": self.last_person.as_ref().map(|(id, name, _)| json!({ "id": id, "name": name })),
            "last_person_at": self.last_person.as_ref().map(|(_, _, at)| at),
            "capture_to_door_ms": self.capture_to_door_ms,
            "problem": self.problem(),
            "templates_sealed": self.vitals.sealed,
        })
    }

    /// A door's fault, in words.
    fn fault(&self, door: &DoorState) -> Option<String> {
        let chatters = |input: &&str| format!("its {} changes all the time", input.replace('_', " "));
        let chattering = || self.chattering.get(&door.name).and_then(BTreeSet::first).map(chatters);
        door.fault.clone().or_else(chattering)
    }

    /// The most important problem, in words.
    fn problem(&self) -> Option<String> {
        let stage = self.failed_stage.as_ref().map(|stage| format!("the stage {stage} failed"));
        let camera = self.cameras.iter().find(|(_, well)| !**well).map(|(name, _)| format!("camera {name}: no frames"));
        let door = self.doors.iter().find_map(|(name, door)| Some(format!("door {name}: {}", self.fault(door)?)));
        let time = self.time_unknown.then(|| "the time is not known: set the clock".to_owned());
        stage.or(door).or(camera).or(time).or_else(|| self.vitals.trouble.clone())
    }

    fn vitals(&self) -> Value {
        let rounded = |value: f64| (value * 10.0).round() / 10.0;
        let fps: BTreeMap<&String, f64> = self.vitals.fps.iter().map(|(name, fps)| (name, rounded(*fps))).collect();
        json!({
            "fps": fps,
            "queue_depth": self.vitals.queue_depth,
            "soc_temperature_c": self.vitals.soc_temperature_c.map(rounded),
        })
    }

    /// `person/<id>` for each person: whether they are inside, where that is known.
    pub fn presences(&self) -> impl Iterator<Item = (String, Value)> {
        self.people.iter().map(|(id, person)| {
            let presence = person.inside.map(|inside| if inside { "home" } else { "not_home" });
            (format!("person/{id}"), json!({ "name": person.name, "presence": presence }))
        })
    }
}

fn name_of(person: &Named) -> String {
    person.name.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests;

//! The device's state as the broker retains it: updated from events, written as JSON. `docs/mqtt.md` describes each topic: keep both in step.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::domain::{AccessEvent, DaemonEvent, Direction, DoorEvent, Event, Named, PeopleEvent, Personal};

/// The device's doors, cameras and people at the start of the daemon.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceLayout {
    pub doors: Vec<DoorLayout>,
    /// Their names.
    pub cameras: Vec<String>,
    /// Number and name of everybody who is enrolled.
    pub people: Vec<(u32, String)>,
    /// Whether people are inside, by number, where that was known before the start.
    pub inside: BTreeMap<u32, bool>,
    /// Of usher.
    pub version: String,
}

/// A door and its inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct DoorLayout {
    pub name: String,
    /// Has a sensor at the leaf.
    pub leaf_sensor: bool,
    /// Has a tamper contact at the housing.
    pub tamper_contact: bool,
    /// `normal`, `lockdown` or `release`.
    pub mode: String,
}

/// A door as it is, independent of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct DoorState {
    pub name: String,
    pub lock: LockState,
    /// `None` before the first report of its sensor, and where it has none.
    pub open: Option<bool>,
    /// `normal`, `lockdown` or `release`.
    pub mode: String,
    /// `forced_open`, `held_open`, `tamper`.
    pub alarms: Vec<String>,
    /// What is wrong with its relay or its inputs, in words.
    pub fault: Option<String>,
}

/// The state of a door's lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockState {
    /// Before its first report.
    #[default]
    Unknown,
    /// The relay is at its safe level.
    Locked,
    /// The relay is energised.
    Unlocked,
    /// The relay does not obey and may be at either level.
    Jammed,
}

impl LockState {
    fn as_str(self) -> &'static str {
        match self {
            LockState::Unknown => "unknown",
            LockState::Locked => "locked",
            LockState::Unlocked => "unlocked",
            LockState::Jammed => "jammed",
        }
    }
}

/// Regular measurements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vitals {
    /// Frames per second that each camera's vision handles, by the camera's name.
    pub fps: BTreeMap<String, f64>,
    /// Events that wait for the broker.
    pub queue_depth: u64,
    /// Of the processor, in degrees Celsius, where the board reports it.
    pub soc_temperature_c: Option<f64>,
    /// A problem other than with stages, cameras and doors, in words.
    pub trouble: Option<String>,
}

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
            (name.clone(), DoorState { name, lock, open: None, mode, alarms: Vec::new(), fault: None })
        };
        let person =
            |(id, name): &(u32, String)| (*id, Person { name: name.clone(), inside: layout.inside.get(id).copied() });
        Portrait {
            doors: layout.doors.iter().map(door).collect(),
            chattering: BTreeMap::new(),
            cameras: layout.cameras.iter().map(|name| (name.clone(), true)).collect(),
            people: layout.people.iter().map(person).collect(),
            granted: 0,
            denied: 0,
            last_person: None,
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
            AccessEvent::CutMoved { .. } => Changed::default(),
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
            | DoorEvent::ContactsBack { .. } => {}
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
            | DaemonEvent::CameraChanged { .. }
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
            self.doors.iter().map(|(name, door)| (format!("door/{name}"), door.state(self.fault(door)))).collect();
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

impl DoorState {
    fn state(&self, fault: Option<String>) -> Value {
        let alarm = |name: &str| self.alarms.iter().any(|alarm| alarm == name);
        json!({
            "lock": self.lock.as_str(),
            "leaf": self.open.map(|open| if open { "open" } else { "closed" }),
            "mode": self.mode,
            "forced_open": alarm("forced_open"),
            "held_open": alarm("held_open"),
            "tamper": alarm("tamper"),
            "fault": fault,
        })
    }
}

fn name_of(person: &Named) -> String {
    person.name.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::samples::{arbitrary, one_of_each};
    use crate::domain::{Decided, Input, Moment, Outcome, PersonId, Reason, TimeQuality, TrackId};

    fn portrait() -> Portrait {
        Portrait::new(&DeviceLayout {
            doors: vec![DoorLayout {
                name: "front".into(),
                leaf_sensor: true,
                tamper_contact: true,
                mode: "normal".into(),
            }],
            cameras: vec!["porch".into()],
            people: vec![(7, "Barack Obama".into()), (9, "Joe Biden".into())],
            inside: BTreeMap::new(),
            version: "0.1.0".into(),
        })
    }

    const AT: &str = "2026-01-02T10:32:07Z";

    fn after(events: impl IntoIterator<Item = Event>) -> Portrait {
        let mut portrait = portrait();
        for event in events {
            portrait.apply(&event, AT);
        }
        portrait
    }

    fn person(id: u32, name: &str) -> Personal<Named> {
        Named::new(PersonId(id), name, None, Vec::new()).into()
    }

    fn obama() -> Personal<Named> {
        person(7, "Barack Obama")
    }

    fn decided(outcome: Outcome) -> Event {
        let decided = Decided::at_porch(outcome, 1, Moment::default(), TrackId(1));
        Decided { person: Some(obama()), ..decided }.into()
    }

    fn granted() -> Event {
        decided(Outcome::Granted)
    }

    fn renamed(id: u32, name: &str) -> Event {
        PeopleEvent::Renamed { person: person(id, name), before: "x".into(), by: "anna".into() }.into()
    }

    fn removed(id: u32) -> Event {
        PeopleEvent::Removed { person: person(id, "x"), by: "anna".into() }.into()
    }

    fn passed(id: u32, direction: Option<Direction>) -> Event {
        AccessEvent::Passed { door: "front".into(), person: person(id, "x"), direction, zone: None, record: 1 }.into()
    }

    fn of(portrait: &Portrait, topic: &str) -> Value {
        portrait.states().into_iter().find(|(name, _)| name == topic).unwrap().1
    }

    fn front(lock: LockState) -> DoorState {
        let (name, mode) = ("front".to_owned(), "lockdown".to_owned());
        DoorState { name, lock, open: Some(true), mode, alarms: vec!["held_open".into()], fault: None }
    }

    #[test]
    fn a_door_shows_its_lock_its_leaf_its_mode_and_its_alarms() {
        let mut portrait = portrait();
        assert_eq!(of(&portrait, "door/front")["lock"], "unknown", "until something is known");
        portrait.place(front(LockState::Unlocked));
        let expected = json!({
            "lock": "unlocked", "leaf": "open", "mode": "lockdown",
            "forced_open": false, "held_open": true, "tamper": false, "fault": null,
        });
        assert_eq!(of(&portrait, "door/front"), expected);
        assert_eq!(portrait.mode("front"), Some("lockdown"));
        // The record is not what counts: it may be missing, or say what was about to happen.
        for event in one_of_each().into_iter().filter(|event| matches!(event, Event::Door(_))) {
            if event.kind() != "contact_chattered" {
                portrait.apply(&event, AT);
                assert_eq!(of(&portrait, "door/front"), expected, "{}", event.kind());
            }
        }
        assert_eq!(of(&portrait, "state")["capture_to_door_ms"], 232);
        let fault = Some("the relay does not obey".to_owned());
        portrait.place(DoorState { open: None, fault, alarms: Vec::new(), ..front(LockState::Jammed) });
        let state = of(&portrait, "door/front");
        assert_eq!(
            [&state["lock"], &state["leaf"], &state["held_open"]],
            [&json!("jammed"), &json!(null), &json!(false)]
        );
        assert_eq!(of(&portrait, "state")["problem"], "door front: the relay does not obey");
        portrait.place(DoorState { name: "back".into(), ..front(LockState::Unlocked) });
        assert_eq!(portrait.states().len(), 4);
    }

    #[test]
    fn who_is_gone_is_not_named_as_the_last_person() {
        let last = |events: Vec<Event>| of(&after(events), "state")["last_person"].clone();
        assert_eq!(last(vec![granted(), renamed(7, "B. H. Obama")])["name"], "B. H. Obama");
        assert_eq!(last(vec![granted(), removed(9)])["id"], 7);
        assert_eq!(last(vec![granted(), removed(7)]), Value::Null);
        let mut portrait = after([granted()]);
        portrait.forget(7);
        assert_eq!(of(&portrait, "state")["last_person"], Value::Null);
        assert_eq!(of(&portrait, "state")["last_person_at"], Value::Null);
    }

    #[test]
    fn floods_are_counted_and_a_contact_that_chatters_is_a_fault() {
        let span = Duration::from_secs(60);
        let chatter = |over: bool| -> Event {
            let (door, input) = ("front".into(), Input::Sensor);
            DoorEvent::ContactChattered { door, input, changes: 148, span, active: true, over }.into()
        };
        let repeated = AccessEvent::DenialsRepeated {
            door: "front".into(),
            camera: "porch".into(),
            direction: None,
            reason: Reason::Unknown,
            person: None,
            count: 46,
            faces: 20,
            span,
        };
        let mut portrait = after([repeated.into(), chatter(false)]);
        assert_eq!(of(&portrait, "state")["denied"], 46);
        assert_eq!(of(&portrait, "state")["problem"], "door front: its sensor changes all the time");
        assert_eq!(of(&portrait, "door/front")["fault"], "its sensor changes all the time");
        portrait.apply(&chatter(true), AT);
        assert_eq!(of(&portrait, "state")["problem"], Value::Null);
    }

    #[test]
    fn where_people_were_before_the_start_is_not_forgotten() {
        let layout = DeviceLayout {
            doors: Vec::new(),
            cameras: Vec::new(),
            people: vec![(7, "x".into()), (9, "y".into()), (11, "z".into())],
            inside: BTreeMap::from([(7, true), (9, false)]),
            version: "1".into(),
        };
        assert_eq!(of(&Portrait::new(&layout), "state")["inside"], 1);
    }

    #[test]
    fn people_come_and_go() {
        let (inwards, outwards) = (Some(Direction::In), Some(Direction::Out));
        assert_eq!(of(&portrait(), "state")["inside"], Value::Null);
        let mut portrait = after([passed(7, inwards), passed(9, inwards), passed(7, None)]);
        assert_eq!(of(&portrait, "state")["inside"], 2);
        let changed = portrait.apply(&passed(9, outwards), AT);
        assert_eq!(changed, Changed { presences: true, names: false });
        assert_eq!(of(&portrait, "state")["inside"], 1);
        let presences: BTreeMap<String, Value> = portrait.presences().collect();
        assert_eq!(presences["person/7"], json!({ "name": "Barack Obama", "presence": "home" }));
        assert_eq!(presences["person/9"]["presence"], "not_home");

        let everybody = Changed { presences: true, names: true };
        assert_eq!(portrait.apply(&renamed(9, "J. Biden"), AT), everybody);
        assert_eq!(portrait.apply(&removed(7), AT), everybody);
        let enrolled = PeopleEvent::Enrolled { person: person(10, "Ann"), templates: 1, by: "anna".into() };
        assert_eq!(portrait.apply(&enrolled.into(), AT), everybody);
        assert_eq!(portrait.people().collect::<Vec<_>>(), [(9, "J. Biden"), (10, "Ann")]);
        portrait.apply(&AccessEvent::Amnesty { person: None, by: "anna".into() }.into(), AT);
        assert_eq!(of(&portrait, "state")["inside"], Value::Null);
    }

    #[test]
    fn counts_and_the_last_person_and_a_lost_camera() {
        let denied = || decided(Outcome::Denied(Reason::Unknown));
        let lost = DaemonEvent::CameraLost { camera: "porch".into(), reason: "unplugged".into() };
        let portrait = after([granted(), denied(), denied(), lost.into()]);
        let state = of(&portrait, "state");
        assert_eq!((&state["granted"], &state["denied"]), (&json!(1), &json!(2)));
        assert_eq!(state["last_person"], json!({ "id": 7, "name": "Barack Obama" }));
        assert_eq!(of(&portrait, "camera/porch"), json!({ "connected": false }));
        assert_eq!(state["problem"], "camera porch: no frames");
    }

    #[test]
    fn a_time_that_is_not_known_is_a_problem_until_it_is() {
        let quality = |quality| -> Event { DaemonEvent::TimeQualityChanged { quality }.into() };
        let (wrong, right) = (quality(TimeQuality::Wrong), quality(TimeQuality::Synchronised));
        let problem = |portrait: &Portrait| of(portrait, "state")["problem"].clone();
        assert_eq!(problem(&after([wrong.clone()])), "the time is not known: set the clock");
        assert_eq!(problem(&after([wrong, right])), Value::Null);
    }

    proptest! {
        #[test]
        fn no_event_panics(event in arbitrary()) {
            let mut portrait = portrait();
            portrait.apply(&event, AT);
            prop_assert!(portrait.states().len() == 4);
        }
    }
}

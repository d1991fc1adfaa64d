//! What the device looks like from outside: drawn from its events, told as JSON that the broker keeps.
//!
//! Knows nothing of connections. `docs/mqtt.md` describes each topic: keep the two alike.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// What there is, as the daemon knows it at its start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceLayout {
    pub doors: Vec<DoorLayout>,
    /// Their names.
    pub cameras: Vec<String>,
    /// Everybody who is enrolled: number and name.
    pub people: Vec<(u32, String)>,
    /// Whether people are inside, by number, as far as it was known before the start.
    pub inside: BTreeMap<u32, bool>,
    /// Of usher.
    pub version: String,
}

/// A door and what it can tell.
#[derive(Clone, Debug, PartialEq)]
pub struct DoorLayout {
    pub name: String,
    /// A sensor tells whether its leaf is open.
    pub leaf_sensor: bool,
    /// A contact tells when its housing is opened.
    pub tamper_contact: bool,
    /// `normal`, `lockdown` or `release`.
    pub mode: String,
}

/// A door as it is, whatever the journal has of it.
#[derive(Clone, Debug, PartialEq)]
pub struct DoorState {
    pub name: String,
    pub lock: LockState,
    /// `None` until its sensor says something, or when it has none.
    pub open: Option<bool>,
    /// `normal`, `lockdown` or `release`.
    pub mode: String,
    /// `forced_open`, `held_open`, `tamper`.
    pub alarms: Vec<String>,
    /// What is wrong with its relay or its inputs, in words.
    pub fault: Option<String>,
}

/// What holds a door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockState {
    /// Nothing was heard of it yet.
    #[default]
    Unknown,
    /// The relay is at its safe level.
    Locked,
    /// The relay is energised.
    Unlocked,
    /// The relay does not obey: it may be at either level.
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

/// What is measured from time to time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vitals {
    /// Frames a second that each camera's vision handles, by the camera's name.
    pub fps: BTreeMap<String, f64>,
    /// Events that wait for the broker.
    pub queue_depth: u64,
    /// Of the processor, in degrees Celsius, where the board tells it.
    pub soc_temperature_c: Option<f64>,
    /// What is wrong besides stages, cameras and doors, in words.
    pub trouble: Option<String>,
}

/// The device as it stands.
#[derive(Clone, Debug)]
pub struct Portrait {
    doors: BTreeMap<String, DoorState>,
    /// Inputs that change all the time, by door.
    chattering: BTreeMap<String, BTreeSet<String>>,
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

#[derive(Clone, Debug)]
struct Person {
    name: String,
    /// `None` until they went through a door whose side is known.
    inside: Option<bool>,
}

impl Portrait {
    /// Nothing known of the doors but their modes, cameras at work, nobody seen.
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

    /// Takes a door as it is. One that is not configured is passed over.
    pub fn place(&mut self, door: DoorState) {
        if let Some(known) = self.doors.get_mut(&door.name) {
            *known = door;
        }
    }

    /// A person is not to be named any longer as the one who was let in last.
    pub fn forget(&mut self, person: u32) {
        self.last_person = self.last_person.take().filter(|(id, ..)| *id != person);
    }

    /// Draws what a record of the journal says. Kinds that change nothing here are passed over; doors come by [`Portrait::place`].
    pub fn draw(&mut self, kind: &str, time: &str, content: &Value) {
        match kind {
            "granted" => {
                self.granted += 1;
                if let Some((id, name)) = person(content) {
                    self.last_person = Some((id, name, time.to_owned()));
                }
            }
            "denied" => self.denied += 1,
            "denials_repeated" => self.denied += content["count"].as_u64().unwrap_or_default(),
            "passed" => self.went_through(content),
            "amnesty" => match person(content) {
                Some((id, _)) => drop(self.people.get_mut(&id).map(|person| person.inside = None)),
                None => self.people.values_mut().for_each(|person| person.inside = None),
            },
            "enrolled" | "renamed" => {
                if let Some((id, name)) = person(content) {
                    if let Some((last, named, _)) = &mut self.last_person
                        && *last == id
                    {
                        named.clone_from(&name);
                    }
                    self.people.entry(id).or_insert(Person { name: String::new(), inside: None }).name = name;
                }
            }
            "removed" => {
                if let Some((id, _)) = person(content) {
                    self.people.remove(&id);
                    self.forget(id);
                }
            }
            "time_quality" => self.time_unknown = content["known"] == false,
            "stage_failed" => self.failed_stage = Some(text(content, "stage").to_owned()),
            "camera_lost" | "camera_back" => {
                if let Some(well) = self.cameras.get_mut(text(content, "camera")) {
                    *well = kind == "camera_back";
                }
            }
            "contact_chattered" => {
                let inputs = self.chattering.entry(text(content, "door").to_owned()).or_default();
                let input = text(content, "input");
                match content["over"] == true {
                    true => drop(inputs.remove(input)),
                    false => drop(inputs.insert(input.to_owned())),
                }
            }
            "unlocked" => {
                if let Some(ms) = content["capture_to_door_ms"].as_u64() {
                    self.capture_to_door_ms = Some(ms);
                }
            }
            _ => {}
        }
    }

    fn went_through(&mut self, content: &Value) {
        let Some((id, _)) = person(content) else { return };
        let inside = match text(content, "direction") {
            "in" => true,
            "out" => false,
            _ => return,
        };
        if let Some(person) = self.people.get_mut(&id) {
            person.inside = Some(inside);
        }
    }

    /// Takes new measurements.
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

    /// Topics below the device's, with what the broker is to keep for each: `door/<name>`, `camera/<name>`, `state`, `vitals`.
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

    /// What is wrong at a door, in words.
    fn fault(&self, door: &DoorState) -> Option<String> {
        let chatters = |input: &String| format!("its {} changes all the time", input.replace('_', " "));
        let chattering = || self.chattering.get(&door.name).and_then(BTreeSet::first).map(chatters);
        door.fault.clone().or_else(chattering)
    }

    /// The first thing that is wrong, in words.
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

    /// `person/<id>` for each person: whether they are inside, as far as it is known.
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

fn text<'a>(content: &'a Value, field: &str) -> &'a str {
    content[field].as_str().unwrap_or_default()
}

/// `{"person": {"id": 7, "name": "…"}}`
fn person(content: &Value) -> Option<(u32, String)> {
    let person = &content["person"];
    let id = u32::try_from(person["id"].as_u64()?).ok()?;
    Some((id, person["name"].as_str().unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

    fn drawn(events: &[(&str, Value)]) -> Portrait {
        let mut portrait = portrait();
        events.iter().for_each(|(kind, content)| portrait.draw(kind, "2026-01-02T10:32:07Z", content));
        portrait
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
        for kind in ["locked", "unlocked", "door_failed", "unlock_refused"] {
            portrait.draw(kind, "t", &json!({ "door": "front", "reason": "x", "capture_to_door_ms": 232 }));
            assert_eq!(of(&portrait, "door/front"), expected, "{kind}");
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
        let granted = json!({ "door": "front", "person": { "id": 7, "name": "Barack Obama" } });
        let last = |events: &[(&str, Value)]| of(&drawn(events), "state")["last_person"].clone();
        let renamed = json!({ "person": { "id": 7, "name": "B. H. Obama" } });
        assert_eq!(last(&[("granted", granted.clone()), ("renamed", renamed)])["name"], "B. H. Obama");
        let removed = |id: u32| json!({ "person": { "id": id, "name": "x" } });
        assert_eq!(last(&[("granted", granted.clone()), ("removed", removed(9))])["id"], 7);
        assert_eq!(last(&[("granted", granted.clone()), ("removed", removed(7))]), Value::Null);
        let mut portrait = drawn(&[("granted", granted)]);
        portrait.forget(7);
        assert_eq!(of(&portrait, "state")["last_person"], Value::Null);
        assert_eq!(of(&portrait, "state")["last_person_at"], Value::Null);
    }

    #[test]
    fn floods_are_counted_and_a_contact_that_chatters_is_a_fault() {
        let chatter = |over: bool| json!({ "door": "front", "input": "sensor", "active": true, "over": over });
        let repeated = json!({ "door": "front", "reason": "unknown", "count": 46 });
        let mut portrait = drawn(&[("denials_repeated", repeated), ("contact_chattered", chatter(false))]);
        assert_eq!(of(&portrait, "state")["denied"], 46);
        assert_eq!(of(&portrait, "state")["problem"], "door front: its sensor changes all the time");
        assert_eq!(of(&portrait, "door/front")["fault"], "its sensor changes all the time");
        portrait.draw("contact_chattered", "t", &chatter(true));
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
        let passed = |id: u32, direction: Value| json!({ "door": "front", "person": { "id": id, "name": "x" }, "direction": direction });
        assert_eq!(of(&portrait(), "state")["inside"], Value::Null);
        let mut portrait = drawn(&[
            ("passed", passed(7, json!("in"))),
            ("passed", passed(9, json!("in"))),
            ("passed", passed(7, json!(null))),
        ]);
        assert_eq!(of(&portrait, "state")["inside"], 2);
        portrait.draw("passed", "t", &passed(9, json!("out")));
        assert_eq!(of(&portrait, "state")["inside"], 1);
        let presences: BTreeMap<String, Value> = portrait.presences().collect();
        assert_eq!(presences["person/7"], json!({ "name": "Barack Obama", "presence": "home" }));
        assert_eq!(presences["person/9"]["presence"], "not_home");

        portrait.draw("renamed", "t", &json!({ "person": { "id": 9, "name": "J. Biden" } }));
        portrait.draw("removed", "t", &json!({ "person": { "id": 7, "name": "Barack Obama" } }));
        portrait.draw("enrolled", "t", &json!({ "person": { "id": 10, "name": "Ann" } }));
        assert_eq!(portrait.people().collect::<Vec<_>>(), [(9, "J. Biden"), (10, "Ann")]);
        portrait.draw("amnesty", "t", &json!({ "person": null }));
        assert_eq!(of(&portrait, "state")["inside"], Value::Null);
    }

    #[test]
    fn counts_and_the_last_person_and_a_lost_camera() {
        let granted = json!({ "door": "front", "person": { "id": 7, "name": "Barack Obama" } });
        let portrait = drawn(&[
            ("granted", granted),
            ("denied", json!({})),
            ("denied", json!({})),
            ("camera_lost", json!({ "camera": "porch" })),
        ]);
        let state = of(&portrait, "state");
        assert_eq!((&state["granted"], &state["denied"]), (&json!(1), &json!(2)));
        assert_eq!(state["last_person"], json!({ "id": 7, "name": "Barack Obama" }));
        assert_eq!(of(&portrait, "camera/porch"), json!({ "connected": false }));
        assert_eq!(state["problem"], "camera porch: no frames");
    }

    #[test]
    fn a_time_that_is_not_known_is_a_problem_until_it_is() {
        let quality = |known: bool| ("time_quality", json!({ "quality": "wrong", "known": known }));
        let problem = |portrait: &Portrait| of(portrait, "state")["problem"].clone();
        assert_eq!(problem(&drawn(&[quality(false)])), "the time is not known: set the clock");
        assert_eq!(problem(&drawn(&[quality(false), quality(true)])), Value::Null);
    }

    proptest! {
        #[test]
        fn no_event_panics(kind in "[a-z_]{0,12}|unlocked|passed|enrolled|mode_set", text in any::<String>(), id in any::<u64>()) {
            let mut portrait = portrait();
            for content in [json!(null), json!([text]), json!({ "door": "front", "person": id, "alarm": text }),
                json!({ "door": text, "person": { "id": id, "name": text }, "direction": "in", "camera": id })]
            {
                portrait.draw(&kind, &text, &content);
            }
            prop_assert!(portrait.states().len() == 4);
        }
    }
}

//! What the device looks like from outside: drawn from its events, told as JSON that the broker keeps.
//!
//! Knows nothing of connections. `docs/mqtt.md` describes each topic: keep the two alike.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// What there is, as the daemon knows it at its start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Premises {
    pub doors: Vec<DoorOutline>,
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
pub struct DoorOutline {
    pub name: String,
    /// A sensor tells whether its leaf is open.
    pub leaf_sensor: bool,
    /// A contact tells when its housing is opened.
    pub tamper_contact: bool,
    /// `normal`, `lockdown` or `release`.
    pub mode: String,
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
    doors: BTreeMap<String, Door>,
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
struct Door {
    unlocked: bool,
    /// `None` until its sensor says something, or when it has none.
    open: Option<bool>,
    mode: String,
    alarms: BTreeSet<String>,
    fault: Option<String>,
    /// Inputs that change all the time.
    chattering: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct Person {
    name: String,
    /// `None` until they went through a door whose side is known.
    inside: Option<bool>,
}

impl Portrait {
    /// Doors locked, cameras at work, nobody seen.
    pub fn new(premises: &Premises) -> Portrait {
        let door = |outline: &DoorOutline| {
            let mode = outline.mode.clone();
            let (alarms, chattering) = (BTreeSet::new(), BTreeSet::new());
            (outline.name.clone(), Door { unlocked: false, open: None, mode, alarms, fault: None, chattering })
        };
        let person =
            |(id, name): &(u32, String)| (*id, Person { name: name.clone(), inside: premises.inside.get(id).copied() });
        Portrait {
            doors: premises.doors.iter().map(door).collect(),
            cameras: premises.cameras.iter().map(|name| (name.clone(), true)).collect(),
            people: premises.people.iter().map(person).collect(),
            granted: 0,
            denied: 0,
            last_person: None,
            capture_to_door_ms: None,
            failed_stage: None,
            time_unknown: false,
            vitals: Vitals::default(),
        }
    }

    /// Draws what a record of the journal says. Kinds that change nothing here are passed over.
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
                    self.people.entry(id).or_insert(Person { name: String::new(), inside: None }).name = name;
                }
            }
            "removed" => {
                if let Some((id, _)) = person(content) {
                    self.people.remove(&id);
                }
            }
            "time_quality" => self.time_unknown = content["known"] == false,
            "stage_failed" => self.failed_stage = Some(text(content, "stage").to_owned()),
            "camera_lost" | "camera_back" => {
                if let Some(well) = self.cameras.get_mut(text(content, "camera")) {
                    *well = kind == "camera_back";
                }
            }
            _ => {
                if kind == "unlocked"
                    && let Some(ms) = content["capture_to_door_ms"].as_u64()
                {
                    self.capture_to_door_ms = Some(ms);
                }
                if let Some(door) = self.doors.get_mut(text(content, "door")) {
                    door.draw(kind, content);
                }
            }
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
            self.doors.iter().map(|(name, door)| (format!("door/{name}"), door.state())).collect();
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

    /// The first thing that is wrong, in words.
    fn problem(&self) -> Option<String> {
        let stage = self.failed_stage.as_ref().map(|stage| format!("the stage {stage} failed"));
        let camera = self.cameras.iter().find(|(_, well)| !**well).map(|(name, _)| format!("camera {name}: no frames"));
        let door = self.doors.iter().find_map(|(name, door)| Some(format!("door {name}: {}", door.fault()?)));
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

impl Door {
    fn draw(&mut self, kind: &str, content: &Value) {
        match kind {
            "unlocked" | "locked" => {
                self.unlocked = kind == "unlocked";
                self.fault = None;
            }
            "door_opened" | "door_closed" => self.open = Some(kind == "door_opened"),
            "mode_set" => text(content, "mode").clone_into(&mut self.mode),
            "alarm_raised" => drop(self.alarms.insert(text(content, "alarm").to_owned())),
            "alarm_ended" => drop(self.alarms.remove(text(content, "alarm"))),
            "contact_chattered" => {
                let input = text(content, "input");
                match content["over"] == true {
                    true => drop(self.chattering.remove(input)),
                    false => drop(self.chattering.insert(input.to_owned())),
                }
                if let (true, Some(active)) = (input == "sensor", content["active"].as_bool()) {
                    self.open = Some(active);
                }
            }
            "contacts_lost" => {
                self.open = None;
                self.fault = Some(text(content, "reason").to_owned());
            }
            "contacts_back" => self.fault = None,
            "unlock_refused" => {
                // The relay is at its safe level then.
                self.unlocked = false;
                self.fault = Some(text(content, "reason").to_owned());
            }
            "door_failed" => {
                self.fault = Some(text(content, "reason").to_owned());
            }
            _ => {}
        }
    }

    fn fault(&self) -> Option<String> {
        let chatters = |input: &String| format!("its {} changes all the time", input.replace('_', " "));
        self.fault.clone().or_else(|| self.chattering.first().map(chatters))
    }

    fn state(&self) -> Value {
        json!({
            "lock": if self.unlocked { "unlocked" } else { "locked" },
            "leaf": self.open.map(|open| if open { "open" } else { "closed" }),
            "mode": self.mode,
            "forced_open": self.alarms.contains("forced_open"),
            "held_open": self.alarms.contains("held_open"),
            "tamper": self.alarms.contains("tamper"),
            "fault": self.fault(),
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
        Portrait::new(&Premises {
            doors: vec![DoorOutline {
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

    #[test]
    fn a_door_shows_its_lock_its_leaf_its_mode_and_its_alarms() {
        let door = |more: Value| {
            let mut content = json!({ "door": "front" });
            content.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            content
        };
        let events = [
            ("unlocked", door(json!({ "capture_to_door_ms": 232 }))),
            ("door_opened", door(json!({}))),
            ("alarm_raised", door(json!({ "alarm": "held_open" }))),
            ("mode_set", door(json!({ "mode": "lockdown" }))),
        ];
        let portrait = drawn(&events);
        let expected = json!({
            "lock": "unlocked", "leaf": "open", "mode": "lockdown",
            "forced_open": false, "held_open": true, "tamper": false, "fault": null,
        });
        assert_eq!(of(&portrait, "door/front"), expected);
        assert_eq!(of(&portrait, "state")["capture_to_door_ms"], 232);
        assert_eq!(portrait.mode("front"), Some("lockdown"));

        let mut portrait = portrait;
        portrait.draw("locked", "t", &door(json!({})));
        portrait.draw("door_closed", "t", &door(json!({})));
        portrait.draw("alarm_ended", "t", &door(json!({ "alarm": "held_open" })));
        portrait.draw("contacts_lost", "t", &door(json!({ "reason": "the chip is gone" })));
        let state = of(&portrait, "door/front");
        assert_eq!(
            [&state["lock"], &state["leaf"], &state["held_open"]],
            [&json!("locked"), &json!(null), &json!(false)]
        );
        assert_eq!(of(&portrait, "state")["problem"], "door front: the chip is gone");
    }

    #[test]
    fn floods_are_counted_and_a_contact_that_chatters_is_a_fault() {
        let chatter = |over: bool| json!({ "door": "front", "input": "sensor", "active": true, "over": over });
        let repeated = json!({ "door": "front", "reason": "unknown", "count": 46 });
        let mut portrait = drawn(&[("denials_repeated", repeated), ("contact_chattered", chatter(false))]);
        assert_eq!(of(&portrait, "state")["denied"], 46);
        assert_eq!(of(&portrait, "state")["problem"], "door front: its sensor changes all the time");
        assert_eq!(of(&portrait, "door/front")["leaf"], "open");
        portrait.draw("contact_chattered", "t", &chatter(true));
        assert_eq!(of(&portrait, "state")["problem"], Value::Null);
    }

    #[test]
    fn where_people_were_before_the_start_is_not_forgotten() {
        let premises = Premises {
            doors: Vec::new(),
            cameras: Vec::new(),
            people: vec![(7, "x".into()), (9, "y".into()), (11, "z".into())],
            inside: BTreeMap::from([(7, true), (9, false)]),
            version: "1".into(),
        };
        assert_eq!(of(&Portrait::new(&premises), "state")["inside"], 1);
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

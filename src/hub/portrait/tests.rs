//! What events make of the device's state.

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
            prompts: true,
        }],
        cameras: vec!["porch".into()],
        people: vec![(7, "Barack Obama".into()), (9, "Joe Biden".into())],
        inside: BTreeMap::new(),
        before: Default::default(),
        version: "0.1.0".into(),
    })
}

#[test]
fn counters_and_the_last_person_go_on_where_an_earlier_run_ended() {
    let last_person = Some((7, "Barack Obama".to_owned(), AT.to_owned()));
    let before = crate::hub::Before { granted: 40, denied: 2, last_person };
    let mut portrait = Portrait::new(&DeviceLayout { before, ..DeviceLayout::default() });
    let state = portrait.state();
    assert_eq!((&state["granted"], &state["denied"], &state["last_person_at"]), (&json!(40), &json!(2), &json!(AT)));
    portrait.apply(&decided(Outcome::Denied(Reason::Unknown)), AT);
    assert_eq!(portrait.state()["denied"], 3);
    portrait.forget(7);
    assert_eq!(portrait.state()["last_person"], Value::Null);
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
    let (alarms, prompt) = (vec!["held_open".into()], Prompt::TurnLeft);
    DoorState { name, lock, open: Some(true), mode, alarms, fault: None, prompt }
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
    assert_eq!([&state["lock"], &state["leaf"], &state["held_open"]], [&json!("jammed"), &json!(null), &json!(false)]);
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
        before: Default::default(),
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

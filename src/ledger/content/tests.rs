//! One event of each kind, and what it becomes.

use std::sync::Arc;

use super::*;
use crate::domain::{Alarm, Cause, Input, Match, Moment, Reason, TimeQuality, TrackId};

pub fn person(id: u32, name: &str) -> Named {
    Named {
        id: PersonId(id),
        name: name.to_owned(),
        employee_id: Some(format!("E{id:03}")),
        groups: vec!["staff".into()],
    }
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
    Event::Decided { door: "front".into(), direction: Some(Direction::In), person, runner_up, decision }
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
        Event::DenialsRepeated {
            door: door.clone(),
            camera: camera.clone(),
            direction: Some(Direction::In),
            reason: Reason::Disabled,
            person: Some(person(7, "Barack Obama")),
            count: 9,
            faces: 2,
            span: Duration::from_secs(60),
        },
        Event::Passed {
            door: door.clone(),
            person: person(7, "Barack Obama"),
            direction: Some(Direction::In),
            zone: Some("office".into()),
            record: 3,
        },
        Event::ExitRequested { door: door.clone(), refused: None },
        Event::OperatorUnlocked { door: door.clone(), duration: Duration::from_secs(5), by: by() },
        Event::OperatorLocked { door: door.clone(), by: by() },
        Event::ModeSet { door: door.clone(), mode: Mode::Lockdown { group: Some("guards".into()) }, by: by() },
        Event::CommandRefused {
            door: door.clone(),
            command: "unlock".into(),
            by: "mqtt/anna".into(),
            reason: reason(),
        },
        Event::ScheduleBegan { door: door.clone(), schedule: "office".into() },
        Event::ScheduleEnded { door: door.clone(), schedule: "office".into() },
        Event::Unlocked {
            door: door.clone(),
            cause: Cause::Grant,
            record: 3,
            duration: Some(Duration::from_millis(3000)),
            capture_to_door: Some(Duration::from_millis(232)),
        },
        Event::Locked { door: door.clone(), reason: reason() },
        Event::UnlockRefused { door: door.clone(), reason: reason() },
        Event::DoorFailed { door: door.clone(), reason: reason() },
        Event::DoorOpened { door: door.clone() },
        Event::DoorClosed { door: door.clone(), open_for: Duration::from_secs(4) },
        Event::HeldOpenWarning { door: door.clone(), open_for: Duration::from_secs(20) },
        Event::AlarmRaised { door: door.clone(), alarm: Alarm::Forced },
        Event::AlarmEnded { door: door.clone(), alarm: Alarm::Forced, lasted: Duration::from_secs(60) },
        Event::ContactChattered {
            door: door.clone(),
            input: Input::Sensor,
            changes: 148,
            span: Duration::from_secs(60),
            active: true,
            over: false,
        },
        Event::ContactsLost { door: door.clone(), reason: reason() },
        Event::ContactsBack { door },
        Event::Amnesty { person: Some(person(7, "Barack Obama")), by: by() },
        Event::CutMoved {
            people: 12,
            templates: 60,
            before: 1.02,
            after: 1.01,
            false_identification_rate: 0.003,
            extrapolated: false,
        },
        Event::ClockJumped { milliseconds: -3_600_000 },
        Event::TimeQualityChanged { quality: TimeQuality::Wrong },
        Event::ClockTrusted { by: by() },
        Event::CameraLost { camera: camera.clone(), reason: reason() },
        Event::CameraBack { camera: camera.clone(), lost_for: Duration::from_secs(90) },
        Event::CameraChanged { camera, before: "Webcam A @ usb-1".into(), now: "Webcam B @ usb-2".into() },
        Event::StageFailed { stage: "vision".into(), reason: reason() },
        Event::Enrolled { person: person(7, "Barack Obama"), templates: 5, by: by() },
        Event::Renamed { person: person(7, "Barack Obama"), before: "B. Obama".into(), by: by() },
        Event::Changed { person: person(7, "Barack Obama"), what: "groups staff, guards".into(), by: by() },
        Event::Enabled { person: person(7, "Barack Obama"), by: by() },
        Event::Disabled { person: person(7, "Barack Obama"), by: by() },
        Event::Removed { person: person(7, "Barack Obama"), by: by() },
        Event::AttendanceAmended {
            person: person(7, "Barack Obama"),
            amendment: Amendment::Add {
                direction: Direction::Out,
                at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_349_927),
            },
            reason: reason(),
            by: by(),
        },
        Event::VisitorsForgotten { visits: 12, by: by() },
        Event::Sealed { people: 12, templates: 40, key: "5f3a91c2d0e4b718".into() },
        Event::TemplatesLocked { people: 1, templates: 5, reason: reason() },
        Event::StoreKeyChanged { key: "5f3a91c2d0e4b718".into(), by: by() },
        Event::HeadKept {
            head: ModelId::new("net-1+1a2b3c4d"),
            sha256: "5f3a".into(),
            people: 60,
            photographs: 310,
            false_match_rate: 0.001,
            missed_without: 0.504,
            missed_behind: 0.396_02,
            by: by(),
        },
        Event::HeadRemoved { head: Some(ModelId::new("net-1+1a2b3c4d")), sha256: "5f3a".into(), by: by() },
        Event::StoreMended { what: "the second copy was missing".into(), lost: 0 },
        Event::JournalBack {
            lost: 3,
            unlocked: 1,
            since: SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_349_927),
            failed_for: Duration::from_secs(90),
            reason: reason(),
        },
        Event::OutboxShed { records: 1000, from: 12, through: 1043 },
        Event::HubMessageRefused { topic: "usher/d/event/granted".into(), bytes: 4000, reason: reason() },
        Event::Pruned { through: 7000, hash: [7; 32], records: 7000, reason: reason() },
        Event::Erased { records: vec![3, 4, 5, 9], by: by() },
        Event::Restored { through: 7000, replaced: Some(7310), lockdown: vec!["front".into()], by: by() },
    ]
}

#[test]
fn every_event_has_its_own_kind() {
    let kinds: Vec<_> = one_of_each().iter().map(|event| of(event).0).collect();
    let expected = "started stopped granted denied denials_repeated passed exit_requested operator_unlocked operator_locked mode_set \
                    command_refused schedule_began schedule_ended unlocked locked unlock_refused door_failed door_opened door_closed \
                    held_open_warning alarm_raised alarm_ended contact_chattered contacts_lost contacts_back amnesty cut_moved \
                    clock_jumped time_quality clock_trusted camera_lost camera_back camera_changed stage_failed enrolled renamed changed enabled disabled \
                    removed attendance_amended visitors_forgotten sealed templates_locked store_key_changed head_kept head_removed store_mended journal_back outbox_shed hub_message_refused pruned erased \
                    restored";
    assert_eq!(kinds.join(" "), expected);
}

#[test]
fn a_grant_tells_everything_it_rests_on() {
    let (kind, content) = of(&decision(Verdict::Grant { person: PersonId(7) }, Some(near())));
    let expected = json!({
        "door": "front",
        "camera": "porch",
        "direction": "in",
        "verdict": "grant",
        "reason": null,
        "person": { "id": 7, "name": "Barack Obama", "employee_id": "E007", "groups": ["staff"] },
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
    let content = |wanted: &str| one_of_each().iter().map(of).find(|(kind, _)| *kind == wanted).unwrap().1;
    let unlocked = json!({
        "door": "front", "cause": "grant", "record": 3, "duration_ms": 3000, "capture_to_door_ms": 232
    });
    assert_eq!(content("unlocked"), unlocked);
    assert_eq!(content("camera_back"), json!({ "camera": "porch", "lost_for_ms": 90_000 }));
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

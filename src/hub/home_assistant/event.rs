//! Journal records as events of Home Assistant's event entity of a door. They are sent at once or never: an automation must not act on what
//! is over.

use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::{AccessEvent, Alarm, Decided, DoorEvent, Event, Personal, Reason, Recorded};

/// Every type that an event entity can receive.
pub const EVENT_TYPES: [&str; 17] = [
    "granted",
    "denied",
    "unknown",
    "ambiguous",
    "passback",
    "passed",
    "admitted",
    "rex",
    "forced_open",
    "held_open",
    "held_open_warning",
    "tamper",
    "failed",
    "operator",
    "command_refused",
    "denials_repeated",
    "contact_chattered",
];

/// What an event entity receives. Fields that do not apply are left out.
#[derive(Debug, Default, Serialize)]
struct DoorMessage<'a> {
    event_type: &'static str,
    id: &'a str,
    time: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<&'a str>,
    /// Whom a face was nearest to that was not recognised. Somebody else, as far as is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<u64>,
}

/// The door that a record is about, and its event: `{"event_type": "granted", "person": "…", …}`. `None` for records that are no
/// event of a door. With `nearest`, a refusal says whom the face was nearest to.
pub fn door_event(entry: &Recorded, nearest: bool) -> Option<(&str, Value)> {
    let event = entry.content.event()?;
    let message = match event {
        Event::Access(event) => of_access(event)?,
        Event::Door(event) => of_door(event)?,
        Event::People(_) | Event::Store(_) | Event::Daemon(_) => return None,
    };
    let nearest =
        event.decided().filter(|_| nearest && message.person.is_none()).and_then(|decided| decided.person.as_ref());
    let message = DoorMessage { id: &entry.id, time: &entry.time, nearest: nearest.and_then(name), ..message };
    Some((event.door()?, serde_json::to_value(message).ok()?))
}

fn of_access(event: &AccessEvent) -> Option<DoorMessage<'_>> {
    Some(match event {
        AccessEvent::Decided(decided) => {
            let event_type = match decided.reason() {
                None => "granted",
                Some(Reason::Unknown) => "unknown",
                Some(Reason::Ambiguous) => "ambiguous",
                Some(Reason::Passback) => "passback",
                Some(_) => "denied",
            };
            DoorMessage {
                event_type,
                person: recognised(decided),
                reason: decided.reason().map(Reason::as_str),
                direction: decided.direction.map(|way| way.as_str()),
                ..DoorMessage::default()
            }
        }
        AccessEvent::DenialsRepeated { direction, reason, person, count, .. } => DoorMessage {
            event_type: "denials_repeated",
            person: person.as_ref().filter(|_| reason.is_about_the_person()).and_then(name),
            reason: Some(reason.as_str()),
            direction: direction.map(|way| way.as_str()),
            count: Some(*count),
            ..DoorMessage::default()
        },
        AccessEvent::Passed { person, direction, zone, .. } => DoorMessage {
            event_type: "passed",
            person: name(person),
            direction: direction.map(|way| way.as_str()),
            zone: zone.as_deref(),
            ..DoorMessage::default()
        },
        AccessEvent::Admitted { person, direction, reason, by, .. } => DoorMessage {
            event_type: "admitted",
            person: name(person),
            reason: reason.known().map(String::as_str),
            direction: direction.map(|way| way.as_str()),
            by: Some(by.to_string()),
            ..DoorMessage::default()
        },
        // The same for every PIN, and so of no use to anybody who looks at a door.
        AccessEvent::PinEntered { .. } | AccessEvent::Amnesty { .. } | AccessEvent::CutMoved { .. } => return None,
    })
}

fn of_door(event: &DoorEvent) -> Option<DoorMessage<'_>> {
    let message = |event_type| DoorMessage { event_type, ..DoorMessage::default() };
    Some(match event {
        DoorEvent::ExitRequested { refused, .. } => DoorMessage { reason: refused.as_deref(), ..message("rex") },
        DoorEvent::AlarmRaised { alarm, .. } => message(match alarm {
            Alarm::Forced => "forced_open",
            Alarm::HeldOpen => "held_open",
            Alarm::Tamper => "tamper",
        }),
        DoorEvent::HeldOpenWarning { .. } => message("held_open_warning"),
        DoorEvent::UnlockRefused { reason, .. } | DoorEvent::DoorFailed { reason, .. } => {
            DoorMessage { reason: Some(reason), ..message("failed") }
        }
        DoorEvent::OperatorUnlocked { by, .. } | DoorEvent::OperatorLocked { by, .. } => {
            DoorMessage { by: Some(by.to_string()), ..message("operator") }
        }
        DoorEvent::ModeSet { mode, by, .. } => {
            DoorMessage { mode: Some(mode.as_str()), by: Some(by.to_string()), ..message("operator") }
        }
        DoorEvent::CommandRefused { command, by, reason, .. } => DoorMessage {
            reason: Some(reason),
            command: Some(command),
            by: Some(by.to_string()),
            ..message("command_refused")
        },
        DoorEvent::ContactChattered { input, changes, .. } => {
            DoorMessage { input: Some(input.as_str()), changes: Some(*changes), ..message("contact_chattered") }
        }
        DoorEvent::ScheduleBegan { .. }
        | DoorEvent::ScheduleEnded { .. }
        | DoorEvent::Unlocked { .. }
        | DoorEvent::Locked { .. }
        | DoorEvent::DoorOpened { .. }
        | DoorEvent::DoorClosed { .. }
        | DoorEvent::AlarmEnded { .. }
        | DoorEvent::ContactsLost { .. }
        | DoorEvent::ContactsBack { .. }
        | DoorEvent::ReaderLost { .. }
        | DoorEvent::ReaderBack { .. }
        | DoorEvent::LowAssurance { .. } => return None,
    })
}

/// The name of who was recognised: the nearest person of a face that was not recognised is somebody else.
fn recognised(decided: &Decided) -> Option<&str> {
    let is_recognised = decided.reason().is_none_or(Reason::is_about_the_person);
    decided.person.as_ref().filter(|_| is_recognised).and_then(name)
}

fn name(person: &Personal<crate::domain::Named>) -> Option<&str> {
    person.known()?.name.as_deref()
}

/// The tag that a grant scans: `{"tag": "usher-7"}`.
pub fn tag(entry: &Recorded) -> Option<Value> {
    let decided = entry.content.event()?.decided().filter(|decided| decided.is_grant())?;
    Some(json!({ "tag": format!("usher-{}", decided.person_id()?) }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::domain::samples::{one_of_each, person};
    use crate::domain::{Content, Direction, Input, Moment, Outcome, TrackId};

    fn entry(event: impl Into<Event>) -> Recorded {
        let event = event.into();
        let (time, kind) = ("2026-01-02T10:32:07Z".into(), event.kind().to_owned());
        let content = Content::from(&event);
        Recorded { seq: 8, id: "019b".into(), time, kind, content, previous: String::new(), hash: String::new() }
    }

    fn event_of(event: impl Into<Event>) -> Value {
        door_event(&entry(event), false).unwrap().1
    }

    fn decided(outcome: Outcome) -> Decided {
        let decided = Decided::at_porch(outcome, 1, Moment::default(), TrackId(1));
        Decided { person: Some(person(7, "Barack Obama").into()), direction: Some(Direction::In), ..decided }
    }

    #[test]
    fn a_grant_names_the_person_and_a_stranger_is_not_named() {
        let expected = json!({
            "event_type": "granted", "id": "019b", "time": "2026-01-02T10:32:07Z", "person": "Barack Obama", "direction": "in",
        });
        assert_eq!(event_of(decided(Outcome::Granted)), expected);
        let unknown = event_of(decided(Outcome::Denied(Reason::Unknown)));
        assert_eq!((&unknown["event_type"], &unknown["person"]), (&json!("unknown"), &Value::Null));
        let expired = event_of(decided(Outcome::Denied(Reason::Expired)));
        assert_eq!((&expired["event_type"], &expired["person"]), (&json!("denied"), &json!("Barack Obama")));
    }

    #[test]
    fn by_choice_a_refusal_says_whom_the_face_was_nearest_to() {
        let with_nearest = |outcome| door_event(&entry(decided(outcome)), true).unwrap().1;
        let unknown = with_nearest(Outcome::Denied(Reason::Unknown));
        assert_eq!((&unknown["nearest"], &unknown["person"]), (&json!("Barack Obama"), &Value::Null));
        for recognised in [Outcome::Granted, Outcome::Denied(Reason::Expired)] {
            let event = with_nearest(recognised);
            assert_eq!((&event["nearest"], &event["person"]), (&Value::Null, &json!("Barack Obama")));
        }
    }

    #[test]
    fn every_type_that_is_sent_is_announced_and_the_other_way_round() {
        let alarm = |alarm| Event::from(DoorEvent::AlarmRaised { door: "front".into(), alarm });
        let denied = |reason| Event::from(decided(Outcome::Denied(reason)));
        let events = one_of_each().into_iter().chain([alarm(Alarm::HeldOpen), alarm(Alarm::Tamper)]).chain([
            denied(Reason::Ambiguous),
            denied(Reason::Passback),
            denied(Reason::Expired),
        ]);
        let sent: BTreeSet<String> = events
            .filter_map(|event| door_event(&entry(event), false).map(|(door, event)| (door.to_owned(), event)))
            .map(|(door, event)| {
                assert_eq!(door, "front");
                event["event_type"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(sent, EVENT_TYPES.iter().map(|name| (*name).to_owned()).collect());
        let refused = DoorEvent::ExitRequested { door: "front".into(), refused: Some("no".into()) };
        assert_eq!(event_of(refused)["reason"], "no");
    }

    #[test]
    fn summaries_carry_their_counts() {
        let span = Duration::from_secs(60);
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
        let event = event_of(repeated);
        assert_eq!(event["event_type"], "denials_repeated");
        assert_eq!(
            (&event["reason"], &event["count"], &event["person"]),
            (&json!("unknown"), &json!(46), &Value::Null)
        );
        let (door, input) = ("front".into(), Input::Sensor);
        let event =
            event_of(DoorEvent::ContactChattered { door, input, changes: 148, span, active: true, over: false });
        assert_eq!((&event["input"], &event["changes"]), (&json!("sensor"), &json!(148)));
    }

    #[test]
    fn only_a_grant_scans_a_tag() {
        assert_eq!(tag(&entry(decided(Outcome::Granted))), Some(json!({ "tag": "usher-7" })));
        assert_eq!(tag(&entry(decided(Outcome::Denied(Reason::Expired)))), None);
    }
}

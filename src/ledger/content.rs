//! What a record says about an event: its kind and its content as JSON.
//!
//! Knows nothing of hashes, databases and brokers. Names are snake_case, spans carry `_ms` in whole milliseconds, distances are
//! Euclidean between unit vectors (0 to 2, lower is closer) with four decimals. A person is `{"id": 7, "name": "…"}`, named as
//! they were called at that time.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::record::hex;
use super::spans;
use crate::domain::{Amendment, Decision, Direction, Distance, Event, Gate, Mode, ModelId, Named, PersonId, Verdict};

/// The kind and the content of `event`:
///
/// | kind | content |
/// |---|---|
/// | `started` | `version`, `config` (digest), `model` |
/// | `stopped` | `reason` |
/// | `granted`, `denied` | `door`, `camera`, `direction` (`in`, `out` or null), `verdict` (`grant`, `deny`), `reason` (null for a grant), `person` and `distance` (the nearest, whatever the verdict; null in an empty gallery), `runner_up` (`id`, `name`, `distance`; or null), `frames` (`agree`, `of`), `track`, `frame`, `capture_to_verdict_ms`, `gates` (each `name`, `input`, `limit`, `passed`) |
/// | `passed` | `door`, `person`, `direction`, `zone` (or null), `record` (the `seq` of the grant) |
/// | `exit_requested` | `door`, `refused` (why the door did not unlock, or null) |
/// | `operator_unlocked` | `door`, `duration_ms`, `by` |
/// | `operator_locked` | `door`, `by` |
/// | `mode_set` | `door`, `mode` (`normal`, `lockdown`, `release`), `group` (that a lockdown lets through, or null), `by` |
/// | `command_refused` | `door`, `command` (`unlock`, `lock`, `lockdown`, `normal`), `by`, `reason` |
/// | `schedule_began`, `schedule_ended` | `door`, `schedule` |
/// | `unlocked` | `door`, `cause` (`grant`, `exit`, `operator`, `schedule`, `release`), `record` (the `seq` of the record that allowed it), `duration_ms` (null: until told otherwise), `capture_to_door_ms` (or null) |
/// | `locked`, `door_failed` | `door`, `reason` |
/// | `door_opened` | `door` |
/// | `door_closed` | `door`, `open_for_ms` |
/// | `held_open_warning` | `door`, `open_for_ms` |
/// | `alarm_raised` | `door`, `alarm` (`forced_open`, `held_open`, `tamper`) |
/// | `alarm_ended` | `door`, `alarm`, `lasted_ms` |
/// | `contacts_lost` | `door`, `reason` |
/// | `contacts_back` | `door` |
/// | `amnesty` | `person` (null: everybody), `by` |
/// | `cut_moved` | `people`, `before`, `after` (distances), `false_identification_rate`, `extrapolated` |
/// | `clock_jumped` | `milliseconds` |
/// | `camera_lost` | `camera`, `reason` |
/// | `camera_back` | `camera`, `lost_for_ms` |
/// | `stage_failed` | `stage`, `reason` |
/// | `enrolled` | `person`, `templates`, `by` |
/// | `renamed` | `person`, `before` (the old name), `by` |
/// | `changed` | `person`, `what`, `by` |
/// | `enabled`, `disabled`, `removed` | `person`, `by` |
/// | `attendance_amended` | `person`, `add` (`direction`, `at` in RFC 3339; or null), `void` (the `seq` that does not count, or null), `reason`, `by` |
/// | `visitors_forgotten` | `visits`, `by` |
/// | `sealed` | `people`, `templates`, `key` (by which the store's key is known) |
/// | `templates_locked` | `people`, `templates`, `reason` |
/// | `store_key_changed` | `key`, `by` |
/// | `head_kept` | `head`, `sha256` (of its file), `people`, `photographs`, `false_match_rate`, `missed_without`, `missed_behind` (shares, 0 to 1), `by` |
/// | `head_removed` | `head` (or null), `sha256`, `by` |
/// | `store_mended` | `what`, `lost` (commits) |
/// | `journal_back` | `lost` (events), `failed_for_ms`, `reason` |
/// | `outbox_shed` | `records`, `from`, `through` |
/// | `pruned` | `through`, `hash` (of that record), `records`, `reason` |
/// | `erased` | `records` (their numbers, as in `3-5,9`), `count`, `by` |
/// | `restored` | `through`, `by` |
pub(super) fn of(event: &Event) -> (&'static str, Value) {
    match event {
        Event::Started { version, config, model } => {
            ("started", json!({ "version": version, "config": config, "model": model.as_str() }))
        }
        Event::Stopped { reason } => ("stopped", json!({ "reason": reason })),
        Event::Decided { door, direction, person, runner_up, decision } => {
            let kind = match decision.verdict {
                Verdict::Grant { .. } => "granted",
                Verdict::Deny { .. } => "denied",
            };
            (kind, decided(door, *direction, person.as_ref(), runner_up.as_ref(), decision))
        }
        Event::Passed { door, person, direction, zone, record } => {
            let content = json!({
                "door": &**door,
                "person": named(person),
                "direction": direction.map(Direction::as_str),
                "zone": zone,
                "record": record,
            });
            ("passed", content)
        }
        Event::ExitRequested { door, refused } => ("exit_requested", json!({ "door": &**door, "refused": refused })),
        Event::OperatorUnlocked { door, duration, by } => {
            ("operator_unlocked", json!({ "door": &**door, "duration_ms": ms(*duration), "by": by }))
        }
        Event::OperatorLocked { door, by } => ("operator_locked", json!({ "door": &**door, "by": by })),
        Event::ModeSet { door, mode, by } => {
            let group = match mode {
                Mode::Lockdown { group } => group.as_deref(),
                Mode::Normal | Mode::Release => None,
            };
            ("mode_set", json!({ "door": &**door, "mode": mode.as_str(), "group": group, "by": by }))
        }
        Event::CommandRefused { door, command, by, reason } => {
            ("command_refused", json!({ "door": &**door, "command": command, "by": by, "reason": reason }))
        }
        Event::ScheduleBegan { door, schedule } => ("schedule_began", json!({ "door": &**door, "schedule": schedule })),
        Event::ScheduleEnded { door, schedule } => ("schedule_ended", json!({ "door": &**door, "schedule": schedule })),
        Event::Unlocked { door, cause, record, duration, capture_to_door } => {
            let content = json!({
                "door": &**door,
                "cause": cause.as_str(),
                "record": record,
                "duration_ms": duration.map(ms),
                "capture_to_door_ms": capture_to_door.map(ms),
            });
            ("unlocked", content)
        }
        Event::Locked { door, reason } => ("locked", json!({ "door": &**door, "reason": reason })),
        Event::DoorFailed { door, reason } => ("door_failed", json!({ "door": &**door, "reason": reason })),
        Event::DoorOpened { door } => ("door_opened", json!({ "door": &**door })),
        Event::DoorClosed { door, open_for } => {
            ("door_closed", json!({ "door": &**door, "open_for_ms": ms(*open_for) }))
        }
        Event::HeldOpenWarning { door, open_for } => {
            ("held_open_warning", json!({ "door": &**door, "open_for_ms": ms(*open_for) }))
        }
        Event::AlarmRaised { door, alarm } => ("alarm_raised", json!({ "door": &**door, "alarm": alarm.as_str() })),
        Event::AlarmEnded { door, alarm, lasted } => {
            ("alarm_ended", json!({ "door": &**door, "alarm": alarm.as_str(), "lasted_ms": ms(*lasted) }))
        }
        Event::ContactsLost { door, reason } => ("contacts_lost", json!({ "door": &**door, "reason": reason })),
        Event::ContactsBack { door } => ("contacts_back", json!({ "door": &**door })),
        Event::Amnesty { person, by } => ("amnesty", json!({ "person": person.as_ref().map(named), "by": by })),
        Event::CutMoved { people, before, after, false_identification_rate, extrapolated } => {
            let content = json!({
                "people": people,
                "before": rounded(Distance(*before)),
                "after": rounded(Distance(*after)),
                "false_identification_rate": false_identification_rate,
                "extrapolated": extrapolated,
            });
            ("cut_moved", content)
        }
        Event::ClockJumped { milliseconds } => ("clock_jumped", json!({ "milliseconds": milliseconds })),
        Event::CameraLost { camera, reason } => ("camera_lost", json!({ "camera": &**camera, "reason": reason })),
        Event::CameraBack { camera, lost_for } => {
            ("camera_back", json!({ "camera": &**camera, "lost_for_ms": ms(*lost_for) }))
        }
        Event::StageFailed { stage, reason } => ("stage_failed", json!({ "stage": stage, "reason": reason })),
        Event::Enrolled { person, templates, by } => {
            ("enrolled", json!({ "person": named(person), "templates": templates, "by": by }))
        }
        Event::Renamed { person, before, by } => {
            ("renamed", json!({ "person": named(person), "before": before, "by": by }))
        }
        Event::Changed { person, what, by } => ("changed", json!({ "person": named(person), "what": what, "by": by })),
        Event::Enabled { person, by } => ("enabled", json!({ "person": named(person), "by": by })),
        Event::Disabled { person, by } => ("disabled", json!({ "person": named(person), "by": by })),
        Event::Removed { person, by } => ("removed", json!({ "person": named(person), "by": by })),
        Event::AttendanceAmended { person, amendment, reason, by } => {
            let (add, void) = match amendment {
                Amendment::Add { direction, at } => {
                    (Some(json!({ "direction": direction.as_str(), "at": rfc3339(*at) })), None)
                }
                Amendment::Void { record } => (None, Some(record)),
            };
            let content = json!({ "person": named(person), "add": add, "void": void, "reason": reason, "by": by });
            ("attendance_amended", content)
        }
        Event::VisitorsForgotten { visits, by } => ("visitors_forgotten", json!({ "visits": visits, "by": by })),
        Event::Sealed { people, templates, key } => {
            ("sealed", json!({ "people": people, "templates": templates, "key": key }))
        }
        Event::TemplatesLocked { people, templates, reason } => {
            ("templates_locked", json!({ "people": people, "templates": templates, "reason": reason }))
        }
        Event::StoreKeyChanged { key, by } => ("store_key_changed", json!({ "key": key, "by": by })),
        Event::HeadKept { head, sha256, people, photographs, false_match_rate, missed_without, missed_behind, by } => {
            let content = json!({
                "head": head.as_str(),
                "sha256": sha256,
                "people": people,
                "photographs": photographs,
                "false_match_rate": false_match_rate,
                "missed_without": four_decimals(*missed_without),
                "missed_behind": four_decimals(*missed_behind),
                "by": by,
            });
            ("head_kept", content)
        }
        Event::HeadRemoved { head, sha256, by } => {
            ("head_removed", json!({ "head": head.as_ref().map(ModelId::as_str), "sha256": sha256, "by": by }))
        }
        Event::StoreMended { what, lost } => ("store_mended", json!({ "what": what, "lost": lost })),
        Event::JournalBack { lost, failed_for, reason } => {
            ("journal_back", json!({ "lost": lost, "failed_for_ms": ms(*failed_for), "reason": reason }))
        }
        Event::OutboxShed { records, from, through } => {
            ("outbox_shed", json!({ "records": records, "from": from, "through": through }))
        }
        Event::Pruned { through, hash, records, reason } => {
            ("pruned", json!({ "through": through, "hash": hex(hash), "records": records, "reason": reason }))
        }
        Event::Erased { records, by } => {
            ("erased", json!({ "records": spans::write(records), "count": records.len(), "by": by }))
        }
        Event::Restored { through, by } => ("restored", json!({ "through": through, "by": by })),
    }
}

/// In UTC; a time that RFC 3339 cannot write becomes the nearest that it can.
fn rfc3339(at: SystemTime) -> String {
    let nearest = if at < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::try_from(at).unwrap_or(nearest).to_string()
}

fn decided(
    door: &str,
    direction: Option<Direction>,
    person: Option<&Named>,
    runner_up: Option<&Named>,
    decision: &Decision,
) -> Value {
    let (verdict, reason, granted) = match decision.verdict {
        Verdict::Grant { person } => ("grant", None, Some(person)),
        Verdict::Deny { reason } => ("deny", Some(reason.as_str()), None),
    };
    let nearest = decision.nearest;
    let id = granted.or(nearest.map(|nearest| nearest.person));
    let second = nearest.and_then(|nearest| nearest.runner_up);
    json!({
        "door": door,
        "camera": &*decision.camera,
        "direction": direction.map(Direction::as_str),
        "verdict": verdict,
        "reason": reason,
        "person": id.map(|id| json!({ "id": id.0, "name": name_of(id, person) })),
        "distance": nearest.map(|nearest| rounded(nearest.distance)),
        "runner_up": second.map(|(id, distance)| {
            json!({ "id": id.0, "name": name_of(id, runner_up), "distance": rounded(distance) })
        }),
        "frames": { "agree": decision.frames.0, "of": decision.frames.1 },
        "track": decision.track.0,
        "frame": decision.frame,
        "capture_to_verdict_ms": ms(decision.decided_at.since(decision.captured_at)),
        "gates": gates(&decision.gates),
    })
}

/// Each gate as JSON: `name`, `input`, `limit`, `passed`.
pub fn gates(gates: &[Gate]) -> Value {
    let one =
        |gate: &Gate| json!({ "name": gate.name, "input": gate.input, "limit": gate.limit, "passed": gate.passed });
    gates.iter().map(one).collect()
}

/// The name goes with the id it belongs to; null when whoever made the event did not know it.
fn name_of(id: PersonId, named: Option<&Named>) -> Option<&str> {
    named.filter(|named| named.id == id).map(|named| named.name.as_str())
}

fn named(person: &Named) -> Value {
    json!({ "id": person.id.0, "name": person.name })
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Four decimals: more than a distance means, and short in JSON. A distance that is not finite becomes null.
fn rounded(distance: Distance) -> f64 {
    four_decimals(distance.0.into())
}

fn four_decimals(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{Alarm, Cause, Match, Moment, Reason, TrackId};

    pub fn person(id: u32, name: &str) -> Named {
        Named { id: PersonId(id), name: name.to_owned() }
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
            Event::DoorFailed { door: door.clone(), reason: reason() },
            Event::DoorOpened { door: door.clone() },
            Event::DoorClosed { door: door.clone(), open_for: Duration::from_secs(4) },
            Event::HeldOpenWarning { door: door.clone(), open_for: Duration::from_secs(20) },
            Event::AlarmRaised { door: door.clone(), alarm: Alarm::Forced },
            Event::AlarmEnded { door: door.clone(), alarm: Alarm::Forced, lasted: Duration::from_secs(60) },
            Event::ContactsLost { door: door.clone(), reason: reason() },
            Event::ContactsBack { door },
            Event::Amnesty { person: Some(person(7, "Barack Obama")), by: by() },
            Event::CutMoved {
                people: 12,
                before: 1.02,
                after: 1.01,
                false_identification_rate: 0.003,
                extrapolated: false,
            },
            Event::ClockJumped { milliseconds: -3_600_000 },
            Event::CameraLost { camera: camera.clone(), reason: reason() },
            Event::CameraBack { camera, lost_for: Duration::from_secs(90) },
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
            Event::JournalBack { lost: 3, failed_for: Duration::from_secs(90), reason: reason() },
            Event::OutboxShed { records: 1000, from: 12, through: 1043 },
            Event::Pruned { through: 7000, hash: [7; 32], records: 7000, reason: reason() },
            Event::Erased { records: vec![3, 4, 5, 9], by: by() },
            Event::Restored { through: 7000, by: by() },
        ]
    }

    #[test]
    fn every_event_has_its_own_kind() {
        let kinds: Vec<_> = one_of_each().iter().map(|event| of(event).0).collect();
        let expected = "started stopped granted denied passed exit_requested operator_unlocked operator_locked mode_set \
                        command_refused schedule_began schedule_ended unlocked locked door_failed door_opened door_closed \
                        held_open_warning alarm_raised alarm_ended contacts_lost contacts_back amnesty cut_moved \
                        clock_jumped camera_lost camera_back stage_failed enrolled renamed changed enabled disabled \
                        removed attendance_amended visitors_forgotten sealed templates_locked store_key_changed head_kept head_removed store_mended journal_back outbox_shed pruned erased \
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
            "person": { "id": 7, "name": "Barack Obama" },
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
}

//! What a record says about an event: its kind and its content as JSON.
//!
//! Knows nothing of hashes, databases and brokers. Names are snake_case, spans carry `_ms` in whole milliseconds, distances are
//! Euclidean between unit vectors (0 to 2, lower is closer) with four decimals. A person is `{"id": 7, "name": "…",
//! "employee_id": "…", "groups": […]}` as they stood at that time; `employee_id` is null for somebody without one. Records of 0.1.0 have
//! neither `employee_id` nor `groups`, and so has a decision about somebody who was not known any longer.

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
/// | `denials_repeated` | `door`, `camera`, `direction`, `reason`, `person` (who was recognised, or null), `count`, `faces`, `span_ms` |
/// | `passed` | `door`, `person`, `direction`, `zone` (or null), `record` (the `seq` of the grant) |
/// | `exit_requested` | `door`, `refused` (why the door did not unlock, or null) |
/// | `operator_unlocked` | `door`, `duration_ms`, `by` |
/// | `operator_locked` | `door`, `by` |
/// | `mode_set` | `door`, `mode` (`normal`, `lockdown`, `release`), `group` (that a lockdown lets through, or null), `by` |
/// | `command_refused` | `door`, `command` (`unlock`, `lock`, `lockdown`, `normal`), `by`, `reason` |
/// | `schedule_began`, `schedule_ended` | `door`, `schedule` |
/// | `unlocked` | `door`, `cause` (`grant`, `exit`, `operator`, `schedule`, `release`), `record` (the `seq` of the record that allowed it), `duration_ms` (null: until told otherwise), `capture_to_door_ms` (or null) |
/// | `locked` | `door`, `reason` |
/// | `unlock_refused`, `door_failed` | `door`, `reason` |
/// | `door_opened` | `door` |
/// | `door_closed` | `door`, `open_for_ms` |
/// | `held_open_warning` | `door`, `open_for_ms` |
/// | `alarm_raised` | `door`, `alarm` (`forced_open`, `held_open`, `tamper`) |
/// | `alarm_ended` | `door`, `alarm`, `lasted_ms` |
/// | `contact_chattered` | `door`, `input` (`sensor`, `exit_button`, `tamper`), `changes`, `span_ms`, `active` (after the last), `over` |
/// | `contacts_lost` | `door`, `reason` |
/// | `contacts_back` | `door` |
/// | `amnesty` | `person` (null: everybody), `by` |
/// | `cut_moved` | `people`, `templates`, `before`, `after` (distances), `false_identification_rate`, `extrapolated` |
/// | `clock_jumped` | `milliseconds` |
/// | `time_quality` | `quality`, `known` |
/// | `clock_trusted` | `by` |
/// | `camera_lost` | `camera`, `reason` |
/// | `camera_back` | `camera`, `lost_for_ms` |
/// | `camera_changed` | `camera`, `before`, `now` (the devices, as their drivers name them) |
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
/// | `hub_message_refused` | `topic`, `bytes` (of topic and payload), `reason` |
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
        Event::DenialsRepeated { door, camera, direction, reason, person, count, faces, span } => {
            let content = json!({
                "door": &**door,
                "camera": &**camera,
                "direction": direction.map(Direction::as_str),
                "reason": reason.as_str(),
                "person": person.as_ref().map(named),
                "count": count,
                "faces": faces,
                "span_ms": ms(*span),
            });
            ("denials_repeated", content)
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
        Event::UnlockRefused { door, reason } => ("unlock_refused", json!({ "door": &**door, "reason": reason })),
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
        Event::ContactChattered { door, input, changes, span, active, over } => {
            let content = json!({
                "door": &**door,
                "input": input.as_str(),
                "changes": changes,
                "span_ms": ms(*span),
                "active": active,
                "over": over,
            });
            ("contact_chattered", content)
        }
        Event::ContactsLost { door, reason } => ("contacts_lost", json!({ "door": &**door, "reason": reason })),
        Event::ContactsBack { door } => ("contacts_back", json!({ "door": &**door })),
        Event::Amnesty { person, by } => ("amnesty", json!({ "person": person.as_ref().map(named), "by": by })),
        Event::CutMoved { people, templates, before, after, false_identification_rate, extrapolated } => {
            let content = json!({
                "people": people,
                "templates": templates,
                "before": rounded(Distance(*before)),
                "after": rounded(Distance(*after)),
                "false_identification_rate": false_identification_rate,
                "extrapolated": extrapolated,
            });
            ("cut_moved", content)
        }
        Event::ClockJumped { milliseconds } => ("clock_jumped", json!({ "milliseconds": milliseconds })),
        Event::TimeQualityChanged { quality } => {
            ("time_quality", json!({ "quality": quality.as_str(), "known": quality.is_known() }))
        }
        Event::ClockTrusted { by } => ("clock_trusted", json!({ "by": by })),
        Event::CameraLost { camera, reason } => ("camera_lost", json!({ "camera": &**camera, "reason": reason })),
        Event::CameraBack { camera, lost_for } => {
            ("camera_back", json!({ "camera": &**camera, "lost_for_ms": ms(*lost_for) }))
        }
        Event::CameraChanged { camera, before, now } => {
            ("camera_changed", json!({ "camera": &**camera, "before": before, "now": now }))
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
        Event::JournalBack { lost, unlocked, since, failed_for, reason } => {
            let content = json!({
                "lost": lost,
                "unlocked": unlocked,
                "since": rfc3339(*since),
                "failed_for_ms": ms(*failed_for),
                "reason": reason,
            });
            ("journal_back", content)
        }
        Event::OutboxShed { records, from, through } => {
            ("outbox_shed", json!({ "records": records, "from": from, "through": through }))
        }
        Event::HubMessageRefused { topic, bytes, reason } => {
            ("hub_message_refused", json!({ "topic": topic, "bytes": bytes, "reason": reason }))
        }
        Event::Pruned { through, hash, records, reason } => {
            ("pruned", json!({ "through": through, "hash": hex(hash), "records": records, "reason": reason }))
        }
        Event::Erased { records, by } => {
            ("erased", json!({ "records": spans::write(records), "count": records.len(), "by": by }))
        }
        Event::Restored { through, replaced, lockdown, by } => {
            ("restored", json!({ "through": through, "replaced": replaced, "lockdown": lockdown, "by": by }))
        }
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
        "person": id.map(|id| match person.filter(|person| person.id == id) {
            Some(person) => named(person),
            None => json!({ "id": id.0, "name": null }),
        }),
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
    json!({ "id": person.id.0, "name": person.name, "employee_id": person.employee_id, "groups": person.groups })
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
pub(super) mod tests;

//! Log lines for what happens at a door.

use crate::domain::{AccessEvent, Alarm, Decision, DoorEvent, Event, Named, Verdict};

/// Logs a decision: the person, the distance, the agreement of frames, and the time it took.
pub(super) fn log_decision(door: &str, decision: &Decision, person: Option<&Named>) {
    let name = person.map_or_else(|| "nobody".to_owned(), Named::to_string);
    let distance = decision.nearest.map_or_else(|| "-".to_owned(), |m| m.distance.to_string());
    let runner_up =
        decision.nearest.and_then(|m| m.runner_up).map_or_else(|| "-".to_owned(), |(_, distance)| distance.to_string());
    let frames = format!("{}/{}", decision.frames.0, decision.frames.1);
    let capture_to_verdict_ms = decision.decided_at.since(decision.captured_at).as_millis() as u64;
    match decision.verdict {
        Verdict::Grant { .. } => {
            tracing::info!(door, person = name, %distance, %runner_up, %frames, capture_to_verdict_ms, "granted");
        }
        Verdict::Deny { reason } => {
            let reason = reason.as_str();
            tracing::info!(door, reason, nearest = name, %distance, %runner_up, %frames, capture_to_verdict_ms, "denied");
        }
    }
}

/// Logs an event at a door, if it deserves a line.
pub(super) fn log_event(event: &Event) {
    match event {
        Event::Door(DoorEvent::AlarmRaised { door, alarm }) => {
            let what = match alarm {
                Alarm::Forced => "opened while locked",
                Alarm::HeldOpen => "open for too long",
                Alarm::Tamper => "its housing was opened",
            };
            tracing::warn!(%door, what, "ALARM");
        }
        Event::Door(DoorEvent::AlarmEnded { door, alarm, .. }) => {
            tracing::info!(%door, alarm = alarm.as_str(), "end of alarm")
        }
        Event::Door(DoorEvent::ModeSet { door, mode, by }) => {
            tracing::info!(%door, mode = mode.as_str(), %by, "mode set")
        }
        Event::Door(DoorEvent::OperatorUnlocked { door, by, .. }) => tracing::info!(%door, %by, "an operator unlocks"),
        Event::Door(DoorEvent::OperatorLocked { door, by }) => tracing::info!(%door, %by, "an operator locks"),
        Event::Door(DoorEvent::ExitRequested { door, refused }) => tracing::info!(%door, refused, "exit button"),
        Event::Door(DoorEvent::HeldOpenWarning { door, open_for }) => {
            tracing::warn!(%door, open_for_s = open_for.as_secs(), "the door stands open");
        }
        Event::Door(DoorEvent::ContactChattered { door, input, changes, over, .. }) => {
            tracing::warn!(%door, %input, changes, over, "changes of a contact were counted");
        }
        Event::Access(AccessEvent::DenialsRepeated { door, reason, count, faces, .. }) => {
            tracing::info!(%door, reason = reason.as_str(), count, faces, "denied again and again");
        }
        _ => {}
    }
}

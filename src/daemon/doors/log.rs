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

/// Logs an event at a door that has a line of its own in the log. The relay's moves and the hours have theirs where they happen.
pub(super) fn log_event(event: &Event) {
    match event {
        Event::Door(event) => log_door_event(event),
        Event::Access(AccessEvent::DenialsRepeated { door, reason, count, faces, .. }) => {
            tracing::info!(%door, reason = reason.as_str(), count, faces, "denied again and again");
        }
        Event::Access(AccessEvent::Admitted { door, person, by, .. }) => {
            tracing::info!(%door, %person, %by, "an operator admits somebody");
        }
        Event::Access(
            AccessEvent::Decided(_)
            | AccessEvent::Passed { .. }
            | AccessEvent::PinEntered { .. }
            | AccessEvent::Amnesty { .. }
            | AccessEvent::CutMoved { .. },
        )
        | Event::People(_)
        | Event::Store(_)
        | Event::Daemon(_) => {}
    }
}

fn log_door_event(event: &DoorEvent) {
    match event {
        DoorEvent::AlarmRaised { door, alarm } => {
            let what = match alarm {
                Alarm::Forced => "opened while locked",
                Alarm::HeldOpen => "open for too long",
                Alarm::Tamper => "its housing was opened",
            };
            tracing::warn!(%door, what, "ALARM");
        }
        DoorEvent::AlarmEnded { door, alarm, .. } => tracing::info!(%door, alarm = alarm.as_str(), "end of alarm"),
        DoorEvent::ModeSet { door, mode, by } => tracing::info!(%door, mode = mode.as_str(), %by, "mode set"),
        DoorEvent::OperatorUnlocked { door, by, .. } => tracing::info!(%door, %by, "an operator unlocks"),
        DoorEvent::OperatorLocked { door, by } => tracing::info!(%door, %by, "an operator locks"),
        DoorEvent::ExitRequested { door, refused } => tracing::info!(%door, refused, "exit button"),
        DoorEvent::HeldOpenWarning { door, open_for } => {
            tracing::warn!(%door, open_for_s = open_for.as_secs(), "the door stands open");
        }
        DoorEvent::ContactChattered { door, input, changes, over, .. } => {
            tracing::warn!(%door, %input, changes, over, "changes of a contact were counted");
        }
        DoorEvent::CommandRefused { .. }
        | DoorEvent::ScheduleBegan { .. }
        | DoorEvent::ScheduleEnded { .. }
        | DoorEvent::Unlocked { .. }
        | DoorEvent::Locked { .. }
        | DoorEvent::UnlockRefused { .. }
        | DoorEvent::DoorFailed { .. }
        | DoorEvent::DoorOpened { .. }
        | DoorEvent::DoorClosed { .. }
        | DoorEvent::ContactsLost { .. }
        | DoorEvent::ContactsBack { .. }
        | DoorEvent::ReaderLost { .. }
        | DoorEvent::ReaderBack { .. }
        | DoorEvent::LowAssurance { .. } => {}
    }
}

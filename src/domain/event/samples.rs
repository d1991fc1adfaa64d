//! One event of each kind, and arbitrary events, for tests.

mod arbitrary;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::*;
use crate::domain::{
    Actor, Assurance, Decision, Direction, Distance, Gate, Match, Mode, ModelId, Moment, PersonId, Reason, Rotation,
    SystemAct, TimeQuality, TrackId, Verdict,
};

pub use arbitrary::arbitrary;

/// A person with the employee id `E007` for the number 7, in the group `staff`.
pub fn person(id: u32, name: &str) -> Named {
    Named::new(PersonId(id), name, Some(format!("E{id:03}")), vec!["staff".into()])
}

/// What the rules decided about Barack Obama (7), with Joe Biden (9) as runner-up.
pub fn decision(verdict: Verdict, nearest: Option<Match>) -> Decision {
    Decision {
        verdict,
        camera: "porch".into(),
        track: TrackId(4),
        frame: 918,
        captured_at: Moment(Duration::from_millis(60_000)),
        decided_at: Moment(Duration::from_millis(60_214)),
        nearest,
        frames: (3, 5),
        gates: vec![
            Gate::new("distance", "0.62", "at most 0.90", true),
            Gate::new("margin", "0.59", "at least 0.10", true),
        ],
    }
}

/// The event of a [`decision`].
pub fn decided(verdict: Verdict, nearest: Option<Match>) -> Event {
    let (obama, biden) = (Some(person(7, "Barack Obama")), Some(person(9, "Joe Biden")));
    Decided::new("front".into(), Some(Direction::In), obama, biden, decision(verdict, nearest)).into()
}

/// Barack Obama, with Joe Biden as runner-up.
pub fn near() -> Match {
    Match { person: PersonId(7), distance: Distance(0.62), runner_up: Some((PersonId(9), Distance(1.21))) }
}

/// One event of every kind, in the order of their story.
pub fn one_of_each() -> Vec<Event> {
    let mut all: Vec<Event> = Vec::new();
    let by = || Actor::from("anna");
    let reason = || "because".to_owned();
    let obama = || Personal::Known(person(7, "Barack Obama"));
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_349_927);
    all.push(
        DaemonEvent::Started { version: "0.1.0".into(), config: "5f3a".into(), model: ModelId::new("net-1") }.into(),
    );
    all.push(DaemonEvent::Stopped { reason: reason() }.into());
    all.push(decided(Verdict::Grant { person: PersonId(7) }, Some(near())));
    all.push(decided(Verdict::Deny { reason: Reason::Unknown }, None));
    all.extend(with_people().map(Event::from));
    all.extend(at_the_door().map(Event::from));
    all.push(AccessEvent::Amnesty { person: Some(obama()), by: by() }.into());
    all.push(
        AccessEvent::CutMoved {
            people: 12,
            templates: Some(60),
            before: Distance(1.02),
            after: Distance(1.01),
            false_identification_rate: 0.003,
            extrapolated: false,
        }
        .into(),
    );
    let camera: Arc<str> = "porch".into();
    all.extend(
        [
            DaemonEvent::ClockJumped { milliseconds: -3_600_000 },
            DaemonEvent::TimeQualityChanged { quality: TimeQuality::Wrong },
            DaemonEvent::ClockTrusted { by: by() },
            DaemonEvent::CameraLost { camera: camera.clone(), reason: reason() },
            DaemonEvent::CameraBack { camera: camera.clone(), lost_for: Duration::from_secs(90) },
            DaemonEvent::CameraChanged {
                camera: camera.clone(),
                before: "Webcam A @ usb-1".into(),
                now: "Webcam B @ usb-2".into(),
            },
            DaemonEvent::CameraTurned { camera, rotation: Rotation::Quarter, by: by() },
            DaemonEvent::StageFailed { stage: "vision".into(), reason: reason() },
        ]
        .map(Event::from),
    );
    all.extend(
        [
            PeopleEvent::Enrolled { person: obama(), templates: 5, by: by() },
            PeopleEvent::Renamed { person: obama(), before: "B. Obama".into(), by: by() },
            PeopleEvent::Changed { person: obama(), what: "groups staff, guards".into(), by: by() },
            PeopleEvent::Enabled { person: obama(), by: by() },
            PeopleEvent::Disabled { person: obama(), by: by() },
            PeopleEvent::Removed { person: obama(), by: by() },
            PeopleEvent::TemplatesMade {
                person: obama(),
                model: ModelId::new("net-2"),
                templates: 3,
                record: Some(12),
                by: Actor::System(SystemAct::LearnFromVisit),
            },
            PeopleEvent::AttendanceAmended {
                person: obama(),
                amendment: Amendment::Add { direction: Direction::Out, at },
                reason: "because".into(),
                by: by(),
            },
            PeopleEvent::TemplateLearned {
                person: obama(),
                record: 4711,
                learned: 2,
                by: Actor::System(SystemAct::Learn),
            },
            PeopleEvent::LookalikeNoted { person: obama(), record: 4711, by: by() },
            PeopleEvent::TemplatesForgotten { person: obama(), what: Forgotten::Learned, count: 2, by: by() },
            PeopleEvent::TemplatesAdded { person: obama(), templates: 2, by: by() },
            PeopleEvent::TemplateRemoved { person: obama(), template: "learned-1".into(), left: 4, by: by() },
            PeopleEvent::Exported { person: obama(), by: by() },
            PeopleEvent::VisitorsForgotten { visits: 12, by: by() },
        ]
        .map(Event::from),
    );
    let message =
        DaemonEvent::HubMessageRefused { topic: "usher/d/event/granted".into(), bytes: 4000, reason: reason() };
    let (before, after): (Vec<_>, Vec<_>) =
        in_the_store(at).into_iter().partition(|event| !matches!(event.kind(), "pruned" | "erased" | "restored"));
    all.extend(before.into_iter().map(Event::from));
    all.push(message.into());
    all.extend(after.into_iter().map(Event::from));
    let by = Actor::Fleet("anna".into());
    let (site, outcome) = ("berlin".to_owned(), RulesOutcome::Followed);
    all.push(DaemonEvent::SiteRules { site, version: 7, outcome, reason: None, by }.into());
    all
}

/// What follows decisions, up to what happens at the door.
fn with_people() -> [AccessEvent; 4] {
    let obama = || Personal::Known(person(7, "Barack Obama"));
    [
        AccessEvent::DenialsRepeated {
            door: "front".into(),
            camera: "porch".into(),
            direction: Some(Direction::In),
            reason: Reason::Disabled,
            person: Some(obama()),
            count: 9,
            faces: 2,
            span: Duration::from_secs(60),
        },
        AccessEvent::Passed {
            door: "front".into(),
            person: obama(),
            direction: Some(Direction::In),
            zone: Some("office".into()),
            record: 3,
        },
        AccessEvent::Admitted {
            door: "front".into(),
            person: obama(),
            direction: Some(Direction::In),
            reason: "because".into(),
            by: "anna".into(),
            gates: vec![Gate::new("person", "person 7, enabled", "enabled", true)],
        },
        AccessEvent::PinEntered { door: "front".into(), person: obama(), note: Some("5f3a91c2".into()) },
    ]
}

fn at_the_door() -> [DoorEvent; 22] {
    let door: Arc<str> = "front".into();
    let by = || Actor::from("anna");
    let reason = || "because".to_owned();
    [
        DoorEvent::ExitRequested { door: door.clone(), refused: None },
        DoorEvent::OperatorUnlocked { door: door.clone(), duration: Duration::from_secs(5), by: by() },
        DoorEvent::OperatorLocked { door: door.clone(), by: by() },
        DoorEvent::ModeSet { door: door.clone(), mode: Mode::Lockdown { group: Some("guards".into()) }, by: by() },
        DoorEvent::CommandRefused {
            door: door.clone(),
            command: "unlock".into(),
            by: Actor::Hub("anna".into()),
            reason: reason(),
        },
        DoorEvent::ScheduleBegan { door: door.clone(), schedule: "office".into() },
        DoorEvent::ScheduleEnded { door: door.clone(), schedule: "office".into() },
        DoorEvent::Unlocked {
            door: door.clone(),
            cause: Cause::Grant,
            record: 3,
            duration: Some(Duration::from_millis(3000)),
            capture_to_door: Some(Duration::from_millis(232)),
        },
        DoorEvent::Locked { door: door.clone(), reason: reason() },
        DoorEvent::UnlockRefused { door: door.clone(), reason: reason() },
        DoorEvent::DoorFailed { door: door.clone(), reason: reason() },
        DoorEvent::DoorOpened { door: door.clone() },
        DoorEvent::DoorClosed { door: door.clone(), open_for: Duration::from_secs(4) },
        DoorEvent::HeldOpenWarning { door: door.clone(), open_for: Duration::from_secs(20) },
        DoorEvent::AlarmRaised { door: door.clone(), alarm: Alarm::Forced },
        DoorEvent::AlarmEnded { door: door.clone(), alarm: Alarm::Forced, lasted: Duration::from_secs(60) },
        DoorEvent::ContactChattered {
            door: door.clone(),
            input: Input::Sensor,
            changes: 148,
            span: Duration::from_secs(60),
            active: true,
            over: false,
        },
        DoorEvent::ContactsLost { door: door.clone(), reason: reason() },
        DoorEvent::ContactsBack { door: door.clone() },
        DoorEvent::ReaderLost { door: door.clone(), reader: "usb".into(), reason: reason() },
        DoorEvent::ReaderBack { door: door.clone(), reader: "usb".into() },
        DoorEvent::LowAssurance { door, assurance: vec![Assurance::Passive, Assurance::FacePin] },
    ]
}

fn in_the_store(at: SystemTime) -> [StoreEvent; 17] {
    let models = || (ModelId::new("net-1"), ModelId::new("net-2"));
    let by = || Actor::from("anna");
    let reason = || "because".to_owned();
    [
        StoreEvent::Sealed { people: 12, templates: 40, key: "5f3a91c2d0e4b718".into() },
        StoreEvent::TemplatesLocked { people: 1, templates: 5, reason: reason() },
        StoreEvent::StoreKeyChanged { key: "5f3a91c2d0e4b718".into(), by: by() },
        StoreEvent::HeadKept {
            head: ModelId::new("net-1+1a2b3c4d"),
            sha256: "5f3a".into(),
            people: 60,
            photographs: 310,
            false_match_rate: 0.001,
            missed_without: 0.504,
            missed_behind: 0.396_02,
            by: by(),
        },
        StoreEvent::HeadRemoved { head: Some(ModelId::new("net-1+1a2b3c4d")), sha256: "5f3a".into(), by: by() },
        StoreEvent::AccountChanged {
            account: "otto".into(),
            what: AccountAct::Added,
            role: Some("operator".into()),
            by: Actor::Web("anna".into()),
        },
        StoreEvent::ModelSwitchBegun {
            from: models().0,
            to: models().1,
            learn: true,
            shadow: false,
            after: Some("all".into()),
            by: by(),
        },
        StoreEvent::ModelSwitched {
            from: models().0,
            to: models().1,
            moved: 11,
            left: 1,
            by: Actor::System(SystemAct::SwitchModel),
        },
        StoreEvent::ModelSwitchCancelled { from: models().0, to: models().1, by: by() },
        StoreEvent::ModelSwitchFinished { kept: models().1, removed: models().0, people: 12, templates: 40, by: by() },
        StoreEvent::StoreMended { what: "the second copy was missing".into(), lost: 0 },
        StoreEvent::JournalBack {
            lost: 3,
            details: Some(GapDetails { unlocked: 1, since: at }),
            failed_for: Duration::from_secs(90),
            reason: reason(),
        },
        StoreEvent::OutboxShed { records: 1000, from: 12, through: 1043 },
        StoreEvent::Pruned { through: 7000, hash: [7; 32], records: 7000, reason: reason() },
        StoreEvent::erased(&[3, 4, 5, 9], by()),
        StoreEvent::BackupTaken { by: by() },
        StoreEvent::Restored {
            through: 7000,
            details: Some(RestoreDetails { replaced: Some(7310), lockdown: vec!["front".into()] }),
            by: by(),
        },
    ]
}

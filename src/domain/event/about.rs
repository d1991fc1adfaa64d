//! What can be asked of every event: at which door, about whom, which way, who asked, and why.

use super::{AccessEvent, DaemonEvent, DoorEvent, Event, Named, PeopleEvent, Personal, StoreEvent};
use crate::domain::{Actor, Direction};

impl Event {
    /// The door where it happened.
    pub fn door(&self) -> Option<&str> {
        match self {
            Event::Access(AccessEvent::Decided(decided)) => Some(&decided.door),
            Event::Access(
                AccessEvent::DenialsRepeated { door, .. }
                | AccessEvent::Passed { door, .. }
                | AccessEvent::Admitted { door, .. }
                | AccessEvent::PinEntered { door, .. },
            ) => Some(door),
            Event::Access(AccessEvent::Amnesty { .. } | AccessEvent::CutMoved { .. }) => None,
            Event::Door(event) => Some(event.door()),
            Event::People(_) | Event::Store(_) | Event::Daemon(_) => None,
        }
    }

    /// The person whom it is about; for a denial the nearest person, whether recognised or not.
    pub fn person(&self) -> Option<&Personal<Named>> {
        match self {
            Event::Access(AccessEvent::Decided(decided)) => decided.person.as_ref(),
            Event::Access(AccessEvent::DenialsRepeated { person, .. } | AccessEvent::Amnesty { person, .. }) => {
                person.as_ref()
            }
            Event::Access(
                AccessEvent::Passed { person, .. }
                | AccessEvent::Admitted { person, .. }
                | AccessEvent::PinEntered { person, .. },
            ) => Some(person),
            Event::Access(AccessEvent::CutMoved { .. }) => None,
            Event::People(event) => event.person(),
            Event::Door(_) | Event::Store(_) | Event::Daemon(_) => None,
        }
    }

    /// Everybody whom it mentions and who was not erased.
    pub fn people(&self) -> impl Iterator<Item = &Named> {
        let runner_up = match self {
            Event::Access(AccessEvent::Decided(decided)) => decided.runner_up.as_ref(),
            Event::Access(
                AccessEvent::DenialsRepeated { .. }
                | AccessEvent::Passed { .. }
                | AccessEvent::Admitted { .. }
                | AccessEvent::PinEntered { .. }
                | AccessEvent::Amnesty { .. }
                | AccessEvent::CutMoved { .. },
            )
            | Event::Door(_)
            | Event::People(_)
            | Event::Store(_)
            | Event::Daemon(_) => None,
        };
        let both = self.person().into_iter().chain(runner_up.map(|runner_up| &runner_up.person));
        both.filter_map(Personal::known)
    }

    /// Which way the person went or wanted to go.
    pub fn direction(&self) -> Option<Direction> {
        match self {
            Event::Access(AccessEvent::Decided(decided)) => decided.direction,
            Event::Access(
                AccessEvent::DenialsRepeated { direction, .. }
                | AccessEvent::Passed { direction, .. }
                | AccessEvent::Admitted { direction, .. },
            ) => *direction,
            Event::Access(
                AccessEvent::PinEntered { .. } | AccessEvent::Amnesty { .. } | AccessEvent::CutMoved { .. },
            ) => None,
            Event::Door(_) | Event::People(_) | Event::Store(_) | Event::Daemon(_) => None,
        }
    }

    /// Who asked for it.
    pub fn by(&self) -> Option<&Actor> {
        match self {
            Event::Access(AccessEvent::Amnesty { by, .. } | AccessEvent::Admitted { by, .. }) => Some(by),
            Event::Access(
                AccessEvent::Decided(_)
                | AccessEvent::DenialsRepeated { .. }
                | AccessEvent::Passed { .. }
                | AccessEvent::PinEntered { .. }
                | AccessEvent::CutMoved { .. },
            ) => None,
            Event::Door(event) => event.by(),
            Event::People(event) => Some(event.by()),
            Event::Store(event) => event.by(),
            Event::Daemon(
                DaemonEvent::ClockTrusted { by }
                | DaemonEvent::CameraTurned { by, .. }
                | DaemonEvent::SiteRules { by, .. },
            ) => Some(by),
            Event::Daemon(
                DaemonEvent::Started { .. }
                | DaemonEvent::Stopped { .. }
                | DaemonEvent::StageFailed { .. }
                | DaemonEvent::ClockJumped { .. }
                | DaemonEvent::TimeQualityChanged { .. }
                | DaemonEvent::CameraLost { .. }
                | DaemonEvent::CameraBack { .. }
                | DaemonEvent::CameraChanged { .. }
                | DaemonEvent::HubMessageRefused { .. },
            ) => None,
        }
    }

    /// Its `reason`, in a word or in words.
    pub fn reason(&self) -> Option<String> {
        match self {
            Event::Access(AccessEvent::Decided(decided)) => decided.reason().map(|reason| reason.as_str().to_owned()),
            Event::Access(AccessEvent::DenialsRepeated { reason, .. }) => Some(reason.as_str().to_owned()),
            Event::Access(AccessEvent::Admitted { reason, .. }) => Some(reason.to_string()),
            Event::Access(
                AccessEvent::Passed { .. }
                | AccessEvent::PinEntered { .. }
                | AccessEvent::Amnesty { .. }
                | AccessEvent::CutMoved { .. },
            ) => None,
            Event::Door(event) => event.reason().map(str::to_owned),
            Event::People(PeopleEvent::AttendanceAmended { reason, .. }) => Some(reason.to_string()),
            Event::People(
                PeopleEvent::Enrolled { .. }
                | PeopleEvent::Renamed { .. }
                | PeopleEvent::Changed { .. }
                | PeopleEvent::Enabled { .. }
                | PeopleEvent::Disabled { .. }
                | PeopleEvent::Removed { .. }
                | PeopleEvent::TemplateLearned { .. }
                | PeopleEvent::LookalikeNoted { .. }
                | PeopleEvent::TemplatesForgotten { .. }
                | PeopleEvent::TemplatesAdded { .. }
                | PeopleEvent::TemplateRemoved { .. }
                | PeopleEvent::Exported { .. }
                | PeopleEvent::TemplatesMade { .. }
                | PeopleEvent::VisitorsForgotten { .. },
            ) => None,
            Event::Store(event) => event.reason().map(str::to_owned),
            Event::Daemon(
                DaemonEvent::Stopped { reason }
                | DaemonEvent::StageFailed { reason, .. }
                | DaemonEvent::CameraLost { reason, .. }
                | DaemonEvent::HubMessageRefused { reason, .. },
            ) => Some(reason.clone()),
            Event::Daemon(DaemonEvent::SiteRules { reason, .. }) => reason.clone(),
            Event::Daemon(
                DaemonEvent::Started { .. }
                | DaemonEvent::ClockJumped { .. }
                | DaemonEvent::TimeQualityChanged { .. }
                | DaemonEvent::ClockTrusted { .. }
                | DaemonEvent::CameraBack { .. }
                | DaemonEvent::CameraChanged { .. }
                | DaemonEvent::CameraTurned { .. },
            ) => None,
        }
    }
}

impl DoorEvent {
    /// Who operated the door.
    pub fn by(&self) -> Option<&Actor> {
        match self {
            DoorEvent::OperatorUnlocked { by, .. }
            | DoorEvent::OperatorLocked { by, .. }
            | DoorEvent::ModeSet { by, .. }
            | DoorEvent::CommandRefused { by, .. } => Some(by),
            DoorEvent::ExitRequested { .. }
            | DoorEvent::ScheduleBegan { .. }
            | DoorEvent::ScheduleEnded { .. }
            | DoorEvent::Unlocked { .. }
            | DoorEvent::Locked { .. }
            | DoorEvent::UnlockRefused { .. }
            | DoorEvent::DoorFailed { .. }
            | DoorEvent::DoorOpened { .. }
            | DoorEvent::DoorClosed { .. }
            | DoorEvent::HeldOpenWarning { .. }
            | DoorEvent::AlarmRaised { .. }
            | DoorEvent::AlarmEnded { .. }
            | DoorEvent::ContactChattered { .. }
            | DoorEvent::ContactsLost { .. }
            | DoorEvent::ContactsBack { .. }
            | DoorEvent::ReaderLost { .. }
            | DoorEvent::ReaderBack { .. }
            | DoorEvent::LowAssurance { .. } => None,
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            DoorEvent::CommandRefused { reason, .. }
            | DoorEvent::Locked { reason, .. }
            | DoorEvent::UnlockRefused { reason, .. }
            | DoorEvent::DoorFailed { reason, .. }
            | DoorEvent::ContactsLost { reason, .. }
            | DoorEvent::ReaderLost { reason, .. } => Some(reason),
            DoorEvent::ExitRequested { .. }
            | DoorEvent::OperatorUnlocked { .. }
            | DoorEvent::OperatorLocked { .. }
            | DoorEvent::ModeSet { .. }
            | DoorEvent::ScheduleBegan { .. }
            | DoorEvent::ScheduleEnded { .. }
            | DoorEvent::Unlocked { .. }
            | DoorEvent::DoorOpened { .. }
            | DoorEvent::DoorClosed { .. }
            | DoorEvent::HeldOpenWarning { .. }
            | DoorEvent::AlarmRaised { .. }
            | DoorEvent::AlarmEnded { .. }
            | DoorEvent::ContactChattered { .. }
            | DoorEvent::ContactsBack { .. }
            | DoorEvent::ReaderBack { .. }
            | DoorEvent::LowAssurance { .. } => None,
        }
    }
}

impl StoreEvent {
    fn by(&self) -> Option<&Actor> {
        match self {
            StoreEvent::StoreKeyChanged { by, .. }
            | StoreEvent::HeadKept { by, .. }
            | StoreEvent::HeadRemoved { by, .. }
            | StoreEvent::AccountChanged { by, .. }
            | StoreEvent::ModelSwitchBegun { by, .. }
            | StoreEvent::ModelSwitched { by, .. }
            | StoreEvent::ModelSwitchCancelled { by, .. }
            | StoreEvent::ModelSwitchFinished { by, .. }
            | StoreEvent::Erased { by, .. }
            | StoreEvent::BackupTaken { by }
            | StoreEvent::Restored { by, .. } => Some(by),
            StoreEvent::Sealed { .. }
            | StoreEvent::TemplatesLocked { .. }
            | StoreEvent::StoreMended { .. }
            | StoreEvent::JournalBack { .. }
            | StoreEvent::OutboxShed { .. }
            | StoreEvent::Pruned { .. } => None,
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            StoreEvent::TemplatesLocked { reason, .. }
            | StoreEvent::JournalBack { reason, .. }
            | StoreEvent::Pruned { reason, .. } => Some(reason),
            StoreEvent::Sealed { .. }
            | StoreEvent::StoreKeyChanged { .. }
            | StoreEvent::HeadKept { .. }
            | StoreEvent::HeadRemoved { .. }
            | StoreEvent::AccountChanged { .. }
            | StoreEvent::ModelSwitchBegun { .. }
            | StoreEvent::ModelSwitched { .. }
            | StoreEvent::ModelSwitchCancelled { .. }
            | StoreEvent::ModelSwitchFinished { .. }
            | StoreEvent::StoreMended { .. }
            | StoreEvent::OutboxShed { .. }
            | StoreEvent::Erased { .. }
            | StoreEvent::BackupTaken { .. }
            | StoreEvent::Restored { .. } => None,
        }
    }
}

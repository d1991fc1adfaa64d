//! What an event says about the lock and about other records: which record let somebody in, and which records were deleted, lost or erased.

use std::sync::Arc;
use std::time::Duration;

use super::{AccessEvent, Alarm, Decided, DoorEvent, Event, SeqRanges, StoreEvent};

/// A relay was energised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unlocking {
    /// The record that allowed it; 0 where it could not be written.
    pub record: u64,
    /// From the frame to the relay, for a grant.
    pub capture_to_door: Option<Duration>,
}

/// What a record says about other records, for checking the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    /// Records up to `through`, whose hash is `hash`, were deleted.
    Deleted { through: u64, hash: &'a [u8; 32] },
    /// So many events were not recorded.
    Lost(u64),
    /// Somebody was erased from these records.
    Erased(&'a SeqRanges),
}

impl Event {
    /// The decision, where it is one.
    pub fn decided(&self) -> Option<&Decided> {
        match self {
            Event::Access(AccessEvent::Decided(decided)) => Some(decided),
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
        }
    }

    fn at_door(&self) -> Option<AtDoor<'_>> {
        match self {
            Event::Door(event) => event.acted_on(),
            Event::Access(_) | Event::People(_) | Event::Store(_) | Event::Daemon(_) => None,
        }
    }

    /// How the door was unlocked, where it was.
    pub fn unlocking(&self) -> Option<Unlocking> {
        match self.at_door()? {
            AtDoor::Unlocked(unlocking) => Some(unlocking),
            AtDoor::Alarm(..) => None,
        }
    }

    /// The door and the alarm, where one was raised.
    pub fn raised(&self) -> Option<(&Arc<str>, Alarm)> {
        match self.at_door()? {
            AtDoor::Alarm(door, alarm) => Some((door, alarm)),
            AtDoor::Unlocked(_) => None,
        }
    }

    /// The record that allowed it, for an unlocked door and for a passage. `None` also where that record could not be written.
    pub fn allowed_by(&self) -> Option<u64> {
        let record = match self {
            Event::Access(AccessEvent::Passed { record, .. }) => *record,
            Event::Door(_) => self.unlocking()?.record,
            Event::Access(
                AccessEvent::Decided(_)
                | AccessEvent::DenialsRepeated { .. }
                | AccessEvent::Admitted { .. }
                | AccessEvent::PinEntered { .. }
                | AccessEvent::Amnesty { .. }
                | AccessEvent::CutMoved { .. },
            )
            | Event::People(_)
            | Event::Store(_)
            | Event::Daemon(_) => return None,
        };
        Some(record).filter(|record| *record > 0)
    }

    /// What it says about other records.
    pub fn claim(&self) -> Option<Claim<'_>> {
        match self {
            Event::Store(event) => event.claim(),
            Event::Access(_) | Event::Door(_) | Event::People(_) | Event::Daemon(_) => None,
        }
    }
}

/// What of an event at a door others act on.
enum AtDoor<'a> {
    Unlocked(Unlocking),
    Alarm(&'a Arc<str>, Alarm),
}

impl DoorEvent {
    fn acted_on(&self) -> Option<AtDoor<'_>> {
        match self {
            DoorEvent::Unlocked { record, capture_to_door, .. } => {
                Some(AtDoor::Unlocked(Unlocking { record: *record, capture_to_door: *capture_to_door }))
            }
            DoorEvent::AlarmRaised { door, alarm } => Some(AtDoor::Alarm(door, *alarm)),
            DoorEvent::ExitRequested { .. }
            | DoorEvent::OperatorUnlocked { .. }
            | DoorEvent::OperatorLocked { .. }
            | DoorEvent::ModeSet { .. }
            | DoorEvent::CommandRefused { .. }
            | DoorEvent::ScheduleBegan { .. }
            | DoorEvent::ScheduleEnded { .. }
            | DoorEvent::Locked { .. }
            | DoorEvent::UnlockRefused { .. }
            | DoorEvent::DoorFailed { .. }
            | DoorEvent::DoorOpened { .. }
            | DoorEvent::DoorClosed { .. }
            | DoorEvent::HeldOpenWarning { .. }
            | DoorEvent::AlarmEnded { .. }
            | DoorEvent::ContactChattered { .. }
            | DoorEvent::ContactsLost { .. }
            | DoorEvent::ContactsBack { .. }
            | DoorEvent::ReaderLost { .. }
            | DoorEvent::ReaderBack { .. }
            | DoorEvent::LowAssurance { .. } => None,
        }
    }
}

impl StoreEvent {
    /// The kinds that have a [`Claim`].
    pub const CLAIMS: [&str; 3] = ["journal_back", "pruned", "erased"];

    fn claim(&self) -> Option<Claim<'_>> {
        match self {
            StoreEvent::Pruned { through, hash, .. } => Some(Claim::Deleted { through: *through, hash }),
            StoreEvent::JournalBack { lost, .. } => Some(Claim::Lost(*lost)),
            StoreEvent::Erased { records, .. } => Some(Claim::Erased(records)),
            StoreEvent::Sealed { .. }
            | StoreEvent::TemplatesLocked { .. }
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
            | StoreEvent::BackupTaken { .. }
            | StoreEvent::Restored { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::Cause;
    use crate::domain::samples::one_of_each;

    #[test]
    fn the_kinds_with_claims_are_listed() {
        let events = one_of_each();
        let kinds: BTreeSet<&str> = events.iter().filter(|event| event.claim().is_some()).map(Event::kind).collect();
        assert_eq!(kinds, BTreeSet::from(StoreEvent::CLAIMS));
    }

    #[test]
    fn what_a_door_opened_for_is_the_record_that_allowed_it() {
        let unlocked = |record| -> Event {
            let (door, cause) = ("front".into(), Cause::Grant);
            DoorEvent::Unlocked { door, cause, record, duration: None, capture_to_door: None }.into()
        };
        assert_eq!((unlocked(7).allowed_by(), unlocked(0).allowed_by()), (Some(7), None));
        assert_eq!(unlocked(0).unlocking(), Some(Unlocking { record: 0, capture_to_door: None }));
        let events = one_of_each();
        let allowed: Vec<&str> = events.iter().filter(|event| event.allowed_by().is_some()).map(Event::kind).collect();
        assert!(allowed.contains(&"passed") && allowed.contains(&"unlocked"), "{allowed:?}");
    }
}

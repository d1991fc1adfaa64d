//! Events at a door: its lock, its leaf, its inputs, its alarms, and who operated it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::words::{Alarm, Cause, Input};
use super::{Part, PersonalData, form, kinds};
use crate::domain::{Actor, Assurance, Mode};

/// A door and its relay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoorEvent {
    /// The exit button was pressed; `refused` says why the door did not unlock.
    ExitRequested {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        refused: Option<String>,
    },
    /// An operator unlocks the door for a while.
    OperatorUnlocked {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        #[serde(rename = "duration_ms", with = "form::ms")]
        duration: Duration,
        by: Actor,
    },
    /// An operator locks the door, whatever had unlocked it.
    OperatorLocked {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        by: Actor,
    },
    /// The door's mode was set.
    ModeSet {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        #[serde(flatten)]
        mode: Mode,
        by: Actor,
    },
    /// A command from the hub was not carried out.
    CommandRefused {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        command: String,
        by: Actor,
        reason: String,
    },
    /// The hours in which the door is unlocked began.
    ScheduleBegan {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        schedule: String,
    },
    /// Those hours ended.
    ScheduleEnded {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        schedule: String,
    },
    /// The relay was energised.
    Unlocked {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        cause: Cause,
        /// The sequence number of the record that allowed it; 0 where it could not be written.
        record: u64,
        /// `None`: until it is locked.
        #[serde(rename = "duration_ms", with = "form::optional_ms")]
        duration: Option<Duration>,
        /// From the frame to the relay, for a grant.
        #[serde(rename = "capture_to_door_ms", with = "form::optional_ms")]
        capture_to_door: Option<Duration>,
    },
    /// The relay is back at its safe level.
    Locked {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        reason: String,
    },
    /// The relay was not energised although the rules allowed it: the order came too late, the daemon was stopping, or the wires failed and
    /// went back to their safe level.
    UnlockRefused {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        reason: String,
    },
    /// The wires did not go to their safe level, or do not answer: the relay may be energised.
    DoorFailed {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        reason: String,
    },
    /// The sensor reports that the leaf was opened.
    DoorOpened {
        #[serde(with = "form::shared")]
        door: Arc<str>,
    },
    /// The sensor reports that the leaf was closed.
    DoorClosed {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        #[serde(rename = "open_for_ms", with = "form::ms")]
        open_for: Duration,
    },
    /// The leaf has been open for so long that an alarm is near.
    HeldOpenWarning {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        #[serde(rename = "open_for_ms", with = "form::ms")]
        open_for: Duration,
    },
    /// An alarm was raised.
    AlarmRaised {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        alarm: Alarm,
    },
    /// The alarm cleared.
    AlarmEnded {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        alarm: Alarm,
        #[serde(rename = "lasted_ms", with = "form::ms")]
        lasted: Duration,
    },
    /// An input keeps changing: changes that were counted and not recorded one by one, since the first of them or the last such event.
    ContactChattered {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        input: Input,
        changes: u64,
        #[serde(rename = "span_ms", with = "form::ms")]
        span: Duration,
        /// Its level after the last change.
        active: bool,
        /// It is quiet again.
        over: bool,
    },
    /// The door's inputs cannot be read.
    ContactsLost {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        reason: String,
    },
    /// The door's inputs can be read again.
    ContactsBack {
        #[serde(with = "form::shared")]
        door: Arc<str>,
    },
    /// A keypad or a reader of tags cannot be used.
    ReaderLost {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        /// `wiegand`, `keypad` or `usb`.
        #[serde(with = "form::shared")]
        reader: Arc<str>,
        reason: String,
    },
    /// A keypad or a reader of tags can be used again.
    ReaderBack {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        #[serde(with = "form::shared")]
        reader: Arc<str>,
    },
    /// At the daemon's start: the door moves a real lock, and does not stop photographs. What it asks of some people, any of which suffices.
    LowAssurance {
        #[serde(with = "form::shared")]
        door: Arc<str>,
        assurance: Vec<Assurance>,
    },
}

kinds!(DoorEvent {
    ExitRequested => "exit_requested",
    OperatorUnlocked => "operator_unlocked",
    OperatorLocked => "operator_locked",
    ModeSet => "mode_set",
    CommandRefused => "command_refused",
    ScheduleBegan => "schedule_began",
    ScheduleEnded => "schedule_ended",
    Unlocked => "unlocked",
    Locked => "locked",
    UnlockRefused => "unlock_refused",
    DoorFailed => "door_failed",
    DoorOpened => "door_opened",
    DoorClosed => "door_closed",
    HeldOpenWarning => "held_open_warning",
    AlarmRaised => "alarm_raised",
    AlarmEnded => "alarm_ended",
    ContactChattered => "contact_chattered",
    ContactsLost => "contacts_lost",
    ContactsBack => "contacts_back",
    ReaderLost => "reader_lost",
    ReaderBack => "reader_back",
    LowAssurance => "low_assurance",
});

impl DoorEvent {
    /// The door's name.
    pub fn door(&self) -> &Arc<str> {
        match self {
            DoorEvent::ExitRequested { door, .. }
            | DoorEvent::OperatorUnlocked { door, .. }
            | DoorEvent::OperatorLocked { door, .. }
            | DoorEvent::ModeSet { door, .. }
            | DoorEvent::CommandRefused { door, .. }
            | DoorEvent::ScheduleBegan { door, .. }
            | DoorEvent::ScheduleEnded { door, .. }
            | DoorEvent::Unlocked { door, .. }
            | DoorEvent::Locked { door, .. }
            | DoorEvent::UnlockRefused { door, .. }
            | DoorEvent::DoorFailed { door, .. }
            | DoorEvent::DoorOpened { door }
            | DoorEvent::DoorClosed { door, .. }
            | DoorEvent::HeldOpenWarning { door, .. }
            | DoorEvent::AlarmRaised { door, .. }
            | DoorEvent::AlarmEnded { door, .. }
            | DoorEvent::ContactChattered { door, .. }
            | DoorEvent::ContactsLost { door, .. }
            | DoorEvent::ContactsBack { door }
            | DoorEvent::ReaderLost { door, .. }
            | DoorEvent::ReaderBack { door, .. }
            | DoorEvent::LowAssurance { door, .. } => door,
        }
    }
}

impl PersonalData for DoorEvent {
    /// None of these events is about a person: `by` names who operated the door, and stays.
    fn each_part(&mut self, _visit: &mut dyn FnMut(Part<'_>)) {
        match self {
            DoorEvent::ExitRequested { door: _, refused: _ }
            | DoorEvent::OperatorUnlocked { door: _, duration: _, by: _ }
            | DoorEvent::OperatorLocked { door: _, by: _ }
            | DoorEvent::ModeSet { door: _, mode: _, by: _ }
            | DoorEvent::CommandRefused { door: _, command: _, by: _, reason: _ }
            | DoorEvent::ScheduleBegan { door: _, schedule: _ }
            | DoorEvent::ScheduleEnded { door: _, schedule: _ }
            | DoorEvent::Unlocked { door: _, cause: _, record: _, duration: _, capture_to_door: _ }
            | DoorEvent::Locked { door: _, reason: _ }
            | DoorEvent::UnlockRefused { door: _, reason: _ }
            | DoorEvent::DoorFailed { door: _, reason: _ }
            | DoorEvent::DoorOpened { door: _ }
            | DoorEvent::DoorClosed { door: _, open_for: _ }
            | DoorEvent::HeldOpenWarning { door: _, open_for: _ }
            | DoorEvent::AlarmRaised { door: _, alarm: _ }
            | DoorEvent::AlarmEnded { door: _, alarm: _, lasted: _ }
            | DoorEvent::ContactChattered { door: _, input: _, changes: _, span: _, active: _, over: _ }
            | DoorEvent::ContactsLost { door: _, reason: _ }
            | DoorEvent::ContactsBack { door: _ }
            | DoorEvent::ReaderLost { door: _, reader: _, reason: _ }
            | DoorEvent::ReaderBack { door: _, reader: _ }
            | DoorEvent::LowAssurance { door: _, assurance: _ } => {}
        }
    }
}

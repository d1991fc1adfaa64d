//! One door: its rules for faces, its state, its relay, its unlock hours.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Index, IndexMut};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::unrecorded::UnrecordedMode;
use crate::access::{Doorway, Referee, Schedule};
use crate::domain::{Alarm, Assurance, Direction, DoorIndex, Mode, Moment, Named, PersonId, Prompt};
use crate::door::RelayHandle;
use crate::office::saved::HoursEnded;

/// Somebody who was let through and has not passed yet.
#[derive(Clone, Debug, PartialEq)]
pub struct PassingPerson {
    pub person: Named,
    pub direction: Option<Direction>,
}

/// Everything that belongs to one door.
pub struct Door {
    pub name: Arc<str>,
    pub referee: Referee,
    pub doorway: Doorway<PassingPerson>,
    pub relay: RelayHandle,
    /// The name of its interlock, which other doors share.
    pub interlock: Option<Arc<str>>,
    /// The schedule that unlocks it.
    pub hours: Option<UnlockHours>,
    /// The open hours that an operator ended; kept over a restart.
    pub hours_ended: Option<HoursEnded>,
    /// Its mode is in force, and the record of it may not be on disk.
    pub unrecorded: Option<UnrecordedMode>,
    /// People whose grant waits for a stalled disk.
    pub unconfirmed: BTreeSet<PersonId>,
    /// The wires failed or hang, and the relay may be energised.
    pub level_unknown: bool,
    /// What is wrong with the relay.
    pub trouble: Option<String>,
    /// What is wrong with the inputs.
    pub inputs_trouble: Option<String>,
    /// What the people before it are asked to do.
    pub prompt: Prompt,
    /// The side of each camera that has seen a face.
    pub sides: BTreeMap<Arc<str>, Option<Direction>>,
}

/// The doors by their index in the configuration.
pub struct DoorList(Vec<Door>);

impl DoorList {
    /// The door with this index, if there is one.
    pub fn get_mut(&mut self, index: DoorIndex) -> Option<&mut Door> {
        self.0.get_mut(index.0)
    }

    /// As [`DoorList::get_mut`].
    pub fn get(&self, index: DoorIndex) -> Option<&Door> {
        self.0.get(index.0)
    }

    /// The number of doors.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The indices of all doors, in order.
    pub fn indices(&self) -> impl Iterator<Item = DoorIndex> + use<> {
        DoorIndex::all(self.0.len())
    }

    /// All doors in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, Door> {
        self.0.iter()
    }

    /// All doors in their order.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Door> {
        self.0.iter_mut()
    }
}

impl From<Vec<Door>> for DoorList {
    fn from(doors: Vec<Door>) -> DoorList {
        DoorList(doors)
    }
}

impl Index<DoorIndex> for DoorList {
    type Output = Door;

    fn index(&self, index: DoorIndex) -> &Door {
        &self.0[index.0]
    }
}

impl IndexMut<DoorIndex> for DoorList {
    fn index_mut(&mut self, index: DoorIndex) -> &mut Door {
        &mut self.0[index.0]
    }
}

/// A schedule with its last answer, because computing one takes a calendar.
#[derive(Clone, Debug)]
pub struct UnlockHours {
    schedule: Schedule,
    name: Arc<str>,
    known: Option<Known>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    open: bool,
    from: Timestamp,
    /// `None` if no change is in sight.
    until: Option<Timestamp>,
}

/// An answer without an end is computed again after this long.
const ASK_AGAIN: SignedDuration = SignedDuration::from_hours(24);

impl UnlockHours {
    /// Nothing computed yet.
    pub fn new(schedule: Schedule) -> UnlockHours {
        UnlockHours { name: schedule.name.as_str().into(), schedule, known: None }
    }

    /// The schedule's name if it is open at `now`.
    pub fn open_at(&mut self, now: Timestamp) -> Option<&Arc<str>> {
        let holds = |known: &Known| known.from <= now && now < known.until.unwrap_or(known.from + ASK_AGAIN);
        let open = match self.known.filter(holds) {
            Some(known) => known.open,
            None => {
                let hours = self.schedule.at(now);
                self.known = Some(Known { open: hours.open, from: now, until: hours.until });
                hours.open
            }
        };
        open.then_some(&self.name)
    }

    /// When the hours of the last answer end; `None` if that is unknown.
    pub fn until(&self) -> Option<Timestamp> {
        self.known.and_then(|known| known.until)
    }
}

/// The state of a door at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct DoorView {
    pub name: Arc<str>,
    pub wires: String,
    pub mode: Mode,
    /// Whether the record of the mode may not be on disk, so that a restart may end it.
    pub unrecorded: bool,
    pub unlocked: bool,
    /// The wires failed or hang, and the relay may be energised.
    pub level_unknown: bool,
    /// `None` if there is no sensor or it has not been read.
    pub open: Option<bool>,
    /// The schedule that keeps it unlocked now.
    pub hours: Option<String>,
    pub alarms: Vec<Alarm>,
    pub trouble: Option<String>,
    /// What the people before it are asked to do.
    pub prompt: Prompt,
    /// What it asks of people beyond the face; any of these suffices.
    pub assurance: Vec<Assurance>,
}

impl Door {
    /// The current state, but for what the rules of all doors say.
    pub fn view(&self) -> DoorView {
        DoorView {
            name: self.name.clone(),
            wires: self.relay.describe().to_owned(),
            mode: self.doorway.mode().clone(),
            unrecorded: self.unrecorded.is_some(),
            unlocked: self.doorway.is_unlocked(),
            level_unknown: self.level_unknown,
            open: self.doorway.is_open(),
            hours: self.doorway.hours().map(str::to_owned),
            alarms: self.doorway.alarms().collect(),
            trouble: self.trouble.clone().or_else(|| self.inputs_trouble.clone()),
            prompt: self.prompt,
            assurance: Vec::new(),
        }
    }

    /// The hours that an operator ended and that are still open by the schedule.
    pub fn ended_hours(&self) -> Option<HoursEnded> {
        let schedule = self.doorway.ended_hours()?.to_owned();
        Some(HoursEnded { schedule, until: self.hours.as_ref().and_then(UnlockHours::until) })
    }

    /// Whether it is unlocked or open, so that another door of the same interlock must wait.
    pub fn is_passable(&self) -> bool {
        self.doorway.is_unlocked() || self.doorway.is_open() == Some(true)
    }

    /// Shows on the lamps whether something is wrong with the door, and what people are asked to do.
    pub fn show(&mut self, now: Moment) {
        let prompt = self.referee.prompt(now);
        if prompt != self.prompt {
            tracing::info!(door = %self.name, prompt = prompt.as_str(), "people are asked");
            self.prompt = prompt;
        }
        self.relay.show_asked(prompt.side());
        self.relay.show_fault(self.trouble.is_some() || self.inputs_trouble.is_some());
    }
}

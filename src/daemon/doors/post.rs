//! One door: its rules about faces, its state, its relay.
//!
//! Knows nothing of other doors and of the journal.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::access::{Doorway, Referee, Schedule};
use crate::domain::{Alarm, Direction, Mode, Named, PersonId};
use crate::door::RelayHandle;

/// Somebody on the way through.
#[derive(Clone, Debug, PartialEq)]
pub struct Going {
    pub person: Named,
    pub direction: Option<Direction>,
}

/// One door, as the doors' thread holds it.
pub struct Post {
    pub name: Arc<str>,
    pub referee: Referee,
    pub doorway: Doorway<Going>,
    pub relay: RelayHandle,
    /// Doors of one interlock have the same name here.
    pub interlock: Option<Arc<str>>,
    /// The schedule by which it stands unlocked.
    pub hours: Option<UnlockHours>,
    /// An operator ended the hours that are open; kept over a restart.
    pub hours_ended: Option<HoursEnded>,
    /// People whose grant waits for a disk that has stalled.
    pub unconfirmed: BTreeSet<PersonId>,
    /// The wires failed or hang: the relay may be energised.
    pub level_unknown: bool,
    /// What is wrong with it.
    pub trouble: Option<String>,
    /// What is wrong with its inputs.
    pub inputs_trouble: Option<String>,
}

/// An operator locked a door in its unlock hours: this schedule does not unlock it again before `until`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoursEnded {
    pub schedule: String,
    /// When those hours end by the schedule; `None` where it has no end as far as the schedule looks ahead.
    pub until: Option<Timestamp>,
}

/// A schedule, with its last answer: asking it anew takes a calendar.
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
    /// `None`: it does not change as far as the schedule looks ahead.
    until: Option<Timestamp>,
}

/// An answer without an end is asked for again after this long.
const ASK_AGAIN: SignedDuration = SignedDuration::from_hours(24);

impl UnlockHours {
    /// Nothing is known yet.
    pub fn new(schedule: Schedule) -> UnlockHours {
        UnlockHours { name: schedule.name.as_str().into(), schedule, known: None }
    }

    /// The schedule's name when it is open at `now`.
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

    /// When the hours of the last answer end; `None` where that is not known.
    pub fn until(&self) -> Option<Timestamp> {
        self.known.and_then(|known| known.until)
    }
}

/// A door as it is now, to be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct DoorView {
    pub name: Arc<str>,
    pub wires: String,
    pub mode: Mode,
    pub unlocked: bool,
    /// The wires failed or hang: whether the relay is energised is not known.
    pub level_unknown: bool,
    /// `None`: there is no sensor, or it has not been read.
    pub open: Option<bool>,
    /// The schedule by which it stands unlocked.
    pub hours: Option<String>,
    pub alarms: Vec<Alarm>,
    pub trouble: Option<String>,
}

impl Post {
    /// The door as it is.
    pub fn view(&self) -> DoorView {
        DoorView {
            name: self.name.clone(),
            wires: self.relay.describe().to_owned(),
            mode: self.doorway.mode().clone(),
            unlocked: self.doorway.is_unlocked(),
            level_unknown: self.level_unknown,
            open: self.doorway.is_open(),
            hours: self.doorway.hours().map(str::to_owned),
            alarms: self.doorway.alarms().collect(),
            trouble: self.trouble.clone().or_else(|| self.inputs_trouble.clone()),
        }
    }

    /// The hours that an operator has ended and that are still open by the schedule.
    pub fn ended_hours(&self) -> Option<HoursEnded> {
        let schedule = self.doorway.ended_hours()?.to_owned();
        Some(HoursEnded { schedule, until: self.hours.as_ref().and_then(UnlockHours::until) })
    }

    /// Unlocked or open: another door of the same interlock must wait.
    pub fn is_passable(&self) -> bool {
        self.doorway.is_unlocked() || self.doorway.is_open() == Some(true)
    }

    /// Shows on the lamps whether something is wrong.
    pub fn show(&mut self) {
        self.relay.show_fault(self.trouble.is_some() || self.inputs_trouble.is_some());
    }
}

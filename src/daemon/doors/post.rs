//! One door: its rules about faces, its state, its relay and its lamps.
//!
//! Knows nothing of other doors and of the journal.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::access::{Doorway, Referee, Schedule};
use crate::domain::{Alarm, Direction, Mode, Moment, Named};
use crate::door::{Indicator, Relay, Signal};

/// How long a refusal is shown.
const DENIED_SHOWN: Duration = Duration::from_secs(2);

/// Somebody on the way through.
#[derive(Clone, Debug, PartialEq)]
pub struct Going {
    pub person: Named,
    pub direction: Option<Direction>,
}

/// See the file's head.
pub struct Post {
    pub name: Arc<str>,
    pub referee: Referee,
    pub doorway: Doorway<Going>,
    pub relay: Relay,
    pub lamps: Lamps,
    /// Doors of one interlock have the same name here.
    pub interlock: Option<Arc<str>>,
    /// The schedule by which it stands unlocked.
    pub hours: Option<UnlockHours>,
    /// What is wrong with it.
    pub trouble: Option<String>,
    /// What is wrong with its inputs.
    pub inputs_trouble: Option<String>,
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
}

/// A door as it is now, to be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct DoorView {
    pub name: Arc<str>,
    pub wires: String,
    pub mode: Mode,
    pub unlocked: bool,
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
            wires: self.relay.describe(),
            mode: self.doorway.mode().clone(),
            unlocked: self.doorway.is_unlocked(),
            open: self.doorway.is_open(),
            hours: self.doorway.hours().map(str::to_owned),
            alarms: self.doorway.alarms().collect(),
            trouble: self.trouble.clone().or_else(|| self.inputs_trouble.clone()),
        }
    }

    /// Unlocked or open: another door of the same interlock must wait.
    pub fn is_passable(&self) -> bool {
        self.doorway.is_unlocked() || self.doorway.is_open() == Some(true)
    }

    /// Brings the lamps up to date.
    pub fn show(&mut self, now: Moment) {
        let fault = self.trouble.is_some() || self.inputs_trouble.is_some();
        self.lamps.show(self.doorway.is_unlocked(), fault, now);
    }
}

/// The lamps, with what they show.
pub struct Lamps {
    indicator: Option<Box<dyn Indicator>>,
    shown: Option<Signal>,
    denied_until: Option<Moment>,
}

impl Lamps {
    /// Dark until told.
    pub fn new(indicator: Option<Box<dyn Indicator>>) -> Lamps {
        Lamps { indicator, shown: None, denied_until: None }
    }

    /// Somebody was refused.
    pub fn denied(&mut self, now: Moment) {
        self.denied_until = Some(now + DENIED_SHOWN);
    }

    /// When a refusal has been shown for long enough.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.denied_until.filter(|_| self.indicator.is_some())
    }

    fn show(&mut self, unlocked: bool, fault: bool, now: Moment) {
        self.denied_until = self.denied_until.filter(|&until| until > now);
        let signal = match (unlocked, self.denied_until, fault) {
            (true, _, _) => Signal::Granted,
            (false, Some(_), _) => Signal::Denied,
            (false, None, true) => Signal::Fault,
            (false, None, false) => Signal::Idle,
        };
        let Some(indicator) = self.indicator.as_mut().filter(|_| self.shown != Some(signal)) else { return };
        // A lamp is a courtesy: that it fails is said once for each signal, and changes nothing at the door.
        self.shown = Some(signal);
        if let Err(error) = indicator.show(signal) {
            tracing::warn!(%error, "a lamp failed");
        }
    }
}

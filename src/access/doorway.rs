//! The state of one door: what unlocks it, what its sensor says, its mode, and the alarms that follow.
//!
//! Every method takes what happened and returns the [`Act`]s that follow, to be done in order: a note is written down before the lock
//! moves, but for egress. The caller reports back what became of the relay ([`Doorway::unlocked`], [`Doorway::locked`]).
//!
//! Pure: the time is an argument. Knows nothing of people's rights, of wires and of the journal.

mod hours;

use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Alarm, Cause, DoorCommand, Event, Input, Mode, Moment};

/// A leaf that moves within this time after the lock was told to close moved before: contacts bounce, bolts are slow.
const GRACE: Duration = Duration::from_millis(500);

/// How long hours wait after they could not unlock the door.
const HOLD_AGAIN: Duration = Duration::from_secs(10);

/// A press of the exit button moves the relay within this time or not at all: somebody who waited longer may have turned away, and the door
/// must not open behind them.
const EXIT_LASTS: Duration = Duration::from_secs(2);

/// The same for hours that begin: they are tried again after [`HOLD_AGAIN`].
const HOURS_LAST: Duration = Duration::from_secs(2);

/// What is particular to a door.
#[derive(Clone, Debug, PartialEq)]
pub struct DoorwaySettings {
    pub name: Arc<str>,
    /// For how long a grant or the exit button unlocks it.
    pub pulse: Duration,
    /// There is a sensor at the leaf.
    pub has_sensor: bool,
    /// The lock closes as soon as the leaf is closed again, and does not wait for the end of the pulse.
    pub relock_on_close: bool,
    /// The leaf may be open for this long before a warning, and before an alarm. `None`: for ever.
    pub held_open_warning: Option<Duration>,
    pub held_open_alarm: Option<Duration>,
    /// A leaf that opens while locked is an alarm.
    pub forced_open_alarm: bool,
}

/// What follows.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Write this down. When that fails, the [`Act::Unlock`] after it must not be done.
    Note(Event),
    /// Move the relay, on the strength of the last note.
    Unlock { cause: Cause, command: DoorCommand },
    /// Let people out: move the relay first, then write down why. A journal that fails or stalls keeps nobody in, unless the operator
    /// has configured it so.
    Egress { cause: Cause, command: DoorCommand, note: Event },
    /// Put the relay at its safe level. `needs_record`: only when the note before could be written.
    Lock { reason: &'static str, needs_record: bool },
}

/// Somebody who was let in and has not gone through yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage<T> {
    pub who: T,
    /// The sequence number of the grant.
    pub record: u64,
}

/// See the file's head. `T` is whatever is known of somebody who goes through.
#[derive(Clone, Debug)]
pub struct Doorway<T> {
    settings: DoorwaySettings,
    mode: Mode,
    lock: Lock,
    leaf: Leaf,
    /// The name of the schedule by which the door stands unlocked now.
    hours: Option<Arc<str>>,
    /// An operator locked it within those hours: they do not unlock it again before they end.
    hours_ended_early: bool,
    /// The same before a restart: the schedule, until its hours are seen open.
    ended_before: Option<String>,
    /// The hours have unlocked it.
    hours_began: bool,
    /// The lock could not be held any longer; what held it does not hold it again before it ends.
    exhausted: bool,
    /// The lock could not be unlocked for its hours; not to be tried again before.
    hold_again_at: Option<Moment>,
    alarms: [Option<Moment>; 3],
    /// While a contact changes all the time, no alarm ends by it and no lock closes.
    leaf_chatters: bool,
    tamper_chatters: bool,
    housing_open: bool,
    warned: bool,
    going: Vec<Passage<T>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Lock {
    /// `since` it was unlocked last; `None` when it has not been.
    Locked {
        since: Option<Moment>,
    },
    Unlocked {
        held: bool,
        pulse_until: Option<Moment>,
        leaf_opened: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Leaf {
    Unknown,
    Closed,
    Open {
        since: Moment,
        /// From when on the time counts towards an alarm: not while the lock is held open.
        counted_from: Moment,
    },
}

impl<T> Doorway<T> {
    /// Locked, its leaf not yet seen. `mode` is what was set before a restart.
    pub fn new(settings: DoorwaySettings, mode: Mode) -> Doorway<T> {
        Doorway {
            settings,
            mode,
            lock: Lock::Locked { since: None },
            leaf: Leaf::Unknown,
            hours: None,
            hours_ended_early: false,
            ended_before: None,
            hours_began: false,
            exhausted: false,
            hold_again_at: None,
            alarms: [None; 3],
            leaf_chatters: false,
            tamper_chatters: false,
            housing_open: false,
            warned: false,
            going: Vec::new(),
        }
    }

    /// What is particular to it.
    pub fn settings(&self) -> &DoorwaySettings {
        &self.settings
    }

    /// What it lets through.
    pub fn mode(&self) -> &Mode {
        &self.mode
    }

    /// Whether the relay is energised.
    pub fn is_unlocked(&self) -> bool {
        matches!(self.lock, Lock::Unlocked { .. })
    }

    /// Whether the lock is held open, by hours or for an evacuation.
    pub fn is_held(&self) -> bool {
        matches!(self.lock, Lock::Unlocked { held: true, .. })
    }

    /// Whether the leaf is open; `None` without a sensor, or before it was read.
    pub fn is_open(&self) -> Option<bool> {
        match self.leaf {
            Leaf::Unknown => None,
            Leaf::Closed => Some(false),
            Leaf::Open { .. } => Some(true),
        }
    }

    /// Alarms that last.
    pub fn alarms(&self) -> impl Iterator<Item = Alarm> {
        ALARMS.into_iter().zip(self.alarms).filter_map(|(alarm, since)| since.map(|_| alarm))
    }

    /// The name of the schedule by which it stands unlocked, if it does.
    pub fn hours(&self) -> Option<&str> {
        self.hours.as_deref().filter(|_| !self.hours_ended_early)
    }

    /// After a restart: what was set before holds on.
    pub fn resume(&mut self, now: Moment) -> Vec<Act> {
        match self.mode {
            Mode::Release => self.hold("kept over a restart", now + HOURS_LAST),
            Mode::Normal | Mode::Lockdown { .. } => Vec::new(),
        }
    }

    /// A face was let in, seen at `evidence`; the grant is written down. The relay may move until `not_after`. A lock that is held open needs
    /// no pulse.
    pub fn grant(&self, evidence: Moment, not_after: Moment) -> Vec<Act> {
        if self.is_held() {
            return Vec::new();
        }
        let command = DoorCommand::Pulse { evidence: Some(evidence), duration: self.settings.pulse, not_after };
        vec![Act::Unlock { cause: Cause::Grant, command }]
    }

    /// The exit button was pressed at `at`. `other_open` is a door of the same interlock that is unlocked or open.
    pub fn exit(&self, other_open: Option<&str>, at: Moment) -> Vec<Act> {
        let refused = match (&self.mode, other_open) {
            (Mode::Lockdown { .. }, _) => Some("the door is locked down".to_owned()),
            (Mode::Normal, Some(other)) => Some(format!("{other} is unlocked or open")),
            _ => None,
        };
        let moves = refused.is_none() && !self.is_held();
        let note = Event::ExitRequested { door: self.settings.name.clone(), refused };
        if !moves {
            return vec![Act::Note(note)];
        }
        let command = DoorCommand::Pulse { evidence: None, duration: self.settings.pulse, not_after: at + EXIT_LASTS };
        vec![Act::Egress { cause: Cause::Exit, command, note }]
    }

    /// An operator unlocks it for a while, until `not_after` at the latest; an error says why not.
    pub fn operator_unlocks(
        &self,
        duration: Duration,
        by: &str,
        other_open: Option<&str>,
        not_after: Moment,
    ) -> Result<Vec<Act>, String> {
        match (&self.mode, other_open) {
            (Mode::Lockdown { .. }, _) => Err("it is locked down: set it to normal first".into()),
            (Mode::Release, _) => Err("it is unlocked already, for an evacuation".into()),
            (Mode::Normal, Some(other)) => Err(format!("{other}, of the same interlock, is unlocked or open")),
            (Mode::Normal, None) => {
                let (door, by) = (self.settings.name.clone(), by.to_owned());
                let note = Act::Note(Event::OperatorUnlocked { door, duration, by });
                let command = DoorCommand::Pulse { evidence: None, duration, not_after };
                Ok(vec![note, Act::Unlock { cause: Cause::Operator, command }])
            }
        }
    }

    /// An operator locks it, whatever had unlocked it; an error says why not.
    pub fn operator_locks(&mut self, by: &str) -> Result<Vec<Act>, String> {
        if self.mode == Mode::Release {
            return Err("it is released for an evacuation: set it to normal first".into());
        }
        self.hours_ended_early = self.hours.is_some();
        let note = Act::Note(Event::OperatorLocked { door: self.settings.name.clone(), by: by.to_owned() });
        Ok(std::iter::once(note).chain(self.end("an operator locked it", false)).collect())
    }

    /// An operator ended the hours of this schedule before a restart, and they are still open: they do not unlock it again before they end.
    /// `None`: they are over.
    pub fn set_ended_before(&mut self, schedule: Option<&str>) {
        self.ended_before = schedule.map(str::to_owned);
    }

    /// The schedule whose open hours an operator has ended.
    pub fn ended_hours(&self) -> Option<&str> {
        self.hours.as_deref().filter(|_| self.hours_ended_early)
    }

    /// An operator sets what it lets through. A release moves the relay until `not_after` at the latest.
    pub fn set_mode(&mut self, mode: Mode, by: &str, not_after: Moment) -> Vec<Act> {
        let note =
            Act::Note(Event::ModeSet { door: self.settings.name.clone(), mode: mode.clone(), by: by.to_owned() });
        let before = std::mem::replace(&mut self.mode, mode);
        (self.exhausted, self.hold_again_at) = (false, None);
        if self.mode == Mode::Normal {
            (self.hours_ended_early, self.ended_before) = (false, None);
        }
        match self.mode {
            Mode::Release => self.hold(by, not_after),
            Mode::Lockdown { .. } => {
                self.going.clear();
                std::iter::once(note).chain(self.end("it was locked down", false)).collect()
            }
            // Hours that are open unlock it at the next look at the clock.
            Mode::Normal => {
                let over = (before == Mode::Release).then(|| self.end("the release is over", true)).flatten();
                std::iter::once(note).chain(over).collect()
            }
        }
    }

    /// The last change of the mode could not be written down.
    pub fn take_back_mode(&mut self, before: Mode) {
        self.mode = before;
    }

    /// The sensor at the leaf says so; those who went through now are given too.
    pub fn leaf(&mut self, open: bool, now: Moment) -> (Vec<Act>, Vec<Passage<T>>) {
        let door = self.settings.name.clone();
        match (self.leaf, open) {
            (Leaf::Open { .. }, true) | (Leaf::Closed, false) => (Vec::new(), Vec::new()),
            (Leaf::Unknown, false) => {
                self.leaf = Leaf::Closed;
                (Vec::new(), Vec::new())
            }
            (was, true) => {
                self.leaf = Leaf::Open { since: now, counted_from: now };
                self.warned = false;
                let mut acts = vec![Act::Note(Event::DoorOpened { door })];
                let allowed = match &mut self.lock {
                    Lock::Unlocked { leaf_opened, .. } => {
                        *leaf_opened = true;
                        true
                    }
                    Lock::Locked { since } => since.is_some_and(|since| now.since(since) <= GRACE),
                };
                // A leaf that was never seen closed may have been open all along.
                if !allowed && was == Leaf::Closed && self.settings.forced_open_alarm {
                    acts.extend(self.raise(Alarm::Forced, now));
                }
                let going = std::mem::take(&mut self.going);
                (acts, if allowed { going } else { Vec::new() })
            }
            (Leaf::Open { since, .. }, false) => {
                self.leaf = Leaf::Closed;
                let mut acts = vec![Act::Note(Event::DoorClosed { door, open_for: now.since(since) })];
                if self.leaf_chatters {
                    return (acts, Vec::new());
                }
                acts.extend(self.calm(Alarm::HeldOpen, now));
                acts.extend(self.calm(Alarm::Forced, now));
                if let Lock::Unlocked { held: false, leaf_opened: true, .. } = self.lock
                    && self.settings.relock_on_close
                {
                    acts.push(Act::Lock { reason: "the door was closed", needs_record: false });
                }
                (acts, Vec::new())
            }
        }
    }

    /// The housing was opened, or closed again.
    pub fn tamper(&mut self, active: bool, now: Moment) -> Vec<Act> {
        self.housing_open = active;
        let calms = !active && !self.tamper_chatters;
        let act = if active { self.raise(Alarm::Tamper, now) } else { None };
        act.or_else(|| if calms { self.calm(Alarm::Tamper, now) } else { None }).into_iter().collect()
    }

    /// Whether `input` changes all the time. When it is quiet again, the alarms end that would have ended by it.
    pub fn set_chattering(&mut self, input: Input, chatters: bool, now: Moment) -> Vec<Act> {
        let (known, at_rest, by_it): (_, _, &[Alarm]) = match input {
            Input::Sensor => (&mut self.leaf_chatters, self.leaf == Leaf::Closed, &[Alarm::HeldOpen, Alarm::Forced]),
            Input::Tamper => (&mut self.tamper_chatters, !self.housing_open, &[Alarm::Tamper]),
            Input::ExitButton => return Vec::new(),
        };
        let ended = std::mem::replace(known, chatters) && !chatters && at_rest;
        by_it.iter().filter(|_| ended).filter_map(|alarm| self.calm(*alarm, now)).collect()
    }

    /// Time passes: warnings and alarms of a leaf that stays open.
    pub fn tick(&mut self, now: Moment) -> Vec<Act> {
        let held = self.is_held();
        let Leaf::Open { counted_from, .. } = &mut self.leaf else { return Vec::new() };
        if held {
            *counted_from = now;
            return Vec::new();
        }
        let open_for = now.since(*counted_from);
        let door = self.settings.name.clone();
        let mut acts = Vec::new();
        if self.settings.held_open_warning.is_some_and(|limit| open_for >= limit) && !self.warned {
            self.warned = true;
            acts.push(Act::Note(Event::HeldOpenWarning { door, open_for }));
        }
        if self.settings.held_open_alarm.is_some_and(|limit| open_for >= limit) {
            acts.extend(self.raise(Alarm::HeldOpen, now));
        }
        acts
    }

    /// When [`Doorway::tick`] has something to say next.
    pub fn next_deadline(&self) -> Option<Moment> {
        let Leaf::Open { counted_from, .. } = self.leaf else { return None };
        let warning = self.settings.held_open_warning.filter(|_| !self.warned);
        let alarm = self.settings.held_open_alarm.filter(|_| self.alarms[place(Alarm::HeldOpen)].is_none());
        warning.into_iter().chain(alarm).min().filter(|_| !self.is_held()).map(|span| counted_from + span)
    }

    /// Somebody was let in and the lock is open; they are given back when they count as gone through already: where there is no
    /// sensor, or the leaf is open.
    pub fn expect(&mut self, passage: Passage<T>) -> Option<Passage<T>> {
        if !self.settings.has_sensor || self.is_open() == Some(true) {
            return Some(passage);
        }
        // More people than that do not go through in one pulse; the oldest turned away.
        if self.going.len() == 16 {
            self.going.remove(0);
        }
        self.going.push(passage);
        None
    }

    /// The relay was energised, until then at the latest.
    pub fn unlocked(&mut self, until: Moment, held: bool) {
        let (held_before, pulse_before, leaf_opened) = match self.lock {
            Lock::Unlocked { held, pulse_until, leaf_opened } => (held, pulse_until, leaf_opened),
            Lock::Locked { .. } => {
                self.going.clear();
                (false, None, false)
            }
        };
        let pulse_until = if held { pulse_before } else { Some(until) };
        self.lock = Lock::Unlocked { held: held || held_before, pulse_until, leaf_opened };
    }

    /// The lock could not be unlocked: the record could not be written, or the wires failed. Hours try again after a while.
    pub fn refused(&mut self, now: Moment) {
        self.hold_again_at = Some(now + HOLD_AGAIN);
    }

    /// The relay is at its safe level. `by_itself`: its time was over.
    pub fn locked(&mut self, by_itself: bool, now: Moment) {
        if by_itself && self.is_held() {
            self.exhausted = true;
        }
        if let Lock::Unlocked { leaf_opened, .. } = self.lock {
            self.lock = Lock::Locked { since: Some(now) };
            // Whoever has not opened may have done so just now, and the contact is on its way.
            if leaf_opened {
                self.going.clear();
            }
        }
    }

    fn hold(&self, by: &str, not_after: Moment) -> Vec<Act> {
        let (door, by) = (self.settings.name.clone(), by.to_owned());
        let note = Event::ModeSet { door, mode: Mode::Release, by };
        vec![Act::Egress { cause: Cause::Release, command: DoorCommand::Hold { not_after }, note }]
    }

    fn end(&self, reason: &'static str, needs_record: bool) -> Option<Act> {
        self.is_unlocked().then_some(Act::Lock { reason, needs_record })
    }

    fn pulse_lasts(&self, now: Moment) -> bool {
        matches!(self.lock, Lock::Unlocked { pulse_until: Some(until), .. } if until > now)
    }

    fn raise(&mut self, alarm: Alarm, now: Moment) -> Option<Act> {
        let since = &mut self.alarms[place(alarm)];
        if since.is_some() {
            return None;
        }
        *since = Some(now);
        Some(Act::Note(Event::AlarmRaised { door: self.settings.name.clone(), alarm }))
    }

    fn calm(&mut self, alarm: Alarm, now: Moment) -> Option<Act> {
        let lasted = now.since(self.alarms[place(alarm)].take()?);
        Some(Act::Note(Event::AlarmEnded { door: self.settings.name.clone(), alarm, lasted }))
    }
}

const ALARMS: [Alarm; 3] = [Alarm::Forced, Alarm::HeldOpen, Alarm::Tamper];

fn place(alarm: Alarm) -> usize {
    match alarm {
        Alarm::Forced => 0,
        Alarm::HeldOpen => 1,
        Alarm::Tamper => 2,
    }
}

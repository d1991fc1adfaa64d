//! The state of one door: its lock, its leaf, its mode, and its alarms.
//!
//! Every method takes an event and returns the resulting [`Act`]s, to be carried out in order: a note is recorded before the lock moves,
//! except for egress. The caller reports what happened to the relay ([`Doorway::unlocked`], [`Doorway::locked`]).

mod hours;

use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Actor, Alarm, Cause, DoorCommand, DoorEvent, Event, Input, Mode, Moment, SystemAct};

/// A leaf that opens within this time after locking counts as opened before: contacts bounce, and bolts are slow.
const GRACE: Duration = Duration::from_millis(500);

/// How long a schedule waits after it failed to unlock the door.
const HOLD_AGAIN: Duration = Duration::from_secs(10);

/// A press of the exit button moves the relay within this time or not at all: a person who waited longer may have turned away, and the door
/// must not open behind them.
const EXIT_LASTS: Duration = Duration::from_secs(2);

/// The same for hours that begin. They are retried after [`HOLD_AGAIN`].
const HOURS_LAST: Duration = Duration::from_secs(2);

/// The settings of a door.
#[derive(Clone, Debug, PartialEq)]
pub struct DoorwaySettings {
    pub name: Arc<str>,
    /// How long a grant or the exit button unlocks it.
    pub pulse: Duration,
    /// Whether the leaf has a sensor.
    pub has_sensor: bool,
    /// Whether the lock closes as soon as the leaf is closed, without waiting for the end of the pulse.
    pub relock_on_close: bool,
    /// How long the leaf may be open before a warning, and before an alarm. `None` is unlimited.
    pub held_open_warning: Option<Duration>,
    pub held_open_alarm: Option<Duration>,
    /// Whether a leaf that opens while locked raises an alarm.
    pub forced_open_alarm: bool,
}

/// Something to be done after an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Record this. If that fails, the [`Act::Unlock`] after it must not be carried out.
    Note(Event),
    /// Energise the relay, as justified by the last note.
    Unlock { cause: Cause, command: DoorCommand },
    /// Let people out: move the relay first, then record why. Unless configured otherwise, a journal that fails or stalls keeps nobody in.
    Egress { cause: Cause, command: DoorCommand, note: Event },
    /// Put the relay at its safe level. With `needs_record`, only if the note before it was recorded.
    Lock { reason: &'static str, needs_record: bool },
}

/// Why an operator's order is refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    #[error("it is locked down: set it to normal first")]
    LockedDown,
    #[error("it is already unlocked for an evacuation")]
    Unlocked,
    #[error("it is released for an evacuation: set it to normal first")]
    Released,
    #[error("{other}, of the same interlock, is unlocked or open")]
    Interlock { other: String },
}

/// A person who was let in and has not gone through yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage<T> {
    pub who: T,
    /// The sequence number of the grant.
    pub record: u64,
}

/// The state machine of a door. `T` is what the caller knows about a person going through.
#[derive(Clone, Debug)]
pub struct Doorway<T> {
    settings: DoorwaySettings,
    mode: Mode,
    lock: Lock,
    leaf: Leaf,
    /// The name of the schedule that unlocks the door now.
    hours: Option<Arc<str>>,
    /// An operator locked the door during these hours; they do not unlock it again before they end.
    hours_ended_early: bool,
    /// The same before a restart: the schedule, until its hours are seen open again.
    ended_before: Option<String>,
    /// Whether the hours have unlocked the door.
    hours_began: bool,
    /// The longest hold is over; whatever held the lock does not hold it again before it ends.
    exhausted: bool,
    /// The earliest time to retry unlocking for the hours.
    hold_again_at: Option<Moment>,
    alarms: [Option<Moment>; 3],
    /// While a contact chatters, it ends no alarm and closes no lock.
    leaf_chatters: bool,
    tamper_chatters: bool,
    housing_open: bool,
    warned: bool,
    going: Vec<Passage<T>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Lock {
    /// `since` the last unlocking ended; `None` if there was none.
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
        /// Since when the time counts towards an alarm; time with the lock held open does not count.
        counted_from: Moment,
    },
}

impl<T> Doorway<T> {
    /// A locked door whose leaf has not been read yet. `mode` is the one set before a restart.
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

    /// The settings.
    pub fn settings(&self) -> &DoorwaySettings {
        &self.settings
    }

    /// The mode.
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

    /// Whether the leaf is open; `None` without a sensor, or before it is read.
    pub fn is_open(&self) -> Option<bool> {
        match self.leaf {
            Leaf::Unknown => None,
            Leaf::Closed => Some(false),
            Leaf::Open { .. } => Some(true),
        }
    }

    /// The alarms in progress.
    pub fn alarms(&self) -> impl Iterator<Item = Alarm> {
        ALARMS.into_iter().filter(|alarm| self.alarm_since(*alarm).is_some())
    }

    /// The name of the schedule that unlocks the door now, if any.
    pub fn hours(&self) -> Option<&str> {
        self.hours.as_deref().filter(|_| !self.hours_ended_early)
    }

    /// Resumes the mode set before a restart.
    pub fn resume(&mut self, now: Moment) -> Vec<Act> {
        match self.mode {
            Mode::Release => self.hold(&Actor::System(SystemAct::ResumeMode), now + HOURS_LAST),
            Mode::Normal | Mode::Lockdown { .. } => Vec::new(),
        }
    }

    /// A face seen at `evidence` was let in, and the grant is recorded. The relay may move until `not_after`. A lock that is held open needs no
    /// pulse.
    pub fn grant(&self, evidence: Moment, not_after: Moment) -> Vec<Act> {
        if self.is_held() {
            return Vec::new();
        }
        let command = DoorCommand::Pulse { evidence: Some(evidence), duration: self.settings.pulse, not_after };
        vec![Act::Unlock { cause: Cause::Grant, command }]
    }

    /// An operator let somebody in, and that is recorded. The relay may move until `not_after`. A lock that is held open needs no pulse.
    pub fn admit(&self, not_after: Moment) -> Vec<Act> {
        if self.is_held() {
            return Vec::new();
        }
        let command = DoorCommand::Pulse { evidence: None, duration: self.settings.pulse, not_after };
        vec![Act::Unlock { cause: Cause::Operator, command }]
    }

    /// The exit button was pressed at `at`. `other_open` is a door of the same interlock that is unlocked or open.
    pub fn exit(&self, other_open: Option<&str>, at: Moment) -> Vec<Act> {
        let refused = match (&self.mode, other_open) {
            (Mode::Lockdown { .. }, _) => Some("the door is locked down".to_owned()),
            (Mode::Normal, Some(other)) => Some(format!("{other} is unlocked or open")),
            _ => None,
        };
        let moves = refused.is_none() && !self.is_held();
        let note = Event::Door(DoorEvent::ExitRequested { door: self.settings.name.clone(), refused });
        if !moves {
            return vec![Act::Note(note)];
        }
        let command = DoorCommand::Pulse { evidence: None, duration: self.settings.pulse, not_after: at + EXIT_LASTS };
        vec![Act::Egress { cause: Cause::Exit, command, note }]
    }

    /// An operator unlocks the door for `duration`. The relay may move until `not_after`.
    pub fn operator_unlocks(
        &self,
        duration: Duration,
        by: &Actor,
        other_open: Option<&str>,
        not_after: Moment,
    ) -> Result<Vec<Act>, Refusal> {
        match (&self.mode, other_open) {
            (Mode::Lockdown { .. }, _) => Err(Refusal::LockedDown),
            (Mode::Release, _) => Err(Refusal::Unlocked),
            (Mode::Normal, Some(other)) => Err(Refusal::Interlock { other: other.to_owned() }),
            (Mode::Normal, None) => {
                let (door, by) = (self.settings.name.clone(), by.clone());
                let note = Act::Note(Event::Door(DoorEvent::OperatorUnlocked { door, duration, by }));
                let command = DoorCommand::Pulse { evidence: None, duration, not_after };
                Ok(vec![note, Act::Unlock { cause: Cause::Operator, command }])
            }
        }
    }

    /// An operator locks the door, whatever had unlocked it.
    pub fn operator_locks(&mut self, by: &Actor) -> Result<Vec<Act>, Refusal> {
        if self.mode == Mode::Release {
            return Err(Refusal::Released);
        }
        self.hours_ended_early = self.hours.is_some();
        let note =
            Act::Note(Event::Door(DoorEvent::OperatorLocked { door: self.settings.name.clone(), by: by.clone() }));
        Ok(std::iter::once(note).chain(self.end("an operator locked it", false)).collect())
    }

    /// An operator ended the hours of this schedule before a restart, and they are still open: they do not unlock the door again before they
    /// end. `None`: they are over.
    pub fn set_ended_before(&mut self, schedule: Option<&str>) {
        self.ended_before = schedule.map(str::to_owned);
    }

    /// The schedule whose current hours an operator has ended early.
    pub fn ended_hours(&self) -> Option<&str> {
        self.hours.as_deref().filter(|_| self.hours_ended_early)
    }

    /// An operator sets the mode. A release moves the relay until `not_after` at the latest.
    pub fn set_mode(&mut self, mode: Mode, by: &Actor, not_after: Moment) -> Vec<Act> {
        let note = Act::Note(Event::Door(DoorEvent::ModeSet {
            door: self.settings.name.clone(),
            mode: mode.clone(),
            by: by.clone(),
        }));
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
            // If its hours are open, the next `set_hours` unlocks the door.
            Mode::Normal => {
                let over = (before == Mode::Release).then(|| self.end("the release is over", true)).flatten();
                std::iter::once(note).chain(over).collect()
            }
        }
    }

    /// Reverts the last change of the mode, which could not be recorded.
    pub fn revert_mode(&mut self, before: Mode) {
        self.mode = before;
    }

    /// The leaf's sensor changed. Also returns the people who are now going through.
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
                let mut acts = vec![Act::Note(Event::Door(DoorEvent::DoorOpened { door }))];
                let allowed = match &mut self.lock {
                    Lock::Unlocked { leaf_opened, .. } => {
                        *leaf_opened = true;
                        true
                    }
                    Lock::Locked { since } => since.is_some_and(|since| now.since(since) <= GRACE),
                };
                // A leaf never seen closed may have been open before.
                if !allowed && was == Leaf::Closed && self.settings.forced_open_alarm {
                    acts.extend(self.raise_alarm(Alarm::Forced, now));
                }
                let going = std::mem::take(&mut self.going);
                (acts, if allowed { going } else { Vec::new() })
            }
            (Leaf::Open { since, .. }, false) => {
                self.leaf = Leaf::Closed;
                let mut acts = vec![Act::Note(Event::Door(DoorEvent::DoorClosed { door, open_for: now.since(since) }))];
                if self.leaf_chatters {
                    return (acts, Vec::new());
                }
                acts.extend(self.end_alarm(Alarm::HeldOpen, now));
                acts.extend(self.end_alarm(Alarm::Forced, now));
                if let Lock::Unlocked { held: false, leaf_opened: true, .. } = self.lock
                    && self.settings.relock_on_close
                {
                    acts.push(Act::Lock { reason: "the door was closed", needs_record: false });
                }
                (acts, Vec::new())
            }
        }
    }

    /// The housing was opened or closed.
    pub fn tamper(&mut self, active: bool, now: Moment) -> Vec<Act> {
        self.housing_open = active;
        let calms = !active && !self.tamper_chatters;
        let act = if active { self.raise_alarm(Alarm::Tamper, now) } else { None };
        act.or_else(|| if calms { self.end_alarm(Alarm::Tamper, now) } else { None }).into_iter().collect()
    }

    /// Sets whether `input` chatters. When it becomes quiet, the alarms that it would have ended end.
    pub fn set_chattering(&mut self, input: Input, chatters: bool, now: Moment) -> Vec<Act> {
        let (known, at_rest, by_it): (_, _, &[Alarm]) = match input {
            Input::Sensor => (&mut self.leaf_chatters, self.leaf == Leaf::Closed, &[Alarm::HeldOpen, Alarm::Forced]),
            Input::Tamper => (&mut self.tamper_chatters, !self.housing_open, &[Alarm::Tamper]),
            Input::ExitButton => return Vec::new(),
        };
        let ended = std::mem::replace(known, chatters) && !chatters && at_rest;
        by_it.iter().filter(|_| ended).filter_map(|alarm| self.end_alarm(*alarm, now)).collect()
    }

    /// Warnings and alarms of a leaf that stays open.
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
            acts.push(Act::Note(Event::Door(DoorEvent::HeldOpenWarning { door, open_for })));
        }
        if self.settings.held_open_alarm.is_some_and(|limit| open_for >= limit) {
            acts.extend(self.raise_alarm(Alarm::HeldOpen, now));
        }
        acts
    }

    /// When [`Doorway::tick`] is due next.
    pub fn next_deadline(&self) -> Option<Moment> {
        let Leaf::Open { counted_from, .. } = self.leaf else { return None };
        let warning = self.settings.held_open_warning.filter(|_| !self.warned);
        let alarm = self.settings.held_open_alarm.filter(|_| self.alarm_since(Alarm::HeldOpen).is_none());
        warning.into_iter().chain(alarm).min().filter(|_| !self.is_held()).map(|span| counted_from + span)
    }

    /// Expects a person who was let in to go through the open lock. Returns them at once if they count as gone through already: if there is no
    /// sensor, or the leaf is open.
    pub fn expect(&mut self, passage: Passage<T>) -> Option<Passage<T>> {
        if !self.settings.has_sensor || self.is_open() == Some(true) {
            return Some(passage);
        }
        // No more people than this go through in one pulse; the first one must have turned away.
        if self.going.len() == 16 {
            self.going.remove(0);
        }
        self.going.push(passage);
        None
    }

    /// The relay was energised until `until` at the latest.
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

    /// Unlocking failed: the record could not be written, or the wires failed. A schedule retries after a while.
    pub fn refused(&mut self, now: Moment) {
        self.hold_again_at = Some(now + HOLD_AGAIN);
    }

    /// The relay is at its safe level. `by_itself`: its deadline had passed.
    pub fn locked(&mut self, by_itself: bool, now: Moment) {
        if by_itself && self.is_held() {
            self.exhausted = true;
        }
        if let Lock::Unlocked { leaf_opened, .. } = self.lock {
            self.lock = Lock::Locked { since: Some(now) };
            // If the leaf was not opened, it may be opening right now, and the contact follows.
            if leaf_opened {
                self.going.clear();
            }
        }
    }

    fn hold(&self, by: &Actor, not_after: Moment) -> Vec<Act> {
        let (door, by) = (self.settings.name.clone(), by.clone());
        let note = Event::Door(DoorEvent::ModeSet { door, mode: Mode::Release, by });
        vec![Act::Egress { cause: Cause::Release, command: DoorCommand::Hold { not_after }, note }]
    }

    fn end(&self, reason: &'static str, needs_record: bool) -> Option<Act> {
        self.is_unlocked().then_some(Act::Lock { reason, needs_record })
    }

    fn pulse_lasts(&self, now: Moment) -> bool {
        matches!(self.lock, Lock::Unlocked { pulse_until: Some(until), .. } if until > now)
    }

    fn raise_alarm(&mut self, alarm: Alarm, now: Moment) -> Option<Act> {
        let since = self.alarm_mut(alarm);
        if since.is_some() {
            return None;
        }
        *since = Some(now);
        Some(Act::Note(Event::Door(DoorEvent::AlarmRaised { door: self.settings.name.clone(), alarm })))
    }

    fn end_alarm(&mut self, alarm: Alarm, now: Moment) -> Option<Act> {
        let lasted = now.since(self.alarm_mut(alarm).take()?);
        Some(Act::Note(Event::Door(DoorEvent::AlarmEnded { door: self.settings.name.clone(), alarm, lasted })))
    }
}

const ALARMS: [Alarm; 3] = [Alarm::Forced, Alarm::HeldOpen, Alarm::Tamper];

impl<T> Doorway<T> {
    fn alarm_since(&self, alarm: Alarm) -> Option<Moment> {
        let [forced, held_open, tamper] = self.alarms;
        match alarm {
            Alarm::Forced => forced,
            Alarm::HeldOpen => held_open,
            Alarm::Tamper => tamper,
        }
    }

    fn alarm_mut(&mut self, alarm: Alarm) -> &mut Option<Moment> {
        let [forced, held_open, tamper] = &mut self.alarms;
        match alarm {
            Alarm::Forced => forced,
            Alarm::HeldOpen => held_open,
            Alarm::Tamper => tamper,
        }
    }
}

//! What happened, worth keeping.
//!
//! Knows nothing of who keeps it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Decision, Direction, Mode, ModelId, PersonId, Reason, TimeQuality};

/// A person as they stood when something happened, so that a record can be read after a rename or a removal, and hours be reckoned from
/// it alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub id: PersonId,
    pub name: String,
    /// `None` when they had none.
    pub employee_id: Option<String>,
    pub groups: Vec<String>,
}

/// What unlocked a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A face that was let in.
    Grant,
    /// The exit button.
    Exit,
    /// An operator's word.
    Operator,
    /// The hours in which the door stands unlocked.
    Schedule,
    /// An evacuation.
    Release,
}

impl Cause {
    /// The word that journals, logs and hubs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Grant => "grant",
            Cause::Exit => "exit",
            Cause::Operator => "operator",
            Cause::Schedule => "schedule",
            Cause::Release => "release",
        }
    }
}

/// What is wrong at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Alarm {
    /// It was opened while locked.
    Forced,
    /// It has been open for too long.
    HeldOpen,
    /// Its housing was opened.
    Tamper,
}

impl Alarm {
    /// The word that journals, logs and hubs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Alarm::Forced => "forced_open",
            Alarm::HeldOpen => "held_open",
            Alarm::Tamper => "tamper",
        }
    }
}

/// What tells a door something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Active while the door is open.
    Sensor,
    /// Active while somebody presses it.
    ExitButton,
    /// Active while the housing is open.
    Tamper,
}

impl Input {
    /// All of them.
    pub const ALL: [Input; 3] = [Input::Sensor, Input::ExitButton, Input::Tamper];

    /// The word that journals, logs and hubs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Input::Sensor => "sensor",
            Input::ExitButton => "exit_button",
            Input::Tamper => "tamper",
        }
    }

    /// What `active` means here, in a word.
    pub fn word(self, active: bool) -> &'static str {
        match (self, active) {
            (Input::Sensor | Input::Tamper, true) => "open",
            (Input::Sensor | Input::Tamper, false) => "closed",
            (Input::ExitButton, true) => "pressed",
            (Input::ExitButton, false) => "released",
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Input::Sensor => "door sensor",
            Input::ExitButton => "exit button",
            Input::Tamper => "tamper contact",
        })
    }
}

/// A correction of what attendance is reckoned from. The record that it corrects stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amendment {
    /// Somebody went in or out, and no door saw it.
    Add { direction: Direction, at: SystemTime },
    /// The record of that number does not count: another person, or a mistake.
    Void { record: u64 },
}

/// What happened, worth keeping. `by` is always the operator's name.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The daemon is up, with its version and a digest of its configuration.
    Started {
        version: String,
        config: String,
        model: ModelId,
    },
    /// The daemon ends in order.
    Stopped {
        reason: String,
    },
    /// The rules spoke about a face before `door`. `person` names whoever `decision.nearest` points at.
    Decided {
        door: Arc<str>,
        /// The side of the camera that saw it; `None` where no side is configured.
        direction: Option<Direction>,
        person: Option<Named>,
        runner_up: Option<Named>,
        decision: Decision,
    },
    /// Denials of one kind beyond the first, which were counted and not written down one by one, since the first of them or the last such
    /// event. `person` is who was recognised and refused; `None` for faces that were not recognised.
    DenialsRepeated {
        door: Arc<str>,
        camera: Arc<str>,
        direction: Option<Direction>,
        reason: Reason,
        person: Option<Named>,
        count: u64,
        /// How many faces the tracker told apart.
        faces: u64,
        span: Duration,
    },
    /// Somebody went through: the door was opened after their grant, or, where there is no door sensor, unlocked for them.
    Passed {
        door: Arc<str>,
        person: Named,
        direction: Option<Direction>,
        /// Where they are now; `None` where no zones are configured.
        zone: Option<String>,
        /// The sequence number of the grant.
        record: u64,
    },
    /// The exit button was pressed; `refused` says why the door did not unlock.
    ExitRequested {
        door: Arc<str>,
        refused: Option<String>,
    },
    /// An operator unlocks for a while.
    OperatorUnlocked {
        door: Arc<str>,
        duration: Duration,
        by: String,
    },
    /// An operator ends whatever had unlocked the door.
    OperatorLocked {
        door: Arc<str>,
        by: String,
    },
    /// An operator sets what the door lets through.
    ModeSet {
        door: Arc<str>,
        mode: Mode,
        by: String,
    },
    /// A command from the hub was not carried out. `by` is who says to have sent it.
    CommandRefused {
        door: Arc<str>,
        command: String,
        by: String,
        reason: String,
    },
    /// The hours in which the door stands unlocked began.
    ScheduleBegan {
        door: Arc<str>,
        schedule: String,
    },
    /// Those hours are over.
    ScheduleEnded {
        door: Arc<str>,
        schedule: String,
    },
    /// The relay was energised for `duration`, or until told otherwise; `record` is the sequence number of the record that allowed it.
    Unlocked {
        door: Arc<str>,
        cause: Cause,
        record: u64,
        duration: Option<Duration>,
        /// From the frame to the relay, for a grant.
        capture_to_door: Option<Duration>,
    },
    /// The relay is back at its safe level.
    Locked {
        door: Arc<str>,
        reason: String,
    },
    /// The relay was not energised although the rules allowed it: the order came too late, the daemon was stopping, or the wires failed and
    /// went back to their safe level.
    UnlockRefused {
        door: Arc<str>,
        reason: String,
    },
    /// The wires did not go to their safe level, or do not answer: the relay may be energised.
    DoorFailed {
        door: Arc<str>,
        reason: String,
    },
    /// The door's leaf was opened, as its sensor says.
    DoorOpened {
        door: Arc<str>,
    },
    /// The door's leaf was closed.
    DoorClosed {
        door: Arc<str>,
        open_for: Duration,
    },
    /// The leaf has been open for so long that an alarm is near.
    HeldOpenWarning {
        door: Arc<str>,
        open_for: Duration,
    },
    /// An alarm begins.
    AlarmRaised {
        door: Arc<str>,
        alarm: Alarm,
    },
    /// What was wrong is so no more.
    AlarmEnded {
        door: Arc<str>,
        alarm: Alarm,
        lasted: Duration,
    },
    /// An input of a door changes all the time: changes that were counted and not written down one by one, since the first of them or the
    /// last such event.
    ContactChattered {
        door: Arc<str>,
        input: Input,
        changes: u64,
        span: Duration,
        /// What it was after the last of them.
        active: bool,
        /// It is quiet again.
        over: bool,
    },
    /// A door's inputs cannot be read, or can be read again.
    ContactsLost {
        door: Arc<str>,
        reason: String,
    },
    ContactsBack {
        door: Arc<str>,
    },
    /// An operator takes back what is known of where people are: of one person, or of everybody.
    Amnesty {
        person: Option<Named>,
        by: String,
    },
    /// The distance that is near enough follows the number of people and templates enrolled.
    CutMoved {
        people: usize,
        templates: usize,
        before: f32,
        after: f32,
        /// The share of strangers' visits, 0 to 1, in which the whole gallery may take one for somebody.
        false_identification_rate: f64,
        /// The distance lies beyond what was measured.
        extrapolated: bool,
    },
    /// The wall clock was set, by this much, while usher ran or since its last record.
    ClockJumped {
        milliseconds: i64,
    },
    /// The time is not known from now on, or is known again.
    TimeQualityChanged {
        quality: TimeQuality,
    },
    /// An operator says that the wall clock is right, whatever earlier records say.
    ClockTrusted {
        by: String,
    },
    CameraLost {
        camera: Arc<str>,
        reason: String,
    },
    CameraBack {
        camera: Arc<str>,
        lost_for: Duration,
    },
    /// Another device answers under the camera's name than the one that gave the frames before; both as their drivers name them.
    CameraChanged {
        camera: Arc<str>,
        before: String,
        now: String,
    },
    /// A stage of the daemon died or stopped beating.
    StageFailed {
        stage: String,
        reason: String,
    },
    Enrolled {
        person: Named,
        templates: usize,
        by: String,
    },
    Renamed {
        person: Named,
        before: String,
        by: String,
    },
    /// Groups or the first and last day were set; `what` says which, in words.
    Changed {
        person: Named,
        what: String,
        by: String,
    },
    Enabled {
        person: Named,
        by: String,
    },
    Disabled {
        person: Named,
        by: String,
    },
    Removed {
        person: Named,
        by: String,
    },
    /// An operator corrects the attendance of a person.
    AttendanceAmended {
        person: Named,
        amendment: Amendment,
        reason: String,
        by: String,
    },
    /// An operator erases all visitors whom nobody knew.
    VisitorsForgotten {
        visits: usize,
        by: String,
    },
    /// Templates that lay plain were sealed; `key` is by what the store's key is known.
    Sealed {
        people: usize,
        templates: usize,
        key: String,
    },
    /// These people cannot be recognised, because their templates are sealed and cannot be opened.
    TemplatesLocked {
        people: usize,
        templates: usize,
        reason: String,
    },
    /// Another key took the place of the store's.
    StoreKeyChanged {
        key: String,
        by: String,
    },
    /// An operator keeps a head that was learned for this site; the daemon compares behind it from its next start on. What was missed is the
    /// share, 0 to 1, of one person's pairs at that false match rate, of people whom the judged heads had not learned from.
    HeadKept {
        head: ModelId,
        /// Of the head's file, in hexadecimal digits.
        sha256: String,
        people: usize,
        photographs: usize,
        false_match_rate: f64,
        missed_without: f64,
        missed_behind: f64,
        by: String,
    },
    /// An operator takes the site's head off; `head` is `None` where its file could not be read.
    HeadRemoved {
        head: Option<ModelId>,
        sha256: String,
        by: String,
    },
    /// The database or its second copy was damaged, and was mended; `lost` commits that were answered for could not be.
    StoreMended {
        what: String,
        lost: u64,
    },
    /// Records can be written again; `lost` events since `since` were not written, `unlocked` of them openings of a door.
    JournalBack {
        lost: u64,
        unlocked: u64,
        since: SystemTime,
        failed_for: Duration,
        reason: String,
    },
    /// The outbox was full: these records will not reach the hub.
    OutboxShed {
        records: u64,
        from: u64,
        through: u64,
    },
    /// The broker does not take a message, or does not let this device read a topic: the first of that topic since the start.
    HubMessageRefused {
        topic: String,
        bytes: u64,
        reason: String,
    },
    /// Old records were deleted, all up to `through`, whose hash stands here so that the chain goes on from it.
    Pruned {
        through: u64,
        hash: [u8; 32],
        records: u64,
        reason: String,
    },
    /// A person's name and number were erased from these records.
    Erased {
        records: Vec<u64>,
        by: String,
    },
    /// The store was put back from a backup, whose newest record is `through`, over one whose newest was `replaced`, if one was
    /// there and could be read. The doors of `lockdown` start locked down.
    Restored {
        through: u64,
        replaced: Option<u64>,
        lockdown: Vec<String>,
        by: String,
    },
}

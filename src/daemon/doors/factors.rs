//! PINs and tags at the doors: what was entered, whose it is, and that it was entered.
//!
//! Checking a PIN takes up to half a second on a board, so another thread does it ([`crate::daemon::pin_stage`]); the doors never wait for it.

use super::Doors;
use crate::access::{CheckedEntry, CueReport, Entered, PinCheck, SecondFactorSettings, SecondFactors};
use crate::domain::{AccessEvent, Cue, DoorEvent, DoorIndex, Entry, Event, Moment, PersonId};
use crate::door::ReaderKind;

/// Hands a PIN to the thread that checks it. `false` if that has too much to do; then it is handed over later.
pub type CheckPin = Box<dyn FnMut(PinCheck) -> bool + Send>;

/// The answer to a [`PinCheck`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedPin {
    pub about: CheckedEntry,
    /// It is one of the person's PINs, whichever.
    pub right: bool,
    /// Which one, sealed for operators; `None` where nothing is sealed, and for a wrong one.
    pub note: Option<String>,
}

/// What was entered at all doors, and who checks PINs.
pub struct Factors {
    known: SecondFactors,
    check: CheckPin,
}

impl Factors {
    /// Nothing entered yet at `doors` doors.
    pub fn new(settings: SecondFactorSettings, doors: usize, check: CheckPin) -> Factors {
        Factors { known: SecondFactors::new(settings, doors), check }
    }

    /// What is known at `door` of a PIN or a tag of a person whose face is there.
    pub fn report(&mut self, door: DoorIndex, cue: Cue, person: PersonId, now: Moment) -> CueReport {
        let report = self.known.report(door, cue, person, now);
        self.known.hand_over(&mut self.check);
        report
    }

    /// A door opened for a person.
    pub fn used(&mut self, door: DoorIndex, person: PersonId) {
        self.known.used(door, person);
    }

    /// Does what is due: hands over PINs that wait to be checked, and wipes those that nobody came for.
    pub fn tick(&mut self, now: Moment) {
        self.known.forget(now);
        self.known.hand_over(&mut self.check);
    }
}

impl Doors {
    /// Somebody has entered a PIN or presented a tag at `door`.
    pub fn entered(&mut self, door: DoorIndex, entry: Entry) {
        let now = self.clock.now();
        let entered = match entry {
            Entry::Pin(pin) => Entered::Pin(pin),
            Entry::Tag(number) => Entered::Tag(self.people.owner_of(&number)),
        };
        self.factors.known.entered(door, entered, now);
    }

    /// A keypad or a reader of `door` cannot be used (`trouble`), or can be used again (`None`).
    pub fn reader(&mut self, door: DoorIndex, kind: ReaderKind, trouble: Option<String>) {
        let Some(this) = self.doors.get(door) else { return };
        let (door, reader) = (this.name.clone(), kind.as_str().into());
        let event = match trouble {
            Some(reason) => DoorEvent::ReaderLost { door, reader, reason },
            None => DoorEvent::ReaderBack { door, reader },
        };
        self.note(&Event::Door(event), &[]).ok();
    }

    /// A PIN was checked. That a right one was entered is recorded, with a note that only operators can read: whether it was the duress PIN. The
    /// hub's outbox raises the silent alarm from there. Nothing else differs.
    pub fn pin_checked(&mut self, checked: CheckedPin) {
        let CheckedPin { about, right, note } = checked;
        let now = self.clock.now();
        self.factors.known.checked(about, right, now);
        let Some(this) = self.doors.get(about.door).filter(|_| right) else { return };
        let (door, person) = (this.name.clone(), self.named(about.person).into());
        self.note(&Event::Access(AccessEvent::PinEntered { door, person, note }), &[]).ok();
    }
}

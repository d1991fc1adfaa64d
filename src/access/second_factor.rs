//! The second factor: a PIN or a tag that is entered at a door within a window of the face that it belongs to, in either order.
//!
//! An entry waits for a face, and a face for an entry. Each door keeps the newest PIN and the newest tag. A PIN is checked against the person
//! whose face was seen, and a check takes so long that others do it: [`SecondFactors::hand_over`] says what is to be checked,
//! [`SecondFactors::checked`] takes the answer. An entry serves once ([`SecondFactors::used`]).
//!
//! Before a door nobody can tell a wrong PIN from one of a person who has none, or a tag that nobody knows from somebody else's.

mod attempts;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::time::Duration;

use attempts::{Attempts, Counted};

use super::cue::{CueReport, CueState};
use super::waits::Backoff;
use crate::domain::{Cue, DoorIndex, Moment, PersonId, Pin};

/// A PIN is checked against no more faces than this: people who stand before the door together.
const FACES: usize = 3;

/// How long entries and faces wait for each other, and how many wrong entries lead to which wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondFactorSettings {
    /// The longest time between an entry and the face that it belongs to.
    pub window: Duration,
    /// How wrong entries in a row lead to waits.
    pub backoff: Backoff,
}

impl Default for SecondFactorSettings {
    fn default() -> SecondFactorSettings {
        SecondFactorSettings {
            window: Duration::from_secs(15),
            backoff: Backoff { after: 5, first: Duration::from_secs(60), longest: Duration::from_secs(15 * 60) },
        }
    }
}

/// What came in at a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entered {
    Pin(Pin),
    /// A tag, by whose it is; `None` for one that nobody has.
    Tag(Option<PersonId>),
}

/// A PIN that is to be checked against a person's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinCheck {
    pub about: CheckedEntry,
    pub pin: Pin,
}

/// Which check an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedEntry {
    pub door: DoorIndex,
    pub person: PersonId,
    /// Numbers the entries.
    entry: u64,
}

/// The entries at all doors. Memory is bounded: two entries a door, and the counts of wrong ones by person and door.
#[derive(Debug)]
pub struct SecondFactors {
    settings: SecondFactorSettings,
    doors: Vec<AtDoor>,
    entries: u64,
    by_person: Attempts<PersonId>,
    by_door: Attempts<DoorIndex>,
}

#[derive(Debug, Default)]
struct AtDoor {
    pin: Option<Entry<Pin>>,
    tag: Option<Entry<Option<PersonId>>>,
}

/// An entry and what it is to the people who were seen.
#[derive(Debug)]
struct Entry<T> {
    number: u64,
    at: Moment,
    what: T,
    faces: Vec<(PersonId, Fits)>,
    /// It was counted as a wrong one of the door.
    counted_at_door: bool,
}

/// Whether an entry is that of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fits {
    /// To be checked.
    Due,
    /// Being checked.
    Asked,
    Yes,
    /// It was counted as a wrong one of the person.
    No(Counted),
}

impl<T> Entry<T> {
    fn of(number: u64, what: T, at: Moment) -> Entry<T> {
        Entry { number, at, what, faces: Vec::new(), counted_at_door: false }
    }

    fn fits(&self, person: PersonId) -> Option<Fits> {
        self.faces.iter().find(|(known, _)| *known == person).map(|(_, fits)| *fits)
    }

    fn set(&mut self, person: PersonId, fits: Fits) {
        self.faces.retain(|(known, _)| *known != person);
        self.faces.push((person, fits));
    }

    fn is(&self, wanted: fn(Fits) -> bool) -> bool {
        self.faces.iter().any(|(_, fits)| wanted(*fits))
    }
}

impl SecondFactors {
    /// Nothing entered yet at `doors` doors.
    pub fn new(settings: SecondFactorSettings, doors: usize) -> SecondFactors {
        let doors = std::iter::repeat_with(AtDoor::default).take(doors).collect();
        SecondFactors { settings, doors, entries: 0, by_person: Attempts::default(), by_door: Attempts::default() }
    }

    /// Takes in what was entered at `door`; it replaces what was entered before. While a PIN is being checked there, or while the door waits
    /// after wrong entries, a new one is dropped.
    pub fn entered(&mut self, door: DoorIndex, what: Entered, now: Moment) {
        self.forget(now);
        if self.by_door.left(door, now).is_some() {
            return;
        }
        let Some(at_door) = self.doors.get_mut(door.0) else { return };
        self.entries = self.entries.wrapping_add(1);
        match what {
            Entered::Tag(owner) => at_door.tag = Some(Entry::of(self.entries, owner, now)),
            Entered::Pin(_) if at_door.pin.as_ref().is_some_and(|pin| pin.is(|fits| fits == Fits::Asked)) => {}
            Entered::Pin(pin) => at_door.pin = Some(Entry::of(self.entries, pin, now)),
        }
    }

    /// What is known at `door` about a cue of a person whose face is there now. [`Cue::Pin`] and [`Cue::Tag`] are those that it knows.
    pub fn report(&mut self, door: DoorIndex, cue: Cue, person: PersonId, now: Moment) -> CueReport {
        self.forget(now);
        let (state, input) = match cue {
            Cue::Pin => self.pin(door, person, now),
            Cue::Tag => self.tag(door, person, now),
            Cue::Passive | Cue::Challenge | Cue::Infrared => (CueState::CannotJudge, "not asked here".to_owned()),
        };
        let what = if cue == Cue::Tag { "a tag" } else { "the PIN" };
        let limit = format!("{what} of this person within {} s of the face", self.settings.window.as_secs());
        CueReport { cue, state, input, limit }
    }

    fn pin(&mut self, door: DoorIndex, person: PersonId, now: Moment) -> (CueState, String) {
        let wait = self.wait(door, person, now);
        let nothing = || (CueState::Waiting, "nothing entered".to_owned());
        let Some(entry) = self.doors.get_mut(door.0).and_then(|at_door| at_door.pin.as_mut()) else {
            return wait.unwrap_or_else(nothing);
        };
        let fits = entry.fits(person);
        if let (Some(wait), true) = (wait, fits != Some(Fits::Yes)) {
            return wait;
        }
        let ago = ago(entry.at, now);
        match fits {
            Some(Fits::Yes) => (CueState::Passed, format!("entered {ago} before")),
            Some(Fits::No(_)) => (CueState::Failed, format!("an entry {ago} before is not this person's")),
            Some(Fits::Due | Fits::Asked) => (CueState::Waiting, format!("entered {ago} before, being checked")),
            // It is somebody else's who stands here, too, or has been checked often enough.
            None if entry.is(|fits| fits == Fits::Yes) || entry.faces.len() >= FACES => nothing(),
            None => {
                entry.set(person, Fits::Due);
                (CueState::Waiting, format!("entered {ago} before, being checked"))
            }
        }
    }

    fn tag(&mut self, door: DoorIndex, person: PersonId, now: Moment) -> (CueState, String) {
        let wait = self.wait(door, person, now);
        let nothing = || (CueState::Waiting, "nothing presented".to_owned());
        let Some(entry) = self.doors.get_mut(door.0).and_then(|at_door| at_door.tag.as_mut()) else {
            return wait.unwrap_or_else(nothing);
        };
        let (number, ago) = (entry.number, ago(entry.at, now));
        if entry.what == Some(person) {
            if entry.fits(person) != Some(Fits::Yes) {
                self.settle(CheckedEntry { door, person, entry: number }, Cue::Tag, true, now);
            }
            return (CueState::Passed, format!("presented {ago} before"));
        }
        let fits = entry.fits(person);
        // Once the owner has shown the face, it is nobody else's mistake.
        if entry.is(|fits| fits == Fits::Yes) || (fits.is_none() && entry.faces.len() >= FACES) {
            return wait.unwrap_or_else(nothing);
        }
        if let Some(wait) = wait {
            return wait;
        }
        if fits.is_none() {
            self.settle(CheckedEntry { door, person, entry: number }, Cue::Tag, false, now);
        }
        (CueState::Failed, format!("a tag {ago} before is not this person's"))
    }

    /// The wait after wrong entries, of the person or of the door.
    fn wait(&self, door: DoorIndex, person: PersonId, now: Moment) -> Option<(CueState, String)> {
        let left = self.by_person.left(person, now).max(self.by_door.left(door, now))?;
        let left = left.as_millis().div_ceil(1000);
        Some((CueState::Failed, format!("{left} s left of the wait after wrong entries")))
    }

    /// Hands over the PINs that are to be checked, until `take` returns `false`; those that are left are handed over the next time.
    pub fn hand_over(&mut self, take: &mut dyn FnMut(PinCheck) -> bool) {
        for (door, at_door) in DoorIndex::all(self.doors.len()).zip(&mut self.doors) {
            let Some(entry) = &mut at_door.pin else { continue };
            let (number, pin) = (entry.number, &entry.what);
            for (person, fits) in entry.faces.iter_mut().filter(|(_, fits)| *fits == Fits::Due) {
                let about = CheckedEntry { door, person: *person, entry: number };
                if !take(PinCheck { about, pin: pin.clone() }) {
                    return;
                }
                *fits = Fits::Asked;
            }
        }
    }

    /// Takes the answer to a [`PinCheck`]: whether it is the person's PIN. A wrong one counts even if the entry is gone by now.
    pub fn checked(&mut self, about: CheckedEntry, right: bool, now: Moment) {
        self.forget(now);
        self.settle(about, Cue::Pin, right, now);
    }

    /// Takes in whether an entry is that of a person. One that is somebody's was nobody else's mistake.
    fn settle(&mut self, about: CheckedEntry, cue: Cue, right: bool, now: Moment) {
        let CheckedEntry { door, person, entry } = about;
        let SecondFactors { settings, doors, by_person, by_door, .. } = self;
        let at_door = doors.get_mut(door.0);
        let known = at_door.and_then(|at_door| match cue {
            Cue::Tag => at_door.tag.as_mut().map(|tag| (tag.number, &mut tag.faces, &mut tag.counted_at_door)),
            _ => at_door.pin.as_mut().map(|pin| (pin.number, &mut pin.faces, &mut pin.counted_at_door)),
        });
        let known = known.filter(|(number, ..)| *number == entry).map(|(_, faces, counted)| (faces, counted));
        let Some((faces, counted_at_door)) = known else {
            if !right {
                by_person.wrong(&settings.backoff, person, now);
                by_door.wrong(&settings.backoff, door, now);
            }
            return;
        };
        if faces.iter().any(|(_, fits)| *fits == Fits::Yes) {
            return;
        }
        faces.retain(|(known, _)| *known != person);
        if right {
            for (other, fits) in faces.drain(..) {
                if let Fits::No(counted) = fits {
                    by_person.take_back(other, counted);
                }
            }
            by_door.right(door);
            by_person.right(person);
            faces.push((person, Fits::Yes));
        } else {
            faces.push((person, Fits::No(by_person.wrong(&settings.backoff, person, now))));
            if !std::mem::replace(counted_at_door, true) {
                by_door.wrong(&settings.backoff, door, now);
            }
        }
    }

    /// A door opened for a person: their entry has served.
    pub fn used(&mut self, door: DoorIndex, person: PersonId) {
        let Some(at_door) = self.doors.get_mut(door.0) else { return };
        at_door.pin.take_if(|entry| entry.fits(person) == Some(Fits::Yes));
        at_door.tag.take_if(|entry| entry.what == Some(person));
    }

    /// Drops entries that are older than the window, and so wipes their PINs.
    pub fn forget(&mut self, now: Moment) {
        let window = self.settings.window;
        for at_door in &mut self.doors {
            at_door.pin.take_if(|entry| now.since(entry.at) > window);
            at_door.tag.take_if(|entry| now.since(entry.at) > window);
        }
    }
}

/// How long ago something was, in words.
fn ago(at: Moment, now: Moment) -> String {
    format!("{:.1} s", now.since(at).as_secs_f64())
}

//! Who may pass a door and when, and what else it asks: the keys of `[[door]]` about people, `[[schedule]]`, `[[permit]]`.
//!
//! Knows nothing of wires and faces.

use std::path::PathBuf;
use std::time::Duration;

/// Keys of `[[door]]`: its leaf, its hours, and what it asks of people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passing {
    /// The lock closes as soon as the leaf is closed again, and does not wait for the end of the pulse. Needs `door.sensor`.
    pub relock_on_close: bool,
    /// How long the leaf may be open before a warning. `None` (in the file: `"0s"`): no warning.
    pub held_open_warning: Option<Duration>,
    /// How long the leaf may be open before an alarm. `None` (in the file: `"0s"`): no alarm.
    pub held_open_alarm: Option<Duration>,
    /// Whether a leaf that opens while locked is an alarm. Off where people leave by a handle that no contact tells of.
    pub forced_open_alarm: bool,
    /// The name of the `[[schedule]]` by which the door stands unlocked. Needs `max_hold`.
    pub unlock_schedule: Option<String>,
    /// The group of which somebody must be let in first each day, before anybody else is and before the door stands unlocked.
    pub first_person: Option<String>,
    /// Two people must be recognised within this time. `None` (in the file: `"0s"`): one is enough.
    pub two_person: Option<Duration>,
    /// The zones on both sides of the door, outside and inside; both or none.
    pub zones: Option<(String, String)>,
    /// Of the doors with the same interlock only one at a time may be unlocked or open.
    pub interlock: Option<String>,
}

/// `[[schedule]]`: hours of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its name; unique.
    pub name: String,
    /// As in `"mon-fri 08:00-18:00"`.
    pub hours: Vec<Hours>,
    /// A file of dates that are holidays. `None` (in the file: empty): there are none.
    pub holidays: Option<PathBuf>,
    /// The hours of a holiday, as in `"10:00-12:00"`. Empty: closed.
    pub on_holidays: Vec<Hours>,
    /// Whose clock is meant, as in `"Europe/Berlin"`. `None` (in the file: empty): `device.time_zone`.
    pub time_zone: Option<String>,
}

/// A part of some days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Monday to Sunday.
    pub days: [bool; 7],
    /// Minutes after midnight.
    pub from_min: u16,
    /// Minutes after the same midnight; above 1440 on the next day.
    pub to_min: u16,
}

/// `[[permit]]`: lets people through. Where a door has no permit at all, everybody enrolled may pass at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    /// The names of doors. Empty: all doors.
    pub doors: Vec<String>,
    /// Groups of people. Empty: everybody.
    pub groups: Vec<String>,
    /// The name of a `[[schedule]]`. `None` (in the file: left out): at any time.
    pub schedule: Option<String>,
}

/// What happens to somebody who, by the record, cannot be on this side of a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passback {
    /// Nothing.
    Off,
    /// They pass, and the record says so.
    Soft,
    /// They are refused.
    Hard,
}

//! `[[door]]`: one lock with its wires.
//!
//! Knows nothing of cameras and people.

use std::time::Duration;

use super::passing::Passing;
use super::wiring::Wiring;

/// `[[door]]`: one lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// Its name on the broker and in the journal; unique. Letters, digits, `-` and `_`.
    pub name: String,
    /// What moves the lock, and what hangs on which line.
    pub wiring: Wiring,
    /// How long the lock stays open after a grant.
    pub pulse: Duration,
    /// The longest time for which pulses in a row keep the lock open.
    pub max_on: Duration,
    /// The longest time for which the lock may be held open: by a schedule, or for an evacuation. `None` (in the file: `"0s"`): it
    /// is not made to be held, and opens for `max_on` at most.
    pub max_hold: Option<Duration>,
    /// What it asks of people, its leaf and its hours; the keys stand beside the others.
    pub passing: Passing,
}

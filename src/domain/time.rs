//! How far the wall clock can be relied on.
//!
//! Knows nothing of where clocks are read and of what is decided by them.

use std::time::{Duration, SystemTime};

/// No clock that was ever set shows less: the year in which this program was made began then, 2026-01-01T00:00:00Z, in seconds since 1970.
const MADE_S: u64 = 1_767_225_600;

/// The earliest time that a clock which was set can show.
pub fn earliest() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(MADE_S)
}

/// How far the wall clock can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeQuality {
    /// It shows a time before this program was made: nobody has set it since the board was started.
    Unset,
    /// It is earlier than what is known to have been, by the records of this machine.
    Wrong,
    /// Nothing speaks against it, and nothing vouches for it.
    Plausible,
    /// The kernel says that it is kept in step with a source of time.
    Synchronised,
}

impl TimeQuality {
    /// Whether the day and the hour can be told by it.
    pub fn is_known(self) -> bool {
        matches!(self, TimeQuality::Plausible | TimeQuality::Synchronised)
    }

    /// The word that journals, logs and hubs use.
    pub fn as_str(self) -> &'static str {
        match self {
            TimeQuality::Unset => "unset",
            TimeQuality::Wrong => "wrong",
            TimeQuality::Plausible => "plausible",
            TimeQuality::Synchronised => "synchronised",
        }
    }
}

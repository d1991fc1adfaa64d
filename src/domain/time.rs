//! The time of a record by every clock, and how far the wall clock can be relied on.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// No clock that was ever set shows an earlier time: 2026-01-01T00:00:00Z, the beginning of the year in which this program was made, in
/// seconds since 1970.
const MADE_S: u64 = 1_767_225_600;

/// The earliest time that a clock which was set can show.
pub fn earliest() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(MADE_S)
}

/// How far the wall clock can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeQuality {
    /// It shows a time before this program was made, so it was not set since the board started.
    Unset,
    /// It is behind this machine's records.
    Wrong,
    /// Neither contradicted nor confirmed.
    Plausible,
    /// The kernel reports it as synchronised with a time source.
    Synchronised,
}

impl TimeQuality {
    /// Whether the day and the hour are known.
    pub fn is_known(self) -> bool {
        matches!(self, TimeQuality::Plausible | TimeQuality::Synchronised)
    }

    /// As journals, logs and hubs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            TimeQuality::Unset => "unset",
            TimeQuality::Wrong => "wrong",
            TimeQuality::Plausible => "plausible",
            TimeQuality::Synchronised => "synchronised",
        }
    }
}

/// Why nobody is expected on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DayOff {
    /// Its name, which may be empty.
    Holiday(String),
    /// No schedule that lets the person in has hours on that day.
    NoHours,
}

/// The time by every clock. The wall clock alone is not enough: boards without a battery start in the past, and the clock jumps when the
/// network sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The wall clock.
    pub at: SystemTime,
    /// Seconds that local time was ahead of UTC.
    pub offset_s: i32,
    /// Since the machine was started, with the time it slept. Differences are true spans between stamps of one `boot`.
    pub since_boot: Duration,
    /// The machine's name for the time between two starts; zeros when it is not known.
    pub boot: [u8; 16],
    /// Whether the wall clock was set by the network or another source; `None` when that is not known.
    pub synchronised: Option<bool>,
}

impl Stamp {
    /// A stamp of a synchronised wall clock in UTC, of a machine that started at that moment.
    pub fn at(at: SystemTime) -> Stamp {
        Stamp { at, offset_s: 0, since_boot: Duration::ZERO, boot: [0; 16], synchronised: Some(true) }
    }
}

//! When something is written down, by every clock there is.
//!
//! Knows nothing of where the clocks are read.

use std::time::{Duration, SystemTime};

/// All that is known of the time. The wall clock alone is not enough: boards without a battery start in the past, and it jumps when
/// the network tells it the time.
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
    /// Whether the wall clock was set by the network or another source; `None` when that cannot be told.
    pub synchronised: Option<bool>,
}

impl Stamp {
    /// A stamp of a synchronised wall clock in UTC, of a machine that was started just then.
    pub fn at(at: SystemTime) -> Stamp {
        Stamp { at, offset_s: 0, since_boot: Duration::ZERO, boot: [0; 16], synchronised: Some(true) }
    }
}

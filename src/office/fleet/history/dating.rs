//! When a record was written. A board without a battery starts with a wrong clock and sets it later; within one boot the time since the start is reliable, so
//! a later record dates an earlier one, in whatever order they come. What a board itself shows is computed in the same way.

use serde::{Deserialize, Serialize};
use std::time::SystemTime;

use super::Entry;
use crate::domain::earliest;

/// A clock that is behind the record before it by more than this is wrong.
const BEHIND_US: i64 = 2_000_000;
/// Times that differ by less are taken for one.
const APART_US: i64 = 1_000_000;

/// How far a time can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::office::fleet) enum Trust {
    /// The clock showed a time before usher existed, or one before that of an earlier record.
    Wrong,
    /// The clock may be right.
    Plausible,
    /// The clock was set by the network or another source, or a record of the same boot says what it should have shown.
    Sure,
}

impl Entry {
    /// Dates it by its own clock. `before` is the record before it in its journal.
    pub fn by_clock(&mut self, synchronised: Option<bool>, before: Option<&Entry>) {
        let behind = before.is_some_and(|before| self.clock_us.saturating_add(BEHIND_US) < before.at_us);
        self.at_us = self.clock_us;
        self.corrected = false;
        self.trust = match synchronised {
            _ if self.clock_us < microseconds(earliest()) => Trust::Wrong,
            Some(true) => Trust::Sure,
            Some(false) | None if behind => Trust::Wrong,
            Some(false) | None => Trust::Plausible,
        };
    }

    /// Dates it by a later record of the same boot that is known better. Returns whether there was something to be dated.
    pub fn by_later(&mut self, later: &Entry) -> bool {
        if self.boot.is_nil() || self.boot != later.boot || self.trust >= later.trust {
            return false;
        }
        let Some(between_ms) = later.since_boot_ms.checked_sub(self.since_boot_ms) else { return false };
        let between_us = i64::try_from(between_ms.saturating_mul(1000)).unwrap_or(i64::MAX);
        let at_us = later.at_us.saturating_sub(between_us);
        // A clock that was not synchronised and has only run on since corrects nothing.
        if later.trust == Trust::Sure || at_us.abs_diff(self.clock_us) >= APART_US.unsigned_abs() {
            self.at_us = at_us;
            self.corrected = true;
        }
        self.trust = later.trust;
        true
    }
}

/// Microseconds since 1970; those before it as 0.
pub(in crate::office::fleet) fn microseconds(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

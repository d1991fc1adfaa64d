//! Whether the wall clock can be believed: compares it with the times in earlier records. Pure: the time is an argument.

use std::time::{Duration, SystemTime};

use crate::domain::{Moment, Stamp, TimeQuality, earliest};

/// A clock behind the evidence by no more than this is not wrong: it was corrected a little, or a battery-backed clock was read late.
const SLACK: Duration = Duration::from_secs(60);
/// A wall clock that moved by this much more or less than the time that passed was set.
const JUMP: Duration = Duration::from_secs(2);
/// A clock that has been synchronised for this long is believed even against earlier records of a synchronised clock.
const SETTLED: Duration = Duration::from_secs(600);

/// A time on record: by the wall clock, and since the machine's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    pub at: SystemTime,
    /// The identifier of that boot; zeros when it is not known.
    pub boot: [u8; 16],
    /// The time since the machine's start.
    pub since_boot: Duration,
}

/// The latest times on record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The latest time by a synchronised clock.
    pub synchronised: Option<Sign>,
    /// The latest time by an unsynchronised clock that nothing contradicted.
    pub claimed: Option<Sign>,
}

/// The result of reading the clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    pub quality: TimeQuality,
    /// The earliest that it can be now, whatever the wall clock shows.
    pub at_least: SystemTime,
    /// How long the clock has been synchronised without being set.
    pub in_step_for: Duration,
}

/// Judges the wall clock at each reading, and keeps the evidence up to date.
#[derive(Clone, Debug)]
pub struct Watch {
    evidence: Evidence,
    looked: Option<(Moment, SystemTime)>,
    in_step_since: Option<Moment>,
}

impl Sign {
    fn of(stamp: &Stamp) -> Sign {
        Sign { at: stamp.at, boot: stamp.boot, since_boot: stamp.since_boot }
    }

    /// The earliest that it can be at `stamp`: within one boot, the time since then is known.
    fn carried(&self, stamp: &Stamp) -> SystemTime {
        let same_run = self.boot == stamp.boot && self.boot != [0; 16];
        let passed = if same_run { stamp.since_boot.saturating_sub(self.since_boot) } else { Duration::ZERO };
        self.at.checked_add(passed).unwrap_or(self.at)
    }
}

impl Evidence {
    /// Adds a record. Records must be added in the order in which they were written.
    pub fn add(&mut self, stamp: &Stamp) {
        if stamp.at < earliest() || self.contradicts(stamp) {
            return;
        }
        self.believe(stamp);
    }

    /// Whether the clock of `stamp` is behind the evidence. A synchronised clock is compared with synchronised times only.
    fn contradicts(&self, stamp: &Stamp) -> bool {
        let behind = |sign: &Option<Sign>| sign.is_some_and(|sign| ahead(&sign, stamp));
        behind(&self.synchronised) || stamp.synchronised != Some(true) && behind(&self.claimed)
    }

    fn believe(&mut self, stamp: &Stamp) {
        let in_step = stamp.synchronised == Some(true);
        if in_step {
            // An unsynchronised clock was ahead of the right time.
            self.claimed = self.claimed.filter(|sign| !ahead(sign, stamp));
        }
        let known = if in_step { &mut self.synchronised } else { &mut self.claimed };
        if known.is_none_or(|sign| stamp.at >= sign.carried(stamp)) {
            *known = Some(Sign::of(stamp));
        }
    }

    /// The earliest that it can be at `stamp`, by synchronised times where there are any.
    fn at_least(&self, stamp: &Stamp) -> SystemTime {
        let sign = self.synchronised.or(self.claimed);
        sign.map_or_else(earliest, |sign| sign.carried(stamp)).max(earliest())
    }
}

/// Whether it must be later, by `sign`, than the clock of `stamp` shows.
fn ahead(sign: &Sign, stamp: &Stamp) -> bool {
    stamp.at.checked_add(SLACK).is_some_and(|at| sign.carried(stamp) > at)
}

impl Watch {
    /// Starts with the evidence of earlier runs.
    pub fn new(evidence: Evidence) -> Watch {
        Watch { evidence, looked: None, in_step_since: None }
    }

    /// The evidence so far, to be kept across a restart.
    pub fn evidence(&self) -> Evidence {
        self.evidence
    }

    /// Judges the clock of `stamp`. `moment` is the monotonic time of this process at `stamp`.
    pub fn look(&mut self, moment: Moment, stamp: &Stamp) -> ClockReading {
        let in_step = stamp.synchronised == Some(true);
        let set = self.looked.is_some_and(|(before, wall)| jumped(wall, moment.since(before), stamp.at));
        self.looked = Some((moment, stamp.at));
        self.in_step_since = self.in_step_since.filter(|_| in_step && !set).or(in_step.then_some(moment));
        let in_step_for = self.in_step_since.map_or(Duration::ZERO, |since| moment.since(since));
        let quality = match (self.evidence.contradicts(stamp), in_step) {
            _ if stamp.at < earliest() => TimeQuality::Unset,
            (true, true) if in_step_for >= SETTLED => {
                self.evidence.synchronised = None;
                TimeQuality::Synchronised
            }
            (true, _) => TimeQuality::Wrong,
            (false, true) => TimeQuality::Synchronised,
            (false, false) => TimeQuality::Plausible,
        };
        if quality.is_known() {
            self.evidence.believe(stamp);
        }
        ClockReading { quality, at_least: self.evidence.at_least(stamp), in_step_for }
    }

    /// An operator declares the clock right: earlier evidence is discarded. A clock that was never set stays unset.
    pub fn trust(&mut self, stamp: &Stamp) {
        if stamp.at >= earliest() {
            self.evidence = Evidence { synchronised: None, claimed: Some(Sign::of(stamp)) };
        }
    }
}

/// Whether a wall clock that showed `before` was set when it shows `now` after `passed`.
fn jumped(before: SystemTime, passed: Duration, now: SystemTime) -> bool {
    let Some(expected) = before.checked_add(passed) else { return true };
    let off = now.duration_since(expected).unwrap_or_else(|error| error.duration());
    off > JUMP
}

#[cfg(test)]
mod tests;

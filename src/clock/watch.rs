//! Whether the wall clock can be believed: what it shows is held against what was written down before.
//!
//! Pure: the time is an argument. Knows nothing of where the evidence is kept.

use std::time::{Duration, SystemTime};

use crate::domain::{Moment, Stamp, TimeQuality, earliest};

/// A clock that is behind the evidence by no more than this is not wrong: a small correction, or a battery clock that was read late.
const SLACK: Duration = Duration::from_secs(60);
/// A wall clock that moved by this much more or less than the time that passed was set.
const JUMP: Duration = Duration::from_secs(2);
/// A clock that has been kept in step for so long is believed against earlier records of a clock that was in step, too.
const SETTLED: Duration = Duration::from_secs(600);

/// A time that was written down, by the wall clock and by the machine's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    pub at: SystemTime,
    /// The machine's name for that run; zeros when it is not known.
    pub boot: [u8; 16],
    /// Since the machine was started.
    pub since_boot: Duration,
}

/// What is known to have been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The latest time at which the clock was kept in step.
    pub synchronised: Option<Sign>,
    /// The latest time at which nothing spoke against a clock that was not.
    pub claimed: Option<Sign>,
}

/// What a look at the clocks gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub quality: TimeQuality,
    /// It is at least so late, whatever the wall clock shows.
    pub at_least: SystemTime,
    /// The clock has been kept in step for so long without being set.
    pub in_step_for: Duration,
}

/// Looks at the clocks again and again, and remembers what must be true since.
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

    /// The time that it must be at `stamp` at least: in the same run of the machine the time since then is known.
    fn carried(&self, stamp: &Stamp) -> SystemTime {
        let same_run = self.boot == stamp.boot && self.boot != [0; 16];
        let passed = if same_run { stamp.since_boot.saturating_sub(self.since_boot) } else { Duration::ZERO };
        self.at.checked_add(passed).unwrap_or(self.at)
    }
}

impl Evidence {
    /// Takes in a record. Records are to be given in the order in which they were written.
    pub fn add(&mut self, stamp: &Stamp) {
        if stamp.at < earliest() || self.contradicts(stamp) {
            return;
        }
        self.believe(stamp);
    }

    /// Whether the clock of `stamp` shows less than it must be. A clock that is in step is not held against claims of one that was not.
    fn contradicts(&self, stamp: &Stamp) -> bool {
        let behind = |sign: &Option<Sign>| sign.is_some_and(|sign| ahead(&sign, stamp));
        behind(&self.synchronised) || stamp.synchronised != Some(true) && behind(&self.claimed)
    }

    fn believe(&mut self, stamp: &Stamp) {
        let in_step = stamp.synchronised == Some(true);
        if in_step {
            // A clock that nobody vouched for was ahead of the right time.
            self.claimed = self.claimed.filter(|sign| !ahead(sign, stamp));
        }
        let known = if in_step { &mut self.synchronised } else { &mut self.claimed };
        if known.is_none_or(|sign| stamp.at >= sign.carried(stamp)) {
            *known = Some(Sign::of(stamp));
        }
    }

    /// What must be at `stamp`, by a clock that was in step where there was one.
    fn at_least(&self, stamp: &Stamp) -> SystemTime {
        let sign = self.synchronised.or(self.claimed);
        sign.map_or_else(earliest, |sign| sign.carried(stamp)).max(earliest())
    }
}

/// Whether `sign` says that it is later than the clock of `stamp` shows.
fn ahead(sign: &Sign, stamp: &Stamp) -> bool {
    stamp.at.checked_add(SLACK).is_some_and(|at| sign.carried(stamp) > at)
}

impl Watch {
    /// Begins with what is known from before.
    pub fn new(evidence: Evidence) -> Watch {
        Watch { evidence, looked: None, in_step_since: None }
    }

    /// What is known by now, to be kept over a restart.
    pub fn evidence(&self) -> Evidence {
        self.evidence
    }

    /// A look at the clocks. `moment` is the monotonic time of this process at `stamp`.
    pub fn look(&mut self, moment: Moment, stamp: &Stamp) -> Reading {
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
        Reading { quality, at_least: self.evidence.at_least(stamp), in_step_for }
    }

    /// Somebody who knows says that the clock is right now: what was known before does not count. A clock that was never set stays so.
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

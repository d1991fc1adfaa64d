//! The current time as the doors' rules need it. [`crate::clock::Watch`] judges whether the clock is right.

use std::time::Duration;

use jiff::Timestamp;

use crate::access::Now;
use crate::clock::{Clock, Evidence, Watch};
use crate::domain::{Moment, TimeQuality};
use crate::office::saved::SavedEntry;

/// What is known of the time is saved with a record, at most this often.
const KEEP_EVERY: Duration = Duration::from_secs(60);

/// Follows the quality of the time for the doors, and what of it is to be saved.
pub(super) struct Timekeeper {
    watch: Watch,
    quality: Option<TimeQuality>,
    kept_at: Option<Moment>,
    /// What else is to be saved with the next record.
    waiting: Vec<SavedEntry>,
}

impl Timekeeper {
    /// Starts with what is known from before.
    pub fn new(evidence: Evidence) -> Timekeeper {
        Timekeeper { watch: Watch::new(evidence), quality: None, kept_at: None, waiting: Vec::new() }
    }

    /// Reads the clocks.
    pub fn now(&mut self, clock: &dyn Clock) -> Now {
        let (moment, stamp) = (clock.now(), clock.stamp());
        let reading = self.watch.look(moment, &stamp);
        // A clock outside the years that a timestamp can hold is as good as unset.
        let (wall, quality) = match Timestamp::try_from(stamp.at) {
            Ok(wall) => (wall, reading.quality),
            Err(_) => (Timestamp::UNIX_EPOCH, TimeQuality::Unset),
        };
        let at_least = Timestamp::try_from(reading.at_least).unwrap_or(Timestamp::MAX);
        Now { moment, wall, quality, at_least, boot: stamp.boot, since_boot: stamp.since_boot }
    }

    /// The quality before (`None` at the first call) and now, if they differ.
    pub fn changed(&mut self, now: &Now) -> Option<(Option<TimeQuality>, TimeQuality)> {
        let before = self.quality.replace(now.quality);
        (before != Some(now.quality)).then_some((before, now.quality))
    }

    /// Takes an operator's word that the clock is right.
    pub fn trust(&mut self, clock: &dyn Clock) {
        self.watch.trust(&clock.stamp());
        self.kept_at = None;
    }

    /// Adds entries to be saved with the next record.
    pub fn keep(&mut self, entries: impl IntoIterator<Item = SavedEntry>) {
        self.waiting.extend(entries);
    }

    /// The entries to save with a record that is written now.
    pub fn due(&self, moment: Moment) -> Vec<SavedEntry> {
        let time = self.kept_at.is_none_or(|at| moment.since(at) >= KEEP_EVERY);
        let time = time.then(|| SavedEntry::time(&self.watch.evidence()));
        time.into_iter().chain(self.waiting.iter().cloned()).collect()
    }

    /// The entries that were due are on disk.
    pub fn kept(&mut self, moment: Moment) {
        if self.kept_at.is_none_or(|at| moment.since(at) >= KEEP_EVERY) {
            self.kept_at = Some(moment);
        }
        self.waiting.clear();
    }
}

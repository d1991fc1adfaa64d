//! Now, as the doors' rules want it, and what is kept of the time over a restart.
//!
//! Knows nothing of doors. Whether the clock is right is judged by [`crate::clock::Watch`].

use std::time::Duration;

use jiff::Timestamp;

use super::standing::{Entry, Standing};
use crate::access::Now;
use crate::clock::{Clock, Evidence, SystemClock, Watch};
use crate::domain::{Moment, Stamp, TimeQuality};
use crate::ledger::{Journal, LedgerError, Order, Record};
use crate::store::Store;

/// What is known of the time is written down with a record, at most so often.
const KEEP_EVERY: Duration = Duration::from_secs(60);
/// Records that are looked through at most for what is known of the time.
const RECORDS: usize = 10_000;
/// Records that are read at once.
const PAGE: usize = 500;

/// What is known of the time when the daemon starts: what the doors kept, and the records since.
pub fn evidence(standing: &Standing, journal: &Journal) -> Result<Evidence, LedgerError> {
    let mut evidence = standing.time.unwrap_or_default();
    let newest = [evidence.synchronised, evidence.claimed].into_iter().flatten().max_by_key(|sign| sign.at);
    // What was kept is of this record or a later one.
    let covered = |stamp: &Stamp| {
        newest
            .is_some_and(|sign| sign.boot == stamp.boot && sign.boot != [0; 16] && stamp.since_boot <= sign.since_boot)
    };
    let mut stamps = Vec::new();
    let mut before = u64::MAX;
    'pages: while stamps.len() < RECORDS {
        let page = journal.list(..before, Order::NewestFirst, PAGE)?;
        let Some(oldest) = page.last() else { break };
        before = oldest.seq;
        for record in &page {
            let stamp = stamp(record);
            if covered(&stamp) {
                break 'pages;
            }
            stamps.push(stamp);
        }
    }
    stamps.iter().rev().for_each(|stamp| evidence.add(stamp));
    Ok(evidence)
}

/// How far the wall clock can be relied on now, by what `store` knows, while no daemon runs.
pub fn quality(store: &Store) -> anyhow::Result<TimeQuality> {
    let standing = Standing::load(&store.tree("standing")?)?;
    let evidence = evidence(&standing, &Journal::open(store)?)?;
    let clock = SystemClock::new();
    Ok(Watch::new(evidence).look(clock.now(), &clock.stamp()).quality)
}

fn stamp(record: &Record) -> Stamp {
    Stamp {
        at: record.at,
        offset_s: record.offset_s,
        since_boot: record.since_boot,
        boot: *record.boot.as_bytes(),
        synchronised: record.synchronised,
    }
}

/// Follows the quality of the time for the doors, and says what of it is to be kept over a restart.
pub(super) struct Timekeeper {
    watch: Watch,
    quality: Option<TimeQuality>,
    kept_at: Option<Moment>,
    /// What else is to be kept with the next record.
    waiting: Vec<Entry>,
}

impl Timekeeper {
    /// Begins with what is known from before.
    pub fn new(evidence: Evidence) -> Timekeeper {
        Timekeeper { watch: Watch::new(evidence), quality: None, kept_at: None, waiting: Vec::new() }
    }

    /// Looks at the clocks.
    pub fn now(&mut self, clock: &dyn Clock) -> Now {
        let (moment, stamp) = (clock.now(), clock.stamp());
        let reading = self.watch.look(moment, &stamp);
        // A clock beyond the years that can be written shows no time that anything could be decided by.
        let (wall, quality) = match Timestamp::try_from(stamp.at) {
            Ok(wall) => (wall, reading.quality),
            Err(_) => (Timestamp::UNIX_EPOCH, TimeQuality::Unset),
        };
        let at_least = Timestamp::try_from(reading.at_least).unwrap_or(Timestamp::MAX);
        Now { moment, wall, quality, at_least, boot: stamp.boot, since_boot: stamp.since_boot }
    }

    /// The quality, when it is another than at the last call; at the first call it always is.
    pub fn changed(&mut self, now: &Now) -> Option<(Option<TimeQuality>, TimeQuality)> {
        let before = self.quality.replace(now.quality);
        (before != Some(now.quality)).then_some((before, now.quality))
    }

    /// An operator says that the clock is right.
    pub fn trust(&mut self, clock: &dyn Clock) {
        self.watch.trust(&clock.stamp());
        self.kept_at = None;
    }

    /// To be kept with the next record.
    pub fn keep(&mut self, entries: impl IntoIterator<Item = Entry>) {
        self.waiting.extend(entries);
    }

    /// What a record that is written now is to carry along.
    pub fn due(&self, moment: Moment) -> Vec<Entry> {
        let time = self.kept_at.is_none_or(|at| moment.since(at) >= KEEP_EVERY);
        let time = time.then(|| Entry::time(&self.watch.evidence()));
        time.into_iter().chain(self.waiting.iter().cloned()).collect()
    }

    /// What was due is on disk.
    pub fn kept(&mut self, moment: Moment) {
        if self.kept_at.is_none_or(|at| moment.since(at) >= KEEP_EVERY) {
            self.kept_at = Some(moment);
        }
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::clock::Sign;
    use crate::domain::{Event, earliest};

    const DAY: Duration = Duration::from_secs(86_400);

    fn journal(store: &Store, records: &[(SystemTime, Option<bool>, u8)]) -> Journal {
        let journal = Journal::open(store).unwrap();
        for (nth, (at, synchronised, boot)) in records.iter().enumerate() {
            let since_boot = Duration::from_secs(nth as u64);
            let stamp = Stamp { synchronised: *synchronised, boot: [*boot; 16], since_boot, ..Stamp::at(*at) };
            journal.append(&Event::Stopped { reason: "test".into() }, &stamp).unwrap();
        }
        journal
    }

    fn times(evidence: Evidence) -> (Option<SystemTime>, Option<SystemTime>) {
        (evidence.synchronised.map(|sign| sign.at), evidence.claimed.map(|sign| sign.at))
    }

    #[test]
    fn a_store_of_an_older_version_is_looked_through() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let day = |n: u32| earliest() + DAY * n;
        let mut records = vec![(day(1), Some(true), 1), (day(2), Some(false), 2)];
        // More than a page of a run without the time.
        records.resize(PAGE * 2, (SystemTime::UNIX_EPOCH, Some(false), 3));
        let evidence = evidence(&Standing::default(), &journal(&store, &records)).unwrap();
        assert_eq!(times(evidence), (Some(day(1)), Some(day(2))));
        assert_eq!(quality(&store).unwrap(), TimeQuality::Plausible, "and now is later");
    }

    #[test]
    fn what_was_overruled_is_not_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let day = |n: u32| earliest() + DAY * n;
        let journal = journal(&store, &[(day(4_000), Some(true), 1), (day(3), Some(true), 2), (day(4), None, 2)]);
        assert_eq!(times(evidence(&Standing::default(), &journal).unwrap()), (Some(day(4_000)), None));
        let kept = Sign { at: day(3), boot: [2; 16], since_boot: Duration::from_secs(1) };
        let standing =
            Standing { time: Some(Evidence { synchronised: Some(kept), claimed: None }), ..Standing::default() };
        assert_eq!(times(evidence(&standing, &journal).unwrap()), (Some(day(3)), Some(day(4))));
    }
}

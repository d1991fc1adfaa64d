//! Retention: deleting the oldest records so that the chain can still be checked.

use std::time::{Duration, SystemTime};

use super::journal::{Journal, number};
use super::record::open_header;
use super::{Broken, LedgerError};
use crate::domain::{Claim, Event, Stamp, StoreEvent, earliest};
use crate::store::Change;

/// Records deleted in one commit. A record that is written meanwhile waits for one such commit at most.
const AT_ONCE: usize = 50;
/// At most one in this many records is deleted by age in one call.
const AT_ONCE_BY_AGE: u64 = 20;

/// Which records are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordRetention {
    /// The greatest age; `None` for no limit.
    pub age: Option<Duration>,
    /// The most bytes, counted from the newest record; `None` for no limit.
    pub bytes: Option<u64>,
}

impl Journal {
    /// Deletes the oldest records that `keep` does not cover, except those that still wait for the hub. First a record is written that says
    /// which are deleted and carries the hash of the last of them. Returns how many were deleted.
    ///
    /// By age, only records that are certainly old are deleted, and at most a twentieth of all in one call, which limits the harm of a wrong
    /// clock; call it repeatedly. Nothing is deleted by age while the kernel does not report the wall clock as synchronised. For how long it
    /// has been is for the caller to check.
    pub fn prune(&self, keep: RecordRetention, stamp: &Stamp) -> Result<u64, LedgerError> {
        let _alone = self.tidying();
        self.finish_pruning()?;
        let by_age = match keep.age {
            Some(age) if stamp.synchronised == Some(true) => self.older_than(stamp.at.checked_sub(age), stamp.at)?,
            _ => 0,
        };
        let by_size = keep.bytes.map_or(Ok(0), |bytes| self.beyond(bytes))?;
        let unsent = self.outbox().and_then(|outbox| outbox.pending(0, 1).pop());
        let through = by_age.max(by_size).min(unsent.map_or(u64::MAX, |seq| seq.saturating_sub(1)));
        let first = self.first()?;
        if through < first {
            return Ok(0);
        }
        let header = self.records.get(through.to_be_bytes())?.unwrap_or_default();
        let (newest, _) = open_header(&header).map_err(|why| Broken { seq: through, why: why.to_owned() })?;
        let reason = match (keep.age, keep.bytes) {
            (Some(age), _) if by_age >= by_size => format!("older than {} days", age.as_secs() / 86_400),
            (_, bytes) => format!("the journal was larger than {} bytes", bytes.unwrap_or(0)),
        };
        let records = through.saturating_sub(first).saturating_add(1);
        self.append(&StoreEvent::Pruned { through, hash: newest.hash, records, reason }.into(), stamp)?;
        self.delete(first, through)?;
        self.compact();
        Ok(records)
    }

    /// Completes a deletion that was interrupted.
    fn finish_pruning(&self) -> Result<(), LedgerError> {
        // It was announced in one of the newest records. The last thousand suffice, because a deletion holds up everything that writes
        // much.
        let Some(last) = self.last()? else { return Ok(()) };
        let recent = self.list(last.seq.saturating_sub(1000).., super::ReadOrder::NewestFirst, 1000)?;
        let through = recent.iter().find_map(|record| match record.content.event().and_then(Event::claim)? {
            Claim::Deleted { through, .. } => Some(through),
            Claim::Lost(_) | Claim::Erased(_) => None,
        });
        let first = self.first()?;
        through.filter(|through| *through >= first).map_or(Ok(()), |through| self.delete(first, through))
    }

    fn delete(&self, first: u64, through: u64) -> Result<(), LedgerError> {
        let mut changes: Vec<Change> = Vec::new();
        for entry in self.records.range(first.to_be_bytes()..=through.to_be_bytes()) {
            let (key, header) = entry?;
            changes.extend([self.records.delete(&*key), self.contents.delete(&*key)]);
            // A header that cannot be read leads to no id; the id is left, and `verify` reports it.
            if let Ok((record, _)) = open_header(&header) {
                changes.push(self.ids.delete(*record.id.as_bytes()));
            }
            if changes.len() >= 3 * AT_ONCE {
                self.store.commit_in_background(&std::mem::take(&mut changes))?;
            }
        }
        if !changes.is_empty() {
            self.store.commit_in_background(&changes)?;
        }
        Ok(())
    }

    /// The number of the oldest record.
    fn first(&self) -> Result<u64, LedgerError> {
        Ok(self.records.first()?.map_or(Ok(1), |(key, _)| number(&key))?)
    }

    /// The number up to which all records are certainly older than `limit`; 0 when there are none. Only the times of records with a
    /// synchronised clock count, and a record before such a one is at least as old: so a record whose clock was not set goes with the first
    /// synchronised record after it. A time after `now` is an outlier and is ignored.
    fn older_than(&self, limit: Option<SystemTime>, now: SystemTime) -> Result<u64, LedgerError> {
        let Some(limit) = limit else { return Ok(0) };
        let (mut first, mut through) = (None, 0);
        for entry in self.records.iter() {
            let (key, header) = entry?;
            let seq = number(&key)?;
            let (record, _) = open_header(&header).map_err(|why| Broken { seq, why: why.to_owned() })?;
            first = first.or(Some(seq));
            if record.synchronised != Some(true) || record.at < earliest() || record.at > now {
                continue;
            }
            if record.at >= limit {
                break;
            }
            through = seq;
        }
        let newest = self.last()?.map_or(0, |record| record.seq);
        let first = first.unwrap_or(0);
        let share = newest.saturating_sub(first).saturating_add(1).div_ceil(AT_ONCE_BY_AGE);
        Ok(through.min(first.saturating_add(share).saturating_sub(1)))
    }

    /// The number up to which records are deleted to stay within `bytes`; 0 when they fit. A tenth more than necessary is deleted, so that the
    /// copy is not rewritten for every few records.
    fn beyond(&self, bytes: u64) -> Result<u64, LedgerError> {
        // Looking at every record takes long where there are a million.
        if self.store.copy_bytes() <= bytes {
            return Ok(0);
        }
        let (mut sum, mut through) = (0u64, None);
        for entry in self.records.iter().rev() {
            let (key, header) = entry?;
            let content = self.contents.get(&key)?.map_or(0, |content| content.len());
            sum = sum.saturating_add(header.len() as u64).saturating_add(content as u64);
            if sum > bytes.saturating_sub(bytes / 10) && through.is_none() {
                through = Some(number(&key)?);
            }
            if sum > bytes {
                return Ok(through.unwrap_or_default());
            }
        }
        Ok(0)
    }

    /// Rewrites the store's copy without what was deleted. A failure is only logged.
    pub(super) fn compact(&self) {
        if let Err(error) = self.store.compact() {
            tracing::warn!(%error, "the second copy of the store still holds what was deleted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::DaemonEvent;
    use crate::ledger::{Outbox, OutboxLimit, ReadOrder};
    use crate::store::Store;

    const DAY: Duration = Duration::from_secs(86_400);

    fn day(n: u32) -> Stamp {
        Stamp::at(earliest() + DAY * n)
    }

    fn event(n: u32) -> Event {
        DaemonEvent::Stopped { reason: format!("day {n}") }.into()
    }

    /// A record a day for 30 days.
    fn month(store: &Store) -> Journal {
        let journal = Journal::open(store).unwrap();
        for n in 0..30 {
            journal.append(&event(n), &day(n)).unwrap();
        }
        journal
    }

    /// What all rounds of that day delete together.
    fn prune_all(journal: &Journal, keep: RecordRetention, today: u32) -> u64 {
        std::iter::from_fn(|| Some(journal.prune(keep, &day(today)).unwrap()).filter(|gone| *gone > 0)).sum()
    }

    fn numbers(journal: &Journal) -> Vec<u64> {
        journal.list(.., ReadOrder::OldestFirst, 100).unwrap().iter().map(|record| record.seq).collect()
    }

    #[test]
    fn old_records_go_and_the_chain_can_still_be_checked() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let journal = month(&store);
        let keep = RecordRetention { age: Some(DAY * 10), bytes: None };
        assert_eq!(journal.prune(keep, &day(30)).unwrap(), 2, "a bounded share at once");
        assert_eq!(prune_all(&journal, keep, 30), 18);
        assert_eq!(numbers(&journal)[0], 21);
        assert_eq!(journal.last().unwrap().unwrap().content.to_json()["reason"], "older than 10 days");
        assert_eq!(journal.verify().unwrap().pruned_through, 20);
        assert_eq!(journal.prune(keep, &day(30)).unwrap(), 0);
        assert_eq!(prune_all(&journal, keep, 35), 5);
        assert_eq!(journal.verify().unwrap().pruned_through, 25);
        // And no further record can go unnoticed.
        store.commit(&[journal.records.delete(26u64.to_be_bytes())]).unwrap();
        assert_eq!(journal.verify().unwrap_err().seq, 26);
    }

    #[test]
    fn a_beginning_that_was_cut_off_without_a_word_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let journal = month(&store);
        journal.delete(1, 5).unwrap();
        let broken = journal.verify().unwrap_err();
        assert_eq!((broken.seq, broken.why.as_str()), (5, "it is missing, and no record says that it was deleted"));
    }

    #[test]
    fn a_deletion_that_was_cut_short_is_sound_and_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let journal = month(&store);
        let hash = journal.get(20).unwrap().unwrap().hash;
        let pruned = StoreEvent::Pruned { through: 20, hash, records: 20, reason: "age".into() };
        journal.append(&pruned.into(), &day(30)).unwrap();
        journal.delete(1, 7).unwrap();
        assert_eq!(journal.verify().unwrap().pruned_through, 20);
        journal.prune(RecordRetention::default(), &day(30)).unwrap();
        assert_eq!(numbers(&journal)[0], 21);
        journal.verify().unwrap();
    }

    #[test]
    fn the_newest_bytes_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let journal = month(&store);
        assert_eq!(journal.prune(RecordRetention { age: None, bytes: Some(1 << 20) }, &day(30)).unwrap(), 0);
        let gone = journal.prune(RecordRetention { age: None, bytes: Some(2500) }, &day(30)).unwrap();
        assert!((15..25).contains(&gone), "{gone}");
        journal.verify().unwrap();
    }

    #[test]
    fn a_tenth_more_goes_than_has_to() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let journal = Journal::open(&store).unwrap();
        for n in 0..120 {
            journal.append(&event(n), &day(n)).unwrap();
        }
        let keep = RecordRetention { age: None, bytes: Some(15_000) };
        assert!(journal.prune(keep, &day(120)).unwrap() > 0);
        assert_eq!(journal.prune(keep, &day(120)).unwrap(), 0, "there is room for some before the next have to go");
        assert!(journal.verify().unwrap().records > 40);
    }

    #[test]
    fn what_waits_for_the_hub_and_what_a_wrong_clock_dates_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let outbox = std::sync::Arc::new(Outbox::open(&store, OutboxLimit::default()).unwrap());
        let journal = Journal::open(&store).unwrap().with_outbox(outbox.clone());
        for n in 0..10 {
            journal.append(&event(n), &day(n)).unwrap();
        }
        let keep = RecordRetention { age: Some(DAY), bytes: None };
        assert_eq!(journal.prune(keep, &day(90)).unwrap(), 0);
        for seq in 1..=4 {
            outbox.acknowledge(seq).unwrap();
        }
        for kernel in [Some(false), None] {
            let unset = Stamp { synchronised: kernel, ..day(90) };
            assert_eq!(journal.prune(keep, &unset).unwrap(), 0);
        }
        assert_eq!(prune_all(&journal, keep, 90), 4);
        assert_eq!(numbers(&journal)[0], 5);
    }

    /// Records of these days, each with what the kernel said of the clock.
    fn dated(store: &Store, days: &[(SystemTime, Option<bool>)]) -> Journal {
        let journal = Journal::open(store).unwrap();
        for (at, synchronised) in days {
            journal.append(&event(0), &Stamp { synchronised: *synchronised, ..Stamp::at(*at) }).unwrap();
        }
        journal
    }

    #[test]
    fn minutes_before_the_clock_was_set_are_minutes_old() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (unset, set) = (SystemTime::UNIX_EPOCH, day(120).at);
        let journal = dated(&store, &[(unset, Some(false)), (unset + DAY, Some(false)), (set, Some(true))]);
        let keep = RecordRetention { age: Some(DAY * 30), bytes: None };
        assert_eq!(prune_all(&journal, keep, 149), 0);
        assert_eq!(prune_all(&journal, keep, 151), 3, "and they go with the first record that is surely old");
    }

    #[test]
    fn an_outlier_does_not_end_retention() {
        for kernel in [Some(false), None, Some(true)] {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(dir.path()).unwrap();
            let far = (day(4_380).at, kernel);
            let january = |n| (day(n).at, Some(true));
            let journal = dated(&store, &[january(0), january(1), far, far, january(2), january(68)]);
            let keep = RecordRetention { age: Some(DAY * 30), bytes: None };
            assert_eq!(prune_all(&journal, keep, 69), 5, "{kernel:?}: all of January");
            assert_eq!(numbers(&journal)[0], 6);
            journal.verify().unwrap();
        }
    }

    #[test]
    fn one_round_two_years_ahead_takes_a_small_share() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let journal = month(&store);
        let keep = RecordRetention { age: Some(DAY * 30), bytes: None };
        assert_eq!(journal.prune(keep, &day(30 + 730)).unwrap(), 2);
    }
}

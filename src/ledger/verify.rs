//! Checking the chain: every record, every link, and every gap and erasure against the record that reports it.

use super::journal::{Journal, number, unreadable};
use super::record::{open_header, open_some};
use super::{Broken, Record};
use crate::domain::{Claim, Event, SeqRanges, StoreEvent};
use crate::store::Entry;

/// What was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many records there are.
    pub records: u64,
    /// The number up to which records were deleted by age or size; 0 when none were.
    pub pruned_through: u64,
    /// How many have somebody erased from their content.
    pub erased: u64,
    /// How many records report events that could not be written down, and how many such events they report.
    pub gaps: u64,
    pub lost: u64,
}

impl Journal {
    /// Reads every record and checks numbers, hashes, links, contents and ids. Records may be missing at the beginning only, and only
    /// when a later record says so and carries the hash from which the chain goes on; a content may have lost its hash only when a
    /// later record says that somebody was erased from it.
    ///
    /// Appends may go on meanwhile; records that came after the call began are not looked at.
    pub fn verify(&self) -> Result<Verified, Broken> {
        let _alone = self.tidying();
        let number_of = |entry: Option<Entry>| entry.map_or(Ok(0), |(key, _)| number(&key));
        let last = number_of(self.records.last().map_err(unreadable(1))?)?;
        let first = number_of(self.records.first().map_err(unreadable(1))?)?.max(1);
        let mut found = Verified::default();
        let mut claims = Claims::default();
        // The first record's link is known only when it is the first of all.
        let mut previous = (first == 1).then_some([0; 32]);
        let mut expected = first;
        for entry in self.records.range(..=last.to_be_bytes()) {
            let broken = |why: &str| Broken { seq: expected, why: why.to_owned() };
            let (key, header) = entry.map_err(unreadable(expected))?;
            if number(&key)? != expected {
                return Err(broken("it is missing"));
            }
            let content = self.contents.get(&key).map_err(unreadable(expected))?;
            let content = content.ok_or_else(|| broken("its content is missing"))?;
            let record = open_some(&header, &content, &StoreEvent::CLAIMS).map_err(broken)?;
            if record.seq != expected {
                return Err(broken("it carries another record's number"));
            }
            if previous.is_some_and(|previous| record.previous != previous) {
                return Err(broken("it does not follow from the record before it"));
            }
            if self.ids.get(record.id.as_bytes()).map_err(unreadable(expected))?.as_deref() != Some(&key[..]) {
                return Err(broken("its id does not lead to it"));
            }
            previous = Some(record.hash);
            claims.add(&record);
            found.records = found.records.saturating_add(1);
            expected = expected.saturating_add(1);
        }
        if last > 0 && expected != last.saturating_add(1) {
            return Err(Broken { seq: expected, why: "it is missing".to_owned() });
        }
        found.erased = claims.erased.len() as u64;
        (found.gaps, found.lost) = claims.gaps;
        if let Some(seq) = claims.unclaimed() {
            return Err(Broken {
                seq,
                why: "its content was changed, and no record says that somebody was erased from it".to_owned(),
            });
        }
        if first > 1 {
            found.pruned_through = self.expect_pruned(first, &claims)?;
        }
        for (tree, what) in [(&self.contents, "there is content"), (&self.ids, "there are ids")] {
            let mut count = 0u64;
            for entry in tree.iter() {
                let (key, value) = entry.map_err(unreadable(last))?;
                let seq = number(if key.len() == 8 { &key } else { &value })?;
                count = count.saturating_add(u64::from(seq <= last));
            }
            if count != found.records {
                return Err(Broken { seq: last, why: format!("{what} that no record up to it owns") });
            }
        }
        Ok(found)
    }

    /// The records below `first` were deleted in order: the number up to which.
    fn expect_pruned(&self, first: u64, claims: &Claims) -> Result<u64, Broken> {
        let before = first.saturating_sub(1);
        let missing =
            || Broken { seq: before, why: "it is missing, and no record says that it was deleted".to_owned() };
        let &(through, hash) = claims.pruned.as_ref().filter(|(through, _)| *through >= before).ok_or_else(missing)?;
        let after = through.saturating_add(1);
        let header = self.records.get(after.to_be_bytes()).map_err(unreadable(after))?;
        let header = header.ok_or_else(|| Broken { seq: after, why: "it is missing".to_owned() })?;
        let (record, _) = open_header(&header).map_err(|why| Broken { seq: after, why: why.to_owned() })?;
        if record.previous != hash {
            let why = "it does not follow from the last record that was deleted".to_owned();
            return Err(Broken { seq: after, why });
        }
        Ok(through)
    }
}

/// What records report about other records.
#[derive(Default)]
struct Claims {
    /// The newest deletion: up to which record, and its hash.
    pruned: Option<(u64, [u8; 32])>,
    /// Records from which somebody was erased.
    erased: Vec<u64>,
    /// Erasures: the record that reports it, and the records that it changed.
    erasures: Vec<(u64, SeqRanges)>,
    /// How many records report lost events, and how many they report.
    gaps: (u64, u64),
}

impl Claims {
    fn add(&mut self, record: &Record) {
        if record.erased {
            self.erased.push(record.seq);
        }
        // Only a content that still has its hash is a witness.
        let witness = !record.erased;
        match record.content.event().and_then(Event::claim) {
            Some(Claim::Deleted { through, hash }) if witness && through < record.seq => {
                self.pruned = Some((through, *hash));
            }
            Some(Claim::Lost(lost)) => {
                self.gaps = (self.gaps.0.saturating_add(u64::from(lost > 0)), self.gaps.1.saturating_add(lost));
            }
            Some(Claim::Erased(records)) if witness => self.erasures.push((record.seq, records.clone())),
            Some(Claim::Deleted { .. } | Claim::Erased(_)) | None => {}
        }
    }

    /// The first record that lost its content's hash without a later record that says why.
    fn unclaimed(&self) -> Option<u64> {
        let claimed = |seq: &u64| self.erasures.iter().any(|(by, records)| by > seq && records.contains(*seq));
        self.erased.iter().find(|seq| !claimed(seq)).copied()
    }
}

//! The days that are asked for, and the records from which they are computed.

use std::time::SystemTime;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use super::{CORRECTIONS, Day, PASSAGES, Rules, readings, readings_of, reckon};
use crate::domain::{AccessEvent, Card, Content, Event, PersonId};
use crate::ledger::{Dated, Journal, LedgerError, ReadOrder, RecordFilter};

/// Records that are read at once.
const PAGE: usize = 1000;

/// Days one after the other, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub from: Date,
    pub to: Date,
}

impl Period {
    /// The whole month of a date.
    pub fn month_of(date: Date) -> Period {
        Period { from: date.first_of_month(), to: date.last_of_month() }
    }

    pub fn contains(&self, date: Date) -> bool {
        (self.from..=self.to).contains(&date)
    }

    /// Its dates in order.
    pub fn dates(&self) -> impl Iterator<Item = Date> {
        let last = self.to;
        std::iter::successors(Some(self.from), |date| date.tomorrow().ok()).take_while(move |date| *date <= last)
    }

    /// How many days it has; 0 when its end is before its beginning.
    pub fn days(&self) -> usize {
        self.from.until(self.to).map_or(0, |span| usize::try_from(span.get_days().saturating_add(1)).unwrap_or(0))
    }
}

/// The days of everybody with a reading in `period`, by date and person, and days around it that its stints reach into. `today_s` says what
/// is known today of a person, for records of 0.1.0.
///
/// # Errors
/// The journal cannot be read.
pub fn days_of(
    journal: &Journal,
    rules: &Rules,
    period: Period,
    today_s: &dyn Fn(PersonId) -> Option<Card>,
    now: Timestamp,
) -> Result<Vec<Day>, LedgerError> {
    let mut records = Vec::new();
    for filter in filters(rules, period, rules.day_of(now)) {
        let mut after = 0u64;
        loop {
            let page = journal.select(after.saturating_add(1).., ReadOrder::OldestFirst, PAGE, &filter)?;
            let Some(last) = page.last() else { break };
            after = last.record.seq;
            records.extend(page.into_iter().map(without_gates));
        }
    }
    Ok(reckon(&readings(&records, today_s), rules, now))
}

/// Selects records after a number, at most a page of them; none means that there are no more.
pub type Select<'a, E> = dyn FnMut(u64, &RecordFilter) -> Result<Vec<Dated>, E> + 'a;

/// The same from several journals, as [`readings_of`] takes them. `select` gives some of the passages after the one with a number, by time; the first
/// ones after 0. `corrections` are all amendments, and all removals of people who may be enrolled again.
///
/// # Errors
/// Those of `select`.
pub fn days_over<E>(
    rules: &Rules,
    period: Period,
    now: Timestamp,
    journal: &dyn Fn(u64) -> u64,
    corrections: Vec<Dated>,
    select: &mut Select<'_, E>,
) -> Result<Vec<Day>, E> {
    let [passages, _] = filters(rules, period, rules.day_of(now));
    let (mut records, mut after) = (corrections, 0u64);
    loop {
        let page = select(after, &passages)?;
        let Some(last) = page.last() else { break };
        after = last.record.seq;
        records.extend(page.into_iter().map(without_gates));
    }
    Ok(reckon(&readings_of(&records, &|_| None, journal), rules, now))
}

/// Which records are needed: those of the days around, for stints that begin or end there, and all corrections, whenever they were written.
fn filters(rules: &Rules, period: Period, today: Date) -> [RecordFilter; 2] {
    let midnight = |date: Date| date.at(0, 0, 0, 0).to_zoned_datetime(rules.zone.clone()).map(|at| at.timestamp());
    let wall = |at: Timestamp| SystemTime::try_from(at).ok();
    let begin = midnight(period.from.checked_sub(2.days()).unwrap_or(Date::MIN)).unwrap_or(Timestamp::MIN);
    let begin = begin.checked_sub(rules.longest_stint).unwrap_or(Timestamp::MIN);
    let end = || midnight(period.to.checked_add(3.days()).ok()?).ok()?.checked_add(rules.longest_stint).ok();
    let until = if period.to < today { end().and_then(wall) } else { None };
    let owned = |kinds: &[&str]| kinds.iter().map(|&kind| kind.to_owned()).collect();
    [
        RecordFilter { since: wall(begin), until, kinds: owned(&PASSAGES), ..RecordFilter::default() },
        RecordFilter { kinds: owned(&CORRECTIONS), ..RecordFilter::default() },
    ]
}

/// Most of a grant in memory are its gates, which attendance does not need.
fn without_gates(mut dated: Dated) -> Dated {
    if let Content::Known(event) = &mut dated.record.content
        && let Event::Access(AccessEvent::Decided(decided)) = &mut **event
    {
        decided.gates = Vec::new();
    }
    dated
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_month_has_its_days() {
        let february = Period::month_of(date(2028, 2, 11));
        assert_eq!((february.days(), february.dates().count()), (29, 29));
        assert!(february.contains(date(2028, 2, 29)) && !february.contains(date(2028, 3, 1)));
        let backwards = Period { from: date(2028, 2, 11), to: date(2028, 2, 1) };
        assert_eq!((backwards.days(), backwards.dates().count()), (0, 0));
        assert_eq!(Period { from: date(2027, 1, 1), to: date(2027, 12, 31) }.days(), 365);
    }
}

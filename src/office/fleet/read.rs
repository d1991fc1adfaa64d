//! The collected records as the history orders them, each as it reads over all boards.

use std::time::{Duration, SystemTime};

use super::collected::Collected;
use super::history::{Chains, Entry, HistoryError, Identities, NUMBERS, OWN, Page, chain_of, door_of};
use crate::domain::{Elsewhere, PersonId};
use crate::ledger::{Dated, Origin, Record, RecordFilter};

impl Collected {
    /// At most `limit` records that fit `filter`, whose people are the numbers that are shown.
    ///
    /// # Errors
    /// The store cannot be read, or the record at which the page begins is not there.
    pub fn select(
        &self,
        who: &Identities,
        page: Page,
        limit: usize,
        filter: &RecordFilter,
    ) -> Result<Vec<Dated>, HistoryError> {
        let filter =
            RecordFilter { people: filter.people.iter().map(|person| who.shown(*person)).collect(), ..filter.clone() };
        let chains = self.history.known().clone();
        let mut found = Vec::new();
        let mut take = |number: u64| -> Result<bool, HistoryError> {
            if let Some(dated) = self.dated(number, who, &chains)?.filter(|dated| filter.fits(dated)) {
                found.push(dated);
            }
            Ok(found.len() < limit)
        };
        if limit == 0 {
            return Ok(found);
        }
        let wanted = |kind: &[u8]| filter.kinds.is_empty() || filter.kinds.iter().any(|of| of.as_bytes() == kind);
        for entry in self.history.between(page, &filter)? {
            let (number, kind) = entry?;
            if wanted(&kind) && !take(number)? {
                break;
            }
        }
        Ok(found)
    }

    /// The records that attendance needs whatever their time.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn corrections(&self, who: &Identities) -> Result<Vec<Dated>, HistoryError> {
        let chains = self.history.known().clone();
        let dated = |number: u64| self.dated(number, who, &chains);
        self.history.needed_always()?.into_iter().map(dated).filter_map(Result::transpose).collect()
    }

    /// The record of a number, of an id, or of the beginning of one.
    ///
    /// # Errors
    /// The store cannot be read, or the text is neither.
    pub fn find(&self, who: &Identities, which: &str) -> Result<Option<Dated>, HistoryError> {
        let chains = self.history.known().clone();
        let number = match which.parse::<u64>() {
            Ok(number) if !which.starts_with('0') => Some(number),
            _ => self.history.by_id(which)?,
        };
        number.map(|number| self.dated(number, who, &chains)).transpose().map(Option::flatten)
    }

    fn dated(&self, number: u64, who: &Identities, chains: &Chains) -> Result<Option<Dated>, HistoryError> {
        let Some(entry) = self.history.entry(number)? else { return Ok(None) };
        let Entry { board, site, id, at_us, corrected, .. } = entry;
        let Some(stored) = self.stored(&board, number % NUMBERS, id)? else { return Ok(None) };
        let Some(record) = Record::from_json(&stored.record) else { return Ok(None) };
        let chain = chain_of(number);
        let own = board == OWN && chain == 0;
        let person = |person: PersonId| match own {
            true => who.shown(person),
            false => self.history.person(chain, person, who),
        };
        let names = Elsewhere {
            person: &person,
            record: &|seq| if own { seq } else { chains.number(chain, seq) },
            door: &|door| door_of(&board, door),
        };
        let record = Record { seq: number, content: record.content.elsewhere(&names), ..record };
        let at = match corrected {
            true => SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(at_us).unwrap_or_default()),
            false => record.at,
        };
        Ok(Some(Dated::from_elsewhere(record, at, corrected, Origin { board, site })))
    }
}

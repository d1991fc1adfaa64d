//! The options that select records.

use std::collections::BTreeSet;
use std::time::SystemTime;

use anyhow::{Error, Result};
use clap::Args;
use thiserror::Error as ThisError;

use crate::cli::client::Client;
use crate::cli::when::Calendar;
use crate::cli::whom;
use crate::domain::{Event, PersonId};
use crate::ledger::RecordFilter;

/// A record must match all options that are given.
#[derive(Args, Default)]
pub struct Filter {
    /// Not before this time: `2026-01-31`, `2026-01-31T08:00`, `08:00`, `today`, `yesterday`, `yesterday 08:00`, `2h`, `7d`
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only records of this kind, as in `granted`; may be given several times. A kind that does not exist is an error that lists all
    #[arg(long, value_parser = known_kind)]
    kind: Vec<String>,
    /// Only records about this person: employee id, whole name, or number as in `#7`; may be given several times
    #[arg(long)]
    person: Vec<String>,
    /// The numbers of those people.
    #[arg(skip)]
    people: BTreeSet<u32>,
    /// Only records about this door
    #[arg(long)]
    door: Option<String>,
}

impl Filter {
    /// Resolves the people. Call this before anything else.
    ///
    /// # Errors
    /// A person who is neither enrolled nor in a record, or who could be any of several.
    pub fn settled(mut self, client: &Client) -> Result<Filter> {
        for wanted in &self.person {
            self.people.extend(whom::to_read(client, wanted)?);
        }
        Ok(self)
    }

    /// What is wanted.
    pub fn record_filter(&self, calendar: &Calendar) -> Result<RecordFilter> {
        let time = |text: &Option<String>| {
            let at = text.as_deref().map(|text| calendar.parse(text)).transpose().map_err(Error::msg)?;
            Ok::<_, Error>(at.map(SystemTime::try_from).transpose()?)
        };
        Ok(RecordFilter {
            since: time(&self.since)?,
            until: time(&self.until)?,
            kinds: self.kind.clone(),
            door: self.door.clone(),
            people: self.people.iter().copied().map(PersonId).collect(),
        })
    }
}

/// A kind of records that this version can write.
fn known_kind(text: &str) -> Result<String, KindError> {
    match Event::kinds().any(|kind| kind == text) {
        true => Ok(text.to_owned()),
        false => Err(KindError { kind: text.to_owned() }),
    }
}

/// There are no records of that kind.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[error("there is no kind `{kind}`{}; the kinds are {}", meant(kind), Event::kinds().collect::<Vec<_>>().join(", "))]
struct KindError {
    kind: String,
}

/// `, did you mean granted?`, if one is near.
fn meant(text: &str) -> String {
    let nearest = Event::kinds().map(|kind| (strsim::osa_distance(kind, text), kind)).min();
    nearest.filter(|(edits, _)| *edits <= 2).map_or_else(String::new, |(_, kind)| format!(", did you mean {kind}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_does_not_exist_is_an_error_with_all_kinds() {
        for kind in Event::kinds() {
            assert_eq!(known_kind(kind), Ok(kind.to_owned()));
        }
        let error = known_kind("grantd").unwrap_err().to_string();
        assert!(
            error.contains("did you mean granted?") && error.contains("denied, ") && error.contains("removed"),
            "{error}"
        );
        let error = known_kind("nonsense").unwrap_err().to_string();
        assert!(!error.contains("did you mean") && error.contains("the kinds are granted"), "{error}");
    }
}

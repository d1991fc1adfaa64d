//! A record in words, with both times where its own clock was wrong.
//!
//! Knows nothing of how a record is dated.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::explain::{explain_in, receipt_in};
use super::{Dated, Record};

/// As [`explain_in`], at the time that the record is dated; where its own clock showed another one, that follows:
/// `08:01:02 locked front: the time is over (its clock showed 1970-01-01 00:02:11)`.
pub fn explain_dated(dated: &Dated, zone: &TimeZone) -> String {
    let Dated { record, at, .. } = dated;
    let line = explain_in(&Record { at: *at, ..record.clone() }, zone);
    match dated.differs() {
        true => format!("{line} (its clock showed {})", time(record.at, zone, "%Y-%m-%d %H:%M:%S")),
        false => line,
    }
}

/// As [`receipt_in`], with a line `dated` below the time where the record's own clock showed another one.
pub fn receipt_dated(dated: &Dated, zone: &TimeZone) -> String {
    let receipt = receipt_in(&dated.record, zone);
    match receipt.find("\nevent ").filter(|_| dated.differs()) {
        Some(end) => {
            let (before, after) = receipt.split_at(end);
            let at = time(dated.at, zone, "%Y-%m-%d %H:%M:%S%.3f %:z");
            format!("{before}\ndated     {at} (by a later record of the same boot){after}")
        }
        None => receipt,
    }
}

fn time(at: std::time::SystemTime, zone: &TimeZone, format: &str) -> String {
    Timestamp::try_from(at)
        .map_or_else(|_| "?".to_owned(), |at| at.to_zoned_datetime(zone.clone()).strftime(format).to_string())
}

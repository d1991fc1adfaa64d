//! Attendance: who was present, from when to when, computed from the journal. Nothing is stored: every answer is computed from the records
//! again, and a correction is a record of its own.
//!
//! - `period`: which days are asked for, and the records from which they are computed
//! - `reading`: the records of somebody at a door, and their amendments
//! - `identity`: which numbers belong to the same person
//! - `reckon`: from readings to stints and days
//! - `totals`: the hours of weeks, and of all days together
//! - `absent`: who was expected and did not come
//! - `export`: files for payroll and other programs

mod absent;
pub mod export;
mod identity;
mod period;
mod reading;
mod reckon;
mod totals;

#[cfg(test)]
mod properties;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::{Card, Direction, PersonId};

pub use absent::{Absence, Expected, absent};
pub use period::{Period, days_of, days_over};
pub use reading::{CORRECTIONS, PASSAGES, readings, readings_of};
pub use reckon::{Anomaly, Day, Method, Rules, Stint, hours_and_minutes, reckon};
pub use totals::{Total, Totals, WeekTotal, totals};

/// Somebody at a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub person: PersonId,
    /// The newest number of the same person: another one than `person` when they were removed and enrolled anew.
    pub newest: PersonId,
    /// As they were called then.
    pub name: String,
    /// Their employee id and groups then. `None`: the record is one of 0.1.0, and no other says it.
    pub card: Option<Card>,
    pub at: Timestamp,
    /// `None` where the camera has no side.
    pub direction: Option<Direction>,
    /// The door; empty for an amendment.
    pub door: String,
    /// The record's id: the same reading has the same id in every export.
    pub id: Uuid,
    /// The record's number.
    pub record: u64,
    /// It was added by an operator.
    pub amended: bool,
    /// The wall clock was not set when it was written, and no record says what it should have shown.
    pub doubtful: bool,
}

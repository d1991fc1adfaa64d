//! Attendance: who was present, from when to when, computed from the journal. Nothing is stored: every answer is computed from the records
//! again, and a correction is a record of its own.
//!
//! - `reading`: the records of somebody at a door, and their amendments
//! - `identity`: which numbers belong to the same person
//! - `reckon`: from readings to stints and days

mod identity;
mod reading;
mod reckon;

#[cfg(test)]
mod properties;

pub use reading::{CORRECTIONS, PASSAGES, Reading, readings};
pub use reckon::{Anomaly, Day, Method, Rules, Stint, reckon};

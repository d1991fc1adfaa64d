//! Attendance: who was there, from when to when, as a view of the journal.
//!
//! Knows nothing of how records are stored and of how hours are shown. Nothing here is kept: every answer is reckoned anew from the
//! records, and a correction is a record of its own.
//!
//! - `reading`: the records that tell of somebody at a door, and their amendments
//! - `identity`: who is the same person under two numbers
//! - `reckon`: from readings to stints and days; plain arithmetic

mod identity;
mod reading;
mod reckon;

#[cfg(test)]
mod properties;

pub use reading::{Card, KINDS, Reading, readings};
pub use reckon::{Anomaly, Day, Method, Rules, Stint, reckon};

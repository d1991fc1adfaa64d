//! Enrolling, changing and removing people, with a journal record of each act.
//!
//! Joins the gallery and the ledger for the daemon's control API and for the command line that opens the store itself, so that both use
//! the same rules.

mod disk_space;
mod gates;
mod outliers;
mod recorder;
mod register;
mod strangers;

#[cfg(test)]
mod crash;

pub use disk_space::DiskSpace;
pub use gates::{Gates, Refusal};
pub use recorder::Recorder;
pub use register::{Enrolment, OfficeError, Register, record_locked_templates, record_sealing};
pub use strangers::{Stranger, Strangers, StrangersError, forget_strangers, strangers};

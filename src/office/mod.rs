//! Where people are enrolled, renamed and removed, and every such act is written down.
//!
//! Joins the gallery and the ledger for both of their visitors, the daemon's control API and the command line that opens the store
//! itself, so that the rules of enrolment stand once. Knows nothing of sockets, cameras and terminals.

mod gates;
mod one_person;
mod recorder;
mod register;
mod room;
mod sealing;
mod strangers;

#[cfg(test)]
mod crash;

pub use gates::{Gates, Refusal};
pub use recorder::Recorder;
pub use register::{Enrolment, OfficeError, Register};
pub use room::Room;
pub use sealing::{tell_of_locked, tell_of_sealing};
pub use strangers::{Stranger, Strangers, StrangersError, forget_strangers, strangers};

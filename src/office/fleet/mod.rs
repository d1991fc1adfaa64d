//! The fleet's office: the only writer of who may pass at which site. Its store is the truth; the servers only carry.
//!
//! - `protocol`: what commands ask and what the office answers
//! - `key_file`: the galleries' keys, beside the store
//! - `kept`: what the store holds of people, boards and rules
//! - `book`: people, boards and rules in memory, and what the servers do not have yet
//! - `faces`: whether a new face or name is somebody's already
//! - `changes`: enrolling, forgetting, lockdowns, boards, new epochs
//! - `collected`: the records of all boards
//! - `link`: the servers: publishing, heads, collecting; `reconcile` compares them with the store; `term`: that no other office writes
//! - `desk`: what the tasks share
//! - `socket`: the process and the commands' socket; `answers` carries out what they ask

mod answers;
mod book;
mod changes;
mod collected;
mod desk;
mod faces;
mod kept;
pub mod key_file;
mod link;
pub mod protocol;
mod reconcile;
mod socket;
mod term;
#[cfg(test)]
mod tests;

pub use book::{Book, BookError};
pub use collected::Collected;
pub use desk::{Invitation, Issuer, IssuerError, Office, Revoked, Revoking};
pub use kept::KeptError;
pub use socket::{OfficeEnd, run};

//! The office of a fleet as a process: its tasks at the servers, and the socket for its commands. What it knows and does is in
//! [`crate::office::fleet`].
//!
//! - `desk`: what the tasks share
//! - `link`: publishing, heads; `away`: why that ends; `reconcile` compares the servers with the store; `term`: that no other office writes
//! - `collecting`: the boards' records; `hearing`: what boards say of themselves; `instances`: whether two boards have one name
//! - `places`: the streams of places; `revocations`: who is shut out, over the restoring of a backup
//! - `page`: the page over the fleet, and the API that it asks; `report`: the API over the records and people of all boards
//! - `requests`: what boards ask; `upkeep`: ending what was begun
//! - `socket`: the process and the commands' socket; `answers` carries out what they ask, `confirming` waits until it is confirmed
//! - `rules`, `models` and `lockdown` of sites; `wording`: which texts are taken

mod answers;
mod away;
mod collecting;
mod confirming;
mod desk;
mod hearing;
mod instances;
mod link;
#[cfg(test)]
mod link_tests;
mod lockdown;
mod models;
mod page;
#[cfg(test)]
mod page_tests;
mod places;
mod reconcile;
mod report;
#[cfg(test)]
mod report_tests;
mod requests;
#[cfg(test)]
mod restored_tests;
mod revocations;
mod rules;
mod socket;
mod term;
#[cfg(test)]
mod tests;
mod upkeep;
mod wording;

#[cfg(test)]
pub use answers::answer;
pub use desk::{Invitation, Issuer, IssuerError, Leaf, Office, Revoked, Revoking};
#[cfg(test)]
pub use link::keep;
pub use link::{connected, lost};
pub use page::OfficeApi;
pub use report::report;
pub use socket::{OfficeEnd, run};

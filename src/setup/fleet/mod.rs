//! The files of a fleet: what the office keeps of its servers, what each server needs, and a board's membership.
//!
//! - `init`: a new fleet
//! - `leaf`: the files of a site's leaf server
//! - `servers`: addresses, and the files of each server; `authority`: certificates
//! - `office_files`: the office's keys and credentials; it invites boards and shuts them out
//! - `membership`: what a board holds after it joined; `token`: how that gets to the board
//! - `known`: what of that the store keeps; `belonging`: what counts when the membership cannot be read
//! - `asking`: whether a board asks the office to take who is enrolled at it
//! - `disk`: rules and heads over a restart; `site_rules`: who may pass by the rules of a site
//! - `files`: secret files; `secret`: keys in them

mod asking;
mod authority;
mod belonging;
mod disk;
mod files;
mod init;
mod known;
mod leaf;
mod membership;
mod office_files;
mod secret;
mod servers;
mod site_rules;
mod token;

pub use asking::asking;
pub use belonging::Belonging;
pub use disk::Disk;
pub use init::{InitPlan, init};
pub use known::KnownFleet;
pub use membership::Membership;
pub use office_files::{Invited, NewLeaf, OfficeFiles, Pushed};
pub use servers::ServerAddress;
pub use site_rules::{InForce, check, in_force_at_start, under};
pub use token::{TOKEN_VALID, join};

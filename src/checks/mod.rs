//! What is well with a device and what is not, with what to do about it: the checks that the running daemon makes of itself (`GET /v1/checks`), and
//! those that `usher doctor` shares with it.
//!
//! - `daemon`: what the daemon's status says
//! - `access`: who can move a relay past the daemon
//! - `assurance`: what doors ask beyond a face; `factors`: who cannot do that
//! - `cameras`, `doors`: the devices
//! - `fleet`: the board in its fleet
//! - `store`: disk, seal, time, backups

pub mod access;
pub mod assurance;
pub mod cameras;
pub mod daemon;
pub mod doors;
pub mod factors;
pub mod fleet;
pub mod store;

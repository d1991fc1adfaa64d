//! Measuring on data sets, with the daemon's own detector and embedder.
//!
//! Knows nothing of daemons, doors and hubs.

pub mod crowd;
pub mod faces;
pub mod pairs;

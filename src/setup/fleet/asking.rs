//! Whether a board asks its fleet's office to take who is enrolled at it.

use anyhow::{Context, Result};

use crate::config::{Config, FleetEnroll};
use crate::office::{Register, Requests};
use crate::store::Store;

/// The register of a board: in a fleet its people are the office's to change, and it keeps what it asks of the office in `store`.
///
/// # Errors
/// The store cannot be read.
pub fn asking(register: Register, config: &Config, store: &Store) -> Result<Register> {
    if !config.fleet.enabled {
        return Ok(register);
    }
    let requests = Requests::open(store).context("what the board has asked of its fleet's office cannot be read")?;
    Ok(register.in_fleet(requests, config.fleet.enroll == FleetEnroll::Request))
}

//! `usher api`

use std::io::Write;

use anyhow::Result;
use clap::Args;

use crate::api::openapi;

/// Print the API's description: OpenAPI 3.1, as JSON.
///
/// The daemon serves the API on its socket ([control] socket) to the members of a group ([control] group). docs/api.md shows how to call
/// it. Every command that reads or changes people, journal or doors uses the same API, with or without a daemon.
#[derive(Args)]
pub struct Api {}

impl Api {
    pub fn run(self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &openapi())?;
        writeln!(out)?;
        Ok(())
    }
}

//! `usher train`

mod export;
mod learn;
mod naming;
mod progress;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Teach a network to tell people apart.
///
/// Data comes from `usher align`: one folder a person, faces cut out and aligned. What was learned becomes a model for the daemon
/// with `usher train export` and `models/build/build facenet`.
#[derive(Args)]
pub struct Train {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Network(learn::Learn),
    Export(export::Export),
}

impl Train {
    pub fn run(self) -> Result<()> {
        match self.action {
            Action::Network(learn) => learn.run(),
            Action::Export(export) => export.run(),
        }
    }
}

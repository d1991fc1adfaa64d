//! `usher train`

#[cfg(feature = "train")]
mod export;
mod head;
#[cfg(feature = "train")]
mod learn;
mod naming;
#[cfg(feature = "train")]
mod networks;
#[cfg(feature = "train")]
mod progress;
#[cfg(feature = "train")]
mod stop;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::context::Context;

/// Learn to tell people apart: a head for this site, or a whole network.
///
/// `head` puts a small map behind the model that is in use, learned from your own people; it takes seconds, on a board too. Whole networks
/// (`network`, `export`) are learned on a larger computer by a build with `cargo build --release --features train`; their data comes from
/// `usher align`. docs/training.md tells what to expect of each.
#[derive(Args)]
pub struct Train {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Head(head::Head),
    #[cfg(feature = "train")]
    Network(learn::Learn),
    #[cfg(feature = "train")]
    Export(export::Export),
}

impl Train {
    pub fn run(self, context: &Context) -> Result<()> {
        match self.action {
            Action::Head(head) => head.run(context),
            #[cfg(feature = "train")]
            Action::Network(learn) => learn.run(),
            #[cfg(feature = "train")]
            Action::Export(export) => export.run(),
        }
    }
}

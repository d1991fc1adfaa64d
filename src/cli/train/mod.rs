//! `usher train`: trains a head for a site, or a whole network.

#[cfg(feature = "train")]
mod export;
mod head;
#[cfg(feature = "train")]
mod network;
mod options;
#[cfg(feature = "train")]
mod progress;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::context::Context;

/// Train a head for this site, or a whole network.
///
/// `head` trains a linear map behind the current model on your own people; it takes seconds, even on a board. Whole networks (`network`,
/// `export`) are trained on a larger computer with a build by `cargo build --release --features train`, on data from `usher align`.
/// docs/training.md describes what to expect.
#[derive(Args)]
pub struct Train {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Head(head::TrainHead),
    #[cfg(feature = "train")]
    Network(network::TrainNetwork),
    #[cfg(feature = "train")]
    Export(export::Export),
}

impl Train {
    pub fn run(self, context: &Context) -> Result<()> {
        match self.action {
            Action::Head(head) => head.run(context),
            #[cfg(feature = "train")]
            Action::Network(network) => network.run(),
            #[cfg(feature = "train")]
            Action::Export(export) => export.run(),
        }
    }
}

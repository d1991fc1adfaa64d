//! `usher evaluate`

pub mod crowd;
mod csv;
mod lfw;
pub mod looking;
pub mod measuring;
mod open_set;
mod ytf;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::context::Context;

/// Measure how well a model tells people apart, on photographs whose people are known.
///
/// Each kind of data set has its protocol: `lfw` for Labeled Faces in the Wild and lists of its form, `pairs` for your own list of
/// pairs, `ytf` for the YouTube Faces videos, `open-set` for a gallery and strangers, which is what a door meets. What each figure
/// means stands in docs/evaluation.md. A configuration is not needed; where there is one, its models and detector settings are used.
///
/// For a distance limit that fits your own people, see `usher calibrate`.
#[derive(Args)]
pub struct Evaluate {
    #[command(subcommand)]
    on: On,
}

#[derive(Subcommand)]
enum On {
    Lfw(lfw::Lfw),
    Pairs(csv::Pairs),
    Ytf(ytf::Ytf),
    OpenSet(open_set::OpenSet),
}

impl Evaluate {
    pub fn run(self, context: &Context) -> Result<()> {
        match self.on {
            On::Lfw(command) => command.run(context),
            On::Pairs(command) => command.run(context),
            On::Ytf(command) => command.run(context),
            On::OpenSet(command) => command.run(context),
        }
    }
}

//! `usher evaluate`: how well a model distinguishes people.

pub mod extraction;
mod open_set;
mod pairs;
pub mod report;
mod ytf;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::context::Context;

/// Evaluate how well a model distinguishes people, on labelled photographs.
///
/// Each kind of data set has its protocol: `lfw` for Labeled Faces in the Wild and lists in its format, `pairs` for your own list of
/// pairs, `ytf` for the YouTube Faces videos, `open-set` for a gallery and strangers, as at a door. docs/evaluation.md explains the
/// figures. No configuration is needed; if there is one, its models and detector settings are used.
///
/// To find a distance limit for your own people, see `usher calibrate`.
#[derive(Args)]
pub struct Evaluate {
    #[command(subcommand)]
    protocol: Protocol,
}

#[derive(Subcommand)]
enum Protocol {
    Lfw(pairs::Lfw),
    Pairs(pairs::Pairs),
    Ytf(ytf::Ytf),
    OpenSet(open_set::OpenSet),
}

impl Evaluate {
    pub fn run(self, context: &Context) -> Result<()> {
        match self.protocol {
            Protocol::Lfw(command) => command.run(context),
            Protocol::Pairs(command) => command.run(context),
            Protocol::Ytf(command) => command.run(context),
            Protocol::OpenSet(command) => command.run(context),
        }
    }
}

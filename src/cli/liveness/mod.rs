//! `usher liveness`: measuring what stops photographs, and what keeps people out.

pub mod evaluate;
mod record;
mod report;
pub mod trial;
pub mod watch;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::context::Context;

/// Measure what stops photographs at your door, and what keeps people out.
///
/// `record` makes clips of people, and of attacks with photographs and screens; `evaluate` says how many of each get through, after ISO/IEC
/// 30107-3. docs/liveness.md explains the figures, and what must not be promised. `usher calibrate --liveness` sets the limits of turns by
/// the same clips.
#[derive(Args)]
pub struct Liveness {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Evaluate(evaluate::Evaluate),
    Record(record::Record),
}

impl Liveness {
    pub fn run(self, context: &Context) -> Result<()> {
        match self.command {
            Command::Evaluate(command) => command.run(context),
            Command::Record(command) => command.run(context),
        }
    }
}

//! `usher config`

use std::io::Write;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::context::Context;
use crate::setup;

/// Check or show the configuration.
///
/// The file is TOML; each key can be overridden by an environment variable, USHER__SECTION__KEY. docs/configuration.md lists all.
#[derive(Args)]
pub struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Say whether the configuration is sound; name every problem with its place
    Check,
    /// Print the effective configuration, with where each value comes from
    Show,
}

impl ConfigCommand {
    pub fn run(self, context: &Context) -> Result<()> {
        let config = context.config()?;
        let mut out = std::io::stdout().lock();
        match self.action {
            Action::Check => {
                // What the file names must be sound too: lists of holidays, time zones.
                setup::house::rules(&config)?;
                for warning in config.warnings() {
                    eprintln!("warning: {warning}");
                }
                writeln!(out, "{}: sound", context.path().display())?;
            }
            Action::Show => write!(out, "{}", config.to_toml_with_origins())?,
        }
        Ok(())
    }
}

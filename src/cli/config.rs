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
                setup::attendance(&config)?;
                setup::house::system_zone()?;
                for warning in config.warnings() {
                    eprintln!("warning: {warning}");
                }
                for door in config.doors.iter().filter(|door| door.max_hold.is_none()) {
                    // Not among the configuration's warnings: it is the default, and right for a lock that must not be held.
                    eprintln!(
                        "warning: door {}: `usher door release` keeps it open for {} s at most; for an evacuation set max_hold, if its \
                         lock may be held",
                        door.name,
                        door.max_on.as_secs()
                    );
                }
                writeln!(out, "{}: sound", context.path().display())?;
            }
            Action::Show => write!(out, "{}", config.to_toml_with_origins())?,
        }
        Ok(())
    }
}

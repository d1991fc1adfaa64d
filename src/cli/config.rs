//! `usher config`

use std::io::Write;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::client::Client;
use super::context::Context;
use super::site_rules::under_site;
use crate::config::Config;
use crate::setup;

/// Check or show the configuration.
///
/// The file is TOML. An environment variable USHER__SECTION__KEY overrides a key. docs/configuration.md lists all keys.
#[derive(Args)]
pub struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Check the configuration, and list every problem with its place
    Check,
    /// Print the effective configuration, with the origin of each value
    ///
    /// On a board of a fleet, schedules, permits and the assurance of doors are those of its site's rules, if there are any.
    Show,
}

impl ConfigCommand {
    pub fn run(self, context: &Context) -> Result<()> {
        match self.action {
            Action::Check => check(context),
            Action::Show => {
                write!(std::io::stdout().lock(), "{}", in_force(context.config()?).to_toml_with_origins())?;
                Ok(())
            }
        }
    }
}

/// The configuration under the rules of the site of a board in a fleet. Where they cannot be had, the file alone, with a warning.
fn in_force(config: Config) -> Config {
    if !config.fleet.enabled {
        return config;
    }
    Client::open(&config).and_then(|client| under_site(config.clone(), &client)).unwrap_or_else(|error| {
        note!("warning: this is the file alone, without the rules of the fleet: {error:#}");
        config
    })
}

/// Checks the configuration and what it refers to: lists of holidays, time zones. Warns of what is hardly intended.
///
/// # Errors
/// Lists every problem.
pub fn check(context: &Context) -> Result<()> {
    let config = context.config()?;
    setup::house::rules(&config)?;
    setup::attendance(&config)?;
    setup::house::system_zone()?;
    for warning in config.warnings() {
        note!("warning: {warning}");
    }
    for door in config.doors.iter().filter(|door| door.max_hold.is_none()) {
        // No warning elsewhere: it is the default, and right for a lock that must not be held.
        note!(
            "warning: door {}: `usher door release` keeps it open for {} s at most; for an evacuation set max_hold, if its lock may be held",
            door.name,
            door.max_on.as_secs()
        );
    }
    writeln!(std::io::stdout().lock(), "{}: sound", context.path().display())?;
    Ok(())
}

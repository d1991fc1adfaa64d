//! `usher restore`

mod differences;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;

use super::book::me;
use super::client::Client;
use super::context::Context;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::daemon::doors::saved::SavedEntry;
use crate::domain::{Event, Mode};
use crate::office::Recorder;
use crate::setup;
use crate::store::{self, Store};
use differences::{Held, differences};

/// Put everything back from a file of `usher backup`.
///
/// For a device whose disk failed, or a new one in its place: set up the configuration, restore, start the daemon. The file is checked
/// whole before anything is touched. Where a store is there already, the differences are printed first: who comes back who was removed
/// or disabled since, who is missing, modes, and how many records end with the store that is there. Then the command asks, and keeps
/// that store aside. The journal goes on from the newest record in the backup, with a record of the restoring. All doors start in lockdown
/// until an operator says `usher door normal`: a backup gives back what was allowed when it was made.
#[derive(Args)]
pub struct Restore {
    /// The file to read
    file: PathBuf,
    /// Do not ask before the backup takes the place of a store that is there
    #[arg(long, short)]
    yes: bool,
    /// Of earlier versions; it changes nothing: --yes is what a script needs
    #[arg(long, hide = true)]
    force: bool,
}

impl Restore {
    pub fn run(self, context: &Context) -> Result<()> {
        let config = context.config()?;
        if Client::connect(&config.control.socket)?.is_some() {
            bail!("the daemon runs; stop it first (systemctl stop usher)");
        }
        let dir = &config.store.path;
        store::verify_backup(&self.file)?;
        let there = match store::exists(dir) {
            true => Some(Store::open(dir).map_err(anyhow::Error::from).and_then(|store| Held::of(&store))),
            false => None,
        };
        if let Some(Err(error)) = &there
            && let Some(store::StoreError::Busy { .. }) = error.downcast_ref()
        {
            bail!("{error}");
        }
        let replaced = match &there {
            Some(Ok(held)) => held.newest.map(|(seq, _)| seq),
            _ => None,
        };
        let doors = doors(&config);
        let mut through = 0;
        let (_, aside) = store::restore(dir, &self.file, there.is_some(), |store| {
            let held = Held::of(store)?;
            through = held.newest.map_or(0, |(seq, _)| seq);
            match &there {
                None => {}
                Some(Ok(now)) => print!("{}", differences(now, &held)),
                Some(Err(why)) => {
                    println!("the store that is there cannot be read, so what differs is not known: {why}")
                }
            }
            if there.is_some() && !self.yes {
                confirm(&config)?;
            }
            note(store, &config, Event::Restored { through, replaced, lockdown: doors.clone(), by: me() })
        })?;
        println!("restored up to record {through} into {}", dir.display());
        if let Some(aside) = aside {
            println!("what was there is in {}", aside.display());
        }
        println!(
            "all doors start in lockdown; look through the people (usher people list), then `usher door normal` ends it"
        );
        Ok(())
    }
}

/// The names of all doors.
fn doors(config: &Config) -> Vec<String> {
    config.doors.iter().map(|door| door.name.clone()).collect()
}

/// Writes the restoring down, and in the same commit locks all doors down.
fn note(store: &Store, config: &Config, event: Event) -> Result<()> {
    let saved = store.tree("standing")?;
    let lockdown = doors(config).into_iter().filter_map(|door| {
        let SavedEntry { key, value } = SavedEntry::mode(&door, &Mode::Lockdown { group: None });
        Some(saved.put(key, value?))
    });
    let recorder = Recorder::new(store, setup::journal(config, store)?, Arc::new(SystemClock::new()));
    recorder.record_with(&event, &lockdown.collect::<Vec<_>>())?;
    Ok(())
}

fn confirm(config: &Config) -> Result<()> {
    let dir = config.store.path.display();
    if !std::io::stdin().is_terminal() {
        bail!(
            "{dir} already holds a store, and nothing was changed; pass --yes to put the backup in its place without being asked"
        );
    }
    eprint!("Replace the store in {dir} by the backup, and lock all doors down? [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => bail!("nothing was changed"),
    }
}

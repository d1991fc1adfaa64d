//! `usher restore`

mod differences;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;

use super::client::{Client, operator};
use super::context::Context;
use super::print::{Tone, ask, err_has_colour, paint};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::domain::{Event, Mode, ModelId, RestoreDetails, StoreEvent};
use crate::gallery::Gallery;
use crate::office::Recorder;
use crate::office::saved::SavedEntry;
use crate::setup;
use crate::store::{self, Store};
use differences::{Held, differences};

/// Restore the store from a file of `usher backup`.
///
/// For a device whose disk failed, or its replacement: write the configuration, restore, start the daemon. The whole file is checked before
/// anything changes. Over an existing store, the command first prints the differences: which removed or disabled people come back, who is
/// missing, modes, and how many records are lost. It then asks, and keeps the existing store aside. The journal continues after the newest
/// record in the backup, with a record of the restore. All doors start in lockdown until an operator runs `usher door normal`, because a
/// backup restores what was allowed when it was made.
#[derive(Args)]
pub struct Restore {
    /// The file to read
    file: PathBuf,
    /// Replace an existing store without asking
    #[arg(long, short)]
    yes: bool,
    /// Ignored, for scripts of earlier versions
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
        let (store, aside) = store::restore(dir, &self.file, there.is_some(), |store| {
            let held = Held::of(store)?;
            through = held.newest.map_or(0, |(seq, _)| seq);
            match &there {
                None => {}
                // A device that has nothing yet, but a key ring perhaps.
                Some(Ok(now)) if now.is_empty => return note(store, &config, restored(through, replaced, &doors)),
                Some(Ok(now)) => write!(std::io::stdout(), "{}", differences(now, &held))?,
                Some(Err(why)) => say!("the existing store cannot be read, so the differences are unknown: {why}")?,
            }
            if there.is_some() && !self.yes {
                confirm(&config)?;
            }
            note(store, &config, restored(through, replaced, &doors))
        })?;
        say!("restored up to record {through} into {}", dir.display())?;
        if let Some(aside) = aside {
            say!("the previous store is in {}", aside.display())?;
        }
        say!(
            "all doors start in lockdown; check the people (usher people list), then end it with `usher door normal`"
        )?;
        warn_of_locked(&config, &store)
    }
}

/// Shouts where people of the backup cannot be recognised here: nothing else shows it before somebody stands before a door that stays shut.
fn warn_of_locked(config: &Config, store: &Store) -> Result<()> {
    // Which model made the templates does not matter for opening them.
    let gallery = match Gallery::open(store, &setup::ring(config), ModelId::new("none"), 1) {
        Ok(gallery) => gallery,
        Err(error) => {
            note!("usher: warning: whether the templates can be opened here is not known: {error}");
            return Ok(());
        }
    };
    let Some(locked) = gallery.locked() else { return Ok(()) };
    let text = format!(
        "WARNING: NO DOOR WILL OPEN FOR {} OF {} PEOPLE: {locked}. If they are on the key ring that was saved for this backup, load it now: \
         usher store ring load FILE",
        locked.people,
        gallery.size().people.max(locked.people)
    );
    note!("{}", paint(Tone::Bad, &text, err_has_colour()));
    Ok(())
}

fn restored(through: u64, replaced: Option<u64>, doors: &[String]) -> Event {
    let details = Some(RestoreDetails { replaced, lockdown: doors.to_vec() });
    StoreEvent::Restored { through, details, by: operator() }.into()
}

/// The names of all doors.
fn doors(config: &Config) -> Vec<String> {
    config.doors.iter().map(|door| door.name.clone()).collect()
}

/// Records the restore, and locks all doors down in the same commit.
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
        bail!("{dir} holds a store already, and nothing was changed; pass --yes to replace it without confirmation");
    }
    match ask(&format!("Replace the store in {dir} by the backup, and lock all doors down?"))? {
        true => Ok(()),
        false => bail!("nothing was changed"),
    }
}

//! `usher store`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::client::{Client, operator};
use super::context::Context;
use crate::api::status::SealStatus;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::domain::{Event, StoreEvent};
use crate::office::Recorder;
use crate::seal::{self, Ring, RingState, StoreKey};
use crate::setup;
use crate::store::Store;

/// Manage the store's key, which seals templates, and the key ring.
///
/// Each person's templates are sealed with a sub-key. The sub-keys are on the key ring, a small file beside the database, wrapped with the
/// store's key. Removing a person destroys the sub-key, so no backup can restore the templates. docs/privacy.md explains what is sealed, what
/// backups hold, and what to keep apart.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  usher store key new /etc/usher/store.key    then set [store] key_file and start the daemon\n  \
    usher store ring save /media/stick/ring     always over the same file; backups are useless without it\n  \
    usher store key rotate                      replace the key"
)]
pub struct StoreCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Show whether templates are sealed, with which key, and what is wrong
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a key, or replace it
    #[command(subcommand)]
    Key(KeyAction),
    /// Save the key ring, or load a saved one
    #[command(subcommand)]
    Ring(RingAction),
}

#[derive(Subcommand)]
enum KeyAction {
    /// Make a new key: 64 hexadecimal digits
    ///
    /// Never overwrites a file. Name the file in [store] key_file, owned by the daemon's user, or pass it as the systemd credential
    /// usher.store-key. With `-` the key goes to standard output; this binds it to the machine's TPM without touching a disk:
    /// usher store key new - | systemd-creds encrypt --name=usher.store-key - /etc/credstore.encrypted/usher.store-key
    New {
        /// The file to write (mode 0600), or - for standard output
        file: PathBuf,
    },
    /// Replace the store's key
    ///
    /// Wraps all sub-keys with the new key. Templates stay as they are, so this takes a moment only, and backups stay usable. Save the key ring
    /// again afterwards. The daemon must be stopped. If the command is killed, the store opens with the key in force.
    Rotate {
        /// An existing file with the new key: for a key that systemd passes, which only you can replace. Without it, a new key replaces the
        /// one in [store] key_file
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum RingAction {
    /// Write the key ring into a file
    ///
    /// The file is useless without the store's key. Always overwrite the same file: an older one still has the sub-keys of people who were
    /// removed since.
    Save {
        /// The file; an existing one is overwritten
        file: PathBuf,
    },
    /// Load the sub-keys of a saved ring
    ///
    /// For a new device, or after the ring was damaged. Adds them to the sub-keys on the ring. The daemon must be stopped.
    Load {
        /// The file to read
        file: PathBuf,
    },
}

impl StoreCommand {
    pub fn run(self, context: &Context) -> Result<()> {
        match self.action {
            // Needs no configuration: the key exists before the configuration names it.
            Action::Key(KeyAction::New { file }) => new_key(&file),
            Action::Key(KeyAction::Rotate { to }) => rotate(&context.config()?, to.as_deref()),
            Action::Ring(RingAction::Save { file }) => save(&context.config()?, &file),
            Action::Ring(RingAction::Load { file }) => load(&context.config()?, &file),
            Action::Status { json } => status(&context.client()?, json),
        }
    }
}

fn new_key(file: &Path) -> Result<()> {
    let key = StoreKey::generate()?;
    if file == Path::new("-") {
        std::io::stdout().lock().write_all(key.text().as_bytes())?;
        note!("key {}", key.id());
        return Ok(());
    }
    key.save(file)?;
    say!("{}: key {}; keep a copy away from this device", file.display(), key.id())?;
    Ok(())
}

/// Opens the store, which no daemon may hold.
fn unused_store(config: &Config) -> Result<Store> {
    if Client::connect(&config.control.socket)?.is_some() {
        bail!("the daemon runs; stop it first (systemctl stop usher)");
    }
    Ok(Store::open(&config.store.path)?)
}

/// The key in force.
fn key(config: &Config) -> Result<StoreKey> {
    setup::store_key(config)?.ok_or_else(|| {
        anyhow!(
            "there is no key: name its file in [store] key_file; where systemd passes it, run this with CREDENTIALS_DIRECTORY set to \
             a folder that holds it as {}",
            config.store.key_file.display()
        )
    })
}

fn rotate(config: &Config, to: Option<&Path>) -> Result<()> {
    let store = unused_store(config)?;
    // Opening the ring completes a change that was interrupted.
    let key = key(config)?;
    let ring = Ring::open(&config.store.path, Ok(Some(key)));
    if let RingState::Locked(why) = ring.state() {
        return Err(why.into());
    }
    let (id, count) = match to {
        Some(file) => {
            let new = StoreKey::load(file)?;
            (new.id(), ring.change_key(new)?)
        }
        None if setup::is_credential(&config.store.key_file) => bail!(
            "the key is a systemd credential, which only you can replace: make a new one with `usher store key new FILE`, run this \
             with --to FILE, and replace the credential by FILE"
        ),
        None => seal::change_key_file(&ring, &config.store.key_file)?,
    };
    let recorder = Recorder::new(&store, setup::journal(config, &store)?, Arc::new(SystemClock::new()));
    recorder.record(&Event::Store(StoreEvent::StoreKeyChanged { key: id.to_string(), by: operator() }))?;
    say!("{count} sub-keys are wrapped with the key {id}; save the ring again (usher store ring save FILE)")?;
    if let Some(file) = to {
        say!("now replace the old key by {}: the old one no longer opens anything", file.display())?;
    }
    Ok(())
}

fn save(config: &Config, file: &Path) -> Result<()> {
    let count = seal::save(&config.store.path, file, &key(config)?)?;
    say!("{}: {count} sub-keys; keep it apart from the key, and overwrite it with the next one", file.display())?;
    Ok(())
}

fn load(config: &Config, file: &Path) -> Result<()> {
    let _store = unused_store(config)?;
    let added = seal::load(&config.store.path, file, &key(config)?)?;
    say!("{added} sub-keys were loaded")?;
    Ok(())
}

fn status(client: &Client, json: bool) -> Result<()> {
    let SealStatus { state, key, trouble } = client.seal()?;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", json!({ "state": state, "key": key, "trouble": trouble }))?;
        return Ok(());
    }
    match &key {
        Some(key) => writeln!(out, "{state} with the key {key}")?,
        None => writeln!(out, "{state}")?,
    }
    if let Some(trouble) = &trouble {
        writeln!(out, "{trouble}")?;
    }
    Ok(())
}

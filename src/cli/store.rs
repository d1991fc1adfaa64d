//! `usher store`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::book::{Book, me};
use super::client::Client;
use super::context::Context;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::daemon::wire::SealWire;
use crate::domain::Event;
use crate::office::Recorder;
use crate::seal::{self, Ring, RingState, StoreKey};
use crate::setup;
use crate::store::Store;

/// The store's key, with which templates are sealed, and the key ring.
///
/// Templates are sealed with a sub-key for each person. The sub-keys stand on the key ring, a small file beside the database, wrapped by
/// the store's key. When somebody is removed their sub-key is destroyed, and no backup gives their templates back. docs/privacy.md tells
/// what is sealed, what backups hold, and what must be kept apart.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  usher store key new /etc/usher/store.key    then set [store] key_file, and start the daemon\n  \
    usher store ring save /media/stick/ring     always over the same file; backups are of no use without it\n  \
    usher store key rotate                      another key in the old one's place"
)]
pub struct StoreCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Say whether templates are sealed, with which key, and what is wrong
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a key, or change it
    #[command(subcommand)]
    Key(KeyAction),
    /// Save the key ring, or put a saved one back
    #[command(subcommand)]
    Ring(RingAction),
}

#[derive(Subcommand)]
enum KeyAction {
    /// Make a new key: 64 hexadecimal digits
    ///
    /// A file that is there is never written over. Name the file in [store] key_file, owned by the daemon's user, or pass it as the systemd
    /// credential usher.store-key. With `-` the key goes to standard output, to be bound to the machine's TPM without touching a disk:
    /// usher store key new - | systemd-creds encrypt --name=usher.store-key - /etc/credstore.encrypted/usher.store-key
    New {
        /// The file to write (mode 0600), or - for standard output
        file: PathBuf,
    },
    /// Put another key in the place of the store's
    ///
    /// All sub-keys are wrapped with the new key; templates stay as they are, so it takes a moment only, and backups stay of use. Save
    /// the key ring anew afterwards. The daemon must be stopped. Killed at any moment, the store opens with the key in force.
    Rotate {
        /// The file of the new key, which must exist: for a key that systemd passes, which only you can put in its place. Without it a
        /// new key takes the place of the one in [store] key_file
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum RingAction {
    /// Write the key ring into a file
    ///
    /// It is of use only together with the store's key. Write it always over the same file: an older one still has the sub-keys of people
    /// who were removed since.
    Save {
        /// The file; one that is there is written over
        file: PathBuf,
    },
    /// Put the sub-keys of a saved ring back
    ///
    /// For a new device, or a ring that was damaged. They are added to those that are there. The daemon must be stopped.
    Load {
        /// The file to read
        file: PathBuf,
    },
}

impl StoreCommand {
    pub fn run(self, context: &Context) -> Result<()> {
        match self.action {
            // Needs no configuration: the key is made before that names it.
            Action::Key(KeyAction::New { file }) => new_key(&file),
            Action::Key(KeyAction::Rotate { to }) => rotate(&context.config()?, to.as_deref()),
            Action::Ring(RingAction::Save { file }) => save(&context.config()?, &file),
            Action::Ring(RingAction::Load { file }) => load(&context.config()?, &file),
            Action::Status { json } => status(&context.config()?, json),
        }
    }
}

fn new_key(file: &Path) -> Result<()> {
    let key = StoreKey::generate()?;
    if file == Path::new("-") {
        std::io::stdout().lock().write_all(key.text().as_bytes())?;
        eprintln!("key {}", key.id());
        return Ok(());
    }
    key.save(file)?;
    println!("{}: key {}; keep a copy where this device is not", file.display(), key.id());
    Ok(())
}

/// The store, which must not be in use.
fn resting(config: &Config) -> Result<Store> {
    if Client::connect(&config.control.socket)?.is_some() {
        bail!("the daemon runs; stop it first (systemctl stop usher)");
    }
    Ok(Store::open(&config.store.path)?)
}

/// The key in force, which must be there.
fn key(config: &Config) -> Result<StoreKey> {
    setup::store_key(config)?.ok_or_else(|| {
        anyhow!(
            "no key is given: name its file in [store] key_file; where systemd passes it, run this with CREDENTIALS_DIRECTORY set to \
             a folder that holds it as {}",
            config.store.key_file.display()
        )
    })
}

fn rotate(config: &Config, to: Option<&Path>) -> Result<()> {
    let store = resting(config)?;
    // Carries through a change that was cut short.
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
            "the key is a credential of systemd, which only you can change: make a new one with `usher store key new FILE`, run this \
             with --to FILE, and put FILE in the place of the credential"
        ),
        None => seal::change_key_file(&ring, &config.store.key_file)?,
    };
    let recorder = Recorder::new(&store, setup::journal(config, &store)?, Arc::new(SystemClock::new()));
    recorder.record(&Event::StoreKeyChanged { key: id.to_string(), by: me() })?;
    println!("{count} sub-keys are wrapped with the key {id}; save the ring anew (usher store ring save FILE)");
    if let Some(file) = to {
        println!("now put {} in the place of the old key: the old one opens nothing any more", file.display());
    }
    Ok(())
}

fn save(config: &Config, file: &Path) -> Result<()> {
    let count = seal::save(&config.store.path, file, &key(config)?)?;
    println!("{}: {count} sub-keys; keep it apart from the key, and write the next one over it", file.display());
    Ok(())
}

fn load(config: &Config, file: &Path) -> Result<()> {
    let _store = resting(config)?;
    let added = seal::load(&config.store.path, file, &key(config)?)?;
    println!("{added} sub-keys are put back");
    Ok(())
}

fn status(config: &Config, json: bool) -> Result<()> {
    let SealWire { state, key, trouble } = Book::open(config)?.seal()?;
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

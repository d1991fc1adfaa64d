//! `usher backup` and `usher restore`

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;

use super::book::{Book, me};
use super::client::Client;
use super::context::Context;
use crate::clock::SystemClock;
use crate::domain::Event;
use crate::office::Recorder;
use crate::{setup, store};

/// Write everything that usher keeps into one file.
///
/// People with their templates, the journal, and what waits for the broker, as it stands at that moment. The door goes on meanwhile. The
/// file is checked by its hash, and readable for you alone: it lets doors be opened, so keep it where nobody else gets at it. The
/// configuration is not in it.
#[derive(Args)]
pub struct Backup {
    /// The file to write
    file: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

impl Backup {
    pub fn run(self, context: &Context) -> Result<()> {
        let book = Book::open(&context.config()?)?;
        let contents = book.back_up(&self.file, self.force)?;
        println!("{}: {} bytes, commit {}", self.file.display(), contents.bytes, contents.commit);
        Ok(())
    }
}

/// Put everything back from a file of `usher backup`.
///
/// For a device whose disk failed, or a new one in its place: set up the configuration, restore, start the daemon. The file is checked
/// whole before anything is touched. What is there already is kept only with --force, and then aside. The journal goes on from the
/// newest record in the backup, with a record of the restoring.
#[derive(Args)]
pub struct Restore {
    /// The file to read
    file: PathBuf,
    /// Put it in the place of a store that is there; that one is kept aside
    #[arg(long)]
    force: bool,
}

impl Restore {
    pub fn run(self, context: &Context) -> Result<()> {
        let config = context.config()?;
        if Client::connect(&config.control.socket)?.is_some() {
            bail!("the daemon runs; stop it first (systemctl stop usher)");
        }
        let (store, aside) = store::restore(&config.store.path, &self.file, self.force)?;
        let journal = setup::journal(&config, &store)?;
        let through = journal.last()?.map_or(0, |record| record.seq);
        let recorder = Recorder::new(&store, journal, Arc::new(SystemClock::new()));
        recorder.record(&Event::Restored { through, by: me() })?;
        println!("restored up to record {through} into {}", config.store.path.display());
        if let Some(aside) = aside {
            println!("what was there is in {}", aside.display());
        }
        Ok(())
    }
}

//! `usher backup`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::book::Book;
use super::context::Context;

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

//! `usher backup`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::context::Context;

/// Write the whole store into one file.
///
/// The file holds people with their templates, the journal, and events that wait for the broker. The door works on meanwhile. The file's hash
/// is checked. Only you can read the file: it can open doors, so keep it where nobody else can read it. The configuration is not in it.
#[derive(Args)]
pub struct Backup {
    /// The file to write
    file: PathBuf,
    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
}

impl Backup {
    pub fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let contents = client.back_up(&self.file, self.force)?;
        say!("{}: {} bytes, commit {}", self.file.display(), contents.bytes, contents.commit)?;
        Ok(())
    }
}

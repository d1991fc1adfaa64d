//! `usher train export`: writes the weights of a run.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use crate::train::checkpoint;
use crate::train::weights;

/// Write the weights of a run as an .npz with FaceNet's names.
///
/// Exports the moving averages of the newest checkpoint's weights. `models/build/build network` converts them to an int8 model for the
/// daemon.
#[derive(Args)]
#[command(
    after_help = "Example:\n  usher train export run/ --out mine.npz && models/build/build network mine.npz --out models-mine/"
)]
pub struct Export {
    /// The folder of a run, or one of its checkpoints
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Export {
    pub fn run(self) -> Result<()> {
        let path = match self.run.is_dir() {
            true => checkpoint::newest(&self.run)?,
            false => Some(self.run.clone()),
        };
        let Some(path) = path else { bail!("{} has no checkpoint yet", self.run.display()) };
        let exported = checkpoint::averaged(&path)?;
        weights::write(&self.out, &exported)?;
        say!("exported {} weights of {} to {}", exported.len(), path.display(), self.out.display())?;
        Ok(())
    }
}

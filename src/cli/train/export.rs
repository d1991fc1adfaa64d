//! `usher train export`

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use crate::train::checkpoint;
use crate::train::weights;

/// Write what a run has learned as an .npz under FaceNet's names.
///
/// Takes the weights' moving averages of the newest checkpoint. `models/build/build network` makes an int8 model of it for the daemon.
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
        println!("{} weights of {} are in {}", exported.len(), path.display(), self.out.display());
        Ok(())
    }
}

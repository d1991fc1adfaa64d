//! `usher camera`

use std::io::Write;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::camera::v4l2;

/// Show the cameras of this machine.
///
/// For each video device its file, what its driver calls it, and what to write into `[[camera]] identity` so that no other device is
/// taken for it. No stream is disturbed; the daemon may run.
#[derive(Args)]
pub struct Camera {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the video devices with what tells them apart
    List {
        /// Print JSON, one object a device
        #[arg(long)]
        json: bool,
    },
}

impl Camera {
    pub fn run(self) -> Result<()> {
        let Command::List { json } = self.command;
        let mut out = std::io::stdout().lock();
        let devices = v4l2::devices();
        if devices.is_empty() && !json {
            writeln!(out, "No video device is there: plug a camera in.")?;
        }
        for device in devices {
            let path = device.path.display().to_string();
            let found = v4l2::identity(&path);
            match (json, &found) {
                (true, Ok(found)) => {
                    let line = json!({
                        "device": path,
                        "name": device.name,
                        "identity": found.key(),
                        "link": found.link,
                        "place": found.bus,
                    });
                    writeln!(out, "{line}")?;
                }
                (true, Err(error)) => {
                    writeln!(out, "{}", json!({ "device": path, "name": device.name, "error": error.to_string() }))?;
                }
                (false, Ok(found)) => writeln!(out, "{path:<14} {found}\n               identity = {:?}", found.key())?,
                (false, Err(error)) => writeln!(out, "{path:<14} {}: {error}", device.name)?,
            }
        }
        Ok(())
    }
}

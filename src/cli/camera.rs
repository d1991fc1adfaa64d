//! `usher camera`

use std::io::Write;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use super::context::Context;
use crate::camera::v4l2;
use crate::config::CameraKind;

/// Show the cameras of this machine.
///
/// Lists each video device, and each that the configuration names: its file, the driver's name for it, and the `[[camera]] identity` value
/// that pins it. Disturbs no stream; the daemon may run.
#[derive(Args)]
pub struct Camera {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the video devices with their identities
    List {
        /// Print JSON, one object a device
        #[arg(long)]
        json: bool,
    },
}

impl Camera {
    pub fn run(self, context: &Context) -> Result<()> {
        let Command::List { json } = self.command;
        let mut devices: Vec<String> = v4l2::devices().iter().map(|device| device.path.display().to_string()).collect();
        for camera in context.config_if_any()?.iter().flat_map(|config| &config.cameras) {
            if camera.kind == CameraKind::V4l2 {
                let named = camera.device.display().to_string();
                // A link leads to one of them.
                let known = v4l2::device_file(&named).unwrap_or(named);
                if !devices.contains(&known) {
                    devices.push(known);
                }
            }
        }
        let mut out = std::io::stdout().lock();
        if devices.is_empty() && !json {
            writeln!(out, "There is no video device: plug a camera in.")?;
        }
        for device in devices {
            match (json, v4l2::identity(&device)) {
                (true, Ok(found)) => {
                    let (identity, link) = (found.key(), &found.link);
                    let line = json!({
                        "device": device, "identity": identity, "link": link, "place": found.bus, "name": found.card
                    });
                    writeln!(out, "{line}")?;
                }
                (true, Err(error)) => writeln!(out, "{}", json!({ "device": device, "error": error.to_string() }))?,
                (false, Ok(found)) => {
                    writeln!(out, "{device:<14} {found}\n               identity = {:?}", found.key())?;
                }
                (false, Err(error)) => writeln!(out, "{device:<14} {error}")?,
            }
        }
        Ok(())
    }
}

//! `usher hub`

use std::io::Write;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use clap::{Args, Subcommand};

use super::client::Client;
use super::context::Context;
use crate::setup;

/// How long the broker may take for each answer.
const BROKER_WAIT: Duration = Duration::from_secs(10);

/// Everything about the MQTT broker and Home Assistant.
///
/// What is published stands in docs/mqtt.md, and the way to Home Assistant in docs/home-assistant.md. `usher status` shows how it
/// stands with the broker, `usher doctor` whether it lets this device in.
#[derive(Args)]
pub struct HubCommand {
    #[command(subcommand)]
    action: Action,
}

// A doc comment here would take the place of the command's own.
#[derive(Subcommand)]
enum Action {
    /// Take this device off the broker and out of Home Assistant
    ///
    /// Clears everything that the broker keeps of this device: its announcement, its status, its doors, cameras and people. Home
    /// Assistant then removes the device with all its entities. The journal and the outbox stay. The daemon must be stopped,
    /// because it would put everything back; to keep it running without Home Assistant, turn [mqtt.home_assistant] off first.
    Remove {
        /// What Home Assistant's discovery topics begin with, if it is not what the configuration says
        #[arg(long, value_name = "PREFIX")]
        discovery_prefix: Option<String>,
    },
}

impl HubCommand {
    pub fn run(self, context: &Context) -> Result<()> {
        match self.action {
            Action::Remove { discovery_prefix } => remove(context, discovery_prefix.as_deref()),
        }
    }
}

fn remove(context: &Context, discovery_prefix: Option<&str>) -> Result<()> {
    let config = context.config()?;
    let Some(mqtt) = &config.mqtt else { bail!("no broker is configured: there is no [mqtt] section") };
    if Client::connect(&config.control.socket)?.is_some() {
        bail!("the daemon runs and would put everything back: stop it first (systemctl stop usher)");
    }
    let configured = mqtt.home_assistant.as_ref().map_or("homeassistant", |settings| &settings.discovery_prefix);
    let prefix = discovery_prefix.unwrap_or(configured);
    let Some(settings) = setup::hub(&config)? else { bail!("no broker is configured") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let cleared = runtime.block_on(crate::hub::remove(settings, prefix, BROKER_WAIT)).map_err(|why| anyhow!(why))?;
    let mut out = std::io::stdout().lock();
    for topic in &cleared {
        writeln!(out, "cleared {topic}")?;
    }
    Ok(())
}

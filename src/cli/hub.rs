//! `usher hub`

use std::io::Write;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use super::client::Client;
use super::context::Context;
use crate::daemon::hub_store::StoredTopics;
use crate::hub::RetainedTopics;
use crate::setup;
use crate::store::Store;

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
    /// Clears everything that the broker keeps of this device: its announcement, its status, its doors, cameras and people, and what is
    /// left of former names. Home Assistant then removes the device with all its entities. The journal and the outbox stay. The daemon must
    /// be stopped, because it would put everything back; without --device only. To keep it running without Home Assistant, turn
    /// [mqtt.home_assistant] off instead: the announcement then goes by itself.
    Remove {
        /// A former name of this device, as [device] name had it; the daemon may run
        #[arg(long, value_name = "NAME")]
        device: Option<String>,
        /// What Home Assistant's discovery topics begin with, if it is not what the configuration says
        #[arg(long, value_name = "PREFIX")]
        discovery_prefix: Option<String>,
    },
}

impl HubCommand {
    pub fn run(self, context: &Context) -> Result<()> {
        match self.action {
            Action::Remove { device, discovery_prefix } => {
                remove(context, device.as_deref(), discovery_prefix.as_deref())
            }
        }
    }
}

fn remove(context: &Context, device: Option<&str>, discovery_prefix: Option<&str>) -> Result<()> {
    let config = context.config()?;
    let Some(mqtt) = &config.mqtt else { bail!("no broker is configured: there is no [mqtt] section") };
    let daemon_runs = Client::connect(&config.control.socket)?.is_some();
    let Some(mut settings) = setup::hub(&config)? else { bail!("no broker is configured") };
    if let Some(device) = device {
        if daemon_runs && device == settings.device {
            bail!(
                "this is the name of the device now, and the daemon would put everything back: stop it first (systemctl stop usher)"
            );
        }
        device.clone_into(&mut settings.device);
    } else if daemon_runs {
        bail!("the daemon runs and would put everything back: stop it first (systemctl stop usher)");
    }
    let configured = mqtt.home_assistant.as_ref().map_or("homeassistant", |settings| &settings.discovery_prefix);
    let prefix = discovery_prefix.unwrap_or(configured);
    // The list of what was told is in the store, which the daemon holds while it runs.
    let topics = if daemon_runs { None } else { Some(StoredTopics::open(&Store::open(&config.store.path)?)?) };
    let base = format!("{}/{}", settings.prefix, settings.device);
    let mut also: Vec<String> = Vec::new();
    if let Some(topics) = &topics {
        let told = topics.topics()?;
        also.extend(told.into_iter().filter(|(_, of)| device.is_none() || *of == base).map(|(topic, _)| topic));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let cleared = runtime.block_on(crate::hub::remove(settings, prefix, &also, BROKER_WAIT))?;
    if let Some(topics) = &topics {
        topics.remove(&also)?;
    }
    let mut out = std::io::stdout().lock();
    for topic in &cleared {
        writeln!(out, "cleared {topic}")?;
    }
    Ok(())
}

//! `usher hub`

use std::io::Write;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use super::client::Client;
use super::context::Context;
use crate::hub::RetainedTopics;
use crate::setup;
use crate::setup::retained_topics::StoredTopics;
use crate::store::Store;

/// How long the broker may take for an answer.
const BROKER_WAIT: Duration = Duration::from_secs(10);

/// Manage what the MQTT broker and Home Assistant keep of this device.
///
/// docs/mqtt.md lists what is published; docs/home-assistant.md explains Home Assistant. `usher status` shows the connection to the broker,
/// and `usher doctor` checks that the broker accepts this device.
#[derive(Args)]
pub struct HubCommand {
    #[command(subcommand)]
    action: Action,
}

// A doc comment here would replace the command's help.
#[derive(Subcommand)]
enum Action {
    /// Remove this device from the broker and from Home Assistant
    ///
    /// Clears all topics that the broker retains for this device: its discovery message, its status, its doors, cameras and people, and those
    /// of former names. Home Assistant then removes the device with all its entities. The journal and the outbox stay. Stop the daemon
    /// first, because it would publish everything again; with --device it may run. To keep the daemon without Home Assistant, turn
    /// [mqtt.home_assistant] off instead, which removes the discovery message.
    Remove {
        /// A former [device] name; the daemon may run
        #[arg(long, value_name = "NAME")]
        device: Option<String>,
        /// The prefix of Home Assistant's discovery topics, if it is not the configured one
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
                "this is the device's present name, and the daemon would publish everything again: stop it first (systemctl stop usher)"
            );
        }
        device.clone_into(&mut settings.device);
    } else if daemon_runs {
        bail!("the daemon runs and would publish everything again: stop it first (systemctl stop usher)");
    }
    let configured = mqtt.home_assistant.discovery_prefix.as_str();
    let prefix = discovery_prefix.unwrap_or(configured);
    // The list of published topics is in the store, which a running daemon holds.
    let topics = if daemon_runs { None } else { Some(StoredTopics::open(&Store::open(&config.store.path)?)?) };
    let base = format!("{}/{}", settings.prefix, settings.device);
    let mut also: Vec<String> = Vec::new();
    if let Some(topics) = &topics {
        let published = topics.topics()?;
        also.extend(published.into_iter().filter(|(_, of)| device.is_none() || *of == base).map(|(topic, _)| topic));
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

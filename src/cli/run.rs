//! `usher run`

use anyhow::Result;
use clap::Args;

use super::context::Context;
use super::log;
use crate::daemon::{self, Options};

/// Run the daemon: watch the cameras, open the doors.
///
/// Runs in the foreground and logs to standard error. SIGTERM or SIGINT ends it in order: cameras, doors (relays to their safe
/// level), journal, broker; a second signal ends it at once. A camera that is away is tried again; a stage that dies ends the daemon
/// with a failure, so that a supervisor starts it anew. systemd is told when it is ready, that it lives and how its doors stand.
#[derive(Args)]
pub struct Run {
    /// End when every camera is a replay that has come to its end
    #[arg(long)]
    until_replays_end: bool,
}

impl Run {
    pub fn run(self, context: &Context) -> Result<()> {
        let config = context.config()?;
        log::start(&config.log);
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        daemon::run(&config, Options { until_replays_end: self.until_replays_end })
    }
}

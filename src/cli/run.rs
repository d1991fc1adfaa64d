//! `usher run`

use anyhow::Result;
use clap::Args;

use super::context::{self, Context};
use crate::daemon::{self, Options};

/// Run the daemon: watch the cameras, open the doors.
///
/// Runs in the foreground and logs to standard error. SIGTERM, SIGINT or SIGHUP stops it in order: cameras, doors (relays to their safe level),
/// journal, broker; a second signal stops it at once. It keeps trying to open a camera that is missing. When a stage dies, the daemon exits
/// with a failure so that a supervisor restarts it. It notifies systemd of its readiness, its watchdog and its doors' status.
#[derive(Args)]
pub struct Run {
    /// Stop when every camera is a replay that has ended
    #[arg(long)]
    until_replays_end: bool,
}

impl Run {
    pub fn run(self, context: &Context) -> Result<()> {
        let config = context.config()?;
        context::start_log(&config.log);
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        let configuration = Some(context.path().to_owned());
        daemon::run(&config, Options { configuration, until_replays_end: self.until_replays_end })
    }
}

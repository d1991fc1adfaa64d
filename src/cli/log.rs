//! The log, on standard error.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{Log, LogFormat};

/// Starts the log as configured; `RUST_LOG` overrides the level.
pub fn start(log: &Log) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        // rumqttc logs a lot below warnings.
        EnvFilter::new(format!("{},rumqttc=warn", log.level.as_str()))
    });
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let started = match log.format {
        LogFormat::Human => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // It fails where a log is started already: in a test, or in the demo.
    drop(started);
}

//! What the daemon needs as a process: its socket, the address of the metrics, a key that its user can read; and whether the running one has
//! this version and this configuration.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use anyhow::Result;

use super::{Findings, State};
use crate::api::status::Status;
use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::config::Config;

/// Reports a daemon that runs although the configuration cannot be read.
pub fn without_configuration(context: &Context, findings: &mut Findings) -> Result<()> {
    if let Ok(Some(_)) = Client::connect(&context.socket()) {
        let text = "one runs, with the configuration that it started with; it would not start again";
        findings.report("daemon", State::Warning, text)?;
    }
    Ok(())
}

/// Compares the running daemon with this program and this configuration.
pub fn same(config: &Config, status: &Status, findings: &mut Findings) -> Result<()> {
    let own = env!("CARGO_PKG_VERSION");
    if status.version != own {
        let text = format!("version {} runs, and this is {own}: restart it (systemctl restart usher)", status.version);
        findings.report("daemon", State::Warning, &text)?;
    }
    if status.configuration != config.fingerprint() {
        let text = "runs with another configuration: the file has changed since it started, or it has other USHER__ variables than you. \
                    Restart it (systemctl restart usher)";
        findings.report("daemon", State::Warning, text)?;
    }
    Ok(())
}

/// Whether `usher run` could start, as far as no device is concerned.
pub fn can_start(config: &Config, findings: &mut Findings) -> Result<()> {
    let socket = &config.control.socket;
    if std::fs::symlink_metadata(socket).is_ok_and(|found| !found.file_type().is_socket()) {
        let text = format!("{} is there and is no socket: move it, or change [control] socket", socket.display());
        findings.report("socket", State::Broken, &text)?;
    }
    if let Some(address) = config.metrics.listen {
        is_free(address, "metrics", "[metrics] listen", findings)?;
    }
    if config.web.enabled {
        is_free(config.web.listen, "page", "[web] listen", findings)?;
    }
    key(&config.store.key_file, &config.store.path, findings)
}

/// An address that is in use is no reason for a door not to start.
fn is_free(address: SocketAddr, name: &str, key: &str, findings: &mut Findings) -> Result<()> {
    match TcpListener::bind(address) {
        Ok(_) => findings.report(name, State::Ok, &format!("{address} is free")),
        Err(error) => {
            let text = format!(
                "cannot be served on {address}: {error}. The daemon starts all the same and tries again; `ss -ltnp` shows who has the port, \
                 {key} names another"
            );
            findings.report(name, State::Warning, &text)
        }
    }
}

/// Whether the store's owner, as whom the daemon runs, can read the key: root always can, and would find nothing wrong.
fn key(file: &Path, store: &Path, findings: &mut Findings) -> Result<()> {
    let (Ok(key), Ok(store)) = (std::fs::metadata(file), std::fs::metadata(store)) else { return Ok(()) };
    if !is_readable_by((key.uid(), key.gid(), key.mode()), (store.uid(), store.gid())) {
        let text = format!(
            "{} belongs to user {}, and the store to user {}, who cannot read it: chown {} {}",
            file.display(),
            key.uid(),
            store.uid(),
            store.uid(),
            file.display()
        );
        findings.report("key", State::Broken, &text)?;
    }
    Ok(())
}

/// Whether a file with this owner, group and mode can be read by a user of this group.
fn is_readable_by((owner, owning, mode): (u32, u32, u32), (user, group): (u32, u32)) -> bool {
    let may = |bit: u32| mode & bit != 0;
    user == 0 || if owner == user { may(0o400) } else { may(0o004) || owning == group && may(0o040) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_another_user_cannot_be_read() {
        assert!(is_readable_by((900, 900, 0o100600), (900, 900)));
        assert!(!is_readable_by((0, 0, 0o100600), (900, 900)), "root's own key");
        assert!(is_readable_by((0, 900, 0o100640), (900, 900)) && !is_readable_by((0, 900, 0o100600), (900, 900)));
        assert!(is_readable_by((900, 900, 0o100600), (0, 0)), "a daemon of root");
        assert!(!is_readable_by((900, 900, 0o100200), (900, 900)));
    }
}

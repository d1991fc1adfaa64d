//! A file in the runtime directory that names what the daemon has claimed: the lines of its relays and its socket.
//!
//! `usher door safe` reads it to put relays at their safe level when the configuration has become unreadable or names other lines by now. The
//! file stays when the daemon ends, until the next daemon writes its own or the machine restarts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::{self, Config};
use crate::door::WiringSettings;
use crate::setup;

/// The file's name, beside the control socket.
const FILE: &str = "claims.json";

/// What the file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub socket: PathBuf,
    pub doors: Vec<WiringSettings>,
}

/// Writes the file for a daemon of this configuration. A failure is only logged: doors work without it.
pub fn write(config: &Config) {
    let socket = config.control.socket.clone();
    let doors = config.doors.iter().map(setup::wiring_settings).collect();
    let path = beside(&socket);
    let claims = Claims { socket, doors };
    let written = serde_json::to_vec(&claims).map_err(io::Error::from).and_then(|json| fs::write(&path, json));
    if let Err(error) = written {
        tracing::warn!(path = %path.display(), %error, "the claimed lines cannot be written down for `usher door safe`");
    }
}

/// The file of the last daemon with this socket; `None` if there is none.
///
/// # Errors
/// The file cannot be read or parsed.
pub fn read_beside(socket: &Path) -> io::Result<Option<Claims>> {
    match fs::read(beside(socket)) {
        Ok(json) => Ok(Some(serde_json::from_slice(&json)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The control socket if the configuration cannot be read: in the service's runtime directory (systemd.exec(5), `RuntimeDirectory=`), or
/// else the default.
pub fn usual_socket() -> PathBuf {
    let default = Path::new(config::CONTROL_SOCKET);
    match std::env::var_os("RUNTIME_DIRECTORY").zip(default.file_name()) {
        Some((folder, name)) => Path::new(&folder).join(name),
        None => default.to_owned(),
    }
}

fn beside(socket: &Path) -> PathBuf {
    socket.with_file_name(FILE)
}

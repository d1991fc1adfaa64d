//! What a running daemon has claimed, left in its runtime directory: the lines of its relays and its socket.
//!
//! `usher door safe` reads it, so that relays can be put at their safe level when the configuration has become unreadable or names other
//! lines by now. The file stays when the daemon ends, until the next one writes its own or the machine starts anew.

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

/// Writes down what a daemon of this configuration has claimed. A failure is logged: it keeps no door from working.
pub fn leave(config: &Config) {
    let socket = config.control.socket.clone();
    let doors = config.doors.iter().map(setup::wiring_settings).collect();
    let path = beside(&socket);
    let claims = Claims { socket, doors };
    let written = serde_json::to_vec(&claims).map_err(io::Error::from).and_then(|json| fs::write(&path, json));
    if let Err(error) = written {
        tracing::warn!(path = %path.display(), %error, "what is claimed cannot be left for `usher door safe`");
    }
}

/// What the last daemon with this socket left; `None` where there is no such file.
///
/// # Errors
/// The file cannot be read, or is not one of these.
pub fn left_beside(socket: &Path) -> io::Result<Option<Claims>> {
    match fs::read(beside(socket)) {
        Ok(json) => Ok(Some(serde_json::from_slice(&json)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where the control socket is when the configuration cannot be read: in the service's runtime directory (systemd.exec(5),
/// `RuntimeDirectory=`), else where it is by default.
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

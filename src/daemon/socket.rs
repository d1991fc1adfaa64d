//! The control socket: a Unix socket that only its owner and one group can open.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use crate::api::users::group_id;

/// The socket's file; removed when this is dropped.
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, socket = %self.0.display(), "the control socket was gone already");
        }
    }
}

/// Makes the socket, with mode 0660 for `group`, else 0600. Replaces a socket that a dead daemon left behind.
///
/// # Errors
/// Another daemon answers on it, a file of that name is no socket, or the socket cannot be made.
pub fn listen(path: &Path, group: Option<&str>) -> io::Result<(UnixListener, SocketFile)> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::other("there is a file of that name that is not a socket"));
        }
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
            return Err(io::Error::other("another daemon answers on it"));
        }
        Ok(_) => std::fs::remove_file(path)?,
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    let file = SocketFile(path.to_owned());
    let mode = if group.is_some() { 0o660 } else { 0o600 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    if let Some(group) = group {
        match group_id(group) {
            Some(gid) => std::os::unix::fs::chown(path, None, Some(gid))
                .unwrap_or_else(|error| tracing::warn!(group, %error, "the control socket keeps its group")),
            None => {
                tracing::warn!(group, "there is no such group; only the daemon's own user can use the control socket")
            }
        }
    }
    Ok((listener, file))
}
